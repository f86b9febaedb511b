"""``audition fidelity``: what the command does, its options aside."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from ..audit.rehearsal import embedded, opened
from ..progress import Progress
from ..storage.store import Store
from ..world import World
from . import telling
from .fidelity import fidelity


def run(world: World, out: Path, progress: Progress, *, as_json: bool) -> None:
    """Measure, write the page beside fidelity.json, tell it."""
    # What an embedded model may note has no place to stay: nothing of it is a run.
    with TemporaryDirectory() as folder, Store.open(Path(folder) / "fidelity.db") as store:
        if embedded(world):
            with opened(world, store):
                document = fidelity(world, progress)
        else:
            document = fidelity(world, progress)
    page = telling.write(document, out / f"{world.scenario.name}-fidelity")
    if as_json:
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        width = None if sys.stdout.isatty() else 140
        Console(width=width).print(telling.render(document))
        print(f"Fidelity: {page}")
    progress.say(f"fidelity: {page}")
