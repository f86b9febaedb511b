"""Every wrong file or option is one line that names the file, the key and what was found."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from simulator.data import readers
from simulator.errors import InputError

from . import files


@dataclass(frozen=True)
class Case:
    """What lies in the folder, what is asked, and what the one line must contain."""

    source: str
    content: Mapping[str, str | bytes]
    says: tuple[str, ...]
    path: str = "log.csv"
    options: Mapping[str, Any] = field(default_factory=dict)


def log(content: str | bytes, *says: str, **options: Any) -> Case:
    return Case("csv", {"log.csv": content}, ("log.csv", *says), options=options)


def described(items: str | bytes, *says: str, **options: Any) -> Case:
    content: dict[str, str | bytes] = {"log.csv": files.LOG, "items.csv": items}
    return Case("csv", content, says, options={"items": {"path": "items.csv", **options}})


def atomic(inter: str, *says: str, **options: Any) -> Case:
    return Case("recbole", {"x.inter": inter}, says, "x.inter", options)


def sample(name: str, content: str | None, *says: str) -> Case:
    changed: dict[str, str | bytes] = {**files.AGENT4REC}
    del changed[name]
    if content is not None:
        changed[name] = content
    return Case("agent4rec", changed, says, ".")


def wrong(source: str, options: Mapping[str, Any], *says: str) -> Case:
    return Case(source, {"log.csv": files.LOG}, ("made.yaml", *says), options=options)


COLUMNS = "dataset.columns"
CASES = {
    "missing column": log(
        "user,film,rating\n1,2,3\n", f"{COLUMNS}.item", "no column 'item'", "user, film, rating"
    ),
    "mapped column that is not there": log(
        files.LOG, f"{COLUMNS}.rating", "no column 'stars'", columns={"rating": "stars"}
    ),
    "wrong separator": log(
        files.LOG.replace(",", ";"), f"{COLUMNS}.user", "looks separated by ';'"
    ),
    "no header": log("1,2,3\n4,5,1\n", f"{COLUMNS}.user", "header: false"),
    "rating that is no number": log(
        "user,item,rating\n1,2,3\n1,3,good\n", "log.csv:3", f"{COLUMNS}.rating", "'good'"
    ),
    "rating that is infinite": log(
        "user,item,rating\n1,2,inf\n", "log.csv:2", f"{COLUMNS}.rating", "'inf'"
    ),
    "rating that is missing": log(
        "user,item,rating\n1,2,\n1,3,4\n", "log.csv:2", f"{COLUMNS}.rating", "nothing"
    ),
    "rating outside the scale": log(
        "user,item,rating\n1,2,3\n1,3,11\n1,4,12\n",
        "log.csv:3",
        f"{COLUMNS}.rating",
        "'11' (and 1 more such rows)",
        "from 1 to 5",
        rating_scale=[1, 5],
    ),
    "ratings that never differ": log(
        "user,item,rating\n1,2,1\n1,3,1\n", f"{COLUMNS}.rating", "the rating 1 in every row"
    ),
    "timestamp with a fraction": log(
        "user,item,timestamp\n1,2,10\n1,3,10.5\n", "log.csv:3", f"{COLUMNS}.timestamp", "'10.5'"
    ),
    "timestamp that is a date": log(
        "user,item,timestamp\n1,2,2020-01-05\n", "log.csv:2", f"{COLUMNS}.timestamp", "seconds"
    ),
    "empty id": log("user,item\n1,2\n,3\n", "log.csv:3", f"{COLUMNS}.user", "nothing"),
    "blank id": log("user,item\n1,2\n1,  \n", "log.csv:3", f"{COLUMNS}.item", "nothing"),
    "NaN id": log("user,item\n1,2\nNaN,3\n", "log.csv:3", f"{COLUMNS}.user", "'NaN'"),
    "negative id": log("user,item\n1,2\n1,-3\n", "log.csv:3", f"{COLUMNS}.item", "'-3'"),
    "line counted past a blank one": log(
        "user,item\n1,2\n\n1,-3\n", "log.csv:4", f"{COLUMNS}.item", "'-3'"
    ),
    "empty file": log("", "an empty file"),
    "header and nothing else": log("user,item\n", "no rows"),
    "a row that is too long": log(
        "user,item\n1,2\n1,2,3,4\n", "log.csv:3", "dataset.separator", "4 fields"
    ),
    "every row too long": log("user,item\n1,2,3\n1,2,3\n", "dataset.separator"),
    "an open quote": log('user,item\n1,"2\n1,3\n', "dataset.separator", "rows that do not fit"),
    "broken encoding": log(
        "user,item\nJosé,2\n".encode("latin-1"), "dataset.encoding", "not utf-8", "latin-1"
    ),
    "wrong part of a split": log(
        "user,item,part\n1,2,train\n1,3,dev\n",
        "log.csv:3",
        f"{COLUMNS}.split",
        "'dev'",
        columns={"split": "part"},
    ),
    "a split without train": log(
        "user,item,part\n1,2,test\n", "no row for train", columns={"split": "part"}
    ),
    "broken gzip": Case("csv", {"log.csv.gz": b"no gzip"}, ("log.csv.gz", "gz"), "log.csv.gz"),
    "cut gzip": Case(
        "csv",
        {"log.csv.gz": gzip.compress(files.LOG.encode() * 50)[:-12]},
        ("log.csv.gz", "undamaged gz"),
        "log.csv.gz",
    ),
    "broken parquet": Case(
        "parquet", {"x.parquet": b"no parquet"}, ("x.parquet", "as parquet"), "x.parquet"
    ),
    "missing file": Case(
        "csv", {}, ("made.yaml", "dataset.path", "gone.csv", "does not exist"), "gone.csv"
    ),
    "a folder for a log": Case("csv", {}, ("made.yaml", "dataset.path", "the folder"), "."),
    "repeated item id": described(
        "item,title\n10,A\n9,B\n10,C\n", "items.csv:4", "dataset.items.columns.item", "'10'"
    ),
    "item file without the id": described(
        "id,title\n10,A\n", "items.csv", "dataset.items.columns.item", "id, title"
    ),
    "item file that is not there": Case(
        "csv",
        {"log.csv": files.LOG},
        ("made.yaml", "dataset.items.path", "gone.csv"),
        options={"items": {"path": "gone.csv"}},
    ),
    "item file without a path": Case(
        "csv",
        {"log.csv": files.LOG},
        ("made.yaml", "dataset.items.path", "nothing"),
        options={"items": {"separator": ","}},
    ),
    "year that is none": described(
        "item,title,year\n10,A,MCMX\n", "items.csv:2", "dataset.items.columns.year", "'MCMX'"
    ),
    "item text in another encoding": described(
        "item,title\n10,Misérables\n".encode("latin-1"), "items.csv", "dataset.items.encoding"
    ),
    "atomic file without header": atomic("1\t2\t3\n4\t5\t6\n", "x.inter:1", "header", "'1'"),
    "atomic file with an unknown type": atomic(
        "user_id:token\titem_id:tokn\n1\t2\n", "header", "item_id:tokn", "did you mean 'token'"
    ),
    "atomic file without the field": atomic(
        "user:token\titem_id:token\n1\t2\n", "x.inter", "dataset.fields.user", "no column 'user_id'"
    ),
    "unknown field role": atomic(
        files.INTER, "dataset.fields.usr", "did you mean 'user'", fields={"usr": "user_id"}
    ),
    "two atomic files": Case(
        "recbole", {"a.inter": files.INTER, "b.inter": files.INTER}, ("a.inter, b.inter",), "."
    ),
    "no rating file": Case("movielens-1m", {"movies.dat": files.MOVIES_DAT}, ("ratings.dat",), "."),
    "no MovieLens-100K": Case(
        "movielens-100k", {"README": "x"}, ("u.data or ml-100k.inter", "no such file"), "."
    ),
    "MovieLens with another separator": Case(
        "movielens-100k",
        {"u.data": "1 2 3 4\n5 6 7 8\n"},
        ("u.data:1", "fewer than 4 fields separated by tab"),
        ".",
    ),
    "MovieLens rating beyond 5": Case(
        "movielens-1m",
        {"ratings.dat": files.RATINGS_DAT.replace("::4::", "::6::")},
        ("ratings.dat:3", "rating", "'6'", "from 1 to 5"),
        ".",
    ),
    "MovieLens film twice": Case(
        "movielens-1m",
        {"ratings.dat": files.RATINGS_DAT, "movies.dat": files.MOVIES_DAT * 2},
        ("movies.dat:4", "'2'", "a second time"),
        ".",
    ),
    "Agent4Rec part missing": sample("cf_data/test.txt", None, "test.txt", "no such file"),
    "Agent4Rec letters among numbers": sample(
        "cf_data/valid.txt", "0 2\n1 x\n", "valid.txt:2", "'x'"
    ),
    "Agent4Rec pair in two parts": sample(
        "cf_data/test.txt", "0 1\n", "cf_data", "user 0 and item 1", "once"
    ),
    "Agent4Rec item without facts": sample(
        "items.csv", "movie_id,title,genres,rating,summary\n0,A,B,3,C\n", "items.csv", "movie_id"
    ),
    "Agent4Rec level 4": sample(
        "traits.csv",
        files.AGENT4REC["traits.csv"].replace("0,1,2,3,3", "0,1,4,3,3"),
        "traits.csv:2",
        "diversity",
        "4",
    ),
    "unknown source": wrong(
        "movielens-1M", {}, "dataset.source", "'movielens-1M'", "did you mean 'movielens-1m'"
    ),
    "unknown option": wrong("csv", {"seperator": ";"}, "seperator", "did you mean 'separator'"),
    "unknown column role": wrong(
        "csv", {"columns": {"usr": "u"}}, "dataset.columns.usr", "did you mean 'user'"
    ),
    "needed column set to null": wrong("csv", {"columns": {"user": None}}, "columns.user", "null"),
    "unknown encoding": wrong("csv", {"encoding": "utf-9"}, "dataset.encoding", "'utf-9'"),
    "separator of two characters": wrong("csv", {"separator": "||"}, "dataset.separator", "'||'"),
    "upside-down scale": wrong("csv", {"rating_scale": [5, 1]}, "dataset.rating_scale", "[5, 1]"),
    "minimum that is a text": wrong("csv", {"min_interactions": "5"}, "min_interactions", "'5'"),
    "nothing left": wrong(
        "csv", {"min_interactions": 3}, "dataset.min_interactions", "nothing left", "at most 2"
    ),
}


def ask(case: Case, folder: Path) -> InputError:
    files.write(folder, case.content)
    with pytest.raises(InputError) as caught:
        readers.read(case.source, folder / case.path, case.options, scenario="made.yaml")
    return caught.value


@pytest.mark.parametrize("name", CASES)
def test_told_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDITION_DATA", raising=False)
    message = str(ask(CASES[name], tmp_path))
    assert "\n" not in message
    missing = [part for part in CASES[name].says if part not in message]
    assert not missing, message
    assert "found" in message
    assert "allowed: " in message


def test_parquet_with_unusable_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": [1, 2], "item": [[1], [2]]})
    frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet.*dataset\.columns\.item"):
        readers.read("parquet", tmp_path / "x.parquet", {})
    frame = pd.DataFrame({"user": [1.0, float("nan")], "item": [1, 2]})
    frame.to_parquet(tmp_path / "y.parquet")
    with pytest.raises(InputError, match=r"y\.parquet:2: dataset\.columns\.user: found nothing"):
        readers.read("parquet", tmp_path / "y.parquet", {})


def test_search_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDITION_DATA", raising=False)
    with pytest.raises(InputError, match=r"dataset\.path: found null, and AUDITION_DATA is not"):
        readers.find("movielens-1m", None)
    with pytest.raises(InputError, match=r"dataset\.path: found null; allowed: a path"):
        readers.find("csv", None)
    monkeypatch.setenv("AUDITION_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"AUDITION_DATA: found no ml-1m/ in it"):
        readers.find("movielens-1m", None)


def test_search_finds_sub_folder_then_the_folder_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDITION_DATA", str(tmp_path))
    files.write(tmp_path, {"ratings.dat": files.RATINGS_DAT})
    assert readers.find("movielens-1m", None) == tmp_path
    files.write(tmp_path / "ml-1m", {"ratings.dat": files.RATINGS_DAT})
    assert readers.find("movielens-1m", None) == tmp_path / "ml-1m"
    assert readers.find("movielens-1m", tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"users": 5}, ("dataset.users", "5", "from 10 to")),
        ({"users": True}, ("dataset.users", "True")),
        ({"users": 100_000, "items": 10_000}, ("dataset.users", "at most 50,000,000 pairs")),
        ({"items": 90}, ("dataset.interactions", "60 with 90 items", "a third of the items: 30")),
        ({"popularity_exponent": "steep"}, ("dataset.popularity_exponent", "'steep'")),
        ({"user": 100}, ("dataset.user", "did you mean 'users'")),
    ],
)
def test_impossible_worlds_are_refused(options: dict[str, Any], says: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        readers.read("synthetic", None, options, scenario="made.yaml")
    message = str(caught.value)
    assert message.startswith("made.yaml: dataset.")
    assert all(part in message for part in says), message


def test_the_synthetic_world_has_no_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset\.path.*synthetic has no files"):
        readers.read("synthetic", tmp_path, {})
