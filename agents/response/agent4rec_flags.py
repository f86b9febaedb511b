"""What can be wrong with a reply in Agent4Rec's text format, by kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

DOUBTS: Mapping[str, str] = {
    "empty": "there is no text",
    "refusal": "it declines to answer",
    "no_fields": "none of the lines asked for is there",
    "truncated": "it stops in the middle of a line",
    "no_watch_line": "there is no line NUM: ...; WATCH: ...",
    "several_watch_lines": "there are several WATCH lines, and the titles rated are others",
    "number_mismatch": "NUM is not the number of titles after WATCH",
    "unknown_title": "a title after WATCH or with a RATING was not shown",
    "ambiguous_title": "a title after WATCH or with a RATING fits several of those shown",
    "rating_without_title": "a RATING has no MOVIE before it",
    "rating_without_watch": "a title has a RATING but does not stand after WATCH",
    "watch_without_rating": "a title stands after WATCH but has no RATING",
    "rating_unreadable": "a RATING is not a number",
    "rating_out_of_range": "a RATING is outside the scale",
    "several_ratings": "a title has several ratings that differ",
    "no_rating": "there is no RATING: ...",
    "no_decision": "there is no [NEXT] or [EXIT]",
    "two_decisions": "there are both [NEXT] and [EXIT]",
}
"""What makes a reply unusable, and how it is said to who is asked again."""

NOTES: Mapping[str, str] = {
    "missing_align": "a title has no ALIGN: yes or no",
    "several_aligns": "a title is judged both yes and no",
    "unknown_title_judged": "a title that is judged was not shown",
    "ambiguous_title_judged": "a title that is judged fits several of those shown",
    "divided_watch_line": "there are several WATCH lines; together they hold the titles rated",
    "watch_against_align": "a title judged ALIGN: no stands after WATCH",
    "mixed_feeling": "there are both POSITIVE and NEGATIVE",
    "no_feeling": "there is neither POSITIVE nor NEGATIVE",
    "no_fatigue": "the level of fatigue is missing",
    "no_reason": "the reason is missing",
}
"""What is counted and leaves the decisions certain."""

REFUSAL = re.compile(
    r"\b(?:i(?:'m|\u2019m| am) (?:sorry|unable)|i apologi[sz]e|as an? (?:ai|language model)\b"
    r"|i (?:cannot|can't|can not|won't) (?:help|assist|comply|answer|provide|do|fulfil))",
    re.IGNORECASE,
)
"""What a reply that has none of the lines asked for says when it declines."""

_ORDER = {kind: place for place, kind in enumerate([*DOUBTS, *NOTES])}


def ordered(flags: Iterable[str]) -> tuple[str, ...]:
    """Each kind once, the gravest first."""
    return tuple(sorted(set(flags), key=_ORDER.__getitem__))


def usable(flags: Iterable[str]) -> bool:
    """No flag makes a decision doubtful."""
    return not any(flag in DOUBTS for flag in flags)


def complaint(flags: Sequence[str]) -> str:
    """One line that says what was wrong, for a model that is asked again.

    >>> complaint(["number_mismatch", "missing_align"])
    'NUM is not the number of titles after WATCH; a title has no ALIGN: yes or no'
    """
    return "; ".join({**DOUBTS, **NOTES}[flag] for flag in flags)
