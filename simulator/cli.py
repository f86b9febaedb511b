"""The command ``audition``. Heavy imports happen inside the commands, so that help is quick.

Exit codes: 0 done, 1 the run failed, 2 usage or bad input, 3 stopped by a budget,
130 interrupted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .errors import AuditionError, InputError

if TYPE_CHECKING:
    from .progress import Progress
    from .scenario import Scenario
    from .storage.store import Store
    from .world import World

app = typer.Typer(
    name="audition",
    help="Recommenders audition before a simulated audience before they go live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# The exception above typer.BadParameter that every usage error is; typer exports no name for it.
_USAGE: Any = typer.BadParameter.__mro__[1]

INTERRUPTED = 130
OUT = Path("runs")
STORE = "runs/audition.db"

ScenarioArgument = Annotated[
    Path, typer.Argument(metavar="SCENARIO", help="A scenario file, or the name of one that ships.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Override one key of the scenario."),
]
StoreOption = Annotated[
    str, typer.Option("--store", metavar="URL", help="SQLite file or SQLAlchemy URL.")
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", help="Say what became of each call that did not go well.")
]
AgentsOption = Annotated[int | None, typer.Option("--agents", min=1, help="Size of the audience.")]


@app.command()
def run(
    scenario: ScenarioArgument,
    overrides: SetOption = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where reports go.")] = OUT,
    store: StoreOption = STORE,
    name: Annotated[
        str | None, typer.Option("--name", metavar="RUN", help="Name of the run.")
    ] = None,
    agents: AgentsOption = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Keep all calls in a file.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="FILE", help="Take all replies from a recording."),
    ] = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the arms, simulate, evaluate and write a report."""
    from .progress import Progress
    from .scenario import load

    files = {"record": record, "replay": replay}
    given = [f"{key}={json.dumps(str(file))}" for key, file in files.items() if file is not None]
    chosen = load(scenario, [*_with_agents(overrides, agents), *given])
    _find_own_code(scenario)
    _check_name(name)
    progress = Progress(verbose=verbose)
    _make_folder(out)
    with _open(store) as opened:
        finished = _play(chosen, str(scenario), opened, name, out, progress)
        _report(opened, finished, out, progress, as_json=as_json)


