"""What agents were shown earlier in a visit, and whether they watched it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..interface import NO_ITEM, BoolArray, IntArray

FRESH, PASSED, WATCHED = 0, 1, 2
"""How an agent met an item earlier in the visit: not at all, passed over, or watched."""


class Seen:
    """N agents' items as they were shown, a line for each slot of the longest session so far, so
    that no agents x items table is made."""

    def __init__(self, n: int) -> None:
        self._used = np.zeros(n, dtype=np.int64)
        self._item = np.empty((0, n), dtype=np.int32)
        self._watched = np.empty((0, n), dtype=np.bool_)
        self._late: list[tuple[int, IntArray, BoolArray]] = []  # not in _watched as yet

    def on(self, row: IntArray, item: IntArray, there: BoolArray) -> npt.NDArray[np.int8] | None:
        """(B, k) FRESH, PASSED or WATCHED, of agents ``row`` (B,) and items (B, k), for what was
        noted before; watched wins where an item was met more than once. FRESH where ``there`` is
        False. None where everything is fresh, as it is in every run: recommenders' lists leave
        out what a session has shown."""
        depth = int(self._used[row].max(initial=0))
        if not depth:
            return None
        before = self._item[:depth].take(row, axis=1)
        wanted = np.where(there, item, NO_ITEM - 1).T.astype(np.int32, order="C")
        out: npt.NDArray[np.int8] | None = None
        for slot, one in enumerate(wanted):
            equal = before == one
            if not equal.any():
                continue
            self._catch_up()
            line, agent = np.nonzero(equal)
            out = np.zeros(item.shape, dtype=np.int8) if out is None else out
            met = np.where(self._watched[line, row[agent]], WATCHED, PASSED).astype(np.int8)
            np.maximum.at(out, (agent, np.full(len(agent), slot)), met)
        return out

    def note(self, row: IntArray, item: IntArray, there: BoolArray, watched: BoolArray) -> None:
        """Each agent, at most once in ``row``, was shown these items where ``there``."""
        start = int(self._used[row].max(initial=0))
        stop = start + item.shape[1]
        self._deepen(stop)
        for line, one in enumerate(np.where(there, item, NO_ITEM).T, start):
            self._item[line][row] = one
        self._late.append((start, row, watched))
        self._used[row] = stop

    def _deepen(self, depth: int) -> None:
        """At least so many lines; doubled, so that a long session copies little."""
        now, n = self._item.shape
        if depth <= now:
            return
        item = np.full((max(depth, 2 * now), n), NO_ITEM, dtype=np.int32)
        item[:now] = self._item
        self._item = item

    def _catch_up(self) -> None:
        """What was watched is looked up only once something repeats."""
        now = len(self._watched)
        if now < len(self._item):
            watched = np.zeros(self._item.shape, dtype=np.bool_)
            watched[:now] = self._watched
            self._watched = watched
        for start, row, watched in self._late:
            self._watched[start : start + watched.shape[1], row] = watched.T
        self._late.clear()
