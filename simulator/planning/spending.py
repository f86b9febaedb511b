"""What a run of some size asks, spends and takes, from the figures of :mod:`.questions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agents.response import profiling
from agents.response.behavioural import Behavioural
from agents.response.chat import Chat

from ..errors import InputError
from ..scenario import Scenario
from ..world import World
from . import written
from .parts import Figures, Part, Size, caps, whole
from .questions import (
    SAMPLE,
    Amount,
    Asked,
    Browsing,
    Steps,
    known_price,
    measure,
    measure_profiles,
    pages_per_second,
    seconds,
    steps,
)

RULE = (
    "tokens by a rule, with no tokenizer (within a tenth for English with OpenAI's), a JSON schema "
    "that goes with a prompt included; at most: "
    "bytes of the sampled prompts, which no tokenizer can pass, and the limits of replies"
)
PILOT = (
    "the smallest detectable difference needs a pilot run, as it depends on how agents vary: "
    "--pilot N runs N agents first, --from RUN takes a run that is stored"
)


def visits(world: World, browsing: Browsing, of: Size) -> Figures:
    sessions = of.agents * of.worlds * _of_one_agent(world.scenario)
    expected, most = round(sessions * browsing.expected), sessions * browsing.most
    return {"sessions": sessions, "pages": {"expected": expected, "most": most}}


def _of_one_agent(scenario: Scenario) -> int:
    """Of one agent, to all arms."""
    return len(scenario.arms) * scenario.rounds * scenario.agents.replicates


class Spending(Protocol):
    """What a run of some size costs: ``totals`` its calls, tokens, usd and seconds, ``full``
    those and what there is to be said of them."""

    def totals(self, of: Size) -> Figures: ...

    def full(self, of: Size) -> Figures: ...


def spending(world: World, browsing: Browsing, latency: float) -> Spending:
    """Of agents, and of what recommenders read, if a chat model is to write that."""
    agents, texts = _of_agents(world, browsing, latency), written.measured(world, latency)
    return agents if texts is None else _WithTexts(world, agents, texts)


def _of_agents(world: World, browsing: Browsing, latency: float) -> Spending:
    if isinstance(world.response, Chat):
        return _Asking.measured(world, world.response, browsing, latency)
    if not isinstance(world.response, Behavioural):
        raise InputError(
            world.file,
            key="agents.response.model",
            found=world.scenario.agents.response.model,
            allowed="chat or behavioural, as only their calls are known beforehand",
        )
    return _Free(world, browsing, pages_per_second(world))


@dataclass(frozen=True)
class _Free:
    """Agents that ask nobody, at ``pace`` pages a second."""

    world: World
    browsing: Browsing
    pace: float

    def totals(self, of: Size) -> Figures:
        pages = visits(self.world, self.browsing, of)["pages"]["expected"]
        nothing = {"expected": 0, "most": 0}
        bound_by = f"{self.pace:,.0f} pages a second"
        return {
            "calls": nothing,
            "tokens": {"prompt": nothing, "reply": nothing},
            "usd": {"expected": 0.0, "most": 0.0},
            "seconds": {"expected": round(pages / self.pace, 1), "bound_by": bound_by},
        }

    def full(self, of: Size) -> Figures:
        measured = "time as measured now for the agents alone, without training and ranking"
        return self.totals(of) | {"assumptions": [measured, PILOT]}


@dataclass(frozen=True)
class _WithTexts:
    """Agents, and before them the profiles that their recommenders read."""

    world: World
    agents: Spending
    texts: written.Writing

    def totals(self, of: Size) -> Figures:
        return written.added(self.agents.totals(of), self.texts.totals(of))

    def full(self, of: Size) -> Figures:
        agents, texts = self.agents.full(of), self.texts
        totals = self.totals(of)
        price = known_price(texts.chat.price)
        return {
            **agents,
            **totals,
            "by_kind": texts.kinds(of) | agents.get("by_kind", {}),
            "price": price
            if agents.get("price", price) == price
            else f"{agents['price']}; profiles: {price}",
            "budget": caps(self.world, totals),
            "kept": None,
            "assumptions": [*texts.assumptions, *agents["assumptions"]],
        }


@dataclass(frozen=True)
class _Asking:
    """Agents that ask a chat model: questions of ``sessions`` and of ``profiles`` as measured,
    ``in_turn`` the calls of one visit to every round that wait for each other."""

    world: World
    response: Chat
    browsing: Browsing
    latency: float
    sessions: tuple[list[Asked], Steps]
    profiles: tuple[list[Asked], Steps] | None

    @staticmethod
    def measured(world: World, response: Chat, browsing: Browsing, latency: float) -> _Asking:
        settings = response.settings
        schema_sent = response.endpoint.compatible and settings["structured"] != "json"
        recognises = world.audience.recognised is not None
        protocol = response.protocol(world.catalogue, recognises=recognises)
        asked = measure(world, protocol, schema_sent=schema_sent)
        profiles = None
        if world.scenario.agents.profiles == "chat":
            written = measure_profiles(world, response, schema_sent=schema_sent)
            once = {(profiling.KIND, 0): 1.0}
            profiles = (written, Steps(once, once))
        often = steps(browsing, settings)
        return _Asking(world, response, browsing, latency, (asked, often), profiles)

    def _parts(self, of: Size) -> list[Part]:
        agents = of.agents * of.worlds
        parts = [Part(*self.sessions, agents * _of_one_agent(self.world.scenario))]
        # Replicates have the tastes that were written for the first one.
        return parts if self.profiles is None else [*parts, Part(*self.profiles, agents)]

    def _amounts(self, of: Size) -> tuple[Amount, Amount, float, str]:
        """Expected, at most, seconds and what sets them."""
        nothing, parts, scenario = Amount(0, 0, 0), self._parts(of), self.world.scenario
        expected = sum((part.expected() for part in parts), nothing)
        most = sum((part.most() for part in parts), nothing)
        # Members of a family are played one after the other.
        in_turn = scenario.rounds * sum(self.sessions[1].expected.values())
        in_turn *= of.worlds * scenario.agents.replicates
        in_turn += 0 if self.profiles is None else of.worlds
        took, bound_by = seconds(expected, self.response.settings, self.latency, in_turn)
        return expected, most, took, bound_by

    def totals(self, of: Size) -> Figures:
        expected, most, took, bound_by = self._amounts(of)
        price = self.response.price
        return {
            "calls": whole(expected.calls, most.calls),
            "tokens": {
                "prompt": whole(expected.prompt, most.prompt),
                "reply": whole(expected.reply, most.reply),
            },
            "usd": {"expected": expected.cost(price), "most": most.cost(price)},
            "seconds": {"expected": round(took, 1), "bound_by": bound_by},
        }

    def full(self, of: Size) -> Figures:
        totals, settings = self.totals(of), self.response.settings
        return {
            **totals,
            "by_kind": {
                kind: each for part in self._parts(of) for kind, each in part.kinds().items()
            },
            "price": known_price(self.response.price),
            "budget": caps(self.world, totals),
            "kept": None,
            "assumptions": [
                f"{self.browsing.expected:.2f} of {self.browsing.most} pages a session (--pages; "
                "the published run of Agent4Rec: 3.23 of 5)",
                f"{self.latency:g} s a call (--latency)",
                f"prompts of {min(SAMPLE, len(self.world.audience))} agents with items drawn by "
                "popularity; replies as the behavioural model would write them",
                RULE,
                "one request a question; one that fails is asked up to "
                f"{settings['attempts']} times",
                PILOT,
            ],
        }
