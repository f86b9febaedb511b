"""Agent4Rec's protocol: two calls a page, a reflection every few pages, an exit interview.

The steps, what an agent is told and the form of its answers are those of Zhang et al.,
"On Generative Agents in Recommendation" (SIGIR 2024); the wording is our own, and what
differs stands in docs/chat.md. It is here for comparison: it tells agents which page they
are on and how tired that makes them, and exits follow this hint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from ..interface import OK, Catalogue, MemoryEntry
from ..memory import EMOTIONAL, factual
from ..persona import ACTIVITY, CONFORMITY, DIVERSITY
from . import prompting
from .agent4rec_text import (
    ExitText,
    InterviewText,
    PageText,
    SlotText,
    complaint,
    read_exit,
    read_interview,
    read_page,
)
from .prompting import SAID_CAP, plain, render
from .question import Ask, Message, Question
from .schema import AnswerError, Scale, spoken
from .session import Exit, Person, SessionProtocol, Slot, Turn

T = TypeVar("T")

NAN = float("nan")
MAX_TOKENS = 2048
"""The limit of a reply where none is set: generous, as it only stops a run-away."""

SUMMARY_CAP = 300

WATCHES = {
    1: "I rarely let a recommendation tempt me, and leave at the first small disappointment.",
    2: "I watch now and then, and only what really fits my taste; little keeps me from leaving.",
    3: "I am mad about films, watch nearly everything that is offered, and forgive a lot.",
}
EXPLORES = {
    1: "I am choosy and watch only the very few films that are just my kind.",
    2: "I have my niches, and look a little beyond them from time to time.",
    3: "I hunt for the unusual and will watch films of any kind.",
}
FOLLOWS = {
    1: "I follow the crowd: I rate a film much as its average rating says.",
    2: "I weigh a film's average rating against my own impression.",
    3: "I go my own way: I rate by my own impression, whatever the average rating says.",
}
_OUR_TRAITS = frozenset([*ACTIVITY.values(), *DIVERSITY.values(), *CONFORMITY.values()])


class Agent4RecProtocol(SessionProtocol):
    """``retrieve`` memories go with each call; a reflection every ``reflect_every`` pages
    (2 in the original, 0: never). What its replies do not tell is NaN: interest,
    satisfaction and fatigue of a page, the wish to come back."""

    def __init__(
        self, *, retrieve: int, reflect_every: int, max_tokens: int | None, rating_scale: Scale
    ) -> None:
        self._retrieve, self._reflect_every = retrieve, reflect_every
        self._max_tokens, self._scale = max_tokens or MAX_TOKENS, rating_scale
        self._lines = prompting.Lines(_film)

    async def page(self, person: Person, number: int, items: Sequence[int], ask: Ask) -> Turn:
        """Judge, choose and rate; then feel, and turn the page or leave. A page of which
        either reply cannot be used is a turn that holds its outcome alone."""
        person.page = number
        titles = self.titles(person.catalogue, items)
        cue = "; ".join(titles)
        lines = [
            prompting.led("title", title, rest)
            for title, rest in zip(titles, self._lines.of(person.catalogue, items), strict=True)
        ]
        text = self._render("page", person, cue, page=number, lines=lines, scale=self._limits)
        seen = await ask(self._question(person, "page", text, self._page_reader(titles)))
        if seen.value is None:
            return Turn(seen.outcome)
        noted = [self._happened(person, titles, seen.value)]
        if self._reflect_every and number % self._reflect_every == 0:
            noted += await self._reflect(person, ask)
        text = self._render("exit", person, "how I feel about the recommender", page=number)
        left = await ask(self._question(person, "exit", text, _exit_reader))
        if left.value is None:
            return Turn(left.outcome)
        noted.append(_felt(person, left.value))
        return Turn(
            OK,
            tuple(_slot(slot) for slot in seen.value.slots),
            leave=bool(left.value.leave),
            reason=plain(left.value.reason, SAID_CAP),
            feeling=_feeling(left.value),
            memories=tuple(noted),
        )

    async def interview(self, person: Person, ask: Ask) -> Exit:
        """One call; the wish to come back is not asked."""
        text = self._render("interview", person, "how satisfied I am with the recommender")
        reply = await ask(self._question(person, "interview", text, _interview_reader))
        if reply.value is None or reply.value.rating is None:
            return Exit(NAN, NAN, "", reply.outcome)
        return Exit(reply.value.rating, NAN, plain(reply.value.reason, SAID_CAP))

    # -- asking --------------------------------------------------------------------------

    def _render(self, step: str, person: Person, cue: str, **values: Any) -> Message:
        memories = person.recalled(cue, self._retrieve, repeats=False)
        text = render(
            f"agent4rec_{step}.j2", memories=prompting.memory_lines(memories), so_far={}, **values
        )
        return {"role": "user", "content": text}

    def _question(
        self, person: Person, kind: str, user: Message, read: Callable[[str], T]
    ) -> Question[T]:
        return Question(
            row=person.row,
            agent=person.agent,
            page=person.page,
            kind=kind,
            messages=(_system(_persona(person)), user),
            schema=None,
            read=read,
            max_tokens=self._max_tokens,
        )

    def _page_reader(self, titles: Sequence[str]) -> Callable[[str], PageText]:
        def read(text: str) -> PageText:
            found = read_page(spoken(text), titles, scale=self._scale)
            if not found.complete:
                raise AnswerError(complaint(found.flags))
            return found

        return read

    @property
    def _limits(self) -> tuple[str, str]:
        return prompting.numbers(self._scale)

    @staticmethod
    def titles(catalogue: Catalogue, items: Sequence[int]) -> list[str]:
        """Titles as they are shown, each once on its page: answers name films by title."""
        titles: list[str] = []
        for item in items:
            title = prompting.titled(catalogue, item) or "Untitled"
            name, number = title, 1
            while name in titles:
                number += 1
                name = f"{title} no. {number}"
            titles.append(name)
        return titles

    # -- remembering ---------------------------------------------------------------------

    def _happened(self, person: Person, titles: Sequence[str], said: PageText) -> MemoryEntry:
        watched = [bool(slot.watched) for slot in said.slots]
        rating = [NAN if slot.rating is None else slot.rating for slot in said.slots]
        entry = factual(person.row, person.page, titles, watched, rating)
        person.memory.add(entry)
        return entry

    async def _reflect(self, person: Person, ask: Ask) -> list[MemoryEntry]:
        """Always a call; a reflection that fails is left out."""
        text = self._render("reflection", person, "am I satisfied with the recommender, and why")
        reply = await ask(self._question(person, "reflection", text, _reflection_reader))
        said = reply.value
        if said is None:
            return []
        return [person.memory.reflect(person.row, person.page, lambda _: said)]


def _persona(person: Person) -> tuple[str, ...]:
    """Traits by level in this protocol's words, then tastes and habits as they are."""
    row, profiles = person.row, person.profiles
    traits = (
        WATCHES[int(profiles.activity[row])],
        EXPLORES[int(profiles.diversity[row])],
        FOLLOWS[int(profiles.conformity[row])],
    )
    return (*traits, *(line for line in _own_lines(person.persona) if line not in _OUR_TRAITS))


