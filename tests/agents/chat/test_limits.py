"""Limits of an endpoint, in virtual time: order, places, rates, pauses, the breaker."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.interface import AgentError, Stopped
from agents.response.limits import BREAKER, FIRST_REST, LONGEST_PAUSE, LONGEST_REST, Limits, Slot

from .virtual_time import run

Clock = Callable[[], float]
LUCK = st.integers(0, 2**32 - 1).map(random.Random)
"""Not st.randoms(): that ends an example with an exception inside whichever task draws."""


def _limits(
    clock: Clock, places: int, rpm: float | None = None, tpm: float | None = None
) -> Limits:
    return Limits(places, rpm, tpm, clock=clock, rng=random.Random(0))


async def _held(limits: Limits, n: int) -> list[Slot]:
    """n requests under way."""
    slots = [limits.slot() for _ in range(n)]
    for slot in slots:
        await slot.__aenter__()
    return slots


async def _left(slots: list[Slot]) -> None:
    for slot in slots:
        await slot.__aexit__(None, None, None)


async def _starts(
    limits: Limits, clock: Clock, tokens: list[int], takes: float = 0.0
) -> list[tuple[int, float]]:
    """Who started when, if all ask at once and answer after ``takes`` seconds."""
    started: list[tuple[int, float]] = []

    async def one(number: int) -> None:
        async with limits.slot(tokens[number]) as slot:
            started.append((number, clock()))
            await asyncio.sleep(takes)
            slot.succeeded()

    async with asyncio.TaskGroup() as group:
        for number in range(len(tokens)):
            group.create_task(one(number))
    assert limits.in_flight == limits.waiting == 0
    return started


def test_first_come_first_served_and_never_more_than_the_places() -> None:
    async def scene(clock: Clock) -> None:
        started = await _starts(_limits(clock, 3), clock, [0] * 10, takes=1.0)
        assert [number for number, _ in started] == list(range(10))
        assert [when for _, when in started] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]

    run(scene)


def test_many_places_are_filled_one_after_the_other() -> None:
    async def scene(clock: Clock) -> None:
        started = await _starts(_limits(clock, 64), clock, [0] * 64, takes=10.0)
        at = [when for _, when in started]
        assert at[0] == 0
        assert at == sorted(at)
        assert 0.2 < at[-1] < 1.0  # half a second on average
        assert len(set(at)) > 32

    run(scene)


def test_requests_a_minute() -> None:
    async def scene(clock: Clock) -> None:
        started = await _starts(_limits(clock, 31, rpm=60), clock, [0] * 20)
        assert [round(when, 6) for _, when in started] == [0, 0, *range(1, 19)]

    run(scene)


def test_a_long_prompt_waits_its_turn_and_nobody_overtakes_it() -> None:
    async def scene(clock: Clock) -> None:
        tokens = [100, 5000, 10, 10]  # the second alone is more than a minute's worth
        started = await _starts(_limits(clock, 100, tpm=600), clock, tokens)
        assert [number for number, _ in started] == [0, 1, 2, 3]
        assert [round(when, 6) for _, when in started] == [0, 9, 509, 510]

    run(scene)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=60),
    st.integers(1, 8),
    st.integers(30, 3000),
    st.integers(500, 20_000),
    st.floats(0, 3),
)
def test_rates_hold_in_every_minute(
    tokens: list[int], places: int, rpm: int, tpm: int, takes: float
) -> None:
    async def scene(clock: Clock) -> None:
        started = await _starts(_limits(clock, places, rpm, tpm), clock, tokens, takes)
        assert [number for number, _ in started] == list(range(len(tokens)))
        for _, begin in started:
            within = [number for number, when in started if begin <= when < begin + 60]
            assert len(within) <= rpm * 61 / 60 + 1 + 1e-6
            used = sum(tokens[number] for number in within)
            assert used <= tpm * 61 / 60 + max(tokens) + 1e-6

    run(scene)


def test_retry_after_pauses_everybody_until_the_latest_asked_for() -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 8)
        slots = await _held(limits, 3)
        for slot, seconds in zip(slots, (5.0, 30.0, 1.0), strict=True):
            slot.throttled(seconds)
        await _left(slots)
        assert 30 <= limits.paused_for <= 31
        started = [when for _, when in await _starts(limits, clock, [0] * 6, takes=1.0)]
        assert min(started) >= 30
        assert limits.paused_for == 0
        assert len(set(started)) == 6  # not all at once
        assert max(started) <= 30 + 1 + 2

    run(scene)


@pytest.mark.parametrize("seconds", [1e9, float("inf")])
def test_a_pause_has_an_upper_bound(seconds: float) -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 1)
        async with limits.slot() as slot:
            slot.throttled(seconds)
        assert LONGEST_PAUSE <= limits.paused_for <= LONGEST_PAUSE + 1

    run(scene)


@pytest.mark.parametrize("seconds", [None, 0.0, -3.0, float("nan")])
def test_a_429_that_names_no_time_pauses_nobody(seconds: float | None) -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 2)
        async with limits.slot() as slot:
            slot.throttled(seconds)
        assert limits.paused_for == 0

    run(scene)


def test_a_burst_of_429_shrinks_once_and_answers_grow_it_back() -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 10)
        burst = await _held(limits, 6)
        for slot in burst:
            slot.throttled()
        assert limits.current == 8
        await _left(burst)
        late = await _held(limits, 1)
        late[0].throttled()
        assert limits.current == 6
        await _left(late)
        await _starts(limits, clock, [0] * 5)
        assert limits.current == 6
        await _starts(limits, clock, [0])
        assert limits.current == 7
        await _starts(limits, clock, [0] * 1000)
        assert limits.current == 10

    run(scene)


def test_places_never_go_below_one() -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 4)
        seen = []
        for _ in range(6):
            async with limits.slot() as slot:
                slot.throttled()
            seen.append(limits.current)
        assert seen == [3, 2, 1, 1, 1, 1]

    run(scene)


def test_server_errors_take_no_places_away() -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 16)
        for _ in range(BREAKER - 1):
            async with limits.slot() as slot:
                slot.failed()
        assert (limits.current, limits.paused_for) == (16, 0)

    run(scene)


def test_a_success_in_between_keeps_the_breaker_closed() -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 4)
        for _ in range(3):
            for _ in range(BREAKER - 1):
                async with limits.slot() as slot:
                    slot.failed()
            async with limits.slot() as slot:
                slot.succeeded()
        assert clock() == 0

    run(scene)


def test_the_breaker_rests_longer_each_time_and_sends_one_probe_first() -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 64)
        under_way = await _held(limits, 40)
        for slot in under_way:
            slot.failed()  # what was under way when it opened is old news
        await _left(under_way)
        assert FIRST_REST <= limits.paused_for <= FIRST_REST * 1.1

        probes: list[float] = []
        healthy_at = 200.0

        async def one() -> None:
            async with limits.slot() as slot:
                probes.append(clock())
                assert clock() >= healthy_at or limits.in_flight == 1
                await asyncio.sleep(0.1)
                (slot.succeeded if clock() >= healthy_at else slot.failed)()

        async with asyncio.TaskGroup() as group:
            for _ in range(30):
                group.create_task(one())
        alone = [when for when in probes if when < healthy_at]
        gaps = [b - a - 0.1 for a, b in pairwise(alone)]
        for gap, rest in zip(gaps, (2, 4, 8, 16, 32, LONGEST_REST, LONGEST_REST), strict=False):
            assert rest <= gap <= rest * 1.1 + 1
        assert len(gaps) >= 5
        rest_of_them = [when for when in probes if when >= healthy_at]
        # The first alone; when it has answered the others follow, spread over a second.
        assert rest_of_them[1] >= rest_of_them[0] + 0.1
        assert rest_of_them[-1] <= rest_of_them[0] + 3

    run(scene)


def test_a_probe_that_is_cancelled_lets_another_one_through() -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 4)
        for _ in range(BREAKER):
            async with limits.slot() as slot:
                slot.failed()

        async def hang() -> None:
            async with limits.slot():
                await asyncio.sleep(1e6)

        task = asyncio.create_task(hang())
        after = asyncio.create_task(_starts(limits, clock, [0]))
        await asyncio.sleep(10)
        assert not after.done()
        task.cancel()
        assert [round(when) for _, when in await after] == [10]

    run(scene)


def test_a_deadline_ends_the_wait() -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 1)
        async with limits.slot() as slot:
            slot.throttled(60.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5), limits.slot():
                pytest.fail("the endpoint was paused")
        assert (clock(), limits.waiting, limits.in_flight) == (5, 0, 0)

    run(scene)


def test_cancelled_in_the_turn_in_which_it_was_let_through() -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 1)
        held = await _held(limits, 1)
        tasks = [asyncio.create_task(_starts_one(limits)) for _ in range(2)]
        await asyncio.sleep(0)
        await _left(held)  # the first is let through now, and has not run yet
        tasks[0].cancel()
        await tasks[1]
        assert tasks[0].cancelled()
        assert limits.in_flight == 0

    async def _starts_one(limits: Limits) -> None:
        async with limits.slot():
            pass

    run(scene)


@settings(max_examples=100, deadline=None)
@given(LUCK, st.integers(1, 6), st.integers(1, 40))
def test_whatever_happens_nothing_leaks_and_everybody_gets_through(
    luck: random.Random, places: int, n: int
) -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, places, rpm=luck.choice([None, 600.0]))

        async def one() -> None:
            await asyncio.sleep(luck.uniform(0, 3))
            async with limits.slot() as slot:
                assert 1 <= limits.in_flight <= places
                assert 1 <= limits.current <= places
                await asyncio.sleep(luck.uniform(0, 2))
                what = luck.choice(["answer", "429", "later", "fault", "nothing"])
                if what == "answer":
                    slot.succeeded()
                elif what == "429":
                    slot.throttled()
                elif what == "later":
                    slot.throttled(luck.uniform(0, 5))
                elif what == "fault":
                    slot.failed()

        tasks = [asyncio.create_task(one()) for _ in range(n)]
        for task in tasks:
            if luck.random() < 0.3:
                asyncio.get_running_loop().call_later(luck.uniform(0, 5), task.cancel)
        await asyncio.wait(tasks)
        for task in tasks:
            assert task.cancelled() or task.exception() is None
        assert limits.in_flight == limits.waiting == 0
        assert len(await _starts(limits, clock, [0] * places)) == places

    run(scene)


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_lets_nothing_through_is_refused(wrong: float) -> None:
    with pytest.raises(AgentError, match="requests_per_minute: found"):
        Limits(4, wrong)
    with pytest.raises(AgentError, match="tokens_per_minute: found"):
        Limits(4, None, wrong)
    with pytest.raises(AgentError, match="concurrency: found 0"):
        Limits(0)


def test_who_waits_when_it_is_stopped_is_told_so_at_once() -> None:
    async def scene(clock: Clock) -> None:
        limits = _limits(clock, 1)
        async with limits.slot() as held:
            waiting = asyncio.create_task(limits.slot().__aenter__())
            await asyncio.sleep(0)
            held.throttled(300.0)
            limits.stop()
            with pytest.raises(Stopped):
                await waiting
        with pytest.raises(Stopped):
            await limits.slot().__aenter__()
        assert clock() == 0
        assert limits.in_flight == limits.waiting == 0

    run(scene)
