"""Which shown item a written title means: certain, or not at all.

A title is tried by ever looser readings, and the first reading that fits any shown item
decides: it names that item if it fits only one, and is ambiguous if it fits several.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

DAMAGE = "\N{REPLACEMENT CHARACTER}"
"""What a character that was lost in transit is turned into."""

_YEAR = re.compile(r"\((\d{4})(?:-\d{4})?\)\s*$")
_BRACKETS = re.compile(r"\(([^()]*)\)")
_LAST_BRACKETS = re.compile(r"(?:\s*\([^()]*\))+\s*$")
_LEADING = re.compile(r"^(?:(?:the|an?|les?|la) )+")
_MOVED = re.compile(
    r"^(?P<rest>[^()]+), (?P<article>the|a|an|la|le|les|l'|el|los|las|il|lo|i|der|die|das|den|det)"
    r"(?P<more> *\(.*)?$",
    re.IGNORECASE,
)
_QUOTES = " \t\"'`*_“”‘’«»"
_SEQUEL = re.compile(r" (\d+|[ivx]+|part|episode)\b")
_SHORTEST = 4
"""A truncated title needs this many letters: "The" is the start of too much."""


_LONGEST = 500
"""A longer text is compared as it stands only."""


@dataclass(frozen=True)
class Match:
    """``slot`` from 0, None where the title fits no shown item, or (``ambiguous``) several."""

    slot: int | None
    ambiguous: bool = False


@dataclass(frozen=True)
class _Title:
    """One title with its readings; ``words`` in lower case, without accents and marks."""

    text: str

    @cached_property
    def mended(self) -> str:
        return _mended(self.text).strip(_QUOTES)

    @cached_property
    def year(self) -> str:
        found = _YEAR.search(self.mended)
        return found.group(1) if found else ""

    @cached_property
    def named(self) -> str:
        """Without the year, the article in front."""
        return _article_first(_YEAR.sub("", self.mended).strip(_QUOTES))

    @cached_property
    def words(self) -> str:
        return _words(self.named)

    @cached_property
    def bare(self) -> str:
        """Without an article in front: "Godfather, The" is also written "Godfather"."""
        return _LEADING.sub("", self.words)

    @cached_property
    def main(self) -> str:
        """Without brackets at its end, which hold a second title as a rule."""
        return _words(_article_first(_LAST_BRACKETS.sub("", self.named).strip()))

    @cached_property
    def names(self) -> frozenset[str]:
        """What it may be called: the whole, the main title, each title in brackets."""
        inner = (_words(_article_first(part.strip())) for part in _BRACKETS.findall(self.named))
        return frozenset({self.words, self.main, *inner} - {""})


class Shown:
    """The titles on one page, from the top slot down.

    >>> shown = Shown(["Lion King, The (1994)", "Psycho (1960)", "Psycho (1998)"])
    >>> [shown.find(text).slot for text in ("the lion king", "Psycho (1998)", "Psycho", "Bambi")]
    [0, 2, None, None]
    >>> shown.find("Psycho").ambiguous, shown.find("Bambi").ambiguous
    (True, False)
    """

    def __init__(self, titles: Sequence[str]) -> None:
        self.titles = tuple(titles)
        self._read = [_Title(title if len(title) <= _LONGEST else "") for title in self.titles]
        self._found: dict[str, Match] = {}

    def find(self, text: str) -> Match:
        """The shown item that ``text``, a whole title, means."""
        if text not in self._found:
            self._found[text] = self._find(text)
        return self._found[text]

    def _find(self, text: str) -> Match:
        exact = [n for n, title in enumerate(self.titles) if title.strip() == text.strip() != ""]
        written = _Title(text if len(text) <= _LONGEST else "")
        if exact or not written.words:
            return Match(exact[0]) if len(exact) == 1 else Match(None, len(exact) > 1)
        for fits in _READINGS:
            slots = [n for n, shown in enumerate(self._read) if fits(written, shown)]
            if slots:
                return Match(slots[0]) if len(slots) == 1 else Match(None, ambiguous=True)
        return Match(None)


def _same_years(written: _Title, shown: _Title) -> bool:
    """A year may lack; two different years are two films."""
    return not written.year or not shown.year or written.year == shown.year


def _whole(written: _Title, shown: _Title) -> bool:
    return written.year == shown.year and written.words == shown.words


def _without_year(written: _Title, shown: _Title) -> bool:
    return _same_years(written, shown) and written.words == shown.words


def _by_a_name(written: _Title, shown: _Title) -> bool:
    if not _same_years(written, shown):
        return False
    return written.words in shown.names or written.main == shown.words != ""


def _without_article(written: _Title, shown: _Title) -> bool:
    return _same_years(written, shown) and written.bare == shown.bare


def _damaged(written: _Title, shown: _Title) -> bool:
    """Equal but for lost characters, which may stand for up to two letters each."""
    if not _same_years(written, shown) or DAMAGE not in written.words + shown.words:
        return False
    return any(
        _fits_damage(a, b) or _fits_damage(b, a)
        for a in (written.words, written.main)
        for b in shown.names
    )


def _fits_damage(damaged: str, other: str) -> bool:
    if DAMAGE not in damaged:
        return False
    parts = [re.escape(part) for part in re.split(f" ?{DAMAGE}+ ?", damaged)]
    return sum(map(len, parts)) > 1 and bool(
        re.fullmatch(rf" ?[\w{DAMAGE}]{{0,2}} ?".join(parts), other)
    )


def _truncated(written: _Title, shown: _Title) -> bool:
    """The start of a title, up to the end of a word, or cut in the middle with dots; not
    where a number is all that lacks: the first part of a series is another film."""
    start = written.words
    if not _same_years(written, shown) or len(start) < _SHORTEST:
        return False
    cut = written.mended.rstrip().endswith(("...", "…"))
    return any(
        name.startswith(start)
        and (cut or name[len(start) :].startswith(" "))
        and not _SEQUEL.match(name[len(start) :])
        for name in (shown.words, shown.bare, shown.main)
    )


_READINGS: tuple[Callable[[_Title, _Title], bool], ...] = (
    _whole,
    _without_year,
    _without_article,
    _by_a_name,
    _damaged,
    _truncated,
)


def _mended(text: str) -> str:
    """UTF-8 that was read as Latin-1, read again; what stays damaged is one mark each.

    >>> _mended("CafÃ©"), _mended("La Vita ï¿½ bella") == f"La Vita {DAMAGE} bella"
    ('Café', True)
    """
    if not text.isascii():
        with suppress(UnicodeError):  # then it was right as it stood
            text = text.encode("latin-1").decode("utf-8")
    return text.replace("ï¿½", DAMAGE)


def _article_first(title: str) -> str:
    """
    >>> _article_first("Lion King, The"), _article_first("Cup, The (Phorpa)")
    ('The Lion King', 'The Cup (Phorpa)')
    """
    found = _MOVED.match(title)
    if not found:
        return title
    article = found["article"]
    gap = "" if article.endswith("'") else " "
    return f"{article}{gap}{found['rest']}{found['more'] or ''}"


def _words(text: str) -> str:
    """Lower case, no accents, no apostrophes, other marks as one space, & as and."""
    text = unicodedata.normalize("NFKD", text.replace("&", " and ")).casefold()
    letters = (
        c if c.isalnum() or c == DAMAGE else "" if c in "'’`" or unicodedata.combining(c) else " "
        for c in text
    )
    return " ".join("".join(letters).split())
