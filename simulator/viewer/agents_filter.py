"""Which sessions are asked for: what an address says, and the rows that meet it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any

import numpy as np

from ..report.wording import clean, number
from . import session_words
from .session_index import Rows
from .session_table import Mask, Table, titles
from .session_words import Hits

SHEET = 50
"""Rows of one sheet of the table."""

TITLES = 100
"""Titles that one search for a watched item may mean."""

COLUMNS = {
    "agent": "agent",
    "arm": "arm",
    "round": "round",
    "activity": "activity",
    "diversity": "diversity",
    "conformity": "conformity",
    "exit_page": "pages",
    "shown": "shown",
    "watched": "watched",
    "liked": "liked",
    "satisfaction": "satisfaction",
    "return_intent": "return",
    "outcome": "outcome",
}
"""What a sheet can be sorted by, and how its column is headed."""

LEVELS = {1: "low", 2: "middle", 3: "high"}
MOST = 2**31 - 1


@dataclass(frozen=True)
class Asked:
    """A question to the table, as its address has it; None and "" ask for nothing. ``sort``: a
    column, behind "-" to begin with the largest."""

    arm: str = ""
    round: int | None = None
    agent: int | None = None
    activity: int | None = None
    diversity: int | None = None
    conformity: int | None = None
    exit_min: int | None = None
    exit_max: int | None = None
    sat_min: float | None = None
    sat_max: float | None = None
    outcome: str = ""
    item: str = ""
    q: str = ""
    notes: bool = False
    sort: str = ""
    sheet: int = 1

    @property
    def by(self) -> str:
        return self.sort.removeprefix("-") or "arm"

    @property
    def down(self) -> bool:
        return self.sort.startswith("-")

    def query(self, **changes: Any) -> dict[str, Any]:
        """The address's query with ``changes``; back to the first sheet unless that is one."""
        asked = replace(self, **{"sheet": 1, **changes})
        out: dict[str, Any] = {}
        for field in fields(asked):
            value = getattr(asked, field.name)
            if value not in (None, "", False) and (field.name, value) != ("sheet", 1):
                plain = isinstance(value, float) and value.is_integer()
                out[field.name] = int(value) if plain or value is True else value
        return out


def parse(given: Mapping[str, str]) -> Asked:
    """What the query says; what is no number, or out of range, asks for nothing."""
    numbers = ("round", "agent", "activity", "diversity", "conformity", "exit_min", "exit_max")
    found: dict[str, Any] = {name: whole(given.get(name, "")) for name in numbers}
    found |= {name: _real(given.get(name, "")) for name in ("sat_min", "sat_max")}
    found |= {name: given.get(name, "")[:500] for name in ("arm", "outcome")}
    found |= {name: given.get(name, "").strip()[:200] for name in ("item", "q")}
    sort = given.get("sort", "")
    if sort.removeprefix("-") in COLUMNS:
        found["sort"] = sort
    found["sheet"] = whole(given.get("sheet", "")) or 1
    return Asked(**found, notes=given.get("notes", "") not in ("", "0"))


def whole(text: str) -> int | None:
    """
    >>> whole("12"), whole("-1"), whole("1e9"), whole("9" * 400)
    (12, None, None, None)
    """
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > MOST:
        return None
    return int(text)


