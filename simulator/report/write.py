"""From a store to a folder: summary.json, tables/*.csv, figures/*.png, report.html."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..evaluation.summary import summarise
from ..storage.plain import plain
from ..storage.store import Store
from . import frames as reading
from . import page, style, tables
from .figures import Drawing, Subject, draw
from .files import atomically
from .findings import leaders
from .frames import Frames


def write(store: Store, run_name: str | None, out_dir: Path) -> Path:
    """Write a run's report into ``out_dir`` (made where it is not there); returns the page.

    Each file appears whole or not at all, and the same log gives the same bytes.
    InputError if the run is not in the store.
    """
    frames = reading.load(store, run_name)
    summary = plain(summarise(store, frames.run.name))
    made = tidy(frames, summary)
    leading = leaders(frames, made["dual"])
    pens = style.pens(frames.recommenders)
    subject = Subject(made, pens, leading, frames.confidence, len(frames.agents))
    drawings = draw(subject)
    html = page.render(summary, frames, drawings, pens, leading)
    return _put(out_dir, summary, made, drawings, html)


def tidy(frames: Frames, summary: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Every table of the report by name."""
    shown = tables.usable(frames.exposures, frames.pages)
    level = frames.confidence
    return {
        "dual": tables.dual(summary),
        "comparisons": tables.comparisons(summary),
        "exits": tables.exits(frames.sessions, level),
        "slots": tables.slots(shown, level),
        "ratings": tables.answers(shown, "rating"),
        "satisfaction": tables.answers(tables.ok_sessions(frames.sessions), "satisfaction"),
        "traits": tables.traits(frames.agents, frames.sessions, shown, frames.items, level),
        "steps": frames.steps,
    }


def _put(
    out_dir: Path,
    summary: Mapping[str, Any],
    made: Mapping[str, pd.DataFrame],
    drawings: list[Drawing],
    html: str,
) -> Path:
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
    atomically(out_dir / "summary.json", f"{text}\n".encode())
    tables.write_csv(made, out_dir / "tables")
    for drawing in drawings:
        atomically(out_dir / "figures" / f"{drawing.name}.png", drawing.image)
    return atomically(out_dir / "report.html", html.encode())
