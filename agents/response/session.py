"""One agent's visit to one arm, as a chat model plays it: the seam between what carries
questions (gateway), and what is asked in which order (a protocol).

A person belongs to one session only, and its protocol is awaited page after page, so
nothing here needs a lock.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..interface import OK, Catalogue, MemoryEntry, Profiles
from ..memory import REFLECTION, Memory
from .question import Ask


@dataclass(eq=False)
class Person:
    """Who is asked, and what it holds of this visit so far.

    ``so_far`` is what the protocol carries from page to page and shows again; ``known`` what
    it recognises: item number to its user's own rating.
    """

    row: int
    agent: int
    profiles: Profiles
    catalogue: Catalogue
    memory: Memory = field(default_factory=Memory)
    so_far: dict[str, Any] = field(default_factory=dict)
    page: int = 0
    known: Mapping[int, float] = field(default_factory=dict)

    @property
    def persona(self) -> str:
        return self.profiles.persona[self.row]

    def recalled(self, cue: str, k: int, *, repeats: bool) -> list[str]:
        """The k most fitting memories, in the order they were noted. Page numbers are left
        out: how many pages there were is a hint at when to leave. ``repeats``: reflections
        only repeat notes, and add nothing where all of them fit."""
        skipped = REFLECTION if repeats else ""
        noted = [entry for entry in self.memory.entries if entry.kind != skipped]
        chosen = noted if len(noted) <= k else self.memory.retrieve(cue, k)
        place = {id(entry): n for n, entry in enumerate(self.memory.entries)}
        chosen = sorted(chosen, key=lambda entry: place[id(entry)])
        return [re.sub(r"\bPage \d+: ", "", entry.text) for entry in chosen]


@dataclass(frozen=True)
class Exit:
    """An exit interview: ``satisfaction`` 1..10, ``return_intent`` 0..1 (NaN where it was
    not asked for or failed)."""

    satisfaction: float
    return_intent: float
    reason: str
    outcome: str = OK


@dataclass(frozen=True)
class Slot:
    """What was thought of one shown item: ``interest`` 0..1 (NaN: not said)."""

    interest: float
    aligned: bool
    watched: bool
    rating: float
    reason: str = ""
    feeling: str = ""


@dataclass(frozen=True)
class Turn:
    """What one agent did with one page; a turn that is not ok holds nothing else.

    ``slots`` stand as shown, from the top down; ``satisfaction`` 1..10, ``fatigue`` 0..1;
    ``exit`` where the interview came with the page; ``memories`` noted during it.
    """

    outcome: str
    slots: tuple[Slot, ...] = ()
    satisfaction: float = float("nan")
    fatigue: float = float("nan")
    leave: bool = False
    reason: str = ""
    feeling: str = ""
    exit: Exit | None = None
    memories: tuple[MemoryEntry, ...] = ()


class SessionProtocol(ABC):
    """In which calls an agent is played. One object serves all sessions of a run."""

    @abstractmethod
    async def page(self, person: Person, number: int, items: Sequence[int], ask: Ask) -> Turn:
        """Show items (catalogue numbers, from the top slot down) and take the answers;
        ``person`` remembers the page when this returns."""

    @abstractmethod
    async def interview(self, person: Person, ask: Ask) -> Exit:
        """Ask an agent that has left, and was not interviewed with its last page."""
