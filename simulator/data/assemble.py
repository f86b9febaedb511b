"""From a table of events and facts about items to the one Dataset."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recommenders.interface import FloatArray, IntArray, Interactions, Items

from ..errors import InputError
from .tables import Table

_YEAR_AT_END = re.compile(r"\s*\((\d{4})(?:-\d{4})?\)\s*(\([A-Za-z]+\))?\s*$")


@dataclass(frozen=True, eq=False)
class Facts:
    """What an item file says, one entry an item of that file; ``ids`` are unique."""

    ids: Sequence[str]
    title: Sequence[str]
    genres: Sequence[tuple[str, ...]]
    year: Sequence[int]
    text: Sequence[str]
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Log:
    """A table's events with dense numbers, before repeats are removed."""

    user: IntArray
    item: IntArray
    user_ids: list[str]
    item_ids: list[str]
    rating: FloatArray | None
    timestamp: IntArray | None


def read_log(
    table: Table,
    columns: Mapping[str, str | None],
    scale: tuple[float, float] | None,
    key: str = "dataset.columns.",
) -> Log:
    """The events of a table; ``columns`` maps user, item, rating, timestamp to its columns.

    rating and timestamp may be None. ``key`` is what errors put before the role. Raises
    InputError for whatever is wrong in the table.
    """
    user, item = str(columns["user"]), str(columns["item"])
    rating, timestamp = columns.get("rating"), columns.get("timestamp")
    users, user_ids = table.ids(user, f"{key}user")
    items, item_ids = table.ids(item, f"{key}item")
    return Log(
        users,
        items,
        user_ids,
        item_ids,
        None if rating is None else table.ratings(rating, f"{key}rating", scale),
        None if timestamp is None else table.seconds(timestamp, f"{key}timestamp"),
    )


def interactions(log: Log) -> tuple[Interactions, IntArray, tuple[str, ...]]:
    """``(events, rows, notes)``: sorted by user and time, of repeated pairs the last kept.

    ``rows`` says which row of the log each event came from.
    """
    n = len(log.user)
    when = np.arange(n) if log.timestamp is None else log.timestamp
    by_pair = np.lexsort((np.arange(n), when, log.item, log.user))
    user, item = log.user[by_pair], log.item[by_pair]
    last = np.append((user[1:] != user[:-1]) | (item[1:] != item[:-1]), True)
    kept = by_pair[last]
    kept = kept[np.lexsort((kept, when[kept], log.user[kept]))]
    repeats = n - len(kept)
    notes = (f"{repeats:,} repeated (user, item) pairs: the last of each is kept",) * bool(repeats)
    events = Interactions(
        user=log.user[kept],
        item=log.item[kept],
        n_users=len(log.user_ids),
        n_items=len(log.item_ids),
        rating=None if log.rating is None else log.rating[kept],
        timestamp=None if log.timestamp is None else log.timestamp[kept],
    )
    return events, kept, notes


def describe(item_ids: Sequence[str], facts: Facts | None) -> tuple[Items, tuple[str, ...]]:
    """The catalogue of these ids; an item the facts lack has its id as title."""
    if facts is None:
        n = len(item_ids)
        return Items(tuple(item_ids), ("",) * n, ((),) * n, (0,) * n), (
            "no item file: titles are ids",
        )
    place = {item_id: row for row, item_id in enumerate(facts.ids)}
    rows = [place.get(item_id, -1) for item_id in item_ids]
    missing = rows.count(-1)
    notes = []
    if missing:
        notes.append(f"{missing:,} items without metadata: their titles are their ids")
    if unused := len(place) - (len(rows) - missing):
        notes.append(f"{unused:,} items of the item file without interactions are left out")
    known = [(row, item_id) for row, item_id in zip(rows, item_ids, strict=True)]
    return (
        Items(
            title=tuple((facts.title[r] if r >= 0 else "") or i for r, i in known),
            text=tuple(facts.text[r] if r >= 0 else "" for r in rows),
            genres=tuple(facts.genres[r] if r >= 0 else () for r in rows),
            year=tuple(facts.year[r] if r >= 0 else 0 for r in rows),
            attributes={
                name: tuple(values[r] if r >= 0 else "" for r in rows)
                for name, values in facts.attributes.items()
            },
        ),
        tuple(notes),
    )


def unique_ids(table: Table, column: str, key: str) -> list[str]:
    """One id for each row of an item or user file, in its order; repeats are refused."""
    codes, names = table.ids(column, key)
    _, first = np.unique(codes, return_index=True)
    if len(first) < len(codes):
        again = np.ones(len(codes), dtype=bool)
        again[first] = False
        row = int(np.argmax(again))
        raise InputError(
            table.file,
            line=int(table.lines[row]),
            key=key,
            found=f"the id {names[codes[row]]!r} a second time",
            allowed="each id once",
        )
    return [names[code] for code in codes]


def attributes_of(
    user_ids: Sequence[str], file_ids: Sequence[str], columns: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """A user file's columns by dense user number, empty for users the file lacks."""
    place = {user_id: row for row, user_id in enumerate(file_ids)}
    rows = [place.get(user_id, -1) for user_id in user_ids]
    return {
        name: tuple(values[r] if r >= 0 else "" for r in rows) for name, values in columns.items()
    }


def title_and_year(titles: Sequence[str]) -> tuple[list[str], list[int]]:
    """Titles without a year in brackets at the end, and that year (0 where there is none).

    >>> title_and_year(["Alien³ (1992)", "Untitled"])
    (['Alien³', 'Untitled'], [1992, 0])
    """
    found = [_YEAR_AT_END.search(title) for title in titles]
    bare = [t[: m.start()] if m and m.start() else t for t, m in zip(titles, found, strict=True)]
    return bare, [int(m.group(1)) if m else 0 for m in found]


def observed_scale(rating: npt.NDArray[np.float32], table: Table, key: str) -> tuple[float, float]:
    """The lowest and highest rating in the data, for sources that name no scale."""
    low, high = float(rating.min()), float(rating.max())
    if low == high:
        raise InputError(
            table.file,
            key=key,
            found=f"the rating {low:g} in every row",
            allowed="ratings that differ, or a rating_scale",
            fix="set dataset.rating_scale: [1, 5], or columns: {rating: null} to read no ratings",
        )
    return low, high
