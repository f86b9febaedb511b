"""RecBole's atomic files: tab-separated, with ``name:type`` in the header.

The ``.inter`` file is needed; ``.item`` and ``.user`` of the same name are read where they
lie beside it. Types: token, token_seq, float, float_seq.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .assemble import (
    Facts,
    attributes_of,
    describe,
    interactions,
    observed_scale,
    read_log,
    title_and_year,
    unique_ids,
)
from .dataset import Dataset
from .options import Option, Request, near, resolve, text
from .tables import Table, read_table

TYPES = ("token", "token_seq", "float", "float_seq")

FIELDS: dict[str, Option] = {
    "user": text("user_id", "field of the user's id"),
    "item": text("item_id", "field of the item's id"),
    "rating": text(None, "field of the rating; rating where it is there"),
    "timestamp": text(None, "field of the time in seconds; timestamp where it is there"),
    "title": text(None, "field of an item's title; otherwise the first of the usual names"),
    "genres": text(None, "field of an item's genres, separated by spaces"),
    "text": text(None, "field of an item's description"),
    "year": text(None, "field of an item's year"),
}
USUAL = {
    "title": ("movie_title", "title", "name", "item_name"),
    "genres": ("class", "genre", "genres", "category", "categories"),
    "text": ("description", "text", "plot", "summary"),
    "year": ("release_year", "year"),
}


def read(request: Request) -> Dataset:
    """The data set in an ``.inter`` file, or in the folder that holds one. Raises InputError."""
    options = request.options
    scale = request.rating_scale
    fields = resolve(options["fields"] or {}, FIELDS, file=request.scenario, key="dataset.fields")
    name = request.place.name.removesuffix(".inter")
    return read_folder(name, request.place, fields, scale)


def read_folder(
    name: str, path: Path, fields: Mapping[str, Any], scale: tuple[float, float] | None
) -> Dataset:
    """``path`` is an ``.inter`` file or a folder with exactly one."""
    inter = _inter(path)
    table = read_atomic(inter)
    wanted = {**{key: option.default for key, option in FIELDS.items()}, **fields}
    for optional in ("rating", "timestamp"):
        if wanted[optional] is None and optional in table:
            wanted[optional] = optional
    log = read_log(table, wanted, scale, key="dataset.fields.")
    if scale is None and log.rating is not None:
        scale = observed_scale(log.rating, table, "dataset.fields.rating")
    events, _, notes = interactions(log)
    items, more = describe(log.item_ids, facts_beside(inter, wanted))
    return Dataset(
        name=name,
        interactions=events,
        items=items,
        user_ids=tuple(log.user_ids),
        item_ids=tuple(log.item_ids),
        user_attributes=users_beside(inter, log.user_ids, wanted["user"]),
        rating_scale=scale or (1.0, 5.0),
        notes=notes + more,
    )


def facts_beside(path: Path, fields: Mapping[str, Any] | None = None) -> Facts | None:
    """What the ``.item`` file beside an ``.inter`` file says, None where there is none."""
    wanted = fields or {key: option.default for key, option in FIELDS.items()}
    file = _beside(path, ".item")
    if file is None:
        return None
    table = read_atomic(file)
    found = {role: _role(table, role, wanted[role]) for role in USUAL}
    ids = unique_ids(table, wanted["item"], "dataset.fields.item")
    texts = {role: table.texts(c, role) if c else [""] * len(ids) for role, c in found.items()}
    titles, years = title_and_year(texts["title"])
    if found["year"]:
        years = [_year(value) for value in texts["year"]]
    used = {wanted["item"], *found.values()}
    others = [str(c) for c in table.frame.columns if c not in used]
    return Facts(
        ids=ids,
        title=titles,
        genres=[tuple(value.split()) for value in texts["genres"]],
        year=years,
        text=texts["text"],
        attributes={column: table.texts(column, column) for column in others},
    )


def users_beside(
    path: Path, user_ids: Sequence[str], column: str = "user_id"
) -> dict[str, tuple[str, ...]]:
    """The columns of the ``.user`` file beside an ``.inter`` file, by dense user number."""
    file = _beside(path, ".user")
    if file is None:
        return {}
    table = read_atomic(file)
    ids = unique_ids(table, column, "dataset.fields.user")
    others = [str(c) for c in table.frame.columns if c != column]
    return attributes_of(user_ids, ids, {c: table.texts(c, c) for c in others})


def read_atomic(file: Path) -> Table:
    """An atomic file; its columns lose their types, which must be there."""
    table = read_table(file, separator="\t", quoted=False)
    names = []
    for column in map(str, table.frame.columns):
        name, colon, kind = column.rpartition(":")
        if not colon or kind not in TYPES:
            raise InputError(
                file,
                line=1,
                key="header",
                found=repr(column),
                allowed="name:type with a type of " + ", ".join(TYPES),
                fix=near(kind, TYPES)
                if colon
                else "add the header line, e.g. user_id:token<TAB>item_id:token",
            )
        names.append(name)
    return Table(file, table.frame.set_axis(names, axis=1), table.lines)


def _inter(path: Path) -> Path:
    if path.is_file():
        return path
    files = sorted(path.glob("*.inter"))
    if len(files) == 1:
        return files[0]
    raise InputError(
        path,
        key="dataset.path",
        found=f"{len(files)} .inter files"
        + (f": {', '.join(f.name for f in files)}" * bool(files)),
        allowed="a folder with one, or the path of one",
    )


def _beside(path: Path, suffix: str) -> Path | None:
    """The file with this suffix beside an ``.inter`` file, or the only one in a folder."""
    if path.is_file():
        file = path.with_suffix(suffix)
        return file if file.exists() else None
    files = sorted(path.glob(f"*{suffix}"))
    return files[0] if len(files) == 1 else None


def _role(table: Table, role: str, told: str | None) -> str | None:
    """The column for a role: as told (and then it must be there) or of a usual name."""
    if told is not None:
        return str(table.column(told, f"dataset.fields.{role}").name)
    return next((name for name in USUAL[role] if name in table), None)


def _year(value: str) -> int:
    """A year, 0 where the file has none or something else."""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 4 else 0
