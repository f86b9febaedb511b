"""A scripted test server: it speaks OpenAI's chat completions over real HTTP, and no
language model is behind it. Replies are made from the request by a function; faults can
be put before them.

    with Server() as server:                       # simple rules play the agents
        create("chat", {"name": "scripted", "base_url": server.base_url})
    with Server(first(2, Reply(status=500))) as server: ...

By hand, from the repository's root: ``python -m tests.agents.chat.server --port 8123``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any

from .connection import Break, listening


@dataclass(frozen=True)
class Request:
    """One chat completion that was asked for; ``number`` counts from 1, ``at`` is when it
    came, in seconds of a clock that never goes back."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float = 0.0

    @property
    def messages(self) -> list[dict[str, str]]:
        return list(self.body["messages"])

    @property
    def system(self) -> str:
        return self.messages[0]["content"]

    @property
    def asked(self) -> str:
        """The first message of the user: memory and page, or the interview's questions."""
        return self.messages[1]["content"]

    @property
    def is_repair(self) -> bool:
        return len(self.messages) > 2

    @property
    def kind(self) -> str:
        if "<page>" in self.asked:
            return "page"
        return "reflection" if '{"reflection"' in self.asked else "interview"

    @cached_property
    def items(self) -> list[dict[str, Any]]:
        """What stands on the page, from the top slot down."""
        return [json.loads(line) for line in _between(self.asked, "page").splitlines()]

    @cached_property
    def persona(self) -> list[str]:
        """Its sentences."""
        return re.split(r"(?<=[.!?]) ", json.loads(_between(self.system, "person")))

    @cached_property
    def so_far(self) -> dict[str, Any]:
        found = re.search(r"<visit>(.*)</visit>", self.asked)
        return dict(json.loads(found.group(1))) if found else {}


@dataclass(frozen=True)
class Reply:
    """What the server sends: ``content`` as the model's text (a dict as JSON), or a
    ``raw`` body instead of a completion, or with ``status`` >= 400 an ``error``; or the
    connection ``breaks``."""

    content: str | dict[str, Any] | None = ""
    finish_reason: str = "stop"
    status: int = 200
    error: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    raw: bytes | None = None
    refusal: str | None = None
    breaks: Break | None = None
    """What happens to the connection instead; the work is done and billed all the same."""


Answer = Callable[[Request], Reply]
Bill = Callable[[Request, str], tuple[int, int]]
"""Tokens of the prompt and of the text that came of it."""


def rules(request: Request) -> Reply:
    """Plays an agent by simple rules, the same for the same request: genres that a line of
    the persona names draw it, those in a line of dislikes put it off."""
    if request.kind == "page":
        return Reply(page_answer(request))
    satisfaction = int(request.so_far.get("satisfaction so far", 5))
    if request.kind == "reflection":
        return Reply({"reflection": f"So far this is worth {satisfaction} of 10 to me."})
    return Reply(interview_answer(satisfaction))


def page_answer(request: Request) -> dict[str, Any]:
    """The reply to a page, as :func:`rules` gives it."""
    judged: dict[str, dict[str, Any]] = {}
    watched: list[dict[str, Any]] = []
    for item in request.items:
        interest = _interest(item, request.persona)
        judged[item["id"]] = {
            "reason": f"{', '.join(item.get('genres', ['nothing known']))}: {interest} of 10",
            "interest": interest,
            "aligned": interest >= 6,
        }
        if interest >= 6:
            rating = 3 + (interest >= 7) + (interest >= 9)
            watched.append({"id": item["id"], "rating": rating, "feeling": "as I hoped"})
    mean = sum(j["interest"] for j in judged.values()) / max(len(judged), 1)
    before = int(request.so_far.get("satisfaction so far", 5))
    satisfaction = min(max(round((before + mean) / 2) + (len(watched) > 1), 1), 10)
    fatigue = min(int(request.so_far.get("tiredness so far", 0)) + (1 if watched else 3), 10)
    leave = 2 * fatigue >= satisfaction
    asked_together = leave and '"exit"' in request.system
    return {
        "items": judged,
        "watched": watched,
        "feeling": "content" if satisfaction >= 5 else "bored",
        "satisfaction": satisfaction,
        "fatigue": fatigue,
        "reason": "I have had enough" if leave else "there may be more for me",
        "leave": leave,
        **({"exit": interview_answer(satisfaction)} if asked_together else {}),
    }


def interview_answer(satisfaction: int) -> dict[str, Any]:
    """The exit interview, as :func:`rules` gives it."""
    return {
        "reason": f"On the whole it was worth {satisfaction} of 10.",
        "satisfaction": satisfaction,
        "return_intent": max(satisfaction - 1, 0),
    }


def _interest(item: dict[str, Any], persona: list[str]) -> int:
    interest = 4.0 + (item.get("average_rating") or 3.0) - 3.0
    for line in persona:
        sign = -2 if re.search(r"dislike|avoid|little for|not ", line) else 2
        named = [genre for genre in item.get("genres", []) if genre.lower() in line.lower()]
        interest += sign * len(named)
    return min(max(round(interest), 0), 10)


def first(count: int, fault: Reply | Answer, then: Answer = rules) -> Answer:
    """``fault`` for the first ``count`` requests, ``then`` after them."""

    def answer(request: Request) -> Reply:
        if request.number > count:
            return then(request)
        return fault if isinstance(fault, Reply) else fault(request)

    return answer


def quarter(request: Request, text: str) -> tuple[int, int]:
    """Four characters count as a token: a stand-in, exact enough to test the metering."""
    return sum(len(m["content"]) for m in request.messages) // 4, len(text) // 4


def _between(text: str, tag: str) -> str:
    return text.partition(f"<{tag}>\n")[2].partition(f"\n</{tag}>")[0]


class Server:
    """Serves on loopback while the context is open, and keeps the ``requests``."""

    def __init__(self, answer: Answer = rules, port: int = 0, bill: Bill = quarter) -> None:
        self.answer, self.requests, self.bill = answer, list[Request](), bill
        self.billed: list[tuple[int, int]] = []
        """Of every request that was worked on, whether or not its reply arrived."""
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        self._number = itertools.count(1)
        self._http = listening(self, port)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def note(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Request:
        with self.lock:
            request = Request(next(self._number), path, headers, body, time.monotonic())
            self.requests.append(request)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return request

    def charge(self, request: Request, text: str) -> tuple[int, int]:
        tokens = self.bill(request, text)
        with self.lock:
            self.billed.append(tokens)
        return tokens

    def done(self) -> None:
        with self.lock:
            self.in_flight -= 1

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _serve() -> None:
    parser = argparse.ArgumentParser(
        description="A scripted test server: simple rules answer, not a language model."
    )
    parser.add_argument("--port", type=int, default=8123)
    with Server(port=parser.parse_args().port) as server:
        print("scripted test server (simple rules, no language model)")
        print(f"base_url: {server.base_url}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"{len(server.requests)} requests answered")


if __name__ == "__main__":
    _serve()
