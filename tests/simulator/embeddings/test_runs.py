"""Embeddings in the store and in runs: asked once, kept, given to the agents."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.response.taste import item_texts
from simulator.commands.shared import embedded
from simulator.embeddings.interface import unit
from simulator.embeddings.settle import settle
from simulator.errors import AuditionError
from simulator.progress import Progress
from simulator.run import execute
from simulator.scenario import load
from simulator.storage import queries
from simulator.storage.store import Store
from simulator.storage.vectors import keep, known
from simulator.world import World, build, plain_catalogue

from ..command import audition
from .server import EmbeddingServer, Sent, fine, vector

QUIET = Progress(quiet=True)
SMALL = [
    *("dataset.users=60", "dataset.items=80", "dataset.interactions=12"),
    "agents.count=5",
    "session.max_pages=2",
    "evaluation.cutoff=5",
    "arms=[{name: Popularity, recommender: popularity}, {name: Random, recommender: random}]",
]


def settings(server: EmbeddingServer, **more: Any) -> list[str]:
    given = {"provider": "openai", "name": "small", "base_url": server.base_url, **more}
    text = ", ".join(f"{key}: {value!r}" for key, value in given.items())
    return [*SMALL, f"agents.embedding={{{text}}}"]


def world(server: EmbeddingServer, *more: str, **of_embedding: Any) -> World:
    chosen = load(Path("quickstart"), [*settings(server, **of_embedding), *more])
    return build(chosen, "quickstart")


def test_every_text_is_sent_once_and_found_again(tmp_path: Path) -> None:
    with EmbeddingServer() as server, Store.open(tmp_path / "runs.db") as store:
        first = settle(world(server), store, QUIET).catalogue
        texts = item_texts(first)
        assert sorted(server.texts) == sorted(set(texts))
        assert first.embedding is not None
        np.testing.assert_allclose(first.embedding, unit([vector(t) for t in texts]), atol=1e-6)
        sent = len(server.bodies)
        again = settle(world(server, batch=7), store, QUIET).catalogue
        assert len(server.bodies) == sent
        np.testing.assert_array_equal(again.embedding, first.embedding)
        settle(world(server, dimensions=8), store, QUIET)
        assert len(server.bodies) > sent  # another vector of the same text


def test_whoever_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    broken = [True]

    def answer(number: int, body: dict[str, Any]) -> Sent:
        if broken[0] and number > 3:
            return Sent({"error": {"message": "gone"}}, 404)
        return fine(number, body)

    with EmbeddingServer(answer) as server, Store.open(tmp_path / "runs.db") as store:
        with pytest.raises(AuditionError, match="HTTP 404"):
            settle(world(server, batch=10), store, QUIET)
        kept, broken[0] = set(server.texts[:30]), False
        before = len(server.texts)
        whole = settle(world(server, batch=10), store, QUIET).catalogue
        assert not kept & set(server.texts[before:])
        assert len(kept) + len(server.texts[before:]) == len(set(item_texts(whole)))


def test_whoever_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    killed = threading.Event()

    def answer(number: int, body: dict[str, Any]) -> Sent:
        if number > 6:
            killed.wait()
        return fine(number, body)

    with EmbeddingServer(answer) as server:
        sets = [part for text in settings(server, batch=5) for part in ("--set", text)]
        place = ["--store", str(tmp_path / "runs.db"), "--out", str(tmp_path)]
        command = [sys.executable, "-m", "simulator", "run", "quickstart", *sets, *place]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while len(server.bodies) < 7 and process.poll() is None:
                time.sleep(0.01)
            process.kill()
        killed.set()
        assert process.returncode == -signal.SIGKILL
        before = len(server.texts)
        with Store.open(tmp_path / "runs.db") as store:
            whole = settle(world(server, batch=5), store, QUIET).catalogue
        every = len(set(item_texts(whole)))
        # At most the batch that was on its way is sent again.
        assert before < every <= len(server.texts) <= every + 5


def test_calibration_and_fidelity_find_what_a_run_embedded(tmp_path: Path) -> None:
    with EmbeddingServer() as server:
        place = str(tmp_path / "runs.db")
        with Store.open(place) as store:
            settled = settle(world(server), store, QUIET)
        asked = len(server.bodies)
        again = embedded(world(server), place, QUIET)
        assert again.catalogue.embedding is not None
        np.testing.assert_array_equal(again.catalogue.embedding, settled.catalogue.embedding)
        assert len(server.bodies) == asked


def test_the_canary_is_not_embedded(tmp_path: Path) -> None:
    with EmbeddingServer() as server, Store.open(tmp_path / "runs.db") as store:
        planted = world(server, "dataset.canary={share: 0.5, text: OBEY ME}")
        assert any("OBEY ME" in title for title in planted.catalogue.title)
        settled = settle(planted, store, QUIET)
        assert settled.catalogue.title == planted.catalogue.title
        assert set(server.texts) == set(item_texts(plain_catalogue(planted)))


def test_a_replay_sends_nothing(tmp_path: Path) -> None:
    with EmbeddingServer() as server, Store.open(tmp_path / "runs.db") as store:
        with pytest.raises(AuditionError, match="a replay sends nothing"):
            settle(world(server), store, QUIET, closed=True)
        assert not server.bodies


def test_another_model_under_the_same_name_is_noticed(tmp_path: Path) -> None:
    sizes = [16]

    def answer(number: int, body: dict[str, Any]) -> Sent:
        return fine(number, {**body, "dimensions": sizes[0]})

    with EmbeddingServer(answer) as server, Store.open(tmp_path / "runs.db") as store:
        half = world(server)
        settle(half, store, QUIET)
        with store.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM embeddings WHERE text < '8'")
        sizes[0] = 4
        with pytest.raises(AuditionError, match="it is not the model it was"):
            settle(world(server), store, QUIET)


def test_runs_and_audience_commands_share_what_was_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "abc-very-secret-123456"
    monkeypatch.setenv("MY_KEY", secret)
    with EmbeddingServer() as server:
        store, out = tmp_path / "runs.db", tmp_path / "out"
        chosen = settings(server, api_key_env="MY_KEY")
        sets = [part for text in chosen for part in ("--set", text)]
        place = ["--store", store, "--out", out]
        assert audition("validate", "quickstart", *sets).code == 0
        assert audition("plan", "quickstart", *sets).code == 0
        assert not server.bodies  # a plan asks nobody
        assert (done := audition("run", "quickstart", *sets, *place)).code == 0, done.err
        assert "0 known" in done.err
        assert "tokens" in done.err
        asked = len(server.bodies)
        assert asked > 0
        assert (done := audition("run", "quickstart", *sets, *place)).code == 0, done.err
        assert "0 sent" in done.err
        assert len(server.bodies) == asked
        with Store.open(store) as opened:
            facts = queries.run(opened, "quickstart").dataset["embedding"]
            assert facts["dimensions"] == 16
            assert facts["name"] == f"openai/small@{server.base_url}"
        assert set(server.keys) == {f"Bearer {secret}"}
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert store in files
        assert not [file for file in files if secret.encode() in file.read_bytes()]
        assert any(b"MY_KEY" in file.read_bytes() for file in files)  # where keys would stand


def test_agents_choose_by_it_and_the_default_stays(tmp_path: Path) -> None:
    with EmbeddingServer() as server, Store.open(tmp_path / "runs.db") as store:
        plain, named = load(Path("quickstart"), SMALL), load(Path("quickstart"), settings(server))
        where: dict[str, Any] = {"checkpoints": tmp_path, "progress": QUIET}
        for name, chosen in (("plain", plain), ("named", named), ("again", named)):
            execute(chosen, "quickstart", store, name=name, **where)
        by_name = ["agents.embedding=tf-idf"]
        execute(load(Path("quickstart"), SMALL + by_name), "q", store, name="by-name", **where)
        seen = {name: queries.exposures(store, name) for name in ("plain", "named", "again")}
        assert seen["named"].equals(seen["again"])
        assert not seen["plain"].equals(seen["named"])
        assert seen["plain"].equals(queries.exposures(store, "by-name"))
        assert "embedding" not in queries.run(store, "plain").dataset


def test_vectors_are_kept_exactly(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.db") as store:
        kept_exactly(store)


def test_the_same_in_postgresql(postgres: str) -> None:
    with Store.open(postgres) as store:
        kept_exactly(store)


def kept_exactly(store: Store) -> None:
    rows = np.random.default_rng(1).normal(size=(1200, 5)).astype(np.float32)
    vectors = {f"{n:064d}": row for n, row in enumerate(rows)}
    keep(store, "m", vectors)
    keep(store, "m", {f"{0:064d}": rows[1]})  # what is there stays
    found = known(store, "m", [*vectors, "f" * 64])
    assert found.keys() == vectors.keys()
    assert all(np.array_equal(found[key], vectors[key]) for key in vectors)
    assert not known(store, "other", list(vectors))
