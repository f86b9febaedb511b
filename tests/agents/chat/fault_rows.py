"""What an endpoint may do wrong, and what must come of it: the table of docs/faults.md.

``python -m tests.agents.chat.fault_rows`` prints that table; test_gateway.py measures every
row against a server that does just that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal

from .connection import Break
from .server import Answer, Reply, Request, page_answer
from .world import KEY

Booked = Literal["usage", "worst case", "nothing"]
STOPS = "stops the run"


@dataclass(frozen=True)
class Row:
    """One fault. ``outcome`` of the page if it stays, or :data:`STOPS`; ``calls`` are then
    made. Where it passes after the first request, one more is made and the page is ok,
    unless no second try is allowed (``calls`` 1). ``booked``: what each faulty request
    counts against the budget; ``told``: part of what is kept of it, or of the error line."""

    group: str
    name: str
    answer: Answer
    outcome: str
    calls: int
    booked: Booked
    told: str = ""
    attempts: tuple[str, ...] = ()
    """Outcomes of the requests if it stays, where they are not all the page's."""
    shrinks: bool = False
    pauses: bool = False
    gives_up: bool = False
    """Only the time-out of the attempt ends it."""
    mended: str = "ok"
    """Outcome of the request after the faulty one, where the fault passes."""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        return self.calls > 1 or self.outcome == "ok"

    def outcomes(self) -> list[str]:
        """Of the requests, if the fault stays."""
        if self.outcome == STOPS:
            return []
        return list(self.attempts) or [self.outcome] * self.calls


def _always(reply: Reply) -> Answer:
    return lambda _: reply


def _http(name: str, reply: Reply | Answer, outcome: str, calls: int, **more: Any) -> Row:
    answer = _always(reply) if isinstance(reply, Reply) else reply
    return Row("HTTP error", name, answer, outcome, calls, "nothing", **more)


def _connection(breaks: Break, name: str, **more: Any) -> Row:
    def answer(request: Request) -> Reply:
        return Reply(page_answer(request), breaks=breaks)

    known: dict[str, Any] = {"outcome": "transport", "calls": 3, "booked": "worst case"}
    return Row("connection", name, answer, **(known | more))


def _envelope(name: str, raw: bytes) -> Row:
    answer = _always(Reply(raw=raw))
    return Row("200, no completion", name, answer, "broken", 2, "worst case", "broken reply")


def _completion(name: str, reply: Reply, outcome: str, calls: int, **more: Any) -> Row:
    return Row("completion", name, _always(reply), outcome, calls, "usage", **more)


def _text(name: str, spoil: Callable[[dict[str, Any]], object], told: str = "") -> Row:
    def answer(request: Request) -> Reply:
        said = page_answer(request)
        spoil(said)
        return Reply(said)

    return Row("answer", name, answer, "invalid", 2, "usage", told, mended="repaired")


def _fenced(pattern: str) -> Answer:
    return lambda request: Reply(pattern % json.dumps(page_answer(request)))


def _busy_until(_: Request) -> Reply:
    # Dates have whole seconds: at least half a second from now.
    return Reply(status=429, headers={"Retry-After": formatdate(time.time() + 1.5, usegmt=True)})


def _watched(*entries: tuple[str, object]) -> Callable[[dict[str, Any]], object]:
    seen = [{"id": handle, "rating": rating, "feeling": ""} for handle, rating in entries]
    return lambda said: said.update(watched=seen)


QUOTA = {"code": "insufficient_quota", "message": "You exceeded your current quota"}
LENGTH = {"code": "context_length_exceeded", "message": "8192 tokens at most"}
FILTER = {"code": "content_filter", "message": "the content management policy"}
FORMAT = {"message": "response_format of type json_schema is not supported"}
SETTING = {"code": "unsupported_value", "message": "'temperature' does not support 0.2"}
ECHO = {"code": "invalid_api_key", "message": f"Incorrect API key provided: {KEY}"}
ENVELOPE = b'{"id": "x", "object": "chat.completion", "choices": %s}'
CUT = Reply('{"items": {"1": {"reason": "', finish_reason="length")
THROTTLED: dict[str, Any] = {"shrinks": True, "told": "HTTP 429"}
AFTER = {"Retry-After": "0.2"}

