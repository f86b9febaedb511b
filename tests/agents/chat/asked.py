"""A stand-in for the gateway: questions are kept, replies come from a function, and one
that cannot be read is ``invalid``. And replies to both protocols, made from a question."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from agents.interface import OK
from agents.response.protocol_agent4rec import Agent4RecProtocol
from agents.response.protocol_page import PageProtocol
from agents.response.question import INVALID, Question, Reply, T
from agents.response.schema import AnswerError
from agents.response.session import Person

from .world import audience, catalogue

Answer = Callable[[Question[Any]], str]


class Asked:
    """``questions`` in order; ``complaints`` about replies that could not be read."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.questions: list[Question[Any]] = []
        self.complaints: list[str] = []

    async def __call__(self, question: Question[T]) -> Reply[T]:
        self.questions.append(question)
        try:
            return Reply(question.read(self.answer(question)), OK, ())
        except AnswerError as error:
            self.complaints.append(str(error))
            return Reply(None, INVALID, ())

    @property
    def kinds(self) -> list[str]:
        return [question.kind for question in self.questions]

    def systems(self) -> list[str]:
        return [question.messages[0]["content"] for question in self.questions]

    def texts(self) -> list[str]:
        """What the user's message said, question by question."""
        return [question.messages[1]["content"] for question in self.questions]


def person(shown: Any = None, persona: str | None = None) -> Person:
    """The first of two agents."""
    profiles = audience(2).profiles
    if persona is not None:
        object.__setattr__(profiles, "persona", (persona, *profiles.persona[1:]))
    return Person(0, 100, profiles, shown or catalogue())


def page_protocol(**changed: Any) -> PageProtocol:
    settings: dict[str, Any] = {
        "retrieve": 5,
        "reflect_every": 2,
        "reflection": "summary",
        "interview": "together",
        "max_tokens": None,
        "rating_scale": (1.0, 5.0),
    }
    return PageProtocol(**(settings | changed))


def agent4rec_protocol(**changed: Any) -> Agent4RecProtocol:
    settings: dict[str, Any] = {
        "retrieve": 5,
        "reflect_every": 2,
        "max_tokens": None,
        "rating_scale": (1.0, 5.0),
    }
    return Agent4RecProtocol(**(settings | changed))


def items(question: Question[Any]) -> list[dict[str, Any]]:
    """What stands on the page of a question, from the top slot down."""
    text = question.messages[1]["content"]
    block = text.partition("<page>\n")[2].partition("\n</page>")[0]
    return [json.loads(line) for line in block.splitlines()]


def page_reply(k: int = 4, watched: Sequence[int] = (1,), **changed: Any) -> dict[str, Any]:
    """The default protocol's reply to k items."""
    said: dict[str, Any] = {
        "items": {
            str(n): {"reason": f"why {n}", "interest": 2 * n % 11, "aligned": n % 2 == 0}
            for n in range(1, k + 1)
        },
        "watched": [{"id": str(n), "rating": 4, "feeling": f"felt {n}"} for n in watched],
        "feeling": "content",
        "satisfaction": 6,
        "fatigue": 3,
        "reason": "more to see",
        "leave": False,
        "exit": None,
    }
    return said | changed


INTERVIEW = {"reason": "good on the whole", "satisfaction": 7, "return_intent": 8}


def plays_page(question: Question[Any]) -> str:
    """Answers the default protocol."""
    if question.kind == "page":
        return json.dumps(page_reply(len(items(question))))
    if question.kind == "reflection":
        return json.dumps({"reflection": "I conclude this."})
    return json.dumps(INTERVIEW)


def plays_agent4rec(question: Question[Any]) -> str:
    """Answers the original protocol: the first film fits and is watched, the others not."""
    if question.kind == "page":
        titles = [item["title"] for item in items(question)]
        lines = [
            f"MOVIE: {title}; ALIGN: {'yes' if n == 0 else 'no'}; REASON: why {n}"
            for n, title in enumerate(titles)
        ]
        lines += [f"NUM: 1; WATCH: {titles[0]}; REASON: it fits"]
        lines += [f"MOVIE: {titles[0]}; RATING: 4; FEELING: moved"]
        return "\n".join(lines)
    if question.kind == "exit":
        return "POSITIVE: I like it.\nFATIGUE LEVEL: fresh\nDECISION: [NEXT]; REASON: more to see"
    if question.kind == "reflection":
        return "I am satisfied so far."
    return "RATING: 7\nREASON: it knew me"
