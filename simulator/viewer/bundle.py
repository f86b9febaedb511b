"""``audition view RUN --bundle DIR``: a copy of a run's pages as files, for sharing.

The viewer itself is asked for each page, with addresses that are files: beginning at the run's
page, every link is followed that leads to something the copy holds; any other leads to the page
that says what was left out. Nothing in it asks anybody for anything.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from ..errors import InputError
from ..storage import person_notes, queries, tables, visits
from ..storage.queries import Run
from ..storage.store import Store
from . import session_index, summaries
from .app import create_app
from .bundle_plan import LEFT_OUT, Plan
from .index import Index
from .links import Links
from .view import STATIC, View

AGENTS = 50
"""How many agents a copy holds where nothing else is asked for."""


@dataclass
class Copied(Links):
    """Addresses within a copy, as they are from the page ``here``. What is linked is wanted."""

    plan: Plan
    here: str = ""
    wanted: dict[str, str] = field(default_factory=dict)
    missed: set[str] = field(default_factory=set)
    live = False

    def __post_init__(self) -> None:
        self.calls, self.control = self.plan.calls, self.plan.control

    def static(self, file: str) -> str:
        return self._from_here(f"static/{file}")

    def runs(self) -> str:
        return self._from_here("index.html")

    def left_out(self) -> str:
        return self._from_here(LEFT_OUT)

    def at(self, path: str, query: Mapping[str, object]) -> str:
        file = self.plan.file(path, query)
        address = super().at(path, query)
        if file is None:
            self.missed.add(address)
            return self._from_here(LEFT_OUT)
        self.wanted.setdefault(file, address)
        return self._from_here(file)

    def _from_here(self, file: str) -> str:
        return posixpath.relpath(file, posixpath.dirname(self.here) or ".")


@dataclass(frozen=True)
class Bundle:
    """What was written: ``folder``, how many ``files``, ``agents`` of how many in the run."""

    folder: Path
    files: int
    agents: int
    of: int
    calls: bool

    @property
    def line(self) -> str:
        """In a sentence."""
        who = f"{self.agents:,} of {self.of:,} agents" if self.agents < self.of else "all agents"
        rest = "" if self.calls else ", without prompts and replies (--with-calls)"
        return f"{self.folder / 'index.html'}: {self.files:,} files, {who} page by page{rest}"


def write(
    store: Store,
    index: Index,
    run_name: str,
    to: Path,
    *,
    count: int = AGENTS,
    agents: Sequence[int] = (),
    calls: bool = False,
) -> Bundle:
    """Write the copy of a run into the folder ``to``, all of it or nothing: ``agents``, or
    else ``count`` of them, those with notes first. ``calls``: with prompts and replies.

    InputError for an unknown run or agent, a family, or a folder that holds something.
    """
    run = _run(store, run_name)
    for agent in agents:
        visits.agent(store, run, agent)  # refuses an unknown one
    _check(to)
    chosen = list(dict.fromkeys(agents)) or _chosen(store, run, count)
    beside = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        beside.mkdir(parents=True)
        files, of = _fill(View(store, index), run, chosen, beside, calls=calls)
        if to.exists():
            to.rmdir()
        beside.replace(to)
    except OSError as error:
        raise InputError(
            "--bundle", found=f"{to} ({error.strerror or error})", allowed="a writable folder"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Bundle(to, files, len(chosen), of, calls)


def _run(store: Store, name: str) -> Run:
    members = queries.family(store, name)
    if members:
        names = ", ".join(member.name for member in members)
        raise InputError(
            "--bundle", found=f"{name!r}, a family", allowed=f"one of its runs: {names}"
        )
    return queries.run(store, name)


def _check(to: Path) -> None:
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        what = "with something in it" if to.is_dir() else "no folder"
        raise InputError("--bundle", found=f"{to}, {what}", allowed="a new or an empty folder")


def _chosen(store: Store, run: Run, count: int) -> list[int]:
    """Those whom notes are about, the latest first, then by number."""
    noted = [note.agent for note in person_notes.listed(store, run.name)]
    t = tables.agents.c
    query = sa.select(t.agent).where(t.run_id == run.id).order_by(t.agent).limit(count + len(noted))
    with store.engine.connect() as connection:
        every = [int(agent) for agent in connection.scalars(query)]
    return list(dict.fromkeys([*noted, *every]))[:count]


def _fill(
    view: View, run: Run, agents: Sequence[int], folder: Path, *, calls: bool
) -> tuple[int, int]:
    """Every file of the copy; returns how many, and how many agents the run has."""
    if run.status != "running":
        summaries.make(view.store, view.index, run.name)
    session_index.update(view.store, view.index, run.name)
    arms = queries.arms(view.store, run.name)
    control = arms["arm"][arms["is_control"]].astype(str).tolist()
    plan = Plan(run.name, list(arms["arm"]), control[0] if control else "", set(agents), calls)
    links = Copied(plan)
    view = View(view.store, view.index, links)
    try:
        files = asyncio.run(_follow(view))
    finally:
        view.work.close()
    shutil.copytree(STATIC, folder / "static", ignore=shutil.ignore_patterns("*htmx*"))
    t = tables.agents
    with view.store.engine.connect() as connection:
        count = sa.select(sa.func.count()).select_from(t).where(t.c.run_id == run.id)
        of = int(connection.execute(count).scalar_one())
    told = {"run": {"name": run.name, "status": run.status}, "here": "", "calls": calls}
    told |= {"agents": len(agents), "of": of, "sheets": plan.sheets_left(links.missed)}
    for file in (LEFT_OUT, *(file for file, body in files.items() if body is None)):
        links.here = file
        files[file] = view.render("left_out.html.j2", told).encode() if _page(file) else None
    for file, body in files.items():
        if body is not None:
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
    return sum(1 for path in folder.rglob("*") if path.is_file()), of


def _page(file: str) -> bool:
    return file.endswith(".html")


async def _follow(view: View) -> dict[str, bytes | None]:
    """By file what the viewer answers, from the run's page on; None where there is nothing."""
    app, links = create_app(view).app, view.links
    assert isinstance(links, Copied)
    links.at(links.plan.root, {})
    done: dict[str, bytes | None] = {}
    while waiting := [file for file in links.wanted if file not in done]:
        for file in waiting:
            links.here = file
            done[file] = await _ask(app, links.wanted[file])
    return done


async def _ask(app: Any, address: str) -> bytes | None:
    """What an application answers to GET; None for anything but a page."""
    path, _, query = address.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")],
        "client": None,
        "server": ("127.0.0.1", 80),
    }
    status, body = 0, bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        body.extend(message.get("body", b""))

    await app(scope, receive, send)
    return bytes(body) if status == 200 else None
