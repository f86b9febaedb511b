"""What a call to a chat model costs the client, and how many calls it keeps up with.

    python -m benchmarks.chat_calls                     # both tables
    python -m benchmarks.chat_calls cpu --calls 256 --repeats 9
    python -m benchmarks.chat_calls throughput --seconds 10 --tail

One page prompt of about 4.5 kB with a JSON schema for the reply goes to
:mod:`benchmarks.chat_server`, in a process of its own. CPU is the process time of the
client (without its dispatch processes), and the roads take turns in one run, so that their
ratio holds on a busy machine too. Ideal throughput is requests in flight by latency.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from agents.interface import OK, Caps, Place, Spent
from agents.response import prompting
from agents.response.budget import Budget
from agents.response.endpoint import Endpoint
from agents.response.gateway import Gateway, Policy
from agents.response.limits import Limits
from agents.response.question import Message, Question
from agents.response.schema import Schema, handles, page_reader, page_schema
from agents.response.wire import LocalWire, Outgoing, Wire
from agents.response.wire_pool import ProcessWires
from simulator.storage.ledger import StoreLedger
from simulator.storage.store import Store

ITEMS, SCALE = 10, (1.0, 5.0)
PLAIN = "ChatOpenAI, structured output"

Ask = Callable[[], Awaitable[object]]
Road = Callable[[str], AbstractAsyncContextManager[Ask]]
"""Opens a way to the server at a base URL; what it yields makes one call."""


@lru_cache(maxsize=1)
def prompt() -> tuple[Message, ...]:
    """The default protocol's messages for one page."""
    items = (
        {
            "id": handle,
            "title": f"A Film of Middling Length {handle}",
            "year": 1990 + int(handle),
            "genres": ["Drama", "Comedy"],
            "average_rating": 3.6,
            "about": "Two people who cannot stand each other run a small hotel by the sea, "
            "until a guest of both their pasts comes to stay for the winter.",
        }
        for handle in handles(ITEMS)
    )
    persona = "I go to the cinema twice a month and like stories about families.\n" * 8
    memories = ["I watched A Film of Middling Length and rated it 4; it moved me."] * 8
    page = prompting.render(
        "page.j2",
        lines=[prompting.as_json(item) for item in items],
        memories=memories,
        so_far={"satisfaction so far": 6},
    )
    system = prompting.Prompts(SCALE, together=True).system(persona)
    return system, {"role": "user", "content": page}


def schema() -> Schema:
    return page_schema(ITEMS, SCALE, True)


def endpoint(url: str) -> Endpoint:
    return Endpoint("openai", "benchmark", url, 0.2, None)


@asynccontextmanager
async def structured(url: str) -> AsyncIterator[Ask]:
    """What one would write with LangChain alone."""
    from langchain.chat_models import init_chat_model

    model = init_chat_model(
        "benchmark",
        model_provider="openai",
        base_url=url,
        api_key="none",
        temperature=0.2,
        max_tokens=2000,
        max_retries=0,
    )
    named = {**schema(), "title": "answer", "description": "One page"}
    chain = model.with_structured_output(named, method="json_schema")
    messages = [dict(message) for message in prompt()]
    yield lambda: chain.ainvoke(messages)


def wired(make: Callable[[Endpoint], Wire]) -> Road:
    """Through a wire of ours."""

    @asynccontextmanager
    async def road(url: str) -> AsyncIterator[Ask]:
        wire = make(endpoint(url))
        form = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema()},
        }
        out = Outgoing(prompt(), 2000, form, timeout=60.0)

        async def ask() -> None:
            received = await wire.send(out)
            if received.fault is not None:
                raise RuntimeError(received.fault.text)

        await wire.open()
        try:
            yield ask
        finally:
            await wire.close()

    return road


def whole(processes: int) -> Road:
    """The whole gateway: looked up, limited, budgeted, metered, read, and kept in a store."""

    @asynccontextmanager
    async def road(url: str) -> AsyncIterator[Ask]:
        at, numbers = endpoint(url), itertools.count()
        system, user = prompt()
        wire = ProcessWires(at, processes) if processes else LocalWire(at)
        with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/s.db") as store:
            place = _an_arm(store)
            gateway = Gateway(
                at,
                wire,
                Policy(timeout=60.0, deadline=600.0, attempts=3, structured="schema"),
                Limits(1024),
                Budget(Caps(tokens=10**12), Spent(), None),
                StoreLedger(store, np.arange(AGENTS)),
            )

            async def ask() -> None:
                number = next(numbers)
                question = Question(
                    row=number % AGENTS,
                    agent=number % AGENTS,
                    page=1 + number // AGENTS,
                    kind="page",
                    messages=(system, {**user, "content": f"{user['content']}\n{number}"}),
                    schema=schema(),
                    read=page_reader(ITEMS, SCALE, True),
                    max_tokens=2000,
                )
                reply = await gateway.ask(place, question)
                if reply.outcome != OK:
                    raise RuntimeError(reply.outcome)

            await ask()  # opens the wire
            yield ask
            await gateway.close()

    return road


def _an_arm(store: Store) -> Place:
    run = store.begin_run(name="calls", seed=0, scenario={}, scenario_file="")
    arm = store.add_arm(run, position=0, name="A", recommender="none", settings={}, is_control=True)
    return Place(arm, 1)


AGENTS = 1000

CPU_ROADS: dict[str, Road] = {
    PLAIN: structured,
    "LocalWire": wired(LocalWire),
    "Gateway and store": whole(0),
}
"""In the table of CPU; the first is what the others are measured by."""

