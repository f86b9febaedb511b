"""Runs: begun, resumed, checked; tastes written; what others published brought in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .options import (
    OUT,
    STORE,
    AgentsOption,
    JsonOption,
    RunArgument,
    ScenarioArgument,
    SetOption,
    StoreOption,
    VerboseOption,
)
from .shared import (
    check_name,
    find_own_code,
    make_folder,
    member_report,
    open_store,
    play,
    report,
    with_agents,
    worlds_of,
)


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
    from ..progress import Progress
    from ..scenario import load

    files = {"record": record, "replay": replay}
    given = [f"{key}={json.dumps(str(file))}" for key, file in files.items() if file is not None]
    chosen = load(scenario, [*with_agents(overrides, agents), *given])
    find_own_code(scenario)
    check_name(name)
    progress = Progress(verbose=verbose)
    make_folder(out)
    with open_store(store) as opened:
        finished = play(chosen, str(scenario), opened, name, out, progress)
        report(opened, finished, out, progress, as_json=as_json)


def resume(
    run: RunArgument,
    overrides: SetOption = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where reports go.")] = OUT,
    store: StoreOption = STORE,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go on where a stopped run was; what is finished is neither asked nor trained again."""
    from ..family import resume as go_on
    from ..family import scenario_file
    from ..progress import Progress

    progress = Progress(verbose=verbose)
    make_folder(out)
    with open_store(store, must_exist=True) as opened:
        find_own_code(Path(scenario_file(opened, run)))
        finished = go_on(
            run,
            opened,
            overrides=overrides or [],
            checkpoints=out / "checkpoints",
            progress=progress,
            on_member=lambda member: member_report(opened, member, out, progress),
        )
        report(opened, finished, out, progress, as_json=as_json)


def validate(scenario: ScenarioArgument, overrides: SetOption = None) -> None:
    """Check a scenario and what it needs; runs nothing."""
    from ..family import members
    from ..scenario import load
    from ..world import build

    chosen = load(scenario, overrides or [])
    find_own_code(scenario)
    world, runs = build(chosen, str(scenario)), len(members(chosen))
    several = f"; {runs} runs: {worlds_of(chosen)}" if runs > 1 else ""
    typer.echo(
        f"{scenario}: valid; {world.dataset.n_users:,} users, {world.dataset.n_items:,} items, "
        f"{len(world.dataset.interactions):,} interactions, {len(world.audience):,} agents, "
        f"{len(chosen.arms)} arms: {', '.join(arm.name for arm in chosen.arms)}{several}"
    )


def profiles(
    scenario: ScenarioArgument,
    overrides: SetOption = None,
    agents: AgentsOption = None,
    store: StoreOption = STORE,
) -> None:
    """Let a chat model write what the scenario asks for, its users' tastes or what its
    recommenders read; runs then use it."""
    from .. import profiles as writer
    from ..progress import Progress
    from ..scenario import load
    from ..texts import ahead
    from ..world import build

    chosen = load(scenario, with_agents(overrides, agents))
    find_own_code(scenario)
    world = build(chosen, str(scenario))
    texts = ahead.asked(world)
    with open_store(store) as opened:
        spent = ahead.write(world, opened, Progress(), typer.echo) if texts else None
        if texts and chosen.agents.profiles != "chat":
            return
        typer.echo(writer.write(world, opened, Progress(), spent).line)
    if chosen.agents.profiles != "chat":
        typer.echo("a run uses them with agents.profiles: chat")


def import_agent4rec(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The published files.")],
    store: StoreOption = STORE,
    name: Annotated[
        str | None, typer.Option("--name", metavar="RUN", help="Name of the run.")
    ] = None,
) -> None:
    """Agent4Rec's published ChatGPT run; says how its replies were read."""
    from ..importing import agent4rec, agent4rec_agreement, agent4rec_files

    check_name(name)
    published = agent4rec_files.read(folder)
    with open_store(store) as opened:
        written = agent4rec.write(published, opened, name)
    typer.echo(agent4rec_agreement.render(agent4rec_agreement.agreement(published)))
    typer.echo(f"Imported: {written} (audition show {written})")
