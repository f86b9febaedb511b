"""A run as tidy files, the same bytes for the same run.

Neither run ids nor times of day are written, and rows and columns have one order. Every
frame but ``timings`` and ``notes`` is a function of the scenario, the seed and, with a chat
model, its replies: two runs can be compared byte by byte. ``notes`` holds what people said
about pages, and when; it is empty where nobody said anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from ..errors import InputError
from . import person_notes, queries
from .plain import to_json
from .store import Store

Format = Literal["parquet", "csv"]

_QUESTION = ["arm", "round", "agent", "page", "kind", "attempt"]


def _calls(store: Store, name: str | None) -> pd.DataFrame:
    return queries.calls(store, name).drop(columns="latency")


def _timings(store: Store, name: str | None) -> pd.DataFrame:
    return queries.calls(store, name)[[*_QUESTION, "latency"]]


FRAMES: dict[str, Callable[[Store, str | None], pd.DataFrame]] = {
    "sessions": queries.sessions,
    "exposures": queries.exposures,
    "interviews": queries.interviews,
    "calls": _calls,
    "pages": queries.pages,
    "agents": queries.agents,
    "items": queries.items,
    "memories": queries.memories,
    "offline": queries.offline,
    "steps": queries.steps,
    "timings": _timings,
    "notes": person_notes.frame,
}
"""What is exported, by file name; ``timings`` alone tells of the machine, ``notes`` of the
people who looked."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def export(
    store: Store, run_name: str | None, to: str | Path, format_: str = "parquet"
) -> list[Path]:
    """Write each frame of a run (the latest when ``run_name`` is None) to ``to``/FRAME.FORMAT.

    Lists (genres, tastes) are lists in parquet and JSON in csv. Returns the paths written;
    raises InputError for an unknown run or format, or a folder that cannot be written.
    """
    if format_ not in get_args(Format):
        raise InputError("--format", found=repr(format_), allowed=" or ".join(get_args(Format)))
    name = queries.run(store, run_name).name
    folder, written = Path(to), []
    for frame_name, read in FRAMES.items():
        frame = read(store, name)
        path = folder / f"{frame_name}.{format_}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(frame, path)
        except OSError as error:
            raise InputError(
                path, found=error.strerror or str(error), allowed="a writable folder"
            ) from error
        written.append(path)
    return written


def _write(frame: pd.DataFrame, path: Path) -> None:
    """Written beside and then renamed: a reader never meets half a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.suffix == ".csv":
            csv_safe(frame).to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
        else:
            frame.to_parquet(beside, engine="pyarrow", index=False)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def csv_safe(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with lists as JSON and text that a spreadsheet would run as a formula put
    behind an apostrophe.

    >>> csv_safe(pd.DataFrame({"title": ["=1+1", "Alien"]}))["title"].tolist()
    ["'=1+1", 'Alien']
    """
    out = frame.copy()
    for column in out.columns:
        if not pd.api.types.is_numeric_dtype(out[column]):
            out[column] = [_cell(value) for value in out[column]]
    return out


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple | dict):
        return to_json(value)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