@app.command()
def resume(
    run: RunArgument,
    overrides: SetOption = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where reports go.")] = OUT,
    store: StoreOption = STORE,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go on where a stopped run was; what is finished is neither asked nor trained again."""
    from .family import resume as go_on
    from .family import scenario_file
    from .progress import Progress

    progress = Progress(verbose=verbose)
    _make_folder(out)
    with _open(store, must_exist=True) as opened:
        _find_own_code(Path(scenario_file(opened, run)))
        finished = go_on(
            run,
            opened,
            overrides=overrides or [],
            checkpoints=out / "checkpoints",
            progress=progress,
            on_member=lambda member: _member_report(opened, member, out, progress),
        )
        _report(opened, finished, out, progress, as_json=as_json)


@app.command()
def validate(scenario: ScenarioArgument, overrides: SetOption = None) -> None:
    """Check a scenario and what it needs; runs nothing."""
    from .family import members
    from .scenario import load
    from .world import build

    chosen = load(scenario, overrides or [])
    _find_own_code(scenario)
    world, runs = build(chosen, str(scenario)), len(members(chosen))
    several = f"; {runs} runs: {_worlds(chosen)}" if runs > 1 else ""
    typer.echo(
        f"{scenario}: valid; {world.dataset.n_users:,} users, {world.dataset.n_items:,} items, "
        f"{len(world.dataset.interactions):,} interactions, {len(world.audience):,} agents, "
        f"{len(chosen.arms)} arms: {', '.join(arm.name for arm in chosen.arms)}{several}"
    )


@app.command()
def audit(
    scenario: ScenarioArgument,
    overrides: SetOption = None,
    agents: AgentsOption = None,
    repeats: Annotated[
        int, typer.Option("--repeats", min=20, help="Of an arm against itself, other draws.")
    ] = 200,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the page goes.")] = OUT,
    store: StoreOption = STORE,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Controls: can this audience be trusted for this question?"""
    from .audit import command
    from .progress import Progress
    from .scenario import load

    chosen = load(scenario, _with_agents(overrides, agents))
    _find_own_code(scenario)
    _make_folder(out)
    with _open(store) as opened:
        code = command.run(
            chosen,
            str(scenario),
            opened,
            out,
            repeats=repeats,
            progress=Progress(verbose=verbose),
            as_json=as_json,
        )
    raise typer.Exit(code)


@app.command()
def fidelity(
    scenario: ScenarioArgument,
    overrides: SetOption = None,
    agents: AgentsOption = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the page goes.")] = OUT,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """What the audience shares with real users and with language-model agents."""
    from .fidelity import command
    from .grounding import without
    from .progress import Progress
    from .scenario import load
    from .world import build

    chosen = load(scenario, _with_agents(overrides, agents))
    _find_own_code(scenario)
    _make_folder(out)
    progress = Progress()
    world = without(build(chosen, str(scenario)), progress.say, "fidelity")
    world = _embedded(world, store, progress)
    command.run(world, out, progress, as_json=as_json)


@app.command()
def calibrate(
    scenario: ScenarioArgument,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The preset to write (.yaml).")
    ],
    to: Annotated[
        Literal["llm-run", "ratings"],
        typer.Option("--to", help="llm-run (a published run's answers) or ratings (people's)"),
    ] = "ratings",
    share: Annotated[
        float | None,
        typer.Option("--fit-share", metavar="P", help="Of the agents; the others are scored."),
    ] = None,
    overrides: SetOption = None,
    agents: AgentsOption = None,
    store: StoreOption = STORE,
) -> None:
    """Fit the behavioural model's settings; scored on agents it was not fitted on."""
    from .calibration import command
    from .grounding import without
    from .progress import Progress
    from .scenario import load
    from .world import build

    if out.suffix not in (".yaml", ".yml"):
        raise InputError("--out", found=str(out), allowed="a file that ends in .yaml")
    chosen = load(scenario, _with_agents(overrides, agents))
    _find_own_code(scenario)
    progress = Progress()
    world = without(build(chosen, str(scenario)), progress.say, "calibration")
    world = _embedded(world, store, progress)
    typer.echo(command.run(world, to, out, progress, share))


@app.command()
def plan(
    scenario: ScenarioArgument,
    overrides: SetOption = None,
    agents: AgentsOption = None,
    pages: Annotated[
        float | None,
        typer.Option("--pages", metavar="N", help="Pages a session, on average."),
    ] = None,
    latency: Annotated[
        float, typer.Option("--latency", min=0.001, metavar="SECONDS", help="Of one call.")
    ] = 2.0,
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="Of the run or pilot, and of known replies."),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN", help="A stored run that tells how agents vary."),
    ] = None,
    pilot: Annotated[
        int | None,
        typer.Option("--pilot", metavar="N", help="Run N agents first; a chat model costs money."),
    ] = None,
    cheap: Annotated[
        str | None,
        typer.Option("--with", metavar="RUN", help="Beside a run of more, cheaper agents."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Default: evaluation.primary.")
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option("--difference", metavar="D", help="To be found, in the metric's units."),
    ] = None,
    power: Annotated[
        float, typer.Option("--power", metavar="P", help="The share of runs that find it.")
    ] = 0.8,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A pilot's checkpoints.")] = OUT,
    as_json: JsonOption = False,
) -> None:
    """Calls, tokens, cost and time of a scenario, and the agents a difference needs."""
    from contextlib import nullcontext

    from .evaluation import study
    from .planning import pilot as trial
    from .planning import plan as planner
    from .planning.wanted import Wanted
    from .progress import Progress
    from .scenario import load
    from .world import build

    if from_ is not None and pilot is not None:
        raise InputError("--pilot", found="--from too", allowed="one of them")
    if cheap is not None and from_ is None and pilot is None:
        raise InputError("--with", found="alone", allowed="beside --from RUN or --pilot N")
    chosen = load(scenario, _with_agents(overrides, agents))
    _find_own_code(scenario)
    wanted = Wanted.of(chosen, metric, difference, power)
    browsing = planner.browsing(chosen, pages)
    world, needs_store = build(chosen, str(scenario)), from_ is not None or pilot is not None
    url = STORE if store is None and needs_store else store
    with nullcontext() if url is None else _open(url, must_exist=pilot is None) as opened:
        known = from_
        if pilot is not None and opened is not None:
            known = trial.run(
                chosen,
                str(scenario),
                opened,
                pilot,
                browsing=browsing,
                latency=latency,
                checkpoints=out / "checkpoints",
                progress=Progress(),
            )
        document = planner.plan(
            world,
            pages=pages,
            latency=latency,
            store=opened,
            wanted=wanted,
            study=study.read(opened, known) if opened is not None and known is not None else None,
            cheap=study.read(opened, cheap) if opened is not None and cheap is not None else None,
        )
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print(planner.render(document))


@app.command()
def profiles(
    scenario: ScenarioArgument,
    overrides: SetOption = None,
    agents: AgentsOption = None,
    store: StoreOption = STORE,
) -> None:
    """Let the scenario's chat model write its users' tastes; runs then use them."""
    from . import profiles as writer
    from .progress import Progress
    from .scenario import load
    from .world import build

    chosen = load(scenario, _with_agents(overrides, agents))
    _find_own_code(scenario)
    world = build(chosen, str(scenario))
    with _open(store) as opened:
        typer.echo(writer.write(world, opened, Progress()).line)
    if chosen.agents.profiles != "chat":
        typer.echo("a run uses them with agents.profiles: chat")


@app.command(name="list")
def list_(
    what: Annotated[
        Literal["recommenders", "metrics", "datasets", "response-models"],
        typer.Argument(metavar="WHAT", help="recommenders, metrics, datasets or response-models"),
    ],
    as_json: JsonOption = False,
) -> None:
    """What can be named in a scenario, with settings and defaults."""
    from .catalogue import listing, render

    entries = listing(what)
    typer.echo(json.dumps(entries, indent=2) if as_json else render(entries))


@app.command()
def runs(store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """The runs in a store."""
    from .report import terminal
    from .storage import queries

    with _open(store, must_exist=True) as opened:
        frame = queries.runs(opened)
    if as_json:
        typer.echo(frame.to_json(orient="records", indent=2, date_format="iso"))
    else:
        _print(terminal.runs_table(frame))


@app.command()
def show(run: RunArgument, store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """One run: settings, status, failures, cost, and its tables."""
    from .evaluation.summary import summarise
    from .report import terminal

    with _open(store, must_exist=True) as opened:
        summary = summarise(opened, run)
    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        for block in terminal.run_page(summary):
            _print(block)


@app.command()
def compare(
    what: Annotated[
        str, typer.Argument(metavar="SCENARIO|RUN", help="A run's name, or a scenario.")
    ],
    control: Annotated[
        str | None, typer.Option("--control", metavar="ARM", help="Instead of the scenario's.")
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="Only this one; may be repeated."),
    ] = None,
    slices: Annotated[
        bool, typer.Option("--slices", help="Also parts of the audience; exploratory.")
    ] = False,
    cheap: Annotated[
        str | None,
        typer.Option("--with", metavar="RUN", help="Sharpened by a run of more, cheaper agents."),
    ] = None,
    overrides: SetOption = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where reports go.")] = OUT,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Arms against the control: health, verdicts, and what could not have been seen. A
    scenario that was not run yet is run first."""
    from . import comparing
    from .progress import Progress
    from .report import terminal_ab, two_audiences_page

    given = overrides or []
    comparing.check_metrics(metrics or [])
    with _open(store) as opened:
        name = comparing.in_store(opened, what, given)
        if name is None:
            asked = comparing.scenario(opened, what, given)
            _find_own_code(Path(what))
            name = comparing.played(opened, asked, control)
            if name is None:
                progress = Progress()
                _make_folder(out)
                name = _play(asked, what, opened, None, out, progress)
                _write_report(opened, name, out, progress)
        document = comparing.document(
            opened, name, control=control, metrics=metrics or [], slices=slices, cheap=cheap
        )
    page = None
    if cheap is not None:
        _make_folder(out)
        page = two_audiences_page.write(document, out / name)
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for block in terminal_ab.blocks(document, every=bool(metrics)):
        _print(block)
    if page is not None:
        _print(f"Two audiences: {page}")


@app.command()
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
    from . import explain, paging, transcript_calls
    from . import transcript as writer

    with _open(store, must_exist=True) as opened:
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


@app.command()
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
    from .evaluation.study import read

    if bundle is None and (agents is not None or agent or with_calls):
        given = "--agents" if agents is not None else "--agent" if agent else "--with-calls"
        raise InputError(given, found="no --bundle", allowed="beside --bundle DIR")
    if bundle is not None:
        _bundle(store, run, bundle, agents, agent or [], with_calls)
        return
    from .viewer.serve import serve

    with _open(store, must_exist=True) as opened:
        start = "" if run is None else f"/runs/{read(opened, run).name}"
        serve(opened, host=host, port=port, token=token, start=start)


def _bundle(
    store: str, run: str | None, to: Path, count: int | None, agents: list[int], calls: bool
) -> None:
    """The static copy of a run."""
    from .viewer import bundle
    from .viewer.index import Index, place

    if run is None:
        raise InputError("--bundle", found="no RUN", allowed="audition view RUN --bundle DIR")
    if count is not None and agents:
        raise InputError("--agents", found="--agent too", allowed="one of them")
    with _open(store, must_exist=True) as opened:
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


@app.command()
def export(
    run: RunArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder to write to.")],
    format_: Annotated[
        Literal["parquet", "csv"], typer.Option("--format", help="parquet or csv")
    ] = "parquet",
    store: StoreOption = STORE,
) -> None:
    """Tidy frames of a run: sessions, exposures, interviews, calls and more."""
    from .storage.export import export as write_frames

    with _open(store, must_exist=True) as opened:
        written = write_frames(opened, run, to, format_)
    for path in written:
        typer.echo(str(path))


imports = typer.Typer(help="Runs that others published, as runs here.")
app.add_typer(imports, name="import")


@imports.callback()
def _imports() -> None:
    """Keeps the format a word of its own while there is only one."""


@imports.command(name="agent4rec")
def import_agent4rec(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The published files.")],
    store: StoreOption = STORE,
    name: Annotated[
        str | None, typer.Option("--name", metavar="RUN", help="Name of the run.")
    ] = None,
) -> None:
    """Agent4Rec's published ChatGPT run; says how its replies were read."""
    from .importing import agent4rec, agent4rec_agreement, agent4rec_files

    _check_name(name)
    published = agent4rec_files.read(folder)
    with _open(store) as opened:
        written = agent4rec.write(published, opened, name)
    typer.echo(agent4rec_agreement.render(agent4rec_agreement.agreement(published)))
    typer.echo(f"Imported: {written} (audition show {written})")


def _with_agents(overrides: list[str] | None, agents: int | None) -> list[str]:
    return [*(overrides or []), *([f"agents.count={agents}"] if agents is not None else [])]


def _find_own_code(scenario: Path) -> None:
    """Let "package.module:Class" name code beside the scenario or in the present folder;
    last in the search, so that it can hide nothing."""
    for folder in (scenario.resolve().parent, Path.cwd()):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def _check_name(name: str | None) -> None:
    import re

    if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
        raise InputError(
            "--name", found=repr(name), allowed="letters, digits, dot, dash, underscore"
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "--out", found=f"{folder} ({error.strerror})", allowed="a folder"
        ) from None


def _embedded(world: World, store: str, progress: Progress) -> World:
    """With the scenario's embedding of items, for which alone the store is opened."""
    from .embeddings.settle import settle, wanted

    if not wanted(world.scenario):
        return world
    with _open(store) as opened:
        return settle(world, opened, progress)


def _open(url: str, *, must_exist: bool = False) -> Store:
    from .storage.store import Store

    return Store.open(url, create=not must_exist)


def _play(
    scenario: Scenario, file: str, store: Store, name: str | None, out: Path, progress: Any
) -> str:
    """Run a scenario, or the runs of its family; returns the name."""
    from .family import play

    return play(
        scenario,
        file,
        store,
        name=name,
        checkpoints=out / "checkpoints",
        progress=progress,
        on_member=lambda member: _member_report(store, member, out, progress),
    )


def _worlds(scenario: Scenario) -> str:
    return f"{scenario.worlds} x {scenario.agents.replicates} (worlds x replicates)"


def _member_report(store: Store, name: str, out: Path, progress: Any) -> None:
    """Of one run of a family; one that was written when the run ended stays."""
    from .report.write import write

    if not (out / name / "report.html").is_file():
        progress.say(f"report: {write(store, name, out / name)}")


def _report(store: Store, name: str, out: Path, progress: Any, *, as_json: bool) -> None:
    from .report import terminal

    page = _write_report(store, name, out, progress)
    summary = json.loads((page.parent / "summary.json").read_text(encoding="utf-8"))
    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        _print(terminal.dual_table(summary))
        _print(terminal.comparisons_table(summary))
        typer.echo(f"Report: {page}")


def _write_report(store: Store, name: str, out: Path, progress: Any) -> Path:
    from .report.write import write

    page = write(store, name, out / name)
    progress.say(f"report: {page}")
    return page


def _print(renderable: Any) -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 110).print(renderable)


def main() -> None:
    """Entry point: a user's mistake is one line on stderr, never a traceback."""
    code = 0
    try:
        # Without standalone mode the code of typer.Exit comes back as the return value; for
        # Ctrl-C that is 130.
        code = app(standalone_mode=False) or 0
    except AuditionError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _USAGE as error:
        if not sys.argv[1:]:
            error.show()
        else:
            print(f"error: {error.format_message()} (audition --help)", file=sys.stderr)
        code = 2
    if code == INTERRUPTED:
        print("interrupted; the pages that were finished are in the store", file=sys.stderr)
    sys.exit(code)
