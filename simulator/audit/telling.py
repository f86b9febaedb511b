"""An audit on the terminal, and as one self-contained page beside audit.json."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..report.figures import Drawing
from ..report.files import atomically
from ..report.grounding import beside
from ..report.templating import self_contained
from ..report.wording import clean, duration, missing, number, probability, signed, wording
from . import truth
from .figures import draw

SYMBOLS = {"pass": "▲", "fail": "▼", "cannot tell": "?"}
_KINDS = {"pass": "better", "fail": "worse", "cannot tell": "withheld"}
_STYLES = {"pass": "green", "fail": "bold red", "cannot tell": "yellow"}
_HERE = Path(__file__).parent


def render(document: Mapping[str, Any]) -> RenderableType:
    """The verdict, every control in a sentence, and the arms of known quality."""
    table = _table("control", "", "what was found")
    for control in document["controls"]:
        state = control["state"]
        mark = Text(f"{SYMBOLS[state]} {state}", style=_STYLES[state])
        table.add_row(clean(control["name"]), mark, Text(clean(control["sentence"])))
    parts: list[RenderableType] = [table]
    if (arms := _known_arms(document)) is not None:
        parts.append(arms)
    style = "bold green" if document["trusted"] else "bold red"
    who = f"An audience of {document['agents']:,} agents, asked for {document['primary']}"
    who += beside(document["scenario"])
    parts.append(Text(f"{who}: {document['verdict']}", style=style))
    return Group(*parts)


def _known_arms(document: Mapping[str, Any]) -> Table | None:
    rows = _ladder(document)
    if rows is None:
        return None
    metric = document["primary"]
    table = _table("arm of known quality")
    for heading in ("true quality", wording(metric).short, "NDCG", "recall"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            Text(clean(row["arm"])),
            number(row["quality"], 3),
            number(row[metric], wording(metric).digits),
            number(row["ndcg"], 3),
            number(row["recall"], 3),
        )
    return table


def _ladder(document: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    for control in document["controls"]:
        if control["name"] == truth.NAME and control["found"].get("arms"):
            return list(control["found"]["arms"])
    return None


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for column in columns:
        table.add_column(column)
    return table


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """audit.json, audit.html and the figures; each whole or not there. Returns the page."""
    drawings = draw(document)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    atomically(folder / "audit.json", f"{text}\n".encode())
    for drawing in drawings:
        atomically(folder / "figures" / f"{drawing.name}.png", drawing.image)
    return atomically(folder / "audit.html", page(document, drawings).encode())


def page(document: Mapping[str, Any], drawings: list[Drawing]) -> str:
    """The whole page; the same document gives the same text."""
    sheets = (files("simulator.report").joinpath(name) for name in ("page.css", "parts.css"))
    style = "".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
    style += (_HERE / "audit.css").read_text(encoding="utf-8")
    return self_contained(
        _HERE,
        "audit.html.j2",
        style,
        audit=document,
        controls=[_shown(control, drawings) for control in document["controls"]],
        ladder=_ladder(document),
        truth=truth.NAME,
        metric=wording(document["primary"]),
        number=number,
        facts=_facts(document),
        level=f"{100 * document['confidence']:g} %",
    )


def _shown(control: Mapping[str, Any], drawings: list[Drawing]) -> dict[str, Any]:
    return {
        **control,
        "kind": _KINDS[control["state"]],
        "symbol": SYMBOLS[control["state"]],
        "rows": [_row(row) for row in control["rows"]],
        "figures": [
            {
                "title": drawing.title,
                "caption": drawing.caption,
                "source": "data:image/png;base64,"
                + base64.b64encode(drawing.image).decode("ascii"),
            }
            for drawing in drawings
            if drawing.section == control["name"]
        ],
    }


def _row(row: Mapping[str, Any]) -> dict[str, str]:
    shown = signed if row["change"] else number
    has_interval = not missing(row["low"]) and not missing(row["high"])
    return {
        "what": row["what"],
        "value": shown(row["value"], 3),
        "interval": f"{shown(row['low'], 3)} to {shown(row['high'], 3)}" if has_interval else "",
        "p": "" if missing(row["p"]) else probability(row["p"]),
        "n": f"{row['n']:,}" if row["n"] else "",
    }


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    scenario, dataset = document["scenario"], document["dataset"]
    response = scenario["agents"]["response"]
    said = ", ".join(f"{k}: {v}" for k, v in response.items() if k != "model")
    by = f"{response['model']}{' (' + said + ')' if said else ''}{beside(scenario)}"
    return [
        ("scenario", clean(document["scenario_file"])),
        ("data set", f"{clean(dataset['name'])}, {dataset['items']:,} items"),
        ("audience", f"{document['agents']:,} agents"),
        ("answers by", clean(by)),
        ("primary metric", wording(document["primary"]).meaning),
        ("run in the store", clean(document["run"])),
        ("arms played", f"{len(document['arms'])}"),
        ("seed", str(scenario["seed"])),
        ("took", duration(document["seconds"])),
    ]
