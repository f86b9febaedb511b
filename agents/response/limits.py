"""How many requests an endpoint is asked at a time and a minute, and when it gets a rest.

How long a request waits here changes no answer. All requests to one endpoint stand in one
queue, first come, first served; the first goes when the endpoint is not paused, a place is
free and the rates allow it:

    429 with Retry-After   the whole endpoint pauses until then (the latest asked for)
    429                    a fifth fewer places, once for all requests that were under way
    an answer              places grow back, one more for each full set of answers
    BREAKER failures       in a row, without an answer in between: a pause, doubled each
                           time, after which one request goes ahead alone as a probe
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ..interface import AgentError, Stopped

LONGEST_PAUSE = 600.0
"""Seconds; a Retry-After beyond it is heeded so far, then the endpoint is asked again."""

BREAKER = 10
"""Failures in a row that open the circuit breaker."""

FIRST_REST, LONGEST_REST = 1.0, 60.0
"""Seconds the breaker pauses at first and at most; doubled while probes fail."""

RAMP, LONGEST_RAMP = 0.1, 1.0
"""After a pause the requests that may run start over a tenth of its length, a second at
most, at random distances: not all at once, nor with those of another process."""

SPREAD_FROM, SPREAD, LONGEST_SPREAD = 32, 1 / 128, 0.5
"""From so many places on the first requests are spread too: seconds for each place, and for
all at most. Requests that begin together come back together from an endpoint of even
latency, and then wait for each other at every turn: a simultaneous start cost a tenth to a
quarter of the throughput."""

BURST = 1.0
"""Seconds' worth of a rate that may come at once: in no minute more than the rate, that
and one request."""


class Limits:
    """One endpoint's limits; used inside one event loop.

    ``tokens`` of a slot may be any fair estimate of prompt and reply: they are metered,
    not corrected afterwards, and only where there is a rate of tokens.
    """

    def __init__(
        self,
        concurrency: int,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        """Raises AgentError for a limit that lets nothing through."""
        _positive("concurrency", concurrency)
        _positive("requests_per_minute", requests_per_minute)
        _positive("tokens_per_minute", tokens_per_minute)
        self.concurrency = self.current = concurrency
        """Places as configured, and as many as there are now."""
        self.in_flight = 0
        self._requests, self._tokens = _Rate(requests_per_minute), _Rate(tokens_per_minute)
        self.meters_tokens = tokens_per_minute is not None
        self._clock, self._rng = clock, rng or random.Random()
        self._queue: deque[Slot] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._paused_until = self._ramp_until = self._next_at = -math.inf
        self._number = 0  # of the next request to be let through
        self._shrunk_at = self._opened_at = 0  # the same, then: earlier ones tell old news
        self._answers = self._failures = self._rests = 0
        self._open = self._stopped = False
        self._probe: Slot | None = None

    def slot(self, tokens: int = 0) -> Slot:
        """``async with limits.slot(tokens) as slot``: waits, however long (a deadline is the
        caller's), then holds a place. What became of the request is told to the slot."""
        return Slot(self, tokens)

    def stop(self) -> None:
        """Nobody is let through any more: who waits, or comes to wait, raises Stopped."""
        self._stopped = True
        for slot in self._queue:
            if not slot.let.done():
                slot.let.set_exception(_told_to_stop())
        self._queue.clear()

    def check(self) -> None:
        """Raises Stopped after :meth:`stop`."""
        if self._stopped:
            raise _told_to_stop()

    @property
    def waiting(self) -> int:
        return sum(not slot.let.done() for slot in self._queue)

    @property
    def paused_for(self) -> float:
        """Seconds until the endpoint is asked again, 0 if it is not paused."""
        return max(0.0, self._paused_until - self._clock())

    def _admit(self) -> None:
        """Let the first in the queue go as long as they may; else see to being called again
        (a slot that is left calls, and so does the timer)."""
        while self._queue:
            slot = self._queue[0]
            if slot.let.done():  # cancelled while it waited
                self._queue.popleft()
                continue
            if self.in_flight >= self.current or (self._open and self._probe is not None):
                return
            now = self._clock()
            earliest = max(
                self._paused_until, self._next_at, self._requests.earliest, self._tokens.earliest
            )
            if earliest > now:
                self._call_in(earliest - now)
                return
            self._queue.popleft()
            self._take(slot, now)

    def _take(self, slot: Slot, now: float) -> None:
        if not self._number and self.current >= SPREAD_FROM:
            self._spread_start(now)
        slot.number, self._number = self._number, self._number + 1
        self.in_flight += 1
        self._requests.take(1, now)
        self._tokens.take(slot.tokens, now)
        if now < self._ramp_until:
            distance = (self._ramp_until - self._paused_until) / self.current
            self._next_at = now + self._rng.uniform(0, 2 * distance)
        if self._open:
            self._probe = slot
        slot.let.set_result(None)

    def _spread_start(self, now: float) -> None:
        self._paused_until = max(self._paused_until, now)
        self._ramp_until = now + min(SPREAD * self.current, LONGEST_SPREAD)

    def _call_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._admit)

    def _leave(self, slot: Slot) -> None:
        self.in_flight -= 1
        if self._probe is slot:
            self._probe = None
        self._admit()

    def _pause(self, seconds: float) -> None:
        seconds = min(seconds, LONGEST_PAUSE)
        ramp = min(RAMP * seconds, LONGEST_RAMP)
        until = self._clock() + seconds
        if until > self._paused_until:
            self._paused_until = until + self._rng.uniform(0, ramp)
            self._ramp_until = self._paused_until + ramp

    def _shrink(self, slot: Slot) -> None:
        if slot.number >= self._shrunk_at:
            self.current = max(1, self.current * 4 // 5)
            self._shrunk_at, self._answers = self._number, 0

    def _answered(self, slot: Slot) -> None:
        self._open, self._failures, self._rests = False, 0, 0
        if slot.number >= self._shrunk_at:
            self._answers += 1
            if self._answers >= self.current:
                self.current, self._answers = min(self.concurrency, self.current + 1), 0

    def _failed(self, slot: Slot) -> None:
        if slot.number < self._opened_at:
            return
        self._failures += 1
        if self._open or self._failures >= BREAKER:
            self._pause(min(FIRST_REST * 2.0**self._rests, LONGEST_REST))
            self._rests = min(self._rests + 1, 30)
            self._open, self._failures, self._opened_at = True, 0, self._number


class Slot:
    """One request's place in the queue, then at the endpoint; entered once. While it is
    held, say what came of the request: at most one of the three."""

    let: asyncio.Future[None]

    def __init__(self, limits: Limits, tokens: int) -> None:
        self._limits, self.tokens, self.number = limits, tokens, -1

    def succeeded(self) -> None:
        """The endpoint did its work, whatever the reply is worth."""
        self._limits._answered(self)

    def throttled(self, retry_after: float | None = None) -> None:
        """HTTP 429. ``retry_after`` seconds, if it named any. Counts as a failure, too: an
        endpoint that does nothing but refuse gets a rest."""
        self._limits._shrink(self)
        self.failed(retry_after)

    def failed(self, retry_after: float | None = None) -> None:
        """Anything else that is a fault of the endpoint or the way there: no fewer places,
        but a pause if it asks for one (503 may)."""
        if retry_after is not None and retry_after > 0:
            self._limits._pause(retry_after)
        self._limits._failed(self)

    async def __aenter__(self) -> Self:
        self._limits.check()
        self.let = asyncio.get_running_loop().create_future()
        self._limits._queue.append(self)
        self._limits._admit()
        try:
            await self.let
        except asyncio.CancelledError:
            if not self.let.cancelled():  # let through in this very turn of the loop
                self._limits._leave(self)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._limits._leave(self)


class _Rate:
    """So many a minute, evenly. Not aiolimiter's bucket: that lets the smallest amount go
    first, so that a long prompt may wait for ever, and refuses one larger than itself; here
    the next may start once what was taken before is worked off down to a burst."""

    def __init__(self, per_minute: float | None) -> None:
        self._each = 0.0 if per_minute is None else 60.0 / per_minute  # seconds
        self.earliest = -math.inf

    def take(self, amount: float, now: float) -> None:
        if self._each:
            start = max(now, self.earliest + BURST)
            self.earliest = start + amount * self._each - BURST


def _told_to_stop() -> Stopped:
    return Stopped("the run was told to stop")


def _positive(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        raise AgentError(f"chat: {name}: found {value!r}; allowed: a number above 0")
