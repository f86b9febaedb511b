"""What a published run of language-model agents was shown, and what each of them did.

The files are ``exposures.csv.gz`` (user, page, slot, item, relevant, aligned, watched, rating,
shown_rating) and ``sessions.csv`` (user, exit_page, satisfaction) beside a data set's own, as
Agent4Rec's corrected run has them (docs/calibration.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from agents.interface import NO_ITEM, BoolArray, FloatArray, Floats, IntArray, Page

from ..data import readers
from ..data.tables import Table, read_table
from ..errors import InputError
from ..world import World

FILES = ("exposures.csv.gz", "sessions.csv")


@dataclass(frozen=True, eq=False)
class Slates:
    """N agents and the P pages that at least one of them was shown, k slots each.

    ``row`` (N,) positions in the world's audience, ascending; ``agent`` (N,) their numbers;
    ``item`` (N, P, k) from the top slot down, NO_ITEM where nothing was shown; ``relevant``,
    ``aligned``, ``watched`` (N, P, k), False there; ``rating`` (N, P, k), NaN where not rated;
    ``exit_page`` (N,) from 1; ``satisfaction`` (N,) 1 to 10, NaN where unknown.
    """

    row: IntArray
    agent: IntArray
    item: IntArray
    relevant: BoolArray
    aligned: BoolArray
    watched: BoolArray
    rating: FloatArray
    exit_page: IntArray
    satisfaction: Floats

    def __len__(self) -> int:
        return len(self.row)

    @property
    def pages(self) -> int:
        """P, the most pages anybody could see."""
        return int(self.item.shape[1])

    @property
    def there(self) -> BoolArray:
        """(N, P, k) where something was shown."""
        return np.asarray(self.item != NO_ITEM)

    def page(self, number: int, who: IntArray) -> Page:
        """Page ``number`` (from 1) for the slates' agents ``who``, rows of these arrays."""
        return Page(self.row[who], self.item[who, number - 1], number, 1)

    def rows(self, chosen: npt.NDArray[Any]) -> Slates:
        """Some of the agents, by row or by mask."""
        return Slates(*(np.asarray(column)[chosen] for column in vars(self).values()))

    def numbered(self, first: int, last: int) -> Slates:
        """Agents whose number lies in ``first``..``last``, both counted."""
        return self.rows((self.agent >= first) & (self.agent <= last))


def folder(world: World) -> Path | None:
    """Where the world's data set keeps a published run; None where it has none."""
    spec = world.scenario.dataset
    if spec.source != "agent4rec":
        return None
    path = None
    if spec.path is not None:
        path = Path(spec.path).expanduser()
        beside = Path(world.file).parent / path
        path = beside if not path.is_absolute() and beside.exists() else path
    place = readers.find(spec.source, path, scenario=world.file)
    return place if all((place / name).exists() for name in FILES) else None


def read(folder: Path, world: World) -> Slates:
    """The published run's slates, of those of its agents who are in the world's audience.

    Raises InputError where the files do not fit each other or the data set.
    """
    pages, ends = (read_table(folder / name) for name in FILES)
    log = pd.DataFrame(
        {
            **{name: pages.seconds(name, name) for name in ("user", "page", "slot", "item")},
            **{name: _flag(pages, name) for name in ("relevant", "aligned", "watched")},
            "rating": _or_nan(pages, "rating"),
        }
    )
    sessions = pd.DataFrame(
        {
            **{name: ends.seconds(name, name) for name in ("user", "exit_page")},
            "satisfaction": _or_nan(ends, "satisfaction"),
        }
    )
    log = log[log["user"].isin(world.audience.agent)]
    sessions = sessions[sessions["user"].isin(world.audience.agent)].sort_values("user")
    _check(folder, log, sessions, world.dataset.n_items)
    return _arranged(log, sessions, world)


def _check(folder: Path, log: pd.DataFrame, sessions: pd.DataFrame, n_items: int) -> None:
    last = log.groupby("user")["page"].max()
    ends = sessions.set_index("user")["exit_page"]
    if not len(ends) or not last.sort_index().equals(ends.astype(last.dtype).rename("page")):
        raise InputError(
            folder,
            key="exit_page",
            found=f"{len(last)} agents with pages, {len(ends)} with sessions of the audience",
            allowed="each agent of the audience with pages up to its exit_page, in both files",
        )
    outside = (log["item"] < 0) | (log["item"] >= n_items)
    if outside.any():
        raise InputError(
            folder,
            key="item",
            found=str(log["item"][outside].iloc[0]),
            allowed=f"an item from 0 to {n_items - 1}",
        )


def _arranged(log: pd.DataFrame, sessions: pd.DataFrame, world: World) -> Slates:
    user = sessions["user"].to_numpy(np.int64)
    shape = (len(user), int(log["page"].max()), int(log["slot"].max()) + 1)
    at = (
        np.searchsorted(user, log["user"].to_numpy(np.int64)),
        log["page"].to_numpy(np.int64) - 1,
        log["slot"].to_numpy(np.int64),
    )

    def laid(name: str, empty: Any, kind: Any) -> npt.NDArray[Any]:
        out = np.full(shape, empty, dtype=kind)
        out[at] = log[name].to_numpy()
        return out

    return Slates(
        row=np.searchsorted(world.audience.agent, user),
        agent=user,
        item=laid("item", NO_ITEM, np.int64),
        relevant=laid("relevant", False, np.bool_),
        aligned=laid("aligned", False, np.bool_),
        watched=laid("watched", False, np.bool_),
        rating=laid("rating", np.nan, np.float32),
        exit_page=sessions["exit_page"].to_numpy(np.int64),
        satisfaction=sessions["satisfaction"].to_numpy(np.float64),
    )


def _flag(table: Table, name: str) -> npt.NDArray[np.bool_]:
    texts = np.array([text.lower() for text in table.texts(name, name)])
    wrong = ~np.isin(texts, ("true", "false"))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            table.file,
            line=int(table.lines[row]),
            key=name,
            found=repr(str(texts[row])),
            allowed="True or False",
        )
    return np.asarray(texts == "true")


def _or_nan(table: Table, name: str) -> npt.NDArray[np.float64]:
    """A column of numbers, some of them missing."""
    given = np.flatnonzero(np.array(table.texts(name, name)) != "")
    out = np.full(len(table), np.nan)
    out[given] = table.take(given).numbers(name, name)
    return out
