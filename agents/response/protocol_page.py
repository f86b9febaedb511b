"""The default protocol: one call a page, in which the agent judges, watches, looks back,
and stays or leaves; who leaves says in the same reply how the visit was.

What an agent knows is its persona, what its memory gives back, and the page. Wording
belongs to :mod:`.prompting` and the templates, what a reply must be to :mod:`.schema`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel

from ..interface import OK, MemoryEntry
from ..memory import emotional, factual
from . import prompting
from .question import Ask, Message, Question
from .schema import (
    TOP,
    InterviewReply,
    PageReply,
    ReflectionReply,
    Scale,
    page_reader,
    page_schema,
    reader,
    reply_schema,
)
from .session import Exit, Person, SessionProtocol, Slot, Turn

R = TypeVar("R", bound=BaseModel)
Reflect = Literal["summary", "chat"]
Interview = Literal["together", "apart"]

BASE_TOKENS, ITEM_TOKENS = 1024, 128
"""The limit of a reply where none is set: generous, as it only stops a run-away."""

NAN = float("nan")


class PageProtocol(SessionProtocol):
    """``retrieve`` memories go with each call; ``reflect_every`` pages they are drawn
    together (0: never), by a call (``chat``) or without (``summary``); ``interview``
    ``together``: with the reply that leaves, so that only agents that were stopped cost a
    call more; ``apart``: always a call of its own. ``recognises``: an item that the agent's
    user rated says so."""

    def __init__(
        self,
        *,
        retrieve: int,
        reflect_every: int,
        reflection: Reflect,
        interview: Interview,
        max_tokens: int | None,
        rating_scale: Scale,
        recognises: bool = False,
    ) -> None:
        self._retrieve, self._reflect_every = retrieve, reflect_every
        self._reflection, self._together = reflection, interview == "together"
        self._max_tokens, self._scale = max_tokens, rating_scale
        self._prompts = prompting.Prompts(
            rating_scale, together=self._together, recognises=recognises
        )

    async def page(self, person: Person, number: int, items: Sequence[int], ask: Ask) -> Turn:
        """One call; a reply that cannot be used is a turn that holds its outcome alone."""
        person.page = number
        reply = await ask(self._page_question(person, items))
        said = reply.value
        if said is None:
            return Turn(reply.outcome)
        noted = self._remember(person, items, said)
        if self._reflect_every and number % self._reflect_every == 0 and not said.leave:
            noted += await self._reflect(person, ask)
        return Turn(
            OK,
            _slots(said, len(items)),
            said.satisfaction,
            said.fatigue / TOP,
            said.leave,
            _kept(said.reason),
            _kept(said.feeling),
            None if said.exit is None else _exit(said.exit),
            tuple(noted),
        )

    async def interview(self, person: Person, ask: Ask) -> Exit:
        """One call."""
        recalled = self._recalled(person, "satisfaction with the visit as a whole")
        user = prompting.interview(recalled, person.so_far)
        reply = await ask(self._plain_question(person, "interview", user, InterviewReply))
        if reply.value is None:
            return Exit(NAN, NAN, "", reply.outcome)
        return _exit(reply.value)

    # -- asking --------------------------------------------------------------------------

    def _page_question(self, person: Person, items: Sequence[int]) -> Question[PageReply]:
        k, catalogue = len(items), person.catalogue
        cue = " ".join(f"{catalogue.title[i]} {' '.join(catalogue.genres[i])}" for i in items)
        recalled = self._recalled(person, cue)
        user = self._prompts.page(catalogue, items, recalled, person.so_far, person.known)
        return Question(
            row=person.row,
            agent=person.agent,
            page=person.page,
            kind="page",
            messages=(self._prompts.system(person.persona), user),
            schema=page_schema(k, self._scale, self._together),
            read=page_reader(k, self._scale, self._together),
            max_tokens=self._max_tokens or BASE_TOKENS + ITEM_TOKENS * k,
        )

    def _plain_question(
        self, person: Person, kind: str, user: Message, model: type[R]
    ) -> Question[R]:
        return Question(
            row=person.row,
            agent=person.agent,
            page=person.page,
            kind=kind,
            messages=(self._prompts.system(person.persona), user),
            schema=reply_schema(model),
            read=reader(model),
            max_tokens=self._max_tokens or BASE_TOKENS,
        )

    def _recalled(self, person: Person, cue: str) -> list[str]:
        noted = person.recalled(cue, self._retrieve, repeats=self._reflection == "summary")
        # A reflection without a call may say what the one before it said.
        return list(dict.fromkeys(noted))

    # -- remembering ---------------------------------------------------------------------

    def _remember(self, person: Person, items: Sequence[int], said: PageReply) -> list[MemoryEntry]:
        rating = {int(entry.id) - 1: entry.rating for entry in said.watched}
        title = person.catalogue.title
        slots = range(len(items))
        happened = factual(
            person.row,
            person.page,
            [prompting.plain(title[i], prompting.TITLE_CAP) for i in items],
            [slot in rating for slot in slots],
            [rating.get(slot, NAN) for slot in slots],
        )
        felt = emotional(
            person.row,
            person.page,
            said.satisfaction,
            said.fatigue / TOP,
            _kept(said.reason),
            _kept(said.feeling),
        )
        person.memory.add(happened)
        person.memory.add(felt)
        person.so_far = {
            "satisfaction so far": said.satisfaction,
            "tiredness so far": said.fatigue,
        }
        return [happened, felt]

    async def _reflect(self, person: Person, ask: Ask) -> list[MemoryEntry]:
        """Draw the memories together; a reflection that fails as a call is left out."""
        if self._reflection == "summary":
            return [person.memory.reflect(person.row, person.page)]
        recalled = self._recalled(person, "what I conclude from this visit")
        user = prompting.reflection(recalled, person.so_far)
        reply = await ask(self._plain_question(person, "reflection", user, ReflectionReply))
        if reply.value is None:
            return []
        text = _kept(reply.value.reflection)
        return [person.memory.reflect(person.row, person.page, lambda _: text)]


def _slots(said: PageReply, k: int) -> tuple[Slot, ...]:
    watched = {entry.id: entry for entry in said.watched}
    slots = []
    for name, judged in sorted(said.items.items(), key=lambda pair: int(pair[0])):
        seen = watched.get(name)
        slots.append(
            Slot(
                interest=judged.interest / TOP,
                aligned=judged.aligned,
                watched=seen is not None,
                rating=NAN if seen is None else seen.rating,
                reason=_kept(judged.reason),
                feeling="" if seen is None else _kept(seen.feeling),
            )
        )
    assert len(slots) == k
    return tuple(slots)


def _exit(said: InterviewReply) -> Exit:
    return Exit(said.satisfaction, said.return_intent / TOP, _kept(said.reason))


def _kept(text: str) -> str:
    return prompting.plain(text, prompting.SAID_CAP)
