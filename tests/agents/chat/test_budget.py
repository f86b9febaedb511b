"""A budget is never passed, and whoever waits for it is answered. In virtual time."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.interface import AgentError, BudgetReached, Caps, Spent
from agents.response.budget import Budget
from agents.response.prices import Price, Usage

from .virtual_time import run

Clock = Callable[[], float]
PRICE = Price(1.0, 4.0, 0.5)


def _fits(budget: Budget, caps: Caps) -> bool:
    booked, held = budget.spent(), budget.reserved()
    tokens = caps.tokens is None or booked.tokens + held.tokens <= caps.tokens
    # The two are rounded one by one here; inside they are whole numbers.
    money = caps.usd is None or booked.usd + held.usd <= caps.usd * (1 + 1e-12)
    return tokens and money


LUCK = st.integers(0, 2**32 - 1).map(random.Random)
"""Not st.randoms(): that ends an example with an exception inside whichever task draws."""

caps_ = st.builds(
    Caps,
    usd=st.none() | st.floats(0, 0.02),
    tokens=st.none() | st.integers(0, 20_000),
    minutes=st.none() | st.floats(0, 1),
)


@settings(max_examples=300, deadline=None)
@given(caps_, LUCK, st.integers(1, 16), st.integers(1, 60))
def test_no_cap_is_ever_passed_and_every_waiter_ends(
    caps: Caps, luck: random.Random, concurrency: int, n: int
) -> None:
    async def scene(clock: Clock) -> None:
        budget = Budget(caps, Spent(), PRICE, clock=clock)
        places = asyncio.Semaphore(concurrency)
        told = Spent()
        over = False

        def book(tokens: int, usd: float) -> None:
            nonlocal told
            told = Spent(told.usd + usd, told.tokens + tokens)

        async def one() -> None:
            nonlocal over
            await asyncio.sleep(luck.uniform(0, 20))
            tokens_in, tokens_out = luck.randrange(1, 2000), luck.randrange(1, 2000)
            async with places:
                try:
                    reservation = await budget.reserve(tokens_in, tokens_out)
                except BudgetReached:
                    over = True
                    return
                assert not over, "let through after the budget was closed"
                assert _fits(budget, caps)
                with reservation:
                    reservation.sending()
                    await asyncio.sleep(min(luck.uniform(0, 10), budget.seconds_left()))
                    what = luck.random()
                    if what < 0.6:
                        used_in = luck.randrange(1, tokens_in + 1)
                        used_out = luck.randrange(0, tokens_out + 1)
                        usage = Usage(used_in, used_out, luck.randrange(0, used_in + 1))
                        cost = reservation.settle(usage)
                        assert cost is not None
                        book(usage.total, cost)
                    elif what < 0.8:
                        book(*reservation.lose())
                    else:
                        reservation.release()
                assert _fits(budget, caps)

        async with asyncio.TaskGroup() as group:
            for _ in range(n):
                group.create_task(one())
        assert budget.reserved() == Spent()
        assert budget.spent().tokens == told.tokens
        assert budget.spent().usd == pytest.approx(told.usd)
        assert _fits(budget, caps)

    run(scene)


@settings(max_examples=100, deadline=None)
@given(LUCK, st.integers(2, 40))
def test_cancelled_waiters_and_senders_leave_nothing_reserved(luck: random.Random, n: int) -> None:
    caps = Caps(tokens=10_000)

    async def scene(clock: Clock) -> None:
        budget = Budget(caps, Spent(), None, clock=clock)

        async def one() -> None:
            with await budget.reserve(luck.randrange(1, 3000), luck.randrange(1, 3000)) as held:
                if luck.random() < 0.5:
                    held.sending()
                await asyncio.sleep(luck.uniform(0, 3))
                held.settle(Usage(1, 1))

        tasks = [asyncio.create_task(one()) for _ in range(n)]
        for task in tasks:
            if luck.random() < 0.5:
                asyncio.get_running_loop().call_later(luck.uniform(0, 3), task.cancel)
        await asyncio.wait(tasks)
        for task in tasks:
            assert task.cancelled() or isinstance(task.exception(), BudgetReached | None)
        assert budget.reserved() == Spent()
        assert _fits(budget, caps)

    run(scene)


def test_a_request_waits_for_what_is_in_flight_and_nobody_overtakes_it() -> None:
    async def scene(clock: Clock) -> None:
        budget = Budget(Caps(tokens=100), Spent(), None, clock=clock)
        first = await budget.reserve(40, 40)
        order: list[int] = []

        async def one(size: int) -> None:
            with await budget.reserve(size, 0) as held:
                order.append(size)
                held.release()

        async with asyncio.TaskGroup() as group:
            group.create_task(one(90))
            group.create_task(one(10))  # would fit at once
            await asyncio.sleep(1)
            assert order == []
            first.settle(Usage(5, 5))
        assert order == [90, 10]

    run(scene)


def test_a_big_request_that_gives_up_no_longer_keeps_the_next_one_waiting() -> None:
    async def scene(clock: Clock) -> None:
        budget = Budget(Caps(tokens=100), Spent(), None, clock=clock)
        await budget.reserve(80, 0)  # in flight to the end
        big = asyncio.create_task(budget.reserve(90, 0))
        small = asyncio.create_task(budget.reserve(20, 0))
        await asyncio.sleep(1)
        assert not small.done()
        big.cancel()
        (await small).release()

    run(scene)


@pytest.mark.parametrize(("cap", "fits"), [(0.006, True), (0.005999999999, False)])
def test_money_is_counted_exactly(cap: float, fits: bool) -> None:
    async def scene(clock: Clock) -> None:
        budget = Budget(Caps(usd=cap), Spent(), PRICE, clock=clock)
        first = await budget.reserve(1000, 500)  # 0.003 at most
        second = asyncio.create_task(budget.reserve(1000, 500))
        await asyncio.sleep(1)
        assert second.done() == fits
        first.lose()
        if fits:
            second.result().lose()
            assert budget.spent().usd == cap
        else:
            with pytest.raises(BudgetReached):
                await second

    run(scene)


def test_what_can_never_fit_closes_the_budget_for_everybody() -> None:
    async def scene(clock: Clock) -> None:
        budget = Budget(Caps(usd=0.01), Spent(usd=0.006), PRICE, clock=clock)
        first = await budget.reserve(1000, 500)
        waiting = asyncio.create_task(budget.reserve(1000, 500))
        await asyncio.sleep(0)
        assert not waiting.done()
        first.lose()
        with pytest.raises(BudgetReached) as caught:
            await waiting
        assert str(caught.value) == (
            "budget: usd: 0.009 of 0.01 spent, and the next call may take 0.003; "
            "what is finished is kept: raise the cap and resume"
        )
        with pytest.raises(BudgetReached, match=r"usd: 0\.009 of 0\.01"):
            await budget.reserve(1, 1)  # would fit, but the run drains

    run(scene)


def test_tokens_reached() -> None:
    async def scene(clock: Clock) -> None:
        budget = Budget(Caps(tokens=1000), Spent(tokens=990), None, clock=clock)
        with pytest.raises(BudgetReached, match=r"tokens: 990 of 1000 spent, .* may take 11;"):
            await budget.reserve(5, 6)

    run(scene)


def test_time_is_up_for_those_who_ask_and_those_who_wait() -> None:
    async def scene(clock: Clock) -> None:
        caps = Caps(tokens=100, minutes=2)
        budget = Budget(caps, Spent(seconds=60), None, clock=clock)
        assert budget.seconds_left() == 60
        held = await budget.reserve(100, 0)  # never closed in time
        with pytest.raises(BudgetReached, match=r"minutes: 2\.0 of 2 used"):
            await budget.reserve(1, 1)
        assert (clock(), budget.seconds_left()) == (60, 0)
        held.release()
        with pytest.raises(BudgetReached, match="minutes"):
            await budget.reserve(1, 1)

    run(scene)


def test_a_granted_reservation_whose_task_is_cancelled_in_that_turn_is_given_back() -> None:
    async def scene(clock: Clock) -> None:
        budget = Budget(Caps(tokens=10), Spent(), None, clock=clock)
        held = await budget.reserve(10, 0)
        task = asyncio.create_task(budget.reserve(10, 0))
        await asyncio.sleep(0)
        held.release()  # granted now; the task has not run yet
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert budget.reserved() == Spent()

    run(scene)


def test_left_open_a_reservation_is_lost_if_it_was_sent_else_released() -> None:
    async def scene(clock: Clock) -> None:
        budget = Budget(Caps(), Spent(), PRICE, clock=clock)
        with await budget.reserve(10, 10):
            pass
        assert budget.spent().tokens == 0
        with await budget.reserve(10, 10) as sent:
            sent.sending()
        assert budget.spent() == Spent(usd=50e-6, tokens=20)

    run(scene)


def test_closed_once() -> None:
    async def scene(clock: Clock) -> None:
        budget = Budget(Caps(), Spent(), None, clock=clock)
        with await budget.reserve(10, 10) as held:
            assert held.settle(Usage(3, 4)) is None
            with pytest.raises(RuntimeError, match="closed already"):
                held.lose()
        assert budget.spent().tokens == 7

    run(scene)


def test_a_server_that_ignores_max_tokens_is_booked_as_it_says() -> None:
    async def scene(clock: Clock) -> None:
        budget = Budget(Caps(tokens=100), Spent(), None, clock=clock)
        (await budget.reserve(10, 10)).settle(Usage(10, 500))
        assert budget.spent().tokens == 510
        with pytest.raises(BudgetReached, match="510 of 100"):
            await budget.reserve(1, 1)

    run(scene)


def test_without_max_tokens_nothing_bounds_a_reply() -> None:
    async def scene(clock: Clock) -> None:
        (await Budget(Caps(minutes=1), Spent(), PRICE, clock=clock).reserve(10, None)).release()
        for caps in (Caps(usd=1.0), Caps(tokens=100)):
            with pytest.raises(AgentError, match="max_tokens: found null"):
                await Budget(caps, Spent(), PRICE, clock=clock).reserve(10, None)

    run(scene)


def test_a_cap_on_money_needs_a_price() -> None:
    with pytest.raises(AgentError) as caught:
        Budget(Caps(usd=5.0), Spent(), None, model="openai model 'llama3.1'")
    text = str(caught.value)
    assert "usd: found 5, but nobody knows the price of openai model 'llama3.1'" in text
    assert "prices: {input: USD, output: USD}" in text
    assert "\n" not in text
    Budget(Caps(usd=5.0), Spent(), Price(0.0, 0.0))
    Budget(Caps(tokens=5), Spent(), None)


def test_without_caps_nobody_waits_and_everything_is_counted() -> None:
    async def scene(clock: Clock) -> None:
        budget = Budget(Caps(), Spent(usd=1.5, tokens=10, seconds=3.0), PRICE, clock=clock)
        assert budget.seconds_left() == math.inf
        for _ in range(10):
            (await budget.reserve(10**9, 10**9)).settle(Usage(1_000_000, 0))
        assert budget.spent() == Spent(usd=11.5, tokens=10_000_010, seconds=3.0)

    run(scene)
