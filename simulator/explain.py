"""What became of calls, in words: of every call of an agent (``transcript --verbose``), and
of those that did not go well while a run is under way (``run --verbose``).

Prompts and replies are untrusted: they are shown as text without control characters,
never as markup.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from agents.interface import OK, Call, Ledger, Place
from agents.response.faults import UNSUPPORTED
from agents.response.question import (
    BROKEN,
    CONTEXT,
    CUT,
    EMPTY,
    FILTERED,
    GAVE_UP,
    INVALID,
    REFUSED,
    REJECTED,
    REPAIRED,
    TRANSPORT,
    TRUNCATED,
)

from .report.wording import clean
from .storage.store import Store

MEANING = {
    OK: "usable",
    REPAIRED: "usable, after a repair turn",
    INVALID: "not what was asked for",
    EMPTY: "no text",
    TRUNCATED: "cut off by the token limit",
    REFUSED: "the model declined",
    FILTERED: "stopped by a content filter",
    CONTEXT: "the prompt does not fit the model",
    REJECTED: "the server takes the request for malformed",
    BROKEN: "no completion",
    TRANSPORT: "no reply",
    GAVE_UP: "the question had taken its time; nothing was sent",
    CUT: "cut off by the cap on minutes; asked again on resume",
    UNSUPPORTED: "the server does not constrain JSON; asked again without",
}
"""Of each outcome of one request."""

_THROTTLED = "HTTP 429"
_LONGEST_LINE = 200
_KEY_SHOWN = 12


def meaning(outcome: str, reply: str) -> str:
    """What a request came to, in words."""
    if outcome == TRANSPORT and reply.startswith(_THROTTLED):
        return "throttled"
    return MEANING.get(outcome, "")


def asked_again(messages: str) -> str | None:
    """The repair turn a request ends with: what was wrong with the reply before it. None
    where it is a first question."""
    said = messages_of(messages)
    if len(said) < 3 or said[-2]["role"] != "assistant":
        return None
    return said[-1]["content"]


# -- while a run is under way ----------------------------------------------------------------


class ToldLedger:
    """A :class:`~agents.interface.Ledger` that says of each call that was not plainly ok,
    once it is kept, what became of it. ``agent_of_row`` (N,) as for the ledger behind it."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        agent_of_row: npt.NDArray[np.int64],
        say: Callable[[str], None],
    ) -> None:
        self.closed = ledger.closed
        self._ledger, self._store, self._say = ledger, store, say
        self._agent = agent_of_row
        self._arms: dict[int, str] = {}

    def logged(self, place: Place, row: int, page: int, kind: str) -> Sequence[Call]:
        return self._ledger.logged(place, row, page, kind)

    def known(self, key: str) -> Call | None:
        return self._ledger.known(key)

    def write(self, calls: Sequence[tuple[Place, Call]]) -> None:
        self._ledger.write(calls)
        for place, call in calls:
            if (told := line(call)) is not None:
                self._say(f"{self._arm(place)}, agent {self._agent[call.row]}, {told}")

    def _arm(self, place: Place) -> str:
        if place.arm_id not in self._arms:
            self._arms[place.arm_id] = clean(self._store.arm_name(place.arm_id))
        name = self._arms[place.arm_id]
        return name if place.round == 1 else f"{name} round {place.round}"


def line(call: Call) -> str | None:
    """One line for a call that was not plainly ok; None for one that was."""
    if call.outcome == OK and (call.attempt == 1 or call.cached):
        return None
    what = f"{_where(call.kind, call.page)}, attempt {call.attempt}: {clean(call.outcome)}"
    if call.outcome in (OK, REPAIRED):
        what += f" after {call.attempt} attempts"
        repair = asked_again(call.messages)
        return what if repair is None else _cut(f"{what} ({repair})")
    return _cut(f"{what}, {meaning(call.outcome, call.reply)}: {call.reply or 'nothing came'}")


def _where(kind: str, page: int) -> str:
    return f"page {page}" if kind == "page" else f"{clean(kind)} at page {page}"


def _cut(text: str) -> str:
    text = clean(" ".join(text.split()))
    return text if len(text) <= _LONGEST_LINE else text[: _LONGEST_LINE - 1] + "…"


# -- afterwards ------------------------------------------------------------------------------


def render(calls: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Every call of an agent as text, from :func:`simulator.transcript_calls.calls_of`."""
    if not calls:
        return Text("\nNo calls: this agent's answers came from no chat model.")
    parts: list[RenderableType] = []
    for call in calls:
        parts += [Text(), Rule(_heading(call), align="left", style="dim"), _facts(call)]
        for message in call["messages"]:
            parts += _said(f"{message['role']}:", message["content"])
        parts += _said(
            "reply:" if call["outcome"] in (OK, REPAIRED, INVALID) else "came back:", call["reply"]
        )
    return Group(*parts)


def _heading(call: Mapping[str, Any]) -> Text:
    place = clean(call["arm"]) + (f", round {call['round']}" if call["round"] > 1 else "")
    out = Text(f"{place}: {_where(call['kind'], call['page'])}, attempt {call['attempt']}: ")
    good = call["outcome"] in (OK, REPAIRED)
    out.append(clean(call["outcome"]), style="bold" if good else "bold red")
    if words := call["meaning"]:
        out.append(f", {words}")
    return out


def _facts(call: Mapping[str, Any]) -> Text:
    out = Text()
    if call["complaint"]:
        out.append(f"what was wrong: {clean(call['complaint'])}\n", style="red")
    out.append("; ".join(_figures(call)), style="dim")
    return out


def _figures(call: Mapping[str, Any]) -> Iterator[str]:
    cached = f" ({call['tokens_cached']:,} cached there)" if call["tokens_cached"] else ""
    yield f"{call['tokens_in']:,} tokens in{cached}, {call['tokens_out']:,} out"
    if call["cached"]:
        source = call["reply_of"]
        yield "known already, nothing sent" + (f" (reply of run {clean(source)})" if source else "")
    else:
        cost = call["cost_usd"]
        yield "cost not known" if cost is None else f"{cost:.6f} USD"
        if call["latency"] is not None:
            yield f"{call['latency']:.3f} s"
    if call["assumed_tokens"] or call["assumed_usd"]:
        money = f", {call['assumed_usd']:.6f} USD" if call["assumed_usd"] else ""
        yield f"reply lost, {call['assumed_tokens']:,} tokens{money} assumed"
    key = call["key"]
    yield f"key {clean(key[:_KEY_SHOWN])}" if key else "no key: not used again"


def _said(title: str, text: str) -> list[RenderableType]:
    lines = [clean(line) for line in text.splitlines()] or [""]
    return [Text(title, style="italic"), Padding(Text("\n".join(lines)), (0, 0, 0, 2))]


def messages_of(text: str) -> list[dict[str, str]]:
    """Those of a stored call: JSON of a list of role and content, anything else as one."""
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if isinstance(said, list) and all(
        isinstance(one, dict) and {"role", "content"} <= one.keys() for one in said
    ):
        return [{"role": str(one["role"]), "content": str(one["content"])} for one in said]
    return [{"role": "prompt", "content": text}] if text else []


def finite(value: float | None) -> float | None:
    """A number, or None for what is none."""
    return None if value is None or math.isnan(value) else float(value)
