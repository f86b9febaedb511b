"""An event loop whose clock jumps: waiting takes no time and is exact, so that tests can
say when something happened. Waiting for what can never happen is an error, not a hang."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("every task waits for another one")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def run(scene: Callable[[Callable[[], float]], Coroutine[Any, Any, T]]) -> T:
    """Play ``scene(clock)``."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scene(runner.get_loop().time))
