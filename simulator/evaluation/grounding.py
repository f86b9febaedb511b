"""How much of a result rests on held-out ratings, where agents recognised what their users had
rated (``grounding: held_out``).

Metrics that add up over shown items fall into two parts: what recognised items brought, and
what the model's own answers brought. So does each paired difference, and the two parts sum to
it: an account of what happened, not of what either would bring alone, as recognised items also
take the place of others and decide how long an agent stays and is shown others. Other metrics
(satisfaction, exits, means of ratings) cannot be taken apart even so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from agents.interface import OK

from ..storage import queries
from .intervals import Estimate, Floats, mean_interval
from .paired import paired
from .simulated import KEY, METRICS, Log
from .study import Study, per_unit

ADDITIVE = ("p_view", "n_like", "p_like")
"""Metrics that are sums over shown items, divided by nothing or by how many were shown."""

SHARES = ("shown", "watched", "liked")
"""Of what agents were shown, watched and liked: the share that they recognised."""


@dataclass(frozen=True)
class Rate:
    """Shares recognised in one arm, means over agents (or worlds), 0 to 1. An agent who
    watched (or liked) nothing has no share of it."""

    shown: Estimate
    watched: Estimate
    liked: Estimate


@dataclass(frozen=True)
class Part:
    """A part of a paired difference, with its t interval."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Split:
    """One arm against the control in one metric: the plain paired ``difference`` over ``n``
    units is the sum of ``recognised`` and ``own``."""

    metric: str
    control: str
    arm: str
    difference: float
    recognised: Part
    own: Part
    n: int


@dataclass(frozen=True)
class Rests:
    """Of one round. ``exact``: every held-out pair has a rating; else the log cannot tell
    unrated ones from recognised ones, and shares are upper bounds. ``arms``: None where
    agents visit with somebody else's tastes, as the log does not hold what they recognise."""

    option: str
    round: int
    exact: bool
    arms: Mapping[str, Rate | None]
    splits: tuple[Split, ...]
    not_split: tuple[str, ...]


def rests(study: Study, number: int, control: str | None) -> Rests | None:
    """What a round's result rests on; None where the scenario has no such option on."""
    option = str(study.scenario.get("grounding") or "none")
    if option == "none":
        return None
    known = [arm for arm in study.arms if not _swapped(study.scenario, arm)]
    exact = all(_exact(run.dataset) for run in study.members)
    measured = _measured(study, number)
    columns = [*SHARES, *(name for metric in ADDITIVE for name in _columns(metric))]
    units = per_unit(measured, study.unit, columns)
    of_arm = {arm: units[units["arm"] == arm].set_index("unit") for arm in study.arms}
    return Rests(
        option=option,
        round=number,
        exact=exact,
        arms={
            arm: _rate(of_arm[arm], study.confidence) if arm in known else None
            for arm in study.arms
        },
        splits=tuple(
            _split(metric, control, arm, of_arm, study.confidence)
            for metric in ADDITIVE
            for arm in known
            if control in known and control is not None and arm != control
        ),
        not_split=tuple(name for name in METRICS if name not in ADDITIVE),
    )


def told_by(run: queries.Run, arm: str) -> bool | None:
    """Whether an arm's agents recognised just what the log marks as relevant; False where they
    recognised nothing, None where the log does not tell what they did."""
    if (run.scenario.get("grounding") or "none") == "none":
        return False
    return None if _swapped(run.scenario, arm) or not _exact(run.dataset) else True


def _swapped(scenario: Mapping[str, Any], arm: str) -> bool:
    specs = {spec["name"]: spec for spec in scenario.get("arms", ())}
    return bool(specs.get(arm, {}).get("tastes", "own") == "swapped")


def _exact(dataset: Mapping[str, Any]) -> bool:
    told = dataset.get("grounding", {})
    return bool(told.get("held_out") == told.get("recognised"))


def _columns(metric: str) -> tuple[str, str]:
    return f"{metric}.recognised", f"{metric}.own"


def _measured(study: Study, number: int) -> pd.DataFrame:
    """arm, world, agent and the columns of a round's sessions, all members together."""
    frames = []
    for run in study.members:
        log = study.logs[run.name]
        relevant = queries.exposures(study.store, run.name, columns=["relevant"])["relevant"]
        log = replace(log, exposures=log.exposures.assign(relevant=relevant))
        frames.append(session_parts(log).assign(world=run.world))
    out = pd.concat(frames, ignore_index=True)
    out = out[out["round"] == number]
    return out.assign(arm=pd.Categorical(out["arm"], categories=study.arms, ordered=True))


def session_parts(log: Log) -> pd.DataFrame:
    """arm, round, agent, the shares and both parts of every additive metric, a row for each of
    ``log.sessions``; all NaN where the session failed. ``log.exposures`` has ``relevant``."""
    marked = log.exposures["relevant"].to_numpy(dtype=np.float64, na_value=0.0)
    shown, watched, liked = log.shown, log.total(log.watched), log.total(log.liked)
    seen, chosen, loved = (log.total(marked * values) for values in _each(log))
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = {
            "shown": seen / shown,
            "watched": chosen / watched,
            "liked": loved / liked,
            "p_view.recognised": chosen / shown,
            "p_view.own": (watched - chosen) / shown,
            "n_like.recognised": loved,
            "n_like.own": liked - loved,
            "p_like.recognised": loved / shown,
            "p_like.own": (liked - loved) / shown,
        }
    out = log.sessions[KEY].reset_index(drop=True).astype({"arm": str})
    ok = (log.sessions["outcome"] == OK).to_numpy(dtype=bool)
    return out.assign(**{name: np.where(ok, values, np.nan) for name, values in columns.items()})


def _each(log: Log) -> tuple[Floats, Floats, Floats]:
    return np.ones(len(log.exposures)), log.watched, log.liked


def _rate(units: pd.DataFrame, confidence: float) -> Rate:
    return Rate(*(mean_interval(units[name], confidence) for name in SHARES))


def _split(
    metric: str, control: str, arm: str, of_arm: Mapping[str, pd.DataFrame], confidence: float
) -> Split:
    """Over the units that have the metric in both arms: both parts or neither are defined."""
    names = list(_columns(metric))
    before = of_arm[control][names].add_suffix(".c")
    both = before.join(of_arm[arm][names], how="inner").dropna()
    found = [
        paired(
            both[f"{name}.c"].to_numpy(dtype=np.float64),
            both[name].to_numpy(dtype=np.float64),
            confidence,
        ).estimated
        for name in names
    ]
    recognised, own = (Part(one.difference, one.low, one.high) for one in found)
    difference = recognised.difference + own.difference
    return Split(metric, control, arm, difference, recognised, own, len(both))
