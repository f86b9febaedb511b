"""Whether a run is held can be asked without holding it."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.storage import locks
from simulator.storage.store import Store


def test_who_asks_hears_of_a_holder_and_keeps_nobody_out(where: str) -> None:
    with Store.open(where) as store, Store.open(where) as other:
        asking = store if where == "sqlite://" else other
        assert not locks.held(asking.engine, "a/run: 1")
        with store.lock_run("a/run: 1"):
            assert locks.held(asking.engine, "a/run: 1")
            assert not locks.held(asking.engine, "another")
        assert not locks.held(asking.engine, "a/run: 1")
        with store.lock_run("a/run: 1"):
            pass


def test_a_lock_file_that_a_killed_process_left_holds_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        with store.lock_run("try"):
            (left,) = tmp_path.glob("*.lock")
        left.touch()
        assert not locks.held(store.engine, "try")
        with store.lock_run("try"):
            pass


def test_what_cannot_be_opened_counts_as_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("no")

    with Store.open(tmp_path / "store.db") as store, store.lock_run("try"):
        monkeypatch.setattr("simulator.storage.locks.FileLock.acquire", refuse)
        assert locks.held(store.engine, "try")
        monkeypatch.undo()
