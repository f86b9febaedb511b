"""What a run may spend: the worst case is reserved before sending, what was used is booked
after, so that no cap is ever passed, whatever is in flight.

    reserve -> settle   a reply with its usage
            -> lose     sent, and how much it used was never learnt: the worst case is assumed
            -> release  never sent, or refused by the server before it did anything

At every moment booked + reserved <= cap, provided that the server keeps to max_tokens; one
that does not is booked as it says, and the next reservation finds the cap passed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from types import TracebackType
from typing import NamedTuple, Self

from ..interface import AgentError, BudgetReached, Caps, Spent
from .prices import FIX, UNIT, Price, Usage

RESUME = "what is finished is kept: raise the cap and resume"


class _Amount(NamedTuple):
    """Tokens, and picodollars."""

    tokens: int
    money: int


class _Waiter(NamedTuple):
    amount: _Amount
    granted: asyncio.Future[Reservation | None]
    """The reservation, or None when the budget was closed instead."""


class Budget:
    """The caps of one run; used inside one event loop, one budget for all endpoints' calls.

    ``spent`` is what the run had used when it was last stopped, assumed costs included.
    ``price`` None: nobody knows what the model costs, which only a cap on money forbids.
    """

    def __init__(
        self,
        caps: Caps,
        spent: Spent,
        price: Price | None,
        *,
        model: str = "the model",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises AgentError for a cap on money where ``price`` is not known."""
        if caps.usd is not None and price is None:
            raise AgentError(
                f"chat: budget: usd: found {caps.usd:g}, but nobody knows the price of {model}; "
                f"{FIX}, or set no cap on usd"
            )
        self.price = price
        self._caps, self._clock, self._started = caps, clock, clock()
        self._seconds_before = spent.seconds
        self._cap_tokens = math.inf if caps.tokens is None else caps.tokens
        self._cap_money = math.inf if caps.usd is None else math.floor(_units(caps.usd))
        self._booked = _Amount(spent.tokens, math.ceil(_units(spent.usd)))
        self._held = _Amount(0, 0)
        self._queue: deque[_Waiter] = deque()
        self._over: str | None = None

    async def reserve(self, tokens_in: int, tokens_out: int | None) -> Reservation:
        """Set the most a request can use aside: ``tokens_in`` an upper bound of its prompt,
        ``tokens_out`` its max_tokens. First come, first served; waits while calls in flight
        may leave room. Close one before asking for the next.

        Raises BudgetReached if it can never fit or time is up, and from then on always;
        AgentError without max_tokens under a cap on tokens or money.
        """
        if self._over is not None:
            raise BudgetReached(self._over)
        waiter = _Waiter(
            self._worst(tokens_in, tokens_out), asyncio.get_running_loop().create_future()
        )
        self._queue.append(waiter)
        self._grant()
        left = self.seconds_left()
        try:
            async with asyncio.timeout(None if math.isinf(left) else left):
                reservation = await waiter.granted
        except TimeoutError:
            self._withdraw(waiter)
            self._close(self._out_of_time())
            raise BudgetReached(str(self._over)) from None
        except asyncio.CancelledError:
            self._withdraw(waiter)
            raise
        if reservation is None:
            raise BudgetReached(str(self._over))
        return reservation

    def spent(self) -> Spent:
        """All that is booked, what was assumed of lost replies included."""
        return Spent(
            usd=self._booked.money / UNIT, tokens=self._booked.tokens, seconds=self._seconds()
        )

    def reserved(self) -> Spent:
        """What requests in flight may use at most, beside what is booked."""
        return Spent(usd=self._held.money / UNIT, tokens=self._held.tokens)

    def seconds_left(self) -> float:
        """Until the cap on minutes, infinite without one: the longest an attempt may take."""
        if self._caps.minutes is None:
            return math.inf
        return max(0.0, 60.0 * self._caps.minutes - self._seconds())

    def _seconds(self) -> float:
        return self._seconds_before + self._clock() - self._started

    def _worst(self, tokens_in: int, tokens_out: int | None) -> _Amount:
        if tokens_out is None:
            if self._caps.tokens is not None or self._caps.usd is not None:
                raise AgentError(
                    "chat: max_tokens: found null; a budget of tokens or usd needs a number: "
                    "without one a reply has no upper bound"
                )
            return _Amount(0, 0)
        money = 0 if self.price is None else self.price.most(tokens_in, tokens_out)
        return _Amount(tokens_in + tokens_out, money)

    def _grant(self) -> None:
        """Let the first in the queue go as long as they fit. If the first does not, and what
        is in flight cannot change that, nobody goes any more."""
        while self._queue:
            amount, granted = self._queue[0]
            if granted.done():  # cancelled while it waited
                self._queue.popleft()
                continue
            if self.seconds_left() <= 0:
                self._close(self._out_of_time())
            elif over := self._never(amount):
                self._close(over)
            elif self._fits(amount):
                self._queue.popleft()
                self._held = _plus(self._held, amount)
                granted.set_result(Reservation(self, amount))
            else:  # so something is held: closing that comes back here
                return

    def _fits(self, amount: _Amount) -> bool:
        tokens, money = _plus(_plus(self._booked, self._held), amount)
        return tokens <= self._cap_tokens and money <= self._cap_money

    def _never(self, amount: _Amount) -> str | None:
        """Which cap the request passes even if all in flight turned out to cost nothing."""
        tokens, money = _plus(self._booked, amount)
        if money > self._cap_money:
            return (
                f"budget: usd: {_usd(self._booked.money)} of {self._caps.usd:g} spent, and the "
                f"next call may take {_usd(amount.money)}; {RESUME}"
            )
        if tokens > self._cap_tokens:
            return (
                f"budget: tokens: {self._booked.tokens} of {self._caps.tokens} spent, and the "
                f"next call may take {amount.tokens}; {RESUME}"
            )
        return None

    def _out_of_time(self) -> str:
        minutes = self._caps.minutes
        return f"budget: minutes: {self._seconds() / 60:.1f} of {minutes:g} used; {RESUME}"

    def _close(self, why: str) -> None:
        self._over = self._over or why
        while self._queue:
            granted = self._queue.popleft().granted
            if not granted.done():
                granted.set_result(None)

    def _withdraw(self, waiter: _Waiter) -> None:
        """It no longer waits. It may have been granted in this very turn of the loop; and
        it may have been what kept the next one waiting."""
        granted = waiter.granted
        if granted.done() and not granted.cancelled() and (reservation := granted.result()):
            reservation.release()
        else:
            granted.cancel()
            self._grant()

    def _closed(self, held: _Amount, used: _Amount) -> None:
        self._held = _minus(self._held, held)
        self._booked = _plus(self._booked, used)
        self._grant()


