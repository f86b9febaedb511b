"""Words searched for in what agents said: page and item reasons, feelings, interviews,
memories."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .index import Index
from .session_batches import SAID
from .session_index import ROWS, Rows, column, searchable, words

LONGEST, MOST = 200, 12
"""Characters and words of a question that are looked at."""

_AROUND = 90
"""Characters beside a hit that are shown."""

_ACCENTS = 20_000
"""Characters of a text in which words are looked for whose accents are other ones."""

_AT_ONCE = 500
"""Texts in one query."""


@dataclass(frozen=True)
class Part:
    """A piece of a text; ``hit``: it is what was searched for."""

    text: str
    hit: bool


@dataclass(frozen=True, eq=False)
class Hits:
    """``rows``: of each place where a text matched, the session; ``text``, ``place`` beside."""

    rows: Rows
    text: Rows
    place: Rows


def asked(question: str) -> list[tuple[str, bool]]:
    """Words and whether each is a phrase, as typed between quotation marks.

    >>> asked('boring "too long" *OR !')
    [('boring', False), ('too long', True), ('*OR', False)]
    """
    found = re.findall(r'"([^"]*)"?|([^\s"]+)', question[:LONGEST].replace("\0", " "))
    both = [(phrase or word, bool(phrase)) for phrase, word in found]
    return [(text, phrase) for text, phrase in both if re.search(r"[^\W_]", text)][:MOST]


def search(index: Index, visits: int, question: str) -> Hits:
    """Texts that hold every word, each as the beginning of one, and every phrase."""
    terms = asked(question)
    if not terms:
        nothing = np.zeros(0, dtype=np.int64)
        return Hits(nothing, nothing, nothing)
    if searchable(index):
        name = words(visits)
        which, given = f"SELECT rowid FROM {name} WHERE {name} MATCH ?", [_match(terms)]
    else:
        like = " AND ".join(["text LIKE ? ESCAPE '\\'"] * len(terms))
        which = f"SELECT id FROM texts WHERE visits = {int(visits)} AND {like}"
        given = [f"%{_escaped(text)}%" for text, _ in terms]
    found = index.connection.execute(which, given)
    return _said(index, visits, np.array([text for (text,) in found], dtype=np.int64))


def _said(index: Index, visits: int, texts: Rows) -> Hits:
    """Who said these texts."""
    first = np.searchsorted(column(index, visits, "text"), np.sort(texts))
    parts = [
        (column(index, visits, "text_row")[first], np.sort(texts),
         column(index, visits, "text_place")[first])
    ]  # fmt: skip
    query = "SELECT text FROM shared WHERE visits = ?"
    shared = [text for (text,) in index.connection.execute(query, (visits,))]
    again = np.intersect1d(texts, np.array(shared, dtype=np.int64)).tolist()
    for start in range(0, len(again), _AT_ONCE):
        some = again[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        query = f"SELECT text, place, body FROM sayers WHERE text IN ({marks})"
        for text, place, body in index.connection.execute(query, some):
            rows = np.frombuffer(body, dtype=ROWS)
            parts.append((rows, np.full(len(rows), text), np.full(len(rows), place)))
    rows, text, place = (np.concatenate(part).astype(np.int64) for part in zip(*parts, strict=True))
    return Hits(rows, text, place)


def shown(
    index: Index, visits: int, question: str, hits: Hits, rows: Sequence[int]
) -> dict[int, tuple[str, list[Part]]]:
    """By session: where the first hit stands, and the words around it."""
    terms = asked(question)
    near = np.flatnonzero(np.isin(hits.rows, np.array(rows, dtype=np.int64)))
    out: dict[int, tuple[str, list[Part]]] = {}
    for row in rows:
        mine = near[hits.rows[near] == row]
        if len(mine):
            first = mine[np.argmin(hits.place[mine])]
            out[row] = (
                SAID[hits.place[first]],
                _around(index, terms, int(hits.text[first])),
            )
    return out


def _around(index: Index, terms: Sequence[tuple[str, bool]], text: int) -> list[Part]:
    """The words of a text around the first hit."""
    query = "SELECT text FROM texts WHERE id = ?"
    found = str(index.connection.execute(query, (text,)).fetchone()[0])
    full = searchable(index)
    sought = re.compile("|".join(_pattern(*term, full) for term in terms), re.IGNORECASE)
    plain = found
    if not sought.search(found):
        plain = _without_accents(found)
    hit = sought.search(plain)
    at = hit.start() if hit else 0
    start, stop = max(at - _AROUND, 0), min(at + _AROUND, len(found))
    out, last = [Part("…", False)] * (start > 0), start
    for one in sought.finditer(plain, start, stop):
        out += [Part(found[last : one.start()], False), Part(found[one.start() : one.end()], True)]
        last = one.end()
    out += [Part(found[last:stop], False), *[Part("…", False)] * (stop < len(found))]
    return [part for part in out if part.text]


def _pattern(text: str, phrase: bool, full: bool) -> str:
    """What the search takes for a hit: whole words, of which the last may go on outside of a
    phrase; without full-text search the text wherever it stands."""
    if not full:
        return re.escape(text)
    words = re.findall(r"[^\W_]+", _without_accents(text))
    end = r"(?![^\W_])" if phrase else ""
    return r"(?<![^\W_])" + r"[\W_]+".join(map(re.escape, words)) + end


def _without_accents(text: str) -> str:
    """As long as the text."""
    return "".join(unicodedata.normalize("NFD", letter)[0] for letter in text[:_ACCENTS])


def _match(terms: Sequence[tuple[str, bool]]) -> str:
    """Every term between quotation marks, so that nothing typed is a command of the search."""
    return " AND ".join(
        '"' + text.replace('"', '""') + '"' + ("" if phrase else " *") for text, phrase in terms
    )


def _escaped(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)
