"""Agent4Rec's MovieLens-1M sample: its own split, personas, traits and shown ratings.

Zhang et al., "On Generative Agents in Recommendation", SIGIR 2024. A user's and an item's
number are those of the published files. The split files hold pairs only; ratings are joined
from MovieLens-1M through the id maps where that data set lies beside.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from recommenders.interface import FloatArray, IntArray, Interactions, Items

from ..errors import InputError
from .assemble import title_and_year
from .dataset import Dataset, GivenProfiles, Split
from .options import Request
from .readers import ENVIRONMENT, SOURCES, holds
from .tables import Table, read_table, unreadable

PARTS = ("train", "valid", "test")
SCALE = (1.0, 5.0)


def read(request: Request) -> Dataset:
    """The data set with its given split. Raises InputError."""
    folder = request.place
    parts = [_pairs(folder / "cf_data" / f"{part}.txt") for part in PARTS]
    _disjoint(folder / "cf_data", parts)
    n_users, n_items = (1 + max(int(pairs[:, side].max()) for pairs in parts) for side in (0, 1))
    facts = _numbered(folder / "items.csv", "movie_id", n_items)
    pairs = np.concatenate(parts)
    part = np.repeat(np.arange(3), [len(p) for p in parts])
    movielens = _movielens(request)
    rating, notes = _ratings(folder, movielens, pairs, n_users, n_items)
    order = np.lexsort((np.arange(len(pairs)), pairs[:, 0]))

    def events(rows: IntArray) -> Interactions:
        return Interactions(
            pairs[rows, 0],
            pairs[rows, 1],
            n_users,
            n_items,
            None if rating is None else rating[rows],
        )

    return Dataset(
        name="agent4rec",
        interactions=events(order),
        items=_items(folder, facts, movielens),
        user_ids=tuple(map(str, range(n_users))),
        item_ids=tuple(map(str, range(n_items))),
        rating_scale=SCALE,
        split=Split(*(events(order[part[order] == number]) for number in range(3))),
        given=_given(folder, n_users),
        shown_rating=facts.ratings("rating", "rating", SCALE),
        notes=notes,
    )


def _pairs(file: Path) -> IntArray:
    """(n, 2) user and item numbers of a file whose lines are ``user item item ...``."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InputError(
            file, found="no such file", allowed=f"cf_data/ with {', '.join(PARTS)} .txt"
        ) from error
    except (OSError, UnicodeError) as error:
        raise unreadable(file, error) from error
    tokens = [line.split() for line in lines]
    lengths = np.array([len(t) for t in tokens], dtype=np.int64)
    flat = [token for t in tokens for token in t]
    if not flat:
        raise InputError(file, found="an empty file", allowed="lines of: user item item ...")
    if not all(map(str.isdecimal, flat)):
        place = next(i for i, token in enumerate(flat) if not token.isdecimal())
        line = int(np.searchsorted(np.cumsum(lengths), place, side="right")) + 1
        raise InputError(
            file, line=line, found=repr(flat[place]), allowed="whole numbers: user item item ..."
        )
    numbers = np.array(flat, dtype=np.int64)
    first = np.cumsum(lengths) - lengths
    head = np.zeros(len(numbers), dtype=bool)
    head[first[lengths > 0]] = True
    user = np.repeat(numbers[head], lengths[lengths > 0] - 1)
    return np.column_stack([user, numbers[~head]])


def _disjoint(folder: Path, parts: Sequence[IntArray]) -> None:
    pairs = np.concatenate(parts)
    unique, counts = np.unique(pairs, axis=0, return_counts=True)
    if len(unique) < len(pairs):
        user, item = unique[int(np.argmax(counts > 1))]
        raise InputError(
            folder,
            key="train, valid, test",
            found=f"user {user} and item {item} more than once "
            f"(and {len(pairs) - len(unique) - 1:,} more repeats)",
            allowed="each pair once, in one part",
        )


def _numbered(file: Path, column: str, n: int) -> Table:
    """A csv file that describes the numbers 0..n-1, in their order."""
    if not file.exists():
        raise InputError(file, found="no such file", allowed="the published csv files")
    table = read_table(file)
    number = table.seconds(column, column)
    if not np.array_equal(np.sort(number), np.arange(len(number))) or len(number) < n:
        raise InputError(
            file,
            key=column,
            found=f"{len(np.unique(number)):,} different numbers up to {number.max():,} "
            f"in {len(number):,} rows",
            allowed=f"each number from 0 to {n - 1:,} once",
        )
    return table.take(np.argsort(number)[:n])


