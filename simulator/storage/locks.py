"""One process on a run at a time; a killed process leaves no lock behind.

SQLite file    the operating system's lock on a file beside the store, STORE.RUN.lock
PostgreSQL     an advisory lock of a session of its own
otherwise      within this process only (in memory there is no other)
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from filelock import FileLock, Timeout

from ..errors import InputError

_LONGEST_NAME = 120  # of a run within a file's name, for which 255 bytes are allowed

_PATIENCE = 3.0
"""Seconds in which PostgreSQL has noticed that a killed process is gone."""

_HELD: set[tuple[sa.Engine, str]] = set()


@contextmanager
def locked(engine: sa.Engine, store: str, run: str) -> Iterator[None]:
    """Hold a run of a store; InputError if somebody else does."""
    if engine.dialect.name == "postgresql":
        hold = _advisory(engine, run)
    elif engine.dialect.name == "sqlite" and engine.url.database not in (None, "", ":memory:"):
        hold = _file(Path(str(engine.url.database)), run)
    else:
        hold = _here(engine, run)
    if not next(hold):
        hold.close()
        raise InputError(
            store,
            key="run",
            found=f"{run!r} in use by another process",
            fix="wait until it has ended, or stop it",
        )
    try:
        yield
    finally:
        hold.close()


def held(engine: sa.Engine, run: str) -> bool:
    """Whether a process, this one or another, holds a run; also True where that cannot be
    known. Nothing is kept from whoever wants the run."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            return bool(connection.scalar(_HOLDS, {"key": _key(connection, run)}))
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        return (engine, run) in _HELD
    path = _path(Path(str(engine.url.database)), run)
    if not path.exists():
        return False
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError):
        return True
    lock.release()
    return False


def _path(database: Path, run: str) -> Path:
    name = quote(run, safe=" ")
    if len(name) > _LONGEST_NAME:
        name = hashlib.sha256(run.encode()).hexdigest()
    return database.with_name(f"{database.name}.{name}.lock")


def _file(database: Path, run: str) -> Generator[bool, None, None]:
    path = _path(database, run)
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise InputError(
            path, found=error.strerror or str(error), allowed="a file that can be locked"
        ) from error
    try:
        yield True
    finally:
        # Removed while it is held: whoever has just opened it sees that it is gone and
        # makes a new one. Windows removes it itself.
        if os.name == "posix":
            path.unlink(missing_ok=True)
        lock.release()


def _advisory(engine: sa.Engine, run: str) -> Generator[bool, None, None]:
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with connection:
        key = {"key": _key(connection, run)}
        deadline = time.monotonic() + _PATIENCE
        while not (got := connection.scalar(sa.text("SELECT pg_try_advisory_lock(:key)"), key)):
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        try:
            yield bool(got)
        finally:
            if got:
                connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), key)


def _key(connection: sa.Connection, run: str) -> int:
    where = "/".join(connection.execute(_WHERE).one())
    digest = hashlib.sha256(f"audition/{where}/{run}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


_WHERE = sa.text("SELECT current_database(), current_schema()")

_HOLDS = sa.text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND (classid::bigint << 32 | objid::bigint) = :key"
)
"""A key is kept as two unsigned halves."""


def _here(engine: sa.Engine, run: str) -> Generator[bool, None, None]:
    held = (engine, run)
    if held in _HELD:
        yield False
        return
    _HELD.add(held)
    try:
        yield True
    finally:
        _HELD.discard(held)
