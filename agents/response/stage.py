"""The event loop on which a run's sessions are played, in a thread of its own, so that the
simulation and the waiting for replies do not hold each other up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stage:
    """Runs coroutines until it is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way, self._lock = 0, threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="audition-calls", daemon=True
        )
        self._thread.start()

    def play(self, session: Coroutine[Any, Any, None]) -> None:
        """Start a coroutine, which must see to its own errors."""
        with self._lock:
            self._under_way += 1
            self._idle.clear()
        self._loop.call_soon_threadsafe(self._start, session)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the stage and wait for what it returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def wait_idle(self, seconds: float | None = None) -> bool:
        """Wait until nothing that was started is under way; whether that is so."""
        return self._idle.wait(seconds)

    @property
    def idle(self) -> bool:
        return self._idle.is_set()

    def cancel(self) -> None:
        """End what is under way where it stands; returns when that has happened."""
        self.run(self._cancel())

    def close(self) -> None:
        """Cancel what is under way, and end the thread."""
        if self._loop.is_closed():
            return
        self.cancel()
        self.run(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _start(self, session: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(session)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        with self._lock:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _cancel(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _shut_down(self) -> None:
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()
