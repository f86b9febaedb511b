"""Calls on their way to the ledger: many at once, each durable before it takes effect."""

from __future__ import annotations

import asyncio

from ..interface import Call, Ledger, Place


class CallLog:
    """Writes in a thread, one transaction for all calls that came up meanwhile."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[tuple[Place, Call, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def write(self, place: Place, call: Call) -> None:
        """Returns when the call is kept; raises what the ledger raised."""
        loop = asyncio.get_running_loop()
        kept = loop.create_future()
        self._waiting.append((place, call, kept))
        if self._writer is None:
            self._writer = loop.create_task(self._write_all())
        await kept

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            calls = [(place, call) for place, call, _ in batch]
            try:
                await asyncio.to_thread(self._ledger.write, calls)
            except Exception as error:  # noqa: BLE001 raised again where each call is awaited
                for _, _, kept in batch:
                    if not kept.done():
                        kept.set_exception(error)
            else:
                for _, _, kept in batch:
                    if not kept.done():
                        kept.set_result(None)
        self._writer = None