def _movielens(request: Request) -> Path | None:
    """The folder of MovieLens-1M: as told, beside, or in AUDITION_DATA."""
    told = request.options["movielens_1m"]
    if told is not None:
        if (folder := request.place / str(told)).is_dir():
            return folder
        raise request.refuse(
            "movielens_1m", found=repr(told), allowed="a folder, relative to the data's folder"
        )
    wanted = SOURCES["movielens-1m"]
    roots = [str(request.place.resolve().parent), os.environ.get(ENVIRONMENT)]
    places = [Path(root) / folder for root in roots if root for folder in wanted.folders]
    return next((place for place in places if holds(place, wanted.markers)), None)


def _ratings(
    folder: Path, movielens: Path | None, pairs: IntArray, n_users: int, n_items: int
) -> tuple[FloatArray | None, tuple[str, ...]]:
    """(n,) the pairs' ratings, NaN where MovieLens lacks one; None without MovieLens."""
    if movielens is None:
        return None, ("MovieLens-1M was not found beside the data: there are no ratings",)
    from .movielens import ratings_1m

    log = ratings_1m(movielens)
    of_user = _map(folder / "user_id_map.csv", "ml1m_user", "user", log.user_ids)
    of_item = _map(folder / "item_id_map.csv", "ml1m_item", "item", log.item_ids)
    user, item = of_user[log.user], of_item[log.item]
    known = (user >= 0) & (user < n_users) & (item >= 0) & (item < n_items)
    if log.rating is None or not known.any():
        return None, (f"{movielens} has no ratings of these users and items",)
    key = user[known] * n_items + item[known]
    order = np.argsort(key, kind="stable")
    wanted = pairs[:, 0] * n_items + pairs[:, 1]
    at = np.minimum(np.searchsorted(key[order], wanted), len(key) - 1)
    out = np.where(key[order][at] == wanted, log.rating[known][order][at], np.nan)
    lost = int(np.isnan(out).sum())
    return out.astype(np.float32), (f"{lost:,} pairs without a rating",) * bool(lost)


def _map(file: Path, source: str, target: str, ids: Sequence[str]) -> IntArray:
    """(n,) our number of each MovieLens id, -1 where the sample lacks it."""
    table = read_table(file)
    numbers = dict(
        zip(
            table.texts(source, source),
            table.seconds(target, target).tolist(),
            strict=True,
        )
    )
    return np.array([numbers.get(i, -1) for i in ids], dtype=np.int64)


def _items(folder: Path, facts: Table, movielens: Path | None) -> Items:
    """The catalogue; titles whose accents were damaged are taken from MovieLens."""
    titles = facts.texts("title", "title")
    movies = None if movielens is None else movielens / "movies.dat"
    if movies is not None and movies.exists():
        from .movielens import titles_1m

        published = titles_1m(movies)
        table = read_table(folder / "item_id_map.csv")
        for theirs, ours in zip(
            table.texts("ml1m_item", "ml1m_item"),
            table.seconds("item", "item").tolist(),
            strict=True,
        ):
            if ours < len(titles) and theirs in published:
                titles[ours] = published[theirs]
    bare, years = title_and_year(titles)
    return Items(
        title=tuple(bare),
        text=tuple(facts.texts("summary", "summary")),
        genres=tuple(tuple(g.split("|")) if g else () for g in facts.texts("genres", "genres")),
        year=tuple(years),
    )


def _given(folder: Path, n_users: int) -> GivenProfiles:
    """Tastes and rating habits from personas.csv, levels from traits.csv; either may lack."""
    given = GivenProfiles()
    personas, traits = folder / "personas.csv", folder / "traits.csv"
    if personas.exists():
        table = _numbered(personas, "user", n_users)
        tastes = [_sentences(t) for t in table.texts("taste", "taste")]
        high = table.texts("high_rating", "high_rating")
        low = table.texts("low_rating", "low_rating")
        habit = tuple(f"{h} {x}".strip() for h, x in zip(high, low, strict=True))
        given = replace(given, tastes=tuple(tastes), rating_habit=habit)
    if traits.exists():
        table = _numbered(traits, "user", n_users)
        given = replace(
            given,
            activity=_levels(table, "activity"),
            diversity=_levels(table, "diversity"),
            conformity=_levels(table, "conformity"),
        )
    return given


def _sentences(text: str) -> tuple[str, ...]:
    """The non-empty parts of a text joined by ``|``, each once."""
    parts = pd.unique(pd.Series([p.strip() for p in text.split("|") if p.strip()], dtype=str))
    return tuple(map(str, parts))


def _levels(table: Table, column: str) -> npt.NDArray[np.int8]:
    levels = table.seconds(column, column)
    outside = (levels < 1) | (levels > 3)
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(
            table.file,
            line=int(table.lines[row]),
            key=column,
            found=str(levels[row]),
            allowed="a level: 1, 2 or 3",
        )
    return levels.astype(np.int8)
