"""Sessions: when agents leave, and whether they are the more satisfied the more of what they are
shown is truly relevant to them.

On the slates of a published run, where the data set has one, beside its agents. Else, and
besides, on designed slates: pages of an agent's own held-out items and of others in a
proportion drawn for each agent, so that relevance varies for no other reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agents.interface import NO_ITEM, Floats, IntArray, ResponseModel

from ..evaluation.intervals import mean_interval, t_quantile
from ..randomness import stream
from ..world import World
from . import replies
from .measures import Baseline, Measure, estimated
from .slates import Slates
from .telling_apart import explained

TEST = "sessions"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
DRAWS = 20


@dataclass(frozen=True)
class Rise:
    """Satisfaction against the share of relevant items (0 to 1): ``slope`` in points from none
    to all, with its interval; ``explained`` of its variance; ``added`` to what activity and
    diversity explain."""

    slope: float
    low: float
    high: float
    explained: float
    added: float


def measure(
    world: World, published: Slates | None, model: ResponseModel | None = None
) -> Iterator[Measure]:
    """Needs held-out items that may be shown (``world.relevant``)."""
    yield from _exits(world, designed(world), model)
    for case, slates in (("published slates", published), ("designed slates", designed(world))):
        if slates is None:
            continue
        found = rise(world, slates, model)
        real = None if case.startswith("designed") else rise_of(world, slates, _said(slates))
        yield from _told(case, found, real, len(slates))


def rise(world: World, slates: Slates, model: ResponseModel | None = None) -> Rise:
    """Of the model on these slates: each agent stays as long as it likes. Means over draws of
    chance, each draw a run of its own, as a published run is one; the interval is that of the
    mean over draws."""
    share = relevant_share(slates)
    sessions = replies.free(world, slates, range(DRAWS), model)
    every = [
        rise_of(world, slates, one["s_sat"].to_numpy(np.float64), share)
        for _, one in sessions.groupby("draw")
    ]
    mean = sessions.groupby("agent")["s_sat"].mean().to_numpy(np.float64)
    whole = rise_of(world, slates, mean, share)
    return Rise(
        whole.slope,
        whole.low,
        whole.high,
        float(np.mean([one.explained for one in every])),
        float(np.mean([one.added for one in every])),
    )


def rise_of(
    world: World, slates: Slates, satisfaction: Floats, share: Floats | None = None
) -> Rise:
    """Of given satisfaction (N,), by least squares with activity and diversity held fixed."""
    share = relevant_share(slates) if share is None else share
    profiles, known = world.audience.profiles, ~np.isnan(satisfaction)
    levels = [profiles.activity[slates.row], profiles.diversity[slates.row]]
    traits = np.column_stack([level == one for level in levels for one in (1, 3)])[known]
    x, y = share[known], satisfaction[known]
    whole = np.column_stack([traits, x]).astype(np.float64)
    slope, half = _slope(whole, y, world.scenario.evaluation.confidence)
    added = explained(whole, y) - explained(traits.astype(np.float64), y)
    return Rise(slope, slope - half, slope + half, explained(x[:, None], y), added)


def relevant_share(slates: Slates) -> Floats:
    """(N,) of what the slates hold, how much is relevant."""
    shown = slates.there.sum(axis=(1, 2))
    return np.asarray((slates.relevant & slates.there).sum(axis=(1, 2)) / np.maximum(shown, 1))


def designed(world: World) -> Slates:
    """Full sessions for every agent: a share drawn from SHARES of its slots, at random places,
    holds its held-out items while they last, the others items drawn by popularity that the
    data do not know it to have met."""
    assert world.relevant is not None
    session, n = world.scenario.session, len(world.audience)
    pages, size = session.max_pages, session.page_size
    rng = stream(world.scenario.seed, "fidelity", "sessions")
    weight = world.catalogue.popularity.astype(np.float64) + 1.0
    item = np.full((n, pages * size), NO_ITEM, dtype=np.int64)
    relevant = np.zeros(item.shape, dtype=np.bool_)
    for row, agent in enumerate(world.audience.agent.tolist()):
        own = rng.permutation(np.setdiff1d(_row(world.relevant, agent), _row(world.known, agent)))
        own = own[: round(rng.choice(SHARES) * item.shape[1])]
        chance = weight.copy()
        chance[_row(world.relevant, agent)] = chance[_row(world.known, agent)] = 0.0
        chance[world.audience.history.rows(np.array([row])).item] = 0.0
        many = min(item.shape[1] - len(own), int((chance > 0).sum()))
        other = rng.choice(len(chance), many, replace=False, p=chance / chance.sum())
        place = rng.permutation(item.shape[1])[: len(own) + many]
        item[row, place] = np.concatenate([own, other])
        relevant[row, place[: len(own)]] = True
    return arranged(world, item.reshape(n, pages, size), relevant.reshape(n, pages, size))


def _row(matrix: object, agent: int) -> IntArray:
    sparse = matrix[[agent]]  # type: ignore[index]
    return np.asarray(sparse.indices, dtype=np.int64)


def arranged(world: World, item: IntArray, relevant: npt.NDArray[np.bool_]) -> Slates:
    """Slates of the whole audience that nobody has answered: ``item``, ``relevant`` (N, P, k)."""
    n, nothing = len(item), np.zeros(item.shape, dtype=np.bool_)
    return Slates(
        row=np.arange(n, dtype=np.int64),
        agent=world.audience.agent,
        item=item,
        relevant=relevant,
        aligned=nothing,
        watched=nothing,
        rating=np.full(item.shape, np.nan, dtype=np.float32),
        exit_page=np.full(n, item.shape[1], dtype=np.int64),
        satisfaction=np.full(n, np.nan),
    )


def _said(slates: Slates) -> Floats:
    return slates.satisfaction


def _exits(world: World, slates: Slates, model: ResponseModel | None) -> Iterator[Measure]:
    """The share of agents who see each page."""
    sessions = replies.free(world, slates, range(DRAWS), model)
    confidence = world.scenario.evaluation.confidence
    for page in range(2, slates.pages + 1):
        reached = (sessions["n_exit"] >= page).groupby(sessions["agent"]).mean()
        found = mean_interval(reached.to_numpy(np.float64), confidence)
        yield estimated(TEST, "reach", found, case=f"page {page}, designed slates")


def _told(case: str, found: Rise, real: Rise | None, n: int) -> Iterator[Measure]:
    def beside(name: str) -> tuple[Baseline, ...]:
        if real is None:
            return ()
        value = float(getattr(real, name))
        ends = (real.low, real.high) if name == "slope" else (np.nan, np.nan)
        return (Baseline("published", value, *ends, n),)

    name = "satisfaction by relevant share"
    note = "points from no relevant item to relevant ones only, activity and diversity held fixed"
    yield Measure(
        TEST,
        f"{name}: slope",
        found.slope,
        found.low,
        found.high,
        n,
        case,
        1,
        beside("slope"),
        note,
    )
    for figure in ("explained", "added"):
        note = {
            "explained": "share of the variance",
            "added": "share of the variance, beyond what activity and diversity explain",
        }[figure]
        value = float(getattr(found, figure))
        yield Measure(
            TEST, f"{name}: {figure}", value, np.nan, np.nan, n, case, 1, beside(figure), note
        )


def _slope(design: Floats, values: Floats, confidence: float) -> tuple[float, float]:
    """The last column's coefficient and its t half-width, a constant besides."""
    columns = np.column_stack([np.ones(len(values)), design])
    coefficients, _, rank, _ = np.linalg.lstsq(columns, values, rcond=None)
    left = len(values) - int(rank)
    if left < 1:
        return float(coefficients[-1]), float("nan")
    error = values - columns @ coefficients
    variance = float(error @ error) / left * np.linalg.pinv(columns.T @ columns)[-1, -1]
    return float(coefficients[-1]), t_quantile((1 + confidence) / 2, left) * float(
        np.sqrt(max(variance, 0.0))
    )
