"""Logs small enough to be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from simulator.evaluation.simulated import Log

Row = tuple[str, int, int, int, float, float]
"""arm, round, agent, item, watched (1, 0 or NaN), rating (NaN: none)."""

NAN = float("nan")
GENRES = (("Horror", "Sci-Fi"), ("Horror",), (), ("Drama",))


def log(exposures: Sequence[Row], sessions: list[dict[str, Any]], **changes: Any) -> Log:
    """A log with one arm order: as arms first appear in ``sessions``."""
    arms = list(dict.fromkeys(session["arm"] for session in sessions))
    base = {"round": 1, "exit_page": 1, "satisfaction": NAN, "return_intent": NAN, "outcome": "ok"}
    opened = pd.DataFrame([{**base, **session} for session in sessions])
    shown = pd.DataFrame(
        exposures, columns=["arm", "round", "agent", "item", "watched", "rating"]
    ).astype({"watched": "Float64", "rating": np.float64, "item": np.int64})
    shown["watched"] = shown["watched"].astype("boolean")
    for frame in (opened, shown):
        frame["arm"] = pd.Categorical(frame["arm"], categories=arms, ordered=True)
    return Log(opened, shown, changes.pop("genres", GENRES), **changes)


def measured(**arms: dict[str, list[float]]) -> pd.DataFrame:
    """Values by arm and metric, agents numbered from 0."""
    frames = [
        pd.DataFrame({"arm": arm, "round": 1, "agent": range(len(next(iter(m.values())))), **m})
        for arm, m in arms.items()
    ]
    out = pd.concat(frames, ignore_index=True)
    out["arm"] = pd.Categorical(out["arm"], categories=list(arms), ordered=True)
    return out
