"""Who a preset was fitted on, so that nothing is measured on these agents unawares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agents.response import presets
from agents.response.behavioural import Behavioural

from ..data.dataset import Dataset
from ..errors import InputError
from ..world import IntArray, World

SAME_PEOPLE = {"agent4rec": ("movielens-1m", "Agent4Rec's users are users of MovieLens-1M")}
"""By data set: the source that holds the same people under other numbers, and why."""


def digest(dataset: Dataset) -> str:
    """12 hexadecimal digits that tell a data set by its pairs of user and item, whatever their
    order and split: only where these agree is an agent's number the same person."""
    events = dataset.interactions
    order = np.lexsort((events.item, events.user))
    found = hashlib.sha256(f"{dataset.n_users} {dataset.n_items} ".encode())
    for column in (events.user, events.item):
        found.update(column[order].astype("<i8").tobytes())
    return found.hexdigest()[:12]


def provenance(world: World, rows: IntArray) -> dict[str, Any]:
    """A preset's ``fit.fitted_agents`` for settings fitted on these rows of the audience, from
    the scenario's own preset on: whom that one was fitted on counts too."""
    numbers = world.audience.agent[rows]
    known, base = digest(world.dataset), _base(world)
    ends = [int(numbers.min()), int(numbers.max())]
    if base is not None and (base.dataset, base.digest) == (world.dataset.name, known):
        ends += [base.first, base.last]
    return {
        "dataset": world.dataset.name,
        "digest": known,
        "first": min(ends),
        "last": max(ends),
    }


def check_base(world: World, scored: IntArray) -> None:
    """InputError where settings would be scored on agents (rows of the audience) that the
    scenario's own preset, from which the fit starts, was fitted on."""
    base = _base(world)
    if base is None or (base.dataset, base.digest) != (world.dataset.name, digest(world.dataset)):
        return
    numbers = world.audience.agent[scored]
    among = int(((numbers >= base.first) & (numbers <= base.last)).sum())
    if among:
        raise InputError(
            world.file,
            key="agents.response.preset",
            found=f"a preset fitted on {among:,} of the {len(numbers):,} agents to be scored",
            allowed=f"none, or one whose agents ({base.first:,} to {base.last:,}) are not scored",
            fix="set agents.response.preset to '', or --fit-share higher",
        )


def _base(world: World) -> presets.FittedAgents | None:
    model = world.response
    name = model.settings.get("preset") if isinstance(model, Behavioural) else None
    return presets.load(name).fitted if name else None


@dataclass(frozen=True)
class Unseen:
    """``world`` with an audience of those agents only whom its preset was not fitted on (all
    else whole: data, population, catalogue); how many were ``left_out``; ``remark`` a sentence
    about it, "" where no preset is used that was fitted to anything."""

    world: World
    left_out: int
    remark: str


def unseen(world: World) -> Unseen:
    """Raises InputError where the preset was fitted on every agent of the audience."""
    model = world.response
    name = model.settings.get("preset") if isinstance(model, Behavioural) else None
    preset = presets.load(name) if name else None
    if preset is None or not preset.fit:
        return Unseen(world, 0, "")
    if preset.fitted is None:
        return Unseen(
            world,
            0,
            f"The preset {preset.name} does not say whom it was fitted on (fit.fitted_agents): "
            "these agents may be among them, and figures then flatter it.",
        )
    if preset.fitted.dataset != world.dataset.name or preset.fitted.digest != digest(world.dataset):
        return Unseen(world, 0, _elsewhere(world, preset.name, preset.fitted))
    return _without(world, preset.name, preset.fitted)


def _without(world: World, name: str, fitted: presets.FittedAgents) -> Unseen:
    agent = world.audience.agent
    rows = np.flatnonzero((agent < fitted.first) | (agent > fitted.last))
    out = len(agent) - len(rows)
    who = f"agents {fitted.first:,} to {fitted.last:,} of this data set"
    if not len(rows):
        raise InputError(
            world.file,
            key="agents.count",
            found=f"{len(agent):,} agents, all among those that preset {name} was fitted on",
            allowed=f"some that it was not fitted on: it was on {who}",
            fix="set agents.count higher, or calibrate a preset on fewer (--fit-share)",
        )
    remark = f"The preset {name} was fitted on {who}; "
    if not out:
        return Unseen(world, 0, f"{remark}none of them is in this audience.")
    remark += f"the {out:,} of them in this audience are left out of every figure."
    return Unseen(replace(world, audience=world.audience.rows(rows)), out, remark)


def _elsewhere(world: World, name: str, fitted: presets.FittedAgents) -> str:
    said = f"The preset {name} was fitted on users of {fitted.dataset}"
    source, why = SAME_PEOPLE.get(fitted.dataset, ("", ""))
    if source and source == world.scenario.dataset.source:
        return (
            f"{said}. {why}, under other numbers: some of these agents may be among those it was "
            "fitted on, and nobody is left out."
        )
    if fitted.dataset == world.dataset.name:
        return (
            f"{said} with other users or pairs than here, so that numbers do not tell them apart: "
            "some of these agents may be among those it was fitted on, and nobody is left out."
        )
    return f"{said}, another data set: nobody is left out."