class Reservation:
    """The worst case of one request, set aside; closed once. As a context manager one left
    open is lost if it was :meth:`sending`, also when its task is cancelled (the server may
    have done the work), else released."""

    def __init__(self, budget: Budget, amount: _Amount) -> None:
        self._budget, self._amount = budget, amount
        self._sent = self._done = False

    def sending(self) -> None:
        """From here on it may cost something."""
        self._sent = True

    def settle(self, usage: Usage) -> float | None:
        """Book what the server says was used; its cost in USD, None at an unknown price. A
        server that tells no usage (not ``usage.told``) leaves only :meth:`lose`."""
        price = self._budget.price
        money = 0 if price is None else price.units(usage)
        self._close(_Amount(usage.total, money))
        return None if price is None else money / UNIT

    def lose(self) -> tuple[int, float]:
        """Book the worst case; the tokens and USD assumed."""
        self._close(self._amount)
        return self._amount.tokens, self._amount.money / UNIT

    def release(self) -> None:
        """Book nothing."""
        self._close(_Amount(0, 0))

    def _close(self, used: _Amount) -> None:
        if self._done:
            raise RuntimeError("this reservation is closed already")
        self._done = True
        self._budget._closed(self._amount, used)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._done:
            return
        if self._sent:
            self.lose()
        else:
            self.release()


def _plus(a: _Amount, b: _Amount) -> _Amount:
    return _Amount(a.tokens + b.tokens, a.money + b.money)


def _minus(a: _Amount, b: _Amount) -> _Amount:
    return _Amount(a.tokens - b.tokens, a.money - b.money)


def _units(usd: float) -> Decimal:
    return Decimal(repr(usd)) * UNIT


def _usd(money: int) -> str:
    return f"{money / UNIT:.6f}".rstrip("0").rstrip(".")
