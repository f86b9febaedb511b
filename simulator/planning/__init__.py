"""Before anything is spent (docs/plan.md): what a run will cost, and how many agents a
difference needs."""
