"""What a scenario would ask, spend and take, before anything is sent or trained.

Prompts are the scenario's own: a sample of its agents is walked through pages of items
drawn by popularity, in the scenario's protocol, with the behavioural model's replies. Calls
are then counted for everybody, as expected and at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from agents.interface import OK, Page
from agents.response import profiling
from agents.response.chat import Chat
from agents.response.prices import FIX, Price, Usage
from agents.response.question import Question, Reply
from agents.response.recognised import Recognised
from agents.response.schema import Schema
from agents.response.scripted import Scene
from agents.response.scripted_behavioural import BehaviouralScript
from agents.response.session import Person, SessionProtocol
from agents.response.tokens import estimate, estimate_prompt, upper_bound

from ..randomness import stream
from ..world import World, plain_catalogue

T = TypeVar("T")
IntArray = npt.NDArray[np.int64]

SAMPLE = 50
"""Agents whose prompts are measured."""

BROWSED = 3.23 / 5
"""Pages turned of those that could be: agents of the published ChatGPT run of Agent4Rec
turned 3.23 of 5."""

NO_LIMIT = 4096
"""Tokens of a reply where a provider is given no limit; only for what is possible at most."""


@dataclass(frozen=True)
class Asked:
    """One question of a sampled agent, in tokens: by the rule, and what cannot be passed."""

    kind: str
    page: int
    prompt: int
    prompt_bound: int
    reply: int
    reply_bound: int


@dataclass(frozen=True)
class Browsing:
    """How long visits are: up to ``most`` pages, each the last with the same chance, so that
    ``expected`` pages are turned on average."""

    expected: float
    most: int

    @property
    def leaves(self) -> float:
        """The chance to leave after a page.

        >>> round(Browsing(3.23, 5).leaves, 3)
        0.22
        """
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            longer = sum((1 - middle) ** p for p in range(self.most)) > self.expected
            low, high = (middle, high) if longer else (low, middle)
        return (low + high) / 2

    def reached(self, page: int) -> float:
        """The share of sessions that come to a page."""
        return float((1 - self.leaves) ** (page - 1))

    @property
    def stopped(self) -> float:
        """The share that the page limit stops."""
        return self.reached(self.most + 1)


@dataclass(frozen=True)
class Steps:
    """Which questions a session consists of: how often each (kind, page) is asked, expected
    and at most."""

    expected: Mapping[tuple[str, int], float]
    most: Mapping[tuple[str, int], float]


def steps(browsing: Browsing, settings: Mapping[str, Any]) -> Steps:
    """By the protocol's settings (docs/chat.md)."""
    original = settings["protocol"] == "agent4rec"
    every = settings["reflect_every"]
    reflects = bool(every) and (original or settings["reflection"] == "chat")
    stays = 1.0 if original else 1.0 - browsing.leaves
    expected: dict[tuple[str, int], float] = {}
    for page in range(1, browsing.most + 1):
        here = browsing.reached(page)
        expected["page", page] = here
        if original:
            expected["exit", page] = here
        if reflects and page % every == 0:
            expected["reflection", page] = here * stays
    together = not original and settings["interview"] == "together"
    expected["interview", browsing.most] = browsing.stopped if together else 1.0
    return Steps(expected, dict.fromkeys(expected, 1.0))


def measure(
    world: World, protocol: SessionProtocol, *, schema_sent: bool, sample: int = SAMPLE
) -> list[Asked]:
    """Walk a seeded sample of the audience through as many pages as a session can have."""
    rng = stream(world.scenario.seed, "plan")
    rows = rng.permutation(len(world.audience))[:sample]
    session = world.scenario.session
    shown = _popular(world, rng, len(rows), session.page_size * session.max_pages)
    scene = Scene(BehaviouralScript(), world.audience, world.catalogue, world.luck, 1)
    asked: list[Asked] = []
    recognised = Recognised(
        world.audience.recognised, len(world.catalogue), world.catalogue.rating_scale
    )

    async def walk() -> None:
        for row, items in zip(rows.tolist(), shown, strict=True):
            agent = int(world.audience.agent[row])
            profiles, known = world.audience.profiles, recognised.of(row)
            person = Person(row, agent, profiles, world.catalogue, known=known)
            ask = _Recorder(scene, asked, schema_sent=schema_sent)
            pages = range(0, len(items), session.page_size)
            for number, start in enumerate(pages, 1):
                line = items[start : start + session.page_size]
                scene.show(row, number, line)
                await protocol.page(person, number, line.tolist(), ask)
            await protocol.interview(person, ask)

    asyncio.run(walk())
    return asked


def measure_profiles(
    world: World, chat: Chat, *, schema_sent: bool, sample: int = SAMPLE
) -> list[Asked]:
    """The questions by which tastes are written, of a seeded sample; the derived tastes
    answer."""
    rows = stream(world.scenario.seed, "plan").permutation(len(world.audience))[:sample]
    script, asked = BehaviouralScript(), []
    catalogue, tastes = plain_catalogue(world), world.audience.profiles.tastes
    for row in rows.tolist():
        question = profiling.question(chat, world.audience, catalogue, row)
        known = replace(question, beside=profiling.portrait(script, tastes[row]))
        text = script.line(known, question.messages).text
        asked.append(weighed(question, text, schema_sent=schema_sent))
    return asked


