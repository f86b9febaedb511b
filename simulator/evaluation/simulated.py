"""What agents did, as one value for each session; averaging is done elsewhere.

The first five are Agent4Rec's (Zhang et al., SIGIR 2024), defined so that they reproduce
its published run from raw behaviour. A value that does not exist (a mean rating where
nothing was rated) is NaN; a session that failed has no value at all and is counted by
:func:`failures`. Formulas and sources: docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from agents.interface import OK

from .intervals import Floats

KEY = ["arm", "round", "agent"]

Parts = tuple[Floats, Floats]
"""(S,) dividends and (S,) divisors of a ratio."""

TOP, BOTTOM = "{}.top", "{}.bottom"
"""How the columns of :func:`parts` are called."""


def liked_rating(rating_scale: tuple[float, float]) -> float:
    """The rating from which an item counts as liked: three quarters up the scale.

    >>> liked_rating((1, 5)), liked_rating((0.5, 5)), liked_rating((1, 10))
    (4.0, 3.875, 7.75)
    """
    low, high = rating_scale
    return low + 0.75 * (high - low)


@dataclass(frozen=True, eq=False)
class Log:
    """What metrics are computed from, as ``storage.queries`` reads it.

    ``sessions``: arm, round, agent (unique together), exit_page, satisfaction,
    return_intent, outcome; ``exposures``: arm, round, agent, item, watched, rating, in
    order of round, page and slot within each arm and agent; ``genres`` by item number.
    """

    sessions: pd.DataFrame
    exposures: pd.DataFrame
    genres: tuple[tuple[str, ...], ...]
    rating_scale: tuple[float, float] = (1.0, 5.0)

    @cached_property
    def session(self) -> npt.NDArray[np.int64]:
        """(E,) the row in ``sessions`` of each exposure; -1 where its session is not there
        (a visit that was cut off)."""
        known = pd.MultiIndex.from_frame(self.sessions[KEY])
        out = known.get_indexer(pd.MultiIndex.from_frame(self.exposures[KEY]))
        return np.asarray(out, dtype=np.int64)

    @cached_property
    def watched(self) -> Floats:
        """(E,) 1 or 0; NaN where the page's answer failed."""
        return _numbers(self.exposures["watched"])

    @cached_property
    def rating(self) -> Floats:
        """(E,) NaN where not rated."""
        return _numbers(self.exposures["rating"])

    @cached_property
    def liked(self) -> Floats:
        """(E,) 1 where rated as liked, else 0."""
        return (self.rating >= liked_rating(self.rating_scale)).astype(np.float64)

    @cached_property
    def shown(self) -> Floats:
        """(S,) items shown in each session."""
        return self.total(np.ones(len(self.exposures)))

    def total(self, values: Floats) -> Floats:
        """(S,) the sum over each session's exposures; NaN counts as 0."""
        there = (self.session >= 0) & ~np.isnan(values)
        sums = np.bincount(self.session[there], values[there], minlength=len(self.sessions))
        return sums.astype(np.float64)


