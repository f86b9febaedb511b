"""What several commands do alike: a store opened, a scenario played, its report written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import InputError

if TYPE_CHECKING:
    from ..progress import Progress
    from ..scenario import Scenario
    from ..storage.store import Store
    from ..world import World


def with_agents(overrides: list[str] | None, agents: int | None) -> list[str]:
    """``--agents`` as one more override."""
    return [*(overrides or []), *([f"agents.count={agents}"] if agents is not None else [])]


def find_own_code(scenario: Path) -> None:
    """Let "package.module:Class" name code beside the scenario or in the present folder;
    last in the search, so that it can hide nothing."""
    for folder in (scenario.resolve().parent, Path.cwd()):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def check_name(name: str | None) -> None:
    """Raises InputError for a name that no run can have."""
    import re

    if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
        raise InputError(
            "--name", found=repr(name), allowed="letters, digits, dot, dash, underscore"
        )


def make_folder(folder: Path) -> None:
    """With its parents; InputError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "--out", found=f"{folder} ({error.strerror})", allowed="a folder"
        ) from None


def open_store(url: str, *, must_exist: bool = False) -> Store:
    """InputError where it is not there, or is no store."""
    from ..storage.store import Store

    return Store.open(url, create=not must_exist)


def play(
    scenario: Scenario, file: str, store: Store, name: str | None, out: Path, progress: Progress
) -> str:
    """Run a scenario, or the runs of its family; returns the name."""
    from ..family import play

    return play(
        scenario,
        file,
        store,
        name=name,
        checkpoints=out / "checkpoints",
        progress=progress,
        on_member=lambda member: member_report(store, member, out, progress),
    )


def worlds_of(scenario: Scenario) -> str:
    """How many worlds and replicates, in words."""
    return f"{scenario.worlds} x {scenario.agents.replicates} (worlds x replicates)"


def member_report(store: Store, name: str, out: Path, progress: Progress) -> None:
    """Of one run of a family; one that was written when the run ended stays."""
    from ..report.write import write

    if not (out / name / "report.html").is_file():
        progress.say(f"report: {write(store, name, out / name)}")


def report(store: Store, name: str, out: Path, progress: Progress, *, as_json: bool) -> None:
    """Write a run's report and tell its tables, or its summary as JSON."""
    from ..report import terminal

    page = write_report(store, name, out, progress)
    summary = json.loads((page.parent / "summary.json").read_text(encoding="utf-8"))
    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        tell(terminal.dual_table(summary))
        tell(terminal.comparisons_table(summary))
        typer.echo(f"Report: {page}")


def write_report(store: Store, name: str, out: Path, progress: Progress) -> Path:
    """The page's place."""
    from ..report.write import write

    page = write(store, name, out / name)
    progress.say(f"report: {page}")
    return page


def tell(renderable: Any) -> None:
    """On a terminal as wide as it is, else of one width."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 110).print(renderable)


def embedded(world: World, store: str, progress: Progress) -> World:
    """With the scenario's embedding of items, for which alone the store is opened."""
    from ..embeddings.settle import settle, wanted

    if not wanted(world.scenario):
        return world
    with open_store(store) as opened:
        return settle(world, opened, progress)
