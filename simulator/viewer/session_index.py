"""The finished sessions of a run in the index: by column, by item watched, by word.

A session is one row, numbered as it came. Each column is kept in parts, an array of so many
rows in one blob: a filter or an order over hundreds of thousands of sessions then reads the few
columns it is about and works on arrays, which takes milliseconds, whatever is asked for, and
needs no index a question. What is looked up by a word or by an item is kept the other way
round, as the rows of each.

:func:`update` brings a run up to date, in the background (work.py): it reads only what has
ended since, and each batch is there as soon as it is read.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..evaluation.simulated import METRICS
from ..storage import queries
from ..storage.queries import Run
from ..storage.store import Store
from . import session_batches
from .index import Index
from .session_batches import SAID, Batch, Source
from .view import View

PART = 8_192
"""Rows in one part of a column, about: a smaller last part grows."""

PAUSE = 10.0
"""Seconds after which it is looked whether more sessions of a run that goes on have ended."""

FORMAT = 2
"""Of what is kept; part of what a run is known by, so that another is made anew."""

KINDS = {
    "arm_id": "<i4",
    "round": "<i2",
    "agent": "<i8",
    "activity": "i1",
    "diversity": "i1",
    "conformity": "i1",
    "exit_page": "<i2",
    "shown": "<i4",
    "watched": "<i4",
    "liked": "<i4",
    "satisfaction": "<f8",
    "return_intent": "<f8",
    "outcome": "<i2",
    "censored": "i1",
    "failed": "i1",
} | dict.fromkeys(METRICS, "<f8")
"""Every column with the type of its array. ``outcome`` is a number of the table outcomes; what
does not exist is NaN, and 0 for a trait."""

TEXTS = {"text": "<i8", "text_row": "<u4", "text_place": "i1"}
"""Beside them, of every text in ascending order: its number, and the first session that said it
and where. Who else said it is in the table sayers, of texts in the table shared: nearly all
texts of a chat model are said once."""

ROWS = "<u4"
"""Numbers of sessions."""

Rows = npt.NDArray[np.int64]

_TABLES = """
CREATE TABLE IF NOT EXISTS visits (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, identity TEXT NOT NULL,
    rows INTEGER NOT NULL, total INTEGER NOT NULL, stamp TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS visit_columns (
    visits INTEGER NOT NULL, name TEXT NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (visits, name, part)
);
CREATE TABLE IF NOT EXISTS outcomes (
    visits INTEGER NOT NULL, code INTEGER NOT NULL, outcome TEXT NOT NULL,
    PRIMARY KEY (visits, code)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS watchers (
    visits INTEGER NOT NULL, item INTEGER NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (visits, item, part)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS texts (
    id INTEGER PRIMARY KEY, visits INTEGER NOT NULL, digest BLOB NOT NULL, text TEXT NOT NULL,
    UNIQUE (visits, digest)
);
CREATE TABLE IF NOT EXISTS sayers (
    text INTEGER NOT NULL, place INTEGER NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (text, place, part)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shared (
    visits INTEGER NOT NULL, text INTEGER NOT NULL, PRIMARY KEY (visits, text)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Standing:
    """How much of a run is in the index: ``rows`` of ``total`` sessions that had ended when it
    was looked at last; ``stamp``: the run's own when all of it was there, else ""."""

    id: int
    rows: int
    total: int
    stamp: str


def prepare(index: Index) -> None:
    """The tables are there."""
    for statement in filter(str.strip, _TABLES.split(";")):
        index.connection.execute(statement)


def standing(index: Index, run: Run) -> Standing | None:
    """None where nothing of this run is there, or what is there is of another of its name."""
    query = "SELECT id, rows, total, stamp FROM visits WHERE run = ? AND identity = ?"
    try:
        row = index.connection.execute(query, (run.name, _identity(run))).fetchone()
    except sqlite3.OperationalError:  # no tables yet
        return None
    return None if row is None else Standing(*row)


def brought_up(view: View, run: Run) -> Standing | None:
    """How it stands; where it may have fallen behind, it is brought up to date meanwhile: behind
    a run that goes on, every few seconds."""
    now, mark = standing(view.index, run), stamp(run)
    if now is None or now.stamp != mark or not mark:
        pause = 0.0 if mark else PAUSE
        view.work.ask(job(run), f"{__name__}:update", run.name, pause=pause)
    return now


def job(run: Run) -> str:
    """What the work on a run goes by."""
    return f"sessions of {run.name}"


def stamp(run: Run) -> str:
    """Of a run that has ended; another one after it was resumed. Sessions never change."""
    return "" if run.status == "running" else f"{run.status} {run.finished_at}"


def update(store: Store, index: Index, run_name: str) -> None:
    """Read what is not there yet: the sessions that have ended since."""
    prepare(index)
    run = queries.run(store, run_name)
    mark = stamp(run) or "running"
    here = _begun(index, run)
    arms = [int(arm) for arm in queries.arms(store, run.name)["arm_id"]]
    total = session_batches.count(store, arms)
    index.connection.execute("UPDATE visits SET total = ? WHERE id = ?", (total, here.id))
    if total > here.rows:
        genres, scale = _genres(store, run.name), run.dataset.get("rating_scale", (1.0, 5.0))
        for arm in arms:
            source = Source(store, run.id, arm, genres, (float(scale[0]), float(scale[1])))
            wanted = _missing(index, here.id, arm, session_batches.keys(store, arm))
            for batch in session_batches.batches(source, wanted):
                _add(index, here.id, batch)
    if mark != "running":
        index.connection.execute("UPDATE visits SET stamp = ? WHERE id = ?", (mark, here.id))


def _identity(run: Run) -> str:
    known = [FORMAT, run.id, run.created_at, run.seed, run.identity, *KINDS]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def _genres(store: Store, run_name: str) -> tuple[tuple[str, ...], ...]:
    items = queries.items(store, run_name)
    out: list[tuple[str, ...]] = [()] * (int(items["item"].max()) + 1 if len(items) else 0)
    for item, names in zip(items["item"], items["genres"], strict=True):
        out[item] = tuple(names)
    return tuple(out)


def _begun(index: Index, run: Run) -> Standing:
    now = standing(index, run)
    if now is not None:
        return now
    with index.writing() as connection:
        for (old,) in connection.execute("SELECT id FROM visits WHERE run = ?", (run.name,)):
            _drop(connection, int(old))
        connection.execute(
            "INSERT INTO visits (run, identity, rows, total, stamp) VALUES (?, ?, 0, 0, '')",
            (run.name, _identity(run)),
        )
    begun = standing(index, run)
    assert begun is not None
    if searchable(index):
        index.connection.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {words(begun.id)} USING fts5(text, "
            "content = 'texts', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2')"
        )
    return begun


def _drop(connection: sqlite3.Connection, visits: int) -> None:
    connection.execute(f"DROP TABLE IF EXISTS {words(visits)}")
    mine = "SELECT id FROM texts WHERE visits = ?"
    connection.execute(f"DELETE FROM sayers WHERE text IN ({mine})", (visits,))
    for table in ("visit_columns", "outcomes", "watchers", "texts", "shared"):
        connection.execute(f"DELETE FROM {table} WHERE visits = ?", (visits,))
    connection.execute("DELETE FROM visits WHERE id = ?", (visits,))


def words(visits: int) -> str:
    """The full-text table of one run's texts."""
    return f"words_{int(visits)}"


def searchable(index: Index) -> bool:
    """Whether this SQLite has full-text search (FTS5)."""
    query = "SELECT 1 FROM pragma_module_list WHERE name = 'fts5'"
    return index.connection.execute(query).fetchone() is not None


def _missing(index: Index, visits: int, arm: int, ended: pd.DataFrame) -> pd.DataFrame:
    of_arm = column(index, visits, "arm_id") == arm
    agent, round_ = (column(index, visits, name)[of_arm] for name in ("agent", "round"))
    known = pd.MultiIndex.from_arrays([round_.astype(np.int64), agent])
    return ended[~pd.MultiIndex.from_frame(ended).isin(known)]


def column(index: Index, visits: int, name: str) -> npt.NDArray[np.generic]:
    """(rows,) one column of all that is there."""
    query = "SELECT body FROM visit_columns WHERE visits = ? AND name = ? ORDER BY part"
    bodies = index.connection.execute(query, (visits, name))
    return np.frombuffer(b"".join(body for (body,) in bodies), dtype=(KINDS | TEXTS)[name])


def _add(index: Index, visits: int, batch: Batch) -> None:
    """All of a batch or nothing of it."""
    with index.writing() as connection:
        query = "SELECT rows FROM visits WHERE id = ?"
        first = int(connection.execute(query, (visits,)).fetchone()[0])
        codes = _outcomes(connection, visits, batch.sessions["outcome"])
        _append(connection, visits, first, batch.sessions.assign(outcome=codes))
        _add_watchers(connection, visits, first, batch.watched)
        _add_texts(connection, visits, first, batch.said, searchable(index))
        connection.execute(
            "UPDATE visits SET rows = rows + ? WHERE id = ?", (len(batch.sessions), visits)
        )


def _outcomes(connection: sqlite3.Connection, visits: int, found: pd.Series) -> pd.Series:
    query = "SELECT outcome, code FROM outcomes WHERE visits = ?"
    known = {str(outcome): int(code) for outcome, code in connection.execute(query, (visits,))}
    for outcome in sorted(set(found) - known.keys()):
        known[outcome] = len(known)
        connection.execute(
            "INSERT INTO outcomes VALUES (?, ?, ?)", (visits, known[outcome], outcome)
        )
    return found.map(known)


def _append(
    connection: sqlite3.Connection, visits: int, first: int, sessions: pd.DataFrame
) -> None:
    for name, kind in KINDS.items():
        values = sessions[name]
        if not kind.endswith("f8"):
            values = values.fillna(0)
        _grow(connection, visits, name, first, values.to_numpy().astype(kind).tobytes())


def _grow(connection: sqlite3.Connection, visits: int, name: str, first: int, body: bytes) -> None:
    """Longer by what came with session ``first``; the last part grows until it is full."""
    query = "SELECT max(part) FROM visit_columns WHERE visits = ? AND name = ?"
    last = connection.execute(query, (visits, name)).fetchone()[0]
    part = first if last is None or first - last >= PART else int(last)
    if part < first:
        query = "SELECT body FROM visit_columns WHERE visits = ? AND name = ? AND part = ?"
        body = connection.execute(query, (visits, name, part)).fetchone()[0] + body
    connection.execute(
        "INSERT OR REPLACE INTO visit_columns VALUES (?, ?, ?, ?)", (visits, name, part, body)
    )


def _add_watchers(
    connection: sqlite3.Connection, visits: int, first: int, watched: pd.DataFrame
) -> None:
    connection.executemany(
        "INSERT INTO watchers VALUES (?, ?, ?, ?)",
        (
            (visits, item, first, _rows(first, rows))
            for item, rows in _grouped(watched["row"], watched["item"])
        ),
    )


def _add_texts(
    connection: sqlite3.Connection, visits: int, first: int, said: pd.DataFrame, full: bool
) -> None:
    last = connection.execute("SELECT max(id) FROM texts").fetchone()[0] or 0
    known = _known(connection, visits, said["text"].unique(), full)
    found = said.assign(text=said["text"].map(known).astype("int64"))
    new = ~found["text"].duplicated() & (found["text"] > last)
    firsts = found[new].sort_values("text")
    for name, values in (
        ("text", firsts["text"]),
        ("text_row", firsts["row"] + first),
        ("text_place", firsts["where"]),
    ):
        _grow(connection, visits, name, first, values.to_numpy().astype(TEXTS[name]).tobytes())
    others = found[~new]
    connection.executemany(
        "INSERT OR IGNORE INTO shared VALUES (?, ?)",
        ((visits, int(text)) for text in others["text"].unique()),
    )
    connection.executemany(
        "INSERT INTO sayers VALUES (?, ?, ?, ?)",
        (
            (text, place, first, _rows(first, rows))
            for place in range(len(SAID))
            for text, rows in _grouped(
                others["row"][others["where"] == place], others["text"][others["where"] == place]
            )
        ),
    )


def _known(
    connection: sqlite3.Connection, visits: int, texts: Iterable[str], full: bool
) -> dict[str, int]:
    """The number of each text; what is new becomes known."""
    query = "SELECT id FROM texts WHERE visits = ? AND digest = ?"
    out: dict[str, int] = {}
    for text in texts:
        clean = text.encode("utf-8", "replace").decode()
        digest = hashlib.blake2b(clean.encode(), digest_size=16).digest()
        row = connection.execute(query, (visits, digest)).fetchone()
        if row is None:
            add = "INSERT INTO texts (visits, digest, text) VALUES (?, ?, ?) RETURNING id"
            row = connection.execute(add, (visits, digest, clean)).fetchone()
            if full:
                add = f"INSERT INTO {words(visits)} (rowid, text) VALUES (?, ?)"
                connection.execute(add, (row[0], clean))
        out[text] = int(row[0])
    return out


def _grouped(rows: pd.Series, by: pd.Series) -> Iterator[tuple[int, Rows]]:
    """The rows of each number, numbers ascending."""
    order = np.argsort(by.to_numpy(), kind="stable")
    numbers, starts = np.unique(by.to_numpy()[order], return_index=True)
    for number, mine in zip(numbers, np.split(rows.to_numpy()[order], starts[1:]), strict=False):
        yield int(number), mine  # of no rows there is one empty part


def _rows(first: int, rows: Rows) -> bytes:
    return (rows + first).astype(ROWS).tobytes()
