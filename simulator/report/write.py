"""From a store to a folder: summary.json, tables/*.csv, figures/*.png, report.html."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..evaluation.study import Study, per_unit, read
from ..evaluation.summary import document
from ..storage.plain import plain
from ..storage.store import Store
from . import frames as reading
from . import page, style, tables
from .figures import Drawing, Subject, draw
from .files import atomically
from .findings import leaders
from .frames import Frames


def write(store: Store, run_name: str | None, out_dir: Path) -> Path:
    """Write the report of a run or family into ``out_dir`` (made where it is not there);
    returns the page.

    Each file appears whole or not at all, and the same log gives the same bytes.
    InputError if the run is not in the store.
    """
    study = read(store, run_name)
    frames = reading.load(store, study.first.name)
    summary = plain(document(study))
    units = unit_values(study, summary["round"])
    made = tidy(frames, summary, units)
    leading = leaders(study, summary, units, made["dual"])
    pens = style.pens(frames.recommenders)
    agents, unit = len(frames.agents), study.unit
    drawings = draw(Subject(made, pens, leading, frames.confidence, agents, unit))
    html = page.render(summary, frames, drawings, pens, leading)
    return _put(out_dir, summary, made, drawings, html)


def unit_values(study: Study, round_: int) -> pd.DataFrame:
    """arm, unit (agent or world), a column a metric: what arms are compared by."""
    return per_unit(study.values[study.values["round"] == round_], study.unit)


def tidy(
    frames: Frames, summary: Mapping[str, Any], units: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Every table of the report by name; of a family, ``frames`` are its first run's."""
    shown = tables.usable(frames.exposures, frames.pages)
    level = frames.confidence
    several = {
        "rounds": tables.rounds if "rounds" in summary else None,
        "feedback": tables.feedback if summary.get("feedback") else None,
    }
    listed = {
        name: pd.DataFrame(summary[name]) for name in ("slices", "looks") if summary.get(name)
    }
    return {
        "dual": tables.dual(summary),
        "comparisons": tables.comparisons(summary),
        "units": units,
        **{name: make(summary) for name, make in several.items() if make is not None},
        **listed,
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
