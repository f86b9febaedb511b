"""Memory: does what an agent saw before change what it does now?

*Seen again*: a second page brings items of the first one back, beside fresh ones that match them
in kind and popularity. The same agents meet the same second page after a first page of other items
too: what they do with the returning items there is what an agent without memory does.

*After a bad page*: the same second page after a first page of own held-out items, or of others as
popular. An agent without memory of it would leave, watch and feel on the second as after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from agents.interface import (
    NO_ITEM,
    Answers,
    BoolArray,
    Floats,
    IntArray,
    Luck,
    Page,
    ResponseModel,
)

from ..evaluation.intervals import Estimate, mean_interval
from ..world import World
from . import replies, twice
from .measures import Baseline, Measure, baseline, estimated
from .memory_published import after_a_page
from .slates import Slates

TEST = "memory"
DRAWS = 10

AGAIN = ("watched before", "passed over before", "fresh beside them")


class NewChoices:
    """Another luck whose draws for ``watch`` are others once ``turned``, so that whoever has no
    memory chooses on the second page by its mind and not by the first page's chance."""

    def __init__(self, luck: Luck, other: Luck) -> None:
        self._luck, self._other = luck, other
        self.turned = False

    @property
    def draw(self) -> str:
        return f"{self._luck.draw} turning"

    def uniform(self, purpose: str, *keys: npt.ArrayLike) -> Floats:
        luck = self._other if self.turned and purpose == "watch" else self._luck
        return luck.uniform(purpose, *keys)


def measure(
    world: World, published: Slates | None = None, model: ResponseModel | None = None
) -> Iterator[Measure]:
    """Needs held-out items that may be shown (``world.relevant``)."""
    model = model or world.response
    yield from seen_again(world, model)
    yield from after_a_bad_page(world, model)
    if published is not None:
        yield from after_a_page(world, published, model)


def seen_again(world: World, model: ResponseModel) -> Iterator[Measure]:
    """Rates of watching on the second page, by what was done with the item on the first."""
    pages = twice.repeats(world)
    row = np.arange(len(world.audience), dtype=np.int64)
    there = pages.second != NO_ITEM
    # Sums over draws, by what was done before: watched, watched without memory, how many.
    sums = np.zeros((3, 3, len(row)))
    for draw in range(DRAWS):
        one, two = _play(world, model, draw, row, (pages.first, pages.second))
        _, without = _play(world, model, draw, row, (pages.elsewhere, pages.second))
        before = _at_first(pages, one.watched)
        for n, kind in enumerate((before, pages.again & ~before, there & ~pages.again)):
            for figure, value in enumerate((two.watched, without.watched, there)):
                sums[n, figure] += (kind & value).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate, plain = (np.where(sums[:, 2] > 0, sums[:, n] / sums[:, 2], np.nan) for n in (0, 1))
    yield from _told_again(rate, plain, world.scenario.evaluation.confidence)


def _told_again(rate: Floats, plain: Floats, confidence: float) -> Iterator[Measure]:
    """``rate``, ``plain`` (3, N): with and without the first page, by AGAIN."""
    for n, case in enumerate(AGAIN):
        found = [mean_interval(values[n], confidence) for values in (rate, plain)]
        beside = (baseline("at first sight", found[1]),)
        yield estimated(TEST, "watch rate", found[0], case=case, baselines=beside)
        yield estimated(
            TEST,
            "watch rate less that at first sight",
            mean_interval(rate[n] - plain[n], confidence),
            case=case,
            baselines=(_nothing(found[0].n),),
            note="the same items and agents, after a first page of other items",
        )
        if n < 2:
            without = mean_interval(plain[n] - plain[2], confidence)
            yield estimated(
                TEST,
                "watch rate less that of fresh items",
                mean_interval(rate[n] - rate[2], confidence),
                case=case,
                baselines=(baseline("no memory", without),),
                note="on the same pages; without memory it tells only what was chosen at first",
            )


def _at_first(pages: twice.Repeats, watched: BoolArray) -> BoolArray:
    """(N, k) whether what the second page brings again was watched on the first."""
    same = pages.second[:, :, None] == pages.first[:, None, :]
    return np.asarray((same & watched[:, None, :]).any(axis=2) & pages.again)


def after_a_bad_page(world: World, model: ResponseModel) -> Iterator[Measure]:
    """The second page after a bad first one, less the same after a good one."""
    pages = twice.moods(world)
    names = ("stays after page 1", "stays after page 2", "watch rate, page 2", "satisfaction")
    sums = np.zeros((2, len(names), len(pages.row)))
    if not len(pages.row):
        return
    shown = np.maximum((pages.second != NO_ITEM).sum(axis=1), 1)
    for draw in range(DRAWS):
        for n, first in enumerate((pages.bad, pages.good)):
            one, two = _play(world, model, draw, pages.row, (first, pages.second))
            watched = two.watched.sum(axis=1) / shown
            sums[n] += [~one.leave, ~two.leave, watched, two.satisfaction]
    bad, good = sums / DRAWS
    confidence = world.scenario.evaluation.confidence
    for n, name in enumerate(names):
        case = "after a bad page less after a good one"
        apart = mean_interval(bad[n] - good[n], confidence)
        after_good = baseline("after a good one", mean_interval(good[n], confidence))
        beside = [_nothing(apart.n), after_good]
        note = "own held-out items make a good page, others as popular a bad one"
        if name == "satisfaction":
            name, note = "satisfaction, page 2", f"points of 10; {note}"
        yield estimated(TEST, name, apart, case=case, baselines=beside, note=note)
        if name.startswith("stays"):
            odds = log_odds(bad[n], good[n], confidence)
            beside = [_nothing(odds.n)]
            yield estimated(TEST, f"{name}: log-odds", odds, case=case, baselines=beside)


def log_odds(bad: Floats, good: Floats, confidence: float) -> Estimate:
    """Of the shares ``bad`` less of the shares ``good``, (N,) each, paired by agent; its interval
    by linearising both logits (delta method). NaN where either is 0 or 1 for everybody."""
    means = float(bad.mean()), float(good.mean())
    if any(mean in (0.0, 1.0) for mean in means):
        return Estimate(np.nan, np.nan, np.nan, len(bad))
    weight = [1.0 / (mean * (1.0 - mean)) for mean in means]
    value = float(np.log(means[0] / (1 - means[0])) - np.log(means[1] / (1 - means[1])))
    each = weight[0] * (bad - means[0]) - weight[1] * (good - means[1])
    return mean_interval(value + each, confidence)


def _play(
    world: World,
    model: ResponseModel,
    draw: int,
    row: IntArray,
    pages: tuple[IntArray, IntArray],
) -> tuple[Answers, Answers]:
    """Everybody answers both pages, whether it would leave or not."""
    luck = NewChoices(world.luck.varied(draw), world.luck.varied(draw + DRAWS))
    visit = replies.opened(world, model, luck)
    first = replies.turn(visit, Page(row, pages[0], 1, 1))
    luck.turned = True
    return first, replies.turn(visit, Page(row, pages[1], 2, 1))


def _nothing(n: int) -> Baseline:
    return Baseline("no memory", 0.0, np.nan, np.nan, n)
