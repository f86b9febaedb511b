"""Traits: does a higher level do more of what the trait says, by how much, and does it still do so
when everybody is given the middle level?

- activity orders the pages seen and the items watched;
- conformity orders how far ratings of the users' own held-out items lie from the shown ones,
  which real ratings tell too;
- diversity orders the entropy of the genres watched; people's is that of their held-out items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from agents.features import genre_matrix, shown_or_middle
from agents.interface import NO_ITEM, Floats, IntArray, ResponseModel

from ..evaluation.intervals import t_quantile
from ..world import World
from . import replies, sessions
from .measures import Baseline, Measure
from .slates import Slates

TEST = "traits"
DRAWS = 20
MOST = 40
"""Held-out items of an agent that are looked at."""


@dataclass(frozen=True, eq=False)
class Figure:
    """One value for each agent (N,), NaN where it has none; ``people`` the same of the users."""

    trait: str
    name: str
    agents: Floats
    people: Floats | None = None


def measure(world: World, model: ResponseModel | None = None) -> Iterator[Measure]:
    """Differences between levels, with and without the trait. Needs held-out items."""
    levels = {
        t: getattr(world.audience.profiles, t) for t in ("activity", "conformity", "diversity")
    }
    confidence = world.scenario.evaluation.confidence
    for figure in figures(world, model, None):
        yield from _differences(figure, levels[figure.trait], confidence, "with the trait")
    for trait, level in levels.items():
        for figure in figures(_without(world, trait), model, trait):
            yield from _differences(figure, level, confidence, "without the trait")


def figures(world: World, model: ResponseModel | None, only: str | None) -> Iterator[Figure]:
    """What each trait should order; ``only`` that trait's."""
    designed = sessions.designed(world)
    if only in (None, "activity"):
        seen = replies.free(world, designed, range(DRAWS), model)
        mean = seen.groupby("agent")[["n_exit", "watched"]].mean()
        yield Figure("activity", "pages seen", mean["n_exit"].to_numpy(np.float64))
        yield Figure("activity", "items watched", mean["watched"].to_numpy(np.float64))
    own = held_out(world)
    if only in (None, "conformity") and own is not None:
        yield _deviation(world, own, model)
    if only in (None, "diversity"):
        chance = replies.forced(world, designed, DRAWS, model).watched
        people = None if own is None else _entropy(world, own, own.there.astype(np.float64))
        yield Figure("diversity", "genre entropy", _entropy(world, designed, chance), people)


def held_out(world: World) -> Slates | None:
    """Every agent's rated held-out items in pages; None where the data have no ratings."""
    part = world.split.valid if len(world.split.valid) else world.split.test
    if part.rating is None or not len(part):
        return None
    size, n = world.scenario.session.page_size, len(world.audience)
    pages = -(-MOST // size)
    item = np.full((n, pages * size), NO_ITEM, dtype=np.int64)
    rating = np.full(item.shape, np.nan, dtype=np.float32)
    order = np.argsort(part.user, kind="stable")
    start = np.searchsorted(part.user[order], np.arange(world.dataset.n_users + 1))
    for row, agent in enumerate(world.audience.agent.tolist()):
        mine = order[start[agent] : start[agent + 1]]
        mine = mine[~np.isnan(part.rating[mine])][: item.shape[1]]
        item[row, : len(mine)] = part.item[mine]
        rating[row, : len(mine)] = part.rating[mine]
    shape = (n, pages, size)
    slates = sessions.arranged(world, item.reshape(shape), (item != NO_ITEM).reshape(shape))
    return replace(slates, rating=rating.reshape(shape))


def _deviation(world: World, own: Slates, model: ResponseModel | None) -> Figure:
    found = replies.forced(world, own, DRAWS, model)
    shown = shown_or_middle(world.catalogue)[np.maximum(own.item, 0)]
    away = np.abs(np.array(found.scale) - shown[..., None])
    given = np.nansum(found.marks, axis=(1, 2, 3))
    total = np.nansum(found.marks * away, axis=(1, 2, 3))
    ours = np.divide(total, given, out=np.full(len(own), np.nan), where=given > 0)
    count = own.there.sum(axis=(1, 2))
    real = np.nansum(np.abs(own.rating - shown), axis=(1, 2))
    theirs = np.divide(real, count, out=np.full(len(own), np.nan), where=count > 0)
    return Figure("conformity", "distance of ratings from the shown ones", ours, theirs)


def _entropy(world: World, slates: Slates, weight: Floats) -> Floats:
    """(N,) in nats, of the genres of a slate's items, each item's weight shared among its."""
    labels, _ = genre_matrix(world.catalogue)
    dense = labels.toarray()
    share = dense / np.maximum(dense.sum(axis=1, keepdims=True), 1.0)
    chosen = np.where(slates.there, np.nan_to_num(weight), 0.0).reshape(len(slates), -1)
    item = np.maximum(slates.item, 0).reshape(len(slates), -1)
    total = np.einsum("nk,nkg->ng", chosen, share[item])
    whole = total.sum(axis=1, keepdims=True)
    p = np.divide(total, whole, out=np.zeros_like(total), where=whole > 0)
    entropy = -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1)
    return np.asarray(np.where(whole[:, 0] > 0, entropy, np.nan))


def _without(world: World, trait: str) -> World:
    """Everybody at the middle level of one trait."""
    audience = world.audience
    middle = np.full(len(audience), 2, dtype=np.int8)
    given: dict[str, Any] = {trait: middle}
    profiles = replace(audience.profiles, **given)
    return replace(world, audience=replace(audience, profiles=profiles))


def _differences(
    figure: Figure, level: IntArray, confidence: float, case: str
) -> Iterator[Measure]:
    for low, high in (*pairwise((1, 2, 3)), (1, 3)):
        ours = _apart(figure.agents, level, low, high, confidence)
        if np.isnan(ours[0]):
            continue
        n = int(np.isin(level, (low, high)).sum())
        beside: tuple[Baseline, ...] = ()
        if figure.people is not None:
            beside = (Baseline("people", *_apart(figure.people, level, low, high, confidence), n),)
        name = f"{figure.name}: {figure.trait} {high} minus {low}"
        yield Measure(TEST, name, *ours, n, case, 0, beside)


def _apart(
    values: Floats, level: IntArray, low: int, high: int, confidence: float
) -> tuple[float, float, float]:
    """The difference of two levels' means and its interval (Welch); NaN below two agents."""
    one, two = (values[(level == at) & ~np.isnan(values)] for at in (low, high))
    if min(len(one), len(two)) < 2:
        return np.nan, np.nan, np.nan
    parts = np.array([one.var(ddof=1) / len(one), two.var(ddof=1) / len(two)])
    difference, variance = float(two.mean() - one.mean()), float(parts.sum())
    if variance == 0:
        return difference, difference, difference
    degrees = variance**2 / float((parts**2 / (np.array([len(one), len(two)]) - 1)).sum())
    half = t_quantile((1 + confidence) / 2, degrees) * np.sqrt(variance)
    return difference, difference - float(half), difference + float(half)
