"""Items an agent recognises, as its user truly rated them (a scenario's ``grounding: held_out``).

A recognised item is answered from its rating and from nothing else the model knows of it:
interest is where the rating lies on the scale, appeal what this interest stands for in the
model's own equation, and the rating given after watching is that very rating.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from ..interface import BoolArray, FloatArray, Floats, IntArray, RatedHistory

LEAST, MOST = 0.05, 0.95
"""Interest in what was rated lowest and highest: nobody watches or skips for certain."""

Scale = tuple[float, float]


@dataclass(frozen=True, eq=False)
class OnPage:
    """``rating`` (B, k) of what B agents recognise among the k items they are shown, NaN
    elsewhere; None where nobody recognises anything, so that answers pass through untouched."""

    rating: FloatArray | None
    scale: Scale

    def appeal(self, appeal: Floats, slope: float) -> Floats:
        """(B, k), of recognised items the appeal whose interest is :meth:`interest`; ``slope``:
        log-odds of interest per unit of appeal (with 0 only its sign says anything)."""
        if self.rating is None:
            return appeal
        return np.where(np.isnan(self.rating), appeal, logit(self._share()) / (slope or 1.0))

    def interest(self, interest: Floats) -> Floats:
        """(B, k), of recognised items the place of the rating on its scale, 0.05 to 0.95."""
        if self.rating is None:
            return interest
        return np.where(np.isnan(self.rating), interest, self._share())

    def given(self, rating: FloatArray, watched: BoolArray) -> FloatArray:
        """(B, k) ratings after watching, of recognised items the user's own."""
        if self.rating is None:
            return rating
        return np.where(watched & ~np.isnan(self.rating), self.rating, rating)

    def _share(self) -> Floats:
        low, high = self.scale
        place = (np.asarray(self.rating, dtype=np.float64) - low) / (high - low)
        return np.clip(place, LEAST, MOST)


class Recognised:
    """Looks up what the agents of an audience recognise; of a repeated item, the last rating."""

    def __init__(self, history: RatedHistory | None, n_items: int, scale: Scale) -> None:
        self._n_items, self._scale = n_items, scale
        self._key: IntArray = np.empty(0, dtype=np.int64)
        self._rating: FloatArray = np.empty(0, dtype=np.float32)
        if history is not None:
            known = ~np.isnan(history.rating)
            row = np.repeat(np.arange(len(history)), np.diff(history.indptr))
            key = (row * n_items + history.item)[known][::-1]
            self._key, first = np.unique(key, return_index=True)
            self._rating = history.rating[known][::-1][first]

    def on(self, row: IntArray, item: IntArray, there: BoolArray | None = None) -> OnPage:
        """For agents at audience rows (B,) and items (B, k); where ``there`` is False is no
        item to recognise."""
        if not len(self._key):
            return OnPage(None, self._scale)
        wanted = row[:, None] * self._n_items + item
        at = np.minimum(np.searchsorted(self._key, wanted), len(self._key) - 1)
        hit = self._key[at] == wanted
        hit = hit if there is None else hit & there
        rating = np.where(hit, self._rating[at], np.float32(np.nan)).astype(np.float32)
        return OnPage(rating, self._scale)

    def of(self, row: int) -> dict[int, float]:
        """What the agent at this audience row recognises: item number to rating."""
        start, stop = np.searchsorted(self._key, [row * self._n_items, (row + 1) * self._n_items])
        items = (self._key[start:stop] - row * self._n_items).tolist()
        return dict(zip(items, self._rating[start:stop].tolist(), strict=True))


def words(rating: float, scale: Scale) -> str:
    """As a prompt says it.

    >>> words(4.0, (1.0, 5.0)), words(3.5, (0.5, 5.0))
    ('you know this one: you rated it 4 of 5', 'you know this one: you rated it 3.5 of 5')
    """
    return f"you know this one: you rated it {rating:g} of {scale[1]:g}"
