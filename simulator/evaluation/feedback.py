"""The dual table of feedback: the same recommender refitted on what its agents did.

As in Agent4Rec (Zhang et al., SIGIR 2024, section 4.3): rows Origin, + Unviewed, + Viewed (and
+ Liked) for each recommender; offline accuracy, how long agents stay, how satisfied
they leave.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from .intervals import Estimate, Floats, mean_interval
from .study import Study, per_unit

ROWS = {"none": "Origin", "unviewed": "+ Unviewed", "viewed": "+ Viewed", "liked": "+ Liked"}
"""What a refit learns from, and how the table calls it; in the table's order."""

OFFLINE = ("recall", "ndcg")
SIMULATED = ("n_exit", "s_sat")


@dataclass(frozen=True)
class Row:
    """One recommender with one kind of feedback, as arm ``arm`` was in round ``round``.

    ``metrics``: name to mean, low, high, n. ``over_origin`` and ``over_unviewed``: the same of
    the difference to that row of the same recommender, paired by world for offline
    metrics and by the unit of analysis for simulated ones; low and high are NaN where only one
    world was run and the metric is an offline one.
    """

    recommender: str
    row: str
    arm: str
    round: int
    metrics: dict[str, dict[str, Any]]
    over_origin: dict[str, dict[str, Any]] = field(default_factory=dict)
    over_unviewed: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Seen:
    """One row's values by metric, indexed by what pairs them (world, or unit)."""

    values: Mapping[str, pd.Series[Any]]


def table(study: Study, rounds: Sequence[int]) -> list[Row]:
    """Empty where no recommender was refitted on feedback."""
    last = max(rounds)
    out: list[Row] = []
    for title, arms in _groups(study).items():
        kinds = {kind: arm for arm, kind in arms}
        if last == 1 or set(kinds) <= {"none"}:
            continue
        places = {kind: (arm, last) for kind, arm in kinds.items()}
        # Before the first refit all of them are the same: that is the origin, if no arm is.
        places.setdefault("none", (next(iter(kinds.values())), min(rounds)))
        seen = {kind: _seen(study, *places[kind]) for kind in ROWS if kind in places}
        out += [
            Row(
                title,
                ROWS[kind],
                *places[kind],
                metrics=_means(study, *places[kind], here),
                over_origin=_over(study, here, seen["none"]) if kind != "none" else {},
                over_unviewed=_over(study, here, seen["unviewed"])
                if kind in ("viewed", "liked") and "unviewed" in seen
                else {},
            )
            for kind, here in seen.items()
        ]
    return out


def _groups(study: Study) -> dict[str, list[tuple[str, str]]]:
    """Arms that differ by feedback alone: (arm, feedback) by a title of the recommender."""
    specs = [spec for spec in study.scenario.get("arms", ()) if spec["name"] in study.arms]
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for spec in specs:
        same = {key: value for key, value in spec.items() if key not in ("name", "feedback")}
        alike.setdefault(json.dumps(same, sort_keys=True), []).append(spec)
    default = study.scenario.get("feedback") or "none"
    out: dict[str, list[tuple[str, str]]] = {}
    for group in alike.values():
        kinds = [(str(spec["name"]), str(spec.get("feedback") or default)) for spec in group]
        out[_title(kinds, str(group[0]["recommender"]), out)] = kinds
    return out


def _title(arms: Sequence[tuple[str, str]], recommender: str, taken: Mapping[str, Any]) -> str:
    """The arm without feedback's name; an only arm's own; else the recommender's."""
    title = next((arm for arm, kind in arms if kind == "none"), None)
    title = title or (arms[0][0] if len(arms) == 1 else recommender)
    return title if title not in taken else f"{title} ({arms[0][0]})"


def _seen(study: Study, arm: str, round_: int) -> _Seen:
    offline = study.offline[(study.offline["arm"] == arm) & (study.offline["round"] == round_)]
    values: dict[str, pd.Series[Any]] = {
        str(metric): rows.set_index("world")["mean"].astype("float64")
        for metric, rows in offline.groupby("metric", sort=False)
        if str(metric).partition("@")[0] in OFFLINE
    }
    measured = study.values[(study.values["arm"] == arm) & (study.values["round"] == round_)]
    units = per_unit(measured, study.unit).set_index("unit")
    ordered = sorted(values, key=lambda name: OFFLINE.index(name.partition("@")[0]))
    return _Seen({name: values[name] for name in ordered} | {n: units[n] for n in SIMULATED})


def _means(study: Study, arm: str, round_: int, seen: _Seen) -> dict[str, dict[str, Any]]:
    """Offline metrics of one world keep the interval over its users; what agents did has one
    only where they are independent."""
    rows = study.offline[(study.offline["arm"] == arm) & (study.offline["round"] == round_)]
    own = {str(row["metric"]): row for row in rows.to_dict("records")}
    return {
        name: {part: own[name][part] for part in ("mean", "low", "high", "n")}
        if name in own and study.unit == "agent"
        else asdict(_estimate(study, values.to_numpy(dtype=np.float64)))
        for name, values in seen.values.items()
    }


def _estimate(study: Study, values: Floats) -> Estimate:
    """Without limits where the values are those of agents, who share a refit here."""
    found = mean_interval(values, study.confidence)
    return found if study.unit == "world" else replace(found, low=np.nan, high=np.nan)


def _over(study: Study, here: _Seen, other: _Seen) -> dict[str, dict[str, Any]]:
    out = {}
    for name in here.values.keys() & other.values.keys():
        gain = here.values[name].sub(other.values[name]).to_numpy(dtype=np.float64)
        out[name] = asdict(_estimate(study, gain))
    return {name: out[name] for name in here.values if name in out}
