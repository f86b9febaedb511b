"""Looking: what can be named, what is in a store, one agent, a browser, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import InputError
from .options import STORE, JsonOption, RunArgument, StoreOption
from .shared import open_store, tell


def list_(
    what: Annotated[
        Literal["recommenders", "metrics", "datasets", "response-models"],
        typer.Argument(metavar="WHAT", help="recommenders, metrics, datasets or response-models"),
    ],
    as_json: JsonOption = False,
) -> None:
    """What can be named in a scenario, with settings and defaults."""
    from ..catalogue import listing, render

    entries = listing(what)
    typer.echo(json.dumps(entries, indent=2) if as_json else render(entries))


def runs(store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """The runs in a store."""
    from ..report import terminal
    from ..storage import queries

    with open_store(store, must_exist=True) as opened:
        frame = queries.runs(opened)
    if as_json:
        typer.echo(frame.to_json(orient="records", indent=2, date_format="iso"))
    else:
        tell(terminal.runs_table(frame))


def show(run: RunArgument, store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """One run: settings, status, failures, cost, and its tables."""
    from ..evaluation.summary import summarise
    from ..report import terminal

    with open_store(store, must_exist=True) as opened:
        summary = summarise(opened, run)
    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        for block in terminal.run_page(summary):
            tell(block)


def transcript(
    run: RunArgument,
    agent: Annotated[int, typer.Option("--agent", metavar="ID", help="The agent's number.")],
    arm: Annotated[str | None, typer.Option("--arm", help="One arm only.")] = None,
    page: Annotated[int | None, typer.Option("--page", min=1, help="One page only.")] = None,
    store: StoreOption = STORE,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also every call: prompt, reply, cost, what failed.")
    ] = False,
    pager: Annotated[
        bool, typer.Option("--pager/--no-pager", help="At a terminal, page by page.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """One agent's whole visit: what it saw, thought, watched, rated, and why it left."""
    from .. import explain, paging, transcript_calls
    from .. import transcript as writer

    with open_store(store, must_exist=True) as opened:
        document = writer.transcript(opened, run, agent, arm)
        if page is not None:
            document = writer.only(document, page)
        if verbose:
            document["calls"] = transcript_calls.calls_of(opened, run, agent, arm, page=page)
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    parts = [writer.render(document)]
    if verbose:
        parts.append(explain.render(document["calls"]))
    paging.show(parts, pager=pager)


def view(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Open at this run; all runs without it.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="0: any free one.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; beyond this machine with a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="AUDITION_VIEW_TOKEN", help="Instead of a drawn one."),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="DIR", help="Write a copy of RUN as files, for sharing."),
    ] = None,
    agents: Annotated[
        int | None, typer.Option("--agents", min=0, help="In the copy; 50 without it.")
    ] = None,
    agent: Annotated[
        list[int] | None,
        typer.Option("--agent", metavar="ID", help="In the copy, only this one; may be repeated."),
    ] = None,
    with_calls: Annotated[
        bool, typer.Option("--with-calls", help="In the copy, also prompts and replies.")
    ] = False,
    store: StoreOption = STORE,
) -> None:
    """Look inside in a browser: runs, agents page by page, two arms side by side."""
    from ..evaluation.study import read

    if bundle is None and (agents is not None or agent or with_calls):
        given = "--agents" if agents is not None else "--agent" if agent else "--with-calls"
        raise InputError(given, found="no --bundle", allowed="beside --bundle DIR")
    if bundle is not None:
        _bundle(store, run, bundle, agents, agent or [], with_calls)
        return
    from ..viewer.serve import serve

    with open_store(store, must_exist=True) as opened:
        start = "" if run is None else f"/runs/{read(opened, run).name}"
        serve(opened, host=host, port=port, token=token, start=start)


def _bundle(
    store: str, run: str | None, to: Path, count: int | None, agents: list[int], calls: bool
) -> None:
    """The static copy of a run."""
    from ..viewer import bundle
    from ..viewer.index import Index, place

    if run is None:
        raise InputError("--bundle", found="no RUN", allowed="audition view RUN --bundle DIR")
    if count is not None and agents:
        raise InputError("--agents", found="--agent too", allowed="one of them")
    with open_store(store, must_exist=True) as opened:
        made = bundle.write(
            opened,
            Index(place(opened.name)),
            run,
            to,
            count=bundle.AGENTS if count is None else count,
            agents=agents,
            calls=calls,
        )
    typer.echo(made.line)


def export(
    run: RunArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder to write to.")],
    format_: Annotated[
        Literal["parquet", "csv"], typer.Option("--format", help="parquet or csv")
    ] = "parquet",
    store: StoreOption = STORE,
) -> None:
    """Tidy frames of a run: sessions, exposures, interviews, calls and more."""
    from ..storage.export import export as write_frames

    with open_store(store, must_exist=True) as opened:
        written = write_frames(opened, run, to, format_)
    for path in written:
        typer.echo(str(path))
