"""Bad input: one line that names file, key, what was found and what is allowed; exit code 2."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .command import audition

LOG = "user,item,rating\n" + "".join(
    f"u{u},i{i},{1 + (u + i) % 5}\n" for u in range(12) for i in range(10) if (u + i) % 3
)
COLUMNS = {"user": "user", "item": "item", "rating": "rating"}
ARMS = [{"name": "Pop", "recommender": "popularity"}, {"name": "Random", "recommender": "random"}]


def scenario(**changes: object) -> dict[str, object]:
    """A valid scenario on the file ``log.csv`` with some sections replaced."""
    base: dict[str, object] = {
        "name": "bad",
        "dataset": {"source": "csv", "path": "log.csv", "columns": COLUMNS},
        "agents": {"count": 5},
        "arms": ARMS,
    }
    return {**base, **changes}


def dataset(**changes: object) -> dict[str, object]:
    block = {"source": "csv", "path": "log.csv", "columns": COLUMNS, **changes}
    return scenario(dataset={key: value for key, value in block.items() if value is not None})


def arm(**settings: object) -> dict[str, object]:
    return scenario(arms=[{"name": "A", **settings}])


SCENARIOS: dict[str, tuple[object, tuple[str, ...]]] = {
    "not yaml": ("name: [", ("valid YAML",)),
    "empty": ("", ("found nothing",)),
    "unknown top key": (scenario(armz=[]), ("armz", "did you mean arms?")),
    "wrong type": (scenario(seed="seven"), ("seed", "'seven'", "a whole number")),
    "no arms": (scenario(arms=[]), ("arms", "at least 1")),
    "unknown recommender": (arm(recommender="lightgnc"), ("arms[0]", "lightgnc", "lightgcn")),
    "unknown setting": (arm(recommender="mf", epoch=3), ("arms[0]", "epoch", "epochs")),
    "setting of a wrong type": (arm(recommender="mf", epochs="many"), ("epochs", "'many'")),
    "setting out of range": (arm(recommender="mf", epochs=-1), ("epochs", "-1")),
    "no such module": (arm(recommender="nowhere.at_all:X"), ("nowhere.at_all",)),
    "no recommender class": (arm(recommender="json:JSONDecoder"), ("JSONDecoder",)),
    "control is no arm": (scenario(control="Best"), ("control", "'Best'", "Pop, Random")),
    "feedback without rounds": (scenario(feedback="viewed"), ("feedback", "rounds: 2")),
    "unknown response model": (
        scenario(agents={"count": 5, "response": {"model": "telepathy"}}),
        ("agents.response", "telepathy", "behavioural"),
    ),
    "unknown response setting": (
        scenario(agents={"count": 5, "response": {"model": "behavioural", "slots": 1}}),
        ("agents.response", "slots"),
    ),
    "more agents than users": (scenario(agents={"count": 13}), ("agents.count", "13", "at most")),
    "unknown source": (dataset(source="movielens-1k"), ("dataset.source", "movielens-1k")),
    "no such file": (dataset(path="lag.csv"), ("dataset.path", "lag.csv")),
    "no path": (dataset(path=None), ("dataset.path",)),
    "unknown option": (dataset(seperator=","), ("seperator", "separator")),
    "column not there": (
        dataset(columns={**COLUMNS, "rating": "stars"}),
        ("log.csv", "stars", "user, item, rating"),
    ),
    "shares beyond 1": (dataset(split={"train": 0.8, "valid": 0.3, "test": 0.3}), ("split",)),
    "unknown split": (dataset(split="by_moon"), ("split", "by_moon")),
    "temporal without time": (dataset(split="temporal"), ("split", "no timestamps")),
    "given where none is": (dataset(split="given"), ("split", "given")),
    "nobody left": (dataset(min_interactions=500), ("min_interactions", "nothing left")),
    "budget": (scenario(budget={"usd": -1.0}), ("budget.usd", "-1.0")),
}


def expect_one_line(folder: Path, *named: str) -> None:
    done = audition("validate", folder / "s.yaml")
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("error: ")
    for part in named:
        assert part in done.err, f"{part!r} is not in {done.err!r}"


def put(folder: Path, document: object) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    (folder / "log.csv").write_text(LOG, encoding="utf-8")


def test_the_base_scenario_is_valid(tmp_path: Path) -> None:
    put(tmp_path, scenario())
    done = audition("validate", tmp_path / "s.yaml")
    assert (done.code, done.err) == (0, "")
    assert "12 users, 10 items" in done.out


@pytest.mark.parametrize("case", SCENARIOS, ids=str)
def test_broken_scenario(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDITION_DATA", raising=False)
    document, named = SCENARIOS[case]
    put(tmp_path, document)
    expect_one_line(tmp_path, *named)


def _folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


DATA: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "empty file": (_text(""), ("log.csv",)),
    "header only": (_text("user,item,rating\n"), ("log.csv",)),
    "word for a rating": (_text("user,item,rating\na,b,good\n"), ("rating", "good")),
    "empty id": (_text("user,item,rating\na,b,3\n,b,3\n"), ("user",)),
    "wrong separator": (_text(LOG.replace(",", ";")), ("log.csv",)),
    "not the encoding": (
        lambda path: path.write_bytes(LOG.replace("u1,", "ü,").encode("latin-1")),
        ("log.csv", "encoding"),
    ),
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 20), ("log.csv",)),
    "no gzip": (lambda path: path.write_bytes(b"\x1f\x8b garbage"), ("log.csv",)),
    "cut gzip": (
        lambda path: path.write_bytes(gzip.compress(LOG.encode() * 50)[:60]),
        ("log.csv",),
    ),
    "a folder": (_folder_instead, ("log.csv",)),
}


@pytest.mark.parametrize("case", DATA, ids=str)
def test_broken_data_file(tmp_path: Path, case: str) -> None:
    make, named = DATA[case]
    put(tmp_path, scenario())
    make(tmp_path / "log.csv")
    expect_one_line(tmp_path, *named)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run",), "SCENARIO"),
        (("rn",), "run"),
        (("run", "no-such-scenario"), "quickstart"),
        (("run", "quickstart", "--agents", "0"), "--agents"),
        (("run", "quickstart", "--set", "seed"), "key.path=value"),
        (("run", "quickstart", "--name", "a/b"), "--name"),
        (("list", "moods"), "moods"),
        (("show", "x", "--store", "nowhere.db"), "nowhere.db"),
        (("export", "x", "--to", "y", "--store", "nowhere.db"), "nowhere.db"),
        (("transcript", "x", "--agent", "one"), "--agent"),
        (("run", "quickstart", "--store", "postgres+nothing://x"), "postgres+nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage(
    arguments: tuple[str, ...], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = audition(*arguments)
    assert done.code == 2
    assert named in done.err
    assert done.err.count("\n") == 1, done.err
