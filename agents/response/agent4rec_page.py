"""A page reply in Agent4Rec's text format: which shown items were judged, watched, rated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .agent4rec_fields import Field, fields, mask, number, unmask
from .agent4rec_flags import REFUSAL, ordered, usable
from .agent4rec_titles import Match, Shown

_NOTHING = re.compile(
    r"(?:none(?: of (?:the|these|them)\b.*)?|no(?:thing)?(?: (?:movies?|films?))?|n/?a|0|-+"
    r"|\[\s*\])?[\s.]*",
    re.IGNORECASE | re.DOTALL,
)
_UNRATED = re.compile(r"\W*(?:n/?a|none|not (?:rated|watched))\b", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*(?:[,;\n|&]|\band\b)\s*", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:\d{1,2}[.)]\s|[-*\u2022]\s)\s*")
_LONGEST = 12
"""Parts that one title may have: "Lock, Stock & Two Smoking Barrels" has three."""

_MOST_PARTS = 200
"""A list of more parts than this names no page of items."""


@dataclass(frozen=True)
class SlotText:
    """What was written about one shown item. ``aligned`` and ``watched`` are None where that
    is not certain, ``rating`` None where there is none, or none that is certain."""

    aligned: bool | None = None
    watched: bool | None = None
    rating: float | None = None
    reason: str = ""
    feeling: str = ""


@dataclass(frozen=True)
class PageText:
    """A page reply: ``slots`` from the top down; ``number`` after NUM; ``reason`` of the choice."""

    slots: tuple[SlotText, ...]
    flags: tuple[str, ...]
    number: int | None = None
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Watched and rating are certain in every slot."""
        return usable(self.flags)

    @property
    def complete(self) -> bool:
        """Usable, and every item is judged yes or no."""
        return self.usable and all(slot.aligned is not None for slot in self.slots)


def read_page(
    text: str, titles: Sequence[str], *, scale: tuple[float, float] = (1.0, 5.0)
) -> PageText:
    """A reply to a page of these titles, from the top slot down; never raises."""
    reading = _PageReading(titles, scale)
    if not text.strip():
        return PageText((SlotText(),) * len(titles), ("empty",))
    masked, hidden = mask(text, titles)
    found = fields(masked)
    for place, field in enumerate(found):
        value = unmask(field.value, hidden)
        reading.take(field, value, last=place == len(found) - 1)
    if all(field.name == "NOTE" for field in found):
        refused = "refusal" if REFUSAL.search(text) else "no_fields"
        return PageText((SlotText(),) * len(titles), (refused,))
    return reading.result()


