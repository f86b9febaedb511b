"""``audition plan``: the figures of :mod:`.planning` as one document, and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from agents.response import profiling
from agents.response.behavioural import Behavioural
from agents.response.chat import Chat

from .errors import InputError
from .planning import (
    BROWSED,
    SAMPLE,
    Amount,
    Asked,
    Browsing,
    Steps,
    allowed,
    amount,
    known_price,
    measure,
    measure_profiles,
    pages_per_second,
    seconds,
    steps,
)
from .report.wording import duration
from .run import identity
from .storage import queries
from .storage.store import Store
from .world import World

RULE = (
    "tokens by a rule, with no tokenizer (within a tenth for English with OpenAI's), a JSON schema "
    "that goes with a prompt included; at most: "
    "bytes of the sampled prompts, which no tokenizer can pass, and the limits of replies"
)
PILOT = "the smallest detectable difference needs a pilot run: it depends on how agents vary"


def plan(
    world: World, *, pages: float | None = None, latency: float = 2.0, store: Store | None = None
) -> dict[str, Any]:
    """What the scenario asks, spends and takes, as plain data. ``pages`` expected of a
    session, ``latency`` seconds of a call. Raises InputError for pages out of range, or
    agents of neither known kind."""
    scenario, response = world.scenario, world.response
    most = scenario.session.max_pages
    expected = BROWSED * most if pages is None else pages
    if not 1 <= expected <= most:
        raise InputError(
            "--pages", found=f"{expected:g}", allowed=f"1 to {most}, session.max_pages"
        )
    sessions = len(world.audience) * len(scenario.arms) * scenario.rounds
    document: dict[str, Any] = {
        "scenario": scenario.name,
        "model": scenario.agents.response.model,
        "agents": len(world.audience),
        "arms": [arm.name for arm in scenario.arms],
        "rounds": scenario.rounds,
        "sessions": sessions,
        "pages": {"expected": round(sessions * expected), "most": sessions * most},
    }
    if isinstance(response, Chat):
        browsing = Browsing(expected, most)
        return document | _asking(world, response, browsing, sessions, latency, store)
    if not isinstance(response, Behavioural):
        raise InputError(
            world.file,
            key="agents.response.model",
            found=scenario.agents.response.model,
            allowed="chat or behavioural, as only their calls are known beforehand",
        )
    return document | _free(world, round(sessions * expected))


def _free(world: World, pages: int) -> dict[str, Any]:
    pace = pages_per_second(world)
    nothing = {"expected": 0, "most": 0}
    return {
        "calls": nothing,
        "tokens": {"prompt": nothing, "reply": nothing},
        "usd": {"expected": 0.0, "most": 0.0},
        "seconds": {"expected": round(pages / pace, 1), "bound_by": f"{pace:,.0f} pages a second"},
        "assumptions": [
            "time as measured now for the agents alone, without training and ranking",
            PILOT,
        ],
    }


def _asking(
    world: World,
    response: Chat,
    browsing: Browsing,
    sessions: int,
    latency: float,
    store: Store | None,
) -> dict[str, Any]:
    settings = response.settings
    schema_sent = response.endpoint.compatible and settings["structured"] != "json"
    asked = measure(world, response.protocol(world.catalogue), schema_sent=schema_sent)
    often = steps(browsing, settings)
    parts = [_Part(asked, often, sessions)]
    in_turn = world.scenario.rounds * sum(often.expected.values())
    if world.scenario.agents.profiles == "chat":
        written = measure_profiles(world, response, schema_sent=schema_sent)
        once = {(profiling.KIND, 0): 1.0}
        parts.append(_Part(written, Steps(once, once), len(world.audience)))
        in_turn += 1
    nothing = Amount(0, 0, 0)
    expected = sum((part.expected() for part in parts), nothing)
    most = sum((part.most() for part in parts), nothing)
    took, bound_by = seconds(expected, settings, latency, in_turn)
    usd = {"expected": expected.cost(response.price), "most": most.cost(response.price)}
    return {
        "calls": _whole(expected.calls, most.calls),
        "by_kind": {kind: each for part in parts for kind, each in part.kinds().items()},
        "tokens": {
            "prompt": _whole(expected.prompt, most.prompt),
            "reply": _whole(expected.reply, most.reply),
        },
        "usd": usd,
        "price": known_price(response.price),
        "seconds": {"expected": round(took, 1), "bound_by": bound_by},
        "budget": _caps(world, expected, most, usd, took),
        "kept": None if store is None else _kept(world, store),
        "assumptions": [
            f"{browsing.expected:.2f} of {browsing.most} pages a session (--pages; the published "
            "run of Agent4Rec: 3.23 of 5)",
            f"{latency:g} s a call (--latency)",
            f"prompts of {min(SAMPLE, len(world.audience))} agents with items drawn by "
            "popularity; replies as the behavioural model would write them",
            RULE,
            f"one request a question; one that fails is asked up to {settings['attempts']} times",
            PILOT,
        ],
    }


@dataclass(frozen=True)
class _Part:
    """Questions of one sort: measured ones, how often they are asked in one of ``times``."""

    asked: list[Asked]
    often: Steps
    times: int

    def expected(self) -> Amount:
        return amount(self.asked, self.often.expected, self.times, bound=False)

    def most(self) -> Amount:
        return amount(self.asked, self.often.most, self.times, bound=True)

    def kinds(self) -> dict[str, dict[str, int]]:
        """Calls and mean tokens of each kind of question."""
        out = {}
        for kind in dict.fromkeys(kind for kind, _ in self.often.expected):
            of_kind = {key: n for key, n in self.often.expected.items() if key[0] == kind}
            total = amount(self.asked, of_kind, self.times, bound=False)
            if total.calls:
                out[kind] = {
                    "calls": round(total.calls),
                    "prompt": round(total.prompt / total.calls),
                    "reply": round(total.reply / total.calls),
                }
        return out


def _whole(expected: float, most: float) -> dict[str, int]:
    return {"expected": round(expected), "most": round(most)}


def _caps(
    world: World, expected: Amount, most: Amount, usd: Mapping[str, float | None], took: float
) -> dict[str, dict[str, Any]]:
    budget = world.scenario.budget
    minutes = took / 60
    return {
        "usd": {"cap": budget.usd, "means": allowed(budget.usd, usd["expected"], usd["most"])},
        "tokens": {
            "cap": budget.tokens,
            "means": allowed(budget.tokens, expected.tokens, most.tokens),
        },
        "minutes": {
            "cap": budget.minutes,
            "means": allowed(budget.minutes, minutes, float("inf")),
        },
    }


def _kept(world: World, store: Store) -> dict[str, Any]:
    """Replies that a run of the very same scenario left in the store."""
    return queries.kept_replies(store, identity(world.scenario))


def render(document: Mapping[str, Any]) -> RenderableType:
    """The document for a terminal."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    table.add_column(f"{document['scenario']}: {document['model']} agents")
    table.add_column("expected", justify="right")
    table.add_column("at most", justify="right")
    arms = ", ".join(document["arms"])
    table.add_row("agents", f"{document['agents']:,}", "")
    table.add_row(f"arms ({arms})", str(len(document["arms"])), "")
    table.add_row("rounds", str(document["rounds"]), "")
    for name in ("pages", "calls"):
        table.add_row(name, *_both(document[name]))
    for kind, figures in document.get("by_kind", {}).items():
        each = f"  {kind}: {figures['prompt']:,} + {figures['reply']:,} tokens each"
        table.add_row(each, f"{figures['calls']:,}", "")
    for part, name in (("prompt", "tokens of prompts"), ("reply", "tokens of replies")):
        table.add_row(name, *_both(document["tokens"][part]))
    table.add_row("cost, USD", *(_usd(document["usd"][key]) for key in ("expected", "most")))
    table.add_row("time", duration(document["seconds"]["expected"]), "")
    return Group(table, *_lines(document))


def _lines(document: Mapping[str, Any]) -> list[str]:
    lines = [f"time is set by {document['seconds']['bound_by']}"]
    if "price" in document:
        lines.append(document["price"])
    for name, cap in document.get("budget", {}).items():
        if cap["cap"] is not None:
            lines.append(f"budget.{name} {cap['cap']:g}: {cap['means']}")
    if kept := document.get("kept"):
        lines.append(
            f"the store holds {kept['replies']:,} replies of {kept['runs']} runs of this "
            "scenario: they are not asked again"
        )
    return [*lines, *(f"- {text}" for text in document["assumptions"])]


def _both(figures: Mapping[str, int]) -> tuple[str, str]:
    return f"{figures['expected']:,}", f"{figures['most']:,}"


def _usd(cost: float | None) -> str:
    if cost is None:
        return "unknown"
    return f"{cost:,.4f}" if 0 < cost < 0.1 else f"{cost:,.2f}"
