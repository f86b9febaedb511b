"""What each reader makes of a small, well-formed file."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recommenders.interface import Interactions
from simulator.data import readers
from simulator.data.dataset import Dataset

from . import files

Row = tuple[str, str, float | None, int | None]


def rows(data: Dataset, events: Interactions | None = None) -> list[Row]:
    """Events as (user id, item id, rating, time), in their order."""
    events = data.interactions if events is None else events
    return [
        (
            data.user_ids[u],
            data.item_ids[i],
            None if events.rating is None else float(events.rating[n]),
            None if events.timestamp is None else int(events.timestamp[n]),
        )
        for n, (u, i) in enumerate(zip(events.user, events.item, strict=True))
    ]


def read_csv(folder: Path, content: str | bytes, **options: object) -> Dataset:
    files.write(folder, {"log.csv": content})
    return readers.read("csv", folder / "log.csv", options)


def test_csv_is_ordered_by_number_and_time(tmp_path: Path) -> None:
    data = read_csv(tmp_path, files.LOG)
    assert data.user_ids == ("7", "12")
    assert data.item_ids == ("9", "10", "11")
    assert rows(data) == [
        ("7", "9", 5.0, 50),
        ("7", "10", 4.0, 100),
        ("12", "11", 2.0, 60),
        ("12", "10", 1.0, 70),
    ]
    assert data.rating_scale == (1.0, 5.0)
    assert data.items.title == data.item_ids
    assert data.notes == ("no item file: titles are ids",)


def test_text_ids_are_ordered_as_text_and_keep_their_zeros(tmp_path: Path) -> None:
    data = read_csv(tmp_path, "user,item\nb,007\nB,7\na,007\n")
    assert data.user_ids == ("B", "a", "b")
    assert data.item_ids == ("007", "7")
    assert data.interactions.rating is None
    assert data.interactions.timestamp is None


def test_whole_numbers_written_as_floats_are_whole(tmp_path: Path) -> None:
    data = read_csv(tmp_path, "user,item\n1.0,2\n10.0,3\n2.0,3\n")
    assert data.user_ids == ("1", "2", "10")


@pytest.mark.parametrize("separator", [";", "\t", "|", "::"])
def test_csv_with_other_names_and_separators(tmp_path: Path, separator: str) -> None:
    content = "who,what,stars\nJosé,2,0.5\nAnna,3,4.5\n".replace(",", separator)
    data = read_csv(
        tmp_path,
        content.encode("latin-1"),
        separator=separator,
        encoding="latin-1",
        columns={"user": "who", "item": "what", "rating": "stars"},
    )
    assert rows(data) == [("Anna", "3", 4.5, None), ("José", "2", 0.5, None)]
    assert data.rating_scale == (0.5, 4.5)


def test_csv_without_header_and_without_ratings(tmp_path: Path) -> None:
    columns = {"user": 1, "item": 0, "timestamp": 3}
    data = read_csv(tmp_path, "9,1,5,100\n8,1,5,50\n", header=False, columns=columns)
    assert rows(data) == [("1", "8", None, 50), ("1", "9", None, 100)]


def test_compressed_csv(tmp_path: Path) -> None:
    files.write(tmp_path, {"log.csv.gz": gzip.compress(files.LOG.encode())})
    plain = read_csv(tmp_path, files.LOG)
    packed = readers.read("csv", tmp_path / "log.csv.gz", {})
    assert packed.name == "log"
    assert rows(packed) == rows(plain)


def test_of_repeated_pairs_the_last_in_time_is_kept(tmp_path: Path) -> None:
    content = "user,item,rating,timestamp\n1,2,5,300\n1,2,3,100\n1,3,4,200\n1,2,1,200\n"
    data = read_csv(tmp_path, content)
    assert rows(data) == [("1", "3", 4.0, 200), ("1", "2", 5.0, 300)]
    assert data.notes[0].startswith("2 repeated (user, item) pairs")
    untimed = read_csv(tmp_path, "user,item,rating\n1,2,5\n1,3,4\n1,2,1\n")
    assert rows(untimed) == [("1", "3", 4.0, None), ("1", "2", 1.0, None)]


def test_item_file_describes_the_items(tmp_path: Path) -> None:
    items = (
        "film,name,kind,plot,made,studio\n"
        '11,Eleven,"Drama; Crime ;",Long ago.,1999,A\n'
        "9,Nine,,,,B\n"
        "77,Unwatched,Drama,x,2000,C\n"
    )
    files.write(tmp_path, {"log.csv": files.LOG, "items.csv": items})
    block = {
        "path": "items.csv",
        "genre_separator": ";",
        "columns": {
            "item": "film",
            "title": "name",
            "genres": "kind",
            "text": "plot",
            "year": "made",
        },
    }
    data = readers.read("csv", tmp_path / "log.csv", {"items": block})
    assert data.items.title == ("Nine", "10", "Eleven")
    assert data.items.genres == ((), (), ("Drama", "Crime"))
    assert data.items.year == (0, 0, 1999)
    assert data.items.text == ("", "", "Long ago.")
    assert data.items.attributes == {"studio": ("B", "", "A")}
    assert data.notes == (
        "1 items without metadata: their titles are their ids",
        "1 items of the item file without interactions are left out",
    )


def test_split_column_is_the_datas_own_split(tmp_path: Path) -> None:
    content = "user,item,part\n1,2,train\n1,3,test\n2,2,valid\n2,3,train\n"
    data = read_csv(tmp_path, content, columns={"split": "part"})
    assert data.split is not None
    assert rows(data, data.split.train) == [("1", "2", None, None), ("2", "3", None, None)]
    assert rows(data, data.split.valid) == [("2", "2", None, None)]
    assert rows(data, data.split.test) == [("1", "3", None, None)]


def test_parquet_with_its_own_types(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "user": [2, 10, 2],
            "item": [1.0, 2.0, 2.0],
            "rating": np.array([1, 5, 3], dtype=np.int8),
            "when": pd.to_datetime(["2020-01-02", "2020-01-01", "2020-01-01"]),
        }
    )
    frame.to_parquet(tmp_path / "log.parquet")
    data = readers.read("parquet", tmp_path / "log.parquet", {"columns": {"timestamp": "when"}})
    day = 86_400
    first = 18_262 * day
    assert rows(data) == [
        ("2", "2", 3.0, first),
        ("2", "1", 1.0, first + day),
        ("10", "2", 5.0, first),
    ]


def test_recbole_atomic_files(tmp_path: Path) -> None:
    files.write(tmp_path, {"x.inter": files.INTER, "x.item": files.ITEM, "x.user": files.USER})
    for path in (tmp_path, tmp_path / "x.inter"):
        data = readers.read("recbole", path, {})
        assert rows(data)[0] == ("a", "x", 3.0, 881250949)
        assert data.items.title == ('The "Quoted" One', "Second")
        assert data.items.genres == (("Drama", "Children's"), ("Comedy",))
        assert data.items.year == (1995, 0)
        assert data.user_attributes == {"age": ("24", "53")}
        assert data.rating_scale == (1.0, 4.0)
    told = {"fields": {"title": "class", "rating": "timestamp"}, "rating_scale": [0, 1e9]}
    data = readers.read("recbole", tmp_path, told)
    assert data.items.title == ("Drama Children's", "Comedy")
    assert data.interactions.rating is not None
    assert data.interactions.rating.min() > 8e8


def test_movielens_1m_as_published(tmp_path: Path) -> None:
    published = {
        "ratings.dat": files.RATINGS_DAT,
        "movies.dat": files.MOVIES_DAT,
        "users.dat": files.USERS_DAT,
    }
    data = readers.read("movielens-1m", files.write(tmp_path, published, "latin-1"), {})
    assert rows(data) == [
        ("1", "10", 5.0, 978300760),
        ("1", "2", 3.0, 978302109),
        ("20", "2", 4.0, 978301968),
    ]
    assert data.items.title == ("Jumanji", "Misérables, Les")
    assert data.items.year == (1995, 1995)
    assert data.items.genres[0] == ("Adventure", "Children's", "Fantasy")
    assert data.user_attributes["age"] == ("under 18", "56 or older")
    assert data.user_attributes["occupation"] == ("K-12 student", "self-employed")


def test_movielens_1m_as_csv_without_times(tmp_path: Path) -> None:
    content = gzip.compress(b"user,item,rating\n1,1,5\n1,48,5\n")
    data = readers.read("movielens-1m", files.write(tmp_path, {"ratings.csv.gz": content}), {})
    assert rows(data) == [("1", "1", 5.0, None), ("1", "48", 5.0, None)]


def test_movielens_100k_as_published(tmp_path: Path) -> None:
    flags = ["0"] * 19
    flags[3] = flags[4] = "1"
    published = {
        "u.data": "196\t242\t3\t881250949\n22\t377\t1\t878887116\n",
        "u.item": "242|Toy Story (1995)|01-Jan-1995||http://x|" + "|".join(flags) + "\n"
        "377|unknown|||" + "|".join(["", "1"] + ["0"] * 18) + "\n",
        "u.user": "22|24|M|writer|85711\n196|53|F|other|94043\n",
    }
    data = readers.read("movielens-100k", files.write(tmp_path, published), {})
    assert data.user_ids == ("22", "196")
    assert data.items.title == ("Toy Story", "unknown")
    assert data.items.genres == (("Animation", "Children's"), ())
    assert data.items.year == (1995, 0)
    assert data.user_attributes["occupation"] == ("writer", "other")


def test_movielens_100k_as_atomic_files(tmp_path: Path) -> None:
    files.write(tmp_path, {"ml-100k.inter": files.INTER, "ml-100k.item": files.ITEM})
    data = readers.read("movielens-100k", tmp_path, {})
    assert data.name == "movielens-100k"
    assert data.rating_scale == (1.0, 5.0)
    assert data.items.title[1] == "Second"


def agent4rec(folder: Path, **options: object) -> Dataset:
    files.write(folder / "agent4rec", files.AGENT4REC)
    return readers.read("agent4rec", folder / "agent4rec", options)


def test_agent4rec_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDITION_DATA", raising=False)
    data = agent4rec(tmp_path)
    assert data.split is not None
    assert [(u, i) for u, i, _, _ in rows(data, data.split.train)] == [
        ("0", "0"),
        ("0", "1"),
        ("1", "2"),
    ]
    assert [(u, i) for u, i, _, _ in rows(data, data.split.test)] == [("1", "1")]
    assert len(data.interactions) == 6
    assert data.interactions.rating is None
    assert "there are no ratings" in data.notes[0]
    assert data.shown_rating is not None
    assert data.shown_rating.tolist() == pytest.approx([3.2, 4.1, 2.5])
    assert data.given is not None
    assert data.given.tastes == (("I like games.", "I like drama."), ("I like plays.",))
    assert data.given.rating_habit == ("Often high. Rarely low.", "high.")
    assert data.given.activity is not None
    assert data.given.activity.tolist() == [1, 2]
    assert data.given.conformity is not None
    assert data.given.conformity.tolist() == [3, 1]
    assert "\ufffd" in data.items.title[1]


@pytest.mark.parametrize("told", [False, True])
def test_agent4rec_beside_movielens_has_ratings_and_whole_titles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    monkeypatch.delenv("AUDITION_DATA", raising=False)
    # Of our six pairs MovieLens rates (0, 1), (0, 0) and (1, 0).
    published = {"ratings.dat": files.RATINGS_DAT, "movies.dat": files.MOVIES_DAT}
    files.write(tmp_path / ("elsewhere" if told else "ml-1m"), published, "latin-1")
    data = agent4rec(tmp_path, **({"movielens_1m": "../elsewhere"} if told else {}))
    rated = {(u, i): r for u, i, r, _ in rows(data) if r is not None and not np.isnan(r)}
    assert rated == {("0", "1"): 5.0, ("0", "0"): 3.0, ("1", "0"): 4.0}
    assert data.items.title == ("Jumanji", "Misérables, Les", "Never Seen")
    assert data.notes == ("3 pairs without a rating",)


def test_agent4rec_beside_another_movielens_has_no_ratings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUDITION_DATA", raising=False)
    files.write(tmp_path / "ml-1m", {"ratings.dat": "77::10::5::1\n"})
    data = agent4rec(tmp_path)
    assert data.interactions.rating is None
    assert "has no ratings of these users" in data.notes[0]
