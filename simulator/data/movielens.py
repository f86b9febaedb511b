"""MovieLens-100K and MovieLens-1M as GroupLens publishes them, and their common variants.

``movielens-100k``: ``u.data`` with ``u.item`` and ``u.user`` where there, or RecBole's
``ml-100k.inter``, ``.item``, ``.user``; the two may be mixed. ``movielens-1m``:
``ratings.dat`` with ``movies.dat`` and ``users.dat``, or a ``ratings.csv``/``.csv.gz`` with
the columns user, item, rating and perhaps timestamp.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path

from ..errors import InputError
from .assemble import (
    Facts,
    Log,
    attributes_of,
    describe,
    interactions,
    read_log,
    title_and_year,
    unique_ids,
)
from .dataset import Dataset
from .options import Request
from .tables import Table, read_table

SCALE = (1.0, 5.0)
_EVENTS = {"user": "user", "item": "item", "rating": "rating", "timestamp": "timestamp"}
_GENRES_100K = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
_AGES_1M = {
    "1": "under 18",
    "18": "18-24",
    "25": "25-34",
    "35": "35-44",
    "45": "45-49",
    "50": "50-55",
    "56": "56 or older",
}
_OCCUPATIONS_1M = (
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)


def read_100k(request: Request) -> Dataset:
    """MovieLens-100K. Raises InputError."""
    folder = _folder(request.place)
    published = folder / "u.data"
    if not published.exists():
        if not any(folder.glob("*.inter")):
            raise InputError(
                folder, key="u.data", found="no such file", allowed="u.data or ml-100k.inter"
            )
        from .recbole import read_folder

        return read_folder("movielens-100k", folder, {}, SCALE)
    table = read_table(published, separator="\t", names=list(_EVENTS), quoted=False)
    log = read_log(table, _EVENTS, SCALE, key="")
    return _dataset("movielens-100k", log, _facts_100k(folder), _users_100k(folder, log))


def read_1m(request: Request) -> Dataset:
    """MovieLens-1M. Raises InputError."""
    folder = _folder(request.place)
    log = ratings_1m(folder)
    movies = folder / "movies.dat"
    facts = _facts_1m(movies) if movies.exists() else None
    return _dataset("movielens-1m", log, facts, _users_1m(folder / "users.dat", log))


def ratings_1m(folder: Path) -> Log:
    """MovieLens-1M's ratings from whichever file the folder holds."""
    if (file := folder / "ratings.dat").exists():
        table = read_table(
            file, separator="::", encoding="latin-1", names=list(_EVENTS), quoted=False
        )
        return read_log(table, _EVENTS, SCALE, key="")
    for name in ("ratings.csv.gz", "ratings.csv"):
        if (file := folder / name).exists():
            table = read_table(file)
            columns: dict[str, str | None] = dict(_EVENTS)
            columns["timestamp"] = "timestamp" if "timestamp" in table else None
            return read_log(table, columns, SCALE, key="")
    raise InputError(
        folder,
        key="ratings",
        found="no file with ratings",
        allowed="ratings.dat, ratings.csv.gz or ratings.csv",
    )


def titles_1m(file: Path) -> dict[str, str]:
    """The published title of each film id, its year in brackets at the end."""
    table = _movies(file)
    return dict(zip(unique_ids(table, "item", "item"), _clean(table), strict=True))


def _folder(path: Path) -> Path:
    """The folder, also when one of its files was named."""
    return path if path.is_dir() else path.parent


def _dataset(
    name: str, log: Log, facts: Facts | None, user_attributes: Mapping[str, tuple[str, ...]]
) -> Dataset:
    events, _, notes = interactions(log)
    items, more = describe(log.item_ids, facts)
    return Dataset(
        name=name,
        interactions=events,
        items=items,
        user_ids=tuple(log.user_ids),
        item_ids=tuple(log.item_ids),
        user_attributes=user_attributes,
        rating_scale=SCALE,
        notes=notes + more,
    )


def _movies(file: Path) -> Table:
    return read_table(
        file,
        separator="::",
        encoding="latin-1",
        names=["item", "title", "genres"],
        quoted=False,
    )


def _clean(table: Table) -> list[str]:
    """Titles with their HTML entities resolved."""
    return [html.unescape(title) for title in table.texts("title", "title")]


def _facts_1m(file: Path) -> Facts:
    table = _movies(file)
    ids = unique_ids(table, "item", "item")
    titles, years = title_and_year(_clean(table))
    genres = [tuple(g.split("|")) if g else () for g in table.texts("genres", "genres")]
    return Facts(ids, titles, genres, years, [""] * len(ids))


def _users_1m(file: Path, log: Log) -> dict[str, tuple[str, ...]]:
    if not file.exists():
        return {}
    columns = ["user", "gender", "age", "occupation", "zip_code"]
    table = read_table(file, separator="::", encoding="latin-1", names=columns, quoted=False)
    occupations = {str(code): name for code, name in enumerate(_OCCUPATIONS_1M)}
    return attributes_of(
        log.user_ids,
        unique_ids(table, "user", "user"),
        {
            "gender": table.texts("gender", "gender"),
            "age": [_AGES_1M.get(age, age) for age in table.texts("age", "age")],
            "occupation": [
                occupations.get(code, code) for code in table.texts("occupation", "occupation")
            ],
            "zip_code": table.texts("zip_code", "zip_code"),
        },
    )


def _facts_100k(folder: Path) -> Facts | None:
    file = folder / "u.item"
    if not file.exists():
        from .recbole import facts_beside

        return facts_beside(folder)
    flags = [f"genre:{name}" for name in _GENRES_100K]
    names = ["item", "title", "released", "video", "url", *flags]
    table = read_table(file, separator="|", encoding="latin-1", names=names, quoted=False)
    ids = unique_ids(table, "item", "item")
    titles, years = title_and_year(_clean(table))
    marks = [table.texts(flag, flag) for flag in flags]
    genres = [
        tuple(
            name
            for name, mark in zip(_GENRES_100K, row, strict=True)
            if mark == "1" and name != "unknown"
        )
        for row in zip(*marks, strict=True)
    ]
    return Facts(ids, titles, genres, years, [""] * len(ids))


def _users_100k(folder: Path, log: Log) -> dict[str, tuple[str, ...]]:
    file = folder / "u.user"
    if not file.exists():
        from .recbole import users_beside

        return users_beside(folder, log.user_ids)
    names = ["user", "age", "gender", "occupation", "zip_code"]
    table = read_table(file, separator="|", encoding="latin-1", names=names, quoted=False)
    return attributes_of(
        log.user_ids,
        unique_ids(table, "user", "user"),
        {name: table.texts(name, name) for name in names[1:]},
    )