THROUGHPUT_ROADS: dict[str, Road] = {
    PLAIN: structured,
    "LocalWire": wired(LocalWire),
    "ProcessWires, 1 process": wired(lambda endpoint: ProcessWires(endpoint, 1)),
    "ProcessWires, 2 processes": wired(lambda endpoint: ProcessWires(endpoint, 2)),
    "Gateway and store": whole(0),
    "Gateway and store, 1 process": whole(1),
    "Gateway and store, 2 processes": whole(2),
}


@dataclass(frozen=True)
class Drive:
    """What calls took: ``cpu`` seconds of this process and ``wall`` seconds."""

    calls: int
    cpu: float
    wall: float


async def drive(ask: Ask, calls: int, in_flight: int) -> Drive:
    """Make ``calls`` calls, never more than ``in_flight`` at once."""
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await ask()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return Drive(calls, time.process_time() - cpu, time.perf_counter() - wall)


async def cpu_per_call(
    roads: dict[str, Road], url: str, calls: int, in_flight: int, repeats: int
) -> dict[str, list[float]]:
    """CPU milliseconds a call, ``repeats`` figures for each road, taken in turns."""
    found: dict[str, list[float]] = {name: [] for name in roads}
    async with contextlib.AsyncExitStack() as stack:
        asks = {name: await stack.enter_async_context(road(url)) for name, road in roads.items()}
        for ask in asks.values():
            await drive(ask, 2 * in_flight, in_flight)
        for _ in range(repeats):
            for name, ask in asks.items():
                driven = await drive(ask, calls, in_flight)
                found[name].append(driven.cpu / calls * 1e3)
    return found


async def throughput(road: Road, url: str, in_flight: int, latency: float, seconds: float) -> Drive:
    """``seconds`` of a steady state. The calls begin evenly over one latency: begun all at
    once, they would come back all at once for ever from a server with a fixed delay."""
    done, running = 0, True

    async def worker(number: int) -> None:
        nonlocal done
        await asyncio.sleep(latency * number / in_flight)
        while running:
            await ask()
            done += 1

    async with road(url) as ask, asyncio.TaskGroup() as group:
        for number in range(in_flight):
            group.create_task(worker(number))
        await asyncio.sleep(3 * latency)
        before, cpu, wall = done, time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        driven = Drive(done - before, time.process_time() - cpu, time.perf_counter() - wall)
        running = False
    return driven


@contextlib.contextmanager
def server(latency: float, *, tail: bool = False) -> Iterator[str]:
    """The server in a process of its own; its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.chat_server", "--port", str(port)]
    command += ["--latency", str(latency), *(["--tail"] if tail else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def print_cpu(calls: int, in_flight: int, repeats: int) -> None:
    with server(0.0) as url:
        found = asyncio.run(cpu_per_call(CPU_ROADS, url, calls, in_flight, repeats))
    size = sum(len(message["content"]) for message in prompt())
    print(f"CPU ms a call: {repeats} x {calls} calls, {in_flight} in flight, prompt {size} B")
    print(f"{'':32}{'median':>8}{'least':>8}{'of the first':>14}")
    base = statistics.median(found[next(iter(found))])
    for name, values in found.items():
        median = statistics.median(values)
        print(f"{name:32}{median:8.2f}{min(values):8.2f}{median / base:14.2f}")


def print_throughput(latency: float, seconds: float, repeats: int, *, tail: bool) -> None:
    """The roads take turns here too; the best of a row is what other work on the machine
    disturbed least."""
    kind = "mean, heavy tail" if tail else "fixed"
    print(f"Throughput at {latency:g} s ({kind}), {repeats} x {seconds:g} s")
    print(f"{'':32}{'':>10}{'calls a second':>16}{'of ideal':>16}{'':>8}")
    print(f"{'':32}{'in flight':>10}" + f"{'median':>8}{'best':>8}" * 2 + f"{'CPU ms':>8}")
    found: dict[tuple[int, str], list[Drive]] = {}
    for _, in_flight, name in itertools.product(range(repeats), (64, 256), THROUGHPUT_ROADS):
        with server(latency, tail=tail) as url:
            run = throughput(THROUGHPUT_ROADS[name], url, in_flight, latency, seconds)
            found.setdefault((in_flight, name), []).append(asyncio.run(run))
    for (in_flight, name), driven in found.items():
        rates = [d.calls / d.wall for d in driven]
        cpu = statistics.median(d.cpu / max(d.calls, 1) * 1e3 for d in driven)
        middle, best = statistics.median(rates), max(rates)
        shares = "".join(f"{rate * latency / in_flight:8.2f}" for rate in (middle, best))
        print(f"{name:32}{in_flight:10}{middle:8.1f}{best:8.1f}{shares}{cpu:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="What a call to a chat model costs.")
    parser.add_argument("table", nargs="?", choices=("cpu", "throughput", "all"), default="all")
    parser.add_argument("--calls", type=int, default=256, help="calls of one repeat")
    parser.add_argument("--in-flight", type=int, default=32, help="for the table of CPU")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--latency", type=float, default=0.5, help="for the throughput")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each throughput")
    parser.add_argument("--rounds", type=int, default=3, help="repeats of the throughput")
    parser.add_argument("--tail", action="store_true", help="heavy-tailed latency")
    given = parser.parse_args()
    if given.table in ("cpu", "all"):
        print_cpu(given.calls, given.in_flight, given.repeats)
    if given.table in ("throughput", "all"):
        print_throughput(given.latency, given.seconds, given.rounds, tail=given.tail)


if __name__ == "__main__":
    main()
