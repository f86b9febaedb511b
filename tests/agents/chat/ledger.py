"""A ledger in memory, for tests."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from agents.interface import Call, Place


class MemoryLedger:
    """Keeps calls; ``logged`` are those a resumed run had, ``shared`` whether replies to
    the same question are used again."""

    def __init__(self, logged: Sequence[tuple[Place, Call]] = (), shared: bool = False) -> None:
        self.closed = False
        self.calls: list[Call] = []
        self.places: list[Place] = []
        self._before, self._shared = list(logged), shared
        self._lock = threading.Lock()

    def logged(self, place: Place, row: int, page: int, kind: str) -> Sequence[Call]:
        asked = (row, page, kind)
        return [c for p, c in self._before if p == place and (c.row, c.page, c.kind) == asked]

    def known(self, key: str) -> Call | None:
        if not self._shared:
            return None
        with self._lock:
            usable = [c for c in self.calls if c.key == key and c.outcome in ("ok", "repaired")]
        return usable[-1] if usable else None

    def write(self, calls: Sequence[tuple[Place, Call]]) -> None:
        with self._lock:
            self.places.extend(place for place, _ in calls)
            self.calls.extend(call for _, call in calls)