class _PageReading:
    """What the lines said so far. ``film`` is the slot that the present MOVIE line is
    about (None: not a shown one), ``line`` what the present line is."""

    def __init__(self, titles: Sequence[str], scale: tuple[float, float]) -> None:
        self.shown, self.scale, self.n = Shown(titles), scale, len(titles)
        self.flags: set[str] = set()
        self.aligned: list[set[bool]] = [set() for _ in titles]
        self.ratings: list[list[float | None]] = [[] for _ in titles]
        self.reasons, self.feelings = [""] * self.n, [""] * self.n
        self.numbers: list[int] = []
        self.watched: list[set[int] | None] = []
        self.reason = ""
        self.line = ""
        self.film = Match(None)

    def flag(self, kind: str) -> None:
        self.flags.add(kind)

    def take(self, field: Field, value: str, *, last: bool) -> None:
        """The next field; ``last``: nothing follows it."""
        name = field.name
        none_chosen = name == "WATCH" and self.numbers == [0]
        if last and (name == "MOVIE" or not value.strip()) and not none_chosen:
            self.flag("truncated")
        if name == "RATING" and not value[:1].isdigit() and self.shown.find(value).slot is not None:
            name = "MOVIE"  # "RATING: title; RATING: 4"
        getattr(self, f"_{name.lower()}")(value)

    def _movie(self, value: str) -> None:
        self.line = "movie"
        nothing = _NOTHING.fullmatch(value)
        self.film = self.shown.find(value)
        if self.film.slot is None and nothing:
            self.line = "nothing"  # "MOVIE: N/A; RATING: N/A"

    def _align(self, value: str) -> None:
        if self.line != "movie":
            return
        if self.film.slot is None:
            self.flag(f"{self._doubt()}_judged")
        elif found := re.match(r"\W*(yes|no)\b", value, re.IGNORECASE):
            self.aligned[self.film.slot].add(found.group(1).lower() == "yes")

    def _reason(self, value: str) -> None:
        if self.line == "watch":
            self.reason = self.reason or value
        elif self.line == "movie" and self.film.slot is not None:
            self.reasons[self.film.slot] = self.reasons[self.film.slot] or value

    def _num(self, value: str) -> None:
        self.line = "watch"
        found = re.match(r"\W*(\d{1,4})\b", value)
        self.numbers += [int(found.group(1))] if found else []

    def _watch(self, value: str) -> None:
        self.line = "watch"
        if self.shown.find(value).slot is None and _NOTHING.fullmatch(value):
            self.watched.append(set())
            return
        slots = self._titles(value)
        known = {slot for slot in slots if slot is not None}
        self.watched.append(None if None in slots else known)

    def _rating(self, value: str) -> None:
        if _UNRATED.match(value):
            return
        if self.line != "movie":
            self.flag("rating_without_title")
        elif self.film.slot is None:
            self.flag(self._doubt())
        else:
            self.ratings[self.film.slot].append(self._number(value))

    def _feeling(self, value: str) -> None:
        if self.line == "movie" and self.film.slot is not None:
            self.feelings[self.film.slot] = self.feelings[self.film.slot] or value

    def _note(self, value: str) -> None:
        """A note ends what stands before it and decides nothing."""

    def _doubt(self) -> str:
        return "ambiguous_title" if self.film.ambiguous else "unknown_title"

    def _number(self, value: str) -> float | None:
        kind, rating = number(value, self.scale)
        if kind:
            self.flag(kind)
        return rating

    def _titles(self, value: str) -> list[int | None]:
        """The slots of a list of titles, which may hold commas and "and" themselves: at each
        place the longest run of parts that is a title; None for what is none."""
        cuts = [found.span() for found in _SEPARATOR.finditer(value)]
        starts = [0, *(end for _, end in cuts)]
        ends = [*(start for start, _ in cuts), len(value)]
        if len(starts) > _MOST_PARTS:
            self.flag("unknown_title")
            return [None]
        full = [n for n, (start, end) in enumerate(zip(starts, ends, strict=True)) if start < end]
        slots: list[int | None] = []
        place = 0
        while full and place <= full[-1]:
            stops = [n for n in full if place <= n < place + _LONGEST]
            stop, match = place, Match(None)
            for stop in reversed(stops):
                match = self.shown.find(_BULLET.sub("", value[starts[place] : ends[stop]]))
                if match.slot is not None or match.ambiguous:
                    break
            if match.slot is not None:
                slots.append(match.slot)
            elif any(c.isalnum() for c in value[starts[place] : ends[stop]]):
                self.flag("ambiguous_title" if match.ambiguous else "unknown_title")
                slots.append(None)
            place = stop + 1
        return slots

    def result(self) -> PageText:
        """The slots, and every flag."""
        watched = self._chosen()
        ratings = [self._one_rating(slot) for slot in range(self.n)]
        for slot in range(self.n):
            self._check(slot, watched)
        slots = tuple(
            SlotText(
                aligned=next(iter(self.aligned[n])) if len(self.aligned[n]) == 1 else None,
                watched=self._watch_of(n, watched),
                rating=ratings[n],
                reason=self.reasons[n],
                feeling=self.feelings[n],
            )
            for n in range(self.n)
        )
        told = self.numbers[0] if self.numbers else None
        return PageText(slots, ordered(self.flags), told, self.reason)

    def _chosen(self) -> set[int] | None:
        """The watched slots; None where they are not certain."""
        if not self.watched:
            self.flag("no_watch_line")
            return None
        known = [line for line in self.watched if line is not None]
        if len(known) < len(self.watched):  # its titles are flagged
            return None
        together = set().union(*known)
        if any(line != known[0] for line in known):
            # Two statements of the reply agree, or nothing is certain.
            agree = together == {slot for slot in range(self.n) if self.ratings[slot]}
            self.flag("divided_watch_line" if agree else "several_watch_lines")
            return together if agree else None
        if any(told != len(together) for told in self.numbers):
            self.flag("number_mismatch")
            return None
        return together

    def _watch_of(self, slot: int, watched: set[int] | None) -> bool | None:
        """Rated though not among the watched is not certain either way."""
        if watched is None or (slot not in watched and self.ratings[slot]):
            return None
        return slot in watched

    def _one_rating(self, slot: int) -> float | None:
        given = set(self.ratings[slot])
        if len(given) > 1:
            self.flag("several_ratings")
            return None
        return next(iter(given), None)

    def _check(self, slot: int, watched: set[int] | None) -> None:
        aligned = self.aligned[slot]
        if not aligned:
            self.flag("missing_align")
        if len(aligned) > 1:
            self.flag("several_aligns")
        if watched is None:
            return
        if slot in watched and not self.ratings[slot]:
            self.flag("watch_without_rating")
        if slot not in watched and self.ratings[slot]:
            self.flag("rating_without_watch")
        if slot in watched and aligned == {False}:
            self.flag("watch_against_align")
