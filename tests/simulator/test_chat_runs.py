"""Whole runs of chat agents: free when repeated, exact when replayed, the same whatever is
in flight, and stopped by a budget without losing or repeating a call. Real HTTP."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from simulator.storage import queries
from tests.agents.chat.server import Server

from .chat_runs import Runs


@dataclass(frozen=True)
class Recorded:
    """A finished and recorded run: ``requests`` were made, the server is gone."""

    runs: Runs
    requests: int
    exported: dict[str, bytes]

    @property
    def recording(self) -> Path:
        return self.runs.folder / "calls.jsonl"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("recorded")
    with Server() as server:
        runs = Runs.of(folder, server)
        done = runs.run("--record", folder / "calls.jsonl")
        assert done.code == 0, done.err
        requests = len(server.requests)
    return Recorded(runs, requests, runs.exported(timings=True))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> NoReturn:
        raise AssertionError("a socket was to be connected")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refused)


# -- again ---------------------------------------------------------------------------------


def test_an_unchanged_scenario_costs_nothing_a_second_time(tmp_path: Path) -> None:
    with Server() as server:
        runs = Runs.of(tmp_path, server)
        assert runs.run().code == 0
        first = len(server.requests)
        done = runs.run()
        assert done.code == 0, done.err
        assert len(server.requests) == first
        calls = runs.calls("tiny-2")
        assert calls["cached"].all()
        with runs.store() as store:
            usage = queries.usage(store, "tiny-2")
        assert usage["calls"].sum() == 0
        assert usage["cached"].sum() == len(calls) > 0
        # What agents saw and did is the same; only who asked differs.
        one, two = runs.exported("tiny"), runs.exported("tiny-2")
        assert [f for f in one if one[f] != two[f]] == ["calls.csv"]


@pytest.mark.parametrize("change", ["seed=6", "luck=1", "agents.response.replicate=1"])
def test_another_seed_or_replicate_asks_anew(tmp_path: Path, change: str) -> None:
    with Server() as server:
        runs = Runs.of(tmp_path, server)
        assert runs.run().code == 0
        first = len(server.requests)
        assert runs.run("--set", change).code == 0
        assert len(server.requests) - first == runs.sent("tiny-2") > first / 2


def test_what_changes_no_reply_asks_nothing_anew(tmp_path: Path) -> None:
    with Server() as server:
        runs = Runs.of(tmp_path, server)
        assert runs.run().code == 0
        first = len(server.requests)
        settings = ("timeout=9", "attempts=2", "concurrency=3", "deadline=77")
        given = [part for s in settings for part in ("--set", f"agents.response.{s}")]
        assert runs.run(*given, "--set", "evaluation.cutoff=5").code == 0
        assert len(server.requests) == first


# -- replayed ------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_network")
def test_a_replay_needs_no_network_and_no_key_and_is_bit_identical(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    here = Runs(tmp_path, recorded.runs.url)
    (tmp_path / "tiny.yaml").write_bytes((recorded.runs.folder / "tiny.yaml").read_bytes())
    done = here.run("--replay", recorded.recording, "--set", "agents.response.concurrency=3")
    assert done.code == 0, done.err
    assert here.exported(timings=True) == recorded.exported
    # And recorded again it is the same recording.
    again = tmp_path / "again.jsonl"
    assert here.run("--replay", recorded.recording, "--record", again).code == 0
    assert again.read_bytes().splitlines()[1:] == recorded.recording.read_bytes().splitlines()[1:]


def test_a_replay_beside_known_replies_takes_those_of_the_recording(recorded: Recorded) -> None:
    runs = recorded.runs
    done = runs.run("--replay", recorded.recording, "--name", "replayed")
    assert done.code == 0, done.err
    assert runs.exported("replayed", timings=True) == recorded.exported


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("seed=6", "seed: found 5; allowed: 6"),
        ("luck=1", "luck: found 0; allowed: 1"),
        ("arms.Again.luck=2", "arms.Again.luck: found 0; allowed: 2"),
        ("arms.Random.name=Other", "arms: found no arm 'Other'; allowed: Pop, Again, Random"),
        ("session.page_size=3", "has another prompt"),
        ("agents.count=9", "has no reply for"),
        ("agents.memory.retrieve=1", "has another prompt"),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_a_recording_of_something_else_is_one_line(
    recorded: Recorded, tmp_path: Path, change: str, told: str
) -> None:
    (tmp_path / "tiny.yaml").write_bytes((recorded.runs.folder / "tiny.yaml").read_bytes())
    done = Runs(tmp_path, recorded.runs.url).run("--replay", recorded.recording, "--set", change)
    assert done.code == 2, done.err
    (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert "calls.jsonl" in line
    assert told in line
    assert "resume" not in line


# -- in flight -----------------------------------------------------------------------------


def test_1_4_and_32_in_flight_export_the_same(tmp_path: Path) -> None:
    found, requests, most = [], [], []
    with Server() as server:  # its address is part of what a key stands for
        for concurrency in (1, 4, 32):
            before = len(server.requests)
            runs = Runs.of(tmp_path / str(concurrency), server)
            done = runs.run("--set", f"agents.response.concurrency={concurrency}")
            assert done.code == 0, done.err
            found.append(runs.exported())
            requests.append(len(server.requests) - before)
            most.append(server.most_in_flight)
            # One request for the question that two arms put, in whatever order they did.
            calls = runs.calls()
            shared = calls[calls["arm"].isin(["Pop", "Again"])].groupby("key")["cached"]
            assert set(shared.agg(["size", "sum"]).itertuples(index=False)) == {(2, 1)}
    assert found[0] == found[1] == found[2]
    assert len(set(requests)) == 1
    assert most[0] == 1 < most[1] <= 4


# -- budgets -------------------------------------------------------------------------------


def test_a_cap_on_tokens_stops_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    with Server() as server:
        calm = Runs.of(tmp_path / "calm", server)
        assert calm.run().code == 0
        undisturbed = len(server.requests)
        runs = Runs.of(tmp_path / "capped", server)
        done = runs.run("--set", "budget.tokens=12000")
        assert done.code == 3
        (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
        assert "budget: tokens: " in line
        assert "of 12000 spent" in line
        assert "audition resume tiny" in line
        assert runs.status() == "budget"
        assert sum(map(sum, server.billed[undisturbed:])) <= 12_000
        assert 0 < len(server.requests) - undisturbed == runs.sent()
        # As long as the cap stands, so does the run.
        seen = len(server.requests)
        assert runs.resume().code == 3
        assert len(server.requests) == seen
        done = runs.resume("tiny", "--set", "budget.tokens=1000000")
        assert done.code == 0, done.err
        assert runs.status() == "finished"
        assert len(server.requests) == 2 * undisturbed
    assert runs.exported() == calm.exported()


def test_money_without_a_price_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with Server() as server:
        runs = Runs.of(tmp_path, server)
        done = runs.run("--set", "budget.usd=1")
        assert done.code == 2
        (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
        assert "nobody knows the price" in line
        assert "prices" in line
        assert "training" not in done.err
        assert not list((tmp_path / "checkpoints").glob("*"))
        assert server.requests == []
        with runs.store() as store:
            assert queries.runs(store).empty
        priced = "agents.response.prices={input: 1, output: 2}"
        assert runs.run("--set", "budget.usd=1", "--set", priced).code == 0
        assert 0 < runs.calls()["cost_usd"].sum() < 1


def test_a_resumed_run_may_not_lose_its_price(tmp_path: Path) -> None:
    with Server() as server:
        runs = Runs.of(tmp_path, server)
        priced = "agents.response.prices={input: 1, output: 2}"
        assert runs.run("--set", "budget.usd=0.005", "--set", priced).code == 3
        done = runs.resume("tiny", "--set", "agents.response.prices=null")
        assert done.code == 2
        assert runs.status() == "budget"
        assert runs.resume("tiny", "--set", "budget.usd=5").code == 0


def test_money_is_not_capped_over_calls_that_had_no_price(tmp_path: Path) -> None:
    with Server() as server:
        runs = Runs.of(tmp_path, server)
        assert runs.run("--set", "budget.tokens=12000").code == 3
        priced = "agents.response.prices={input: 1, output: 2}"
        more = ("--set", "budget.tokens=null", "--set", priced)
        done = runs.resume("tiny", *more, "--set", "budget.usd=5")
        assert done.code == 2
        assert "unknown price" in done.err
        assert runs.resume("tiny", *more).code == 0


def test_attempts_are_part_of_what_a_run_is(tmp_path: Path) -> None:
    with Server() as server:
        runs = Runs.of(tmp_path, server)
        assert runs.run("--set", "budget.tokens=12000").code == 3
        more = ("--set", "budget.tokens=null", "--set", "agents.response.attempts=5")
        assert runs.resume("tiny", *more).code == 2


def test_the_recording_of_a_stopped_run_ends_where_it_did(tmp_path: Path) -> None:
    with Server() as server:
        runs = Runs.of(tmp_path, server)
        file = tmp_path / "calls.jsonl"
        assert runs.run("--set", "budget.tokens=12000", "--record", file).code == 3
        head, *calls = file.read_text(encoding="utf-8").splitlines()
        assert json.loads(head)["calls"] == len(calls) == len(runs.calls())
        seen = len(server.requests)
        done = runs.run("--replay", file, "--name", "replayed")
        assert done.code == 2
        assert "of a run that did not finish" in done.err
        assert len(server.requests) == seen
        # Without the recording it can be taken further, beginning with what that held.
        assert runs.resume("replayed", "--set", "replay=null").code == 0
        assert runs.resume("tiny", "--set", "budget.tokens=null").code == 0
        assert json.loads(file.read_text(encoding="utf-8").splitlines()[0])["calls"] > len(calls)
