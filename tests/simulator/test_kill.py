"""Killed runs, resumed. Few points here; ``python -m benchmarks.kill_and_resume`` has many."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.kill_and_resume import Killing, slowly
from tests.agents.chat.server import Server


@pytest.fixture(scope="module")
def killing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    folder = tmp_path_factory.mktemp("killing")
    with Server(slowly) as server:
        one = Killing(folder, server)
        one.undisturbed_run(str(folder / "calm.db"))
        assert one.undisturbed > 100
        yield one


def test_a_run_killed_at_random_points_ends_as_if_nobody_had_touched_it(
    killing: Killing, tmp_path: Path
) -> None:
    found = killing.disturbed_run(str(tmp_path / "s.db"), "killed", 3, random.Random(1))
    assert found.kills == 3
    assert found.same
    assert found.repeated <= found.allowed


def test_the_same_in_postgresql(killing: Killing, postgres: str) -> None:
    found = killing.disturbed_run(postgres, "killed", 2, random.Random(2))
    assert found.kills == 2
    assert found.same
    assert found.repeated <= found.allowed
