"""Opening a store: the engine, its settings, the revision of its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ..errors import InputError
from . import tables
from .bulk import PLACEHOLDERS
from .migrations import HEAD, REVISIONS
from .plain import to_json

WRITES = "audition_writes"
"""Execution option of connections that write: SQLite takes the write lock at once, so
that a second process waits instead of failing halfway."""

_BUSY_SECONDS = 30


def parse(where: str | Path) -> sa.URL:
    """A path of a SQLite file, or any SQLAlchemy URL."""
    text = str(where)
    if isinstance(where, Path) or "://" not in text:
        return sa.URL.create("sqlite", database=text)
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):  # the text may hold a password: not repeated
        raise InputError(
            "--store", found="no URL", allowed="a path or driver://user@host/database"
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def connect(url: sa.URL, *, create: bool) -> sa.Engine:
    """An engine on a database whose tables are current.

    Raises InputError if it cannot be opened, holds something else or is newer than this
    code; with ``create`` False also if it is not there.
    """
    name = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        _check_file(Path(str(url.database)), create=create)
        name = str(url.database)
    engine = _engine(url, name)
    try:
        _make_current(engine, name, create=create)
    except DBAPIError as error:
        engine.dispose()
        raise InputError(
            name, found=first_line(error), fix="check the path or URL given by --store"
        ) from error
    except InputError:
        engine.dispose()
        raise
    return engine


def first_line(error: DBAPIError) -> str:
    """What the database itself said, without the statement."""
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else repr(error.orig)


def _check_file(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise InputError(path, found="a folder", allowed="a file for the store")
    if not create and not path.exists():
        raise InputError(path, found="no store", fix="run a scenario first or give --store")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            path, found=error.strerror or str(error), fix="choose a writable place"
        ) from error


def _engine(url: sa.URL, name: str) -> sa.Engine:
    settings: dict[str, Any] = {"json_serializer": to_json}
    if url.get_backend_name() == "sqlite":
        settings["connect_args"] = {"timeout": _BUSY_SECONDS}
        if url.database in (None, "", ":memory:"):
            # Every use must meet the same memory, and two threads must not meet in it: one
            # connection, lent to one user at a time.
            settings |= {"poolclass": sa.QueuePool, "pool_size": 1, "max_overflow": 0}
            settings["connect_args"]["check_same_thread"] = False
    try:
        engine = sa.create_engine(url, **settings)
    except NoSuchModuleError as error:
        raise InputError(
            name, found=f"no database called {url.drivername}", allowed="sqlite, postgresql, ..."
        ) from error
    except ImportError as error:
        raise InputError(
            name,
            found=f"the driver {error.name} is not installed",
            fix="pip install 'audition[postgres]'",
        ) from error
    if engine.dialect.paramstyle not in PLACEHOLDERS:
        raise InputError(
            name, found=f"the driver {url.drivername}", allowed="one with positional parameters"
        )
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where we say so, DDL included
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_current(engine: sa.Engine, name: str, *, create: bool) -> None:
    """Bring the tables to :data:`HEAD`; a current store costs one query."""
    with engine.connect() as connection:
        revision = _revision(connection, name)
    if revision == HEAD:
        return
    if revision is not None and revision not in REVISIONS:
        raise InputError(
            name,
            key="revision",
            found=revision,
            allowed=f"up to {HEAD}",
            fix="the store was written by a newer Audition: upgrade, or choose another --store",
        )
    if revision is None and not create:
        raise InputError(name, found="no store", fix="run a scenario first or give --store")
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        if _revision(connection, name) != HEAD:  # another process may have been faster
            _upgrade(connection)


def _revision(connection: sa.Connection, name: str) -> str | None:
    there = sa.inspect(connection).get_table_names()
    if "alembic_version" not in there:
        if tables.metadata.tables.keys() & set(there):
            raise InputError(
                name,
                found="tables of another program",
                fix="choose another --store",
            )
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


def _upgrade(connection: sa.Connection) -> None:
    # Imported late: half a second, and only a new or an old store needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
