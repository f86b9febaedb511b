"""Agent-pages a second of the behavioural simulation, storage included.

    python -m benchmarks.pages_per_second [--agents 5000] [--repeats 5] [--profile]

A page is one agent looking at four ranked items: ranking, answers, Mesa's step, and all
rows in SQLite (WAL) are timed; reading the data, making the audience and training are
not. Data: MovieLens-1M where AUDITION_DATA names it, else a synthetic world of that size.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import statistics
import tempfile
import time
from pathlib import Path

from recommenders.interface import Recommender
from simulator.data import readers
from simulator.errors import InputError
from simulator.model import Audition
from simulator.randomness import stream
from simulator.scenario import Scenario
from simulator.storage.store import Store
from simulator.world import World, build, recommender

ARMS = [
    {"name": "Popularity", "recommender": "popularity"},
    {"name": "MF", "recommender": "mf", "epochs_without_validation": 2},
    {"name": "EASE", "recommender": "ease"},
]


def main() -> None:
    """Print one line an arm: median, lowest and highest over the repeats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="profile one round of each arm")
    options = parser.parse_args()
    world = build(_scenario(options.agents), "benchmark")
    print(
        f"{world.dataset.name}: {world.dataset.n_users:,} users, {world.dataset.n_items:,} items; "
        f"{len(world.audience):,} agents, up to {world.scenario.session.max_pages} pages of "
        f"{world.scenario.session.page_size}; {os.cpu_count()} cores"
    )
    for position, spec in enumerate(world.scenario.arms):
        trained = recommender(spec, position, "benchmark").fit(
            world.split.train, world.dataset.items, rng=stream(7, "train")
        )
        _profiled(world, trained) if options.profile else None
        _once(world, trained)  # imports, caches and the audience's taste vectors are made once
        rates = [_once(world, trained) for _ in range(options.repeats)]
        print(
            f"{spec.name:<12} {trained.adapts:<8} median {statistics.median(rates):>9,.0f} "
            f"pages/s  (lowest {min(rates):,.0f}, highest {max(rates):,.0f})"
        )


def _scenario(agents: int) -> Scenario:
    dataset: dict[str, object] = {"source": "movielens-1m"}
    try:
        readers.find("movielens-1m", None)
    except InputError:
        dataset = {"source": "synthetic", "users": 6040, "items": 3706, "interactions": 160}
    return Scenario.model_validate(
        {
            "name": "benchmark",
            "dataset": dataset,
            "agents": {"count": agents},
            "arms": ARMS,
        }
    )


def _once(world: World, trained: Recommender) -> float:
    """Pages a second of one round into a fresh store."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "s.db") as store:
        run_id = store.begin_run(
            name="b", seed=7, scenario={}, scenario_file="", versions={}, dataset={}
        )
        arm_id = store.add_arm(
            run_id, position=0, name="A", recommender="x", settings={}, is_control=True
        )
        started = time.perf_counter()
        visit = world.response.visit(world.audience, world.catalogue, world.luck, 1)
        model = Audition(
            world,
            trained,
            arm_id,
            visit,
            store,
            round_=1,
            known=world.known,
            histories=world.histories(),
        )
        sessions = model.play(lambda _: None)
        model.end()
        return float(sessions.pages.sum() / (time.perf_counter() - started))


def _profiled(world: World, trained: Recommender) -> None:
    profile = cProfile.Profile()
    profile.runcall(_once, world, trained)
    pstats.Stats(profile).sort_stats("tottime").print_stats(18)


if __name__ == "__main__":
    main()
