"""A run that goes on: what is there is left, what is missing is added, nobody else is in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy.exc import IntegrityError

from agents.interface import OK, Interviews, MemoryEntry, Place
from simulator.errors import InputError
from simulator.storage import queries
from simulator.storage.export import FRAMES
from simulator.storage.store import Store

from .sample import AGENTS, add_arm, answers, begin, call, play


def frames(store: Store) -> dict[str, pd.DataFrame]:
    return {name: read(store, None) for name, read in FRAMES.items()}


def assert_same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    for name, frame in left.items():
        pd.testing.assert_frame_equal(frame, right[name])


def write_world(store: Store, run_id: int, other: Store) -> None:
    """The same items and agents again, as read from another store."""
    store.add_items(run_id, columns(queries.items(other)))
    store.add_agents(run_id, columns(queries.agents(other)))


def columns(frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): frame[name].tolist() for name in frame.columns}


def test_everything_written_again_leaves_the_run_as_it_was(empty: Store) -> None:
    run_id = begin(empty)
    play(empty, arm_id := add_arm(empty, run_id, 0, "A"))
    empty.end_run(run_id, status="interrupted", error="stopped")
    before, arms = frames(empty), queries.arms(empty)

    empty.resume_run(run_id)
    run = queries.run(empty)
    assert (run.status, run.error, run.finished_at) == ("running", None, None)
    write_world(empty, run_id, empty)
    assert add_arm(empty, run_id, 0, "A", train_seconds=99.0) == arm_id
    play(empty, arm_id)
    assert_same(frames(empty), before)
    pd.testing.assert_frame_equal(queries.arms(empty), arms)


def test_what_was_missing_is_added(empty: Store) -> None:
    run_id = begin(empty)
    arm_id = add_arm(empty, run_id, 0, "A")
    play(empty, arm_id)
    empty.resume_run(run_id)
    second = add_arm(empty, run_id, 1, "B")
    assert second != arm_id
    play(empty, second)
    play(empty, second)
    exposures = queries.exposures(empty)
    a, b = (exposures[exposures["arm"] == arm].drop(columns="arm") for arm in "AB")
    assert len(a)
    pd.testing.assert_frame_equal(a, b.reset_index(drop=True))


def test_batches_may_be_cut_otherwise_the_second_time(empty: Store) -> None:
    """One agent's page is there; then all come in one batch, memories numbered as ever."""

    def page(rows: list[int]) -> None:
        n = len(rows)
        empty.add_pages(
            arm_id,
            1,
            1,
            agent=AGENTS[rows],
            item=np.tile([1, 2], (n, 1)),
            rank=np.tile([1, 2], (n, 1)),
            answers=answers([[1, 0]] * n),
            memories=[
                MemoryEntry(row, 1, kind, f"{row} {kind}", 0.5)
                for row in rows
                for kind in ("factual", "emotional")
            ],
            agent_of_row=AGENTS,
        )

    def interview(rows: list[int]) -> None:
        n = len(rows)
        asked = Interviews(np.full(n, 8.0, np.float32), np.ones(n, np.float32), [""] * n, [OK] * n)
        memories = [MemoryEntry(row, 1, "reflection", f"{row} good", 1.0) for row in rows]
        empty.add_interviews(arm_id, 1, AGENTS[rows], asked, memories=memories, agent_of_row=AGENTS)

    run_id = begin(empty)
    arm_id = add_arm(empty, run_id, 0, "A")
    page([1])
    interview([1])
    empty.resume_run(run_id)
    for _ in range(2):
        page([0, 1, 2])
        interview([2])
        interview([0, 1, 2])
    memories = queries.memories(empty)
    assert memories[["agent", "position", "text"]].values.tolist() == [
        [agent, position, f"{row} {text}"]
        for row, agent in enumerate(AGENTS.tolist())
        for position, text in enumerate(("factual", "emotional", "good"), 1)
    ]


def test_a_run_that_is_not_resumed_refuses_what_is_there(empty: Store) -> None:
    run_id = begin(empty)
    play(empty, add_arm(empty, run_id, 0, "A"))
    with pytest.raises(IntegrityError):
        add_arm(empty, run_id, 0, "A")
    with pytest.raises(IntegrityError):
        empty.add_agents(run_id, columns(queries.agents(empty)))


def test_a_memory_comes_with_its_own_page(empty: Store) -> None:
    arm_id = add_arm(empty, begin(empty), 0, "A")
    with pytest.raises(ValueError, match=r"memories of page \[1\] do not come with page 2"):
        empty.add_pages(
            arm_id,
            1,
            2,
            agent=AGENTS[:1],
            item=np.array([[1]]),
            rank=np.array([[1]]),
            answers=answers([[1]]),
            memories=[MemoryEntry(0, 1, "factual", "late", 0.5)],
            agent_of_row=AGENTS,
        )
    assert queries.pages(empty).empty


def test_seconds_of_all_stints_are_added_up(empty: Store) -> None:
    run_id = begin(empty, identity="abc")
    empty.add_seconds(run_id, 1.5)
    empty.end_run(run_id, status="budget", seconds=2.0)
    empty.resume_run(run_id)
    empty.end_run(run_id, status="finished", seconds=0.25)
    run = queries.run(empty)
    assert (run.spent_seconds, run.identity) == (3.75, "abc")


def test_calls_of_a_recording_are_loaded_once(empty: Store) -> None:
    arm_id = add_arm(empty, begin(empty), 0, "A")
    recorded = {3: [call(0, attempt=1, outcome="invalid"), call(0, attempt=2)], 8: [call(2)]}
    for _ in range(2):
        empty.load_calls(Place(arm_id, 2), recorded)
    loaded = queries.calls(empty)
    assert loaded[["round", "agent", "attempt"]].values.tolist() == [
        [2, 3, 1],
        [2, 3, 2],
        [2, 8, 0],
    ]


# Locks

HOLD = """
import sys, time
from simulator.storage.store import Store
with Store.open(sys.argv[1]) as store, store.lock_run(sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_run_is_held_once(where: str) -> None:
    with Store.open(where) as store:
        begin(store)
        with store.lock_run("try"), store.lock_run("other"):
            with pytest.raises(InputError, match="run: found 'try' in use") as refused:
                store.lock_run("try").__enter__()
            assert refused.value.exit_code == 2
            begin(store)
        for _ in range(2):
            with store.lock_run("try"):
                pass


@pytest.mark.parametrize("where", ["file", "postgresql"], indirect=True)
def test_a_killed_process_holds_nothing(where: str) -> None:
    with Store.open(where) as store:
        command = [sys.executable, "-c", HOLD, where, "a/run: 1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
            try:
                assert other.stdout is not None
                assert other.stdout.readline() == "held\n"
                with pytest.raises(InputError, match="in use by another process"):
                    store.lock_run("a/run: 1").__enter__()
                begin(store)  # the store itself is not held
            finally:
                os.kill(other.pid, signal.SIGKILL)
        with store.lock_run("a/run: 1"):
            pass


def test_the_lock_of_a_file_lies_beside_it_while_it_is_held(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        for name in ("try", "a/b", "x" * 255):
            with store.lock_run(name):
                (path,) = tmp_path.glob("*.lock")
                assert path.name.startswith("store.db.")
            assert not path.exists()
        with store.lock_run("try"):
            assert (tmp_path / "store.db.try.lock").exists()
