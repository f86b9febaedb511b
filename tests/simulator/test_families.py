"""Families of runs: several worlds, several replicates, stopped and gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from simulator import family
from simulator.errors import BudgetError, InputError
from simulator.model import Audition
from simulator.progress import Progress
from simulator.scenario import Scenario
from simulator.storage import families, queries
from simulator.storage.export import export
from simulator.storage.store import Store
from tests.agents.chat.server import Server

from .chat_runs import Runs, with_tastes

MEMBERS = ["f.w1.r1", "f.w1.r2", "f.w2.r1", "f.w2.r2"]


def scenario(**changes: Any) -> Scenario:
    base: dict[str, Any] = {
        "name": "f",
        "seed": 5,
        "dataset": {"source": "synthetic", "users": 40, "items": 60, "interactions": 12},
        "agents": {"count": 8, "replicates": 2},
        "session": {"page_size": 4, "max_pages": 3},
        "arms": [
            {"name": "Pop", "recommender": "popularity"},
            {"name": "EASE", "recommender": "ease"},
        ],
        "worlds": 2,
    }
    return Scenario.model_validate({**base, **changes})


class Families:
    """A folder with a store of families."""

    def __init__(self, where: str, folder: Path) -> None:
        self.folder, self.store = folder, Store.open(where)
        self.finished: list[str] = []

    def __enter__(self) -> Families:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def play(self, chosen: Scenario | None = None, name: str | None = None) -> str:
        return family.play(
            chosen or scenario(),
            "f.yaml",
            self.store,
            name=name,
            checkpoints=self.folder / "checkpoints",
            progress=Progress(quiet=True),
            on_member=self.finished.append,
        )

    def resume(self, name: str = "f", *overrides: str) -> str:
        return family.resume(
            name,
            self.store,
            overrides=overrides,
            checkpoints=self.folder / "checkpoints",
            progress=Progress(quiet=True),
            on_member=self.finished.append,
        )

    def statuses(self, name: str = "f") -> dict[str, str]:
        return {run.name: run.status for run in queries.family(self.store, name)}

    def exported(self, name: str = "f") -> dict[str, dict[str, bytes]]:
        """By member, by file."""
        found = {}
        for run in queries.family(self.store, name):
            files = export(self.store, run.name, self.folder / "export" / run.name, "csv")
            found[run.name.removeprefix(name)] = {file.name: file.read_bytes() for file in files}
        return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("calm")
    with Families(str(folder / "s.db"), folder) as calm:
        assert calm.play() == "f"
        assert calm.finished == MEMBERS
        return calm.exported()


def test_members_are_runs_of_other_seeds_and_other_luck() -> None:
    found = family.members(scenario(luck=3))
    assert [m.suffix for m in found] == [".w1.r1", ".w1.r2", ".w2.r1", ".w2.r2"]
    assert [(m.world, m.replicate) for m in found] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert [(m.scenario.seed, m.scenario.luck) for m in found] == [(5, 3), (5, 4), (6, 3), (6, 4)]
    assert {(m.scenario.worlds, m.scenario.agents.replicates) for m in found} == {(1, 1)}
    alone = scenario(agents={"count": 8})
    assert [m.suffix for m in family.members(alone)] == [".w1", ".w2"]
    assert [m.suffix for m in family.members(scenario(worlds=1))] == [".r1", ".r2"]
    (single,) = family.members(scenario(worlds=1, agents={"count": 8}))
    assert (single.suffix, single.scenario) == ("", scenario(worlds=1, agents={"count": 8}))


def test_each_member_has_a_recording_of_its_own() -> None:
    found = family.members(scenario(record="out/calls.jsonl.gz", replay="in.jsonl"))
    assert [Path(m.scenario.record or "").as_posix() for m in found][-1] == (
        "out/calls.w2.r2.jsonl.gz"
    )
    assert found[0].scenario.replay == "in.w1.r1.jsonl"


def test_a_seed_out_of_range_is_one_line() -> None:
    with pytest.raises(InputError, match=r"f\.w2.*seed"):
        family.members(scenario(seed=2**31 - 1))


def test_worlds_differ_in_people_and_replicates_in_luck_alone(
    undisturbed: dict[str, dict[str, bytes]],
) -> None:
    one, other, second = (undisturbed[m] for m in (".w1.r1", ".w1.r2", ".w2.r1"))
    for same in ("agents.csv", "items.csv", "offline.csv"):
        assert one[same] == other[same] != second[same]
    assert one["exposures.csv"] != other["exposures.csv"]


def test_a_member_is_what_its_scenario_alone_would_give(
    undisturbed: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    with Families(str(tmp_path / "s.db"), tmp_path) as here:
        last = family.members(scenario())[-1]
        name = here.play(last.scenario, "alone")
        assert here.finished == []
        assert queries.run(here.store, name).family is None
        files = export(here.store, name, tmp_path / "x", "csv")
        assert {file.name: file.read_bytes() for file in files} == undisturbed[".w2.r2"]


def interrupted(after: int) -> pytest.MonkeyPatch:
    """From now on the arm after that many is interrupted."""
    patch, played = pytest.MonkeyPatch(), [0]
    play = Audition.play

    def stops(self: Audition, *arguments: Any) -> Any:
        played[0] += 1
        if played[0] > after:
            raise KeyboardInterrupt
        return play(self, *arguments)

    patch.setattr(Audition, "play", stops)
    return patch


@pytest.fixture(params=["file", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres"))
    return str(tmp_path / "s.db")


def test_stopped_in_the_middle_and_resumed_it_ends_as_if_undisturbed(
    undisturbed: dict[str, dict[str, bytes]], where: str, tmp_path: Path
) -> None:
    with Families(where, tmp_path) as here:
        patch = interrupted(after=3)
        with pytest.raises(KeyboardInterrupt):
            here.play()
        patch.undo()
        assert here.statuses() == {"f.w1.r1": "finished", "f.w1.r2": "interrupted"}
        assert here.finished == ["f.w1.r1"]
        with pytest.raises(InputError, match=r"a member of f; fix: audition resume f"):
            here.resume("f.w1.r2")
        assert here.resume() == "f"
        assert here.finished == ["f.w1.r1", *MEMBERS]
        assert set(here.statuses().values()) == {"finished"}
        assert here.exported() == undisturbed
        # A finished one is left as it is.
        ended = queries.runs(here.store)
        assert here.resume() == "f"
        pd.testing.assert_frame_equal(queries.runs(here.store), ended)


def test_killed_before_its_first_member_it_leaves_no_name_behind(tmp_path: Path) -> None:
    with Families(str(tmp_path / "s.db"), tmp_path) as here:
        with pytest.raises(InputError, match=r"agents\.count"):
            here.play(scenario(agents={"count": 99, "replicates": 2}))
        assert queries.runs(here.store).empty
        assert here.play(scenario(worlds=1)) == "f"
        found = families.find(here.store, "f")
        assert found is not None
        assert found.scenario["worlds"] == 1


def test_names_of_runs_and_families_do_not_meet(tmp_path: Path) -> None:
    single = scenario(worlds=1, agents={"count": 8})
    small = scenario(worlds=1)
    with Families(str(tmp_path / "s.db"), tmp_path) as here:
        assert here.play(single) == "f"
        assert here.play(small) == "f-2"
        assert list(here.statuses("f-2")) == ["f-2.r1", "f-2.r2"]
        assert here.play(single) == "f-3"
        patch = interrupted(after=0)
        with pytest.raises(KeyboardInterrupt):
            here.play(small, "g")
        patch.undo()
        assert here.play(single, "g.r2") == "g.r2"
        with pytest.raises(InputError, match=r"'g.r2' that is no member of the family 'g'"):
            here.resume("g")
        assert here.statuses("g") == {"g.r1": "finished"}


def test_a_new_family_beside_an_unfinished_one_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = scenario(worlds=1)

    def play(here: Families) -> tuple[str, str]:
        found = family.play(
            small,
            "f.yaml",
            here.store,
            checkpoints=here.folder / "checkpoints",
            progress=Progress(),
        )
        return found, capsys.readouterr().err

    with Families(str(tmp_path / "s.db"), tmp_path) as here:
        patch = interrupted(after=1)
        with pytest.raises(KeyboardInterrupt):
            here.play(small)
        patch.undo()
        name, said = play(here)
        assert name == "f-2"
        assert said.count("f is not finished: audition resume f\n") == 1
        here.resume("f")
        name, said = play(here)
        assert name == "f-3"
        assert "is not finished" not in said


def test_a_change_of_what_agents_see_is_refused_for_a_family_too(tmp_path: Path) -> None:
    with Families(str(tmp_path / "s.db"), tmp_path) as here:
        here.play(scenario(worlds=1))
        for change in ("worlds=3", "seed=6", "agents.count=9"):
            with pytest.raises(InputError, match="changes what agents see or do"):
                here.resume("f", change)
        assert here.resume("f", "budget.minutes=60") == "f"


def test_a_cap_holds_for_all_members_together(tmp_path: Path) -> None:
    with Families(str(tmp_path / "s.db"), tmp_path) as here:
        here.play(scenario(worlds=1))
        first = queries.run(here.store, "f.r1").spent_seconds
        # Enough for the first member, nothing left for the second.
        minutes = 1.001 * first / 60
        with here.store.transaction() as connection:
            connection.exec_driver_sql("UPDATE runs SET status = 'failed' WHERE name = 'f.r2'")
        with pytest.raises(BudgetError, match=r"audition resume f\)"):
            here.resume("f", f"budget.minutes={minutes}")
        assert here.statuses() == {"f.r1": "finished", "f.r2": "budget"}


# -- chat agents, through the command --------------------------------------------------------

FAMILY = ("--set", "worlds=2", "--set", "agents.count=4")


def test_tokens_are_capped_over_the_members_of_a_chat_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("running", "shared"):
        monkeypatch.setattr(f"simulator.commands.{place}.member_report", lambda *_: None)
    with Server() as server:
        calm = Runs.of(tmp_path / "calm", server)
        assert calm.run(*FAMILY).code == 0
        requests = len(server.requests)
        used = [calm.calls(f"tiny.w{w}") for w in (1, 2)]
        tokens = [int((c["tokens_in"] + c["tokens_out"])[~c["cached"]].sum()) for c in used]
        runs = Runs.of(tmp_path / "capped", server)
        cap = tokens[0] + tokens[1] // 2 + 1000
        done = runs.run(*FAMILY, "--set", f"budget.tokens={cap}")
        assert done.code == 3
        assert "audition resume tiny)" in done.err
        assert "world 2 of 2: " in done.err
        assert (runs.status("tiny.w1"), runs.status("tiny.w2")) == ("finished", "budget")
        assert runs.sent("tiny.w2") < calm.sent("tiny.w2")
        done = runs.resume("tiny", "--set", "budget.tokens=null")
        assert done.code == 0, done.err
        assert len(server.requests) == 2 * requests
        for member in ("tiny.w1", "tiny.w2"):
            assert runs.exported(member) == calm.exported(member)
        # Two processes on one family are refused.
        with runs.store() as store, store.lock_run("tiny"):
            assert "in use by another process" in runs.resume().err


def test_replicates_are_the_same_people_asked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("running", "shared"):
        monkeypatch.setattr(f"simulator.commands.{place}.member_report", lambda *_: None)
    twice = ("--set", "agents.replicates=2", "--set", "agents.count=4")
    with Server(with_tastes) as server:
        runs = Runs.of(tmp_path, server)
        done = runs.run(*twice, "--set", "agents.profiles=chat", "--record", tmp_path / "c.jsonl")
        assert done.code == 0, done.err
        pd.testing.assert_frame_equal(runs.agents("tiny.r1"), runs.agents("tiny.r2"))
        with runs.store() as store:
            first, second = queries.family(store, "tiny")
        assert first.dataset["profiles"]["written"] == 4
        assert "profiles" not in second.dataset  # nothing was asked again
        sent = runs.sent("tiny.r1") + runs.sent("tiny.r2")
        assert len(server.requests) == sent + 4
        assert runs.sent("tiny.r2") > 0
        seen = len(server.requests)
        # Each member has been recorded in a file of its own, and is replayed from it.
        again = ("--set", "agents.profiles=chat", "--replay", tmp_path / "c.jsonl")
        done = runs.run(*twice, *again, "--name", "again")
        assert done.code == 0, done.err
        assert len(server.requests) == seen
        for member in ("r1", "r2"):
            assert runs.exported(f"again.{member}") == runs.exported(f"tiny.{member}")
