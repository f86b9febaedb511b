"""Written profiles in runs: kept with the run, recorded, replayed, gone on with, counted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from simulator import family
from simulator.arms import fit as real_fit
from simulator.audit.audit import audit
from simulator.errors import InputError
from simulator.progress import Progress
from simulator.run import execute, identity, resume
from simulator.scenario import load
from simulator.storage import queries, run_texts, tables
from simulator.storage.store import Store
from simulator.texts.settle import settle
from tests.agents.chat.server import Reply, Request, Server

from ..command import audition
from .reader import Cosine
from .test_written import answer, chosen, told, world

QUIET = Progress(quiet=True)
CONCURRENCY = 16  # the default


class Moody:
    """Says nothing usable of every item whose title is in ``silent``, as long as it is."""

    def __init__(self) -> None:
        self.silent: set[str] = set()

    def __call__(self, request: Request) -> Reply:
        lines = told(request)
        if "<item>" in request.asked and lines[0]["title"] in self.silent:
            return Reply("I had rather not say.")
        return answer(request)


def play(folder: Path, server: Server, *more: str, name: str | None = None) -> str:
    folder.mkdir(exist_ok=True)
    with Store.open(folder / "runs.db") as store:
        return execute(
            load(Path("quickstart"), chosen(server, *more)),
            "quickstart",
            store,
            name=name,
            checkpoints=folder / "checkpoints",
            progress=QUIET,
        )


def seen(folder: Path, name: str = "quickstart") -> str:
    """All that agents of a run were shown and did, as one text."""
    with Store.open(folder / "runs.db") as store:
        return str(queries.exposures(store, name).to_csv())


def interrupted(*_: Any) -> Any:
    raise KeyboardInterrupt


def texts_of(folder: Path, name: str = "quickstart") -> run_texts.Written:
    with Store.open(folder / "runs.db") as store:
        return run_texts.kept(store, queries.run(store, name).id)


def test_a_stopped_run_goes_on_with_the_profiles_it_was_begun_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mood, stopped = Moody(), tmp_path / "stopped"
    with Server(mood) as server:
        mood.silent = set(world(server).dataset.items.title[:5])
        play(tmp_path / "whole", server)

        def fit(one: Any, arm: Any, *rest: Any) -> Any:
            if arm.spec.name == "Text":
                raise KeyboardInterrupt
            return real_fit(one, arm, *rest)

        monkeypatch.setattr("simulator.stint.fit", fit)
        with pytest.raises(KeyboardInterrupt):
            play(stopped, server)
        monkeypatch.undo()
        # Those that failed would be written now, and all else would have to be asked again.
        mood.silent, asked = set(), len(server.requests)
        with Store.open(stopped / "runs.db") as store:
            with store.transaction() as connection:
                connection.execute(tables.profile_calls.delete())
            resume("quickstart", store, checkpoints=stopped / "checkpoints", progress=QUIET)
            facts = queries.run(store, "quickstart").dataset["texts"]
        assert len(server.requests) == asked
    assert seen(tmp_path / "whole") == seen(stopped)
    assert texts_of(tmp_path / "whole") == texts_of(stopped)
    assert facts["items"]["failures"] == {"invalid": 5}
    assert facts["items"]["derived"] == 5


def test_a_run_for_which_nothing_could_be_written_asks_nothing_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mood = Moody()
    with Server(mood) as server:
        mood.silent = set(world(server).dataset.items.title)
        monkeypatch.setattr("simulator.stint.fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            play(tmp_path, server, "texts.users=data")
        monkeypatch.undo()
        mood.silent, asked = set(), len(server.requests)
        with Store.open(tmp_path / "runs.db") as store:
            resume("quickstart", store, checkpoints=tmp_path, progress=QUIET)
            assert queries.run(store, "quickstart").status == "finished"
        assert len(server.requests) == asked


def test_a_recording_takes_them_along_and_a_replay_asks_nobody(tmp_path: Path) -> None:
    recording = tmp_path / "calls.jsonl"
    with Server(answer) as server:
        play(tmp_path / "live", server, f"record={recording}")
        asked = len(server.requests)
        url = chosen(server)
    head = json.loads(recording.read_text().splitlines()[0])
    assert len(head["texts"]["item"]) == 50
    assert head["texts"]["item"]["3"].startswith("People who like")
    assert asked == len(server.requests)
    again = tmp_path / "again"
    again.mkdir()
    with Store.open(again / "runs.db") as store:  # and nothing listens any more
        replayed = load(Path("quickstart"), [*url, f"replay={recording}"])
        where: dict[str, Any] = {"checkpoints": again / "c", "progress": QUIET}
        execute(replayed, "quickstart", store, name=None, **where)
        other = load(Path("quickstart"), [*url, f"replay={recording}", "texts.users=data"])
        with pytest.raises(InputError, match=r"texts\.users: found chat; allowed: data"):
            execute(other, "quickstart", store, name=None, **where)
    assert seen(tmp_path / "live") == seen(again)
    assert texts_of(tmp_path / "live") == texts_of(again)


def test_replicates_read_what_was_written_for_the_first_and_its_cost_counts(
    tmp_path: Path,
) -> None:
    mood = Moody()
    with Server(mood) as server, Store.open(tmp_path / "runs.db") as store:
        mood.silent = set(world(server).dataset.items.title[:3])
        scenario = load(Path("quickstart"), chosen(server, "agents.replicates=2"))
        family.play(scenario, "quickstart", store, checkpoints=tmp_path, progress=QUIET)
        asked = len(server.requests)
        first, second = (queries.run(store, f"quickstart.r{n}") for n in (1, 2))
        assert run_texts.kept(store, first.id) == run_texts.kept(store, second.id)
        assert first.dataset["texts"]["tokens"] == sum(a + b for a, b in server.billed)
        assert second.dataset["texts"]["tokens"] == 0
        users = len(np.unique(world(server).split.train.user))
        assert asked == 50 + 3 + users


def test_an_audit_has_them_written_once_and_counts_what_they_took(tmp_path: Path) -> None:
    Cosine.seen.clear()
    with Server(answer) as server, Store.open(tmp_path / "runs.db") as store:
        scenario = load(Path("quickstart"), chosen(server, "agents.count=20"))
        where: dict[str, Any] = {"checkpoints": tmp_path, "progress": QUIET, "repeats": 2}
        document = audit(scenario, "quickstart", store, **where)
        assert "Text" in document["arms"]
        assert document["dataset"]["texts"]["tokens"] == sum(a + b for a, b in server.billed)
        assert len(run_texts.kept(store, queries.run(store).id)["item"]) == 50
        assert len(Cosine.seen) == 1


def test_whoever_is_killed_while_writing_goes_on_where_it_was(tmp_path: Path) -> None:
    killed = threading.Event()

    def held(request: Request) -> Reply:
        if request.number > 60:
            killed.wait(120)
        return answer(request)

    with Server(held) as server:
        sets = [part for text in chosen(server) for part in ("--set", text)]
        place = ["--store", str(tmp_path / "runs.db")]
        command = [sys.executable, "-m", "simulator", "profiles", "quickstart", *sets, *place]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while len(server.requests) <= 60 and process.poll() is None:
                time.sleep(0.01)
            process.kill()
        killed.set()
        assert process.returncode == -signal.SIGKILL
        before = len(server.requests)
        with Store.open(tmp_path / "runs.db") as store:
            found = settle(world(server), store, QUIET)
        every = 50 + len(np.unique(found.world.split.train.user))
        # What was kept is known; at most what was on its way is asked twice.
        assert 60 < before < every <= len(server.requests) <= every + CONCURRENCY
    with Server(answer) as calm, Store.open(tmp_path / "calm.db") as store:
        assert settle(world(calm), store, QUIET).written == found.written


def test_the_command_writes_what_a_scenario_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "abc-very-secret-654321"
    monkeypatch.setenv("MY_KEY", secret)
    with Server(answer) as server:
        asked = chosen(server)
        asked[-1] = asked[-1].replace("scripted,", "scripted, api_key_env: MY_KEY,")
        sets = [part for text in asked for part in ("--set", text)]
        store = ["--store", tmp_path / "runs.db"]
        done = audition("profiles", "quickstart", *sets, *store)
        assert done.code == 0, done.err
        items, users = done.out.splitlines()
        assert items.startswith("texts: items: 50 written (0 known), 0 as the data has them; ")
        assert users.startswith("texts: users: ")
        before = len(server.requests)
        again = audition("profiles", "quickstart", *sets, *store)
        assert "50 written (50 known)" in again.out
        with mock.patch("simulator.commands.running.report"):  # takes longer than all the rest
            run = audition("run", "quickstart", *sets, *store, "--out", tmp_path / "out")
        assert run.code == 0, run.err
        assert "texts: items 50 written, users " in run.err
        assert len(server.requests) == before
        assert {r.headers["authorization"] for r in server.requests} == {f"Bearer {secret}"}
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert not [file for file in files if secret.encode() in file.read_bytes()]
        nobody = "arms=[{name: Popularity, recommender: popularity}]"
        none = audition("profiles", "quickstart", *sets, "--set", nobody, *store)
        assert none.code == 2
        assert "texts.items: found chat, and no arm reads profiles" in none.err
        derived = ["--set", "texts.items=data", "--set", "texts.users=data"]
        none = audition("profiles", "quickstart", *sets, *derived, *store)
        assert none.code == 2
        assert "agents.profiles: found nothing that a chat model is to write" in none.err
        assert len(server.requests) == before


def test_both_are_written_where_a_scenario_asks_for_both(tmp_path: Path) -> None:
    scripted = [
        "agents.response={model: chat, provider: scripted, name: behavioural}",
        "agents.profiles=chat",
    ]
    asked = chosen_without_server()
    sets = [part for text in [*asked, *scripted] for part in ("--set", text)]
    done = audition("profiles", "quickstart", *sets, "--store", tmp_path / "runs.db")
    assert done.code == 0, done.err
    said = [line.split(" written")[0] for line in done.out.splitlines()]
    assert said == ["texts: items: 50", "texts: users: 30", "profiles: 5"]


def chosen_without_server() -> list[str]:
    from .test_written import SMALL

    return SMALL


def test_what_changes_no_answer_changes_no_identity() -> None:
    asked = [*chosen_without_server(), "texts.chat={name: x, base_url: 'http://127.0.0.1:9/v1'"]
    one, two, other = (
        identity(load(Path("quickstart"), [*asked[:-1], asked[-1] + rest]))
        for rest in ("}", ", timeout: 5, concurrency: 2}", ", temperature: 1}")
    )
    assert one == two != other


def test_the_same_in_postgresql(postgres: str) -> None:
    written = {"item": {3: "A film\x00.", 1: ""}, "user": {0: "Likes \u00e9."}}
    with Store.open(postgres) as store:
        run = store.begin_run(name="t", seed=1, scenario={}, scenario_file="", texts=written)
        other = store.begin_run(name="u", seed=1, scenario={}, scenario_file="")
        assert run_texts.kept(store, run) == {
            "item": {1: "", 3: "A film\ufffd."},
            "user": {0: "Likes \u00e9."},
        }
        assert run_texts.kept(store, other) == {}