def _numbers(column: pd.Series) -> Floats:
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """NaN where the divisor is 0."""
    out = np.full(len(top), np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out


def _watched_of_shown(log: Log) -> Parts:
    return log.total(log.watched), log.shown


def _liked_of_shown(log: Log) -> Parts:
    return log.total(log.liked), log.shown


def _ratings(log: Log) -> Parts:
    return log.total(log.rating), log.total((~np.isnan(log.rating)).astype(np.float64))


def _p_view(log: Log) -> Floats:
    return _ratio(*_watched_of_shown(log))


def _n_like(log: Log) -> Floats:
    return log.total(log.liked)


def _p_like(log: Log) -> Floats:
    return _ratio(*_liked_of_shown(log))


def _n_exit(log: Log) -> Floats:
    return _numbers(log.sessions["exit_page"])


def _s_sat(log: Log) -> Floats:
    return _numbers(log.sessions["satisfaction"])


def _mean_rating(log: Log) -> Floats:
    return _ratio(*_ratings(log))


def _return_intent(log: Log) -> Floats:
    return _numbers(log.sessions["return_intent"])


def _repeat_rate(log: Log) -> Floats:
    again = log.exposures.duplicated(["arm", "agent", "item"]).to_numpy(dtype=np.float64)
    return _ratio(log.total(again), log.shown)


def _genre_entropy(log: Log) -> Floats:
    """Every watched item weighs 1, shared equally by its genres; with weights w that sum to
    W in a session, the entropy is log2 W - (sum of w log2 w) / W."""
    seen = (log.watched == 1) & (log.session >= 0)
    item = log.exposures["item"].to_numpy(dtype=np.int64)[seen]
    shape = (len(log.sessions), len(log.genres))
    watched = sp.csr_array((np.ones(len(item)), (log.session[seen], item)), shape=shape)
    weight = (watched @ _genre_shares(log.genres)).tocsr()
    total = np.asarray(weight.sum(axis=1)).ravel()
    weight.data *= np.log2(weight.data)
    inner = np.asarray(weight.sum(axis=1)).ravel()
    bits = np.log2(np.where(total > 0, total, np.nan)) - _ratio(inner, total)
    return np.maximum(bits, 0.0)  # one genre: the two terms may differ by rounding


def _genre_shares(genres: Sequence[Sequence[str]]) -> sp.csr_array:
    """(items, genres): each row sums to 1, or to 0 where an item has no genre."""
    counts = np.array([len(names) for names in genres], dtype=np.int64)
    _, column = np.unique([name for names in genres for name in names], return_inverse=True)
    shares = np.repeat(1.0 / np.maximum(counts, 1), counts)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    width = int(column.max()) + 1 if len(column) else 0
    return sp.csr_array((shares, column, indptr), shape=(len(genres), width))


@dataclass(frozen=True)
class Metric:
    """``better`` is 1 where more is better, -1 where less is, 0 where neither. ``parts``: of a
    metric that is a ratio, each session's dividend and divisor. ``low``, ``high``: where all
    values lie, whatever the data; None without such a bound."""

    values: Callable[[Log], Floats]
    doc: str
    better: int = 1
    parts: Callable[[Log], Parts] | None = None
    low: float | None = None
    high: float | None = None


METRICS: Mapping[str, Metric] = {
    "p_view": Metric(
        _p_view, "watched over shown items of a session", 1, _watched_of_shown, 0.0, 1.0
    ),
    "n_like": Metric(_n_like, "items of a session rated 4 or more (of 5)", low=0.0),
    "p_like": Metric(
        _p_like,
        "items rated 4 or more (of 5) over shown items of a session",
        1,
        _liked_of_shown,
        0.0,
        1.0,
    ),
    "n_exit": Metric(_n_exit, "the last page of a session", low=1.0),
    "s_sat": Metric(_s_sat, "satisfaction said in the exit interview, 1 to 10", low=1.0, high=10.0),
    "mean_rating": Metric(_mean_rating, "mean rating given in a session", 1, _ratings),
    "genre_entropy": Metric(_genre_entropy, "Shannon entropy of watched genres, bits", 0, low=0.0),
    "repeat_rate": Metric(
        _repeat_rate,
        "share of exposures of items this agent was shown before in this arm",
        -1,
        low=0.0,
        high=1.0,
    ),
    "return_intent": Metric(
        _return_intent, "how likely the agent says it comes back, 0 to 1", low=0.0, high=1.0
    ),
}
"""A metric is a function of the log with one value a session, and one line here."""


def described() -> list[tuple[str, str]]:
    """(name, what it is) of every simulated metric."""
    return [(name, metric.doc) for name, metric in METRICS.items()]


def values(log: Log) -> pd.DataFrame:
    """arm, round, agent, failed and one column a metric, a row for each session, in the order
    of ``log.sessions``; all NaN where the session failed."""
    out = log.sessions[KEY].reset_index(drop=True)
    ok = (log.sessions["outcome"] == OK).to_numpy(dtype=bool)
    out["failed"] = ~ok
    for name, metric in METRICS.items():
        out[name] = np.where(ok, metric.values(log), np.nan)
    return out


def parts(log: Log) -> pd.DataFrame:
    """arm, round, agent and two columns for each ratio among the metrics (``p_view.top`` and
    ``p_view.bottom``), rows as in :func:`values`; NaN where the session failed, 0 over 0 where
    it had nothing to divide by."""
    out = log.sessions[KEY].reset_index(drop=True)
    ok = (log.sessions["outcome"] == OK).to_numpy(dtype=bool)
    for name, metric in METRICS.items():
        if metric.parts is not None:
            for title, part in zip((TOP, BOTTOM), metric.parts(log), strict=True):
                out[title.format(name)] = np.where(ok, part, np.nan)
    return out


def failures(sessions: pd.DataFrame) -> dict[str, int]:
    """How many sessions failed, by outcome; of the others, how many interviews failed, as
    ``interview: OUTCOME``. Empty when nothing failed."""
    failed = sessions["outcome"] != OK
    asked = sessions.loc[~failed, "interview_outcome"].dropna()
    kinds = [*sessions.loc[failed, "outcome"], *("interview: " + asked[asked != OK])]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}
