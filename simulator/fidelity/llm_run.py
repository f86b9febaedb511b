"""How well a response model answers a published run's own pages as its language model did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from agents.interface import ResponseModel

from ..evaluation.intervals import Estimate, mean_interval
from ..randomness import stream
from ..world import World
from . import replies
from .measures import Baseline, Measure, baseline, estimated
from .replies import FIVE, Chances
from .slates import Slates
from .telling_apart import auc, auc_interval

TEST = "llm run"
FORCED_DRAWS = 60
FREE_DRAWS = 20
BINS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, eq=False)
class Compared:
    """``measures``, and what stands behind them: ``calibration`` rows (what, low, high, n,
    said, happened), ``hazards`` rows (level, page, n, published, here)."""

    measures: list[Measure]
    calibration: list[dict[str, float | str]]
    hazards: list[dict[str, float | str]]


def compare(world: World, slates: Slates, model: ResponseModel | None = None) -> Compared:
    """Every figure, over the slates' agents. ``model``: the scenario's unless given."""
    found = replies.forced(world, slates, FORCED_DRAWS, model)
    measures = [
        *_choices(world, slates, found),
        *_marks(world, slates, found),
        *_exits(world, slates, found),
        *_five(world, slates, model),
    ]
    return Compared(
        measures, list(_calibration(slates, found)), list(_hazards(world, slates, found))
    )


def _choices(world: World, slates: Slates, found: Chances) -> Iterator[Measure]:
    """Per item: AUC, agreement and Brier score of aligned and watched, beside what the slot
    alone tells."""
    there = slates.there
    who = np.nonzero(there)[0]
    height = -np.broadcast_to(np.arange(there.shape[2], dtype=np.float64), there.shape)[there]
    for name in ("watched", "aligned"):
        theirs = getattr(slates, name)[there].astype(np.float64)
        ours = getattr(found, name)[there]
        rng = stream(world.scenario.seed, "fidelity", "llm run")
        low, high = auc_interval(ours, theirs, who, world.scenario.evaluation.confidence, rng)
        slot = Baseline("slot", auc(height, theirs, np.ones(len(who))), np.nan, np.nan, len(slates))
        value = auc(ours, theirs, np.ones(len(who)))
        yield Measure(TEST, "AUC", value, low, high, len(slates), name, 1, (slot,))
        agree = np.where(theirs > 0, ours, 1 - ours)
        rate = theirs.mean()
        by_chance = np.where(theirs > 0, rate, 1 - rate)
        chance = baseline("chance", _over_agents(world, by_chance, who))
        yield _per_agent(world, "agreement", agree, who, name, 1, (chance,))
        base = baseline("base rate", _over_agents(world, (rate - theirs) ** 2, who))
        yield _per_agent(world, "Brier score", (ours - theirs) ** 2, who, name, -1, (base,))
        yield _per_agent(world, "rate, here", ours, who, name, 0)
        yield _per_agent(world, "rate, published", theirs, who, name, 0)


def _marks(world: World, slates: Slates, found: Chances) -> Iterator[Measure]:
    """Ratings of what was watched: shares of the marks, how far they lie apart in all (total
    variation), and the squared distance of the mean answer where both watched."""
    given = ~np.isnan(slates.rating)
    theirs = np.array([(slates.rating[given] == mark).mean() for mark in found.scale])
    ours = np.nansum(found.marks, axis=(0, 1, 2))
    ours = ours / ours.sum()
    n = len(slates)
    for mark, here, there in zip(found.scale, ours, theirs, strict=True):
        base = (Baseline("published", float(there), np.nan, np.nan, n),)
        yield Measure(TEST, "share", float(here), np.nan, np.nan, n, f"rating {mark:g}", 0, base)
    apart = float(np.abs(ours - theirs).sum() / 2)
    yield Measure(TEST, "total variation", apart, np.nan, np.nan, n, "ratings given watched", -1)
    chance = found.marks.sum(axis=3)
    both = given & (chance > 0)
    expected = (found.marks[both] @ np.array(found.scale)) / chance[both]
    error = (expected - slates.rating[both]) ** 2
    mean = float(slates.rating[given].mean())
    who = np.nonzero(both)[0]
    base = (baseline("mean", _over_agents(world, (mean - slates.rating[both]) ** 2, who)),)
    yield _per_agent(world, "squared error", error, who, "ratings given watched", -1, base)


def _exits(world: World, slates: Slates, found: Chances) -> Iterator[Measure]:
    """The chance to leave after each page but the last, here and published (Wilson interval)."""
    confidence = world.scenario.evaluation.confidence
    for row in _hazards(world, slates, found):
        if row["level"] == "all":
            n, value = int(row["n"]), float(row["here"])
            truth = float(row["published"])
            ends = binomtest(round(truth * n), n).proportion_ci(confidence, method="wilson")
            base = (Baseline("published", truth, float(ends.low), float(ends.high), n),)
            case = f"after page {row['page']}"
            yield Measure(TEST, "exit hazard", value, np.nan, np.nan, n, case, 0, base)


def _five(world: World, slates: Slates, model: ResponseModel | None) -> Iterator[Measure]:
    """The aggregate figures of sessions that end by themselves, and of the published ones."""
    ours = replies.free(world, slates, range(FREE_DRAWS), model)
    theirs = replies.published(slates, world.liked_rating)
    confidence = world.scenario.evaluation.confidence
    by_agent = ours.groupby("agent")[list(FIVE)].mean()
    for name in FIVE:
        real = mean_interval(theirs[name].to_numpy(), confidence)
        base = (Baseline("published", real.mean, real.low, real.high, real.n),)
        here = mean_interval(by_agent[name].to_numpy(), confidence)
        yield estimated(TEST, name, here, case="sessions", baselines=base)


def _calibration(slates: Slates, found: Chances) -> Iterator[dict[str, float | str]]:
    """By tenth of the chance said: how often it happened."""
    for name in ("watched", "aligned"):
        ours = getattr(found, name)[slates.there]
        theirs = getattr(slates, name)[slates.there]
        place = np.clip(np.digitize(ours, BINS) - 1, 0, len(BINS) - 2)
        for n in np.unique(place):
            here = place == n
            yield {
                "what": name,
                "low": BINS[n],
                "high": BINS[n + 1],
                "n": int(here.sum()),
                "said": float(ours[here].mean()),
                "happened": float(theirs[here].mean()),
            }


def _hazards(world: World, slates: Slates, found: Chances) -> Iterator[dict[str, float | str]]:
    """By level of activity and page, of those who saw the page and were not at the end."""
    level = world.audience.profiles.activity[slates.row]
    for said, chosen in [("all", level > 0), *((str(n), level == n) for n in (1, 2, 3))]:
        for page in range(1, slates.pages):
            here = chosen & (slates.exit_page >= page)
            if here.any():
                yield {
                    "level": said,
                    "page": page,
                    "n": int(here.sum()),
                    "published": float((slates.exit_page[here] == page).mean()),
                    "here": float(found.leave[here, page - 1].mean()),
                }


def _per_agent(
    world: World,
    name: str,
    values: npt.NDArray[np.floating],
    who: npt.NDArray[np.int64],
    case: str,
    better: int,
    baselines: tuple[Baseline, ...] = (),
) -> Measure:
    found = _over_agents(world, values, who)
    return estimated(TEST, name, found, case=case, better=better, baselines=baselines)


def _over_agents(
    world: World, values: npt.NDArray[np.floating], who: npt.NDArray[np.int64]
) -> Estimate:
    """The mean over agents of their own means."""
    count = np.bincount(who)
    total = np.bincount(who, weights=values.astype(np.float64))
    means = total[count > 0] / count[count > 0]
    return mean_interval(means, world.scenario.evaluation.confidence)
