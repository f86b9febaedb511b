"""``audition audit``: what the command does, its options aside."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from ..progress import Progress
from ..scenario import Scenario
from ..storage.store import Store
from . import telling
from .audit import audit

NOT_TRUSTED = 1
"""Exit code where a control failed, or one that is needed could not tell."""


def run(
    scenario: Scenario,
    file: str,
    store: Store,
    out: Path,
    *,
    repeats: int,
    progress: Progress,
    as_json: bool,
) -> int:
    """Audit, write the page, tell the verdict; the command's exit code."""
    document = audit(
        scenario,
        file,
        store,
        checkpoints=out / "checkpoints",
        progress=progress,
        repeats=repeats,
    )
    page = telling.write(document, out / document["run"])
    if as_json:
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        Console(width=None if sys.stdout.isatty() else 110).print(telling.render(document))
        print(f"Audit: {page}")
    progress.say(f"audit: {page}")
    if document["trusted"]:
        return 0
    print(f"audit: this audience {document['verdict']}", file=sys.stderr)
    return NOT_TRUSTED
