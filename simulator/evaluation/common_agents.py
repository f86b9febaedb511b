"""Whether two runs put one question to two audiences, and which agents are the same users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recommenders.interface import IntArray

from ..errors import InputError
from .intervals import Floats
from .prediction_powered import FEWEST
from .simulated import METRICS
from .study import Study
from .units import Sessions, sessions

SAME = ("seed", "session", "rounds", "feedback")
"""What both scenarios must say alike, beside data set and arms."""

SIZES = ("name", "users", "items", "interactions", "train")
"""What is to be alike of the data that were read, however the files are called."""


@dataclass(frozen=True, eq=False)
class Common:
    """The sessions of both audiences: ``row`` (N,) the expensive unit who is the same user as
    each cheap one, -1 where there is none; ``both`` such users, ``unmatched`` expensive ones
    without a cheap counterpart."""

    expensive: Sessions
    cheap: Sessions
    row: IntArray
    both: int
    unmatched: int

    def differences(self, control: str, arm: str, metric: str) -> tuple[Floats, Floats]:
        """(N,) expensive, NaN where there is none, and (N,) cheap, arm minus control."""
        (b, a), (cheap_b, cheap_a) = (
            side.pair(control, arm, metric) for side in (self.expensive, self.cheap)
        )
        return np.where(self.row >= 0, (a - b)[self.row], np.nan), cheap_a - cheap_b


def check(study: Study, cheap: Study) -> None:
    """Raises InputError unless both ask the same of another audience."""
    where = f"run {cheap.name}"
    if {run.name for run in study.members} & {run.name for run in cheap.members}:
        raise InputError(where, found="the same run twice", allowed="a run of another audience")
    for one in (study, cheap):
        _check_kind(one)
    if cheap.status != "finished":
        raise InputError(where, found=f"a run that is {cheap.status}", allowed="a finished one")
    for key, own, other in _facts(study, cheap):
        _alike(where, key, own, other, study.name)
    specs = [{arm["name"]: _spec(arm) for arm in one.scenario["arms"]} for one in (study, cheap)]
    for arm in study.arms:
        if arm not in specs[1]:
            names = ", ".join(specs[1])
            raise InputError(where, key="arms", found=names, allowed=f"{arm}, as in {study.name}")
        _alike(where, f"arm {arm}", specs[0][arm], specs[1][arm], study.name)


def _alike(where: str, key: str, own: object, other: object, name: str) -> None:
    """Raises InputError with what differs, of sections only that."""
    if own == other:
        return
    if isinstance(own, Mapping) and isinstance(other, Mapping):
        keys = [part for part in {**own, **other} if own.get(part) != other.get(part)]
        own, other = (
            ", ".join(f"{part}: {side.get(part, 'none')}" for part in keys) for side in (own, other)
        )
    raise InputError(where, key=key, found=str(other), allowed=f"{own}, as in {name}")


def _check_kind(study: Study) -> None:
    last = int(study.values["round"].max()) if len(study.values) else 1
    found = None
    if study.unit == "world":
        found, allowed = "several worlds", "one world, in which agents can be paired"
    elif study.coupled(last):
        found, allowed = "arms that learned from these agents", "a run without feedback"
    elif study.evaluation["stop"] == "anytime":
        found, allowed = "evaluation.stop: anytime", "a run of a size fixed beforehand"
    if found is not None:
        raise InputError(f"run {study.name}", found=found, allowed=allowed)


def _facts(study: Study, cheap: Study) -> list[tuple[str, Any, Any]]:
    """What must be alike, by the name that it goes by in an error."""
    sides = (study, cheap)
    by_key: dict[str, list[Any]] = {"data set": [_data(one) for one in sides]}
    by_key |= {key: [one.scenario.get(key) for one in sides] for key in SAME}
    by_key["grounding"] = [one.scenario.get("grounding", "none") for one in sides]
    by_key |= {f"dataset.{key}": [one.first.dataset.get(key) for one in sides] for key in SIZES}
    return [(key, own, other) for key, (own, other) in by_key.items()]


def _data(study: Study) -> dict[str, Any]:
    """The scenario's section; where the files lie is no matter."""
    section = study.scenario.get("dataset") or {}
    return {key: value for key, value in section.items() if key != "path" and value is not None}


def _spec(arm: Mapping[str, Any]) -> dict[str, Any]:
    """An arm, but for the draw of chance its agents meet."""
    return {key: value for key, value in arm.items() if key not in ("name", "luck")}


def match(study: Study, cheap: Study, round_: int) -> Common:
    """Pairs agents by the id that the user has in the data. Raises InputError."""
    found = [_of_round(one, round_) for one in (study, cheap)]
    users = [_users(one, of) for one, of in zip((study, cheap), found, strict=True)]
    row = users[0].get_indexer(users[1])
    both = int((row >= 0).sum())
    where = f"run {cheap.name}"
    if both < FEWEST:
        allowed = f"{FEWEST} or more of its {len(users[0]):,}"
        said = f"{both or 'no'} agents that {study.name} has too"
        raise InputError(where, found=said, allowed=allowed)
    if both == len(row):
        raise InputError(
            where, found=f"{both:,} agents, all of which {study.name} has too",
            allowed="a run of more agents", fix="--agents N",
        )  # fmt: skip
    return Common(found[0], found[1], row, both, len(users[0]) - both)


def _of_round(study: Study, round_: int) -> Sessions:
    values = study.values[study.values["round"] == round_]
    return sessions(values, list(METRICS), "agent")


def _users(study: Study, found: Sessions) -> pd.Index[Any]:
    """The user of each unit."""
    user = dict(zip(study.people["agent"], study.people["user_id"], strict=True))
    _, first = np.unique(found.unit, return_index=True)
    users: pd.Index[Any] = pd.Index([user[agent] for agent in found.agent[first].tolist()])
    return users
