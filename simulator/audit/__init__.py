"""Can this audience be trusted for this question? Negative and positive controls, and what
they say together: ``audition audit`` (docs/audit.md)."""
