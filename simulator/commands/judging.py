"""Judging: arms against the control, and the audience itself; what a run would need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import InputError
from .options import (
    OUT,
    STORE,
    AgentsOption,
    JsonOption,
    ScenarioArgument,
    SetOption,
    StoreOption,
    VerboseOption,
)
from .shared import (
    embedded,
    find_own_code,
    make_folder,
    open_store,
    play,
    tell,
    with_agents,
    write_report,
)


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
    from .. import comparing
    from ..progress import Progress
    from ..report import terminal_ab, two_audiences_page

    given = overrides or []
    comparing.check_metrics(metrics or [])
    with open_store(store) as opened:
        name = comparing.in_store(opened, what, given)
        if name is None:
            asked = comparing.scenario(opened, what, given)
            find_own_code(Path(what))
            name = comparing.played(opened, asked, control)
            if name is None:
                progress = Progress()
                make_folder(out)
                name = play(asked, what, opened, None, out, progress)
                write_report(opened, name, out, progress)
        document = comparing.document(
            opened, name, control=control, metrics=metrics or [], slices=slices, cheap=cheap
        )
    page = None
    if cheap is not None:
        make_folder(out)
        page = two_audiences_page.write(document, out / name)
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for block in terminal_ab.blocks(document, every=bool(metrics)):
        tell(block)
    if page is not None:
        tell(f"Two audiences: {page}")


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

    from ..evaluation import study
    from ..planning import pilot as trial
    from ..planning import plan as planner
    from ..planning.wanted import Wanted
    from ..progress import Progress
    from ..scenario import load
    from ..world import build

    if from_ is not None and pilot is not None:
        raise InputError("--pilot", found="--from too", allowed="one of them")
    if cheap is not None and from_ is None and pilot is None:
        raise InputError("--with", found="alone", allowed="beside --from RUN or --pilot N")
    chosen = load(scenario, with_agents(overrides, agents))
    find_own_code(scenario)
    wanted = Wanted.of(chosen, metric, difference, power)
    browsing = planner.browsing(chosen, pages)
    world, needs_store = build(chosen, str(scenario)), from_ is not None or pilot is not None
    url = STORE if store is None and needs_store else store
    with nullcontext() if url is None else open_store(url, must_exist=pilot is None) as opened:
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
        tell(planner.render(document))


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
    from ..audit import command
    from ..progress import Progress
    from ..scenario import load

    chosen = load(scenario, with_agents(overrides, agents))
    find_own_code(scenario)
    make_folder(out)
    with open_store(store) as opened:
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


def fidelity(
    scenario: ScenarioArgument,
    overrides: SetOption = None,
    agents: AgentsOption = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the page goes.")] = OUT,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """What the audience shares with real users and with language-model agents."""
    from ..fidelity import command
    from ..grounding import without
    from ..progress import Progress
    from ..scenario import load
    from ..world import build

    chosen = load(scenario, with_agents(overrides, agents))
    find_own_code(scenario)
    make_folder(out)
    progress = Progress()
    world = without(build(chosen, str(scenario)), progress.say, "fidelity")
    world = embedded(world, store, progress)
    command.run(world, out, progress, as_json=as_json)


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
    from ..calibration import command
    from ..grounding import without
    from ..progress import Progress
    from ..scenario import load
    from ..world import build

    if out.suffix not in (".yaml", ".yml"):
        raise InputError("--out", found=str(out), allowed="a file that ends in .yaml")
    chosen = load(scenario, with_agents(overrides, agents))
    find_own_code(scenario)
    progress = Progress()
    world = without(build(chosen, str(scenario)), progress.say, "calibration")
    world = embedded(world, store, progress)
    typer.echo(command.run(world, to, out, progress, share))