class _Recorder:
    """Answers by the script and notes what was asked."""

    def __init__(self, scene: Scene, asked: list[Asked], *, schema_sent: bool) -> None:
        self._scene, self._asked, self._schema_sent = scene, asked, schema_sent

    def __call__(self, question: Question[T]) -> Awaitable[Reply[T]]:
        return self._answer(question)

    async def _answer(self, question: Question[T]) -> Reply[T]:
        known = replace(question, beside=self._scene)
        text = self._scene.script.line(known, question.messages).text
        self._asked.append(weighed(question, text, schema_sent=self._schema_sent))
        return Reply(question.read(text), OK, ())


def weighed(question: Question[Any], reply: str, *, schema_sent: bool) -> Asked:
    """A question and its reply in tokens."""
    schema: Schema | None = question.schema if schema_sent else None
    return Asked(
        kind=question.kind,
        page=question.page,
        prompt=estimate_prompt(question.messages, schema),
        prompt_bound=upper_bound(question.messages, schema),
        reply=estimate(reply),
        reply_bound=question.max_tokens or NO_LIMIT,
    )


def _popular(world: World, rng: np.random.Generator, n: int, k: int) -> list[IntArray]:
    weight = world.catalogue.popularity + 1.0
    k = min(k, len(world.catalogue))
    share = weight / weight.sum()
    return [
        rng.choice(len(world.catalogue), size=k, replace=False, p=share).astype(np.int64)
        for _ in range(n)
    ]


@dataclass(frozen=True)
class Amount:
    """Calls and their tokens, all sessions together; prompt and reply."""

    calls: float
    prompt: float
    reply: float

    @property
    def tokens(self) -> float:
        return self.prompt + self.reply

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.calls + other.calls, self.prompt + other.prompt, self.reply + other.reply
        )

    def cost(self, price: Price | None) -> float | None:
        """USD with nothing from the provider's prompt cache; None where no price is known."""
        if price is None:
            return None
        return price.cost(Usage(round(self.prompt), round(self.reply)))


def amount(
    asked: Iterable[Asked], often: Mapping[tuple[str, int], float], sessions: int, *, bound: bool
) -> Amount:
    """What ``sessions`` come to in which each (kind, page) is asked so often. A question
    that no sampled agent was asked counts as the mean of its kind, or the largest for
    ``bound``."""
    sizes: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for one in asked:
        size = (one.prompt_bound, one.reply_bound) if bound else (one.prompt, one.reply)
        sizes.setdefault((one.kind, one.page), []).append(size)
    calls = prompt = reply = 0.0
    for (kind, page), times in often.items():
        found = sizes.get((kind, page)) or [
            size for (k, _), some in sizes.items() if k == kind for size in some
        ]
        if not found:
            continue  # never asked, as pages are too few
        of = np.max if bound else np.mean
        calls += times
        prompt += times * float(of([size[0] for size in found]))
        reply += times * float(of([size[1] for size in found]))
    return Amount(calls * sessions, prompt * sessions, reply * sessions)


def seconds(
    total: Amount, settings: Mapping[str, Any], latency: float, in_turn: float
) -> tuple[float, str]:
    """How long the calls take, and what holds them up. ``in_turn``: calls that wait for each
    other, those of one agent in all rounds."""
    waits = {
        f"{settings['concurrency']} calls in flight": total.calls
        * latency
        / settings["concurrency"],
        "one call after the other of each agent": in_turn * latency,
    }
    if rate := settings["requests_per_minute"]:
        waits[f"{rate:g} requests a minute"] = total.calls / rate * 60
    if rate := settings["tokens_per_minute"]:
        waits[f"{rate:g} tokens a minute"] = total.tokens / rate * 60
    longest = max(waits, key=lambda name: waits[name])
    return waits[longest], longest


def pages_per_second(world: World) -> float:
    """Pages a second of the embedded model on this machine, ranking not counted."""
    session = world.scenario.session
    rng = stream(world.scenario.seed, "plan")
    n = len(world.audience)
    k = min(session.page_size, len(world.catalogue))
    item = np.stack(_popular(world, rng, min(n, SAMPLE), k))
    item = item[np.arange(n) % len(item)]
    visit = world.response.visit(world.audience, world.catalogue, world.luck, 1)
    started = time.perf_counter()
    for number in range(1, session.max_pages + 1):
        visit.turn(Page(np.arange(n), item, number, 1))
    return n * session.max_pages / (time.perf_counter() - started)


def allowed(cap: float | None, expected: float | None, most: float | None) -> str:
    """What a cap means for a run that needs so much.

    >>> allowed(10.0, 4.0, 12.0), allowed(None, 4.0, 12.0), allowed(2.0, 4.0, 12.0)
    ('enough for what is expected', 'no cap', 'stops the run at about 50 % of what is expected')
    """
    if cap is None:
        return "no cap"
    if expected is None or most is None:
        return "refused: no price is known"
    if cap >= most:
        return "cannot be reached"
    if cap >= expected:
        return "enough for what is expected"
    return f"stops the run at about {100 * cap / expected:.0f} % of what is expected"


def known_price(price: Price | None) -> str:
    """What is said of the price."""
    if price is None:
        return f"unknown price: {FIX}"
    cached = "" if price.cached_input is None else f", {price.cached_input:g} cached"
    return f"{price.input:g} USD in{cached}, {price.output:g} USD out per million tokens"
