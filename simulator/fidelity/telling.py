"""Fidelity on the terminal, and as one self-contained page beside fidelity.json."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..report.figures.drawing import Drawing
from ..report.files import atomically
from ..report.templating import self_contained
from ..report.wording import clean
from . import layout
from .figures import draw
from .layout import Row, Section, cell

_HERE = Path(__file__).parent

SHEETS = (
    *(files("simulator.report") / name for name in ("page.css", "parts.css")),
    _HERE / "fidelity.css",
)

TITLES = {
    "calibration": "Calibration against the published run",
    "exit hazards": "Leaving by activity and page, against the published run",
}


def render(document: Mapping[str, Any]) -> RenderableType:
    """A table for each test with its first figures, and why others could not be made."""
    parts: list[RenderableType] = []
    if remark := document["left_out"]["remark"]:
        parts += [Text(clean(remark)), Text()]
    for section in layout.sections(document):
        parts += _told(section)
    parts += [
        Text(clean(f"{name}: not measured: {why}"), style="yellow")
        for name, why in document["missing"].items()
    ]
    parts.append(Text("Bold: the best of a row. All figures are on the page.", style="dim"))
    return Group(*parts)


def _told(section: Section) -> Iterator[RenderableType]:
    yield Text.assemble((clean(section.title), "bold"), f"  {clean(section.question)}")
    for found in section.tables:
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
        table.add_column("", min_width=24)
        for heading in ("here", "interval", "agents"):
            table.add_column(heading, justify="right", no_wrap=True)
        for heading in found.columns:
            table.add_column(clean(heading), justify="right", max_width=20)
        for group in found.groups:
            table.add_row(Text(clean(group.title), style="italic"))
            for row in group.rows:
                table.add_row(*_cells(row))
        yield table


def _cells(row: Row) -> list[Text]:
    values = [row.value, *row.beside]
    bold = ["bold" if row.lead == place else "" for place in range(len(values))]
    texts = [Text(clean(value), style=how) for value, how in zip(values, bold, strict=True)]
    return [Text(f"  {clean(row.label)}"), texts[0], Text(row.interval), Text(row.n), *texts[1:]]


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """fidelity.json, fidelity.html and the figures; each whole or not there. Returns the page."""
    drawings = draw(document)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    atomically(folder / "fidelity.json", f"{text}\n".encode())
    for drawing in drawings:
        atomically(folder / "figures" / f"{drawing.name}.png", drawing.image)
    return atomically(folder / "fidelity.html", page(document, drawings).encode())


def page(document: Mapping[str, Any], drawings: Sequence[Drawing]) -> str:
    """The whole page; the same document gives the same text."""
    style = "".join(sheet.read_text(encoding="utf-8") for sheet in SHEETS)
    return self_contained(
        _HERE,
        "fidelity.html.j2",
        style,
        fidelity=document,
        name=document["scenario"]["name"],
        sections=[
            {
                "found": section,
                "figures": [_shown(one) for one in drawings if one.section == section.test],
            }
            for section in layout.sections(document)
        ],
        tables=[
            {
                "name": TITLES.get(name, name),
                "columns": list(rows[0]),
                "rows": [[cell(value) for value in row.values()] for row in rows],
            }
            for name, rows in document["tables"].items()
            if rows
        ],
        facts=_facts(document),
        level=f"{100 * document['confidence']:g} %",
    )


def _shown(drawing: Drawing) -> dict[str, str]:
    image = base64.b64encode(drawing.image).decode("ascii")
    return {
        "title": drawing.title,
        "caption": drawing.caption,
        "source": f"data:image/png;base64,{image}",
    }


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    response = document["scenario"]["agents"]["response"]
    said = ", ".join(f"{key}: {value}" for key, value in response.items() if key != "model")
    out = document["left_out"]["agents"]
    return [
        ("scenario", clean(document["scenario_file"])),
        (
            "data set",
            f"{clean(document['dataset']['name'])}, {document['dataset']['items']:,} items",
        ),
        (
            "audience",
            f"{document['agents']:,} agents" + (f", {out:,} more left out" if out else ""),
        ),
        ("answers by", clean(f"{response['model']}{' (' + said + ')' if said else ''}")),
        ("seed", str(document["scenario"]["seed"])),
    ]