ROWS: tuple[Row, ...] = (
    _connection("closed", "closed before a reply"),
    _connection("reset", "reset before a reply"),
    _connection("headers cut", "closed within the headers"),
    _connection("reset after headers", "reset after the headers"),
    _connection("body cut", "closed within the body"),
    _connection("hang", "hang: no byte ever", gives_up=True, told="no reply within"),
    _connection("drip", "drip: the body too slowly", gives_up=True, told="no reply within"),
    _connection("length too long", "content-length beyond the body", gives_up=True),
    _connection(
        "length too short",
        "content-length short of the body",
        outcome="broken",
        calls=2,
        told="broken reply",
    ),
    _http("429, Retry-After in seconds", Reply(status=429, headers=AFTER), "transport", 3,
          pauses=True, **THROTTLED),
    _http("429, Retry-After as a date", _busy_until, "transport", 3, pauses=True, **THROTTLED),
    _http("429, retry-after-ms", Reply(status=429, headers={"retry-after-ms": "200"}),
          "transport", 3, pauses=True, **THROTTLED),
    _http("429 without Retry-After", Reply(status=429), "transport", 3, **THROTTLED),
    _http("429, insufficient_quota", Reply(status=429, error=QUOTA), STOPS, 1,
          told="no quota left", shrinks=True),
    _http("402", Reply(status=402), STOPS, 1, told="no quota left"),
    _http("408", Reply(status=408), "transport", 3),
    _http("500", Reply(status=500), "transport", 3, told="HTTP 500"),
    _http("502 with HTML", Reply(status=502, raw=b"<html>bad gateway</html>"), "transport", 3),
    _http("503, Retry-After", Reply(status=503, headers=AFTER), "transport", 3, pauses=True),
    _http("529", Reply(status=529), "transport", 3),
    _http("400", Reply(status=400), "rejected", 1, told="HTTP 400"),
    _http("422", Reply(status=422), "rejected", 1),
    _http("400, context_length_exceeded", Reply(status=400, error=LENGTH), "context", 1),
    _http("400, content_filter", Reply(status=400, error=FILTER), "filtered", 1),
    _http("400, no response_format", Reply(status=400, error=FORMAT), "rejected", 2,
          attempts=("unsupported", "rejected")),
    _http("400, a setting not taken", Reply(status=400, error=SETTING), STOPS, 1,
          told="'temperature'"),
    _http("401 that repeats the key", Reply(status=401, error=ECHO), STOPS, 1,
          told="TEST_CHAT_KEY"),
    _http("403", Reply(status=403), STOPS, 1, told="refused the key"),
    _http("404", Reply(status=404), STOPS, 1, told="check name and base_url"),
    _http("redirect (308)", Reply(status=308, raw=b"", headers={"location": "http://[::1]/v1"}),
          STOPS, 1, told="another address"),
    _envelope("empty body", b""),
    _envelope("HTML", b"<html><body>welcome</body></html>"),
    _envelope("JSON cut in two", b'{"id": "x", "choi'),
    _envelope("choices null", ENVELOPE % b"null"),
    _envelope("choices empty", ENVELOPE % b"[]"),
    _envelope("message null", ENVELOPE % b'[{"message": null}]'),
    _envelope("an error with status 200", b'{"error": {"message": "overloaded"}}'),
    _completion("empty text", Reply(""), "empty", 2),
    _completion("null text", Reply(None), "empty", 2),
    _completion("white space", Reply(" \n\t"), "empty", 2),
    _completion("finish_reason length", CUT, "truncated", 2),
    _completion("finish_reason content_filter", Reply("", finish_reason="content_filter"),
                "filtered", 1),
    _completion("refusal", Reply("", refusal="I will not play a person."), "refused", 1,
                told="I will not"),
    Row("answer", "code fence", _fenced("```json\n%s\n```"), "ok", 1, "usage"),
    Row("answer", "thinking and prose around", _fenced("<think>{hm}</think>So:\n%s\nBye!"), "ok", 1,
        "usage"),
    Row("answer", "no JSON", _always(Reply("I would watch the first.")), "invalid", 2, "usage",
        mended="repaired"),
    _text("wrong type", lambda said: said.update(satisfaction="7")),
    _text("handle never shown", lambda said: said["items"].update({"9": said["items"].pop("2")})),
    _text("item missing", lambda said: said["items"].pop("3")),
    _text("item watched twice", _watched(("1", 4), ("1", 4))),
    _text("item not shown watched", _watched(("77", 4))),
    _text("rating out of range", _watched(("1", 6))),
    _text("key missing", lambda said: said.pop("leave")),
)  # fmt: skip

_HEAD = ("fault", "once, then fine", "requests", "stays", "requests", "places", "endpoint",
         "budget")  # fmt: skip


def table() -> str:
    """Markdown."""
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD))]
    group = ""
    for row in ROWS:
        if row.group != group:
            group = row.group
            lines.append(_line([f"**{group}**", *[""] * (len(_HEAD) - 1)]))
        lines.append(_line(_cells(row)))
    return "\n".join(lines)


def _cells(row: Row) -> Iterator[str]:
    stays = row.outcome if row.outcome == STOPS else f"`{row.outcome}`"
    good = row.outcome == "ok"
    yield row.name
    yield "`ok`" if row.passes else stays
    yield str(2 if row.passes and not good else 1)
    yield stays
    yield str(row.calls)
    yield "a fifth fewer" if row.shrinks else ""
    yield "pauses" if row.pauses else ""
    yield row.booked


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


if __name__ == "__main__":
    print(table())
