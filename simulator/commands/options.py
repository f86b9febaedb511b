"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
