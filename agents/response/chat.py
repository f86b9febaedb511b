"""Agents that are a chat model: one structured call a page, one exit interview.

Any LangChain chat model answers, OpenAI-compatible servers by their address. What an
agent knows is its persona, what its memory gives back, and the page; items carry handles
1..k. The wire belongs to :mod:`.gateway`, wording to :mod:`.prompting` and the templates,
what a reply must be to :mod:`.schema`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from pydantic import BaseModel

from ..interface import (
    NO_ITEM,
    OK,
    AgentError,
    Answers,
    Audience,
    Catalogue,
    IntArray,
    Interviews,
    Luck,
    Notes,
    Page,
    ResponseModel,
    Visit,
)
from ..memory import REFLECTION, Memory, emotional, factual
from . import prompting
from .endpoint import Endpoint
from .gateway import Gateway, Question, Reply, Structured
from .prompting import Message
from .schema import (
    TOP,
    InterviewReply,
    PageReply,
    ReflectionReply,
    handles,
    page_reader,
    page_schema,
    reader,
    reply_schema,
)

T = TypeVar("T")
R = TypeVar("R", bound=BaseModel)
Reflect = Literal["summary", "chat"]

BASE_TOKENS, ITEM_TOKENS = 1024, 128
"""The limit of a reply where none is set: generous, as it only stops a run-away."""

SAID_CAP = 400
"""The longest reason or feeling that is kept outside the raw reply."""


class Chat(ResponseModel):
    """A chat model plays each agent: any LangChain provider, or a server by its base_url."""

    def __init__(
        self,
        name: str,
        *,
        provider: str = "openai",
        base_url: str | None = None,
        api_key_env: str | None = None,
        temperature: float | None = 0.2,
        max_tokens: int | None = None,
        timeout: float = 60.0,
        attempts: int = 3,
        concurrency: int = 16,
        structured: Structured = "auto",
        retrieve: int = 5,
        reflect_every: int = 2,
        reflection: Reflect = "summary",
    ) -> None:
        """Settings are documented in docs/chat.md. Raises AgentError for a value out of
        range or a key that is not there; nothing is imported or asked yet."""
        _within("max_tokens", max_tokens, 1, 1_000_000)
        _within("timeout", timeout, 0.01, 3600)
        _within("attempts", attempts, 1, 10)
        _within("concurrency", concurrency, 1, 1024)
        _within("temperature", temperature, 0, 2)
        _within("retrieve", retrieve, 0, 100)
        _within("reflect_every", reflect_every, 0, 100)
        _one_of("structured", structured, get_args(Structured))
        _one_of("reflection", reflection, get_args(Reflect))
        if not name.strip():
            raise AgentError("chat: name: empty; allowed: the name of a model")
        endpoint = Endpoint(provider, name, base_url, temperature, api_key_env, max_tokens)
        if structured == "schema" and not endpoint.compatible:
            raise AgentError("chat: structured: schema needs provider openai; allowed: auto, json")
        self.gateway = Gateway(endpoint, timeout, attempts, concurrency, structured)
        self.max_tokens, self.retrieve = max_tokens, retrieve
        self.reflect_every, self.reflection = reflect_every, reflection

    def visit(self, audience: Audience, catalogue: Catalogue, luck: Luck, round_: int) -> Visit:
        """Open sessions; the only luck a chat agent has is the model's own."""
        return ChatVisit(self, audience, catalogue)


