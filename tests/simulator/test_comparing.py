"""``audition compare``: of a run, of a scenario, of a family; and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator.storage.store import Store
from tests.simulator.report import sample

from .command import Done, audition

TINY = [
    *("--set", "dataset.users=60", "--set", "dataset.items=80", "--set", "agents.count=12"),
    *("--set", "dataset.interactions=20", "--set", "session.max_pages=2"),
    *("--set", "arms=[{name: A, recommender: random}, {name: B, recommender: popularity}]"),
    *("--set", "control=A"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an invented run ``try`` and a family ``many`` of four worlds."""
    out = tmp_path_factory.mktemp("compare")
    with Store.open(str(out / "s.db")) as store:
        sample.write(store)
        sample.write_family(store, 4, 1, agents=12)
    return out


def compare(folder: Path, *arguments: object) -> Done:
    return audition("compare", *arguments, "--store", folder / "s.db", "--out", folder)


def test_a_run_is_read_and_told_in_words(folder: Path) -> None:
    done = compare(folder, "try")
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 110
    at = [
        done.out.index(part)
        for part in ("Health: ", "A/A control", "▼ Random is worse than MF in S_sat", "adj. p")
    ]
    assert at == sorted(at)
    for part in ("arms against MF", "detectable", "two groups", "ratio of sums", "--metric mean_r"):
        assert part in done.out
    assert "slice" not in done.out


def test_json_is_one_document(folder: Path) -> None:
    document = json.loads(compare(folder, "try", "--json").out)
    assert document["schema"] == "audition.compare/1"
    assert (document["run"]["name"], document["control"], document["unit"]) == (
        "try",
        "MF",
        "agent",
    )
    assert {row["arm"] for row in document["comparisons"]} == {"Random", "LightGCN"}
    assert [row["role"] for row in document["comparisons"]].count("primary") == 2
    assert {check["name"] for check in document["health"]} >= {"missing", "failed", "audit"}
    assert "slices" not in document


def test_another_control_and_one_metric(folder: Path) -> None:
    told = ("--control", "Random", "--metric", "p_view")
    document = json.loads(compare(folder, "try", *told, "--json").out)
    whole = json.loads(compare(folder, "try", "--control", "Random", "--json").out)
    assert [(row["arm"], row["metric"]) for row in document["comparisons"]] == [
        ("MF", "p_view"),
        ("LightGCN", "p_view"),
    ]
    same = [row for row in whole["comparisons"] if row["metric"] == "p_view"]
    assert document["comparisons"] == same  # leaving others out corrects nothing anew
    out = compare(folder, "try", *told).out
    assert "LightGCN is better than Random in P_view" in out
    assert "More metrics" not in out


def test_slices_are_labelled_exploratory(folder: Path) -> None:
    out = compare(folder, "try", "--slices").out
    assert "exploratory" in out
    assert "activity: low" in out
    given = ("--slices", "--metric", "n_exit", "--json")
    slices = json.loads(compare(folder, "try", *given).out)["slices"]
    assert {part["metric"] for part in slices} == {"n_exit"}
    assert all(part["label"].startswith("exploratory") for part in slices)


def test_a_family_is_compared_by_world(folder: Path) -> None:
    document = json.loads(compare(folder, "many", "--json").out)
    assert (document["unit"], document["worlds"], len(document["members"])) == ("world", 4, 4)
    assert {row["n"] for row in document["comparisons"] if row["role"] == "primary"} == {4}
    out = compare(folder, "many").out
    assert "4 worlds" in out
    assert "paired by world" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("try", "--metric", "clicks"), "--metric: found 'clicks'; allowed: p_view, n_like"),
        (("try", "--control", "EASE"), "control: found 'EASE'; allowed: Random, MF, LightGCN"),
        (("quickstart", "--control", "X"), "--control: found 'X'; allowed: Random, Popularity"),
        (("nothing",), "nothing: found neither a run of"),
        (("nothing.yaml",), "nothing.yaml: found no such file"),
        (("try", "--set", "seed=3"), "try: found neither a run of"),
    ],
)
def test_mistakes_are_one_line(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = compare(folder, *arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert said in done.err


def test_a_scenario_is_run_once_and_found_again(tmp_path: Path) -> None:
    first = compare(tmp_path, "quickstart", *TINY)
    assert first.code == 0, first.err
    assert "simulated in" in first.err
    assert (tmp_path / "quickstart" / "report.html").is_file()
    assert "B" in first.out
    again = compare(tmp_path, "quickstart", *TINY, "--json")
    assert again.err == ""
    assert json.loads(again.out)["run"]["name"] == "quickstart"
    changed = compare(tmp_path, "quickstart", *TINY, "--set", "seed=8", "--json")
    assert json.loads(changed.out)["run"]["name"] == "quickstart-2"
    family = (*TINY, "--set", "agents.replicates=2", "--json")
    found = json.loads(compare(tmp_path, "quickstart", *family).out)
    assert (found["replicates"], len(found["members"])) == (2, 2)
    assert compare(tmp_path, "quickstart", *family).err == ""


def test_one_arm_cannot_be_compared(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "s.db")) as store:
        sample.write(store, sample.Sample(10, {"MF": "mf"}))
    done = compare(tmp_path, "try")
    assert (done.code, "two or more to compare" in done.err) == (2, True)
