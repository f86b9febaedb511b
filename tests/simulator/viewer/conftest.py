"""What the tests of the viewer look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.progress import Progress
from simulator.run import execute
from simulator.scenario import load
from simulator.storage.store import Store

from ..storage import sample

SMALL = ("dataset.users=80", "dataset.items=200", "agents.count=16")
TWO_ARMS = "arms=[{name: Popularity, recommender: popularity}, {name: EASE, recommender: ease}]"


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Runs of 16 agents: ``quickstart`` of two rounds, scripted ``chat``; and ``try``, by hand,
    with a failed session in each arm."""
    folder = tmp_path_factory.mktemp("played")
    scripted = ("agents.response.provider=scripted", "agents.response.name=behavioural")
    with Store.open(folder / "runs.db") as store:
        for scenario, more in (("quickstart", ("rounds=2", TWO_ARMS)), ("chat", scripted)):
            execute(
                load(Path(scenario), [*SMALL, *more]),
                scenario,
                store,
                name=None,
                checkpoints=folder / "checkpoints",
                progress=Progress(quiet=True),
            )
        run = sample.begin(store)
        for position, name in enumerate(("A", "B")):
            sample.play(store, sample.add_arm(store, run, position, name))
        store.end_run(run, status="finished")
        yield store