def _real(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < MOST else None


@dataclass(frozen=True)
class Condition:
    """One thing asked for: ``names`` of the query that say it, in words, and who meets it."""

    names: tuple[str, ...]
    text: str
    mask: Mask


@dataclass(frozen=True, eq=False)
class Chosen:
    """``rows``: the sessions, ordered; ``hits``: of the words searched for, None without;
    ``items``: what was meant by a watched item."""

    rows: Rows
    conditions: list[Condition]
    hits: Hits | None
    items: list[int]


def choose(table: Table, asked: Asked) -> Chosen:
    """The sessions that meet all that is asked for, in the order asked for."""
    conditions = [*_simple(table, asked), *_ranges(table, asked)]
    items: list[int] = []
    if asked.item:
        items = items_meant(titles(table.view, table.run), asked.item)
        text = f"watched {_quoted(asked.item)}"
        conditions.append(Condition(("item",), text, table.watched(items)))
    hits = None
    if asked.q:
        hits = session_words.search(table.view.index, table.standing.id, asked.q)
        mask = np.zeros(table.size, dtype=np.bool_)
        mask[hits.rows[hits.rows < table.size]] = True
        conditions.append(Condition(("q",), f"said {_quoted(asked.q)}", mask))
    if asked.notes:
        conditions.append(Condition(("notes",), "has a note", table.noted))
    met = reduce(np.logical_and, (one.mask for one in conditions), np.ones(table.size, np.bool_))
    return Chosen(table.ordered(np.flatnonzero(met), asked.by, asked.down), conditions, hits, items)


def relaxed(chosen: Chosen) -> list[tuple[Condition, int]]:
    """How many sessions there would be without each of what was asked for; the most first."""
    found = []
    for one in chosen.conditions:
        others = [other.mask for other in chosen.conditions if other is not one]
        count = reduce(np.logical_and, others, np.ones(len(one.mask), np.bool_)).sum()
        found.append((one, int(count)))
    return sorted(found, key=lambda pair: -pair[1])


def items_meant(known: Mapping[int, str], text: str) -> list[int]:
    """The items of that title, else of that number (``12`` or ``#12``), else all whose title
    has the text in it, as many as :data:`TITLES`."""
    wanted = text.casefold()
    exact = [item for item, title in known.items() if title.casefold() == wanted]
    as_number = whole(text.removeprefix("#"))
    if exact:
        return exact
    if as_number is not None and (as_number in known or text.startswith("#")):
        return [as_number]
    return [item for item, title in known.items() if wanted in title.casefold()][:TITLES]


def _simple(table: Table, asked: Asked) -> list[Condition]:
    """What must be equal."""
    out = []
    if asked.arm:
        mask = table.column("arm_id") == table.arms.get(asked.arm, -1)
        out.append(Condition(("arm",), f"arm {clean(asked.arm)}", mask))
    for name in ("round", "agent", "activity", "diversity", "conformity"):
        value = getattr(asked, name)
        if value is not None:
            text = str(value) if name in ("round", "agent") else LEVELS.get(value, str(value))
            out.append(Condition((name,), f"{name} {text}", table.column(name) == value))
    if asked.outcome:
        code = table.outcomes.index(asked.outcome) if asked.outcome in table.outcomes else -1
        text = f"outcome {clean(asked.outcome)}"
        out.append(Condition(("outcome",), text, table.column("outcome") == code))
    return out


def _ranges(table: Table, asked: Asked) -> list[Condition]:
    out = []
    for column, low, high, word in (
        ("exit_page", "exit_min", "exit_max", "exit page"),
        ("satisfaction", "sat_min", "sat_max", "satisfaction"),
    ):
        least, most = getattr(asked, low), getattr(asked, high)
        if least is None and most is None:
            continue
        values = table.column(column)
        mask = np.ones(table.size, np.bool_) if column != "satisfaction" else ~np.isnan(values)
        if least is not None:
            mask &= values >= least
        if most is not None:
            mask &= values <= most
        out.append(Condition((low, high), f"{word} {_between(least, most)}", mask))
    return out


def _between(least: float | None, most: float | None) -> str:
    """
    >>> _between(2, 5), _between(None, 3.5), _between(4, None), _between(3, 3)
    ('2 to 5', 'up to 3.5', 'from 4', '3')
    """
    low, high = (
        None if end is None else number(end, 1).removesuffix(".0") for end in (least, most)
    )
    if low is None or high is None:
        return f"from {low}" if high is None else f"up to {high}"
    return low if low == high else f"{low} to {high}"


def _quoted(text: str) -> str:
    return f"“{clean(text)}”"
