"""Words searched for in what agents said: page and item reasons, feelings, interviews,
memories."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .index import Index
from .session_batches import SAID
from .session_index import ROWS, Rows, searchable, words

LONGEST, MOST = 200, 12
"""Characters and words of a question that are looked at."""

_START, _END = "\x02", "\x03"
_AROUND = 90
"""Characters beside a hit that are shown where there is no full-text search."""


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
    query = f"SELECT text, place, body FROM sayers WHERE text IN ({which})"
    found = index.connection.execute(query, given).fetchall()
    sizes = [len(body) // 4 for _, _, body in found]
    rows = np.frombuffer(b"".join(body for _, _, body in found), dtype=ROWS)
    text = np.repeat(np.array([text for text, _, _ in found], dtype=np.int64), sizes)
    place = np.repeat(np.array([place for _, place, _ in found], dtype=np.int64), sizes)
    return Hits(rows.astype(np.int64), text, place)


def shown(
    index: Index, visits: int, question: str, hits: Hits, rows: Sequence[int]
) -> dict[int, tuple[str, list[Part]]]:
    """By session: where the first hit stands, and the words around it."""
    near = np.flatnonzero(np.isin(hits.rows, np.array(rows, dtype=np.int64)))
    out: dict[int, tuple[str, list[Part]]] = {}
    for row in rows:
        mine = near[hits.rows[near] == row]
        if len(mine):
            first = mine[np.argmin(hits.place[mine])]
            out[row] = (
                SAID[hits.place[first]],
                _around(index, visits, question, int(hits.text[first])),
            )
    return out


def _around(index: Index, visits: int, question: str, text: int) -> list[Part]:
    terms = asked(question)
    if searchable(index):
        name = words(visits)
        query = (
            f"SELECT snippet({name}, 0, ?, ?, '…', 24) FROM {name} WHERE {name} MATCH ? "
            "AND rowid = ?"
        )
        row = index.connection.execute(query, (_START, _END, _match(terms), text)).fetchone()
        return _parts(str(row[0])) if row else []
    query = "SELECT text FROM texts WHERE id = ?"
    found = str(index.connection.execute(query, (text,)).fetchone()[0])
    any_term = re.compile("|".join(re.escape(term) for term, _ in terms), re.IGNORECASE)
    first = any_term.search(found)
    at = first.start() if first else 0
    start, stop = max(at - _AROUND, 0), at + _AROUND
    piece = any_term.sub(lambda hit: f"{_START}{hit[0]}{_END}", found[start:stop])
    return _parts("…" * (start > 0) + piece + "…" * (stop < len(found)))


def _parts(text: str) -> list[Part]:
    out = []
    for piece in text.split(_START):
        hit, end, rest = piece.partition(_END)
        out += [Part(hit, True), Part(rest, False)] if end else [Part(piece, False)]
    return [part for part in out if part.text]


def _match(terms: Sequence[tuple[str, bool]]) -> str:
    """Every term between quotation marks, so that nothing typed is a command of the search."""
    return " AND ".join(
        '"' + text.replace('"', '""') + '"' + ("" if phrase else " *") for text, phrase in terms
    )


def _escaped(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)
