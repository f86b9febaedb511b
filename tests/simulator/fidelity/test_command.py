"""audition fidelity and audition calibrate, from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.fidelity.fidelity import CHAT
from simulator.fidelity.fidelity import _tests as made
from tests.simulator.command import audition

from .small import SCENARIO, world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fidelity")
    (out / "small.yaml").write_text(SCENARIO, encoding="utf-8")
    return out


@pytest.mark.slow
def test_fidelity_measures_what_the_data_allow_and_says_why_not(folder: Path) -> None:
    small = (folder / "small.yaml", "--agents", 40)
    done = audition("fidelity", *small, "--out", folder, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert {"taste", "ratings", "traits", "slots", "sessions", "memory", "retrieval"} <= {
        one["test"] for one in document["measures"]
    }
    assert set(document["missing"]) == {"llm run"}
    assert "no published run" in document["missing"]["llm run"]
    assert (document["agents"], document["left_out"]) == (40, {"agents": 0, "remark": ""})
    written = folder / "small-fidelity"
    assert json.loads((written / "fidelity.json").read_text(encoding="utf-8")) == document
    page = (written / "fidelity.html").read_text(encoding="utf-8")
    for said in ("Not measured", "genre entropy", "no published run", "95 % interval"):
        assert said in page


def test_why_a_test_cannot_be_made() -> None:
    hidden = replace(world(), relevant=None)
    why = {name: said for name, (said, _) in made(hidden, hidden.response, None, True).items()}
    assert why["taste"] is why["ratings"] is None
    assert all("nothing is held out" in str(why[name]) for name in ("traits", "slots", "sessions"))
    chat = dict(made(world(), world().response, None, False))
    assert chat.pop("retrieval")[0] is None  # it needs no chat model
    assert {said for said, _ in chat.values()} == {CHAT}


@pytest.fixture(scope="module")
def preset(folder: Path) -> tuple[Path, str]:
    """One calibrated to ratings of half of 40 agents, and what was printed."""
    file = folder / "mine.yaml"
    arguments = ("--to", "ratings", "--out", file, "--agents", 40)
    done = audition("calibrate", folder / "small.yaml", *arguments)
    assert done.code == 0, done.err
    return file, done.out


@pytest.mark.slow
def test_calibrate_writes_a_preset_that_runs(folder: Path, preset: tuple[Path, str]) -> None:
    file, said = preset
    assert "fitted on 20 agents" in said
    chosen = f"agents.response.preset={file}"
    assert audition("validate", folder / "small.yaml", "--set", chosen).code == 0


@pytest.mark.slow
def test_fidelity_leaves_out_whom_a_preset_was_fitted_on(
    folder: Path, preset: tuple[Path, str]
) -> None:
    of = ("--set", f"agents.response.preset={preset[0]}", "--agents", 40)
    done = audition("fidelity", folder / "small.yaml", *of, "--out", folder / "own")
    assert done.code == 0, done.err
    assert "the 20 of them in this audience are left out" in " ".join(done.out.split())
    written = folder / "own" / "small-fidelity"
    document = json.loads((written / "fidelity.json").read_text(encoding="utf-8"))
    assert (document["agents"], document["left_out"]["agents"]) == (20, 20)
    figures = [
        *document["measures"],
        *(b for one in document["measures"] for b in one["baselines"]),
    ]
    assert max(one["n"] for one in figures) <= 20
    page = (written / "fidelity.html").read_text(encoding="utf-8")
    assert "are left out of every figure" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "mine.txt"), "ends in .yaml"),
        (("--out", "mine.yaml", "--to", "llm-run"), "no published run"),
        (("--out", "mine.yaml", "--fit-share", "1.0"), "some are fitted on"),
        (("--out", "nowhere/mine.yaml", "--to", "ratings"), "--out"),
    ],
)
def test_calibrate_refuses_in_one_line(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = audition("calibrate", folder / "small.yaml", *arguments)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("error:") == 1
