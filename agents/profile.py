"""The profile module: three social traits, tastes and a persona for each agent.

Traits follow Agent4Rec (Zhang et al., SIGIR 2024): *activity* is how much a user rated,
*diversity* how many genres fill four fifths of the history, *conformity* how far the
user's ratings lie from the items' means. Levels come from the data where given, else
from where a user stands in the population.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from .features import genre_matrix, history_matrix
from .interface import AgentError, Catalogue, Floats, Profiles, RatedHistory
from .persona import describe
from .tastes import derive_tastes, rating_habits

LOW_SHARE, HIGH_SHARE = 0.33, 0.67
"""Level 1 below the first share of the population, level 3 above the second."""

FILLED = 0.8
"""Diversity counts the genres needed to fill this share of a history."""

Levels = npt.NDArray[np.int8]
Part = TypeVar("Part")


class Given(Protocol):
    """Profiles that came with the data, one entry an agent; None where not given."""

    @property
    def tastes(self) -> tuple[tuple[str, ...], ...] | None: ...
    @property
    def rating_habit(self) -> tuple[str, ...] | None: ...
    @property
    def activity(self) -> Levels | None: ...
    @property
    def diversity(self) -> Levels | None: ...
    @property
    def conformity(self) -> Levels | None: ...


def build(
    history: RatedHistory,
    catalogue: Catalogue,
    *,
    population: RatedHistory | None = None,
    given: Given | None = None,
) -> Profiles:
    """Profiles of the N users in ``history``.

    ``population`` are the users whose percentiles set the level cuts (by default those
    in ``history``; pass everybody when only some are simulated, so that levels do not
    move with the number of agents). ``given`` has N entries in the order of ``history``
    and wins over what would be derived. A trait that cannot be computed (no ratings, no
    genres) has the value NaN and the middle level. Raises :class:`AgentError` when a
    given part has another length or a level outside 1..3.
    """
    values = trait_values(history, catalogue)
    reference = values if population is None else trait_values(population, catalogue)
    n = len(history)
    level = {
        name: _given_levels(given, name, n)
        if given is not None and getattr(given, name) is not None
        else levels(values[name], reference[name])
        for name in ("activity", "diversity", "conformity")
    }
    tastes = _given_text(given.tastes if given is not None else None, "tastes", n)
    if tastes is None:
        tastes = derive_tastes(history, catalogue)
    habits = _given_text(given.rating_habit if given is not None else None, "rating_habit", n)
    if habits is None:
        habits = rating_habits(history, catalogue)
    persona = tuple(
        describe(int(a), int(d), int(c), sentences, habit)
        for a, d, c, sentences, habit in zip(
            level["activity"], level["diversity"], level["conformity"], tastes, habits, strict=True
        )
    )
    return Profiles(
        activity=level["activity"],
        diversity=level["diversity"],
        conformity=level["conformity"],
        activity_value=values["activity"],
        diversity_value=values["diversity"],
        conformity_value=values["conformity"],
        tastes=tastes,
        persona=persona,
    )


def trait_values(history: RatedHistory, catalogue: Catalogue) -> dict[str, Floats]:
    """The raw figures behind the levels, each (N,).

    activity: number of ratings. diversity: number of genres, most frequent first, whose
    occurrences reach 80 % of all genre occurrences in the history (NaN without genres).
    conformity: mean squared deviation of the ratings from the shown ratings (NaN without
    ratings).
    """
    activity = np.diff(history.indptr).astype(np.float64)
    genres, _ = genre_matrix(catalogue)
    counts = (history_matrix(history, len(catalogue)) @ genres).toarray()
    counts = -np.sort(-counts, axis=1)
    total = counts.sum(axis=1)
    # The small allowance keeps 0.8 * total from missing a count that equals it exactly.
    reached = counts.cumsum(axis=1) < FILLED * total[:, None] - 1e-9
    diversity = np.where(total > 0, reached.sum(axis=1) + 1.0, np.nan)
    return {
        "activity": activity,
        "diversity": diversity,
        "conformity": _deviation(history, catalogue),
    }


def _deviation(history: RatedHistory, catalogue: Catalogue) -> Floats:
    squared = (history.rating - catalogue.shown_rating[history.item]).astype(np.float64) ** 2
    known = ~np.isnan(squared)
    row = np.repeat(np.arange(len(history)), np.diff(history.indptr))
    count = np.bincount(row[known], minlength=len(history)).astype(np.float64)
    total = np.bincount(row[known], weights=squared[known], minlength=len(history))
    unknown = np.full(len(history), np.nan)
    return np.asarray(np.divide(total, count, out=unknown, where=count > 0), dtype=np.float64)


def levels(values: Floats, population: Floats | None = None) -> Levels:
    """(N,) 1, 2 or 3 by the share of the population below a value (ties count half).

    A share below 0.33 is level 1, above 0.67 level 3. Equal values get equal levels, a
    larger value never a lower one; NaN gets 2.
    """
    known = np.sort((values if population is None else population).astype(np.float64))
    known = known[~np.isnan(known)]
    if not len(known):
        return np.full(len(values), 2, dtype=np.int8)
    below = np.searchsorted(known, values, side="left")
    through = np.searchsorted(known, values, side="right")
    share = (below + through) / (2 * len(known))
    level = 1 + (share >= LOW_SHARE).astype(np.int8) + (share > HIGH_SHARE).astype(np.int8)
    return np.where(np.isnan(values), 2, level).astype(np.int8)


def _given_levels(given: Given, name: str, n: int) -> Levels:
    level = np.asarray(getattr(given, name))
    if level.shape != (n,) or not np.isin(level, (1, 2, 3)).all():
        raise AgentError(f"given {name}: needs {n} levels, each 1, 2 or 3")
    return level.astype(np.int8)


def _given_text(parts: tuple[Part, ...] | None, name: str, n: int) -> tuple[Part, ...] | None:
    if parts is not None and len(parts) != n:
        raise AgentError(f"given {name}: needs {n} entries, found {len(parts)}")
    return parts
