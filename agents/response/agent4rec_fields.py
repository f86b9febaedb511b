"""The lines of Agent4Rec's text format: fields with a name and a value, and numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NAMES = "MOVIE|ALIGN|REASON|NUM|WATCH|RATING|FEELING|NOTE"
_MARKER = re.compile(
    rf"(?:^[ \t>*#•–<\[(_\"\d.)-]*|;[ \t\n*_]*)(?P<any>(?i:{_NAMES}))[*_ ]*:"
    rf"|(?<=[.,|])[ \t*_]+(?P<upper>{_NAMES})[*_ ]*:",
    re.MULTILINE,
)
_OPEN, _CLOSE = "\ue000", "\ue001"
_HIDDEN = re.compile(rf"{_OPEN}(\d+){_CLOSE}")
_NUMBER = re.compile(
    r"[^\w-]*(-?\d+(?:\.\d+)?)(?:\s*(?:/|out of)\s*(\d+))?(?![\w/]|\.\d|\s*[-–]\s*\d|\s*or\b)",
    re.ASCII,
)


@dataclass(frozen=True)
class Field:
    """``name`` in upper case."""

    name: str
    value: str


def fields(text: str) -> list[Field]:
    """Every field of a reply, in order. A title ends with its line, other texts with a blank
    line; the name may stand in any case, numbered or in bold, at the start of a line or
    after a semicolon.

    >>> fields("1. **Movie:** Babe; ALIGN: yes\\n\\nDone.")
    [Field(name='MOVIE', value='Babe'), Field(name='ALIGN', value='yes')]
    """
    text = re.sub(r"[^\S\n]+", " ", text.replace("\r\n", "\n"))
    found = list(_MARKER.finditer(text))
    out = []
    for place, marker in enumerate(found):
        end = found[place + 1].start() if place + 1 < len(found) else len(text)
        name = (marker["any"] or marker["upper"]).upper()
        value = text[marker.end() : end].strip(" \t\n\r*_")
        value = re.split(r"\n" if name == "MOVIE" else r"\n\s*\n", value, maxsplit=1)[0]
        out.append(Field(name, value.strip().rstrip(";").rstrip()))
    return out


def mask(text: str, titles: Sequence[str]) -> tuple[str, Mapping[int, str]]:
    """``text`` with a placeholder for each title that itself looks like lines of the format,
    so that a title cannot answer; and the titles behind the placeholders."""
    hidden = {n: t for n, t in enumerate(titles) if "\n" in t or _MARKER.search(t)}
    for n, title in sorted(hidden.items(), key=lambda entry: -len(entry[1])):
        text = text.replace(title, f"{_OPEN}{n}{_CLOSE}")
    return text, hidden


def unmask(text: str, hidden: Mapping[int, str]) -> str:
    """The titles in their place again."""
    if not hidden:
        return text
    return _HIDDEN.sub(lambda found: hidden.get(int(found[1][:9]), found[0]), text)


def number(value: str, scale: tuple[float, float]) -> tuple[str, float | None]:
    """(flag or "", number) of "4", "4.5", "[4]", "4/5", "4 out of 5"; another divisor than
    the scale's end, a range or a word is unreadable.

    >>> number("4/5", (1, 5)), number("6", (1, 5)), number("3-4", (1, 5))
    (('', 4.0), ('rating_out_of_range', None), ('rating_unreadable', None))
    """
    found = _NUMBER.match(value[:200])
    if not found or (found[2] and float(found[2]) != scale[1]):
        return "rating_unreadable", None
    rating = float(found[1])
    inside = scale[0] <= rating <= scale[1]
    return ("", rating) if inside else ("rating_out_of_range", None)
