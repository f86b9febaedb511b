"""A PostgreSQL server of the tests' own: fixtures ``postgres_server`` and ``postgres``.

It listens on a socket in a temporary folder only, so that it needs no port and no password.
PostgreSQL refuses to run as root; the tests of root run it as another user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

_USERS = ("postgres", "nobody")
_OWN = "audition"
_INIT = ("-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB")
_NUMBERS = count(1)
_START_SECONDS = 60


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[sa.URL]:
    """The address of a running server, without a database; skips where there can be none."""
    with server() as url:
        yield url


@contextmanager
def server() -> Iterator[sa.URL]:
    """The same for a use outside of pytest, whose skips and failures are exceptions too."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'audition[postgres]'")
    missing = [name for name in ("initdb", "postgres") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs PostgreSQL's {' and '.join(missing)} on the PATH")
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix="audition-pg-"))
    try:
        if owner:
            os.chown(folder, owner["user"], owner["group"])
        yield from _served(folder, owner)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres(postgres_server: sa.URL) -> Iterator[str]:
    """The URL of an empty database."""
    with database(postgres_server) as url:
        yield url


@contextmanager
def database(server_url: sa.URL) -> Iterator[str]:
    """The URL of an empty database, dropped in the end."""
    name = f"test_{next(_NUMBERS)}"
    _run(server_url, f"CREATE DATABASE {name}")
    yield server_url.set(database=name).render_as_string(hide_password=False)
    _run(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _owner() -> dict[str, Any]:
    """Arguments of a subprocess that must not be root's."""
    if os.geteuid() != 0:
        return {}
    for name in _USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return pytest.skip(f"PostgreSQL does not run as root, and there is no {' or '.join(_USERS)}")


def _served(folder: Path, owner: dict[str, Any]) -> Iterator[sa.URL]:
    data, said = folder / "data", {"stdin": subprocess.DEVNULL, "cwd": folder, **owner}
    made = subprocess.run(
        ["initdb", "-D", str(data), "-U", _OWN, *_INIT],
        capture_output=True,
        text=True,
        check=False,
        **said,
    )
    if made.returncode:
        pytest.fail(f"initdb: {made.stderr}")
    settings = [part for s in _QUICK for part in ("-c", s)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["postgres", "-D", str(data), "-k", str(folder), "-h", "", *settings],
            stdout=log,
            stderr=log,
            **said,
        )
    url = sa.URL.create(
        "postgresql+psycopg", _OWN, database="postgres", query={"host": str(folder)}
    )
    try:
        _wait(url, process, folder / "log")
        yield url
    finally:
        process.send_signal(signal.SIGINT)  # disconnects everybody and stops
        try:
            process.wait(_START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: sa.URL, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return _run(url, "SELECT 1")
        except sa.exc.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start:\n{log.read_text()}")
            time.sleep(0.05)


def _run(url: sa.URL, sql: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(sql)
    engine.dispose()