class ChatVisit(Visit):
    """One arm's sessions of one round. A session whose page failed is over: it is not
    asked again, neither a page nor an interview."""

    def __init__(self, chat: Chat, audience: Audience, catalogue: Catalogue) -> None:
        self._chat, self._audience, self._catalogue = chat, audience, catalogue
        self._memory: dict[int, Memory] = {}
        self._so_far: dict[int, dict[str, Any]] = {}
        self._page: dict[int, int] = {}
        self._notes = Notes()

    def turn(self, page: Page) -> Answers:
        """One call for each agent; answers in the page's order, whichever came first."""
        rows = page.row.tolist()
        self._page |= dict.fromkeys(rows, page.number)
        shown = [line[line != NO_ITEM].tolist() for line in page.item]
        asked = zip(rows, shown, strict=True)
        replies = self._ask([self._page_question(row, page.number, s) for row, s in asked])
        for row, items, reply in zip(rows, shown, replies, strict=True):
            if reply.value is not None:
                self._remember(row, page.number, items, reply.value)
        every = self._chat.reflect_every
        if every and page.number % every == 0:
            stays = [r for r, a in zip(rows, replies, strict=True) if a.value and not a.value.leave]
            self._reflect(stays, page.number)
        return _answers(replies, page.item)

    def interview(self, row: IntArray) -> Interviews:
        """One call for each agent that has left."""
        questions = [self._interview_question(r) for r in row.tolist()]
        replies = self._ask(questions)
        values = [reply.value for reply in replies]
        return Interviews(
            satisfaction=np.array([v.satisfaction if v else np.nan for v in values], np.float32),
            return_intent=np.array(
                [v.return_intent / TOP if v else np.nan for v in values], np.float32
            ),
            reason=[prompting.plain(v.reason, SAID_CAP) if v else "" for v in values],
            outcome=[reply.outcome for reply in replies],
        )

    def notes(self) -> Notes:
        notes, self._notes = self._notes, Notes()
        return notes

    # -- asking --------------------------------------------------------------------------

    def _ask(self, questions: Sequence[Question[T]]) -> list[Reply[T]]:
        replies = self._chat.gateway.ask(questions)
        self._notes.calls.extend(call for reply in replies for call in reply.calls)
        return replies

    def _page_question(self, row: int, page: int, items: Sequence[int]) -> Question[PageReply]:
        k, scale = len(items), self._catalogue.rating_scale
        cue = " ".join(self._catalogue.title[i] + " " + _genres(self._catalogue, i) for i in items)
        names = handles(k)
        described = [
            prompting.described(self._catalogue, item, name)
            for item, name in zip(items, names, strict=True)
        ]
        user = prompting.page(described, self._recalled(row, cue), self._so_far.get(row, {}))
        return Question(
            row=row,
            page=page,
            kind="page",
            messages=(self._system(row), user),
            schema=page_schema(k, scale),
            read=page_reader(k, scale),
            max_tokens=self._chat.max_tokens or BASE_TOKENS + ITEM_TOKENS * k,
        )

    def _interview_question(self, row: int) -> Question[InterviewReply]:
        said = self._so_far.get(row, {})
        recalled = self._recalled(row, "satisfaction with the visit as a whole")
        user = prompting.interview(recalled, said)
        return self._plain_question(row, "interview", user, InterviewReply)

    def _reflection_question(self, row: int) -> Question[ReflectionReply]:
        recalled = self._recalled(row, "what I conclude from this visit")
        user = prompting.reflection(recalled, self._so_far.get(row, {}))
        return self._plain_question(row, "reflection", user, ReflectionReply)

    def _plain_question(self, row: int, kind: str, user: Message, model: type[R]) -> Question[R]:
        return Question(
            row=row,
            page=self._page.get(row, 0),
            kind=kind,
            messages=(self._system(row), user),
            schema=reply_schema(model),
            read=reader(model),
            max_tokens=self._chat.max_tokens or BASE_TOKENS,
        )

    def _system(self, row: int) -> Message:
        persona = self._audience.profiles.persona[row]
        return prompting.system(persona, self._catalogue.rating_scale)

    # -- remembering ---------------------------------------------------------------------

    def _remember(self, row: int, page: int, items: Sequence[int], reply: PageReply) -> None:
        rated = {int(entry.id) - 1: entry for entry in reply.watched}
        titles = [prompting.plain(self._catalogue.title[i], prompting.TITLE_CAP) for i in items]
        slots = range(len(items))
        rating = [rated[slot].rating if slot in rated else np.nan for slot in slots]
        happened = factual(row, page, titles, [slot in rated for slot in slots], rating)
        felt = emotional(
            row,
            page,
            reply.satisfaction,
            reply.fatigue / TOP,
            prompting.plain(reply.reason, SAID_CAP),
            prompting.plain(reply.feeling, SAID_CAP),
        )
        memory = self._memory.setdefault(row, Memory())
        for entry in (happened, felt):
            memory.add(entry)
            self._notes.memories.append(entry)
        self._so_far[row] = {
            "satisfaction so far": reply.satisfaction,
            "tiredness so far": reply.fatigue,
            "why I left" if reply.leave else "why I went on": prompting.plain(
                reply.reason, prompting.MEMORY_CAP
            ),
        }

    def _recalled(self, row: int, cue: str) -> list[str]:
        """The most fitting memories, in the order they were noted. Page numbers are left
        out: how many pages there were is a hint at when to leave."""
        memory = self._memory.get(row)
        if memory is None:
            return []
        k = self._chat.retrieve
        # Without a call a reflection repeats notes: it adds nothing where all of them fit.
        repeated = REFLECTION if self._chat.reflection == "summary" else ""
        noted = [entry for entry in memory.entries if entry.kind != repeated]
        chosen = noted if len(noted) <= k else memory.retrieve(cue, k)
        place = {id(entry): n for n, entry in enumerate(memory.entries)}
        chosen = sorted(chosen, key=lambda entry: place[id(entry)])
        return [re.sub(r"\bPage \d+: ", "", entry.text) for entry in chosen]

    def _reflect(self, rows: Sequence[int], page: int) -> None:
        """Draw the memories together; a reflection that fails as a call is left out."""
        written: dict[int, str] = {}
        if self._chat.reflection == "chat":
            replies = self._ask([self._reflection_question(row) for row in rows])
            for row, reply in zip(rows, replies, strict=True):
                if reply.value is not None:
                    written[row] = prompting.plain(reply.value.reflection, SAID_CAP)
            rows = [row for row in rows if row in written]
        for row in rows:
            text = written.get(row)
            summarise = None if text is None else (lambda _, text=text: text)
            self._notes.memories.append(self._memory[row].reflect(row, page, summarise))


