"""Tasks in the background: once, in order, failures told, in memory and out of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulator.storage.store import Store
from simulator.viewer.index import Index
from simulator.viewer.work import CLOSED, Work


def keep_process(store: Store, index: Index, name: str) -> None:
    index.keep(name, "process", "1", str(os.getpid()).encode())


def take_long(store: Store, index: Index, name: str) -> None:
    keep_process(store, index, name)
    time.sleep(3600)


def fail(store: Store, index: Index) -> None:
    raise ValueError("no such thing")


def die(store: Store, index: Index) -> None:
    os._exit(3)


def _wait(work: Work, key: str) -> None:
    end = time.monotonic() + 60
    while (job := work.job(key)) is not None and job.state != "failed":
        assert time.monotonic() < end, "not done within a minute"
        time.sleep(0.01)


HERE = "tests.simulator.viewer.test_work"


def test_tasks_run_in_one_other_process_which_is_replaced_where_it_dies(tmp_path: Path) -> None:
    index = Index(tmp_path / "i.view")
    with Store.open(tmp_path / "s.db") as store:
        work = Work(store, index)
        for name in ("a", "b"):
            work.ask(name, f"{HERE}:keep_process", name)
            _wait(work, name)
        first = index.document("a", "process", "1")
        assert first is not None
        assert int(first) != os.getpid()
        assert index.document("b", "process", "1") == first
        work.ask("dies", f"{HERE}:die")
        _wait(work, "dies")
        job = work.job("dies")
        assert job is not None
        assert job.error == "its process ended"
        work.ask("c", f"{HERE}:keep_process", "c")
        _wait(work, "c")
        assert index.document("c", "process", "1") not in (None, first)
        work.close()


def test_a_store_in_memory_is_worked_on_in_this_process(tmp_path: Path) -> None:
    index = Index(tmp_path / "i.view")
    with Store.open("sqlite://") as store:
        work = Work(store, index)
        work.ask("a", f"{HERE}:keep_process", "a")
        _wait(work, "a")
        assert index.document("a", "process", "1") == str(os.getpid()).encode()


def test_what_failed_says_why_and_is_not_tried_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open("sqlite://") as store:
        work = Work(store, Index(tmp_path / "i.view"))
        work.ask("x", f"{HERE}:fail")
        _wait(work, "x")
        job = work.job("x")
        assert job is not None
        assert (job.state, job.error) == ("failed", "ValueError: no such thing")
        work.ask("x", f"{HERE}:fail")
        assert work.job("x") is job
        monkeypatch.setattr("simulator.viewer.work.AGAIN", 0.0)
        work.ask("x", f"{HERE}:fail")
        assert work.job("x") is not job
        _wait(work, "x")


def test_what_was_done_a_moment_ago_is_left_for_a_pause(tmp_path: Path) -> None:
    with Store.open("sqlite://") as store:
        work = Work(store, Index(tmp_path / "i.view"))
        work.ask("a", f"{HERE}:keep_process", "a", pause=3600)
        _wait(work, "a")
        work.ask("a", f"{HERE}:fail", pause=3600)
        assert work.job("a") is None
        work.ask("a", f"{HERE}:fail")
        _wait(work, "a")
        job = work.job("a")
        assert job is not None
        assert job.state == "failed"


def test_what_is_closed_leaves_no_process_behind(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        index = Index(tmp_path / "i.view")
        work = Work(store, index)
        work.ask("long", f"{HERE}:take_long", "long")
        work.ask("next", f"{HERE}:keep_process", "next")
        end = time.monotonic() + 60
        while (kept := index.document("long", "process", "1")) is None:
            assert time.monotonic() < end, "not begun within a minute"
            time.sleep(0.01)
        work.close()
        assert work._thread is not None
        work._thread.join(60)
        assert not work._thread.is_alive()
        assert index.document("next", "process", "1") is None
        for key in ("next", "later"):  # whoever waits for one is told, not left waiting
            work.ask(key, f"{HERE}:keep_process", key)
            job = work.job(key)
            assert job is not None
            assert (job.state, job.error) == ("failed", CLOSED)
        with pytest.raises(ProcessLookupError):
            os.kill(int(kept), 0)


ALONE = """
import sys, time
from pathlib import Path
from simulator.storage.store import Store
from simulator.viewer.index import Index
from simulator.viewer.work import Work

if __name__ == "__main__":
    with Store.open(sys.argv[1]) as store:
        work = Work(store, Index(Path(sys.argv[2])))
        work.ask("long", sys.argv[3], "long")
        time.sleep(3600)
"""


def test_a_viewer_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    index = Index(tmp_path / "i.view")
    given = (str(tmp_path / "s.db"), str(index.file), f"{HERE}:take_long")
    with subprocess.Popen([sys.executable, "-c", ALONE, *given]) as viewer:
        while (kept := index.document("long", "process", "1")) is None:
            assert viewer.poll() is None
            time.sleep(0.05)
        viewer.kill()
    end = time.monotonic() + 60
    while _runs(int(kept)):
        assert time.monotonic() < end, "still there after a minute"
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
