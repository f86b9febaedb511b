"""What a report reads from a store: one run's frames, the latest round of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from agents.interface import OK

from ..evaluation.simulated import METRICS, Log
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


def per_session(frames: Frames, metrics: Sequence[str]) -> pd.DataFrame:
    """arm, agent and one column a metric, for the sessions that did not fail."""
    low, high = frames.run.dataset.get("rating_scale", (1.0, 5.0))
    last = int(frames.items["item"].max()) if len(frames.items) else -1
    genres = frames.items.set_index("item")["genres"].reindex(range(last + 1))
    log = Log(
        sessions=frames.sessions,
        exposures=frames.exposures,
        genres=tuple(tuple(names) if isinstance(names, list) else () for names in genres),
        rating_scale=(float(low), float(high)),
    )
    out = frames.sessions[["arm", "agent"]].assign(
        **{name: METRICS[name].values(log) for name in metrics}
    )
    return out[(frames.sessions["outcome"] == OK).to_numpy(dtype=bool)]
