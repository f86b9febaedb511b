"""``grounding: held_out``: agents recognise what their users truly rated in the held-out part.

Only the agents' side of the world is changed: recommenders are trained, asked and scored as
without the option, and never see a rating that an agent answers from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.interface import AgentError, RatedHistory, ResponseModel
from recommenders.interface import FloatArray, IntArray, Interactions

from .data.dataset import Dataset, Split
from .errors import InputError
from .scenario import Scenario

if TYPE_CHECKING:
    from .world import World


def check(scenario: Scenario, response: ResponseModel, file: str) -> None:
    """InputError where agents of this model would not answer from such ratings, or where
    nothing is held out that may be shown: what needs no data."""
    if scenario.grounding == "none":
        return
    try:
        response.check_recognition()
    except AgentError as error:
        raise InputError(
            file, key="grounding", found=scenario.grounding, allowed=f"none: {error}"
        ) from None
    if not parts(scenario):
        raise InputError(
            file,
            key="grounding",
            found=f"{scenario.grounding} with session.hide: [{', '.join(scenario.session.hide)}]",
            allowed="none, as nothing that is held out may be shown",
            fix="take valid or test out of session.hide",
        )


def parts(scenario: Scenario) -> tuple[str, ...]:
    """The held-out parts of the data that may be shown."""
    return tuple(part for part in ("valid", "test") if part not in scenario.session.hide)


def recognised(
    scenario: Scenario, file: str, dataset: Dataset, split: Split, users: IntArray
) -> RatedHistory | None:
    """What the agents of ``users``, in this order, recognise: their users' rated pairs of the
    parts that may be shown. None without the option; InputError where there is no such pair."""
    if scenario.grounding == "none":
        return None
    chosen = parts(scenario)
    events: list[Interactions] = [getattr(split, part) for part in chosen]
    user = np.concatenate([part.user for part in events])
    item = np.concatenate([part.item for part in events])
    rating = np.concatenate([_ratings(part) for part in events])
    known = ~np.isnan(rating) & np.isin(user, users)
    if not known.any():
        found = "no ratings" if np.isin(user, users).any() else "nothing of these users"
        where = " and ".join(chosen)
        raise InputError(
            file,
            key="grounding",
            found=f"{scenario.grounding}, but {dataset.name} holds {found} in {where}",
            allowed="none, or data with held-out ratings",
        )
    user, item, rating = user[known], item[known], rating[known]
    order = np.argsort(user, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=dataset.n_users))])
    whole = RatedHistory(indptr.astype(np.int64), item[order], rating[order])
    return whole.rows(users)


def for_early_stopping(scenario: Scenario, valid: Interactions) -> Interactions:
    """The validation part as recommenders are given it: without ratings where agents answer
    from them. Which pairs are in it stays known, as it decides when training ends."""
    return valid if scenario.grounding == "none" else replace(valid, rating=None)


def facts(world: World) -> dict[str, Any]:
    """What a run keeps of it: held-out pairs of its agents that may be shown, and how many of
    them have a rating, which is what is recognised. Empty without the option."""
    known, relevant = world.audience.recognised, world.relevant
    if known is None or relevant is None:
        return {}
    held_out = int(relevant[world.audience.agent].nnz)
    return {"grounding": {"held_out": held_out, "recognised": len(known.item)}}


def without(world: World, say: Callable[[str], None], what: str) -> World:
    """The world with agents that recognise nothing, for ``what`` must not know the truth it is
    measured by; says so where the scenario asked otherwise."""
    if world.audience.recognised is None:
        return world
    say(f"{what} never uses grounding: held_out; agents answer from their model alone")
    return replace(
        world,
        scenario=world.scenario.model_copy(update={"grounding": "none"}),
        audience=replace(world.audience, recognised=None),
    )


def _ratings(part: Interactions) -> FloatArray:
    if part.rating is None:
        return np.full(len(part), np.nan, dtype=np.float32)
    return part.rating
