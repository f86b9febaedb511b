"""Every call to a chat model that one agent's visits took, with what was wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from agents.interface import Catalogue
from agents.response.agent4rec_flags import complaint
from agents.response.agent4rec_page import read_page
from agents.response.agent4rec_text import read_exit, read_interview
from agents.response.protocol_agent4rec import Agent4RecProtocol
from agents.response.question import INVALID
from agents.response.schema import (
    AnswerError,
    InterviewReply,
    ReflectionReply,
    page_reader,
    reader,
    spoken,
)

from .explain import asked_again, finite, meaning, messages_of
from .storage import queries, visits
from .storage.plain import plain
from .storage.store import Store

Read = Callable[[str], object]


def calls_of(
    store: Store,
    run_name: str | None,
    agent: int,
    arm: str | None = None,
    **where: int | str | None,
) -> list[dict[str, Any]]:
    """The calls of an agent in a run, in one arm or (None) in all, in the order of arm,
    round, page, kind and attempt. As stored, and besides: ``messages`` as a list,
    ``meaning`` of the outcome, ``complaint`` (what was wrong with a reply that was not what
    was asked for, "" elsewhere) and for a cached one ``reply_of``, the run that was sent
    the reply (None where it is not in the store). ``where``: only those of that round, page,
    kind or attempt."""
    run = queries.run(store, run_name)
    records = visits.calls(store, run, agent, arm, **where)
    read = _Readers(store, run, agent)
    cached = [call["key"] for call in records if call["cached"]]
    sent = queries.sent_by(store, cached) if cached else {}
    out = []
    for place, call in enumerate(records):
        after = records[place + 1] if place + 1 < len(records) else None
        entry = {
            **call,
            "messages": messages_of(call["messages"]),
            "meaning": meaning(call["outcome"], call["reply"]),
            "complaint": "",
            "latency": finite(call["latency"]),
            "cost_usd": finite(call["cost_usd"]),
            "reply_of": _source(sent.get(call["key"], []), run.name) if call["cached"] else None,
        }
        if call["outcome"] == INVALID:
            entry["complaint"] = read.complaint(call) or _told(call, after)
        out.append(dict(plain(entry)))
    return out


def _source(names: Sequence[str], own: str) -> str | None:
    return own if own in names else names[-1] if names else None


def _told(call: Mapping[str, Any], after: Mapping[str, Any] | None) -> str:
    """What the next request of the same question says was wrong."""
    question = ("arm", "round", "page", "kind")
    if after is None or any(call[name] != after[name] for name in question):
        return ""
    return (asked_again(after["messages"]) or "").partition("\n")[0]


class _Readers:
    """Reads an agent's replies again as its protocol did."""

    def __init__(self, store: Store, run: queries.Run, agent: int) -> None:
        self._store, self._run, self._agent = store, run, agent
        response = run.scenario.get("agents", {}).get("response", {})
        self._known = "imported" not in run.scenario and response.get("model") == "chat"
        self._agent4rec = response.get("protocol") == "agent4rec"
        self._together = response.get("interview", "together") == "together"
        low, high = run.dataset.get("rating_scale", (1.0, 5.0))
        self._scale = (float(low), float(high))

    def complaint(self, call: Mapping[str, Any]) -> str:
        """What is wrong with the reply of a call; "" where that cannot be said."""
        read = self._reader(call) if self._known else None
        if read is None:
            return ""
        try:
            read(call["reply"])
        except AnswerError as error:
            return str(error)
        return ""

    def _reader(self, call: Mapping[str, Any]) -> Read | None:
        kind = call["kind"]
        if self._agent4rec:
            return self._as_agent4rec(call)
        if kind == "page":
            return page_reader(len(self._items(call)), self._scale, self._together)
        if kind == "interview":
            return reader(InterviewReply)
        return reader(ReflectionReply) if kind == "reflection" else None

    def _as_agent4rec(self, call: Mapping[str, Any]) -> Read | None:
        def read(text: str) -> None:
            text = spoken(text)
            if call["kind"] == "page":
                items = self._items(call)
                titles = Agent4RecProtocol.titles(self._catalogue(items), range(len(items)))
                page = read_page(text, titles, scale=self._scale)
                flags, good = page.flags, page.complete
            else:
                found = read_exit(text) if call["kind"] == "exit" else read_interview(text)
                flags, good = found.flags, found.usable
            if not good:
                raise AnswerError(complaint(flags))

        return read if call["kind"] in ("page", "exit", "interview") else None

    def _items(self, call: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """What was shown on the call's page, from the top slot down."""
        place = (call["arm"], call["round"], call["page"])
        return visits.shown(self._store, self._run, self._agent, *place)

    def _catalogue(self, items: Sequence[Mapping[str, Any]]) -> Catalogue:
        """Of these items only, in their order."""
        return Catalogue(
            title=tuple(item["title"] for item in items),
            text=tuple(item["text"] for item in items),
            genres=tuple(tuple(item["genres"]) for item in items),
            year=tuple(int(item["year"]) for item in items),
            shown_rating=np.array([item["shown_rating"] for item in items], dtype="float32"),
            popularity=np.array([item["popularity"] for item in items], dtype="int64"),
            rating_scale=self._scale,
        )
