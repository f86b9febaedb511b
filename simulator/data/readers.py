"""The registry of data sources: a name, what it may be told, and where it is searched.

A source is one function ``Request -> Dataset`` in a file of its own, imported when it is
used, and one entry here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import InputError
from .dataset import Dataset
from .options import (
    Option,
    Request,
    block,
    encoding,
    flag,
    near,
    number,
    resolve,
    scale,
    separator,
    text,
    whole,
)

ENVIRONMENT = "AUDITION_DATA"
"""Names the folder that is searched when a scenario gives no path."""

FILTERS = {
    "min_interactions": whole(
        None, 1, 1_000_000, "users with fewer interactions are left out before splitting"
    ),
    "min_item_interactions": whole(
        None, 1, 1_000_000, "items with fewer are left out too, in turns until both hold"
    ),
}


@dataclass(frozen=True)
class Source:
    """One entry of the registry.

    ``function`` is ``module:name`` inside this package. ``folders`` are the names under
    which the source is searched in AUDITION_DATA and ``markers`` the file patterns that
    tell such a folder; a source with neither must be given a path, or needs none.
    """

    doc: str
    function: str
    options: Mapping[str, Option] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    on_disk: bool = True


_TABULAR = {
    "columns": block("which column is what: user, item, rating, timestamp, split"),
    "items": block("the item file: path, columns, genre_separator, separator, encoding"),
    "rating_scale": scale("lowest and highest rating; those in the data unless given"),
}

SOURCES: dict[str, Source] = {
    "synthetic": Source(
        "A generated world of invented films and users whose utility for every film is known.",
        "synthetic:read",
        {
            "users": whole(600, 10, 200_000, "how many users"),
            "items": whole(800, 50, 100_000, "how many items"),
            "interactions": whole(60, 5, 10_000, "mean number of interactions of a user"),
            "popularity_exponent": number(
                0.8, 0.0, 2.0, "how long-tailed exposure is: weight rank**-exponent, 0 is even"
            ),
            "world_seed": whole(
                None, 0, 2**32 - 1, "fixes the world while the scenario's seed varies"
            ),
        },
        on_disk=False,
    ),
    "movielens-100k": Source(
        "MovieLens-100K: the published u.data, u.item, u.user, or RecBole's atomic files.",
        "movielens:read_100k",
        folders=("ml-100k",),
        markers=("u.data", "ml-100k.inter"),
    ),
    "movielens-1m": Source(
        "MovieLens-1M: the published ratings.dat, movies.dat, users.dat, or a ratings.csv(.gz).",
        "movielens:read_1m",
        folders=("ml-1m",),
        markers=("ratings.dat", "ratings.csv.gz", "ratings.csv"),
    ),
    "agent4rec": Source(
        "Agent4Rec's 1,000 MovieLens-1M users with its split, personas and traits.",
        "agent4rec:read",
        {
            "movielens_1m": text(
                None, "folder of MovieLens-1M, for ratings; searched beside when null"
            )
        },
        ("agent4rec",),
        ("cf_data/train.txt",),
    ),
    "csv": Source(
        "Any interaction log as delimited text, plain or compressed, by a column mapping.",
        "tabular:read",
        {
            **_TABULAR,
            "separator": separator(",", "what stands between fields"),
            "encoding": encoding("utf-8", "the file's text encoding"),
            "header": flag(True, "whether the first line names the columns"),
        },
    ),
    "parquet": Source(
        "Any interaction log as parquet, by a column mapping.", "tabular:read", _TABULAR
    ),
    "recbole": Source(
        "RecBole's atomic files: NAME.inter, and NAME.item and NAME.user where there.",
        "recbole:read",
        {
            "fields": block("which field is what: user, item, rating, timestamp, title, ..."),
            "rating_scale": _TABULAR["rating_scale"],
        },
    ),
}


def read(
    source: str,
    path: Path | None,
    options: Mapping[str, Any],
    *,
    seed: int = 0,
    scenario: object = "scenario",
) -> Dataset:
    """The data set that a scenario's ``dataset`` block asks for.

    ``path`` None searches the folder named by AUDITION_DATA. ``options`` holds the rest of
    the block without ``source``, ``path`` and ``split``; ``seed`` is the scenario's and
    ``scenario`` its file, for errors. Raises InputError for everything a user can get wrong.
    """
    request = Request(source, None, check(source, options, scenario=scenario), seed, scenario)
    if SOURCES[source].on_disk:
        found = find(source, path, scenario=scenario)
        request = Request(source, found, request.options, seed, scenario)
    elif path is not None:
        raise request.refuse("path", found=repr(str(path)), allowed=f"null, {source} has no files")
    module, _, name = SOURCES[source].function.partition(":")
    dataset: Dataset = getattr(import_module(f".{module}", __package__), name)(request)
    minimum, item_minimum = (request.options[option] for option in FILTERS)
    if minimum is None and item_minimum is None:
        return dataset
    from .filters import keep_active

    return keep_active(dataset, minimum or 0, item_minimum or 0, request)


def check(
    source: str, options: Mapping[str, Any], *, scenario: object = "scenario"
) -> dict[str, Any]:
    """The options with defaults filled in; opens no file. Raises InputError."""
    if source not in SOURCES:
        raise InputError(
            scenario,
            key="dataset.source",
            found=repr(source),
            allowed=", ".join(SOURCES),
            fix=near(source, SOURCES),
        )
    return resolve(options, {**SOURCES[source].options, **FILTERS}, file=scenario)


def find(source: str, path: Path | None, *, scenario: object = "scenario") -> Path:
    """Where the source lies: the path given, or what AUDITION_DATA holds. Raises InputError."""
    if path is not None:
        if path.exists():
            return path
        raise InputError(
            scenario,
            key="dataset.path",
            found=f"{str(path)!r}, which does not exist",
            allowed="a file or folder that is there",
            fix="correct the path (it is taken relative to the scenario's folder)",
        )
    wanted = SOURCES[source]
    if not wanted.markers:
        raise InputError(
            scenario,
            key="dataset.path",
            found="null",
            allowed=f"a path: source {source} is not searched for",
        )
    root = os.environ.get(ENVIRONMENT)
    if not root:
        raise InputError(
            scenario,
            key="dataset.path",
            found=f"null, and {ENVIRONMENT} is not set",
            allowed=f"the folder that holds {' or '.join(wanted.markers)}",
            fix=f"give dataset.path, or set {ENVIRONMENT} to the folder that holds "
            f"{wanted.folders[0]}/",
        )
    for folder in (*(Path(root) / name for name in wanted.folders), Path(root)):
        if holds(folder, wanted.markers):
            return folder
    raise InputError(
        root,
        key=ENVIRONMENT,
        found=f"no {wanted.folders[0]}/ in it with {' or '.join(wanted.markers)}",
        allowed=f"a folder that holds the files of {source}",
        fix=f"put them into {Path(root) / wanted.folders[0]}, or give dataset.path",
    )


def holds(folder: Path, markers: tuple[str, ...]) -> bool:
    """Whether any of the patterns matches a file in the folder."""
    return folder.is_dir() and any(next(folder.glob(m), None) is not None for m in markers)
