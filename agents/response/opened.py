"""A chat model during one run."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

from ..interface import Stopped
from .gateway import Gateway
from .stage import Stage

GATHER_SECONDS = 0.005
"""How long replies are gathered before they are taken on together."""


class Opened:
    """A chat model during one run: its gateway, and the stage its sessions are played on."""

    def __init__(self, gateway: Callable[[], Gateway], doors: int, patience: float) -> None:
        self.stage = Stage()
        try:
            self.gateway, self._doors = self.stage.run(self._made(gateway, doors))
        except BaseException:
            self.stage.close()
            raise
        self._patience = patience
        self._bell = threading.Event()
        self.failure: Exception | None = None

    @staticmethod
    async def _made(
        gateway: Callable[[], Gateway], doors: int
    ) -> tuple[Gateway, asyncio.Semaphore]:
        # Prompts are made when their turn comes near, not all at once at the start.
        return gateway(), asyncio.Semaphore(doors)

    def play(self, session: Callable[[], Awaitable[None]]) -> None:
        """Play one page or interview of one agent; what stops it stops the run."""

        async def guarded() -> None:
            try:
                async with self._doors:
                    await session()
            except Exception as error:  # noqa: BLE001 raised again by the next collect
                if self.failure is None or isinstance(self.failure, Stopped):
                    self.failure = error
                self.gateway.stop()
            finally:
                self._bell.set()

        self.stage.play(guarded())

    def wait(self, seconds: float) -> None:
        if self._bell.wait(seconds):
            time.sleep(GATHER_SECONDS)
            self._bell.clear()

    def drain(self) -> None:
        """Requests under way end by themselves: each has its time-out."""
        self.stage.run(self._stop())
        self.stage.wait_idle(self._patience + 30)

    async def _stop(self) -> None:
        self.gateway.stop()

    def close(self) -> None:
        try:
            # First: a request whose connection is taken away would count as a failed one.
            self.stage.cancel()
            self.stage.run(self.gateway.close())
        finally:
            self.stage.close()
