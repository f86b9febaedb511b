"""Fidelity on the terminal, and as one self-contained page beside fidelity.json."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..report.files import atomically
from ..report.wording import clean

_HERE = Path(__file__).parent

QUESTIONS = {
    "taste": "Does an agent, luck aside, tell its user's held-out items from others?",
    "taste, with luck": "And with its luck?",
    "taste, own yes": "And by its own yes or no?",
    "ratings": "Does it rate them as its user did?",
    "traits": "Do higher levels do more of what a trait says?",
    "slots": "Is what is watched a matter of the item or of its place?",
    "sessions": "When do agents leave, and does relevance satisfy them?",
    "memory": "Does an agent use what it saw before?",
    "llm run": "Does it answer a published run's pages as its language model did?",
}


def render(document: Mapping[str, Any]) -> RenderableType:
    """A table for each test, and why others could not be made."""
    parts: list[RenderableType] = []
    if remark := document["left_out"]["remark"]:
        parts.append(Text(clean(remark)))
    for test, rows in _by_test(document):
        table = Table(
            box=box.SIMPLE_HEAD, title=clean(test), title_justify="left", header_style="bold"
        )
        for heading in ("case", "figure"):
            table.add_column(heading)
        for heading in ("here", "interval", "agents"):
            table.add_column(heading, justify="right")
        table.add_column("beside")
        for row in rows:
            table.add_row(
                *(Text(clean(row[name])) for name in ("case", "name")),
                *(row[name] for name in ("value", "interval", "n")),
                Text(clean(row["beside"])),
            )
        parts.append(table)
    parts += [
        Text(clean(f"{name}: not measured: {why}"), style="yellow")
        for name, why in document["missing"].items()
    ]
    return Group(*parts)


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """fidelity.json and fidelity.html, each whole or not there. Returns the page."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    atomically(folder / "fidelity.json", f"{text}\n".encode())
    return atomically(folder / "fidelity.html", page(document).encode())


def page(document: Mapping[str, Any]) -> str:
    """The whole page; the same document gives the same text."""
    style = files("simulator.report").joinpath("page.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clean"] = clean
    return environment.get_template("fidelity.html.j2").render(
        fidelity=document,
        name=document["scenario"]["name"],
        style=Markup(style),  # ours alone
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii"),
        tests=[
            {"name": test, "question": QUESTIONS.get(test, test), "rows": rows}
            for test, rows in _by_test(document)
        ],
        tables=[
            {
                "name": name,
                "columns": list(rows[0]),
                "rows": [[_cell(value) for value in row.values()] for row in rows],
            }
            for name, rows in document["tables"].items()
            if rows
        ],
        facts=_facts(document),
        level=f"{100 * document['confidence']:g} %",
    )


def _by_test(document: Mapping[str, Any]) -> list[tuple[str, list[dict[str, str]]]]:
    grouped = groupby(
        sorted(document["measures"], key=lambda one: _place(document, one["test"])),
        key=lambda one: one["test"],
    )
    return [(test, [_row(one) for one in rows]) for test, rows in grouped]


def _place(document: Mapping[str, Any], test: str) -> int:
    """Tests in the order in which they were first made."""
    order = list(dict.fromkeys(one["test"] for one in document["measures"]))
    return order.index(test)


def _row(measure: Mapping[str, Any]) -> dict[str, str]:
    low, high = measure["low"], measure["high"]
    whole = low is not None and high is not None
    return {
        "case": measure["case"],
        "name": measure["name"],
        "value": _cell(measure["value"]),
        "interval": f"{_cell(low)} to {_cell(high)}" if whole else "",
        "n": f"{measure['n']:,}",
        "beside": ", ".join(f"{o['name']} {_cell(o['value'])}" for o in measure["baselines"]),
        "note": measure["note"],
    }


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    response = document["scenario"]["agents"]["response"]
    said = ", ".join(f"{key}: {value}" for key, value in response.items() if key != "model")
    return [
        ("scenario", clean(document["scenario_file"])),
        (
            "data set",
            f"{clean(document['dataset']['name'])}, {document['dataset']['items']:,} items",
        ),
        ("audience", f"{document['agents']:,} agents"),
        ("answers by", clean(f"{response['model']}{' (' + said + ')' if said else ''}")),
        ("seed", str(document["scenario"]["seed"])),
    ]
