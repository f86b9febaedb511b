"""Slots: how often each is watched under three orders, and whether position or taste explains
what is watched. On designed slates (sessions.designed), where an item's place is random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from agents.interface import Floats, IntArray, ResponseModel

from ..evaluation.intervals import mean_interval
from ..world import World
from . import replies, sessions
from .measures import Baseline, Measure, estimated
from .slates import Slates
from .telling_apart import explained

TEST = "slots"
DRAWS = 10


def measure(world: World, model: ResponseModel | None = None) -> Iterator[Measure]:
    """Needs held-out items that may be shown (``world.relevant``)."""
    shuffled = sessions.designed(world)
    by_popularity = _ordered(world, shuffled)
    orders = {
        "ranked": by_popularity,
        "shuffled": shuffled,
        "reversed": _backwards(by_popularity),
    }
    confidence = world.scenario.evaluation.confidence
    for order, slates in orders.items():
        chance = replies.forced(world, slates, DRAWS, model).watched
        for slot in range(chance.shape[2]):
            rate = np.nanmean(chance[:, :, slot], axis=1)
            case = f"{order}, slot {slot + 1}"
            yield estimated(TEST, "watch rate", mean_interval(rate, confidence), case=case)
        if order == "shuffled":
            yield from _variance(slates, chance)


def _variance(slates: Slates, chance: Floats) -> Iterator[Measure]:
    """Of single watched-or-not answers: what a chance explains, a share of p (1 - p)."""
    there = slates.there
    given, mean = chance[there], float(chance[there].mean())
    known = float(given.var()) / (mean * (1 - mean)) if 0 < mean < 1 else 0.0
    slot = np.broadcast_to(np.arange(there.shape[2]), there.shape)[there]
    dummies = (slot[:, None] == np.arange(1, there.shape[2])).astype(np.float64)
    of_slot = explained(dummies, given) * known
    of_taste = explained(slates.relevant[there][:, None].astype(np.float64), given) * known
    n = len(slates)
    beside = (Baseline("slot", of_slot, np.nan, np.nan, n),)
    name = "variance explained by true relevance"
    note = "of what is watched, in shuffled order; beside it what the slot explains"
    yield Measure(TEST, name, of_taste, np.nan, np.nan, n, "shuffled", 1, beside, note)


def _ordered(world: World, slates: Slates) -> Slates:
    """Each page with its most popular item on top."""
    popularity = np.where(slates.there, world.catalogue.popularity[slates.item], -1)
    order = np.argsort(-popularity, axis=2, kind="stable")
    return _taken(slates, order)


def _backwards(slates: Slates) -> Slates:
    """Each page upside down; what pads a page stays at its end."""
    size = slates.item.shape[2]
    place = np.where(slates.there, -np.arange(size), size)
    return _taken(slates, np.argsort(place, axis=2, kind="stable"))


def _taken(slates: Slates, order: IntArray) -> Slates:
    item = np.take_along_axis(slates.item, order, axis=2)
    relevant = np.take_along_axis(slates.relevant, order, axis=2)
    return replace(slates, item=item, relevant=relevant)
