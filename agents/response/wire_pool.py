"""Several processes that send requests, where one cannot keep up with the endpoint.

Each child has an event loop and a model of its own; replies are those of one process, as a
request holds everything that matters to it. Parent and child speak through a pair of
sockets: four bytes of length, then a pickle. A child ends when its parent closes the pair
or is gone; Ctrl-C is the parent's business alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pickle
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from ..interface import AgentError
from .endpoint import Endpoint
from .question import Question
from .wire import Fault, LocalWire, Outgoing, Received, failed

GRACE = 10.0
"""Seconds beyond a request's time-out after which its process counts as stuck."""

LEAVE_TIME = 5.0
"""Seconds a child has to end on its own."""

_START = "import sys; sys.path[:] = {path!r}; from agents.response.wire_pool import child; child()"


class ProcessWires:
    """Sends through ``n`` child processes, always by the one with the least to do."""

    def __init__(self, endpoint: Endpoint, n: int) -> None:
        self._children = [_Child(endpoint) for _ in range(n)]

    async def open(self) -> None:
        try:
            await asyncio.gather(*(child.started() for child in self._children))
        except BaseException:
            await self.close()
            raise

    async def send(self, out: Outgoing, question: Question[Any] | None = None) -> Received:
        """Ask once. Raises AgentError only if a child that died cannot be started again."""
        child = min(self._children, key=lambda c: (not c.alive, len(c.waiting)))
        return await child.send(out)

    async def close(self) -> None:
        await asyncio.gather(*(child.close() for child in self._children))


@dataclass(eq=False)
class _Child:
    """One process, started again when it died."""

    endpoint: Endpoint
    alive: bool = False
    waiting: dict[int, asyncio.Future[Received]] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    _writer: asyncio.StreamWriter | None = None
    _listening: asyncio.Task[None] | None = None
    _reviving: asyncio.Task[None] | None = None
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def started(self) -> None:
        async with self._starting:
            if not self.alive:
                await self._end()
                await self._start()

    async def _start(self) -> None:
        """AgentError where the model cannot be made; asked of the child, which makes it."""
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START.format(path=sys.path)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
            )
        reader, self._writer = await asyncio.open_connection(sock=ours)
        _write(self._writer, self.endpoint)
        try:
            complaint = await _read(reader)
        except (OSError, EOFError):
            complaint = "chat: a dispatch process ended while it started"
        if complaint is not None:
            raise AgentError(complaint)
        self.alive = True
        self._listening = asyncio.create_task(self._listen(reader))

    async def send(self, out: Outgoing) -> Received:
        await self.started()
        assert self._writer is not None
        number, begun = next(self._numbers), time.perf_counter()
        future: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        self.waiting[number] = future
        _write(self._writer, (number, out))
        try:
            # The process keeps the time-out itself, unless it is stopped or stuck.
            async with asyncio.timeout(out.timeout + GRACE):
                return await future
        except TimeoutError:
            if self.process is not None:
                self.process.kill()
            lost = Fault(None, "", "ProcessStuck: the process that sent the request hung")
            return failed(lost, time.perf_counter() - begun)
        except _Died:
            lost = Fault(None, "", "ProcessDied: the process that sent the request ended")
            return failed(lost, time.perf_counter() - begun)
        except asyncio.CancelledError:
            if self.alive:
                _write(self._writer, (number, None))
            raise
        finally:
            self.waiting.pop(number, None)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Hand out what comes until the child is gone; what it held is lost then."""
        try:
            while True:
                number, received = await _read(reader)
                if (future := self.waiting.get(number)) and not future.done():
                    future.set_result(received)
        except (OSError, EOFError):
            # If this fails, so does the next request that needs the child.
            self._reviving = asyncio.create_task(self._revived())
        finally:
            self.alive = False
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(_Died())

    async def _revived(self) -> None:
        with contextlib.suppress(AgentError):
            await self.started()

    async def close(self) -> None:
        if self._reviving is not None:
            self._reviving.cancel()
            await asyncio.wait([self._reviving])
        await self._end()

    async def _end(self) -> None:
        self.alive = False
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
            self._listening = None
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
            self._writer = None
        if self.process is not None:
            await asyncio.to_thread(_ended, self.process)
            self.process = None


class _Died(Exception):
    """The process with the request ended before the reply came."""


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(LEAVE_TIME)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# -- in the child --------------------------------------------------------------------------


def child() -> None:
    """What a dispatch process does, its socket being its standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, EOFError):  # the parent is gone
        asyncio.run(_serve(socket.socket(fileno=0)))


async def _serve(pair: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=pair)
    wire = LocalWire(await _read(reader))
    try:
        await wire.open()
    except AgentError as error:
        _write(writer, str(error))
        await writer.drain()
        return
    _write(writer, None)
    tasks: dict[int, asyncio.Task[None]] = {}

    async def answer(number: int, out: Outgoing) -> None:
        _write(writer, (number, await wire.send(out)))

    def take(number: int, out: Outgoing | None) -> None:
        """A request, or without one: that a request is given up."""
        if out is not None:
            tasks[number] = group.create_task(answer(number, out))
            tasks[number].add_done_callback(lambda _: tasks.pop(number))
        elif number in tasks:
            tasks[number].cancel()

    try:
        # An error of our own in one task ends the process, and is so seen by the parent.
        async with asyncio.TaskGroup() as group:
            with contextlib.suppress(OSError, EOFError):  # the parent is gone
                while True:
                    take(*await _read(reader))
            for task in tasks.values():
                task.cancel()
    finally:
        await wire.close()


# -- both ----------------------------------------------------------------------------------


def _write(writer: asyncio.StreamWriter, value: object) -> None:
    """Not awaited: what waits to be written is bounded by what may be in flight."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    writer.write(len(data).to_bytes(4, "big") + data)


async def _read(reader: asyncio.StreamReader) -> Any:
    """The next value; EOFError (IncompleteReadError is one) where none comes any more."""
    size = int.from_bytes(await reader.readexactly(4), "big")
    return pickle.loads(await reader.readexactly(size))
