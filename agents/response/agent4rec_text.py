"""Reads replies written in Agent4Rec's text format, whoever wrote them.

A page reply judges every film, chooses, and rates what was watched; an exit reply says how
it was and whether to turn the page; an interview gives one score:

    MOVIE: title; ALIGN: yes; REASON: ...       POSITIVE: ...            RATING: 7
    NUM: 1; WATCH: title; REASON: ...           Fatigue Level: ...       REASON: ...
    MOVIE: title; RATING: 4; FEELING: ...       Decision: [NEXT]; Reason: ...

Any text can be read, and nothing is guessed: what is not certain is left out and flagged.
``usable`` says whether the decisions (watched and rating of every slot; staying or leaving;
the score) are certain. A flag of ``DOUBTS`` takes that away, one of ``NOTES`` does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .agent4rec_fields import fields, number
from .agent4rec_flags import DOUBTS, NOTES, REFUSAL, complaint, ordered, usable
from .agent4rec_page import PageText, SlotText, read_page

__all__ = [
    "DOUBTS",
    "NOTES",
    "ExitText",
    "InterviewText",
    "PageText",
    "SlotText",
    "complaint",
    "read_exit",
    "read_interview",
    "read_page",
]

_DECISION = re.compile(
    r"\[\s*(next|exit)\s*\]|^[^\w\n]*(?:decision\s*:[^\w\n]*)?(next|exit)[ \t*\"']*(?:[;:.]|$)",
    re.IGNORECASE | re.MULTILINE,
)
_FEELING = re.compile(
    r"\b(POSITIVE|NEGATIVE)\b|^[^\w\n]*(Positive|Negative)[^\w\n]*:", re.MULTILINE
)
_FATIGUE = re.compile(
    r"^[^\w\n]*([^:;\n]{0,30}\b(?:fatigue|tired|tiredness)\b[^:;\n]{0,30}):[ \t*]*(.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_REASON = re.compile(r"\breason\s*\**:\**\s*(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class ExitText:
    """An exit reply: ``leave`` None where it is not certain; ``positive`` None where both
    or neither was said."""

    leave: bool | None
    positive: bool | None
    flags: tuple[str, ...]
    feeling: str = ""
    fatigue: str = ""
    reason: str = ""

    @property
    def usable(self) -> bool:
        """It is certain whether the agent leaves."""
        return usable(self.flags)


@dataclass(frozen=True)
class InterviewText:
    """An interview reply; ``rating`` None where there is none that is certain."""

    rating: float | None
    flags: tuple[str, ...]
    reason: str = ""

    @property
    def usable(self) -> bool:
        """The score is certain."""
        return usable(self.flags)


def read_exit(text: str) -> ExitText:
    """A reply on whether to turn the page; never raises. Only the words NEXT and EXIT where
    the format has them decide, not what the prose leads one to expect."""
    if not text.strip():
        return ExitText(None, None, ("empty",))
    flags = []
    decided = {(found[1] or found[2]).lower() for found in _DECISION.finditer(text)}
    if len(decided) != 1:
        refused = not decided and not _FEELING.search(text) and REFUSAL.search(text)
        flags.append("refusal" if refused else "two_decisions" if decided else "no_decision")
    felt = {(found[1] or found[2]).upper() for found in _FEELING.finditer(text)}
    if len(felt) != 1:
        flags.append("mixed_feeling" if felt else "no_feeling")
    fatigue, reason = _FATIGUE.search(text), _REASON.search(text)
    if not fatigue:
        flags.append("no_fatigue")
    if not reason:
        flags.append("no_reason")
    ends = [found.start() for found in (fatigue, _DECISION.search(text), reason) if found]
    until = min(ends, default=len(text))
    return ExitText(
        leave="exit" in decided if len(decided) == 1 else None,
        positive="POSITIVE" in felt if len(felt) == 1 else None,
        flags=ordered(flags),
        feeling=re.sub(r"^\W*(?:POSITIVE|NEGATIVE)\W*", "", text[:until]).strip(),
        fatigue=fatigue[2].strip() if fatigue else "",
        reason=reason[1].strip() if reason else "",
    )


def read_interview(text: str, *, scale: tuple[float, float] = (1.0, 10.0)) -> InterviewText:
    """A reply to the exit interview; never raises."""
    if not text.strip():
        return InterviewText(None, ("empty",))
    flags, ratings = [], []
    for field in fields(text):
        if field.name == "RATING":
            kind, rating = number(field.value, scale)
            flags += [kind] if kind else []
            ratings.append(rating)
    if not ratings:
        flags.append("refusal" if REFUSAL.search(text) else "no_rating")
    if len(set(ratings)) > 1:
        flags.append("several_ratings")
    reason = _REASON.search(text)
    if not reason:
        flags.append("no_reason")
    return InterviewText(
        rating=ratings[0] if len(set(ratings)) == 1 else None,
        flags=ordered(flags),
        reason=reason[1].strip() if reason else "",
    )
