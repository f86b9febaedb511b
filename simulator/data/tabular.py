"""Any interaction log as ``csv`` or ``parquet``, by a mapping of its columns.

One row an event. An item file of the same kind may describe the items. A ``split`` column
with train, valid and test makes the log's own split.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from recommenders.interface import IntArray, Interactions

from ..errors import InputError
from .assemble import Facts, Log, describe, interactions, observed_scale, read_log, unique_ids
from .dataset import Dataset, Split
from .options import Option, Request, block, encoding, resolve, separator, text
from .split import take
from .tables import Table, read_parquet, read_table

PARTS = ("train", "valid", "test")


def _column(default: str | None, doc: str) -> Option:
    return Option(
        default,
        "a column's name, its number from 0 where header is false, or null for none",
        lambda v: v is None or (isinstance(v, str | int) and not isinstance(v, bool) and v != ""),
        doc,
    )


COLUMNS = {
    "user": _column("user", "column of the user's id"),
    "item": _column("item", "column of the item's id"),
    "rating": _column("rating", "column of the rating"),
    "timestamp": _column("timestamp", "column of the time, whole seconds"),
    "split": _column(None, "column that says train, valid or test"),
}
ITEM_COLUMNS = {
    "item": _column("item", "column of the item's id"),
    "title": _column("title", "column of the title"),
    "genres": _column("genres", "column of the genres, several in one field"),
    "text": _column("text", "column of the description"),
    "year": _column("year", "column of the year"),
}
ITEMS = {
    "path": text(None, "the item file, relative to the log's folder"),
    "columns": block("which column is what: item, title, genres, text, year"),
    "genre_separator": text("|", "what stands between genres"),
    "separator": separator(None, "what stands between fields; as in the log unless given"),
    "encoding": encoding(None, "as the log's unless given"),
}


def read(request: Request) -> Dataset:
    """The log at ``request.place``. Raises InputError."""
    options = request.options
    told = dict(options["columns"] or {})
    columns = resolve(told, COLUMNS, file=request.scenario, key="dataset.columns")
    table = _log_table(request)
    chosen = _present(request, table, columns, told, needed=("user", "item"))
    scale = request.rating_scale
    log = read_log(table, chosen, scale)
    if scale is None and log.rating is not None:
        scale = observed_scale(log.rating, table, "dataset.columns.rating")
    events, rows, notes = interactions(log)
    items, more = describe(log.item_ids, _facts(request))
    split = chosen["split"]
    return Dataset(
        name=request.place.name.split(".")[0],
        interactions=events,
        items=items,
        user_ids=tuple(log.user_ids),
        item_ids=tuple(log.item_ids),
        rating_scale=scale or (1.0, 5.0),
        split=None if split is None else _given_split(table, split, log, events, rows),
        notes=notes + more,
    )


def _log_table(request: Request) -> Table:
    file = request.place
    if not file.is_file():
        raise request.refuse("path", found=f"the folder {str(file)!r}", allowed="one file")
    if request.source == "parquet":
        return read_parquet(file)
    return read_table(
        file,
        separator=request.options["separator"],
        encoding=request.options["encoding"],
        header=request.options["header"],
        option="dataset",
    )


def _item_table(request: Request, options: Mapping[str, Any]) -> Table:
    if options["path"] is None:
        raise request.refuse("items.path", found="nothing", allowed="the path of the item file")
    file = request.place.parent / options["path"]
    if not file.is_file():
        raise request.refuse(
            "items.path", found=f"no file {str(file)!r}", allowed="a path beside the log"
        )
    if file.suffix in (".parquet", ".pq"):
        return read_parquet(file)
    log = request.options
    return read_table(
        file,
        separator=options["separator"] or log.get("separator", ","),
        encoding=options["encoding"] or log.get("encoding", "utf-8"),
        option="dataset.items",
    )


def _present(
    request: Request,
    table: Table,
    columns: Mapping[str, Any],
    told: Mapping[str, Any],
    needed: tuple[str, ...],
    key: str = "dataset.columns",
) -> dict[str, str | None]:
    """The file's column for each role: those told and needed must be there, others may."""
    out: dict[str, str | None] = {}
    for role, column in columns.items():
        if column is None and role in needed:
            raise InputError(
                request.scenario, key=f"{key}.{role}", found="null", allowed="a column"
            )
        if column is None or (role not in told and role not in needed and column not in table):
            out[role] = None
        else:
            table.column(str(column), f"{key}.{role}")
            out[role] = str(column)
    return out


def _facts(request: Request) -> Facts | None:
    if request.options["items"] is None:
        return None
    options = resolve(request.options["items"], ITEMS, file=request.scenario, key="dataset.items")
    told = dict(options["columns"] or {})
    columns = resolve(told, ITEM_COLUMNS, file=request.scenario, key="dataset.items.columns")
    table = _item_table(request, options)
    key = "dataset.items.columns"
    chosen = _present(request, table, columns, told, needed=("item",), key=key)
    item = str(chosen.pop("item"))
    ids = unique_ids(table, item, f"{key}.item")
    texts = {
        role: table.texts(column, f"{key}.{role}") if column else [""] * len(ids)
        for role, column in chosen.items()
    }
    used = {item, *chosen.values()}
    others = [str(c) for c in table.frame.columns if c not in used]
    return Facts(
        ids=ids,
        title=texts["title"],
        genres=[_parts(value, options["genre_separator"]) for value in texts["genres"]],
        year=_years(table, chosen["year"], texts["year"], f"{key}.year"),
        text=texts["text"],
        attributes={column: table.texts(column, column) for column in others},
    )


def _parts(value: str, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(separator) if part.strip())


def _years(table: Table, column: str | None, values: list[str], key: str) -> list[int]:
    """Whole years, 0 where the field is empty."""
    if column is None:
        return [0] * len(values)
    for row, value in enumerate(values):
        if value and not re.fullmatch(r"\d{1,4}(\.0+)?", value):
            raise InputError(
                table.file,
                line=int(table.lines[row]),
                key=key,
                found=repr(value),
                allowed="a year of up to four digits, or nothing",
            )
    return [int(float(value or 0)) for value in values]


def _given_split(
    table: Table, column: str, log: Log, events: Interactions, rows: IntArray
) -> Split:
    """The log's own split; of repeated pairs the part of the one kept counts."""
    labels = np.array(table.texts(column, "dataset.columns.split"), dtype=object)
    wrong = ~np.isin(labels.astype(str), PARTS)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            table.file,
            line=int(table.lines[row]),
            key="dataset.columns.split",
            found=repr(labels[row]),
            allowed=", ".join(PARTS),
        )
    if not (labels == "train").any():
        raise InputError(
            table.file,
            key="dataset.columns.split",
            found="no row for train",
            allowed="some train rows",
        )
    return Split(*(take(events, labels[rows] == part) for part in PARTS))
