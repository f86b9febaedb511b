"""What agents share with real users and with language-model agents, measured beside trivial
baselines (docs/fidelity.md)."""
