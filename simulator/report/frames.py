"""What a report reads from a store: one run's frames, the latest round of each."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ..storage import queries
from ..storage.store import Store


@dataclass(frozen=True, eq=False)
class Frames:
    """One run. ``sessions``, ``pages``, ``exposures``, ``steps`` hold round ``round`` only:
    the state the arms ended in, which is what the summary's simulated metrics are of."""

    run: queries.Run
    arms: pd.DataFrame
    agents: pd.DataFrame
    items: pd.DataFrame
    sessions: pd.DataFrame
    pages: pd.DataFrame
    exposures: pd.DataFrame
    steps: pd.DataFrame
    round: int

    @property
    def recommenders(self) -> dict[str, str]:
        """Arm name -> recommender, in the scenario's order."""
        return dict(zip(self.arms["arm"].astype(str), self.arms["recommender"], strict=True))

    @property
    def confidence(self) -> float:
        return float(self.run.scenario.get("evaluation", {}).get("confidence", 0.95))


def load(store: Store, name: str | None) -> Frames:
    """Read one run, the latest when ``name`` is None; InputError where it is not there."""
    run = queries.run(store, name)
    shown = ("item", "relevant", "watched", "rating")
    by_round = {
        "sessions": queries.sessions(store, run.name),
        "pages": queries.pages(store, run.name),
        "exposures": queries.exposures(store, run.name, columns=shown),
        "steps": queries.steps(store, run.name),
    }
    last = max((int(f["round"].max()) for f in by_round.values() if len(f)), default=1)
    return Frames(
        run=run,
        arms=queries.arms(store, run.name),
        agents=queries.agents(store, run.name),
        items=queries.items(store, run.name),
        round=last,
        **{key: frame[frame["round"] == last] for key, frame in by_round.items()},
    )