def _within(setting: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise AgentError(f"chat: {setting}: found {value!r}; allowed: {low} to {high}")


def _one_of(setting: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise AgentError(f"chat: {setting}: found {value!r}; allowed: {', '.join(known)}")


def _genres(catalogue: Catalogue, item: int) -> str:
    return " ".join(catalogue.genres[item])


def _answers(replies: Sequence[Reply[PageReply]], item: IntArray) -> Answers:
    """Columns from replies. A padded slot holds NaN and False, as a failed row does."""
    shape = item.shape
    interest, rating = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    aligned, watched = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    reason = [[""] * shape[1] for _ in replies]
    feeling = [[""] * shape[1] for _ in replies]
    values = [reply.value for reply in replies]
    for b, value in enumerate(values):
        if value is None:
            continue
        slots = np.nonzero(item[b] != NO_ITEM)[0]
        for name, judged in value.items.items():
            slot = slots[int(name) - 1]
            interest[b, slot], aligned[b, slot] = judged.interest / TOP, judged.aligned
            reason[b][slot] = prompting.plain(judged.reason, SAID_CAP)
        for entry in value.watched:
            slot = slots[int(entry.id) - 1]
            watched[b, slot], rating[b, slot] = True, entry.rating
            feeling[b][slot] = prompting.plain(entry.feeling, SAID_CAP)
    return Answers(
        interest=interest,
        aligned=aligned,
        watched=watched,
        rating=rating,
        satisfaction=np.array([v.satisfaction if v else np.nan for v in values], np.float32),
        fatigue=np.array([v.fatigue / TOP if v else np.nan for v in values], np.float32),
        leave=np.array([bool(v and v.leave) for v in values], np.bool_),
        reason=[prompting.plain(v.reason, SAID_CAP) if v else "" for v in values],
        outcome=[OK if v else reply.outcome for v, reply in zip(values, replies, strict=True)],
        item_reason=reason,
        item_feeling=feeling,
        feeling=[prompting.plain(v.feeling, SAID_CAP) if v else "" for v in values],
    )
