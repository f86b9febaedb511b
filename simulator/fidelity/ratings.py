"""Do agents rate as their users did? Ratings of held-out items against the true ones.

Every agent is shown what its user rated in the held-out part, in pages of 20, and made to
choose it (``WillingLuck``), since users' ratings are of what they chose. Two questions, which
no single number answers: are the marks *distributed* as people's are (the ratings of one
draw of luck), and are they *right* (the mean rating over several draws, since a mark that was
drawn carries its own spread twice into an error; the error of one draw is given beside).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agents.interface import NO_ITEM, OK, Floats, IntArray, Luck, Page, ResponseModel

from ..evaluation.intervals import Estimate, mean_interval
from ..randomness import stream
from ..world import World
from . import predictors
from .luck import MirroredLuck, WillingLuck
from .measures import Measure, baseline, estimated
from .taste import PARTS, Part

PAGE = 20
DRAWS = 20
RESAMPLES = 400
FEWEST = 5
"""Ratings a user needs for a correlation of its own."""

Pooled = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """M true ratings: ``row`` (M,) of the audience, ascending; ``item`` and ``rating`` (M,)."""

    row: IntArray
    item: IntArray
    rating: Floats


def measure(
    world: World, model: ResponseModel, *, parts: Sequence[Part] = PARTS, draws: int = DRAWS
) -> list[Measure]:
    """The figures, none where the data has no held-out ratings. Intervals of pooled figures
    resample agents, those of figures per user are t intervals over agents.

    ``draws`` is how often each item is rated, every second time with the luck before mirrored:
    1 for a model that is dear to ask. Ratings an agent did not give, or whose reply failed,
    are left out here and for the baselines.
    """
    held = held_out(world, parts)
    if held is None:
        return []
    given = np.stack([_rated(world, model, held, _luck(world, n)) for n in range(draws)])
    times = (~np.isnan(given)).sum(axis=0)
    expected = np.nansum(given, axis=0) / np.maximum(times, 1)
    rows = np.flatnonzero(~np.isnan(given[0]))
    held = HeldOut(held.row[rows], held.item[rows], held.rating[rows])
    user = world.audience.agent[held.row]
    rng = stream(world.scenario.seed, "fidelity", "ratings")
    fitted = predictors.fit(world.split.train, rng)
    plain = fitted.predict(user, held.item)
    spread = plain["user plus item mean"] + fitted.spread * rng.normal(size=len(user))
    drawn = {"user plus item mean, spread drawn": spread}
    figures = _Figures(world, held, rng)
    return [
        *figures.distribution(given[0, rows], {**plain, **drawn}),
        *figures.errors("expected rating", expected[rows], plain),
        *figures.errors("one rating", given[0, rows], {**plain, **drawn}),
    ]


def held_out(world: World, parts: Sequence[Part]) -> HeldOut | None:
    """The audience's true ratings in these parts; None where there are none."""
    split, agent = world.split, world.audience.agent
    events = [getattr(split, part) for part in parts]
    if split.train.rating is None or not any(len(one) for one in events):
        return None
    user = np.concatenate([one.user for one in events])
    item = np.concatenate([one.item for one in events])
    rating = np.concatenate([one.rating for one in events]).astype(np.float64)
    row = np.minimum(np.searchsorted(agent, user), len(agent) - 1)
    keep = np.flatnonzero((agent[row] == user) & ~np.isnan(rating))
    keep = keep[np.lexsort((item[keep], row[keep]))]
    return HeldOut(row[keep], item[keep], rating[keep]) if len(keep) else None


