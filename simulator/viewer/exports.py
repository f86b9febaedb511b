"""A run's frames as CSV: written in the background, an arm at a time where they are long, then
sent."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from fastapi.responses import Response, StreamingResponse

from ..storage import queries
from ..storage.export import FRAMES, csv_safe
from ..storage.store import Store
from .answers import file_name
from .index import Index
from .view import NotThere, View

__all__ = ["FRAMES", "csv", "write"]

BLOCK = 1 << 16

_BY_ARM: dict[str, Callable[[Store, str, str], pd.DataFrame]] = {
    "exposures": lambda store, run, arm: queries.exposures(store, run, arm=arm),
    "pages": lambda store, run, arm: queries.pages(store, run, arm=arm),
    "memories": lambda store, run, arm: queries.memories(store, run, arm=arm),
    "calls": lambda store, run, arm: queries.calls(store, run, arm=arm).drop(columns="latency"),
}
"""Long frames; arms come first in the order of their rows, so the parts are the whole."""


def csv(view: View, run: str, frame: str) -> Response:
    """The answer with a frame of a run, the same bytes as ``audition export`` writes."""
    if frame not in FRAMES:
        raise NotThere("There is no such table.")
    folder = TemporaryDirectory(prefix="audition-", ignore_cleanup_errors=True)
    path, key = Path(folder.name) / f"{frame}.csv", f"export {uuid.uuid4()}"
    view.work.ask(key, f"{__name__}:write", run, frame, str(path))
    while (job := view.work.job(key)) is not None and job.state != "failed":
        time.sleep(0.05)
    if job is not None or not path.exists():
        folder.cleanup()
        raise NotThere("The table could not be written; the viewer's own log says more.")
    named = f'attachment; filename="{file_name(f"{run}-{frame}.csv")}"'
    return StreamingResponse(
        _blocks(path, folder),
        headers={"Content-Disposition": named, "Content-Length": str(path.stat().st_size)},
        media_type="text/csv; charset=utf-8",
    )


def _blocks(path: Path, folder: TemporaryDirectory[str]) -> Iterator[bytes]:
    with folder, path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def write(store: Store, index: Index, run: str, frame: str, path: str) -> None:
    """The task: the frame into a file of its own."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        for number, part in enumerate(_parts(store, run, frame)):
            csv_safe(part).to_csv(file, index=False, header=not number, lineterminator="\n")


def _parts(store: Store, run: str, frame: str) -> Iterator[pd.DataFrame]:
    arms = [str(arm) for arm in queries.arms(store, run)["arm"]]
    if frame not in _BY_ARM or not arms:
        yield FRAMES[frame](store, run)
        return
    for arm in arms:
        yield _BY_ARM[frame](store, run, arm)