@lru_cache(maxsize=prompting.KEPT_PERSONAS)
def _own_lines(persona: str) -> tuple[str, ...]:
    return tuple(prompting.persona_lines(persona))


@lru_cache(maxsize=prompting.KEPT_PERSONAS)
def _system(persona: tuple[str, ...]) -> Message:
    text = render("agent4rec_system.j2", persona=prompting.joined(persona))
    return {"role": "system", "content": text}


def _film(catalogue: Catalogue, item: int) -> dict[str, Any]:
    """Average rating and summary; kinds where there is no summary to tell what it is."""
    shown: dict[str, Any] = {}
    average = float(catalogue.shown_rating[item])
    if not np.isnan(average):
        shown["average_rating"] = round(average, 2)
    if text := plain(catalogue.text[item], SUMMARY_CAP):
        shown["summary"] = text
    elif genres := prompting.genres(catalogue, item):
        shown["genres"] = genres
    return shown


def _exit_reader(text: str) -> ExitText:
    found = read_exit(spoken(text))
    if not found.usable:
        raise AnswerError(complaint(found.flags))
    return found


def _interview_reader(text: str) -> InterviewText:
    found = read_interview(spoken(text))
    if not found.usable:
        raise AnswerError(complaint(found.flags))
    return found


def _reflection_reader(text: str) -> str:
    said = plain(spoken(text), SAID_CAP)
    if not re.search(r"\w", said):
        raise AnswerError("there are no words in it")
    return said


def _felt(person: Person, said: ExitText) -> MemoryEntry:
    text = f"Page {person.page}: {_feeling(said) or 'no feeling told'}"
    if reason := plain(said.reason, SAID_CAP):
        text += f" {'I leave' if said.leave else 'I go on'}: {reason}"
    entry = MemoryEntry(person.row, person.page, EMOTIONAL, text, importance=0.5)
    person.memory.add(entry)
    return entry


def _feeling(said: ExitText) -> str:
    """Positive or negative, why, and how tired, in one line."""
    parts = []
    if said.positive is not None:
        parts.append("Positive." if said.positive else "Negative.")
    parts.append(said.feeling)
    if said.fatigue:
        parts.append(f"Tiredness: {said.fatigue}")
    return plain(" ".join(part for part in parts if part), SAID_CAP)


def _slot(slot: SlotText) -> Slot:
    return Slot(
        interest=NAN,
        aligned=bool(slot.aligned),
        watched=bool(slot.watched),
        rating=NAN if slot.rating is None else slot.rating,
        reason=plain(slot.reason, SAID_CAP),
        feeling=plain(slot.feeling, SAID_CAP),
    )