def _luck(world: World, draw: int) -> Luck:
    """The scenario's luck, its mirror image, another luck, its mirror image, ..."""
    luck = world.luck.varied(draw // 2)
    return MirroredLuck(luck) if draw % 2 else luck


def _rated(world: World, model: ResponseModel, held: HeldOut, luck: Luck) -> Floats:
    """(M,) the ratings agents give, NaN where none."""
    visit = model.visit(world.audience, world.catalogue, WillingLuck(luck), 1)
    count = np.bincount(held.row, minlength=len(world.audience))
    place = np.arange(len(held.row)) - np.repeat(np.cumsum(count) - count, count)
    out = np.full(len(held.row), np.nan)
    for number in range(1, 1 + -(-int(count.max()) // PAGE)):
        at = np.flatnonzero(place // PAGE == number - 1)
        row, inverse = np.unique(held.row[at], return_inverse=True)
        item = np.full((len(row), PAGE), NO_ITEM, dtype=np.int64)
        item[inverse, place[at] % PAGE] = held.item[at]
        answers = visit.turn(Page(row, item, number, 1))
        fine = np.array([outcome == OK for outcome in answers.outcome], dtype=np.bool_)
        rating = np.where(fine[:, None], answers.rating.astype(np.float64), np.nan)
        out[at] = rating[inverse, place[at] % PAGE]
    return out


class _Figures:
    """Figures over one set of held-out ratings, with the same resamples for all."""

    def __init__(self, world: World, held: HeldOut, rng: np.random.Generator) -> None:
        self._held = held
        self._confidence = world.scenario.evaluation.confidence
        low, high = world.catalogue.rating_scale
        self._marks = np.unique(held.rating)
        self._range = low, high
        self._agents, self._agent = np.unique(held.row, return_inverse=True)
        n = max(len(self._agents), 1)
        self._weight = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)

    def distribution(self, given: Floats, others: Mapping[str, Floats]) -> list[Measure]:
        """Total variation, Kolmogorov-Smirnov and Wasserstein-1 (in rating points) between the
        given marks and the true ones, pooled; baselines are rounded to marks."""
        marks = np.unique(np.concatenate([self._marks, given]))
        true = self._counts(self._held.rating, marks)
        tables = {name: self._counts(self._rounded(p), marks) for name, p in others.items()}
        tables["given"] = self._counts(given, marks)
        out = []
        for name, distance in DISTANCES.items():

            def figure(sums: Floats, distance: Distance = distance) -> Floats:
                one, other = np.split(sums, 2, axis=-1)
                return distance(_shares(one), _shares(other), marks)

            found = {
                who: self._pooled(np.hstack([table, true]), figure) for who, table in tables.items()
            }
            out.append(self._measure(name, "", found, "given"))
        return [*out, *self._marks_given(marks, tables["given"], true)]

    def _marks_given(self, marks: Floats, given: Floats, true: Floats) -> list[Measure]:
        """The share of each mark among those given, beside its share among the true ones."""
        out = []
        for place, mark in enumerate(marks):

            def figure(sums: Floats, place: int = place) -> Floats:
                return np.asarray(_shares(sums)[..., place])

            found = {"given": self._pooled(given, figure), "people": self._pooled(true, figure)}
            out.append(self._measure("share", f"rating {mark:g}", found, "given"))
        return out

    def errors(self, case: str, given: Floats, others: Mapping[str, Floats]) -> list[Measure]:
        """RMSE, MAE and Pearson's correlation, pooled and per user."""
        low, high = self._range
        values = {name: np.clip(p, low, high) for name, p in others.items()} | {"given": given}
        sums = {name: self._sums(value) for name, value in values.items()}
        out = []
        for name, figure in ERRORS.items():
            pooled = {who: self._pooled(one, figure) for who, one in sums.items()}
            out.append(self._measure(name, f"{case}, pooled", pooled, "given"))
            each = {who: self._per_user(name, one, figure) for who, one in sums.items()}
            out.append(self._measure(name, f"{case}, per user", each, "given"))
        return out

    def _measure(self, name: str, case: str, found: Mapping[str, Estimate], own: str) -> Measure:
        others = [baseline(who, value) for who, value in found.items() if who != own]
        better = {"pearson": 1, "share": 0}.get(name, -1)
        return estimated("ratings", name, found[own], case=case, better=better, baselines=others)

    def _rounded(self, prediction: Floats) -> Floats:
        """To the nearest of the marks users gave."""
        middle = (self._marks[1:] + self._marks[:-1]) / 2
        return np.asarray(self._marks[np.searchsorted(middle, prediction)])

    def _counts(self, value: Floats, marks: Floats) -> Floats:
        """(N, marks) how often each agent gave each mark."""
        out = np.zeros((len(self._agents), len(marks)))
        np.add.at(out, (self._agent, np.searchsorted(marks, value)), 1.0)
        return out

    def _sums(self, given: Floats) -> Floats:
        """(N, 7) by agent: count, sums of x, y, x^2, y^2, xy and |x - y|."""
        true = self._held.rating
        columns = (
            np.ones(len(true)),
            given,
            true,
            given**2,
            true**2,
            given * true,
            np.abs(given - true),
        )
        n = len(self._agents)
        return np.stack([np.bincount(self._agent, weights=c, minlength=n) for c in columns], axis=1)

    def _pooled(self, sums: Floats, figure: Pooled) -> Estimate:
        """Over all ratings, with a percentile interval over resampled agents."""
        tail = (1 - self._confidence) / 2
        low, high = np.quantile(figure(self._weight @ sums), [tail, 1 - tail])
        return Estimate(float(figure(sums.sum(axis=0))), float(low), float(high), len(sums))

    def _per_user(self, name: str, sums: Floats, figure: Pooled) -> Estimate:
        enough = sums[:, 0] >= (FEWEST if name == "pearson" else 1)
        return mean_interval(np.where(enough, figure(sums), np.nan), self._confidence)


Distance = Callable[[Floats, Floats, Floats], Floats]


def total_variation(one: Floats, other: Floats, marks: Floats) -> Floats:
    """Half the summed difference of the shares: the share of marks that would have to move.

    >>> float(total_variation(np.array([0.5, 0.5]), np.array([0.25, 0.75]), np.array([1.0, 2.0])))
    0.25
    """
    return np.asarray(np.abs(one - other).sum(axis=-1) / 2)


def kolmogorov_smirnov(one: Floats, other: Floats, marks: Floats) -> Floats:
    """The largest difference of the cumulative shares."""
    return np.asarray(np.abs(np.cumsum(one - other, axis=-1)).max(axis=-1))


def wasserstein(one: Floats, other: Floats, marks: Floats) -> Floats:
    """Rating points by which a mark would have to move on average."""
    apart = np.abs(np.cumsum(one - other, axis=-1))[..., :-1]
    return np.asarray((apart * np.diff(marks)).sum(axis=-1))


DISTANCES: Mapping[str, Distance] = {
    "total variation": total_variation,
    "kolmogorov-smirnov": kolmogorov_smirnov,
    "wasserstein": wasserstein,
}


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1.0))


def _rmse(sums: Floats) -> Floats:
    n, _, _, xx, yy, xy, _ = np.moveaxis(sums, -1, 0)
    return np.asarray(np.sqrt(np.maximum(xx - 2 * xy + yy, 0.0) / np.maximum(n, 1.0)))


def _mae(sums: Floats) -> Floats:
    return np.asarray(sums[..., 6] / np.maximum(sums[..., 0], 1.0))


def _pearson(sums: Floats) -> Floats:
    """NaN where either side does not vary."""
    n, x, y, xx, yy, xy, _ = np.moveaxis(sums, -1, 0)
    square = (n * xx - x**2) * (n * yy - y**2)
    defined = square > 1e-9 * np.maximum(n, 1.0) ** 4
    root = np.sqrt(np.where(defined, square, 1.0))
    return np.asarray(np.where(defined, (n * xy - x * y) / root, np.nan))


ERRORS: Mapping[str, Pooled] = {"rmse": _rmse, "mae": _mae, "pearson": _pearson}
