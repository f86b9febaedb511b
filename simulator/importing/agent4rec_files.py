"""The files of Agent4Rec's published run, checked and read; its replies, parsed.

What was shown comes from exposures.csv.gz, how far each visit went from sessions.csv, and
everything that an agent did and said from its own reply.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from agents.response.agent4rec_text import (
    ExitText,
    InterviewText,
    PageText,
    read_exit,
    read_interview,
    read_page,
)
from recommenders.interface import IntArray

from ..data import readers
from ..data.dataset import Dataset
from ..data.tables import Table, read_table, unreadable
from ..errors import InputError

FILES = (
    "items.csv",
    "personas.csv",
    "traits.csv",
    "exposures.csv.gz",
    "sessions.csv",
    "responses.jsonl.gz",
    "cf_data/train.txt",
    "cf_data/valid.txt",
    "cf_data/test.txt",
)
KINDS = ("page", "exit", "interview")
FIGURES = {"activity": "activity_num", "diversity": "diversity_num", "conformity": "deviation"}
"""Where traits.csv has the raw figure behind a level."""

Floats = npt.NDArray[np.float64]
Visit = tuple[int, int]
"""A user and a page."""


@dataclass(frozen=True)
class Shown:
    """One page, from the top slot down; ``watched`` and ``rating`` (None: not rated) as
    published beside the replies."""

    item: tuple[int, ...]
    title: tuple[str, ...]
    relevant: tuple[bool, ...]
    watched: tuple[bool, ...]
    rating: tuple[float | None, ...]


@dataclass(frozen=True, eq=False)
class Published:
    """The run as published: ``user`` (N,) who has a session, in ascending order, and
    ``exit_page`` (N,) its last page, ``satisfaction`` (N,) its score as published (NaN: none);
    ``figures`` (n_users,) behind each trait; what was ``shown``, and the raw ``reply`` by
    (user, page, kind), where there is one."""

    dataset: Dataset
    user: IntArray
    exit_page: IntArray
    satisfaction: Floats
    figures: Mapping[str, Floats]
    shown: Mapping[Visit, Shown]
    reply: Mapping[tuple[int, int, str], str]

    @cached_property
    def pages(self) -> Mapping[Visit, PageText]:
        """What each page reply says."""
        return {
            visit: read_page(text, self.shown[visit].title, scale=self.dataset.rating_scale)
            for visit, text in self._replies("page")
        }

    @cached_property
    def exits(self) -> Mapping[Visit, ExitText]:
        """What each reply on leaving says."""
        return {visit: read_exit(text) for visit, text in self._replies("exit")}

    @cached_property
    def interviews(self) -> Mapping[Visit, InterviewText]:
        """What each interview says."""
        return {visit: read_interview(text) for visit, text in self._replies("interview")}

    def _replies(self, wanted: str) -> Iterator[tuple[Visit, str]]:
        for (user, page, kind), text in self.reply.items():
            if kind == wanted:
                yield (user, page), text


def read(folder: Path) -> Published:
    """Everything in the folder. Raises InputError for what is missing or does not fit."""
    absent = [name for name in FILES if not (folder / name).exists()]
    if absent:
        raise InputError(
            folder,
            found=f"no {', '.join(absent)}" if folder.is_dir() else "no such folder",
            allowed=f"Agent4Rec's published files: {', '.join(FILES)}",
        )
    dataset = readers.read("agent4rec", folder, {})
    sessions = read_table(folder / "sessions.csv")
    user, last = (_whole(sessions, name) for name in ("user", "exit_page"))
    _check(sessions, "user", (user < 0) | (user >= dataset.n_users), "a user of the split")
    _check(sessions, "user", _repeated(user), "each user once")
    _check(sessions, "exit_page", (last < 1) | (last > 1000), "a page from 1")
    order = np.argsort(user)
    shown = _shown(folder, dict(zip(user.tolist(), last.tolist(), strict=True)), dataset.n_items)
    return Published(
        dataset=dataset,
        user=user[order],
        exit_page=last[order],
        satisfaction=_satisfaction(sessions)[order],
        figures=_figures(read_table(folder / "traits.csv"), dataset.n_users),
        shown=shown,
        reply=_replies(folder / "responses.jsonl.gz", shown),
    )


def _whole(table: Table, name: str) -> IntArray:
    values = table.numbers(name, name, "a whole number")
    _check(table, name, (values != np.floor(values)) | (np.abs(values) > 2**53), "a whole number")
    return values.astype(np.int64)


def _check(table: Table, name: str, bad: npt.NDArray[np.bool_], allowed: str) -> None:
    """InputError for the first bad row."""
    if bad.any():
        row = int(np.argmax(bad))
        value = str(table.frame[name].iloc[row])
        line = int(table.lines[row])
        raise InputError(table.file, line=line, key=name, found=repr(value), allowed=allowed)


def _repeated(values: IntArray) -> npt.NDArray[np.bool_]:
    """(n,) which have been there before."""
    out = np.ones(len(values), dtype=bool)
    out[np.unique(values, return_index=True)[1]] = False
    return out


def _truth(table: Table, name: str) -> npt.NDArray[np.bool_]:
    texts = np.array([text.lower() for text in table.texts(name, name)])
    _check(table, name, ~np.isin(texts, ("true", "false")), "True or False")
    return np.asarray(texts == "true")


def _satisfaction(table: Table) -> Floats:
    texts = table.texts("satisfaction", "satisfaction")
    bad = [bool(text) and not re.fullmatch(r"\d{1,3}(\.\d+)?", text) for text in texts]
    _check(table, "satisfaction", np.array(bad), "nothing or a number")
    return np.array([float(text or "nan") for text in texts])


def _figures(table: Table, n_users: int) -> dict[str, Floats]:
    """(n_users,) by trait; the reader of the data set has checked the users."""
    order = np.argsort(_whole(table, "user"))[:n_users]
    return {trait: table.numbers(name, name)[order] for trait, name in FIGURES.items()}


def _shown(folder: Path, last: Mapping[int, int], n_items: int) -> dict[Visit, Shown]:
    """Every page of every session, in the order of user and page."""
    table = read_table(folder / "exposures.csv.gz")
    columns = {name: _whole(table, name) for name in ("user", "page", "slot", "item")}
    user, page, slot, item = columns.values()
    end = np.array([last.get(u, 0) for u in user.tolist()])
    _check(table, "user", end == 0, "a user of sessions.csv")
    _check(table, "page", (page < 1) | (page > end), "a page from 1 to the session's exit_page")
    _check(table, "item", (item < 0) | (item >= n_items), f"an item from 0 to {n_items - 1:,}")
    frame = pd.DataFrame(columns)
    place = frame.groupby(["user", "page"])["slot"].rank(method="first") - 1
    _check(table, "slot", place.to_numpy() != slot, "each slot of a page once, counted from 0")
    titles = _by_number(folder / "items.csv", "title")
    frame["title"] = [titles[number] for number in item.tolist()]
    frame["relevant"], frame["watched"] = _truth(table, "relevant"), _truth(table, "watched")
    ratings = [float(text) if text else None for text in _ratings(table)]
    frame["rating"] = pd.Series(ratings, dtype=object)  # else None would become NaN
    out: dict[Visit, Shown] = {}
    frame = frame.sort_values(["user", "page", "slot"])
    for _, rows in frame.groupby(["user", "page"]):
        parts = {name: tuple(rows[name].tolist()) for name in Shown.__dataclass_fields__}
        out[int(rows["user"].iloc[0]), int(rows["page"].iloc[0])] = Shown(**parts)
    for of, pages in last.items():
        if gap := next((p for p in range(1, pages + 1) if (of, p) not in out), None):
            raise InputError(
                table.file,
                key="page",
                found=f"nothing for page {gap} of user {of}",
                allowed="every page up to the session's exit_page",
            )
    return out


def _ratings(table: Table) -> list[str]:
    texts = table.texts("rating", "rating")
    bad = [bool(text) and not re.fullmatch(r"[1-5](\.\d+)?", text) for text in texts]
    _check(table, "rating", np.array(bad), "nothing or a rating from 1 to 5")
    return texts


def _by_number(file: Path, column: str) -> dict[int, str]:
    """A column of the item file; the reader of the data set has checked its numbers."""
    table = read_table(file)
    numbers = _whole(table, "movie_id").tolist()
    return dict(zip(numbers, table.texts(column, column), strict=True))


def _replies(file: Path, shown: Mapping[Visit, Shown]) -> dict[tuple[int, int, str], str]:
    """One JSON object a line: user, page, kind, text; each of a page that was shown."""
    allowed = f"an object with user, page, kind ({', '.join(KINDS)}) and text"
    out: dict[tuple[int, int, str], str] = {}
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line, text in enumerate(lines, 1):
                entry = _entry(text)
                if entry is None or entry["kind"] not in KINDS:
                    raise InputError(file, line=line, found=repr(text[:80]), allowed=allowed)
                key = (entry["user"], entry["page"], entry["kind"])
                if key[:2] not in shown or key in out:
                    found = f"{key[2]} reply of user {key[0]}, page {key[1]}"
                    once = "one reply of a kind for each page that was shown"
                    raise InputError(file, line=line, found=f"a {found}", allowed=once)
                out[key] = entry["text"]
    except (OSError, EOFError, UnicodeError, zlib.error) as error:
        raise unreadable(file, error) from error
    return out


def _entry(line: str) -> dict[str, Any] | None:
    """None for a line that is no such object."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    types = {"user": int, "page": int, "kind": str, "text": str}
    if not isinstance(entry, dict):
        return None
    fits = all(type(entry.get(name)) is kind for name, kind in types.items())
    return entry if fits else None
