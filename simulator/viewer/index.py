"""The viewer's own index of a store: what is dear to compute, in a SQLite file of its own.

Nothing in it is the only copy of anything: it can be thrown away at any time and is made
anew. It stands beside a store that is a file, else in the user's cache folder, so that
neither a store's tables nor whoever writes to them bears the cost of looking.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

LAYOUT = 1
"""Of the file's tables; another one is made anew."""

_DOCUMENTS = """
CREATE TABLE IF NOT EXISTS documents (
    run TEXT NOT NULL, kind TEXT NOT NULL, stamp TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (run, kind)
) WITHOUT ROWID
"""


class Index:
    """One file, used from any thread: each has a connection of its own."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._local = threading.local()
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise
            self._throw_away()
            self._prepare()

    def _throw_away(self) -> None:
        """A file that is cut off, or no index at all."""
        if (old := getattr(self._local, "connection", None)) is not None:
            old.close()
        self._local = threading.local()
        for end in ("", "-wal", "-shm"):
            self.file.with_name(f"{self.file.name}{end}").unlink(missing_ok=True)

    def _prepare(self) -> None:
        with self.writing() as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found not in (0, LAYOUT):
                tables = connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' "
                    "ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC"  # which take others with them
                )
                for (name,) in tables.fetchall():
                    if not name.startswith("sqlite_"):
                        connection.execute(f'DROP TABLE IF EXISTS "{name}"')
            connection.execute(f"PRAGMA user_version = {LAYOUT}")
            connection.execute(_DOCUMENTS)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's; outside :meth:`writing` every statement stands alone."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.file, timeout=30, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.DatabaseError:
                connection.close()
                raise
            connection.execute("PRAGMA synchronous = OFF")  # what is lost is made anew
            self._local.connection = connection
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing."""
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def document(self, run: str, kind: str, stamp: str) -> bytes | None:
        """What was kept under that name with that ``stamp``; None where nothing was, or the
        run has gone on since."""
        query = "SELECT body FROM documents WHERE run = ? AND kind = ? AND stamp = ?"
        row = self.connection.execute(query, (run, kind, stamp)).fetchone()
        return None if row is None else bytes(row[0])

    def keep(self, run: str, kind: str, stamp: str, body: bytes) -> None:
        """In place of what was kept under that name before."""
        with self.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)", (run, kind, stamp, body)
            )


def place(store: str) -> Path:
    """Where the index of a store belongs: ``store`` is its name, a URL without password."""
    url = sa.make_url(store)
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        path = Path(str(url.database))
        if os.access(path.parent, os.W_OK):
            return path.with_name(f"{path.name}.view")
    name = f"{hashlib.sha256(store.encode()).hexdigest()[:16]}.view"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "audition"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="audition-")) / name
    return cache / name
