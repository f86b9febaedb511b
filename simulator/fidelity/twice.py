"""Two pages in a row, made to tell whether the first changes what an agent does on the second.

An agent's items come in two kinds: its own held-out ones, and others the data do not know it to
have met. Wherever two items stand for each other, they are as near in popularity as the kind's
remaining items allow, and of one kind: only an agent who has no own item left (it takes 5 for
pages of 4) is shown another in an own one's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agents.interface import NO_ITEM, Floats, IntArray

from ..randomness import stream
from ..world import World


@dataclass(frozen=True, eq=False)
class Repeats:
    """Of N agents and pages of k slots: ``first`` (N, k); ``elsewhere`` (N, k) other items that
    match it slot by slot; ``second`` (N, k), of which ``again`` (N, k) are items of ``first`` and
    the others fresh ones that match them. NO_ITEM where an agent has no more."""

    first: IntArray
    elsewhere: IntArray
    second: IntArray
    again: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Moods:
    """Of the N agents, audience rows ``row`` (N,), with a whole page of own items: a ``good``
    first page (N, k) of these, a ``bad`` one of others that match them, and the same ``second``
    page (N, k) after either, half of it own items while they last."""

    row: IntArray
    good: IntArray
    bad: IntArray
    second: IntArray


def repeats(world: World) -> Repeats:
    """Half of the first page, of both kinds, comes again on the second one."""
    size = world.scenario.session.page_size
    many = max(1, size // 2)
    n = len(world.audience)
    first, elsewhere, second = (np.full((n, size), NO_ITEM, dtype=np.int64) for _ in range(3))
    rng = stream(world.scenario.seed, "fidelity", "seen twice")
    for row in range(n):
        stock = _Stock(world, row, rng)
        one = stock.take(size)
        other, fresh = stock.like(one), stock.like(one[: size - many])
        place = rng.permutation(size)
        for target, items in ((first, one), (elsewhere, other), (second, one[:many] + fresh)):
            target[row, place[: len(items)]] = items
        second[row] = rng.permutation(second[row])  # an item's old slot says nothing of its new one
    again = (second[:, :, None] == first[:, None, :]).any(axis=2) & (second != NO_ITEM)
    return Repeats(first, elsewhere, second, again)


def moods(world: World) -> Moods:
    """Needs held-out items that may be shown (``world.relevant``)."""
    size = world.scenario.session.page_size
    rng = stream(world.scenario.seed, "fidelity", "good and bad")
    rows: list[int] = []
    found: list[tuple[list[int], list[int], list[int]]] = []
    for row in range(len(world.audience)):
        stock = _Stock(world, row, rng)
        if len(stock.own) < size:
            continue
        good = [stock.own.pop() for _ in range(size)]
        bad = stock.like(good, other_kind=True)
        if len(bad) == size:
            rows.append(row)
            found.append((good, bad, rng.permutation(stock.take(size)).tolist()))
    item = np.full((3, len(rows), size), NO_ITEM, dtype=np.int64)
    for agent, pages in enumerate(found):
        for one, items in zip(item[:, agent], pages, strict=True):
            one[: len(items)] = items
    return Moods(np.array(rows, dtype=np.int64), *item)


class _Stock:
    """What an agent may yet be shown; ``own`` in random order, the others drawn by popularity."""

    def __init__(self, world: World, row: int, rng: np.random.Generator) -> None:
        assert world.relevant is not None
        agent = int(world.audience.agent[row])
        known = world.known[[agent]].indices
        mine = world.relevant[[agent]].indices
        history = world.audience.history.rows(np.array([row])).item
        self._popularity: Floats = np.log1p(world.catalogue.popularity.astype(np.float64))
        self._rng = rng
        self.own: list[int] = rng.permutation(np.setdiff1d(mine, known)).tolist()
        chance = world.catalogue.popularity.astype(np.float64) + 1.0
        chance[known] = chance[mine] = chance[history] = 0.0
        self._chance = chance
        self._mine = set(self.own)

    def take(self, many: int) -> list[int]:
        """Own items and others in turn, while they last."""
        out: list[int] = []
        for n in range(many):
            if n % 2 == 0 and self.own:
                out.append(self.own.pop())
            elif (total := self._chance.sum()) > 0:
                item = int(self._rng.choice(len(self._chance), p=self._chance / total))
                self._chance[item] = 0.0
                out.append(item)
        return out

    def like(self, items: Sequence[int], *, other_kind: bool = False) -> list[int]:
        """For each the item left nearest in log popularity: of its kind where one is left and
        ``other_kind`` is not asked for, else of the others."""
        out: list[int] = []
        for item in items:
            own = self.own if item in self._mine and not other_kind else []
            pool = np.array(own or np.flatnonzero(self._chance > 0), dtype=np.int64)
            if not len(pool):
                continue
            pool = self._rng.permutation(pool)  # so that ties fall at random
            apart = np.abs(self._popularity[pool] - self._popularity[item])
            chosen = int(pool[apart.argmin()])
            if own:
                self.own.remove(chosen)
            self._chance[chosen] = 0.0
            out.append(chosen)
        return out
