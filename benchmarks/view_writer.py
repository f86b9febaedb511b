"""How much an open viewer slows the simulation it looks at.

    python -m benchmarks.view_writer [--store sqlite | postgresql] [--pairs 7] [--rounds 8]

The same simulation (5,000 behavioural agents, popularity) is played again and again into one
store: alone; watched, with the run's page open, its stream of events read and somebody clicking
through the run's pages, one a second; and watched while a viewer new to the store also reads a
finished run of 20,000 agents into its index, which it does from the first click on. The three
take turns. Of the simulation's part alone, without reading data and training, wall time and CPU
time of its process are compared with those of the run alone in the same turn.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from simulator import run as running
from simulator.progress import Progress
from simulator.scenario import Scenario
from simulator.storage.store import Store

from . import large_store
from .viewer_process import Viewer, viewer

AGENTS, LOOKED_AT = 5_000, 20_000
TOLD = 1.05
"""The median ratio that a viewer should stay under."""

WAYS = ("alone", "watched", "indexed")


@dataclass(frozen=True)
class Took:
    """Seconds of one simulation; ``clicks``: pages that the viewer answered meanwhile, with the
    median of their seconds; ``events`` it sent; ``still``: the index was not there yet when the
    simulation ended."""

    wall: float
    cpu: float
    clicks: int = 0
    waited: float = 0.0
    events: int = 0
    still: bool = False


class TimedStore(Store):
    """Says when an arm begins to play and what it took until it ended."""

    def add_arm(self, *given: Any, **named: Any) -> int:
        out = super().add_arm(*given, **named)
        print("begun", flush=True)
        self._since = time.perf_counter(), time.process_time()
        return out

    def end_arm(self, *given: Any, **named: Any) -> None:
        wall, cpu = self._since
        took = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps(took), flush=True)
        super().end_arm(*given, **named)


def write(where: str, rounds: int) -> None:
    """The writer's process: a run for each name that it is given, a line each."""
    scenario = Scenario.model_validate(
        {
            "name": "written",
            "dataset": {"source": "synthetic", "users": 6_000, "items": 2_000, "interactions": 40},
            "agents": {"count": AGENTS},
            "arms": [{"name": "Popular", "recommender": "popularity"}],
            "rounds": rounds,
        }
    )
    with TimedStore.open(where, create=False) as store, tempfile.TemporaryDirectory() as folder:
        for name in map(str.strip, sys.stdin):
            quiet = Progress(quiet=True)
            running.execute(
                scenario, "w.yaml", store, name=name, checkpoints=Path(folder), progress=quiet
            )


class Writer:
    """That process."""

    def __init__(self, where: str, rounds: int) -> None:
        command = [sys.executable, "-m", "benchmarks.view_writer"]
        command += ["--write", where, "--rounds", str(rounds)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def begin(self, name: str) -> None:
        """Returns when the arm begins to play."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        self._line()

    def end(self) -> tuple[float, float]:
        """Wall and CPU seconds that it took."""
        wall, cpu = json.loads(self._line())
        return float(wall), float(cpu)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the writer ended")
        return line


def alone(writer: Writer, name: str) -> Took:
    writer.begin(name)
    return Took(*writer.end())


def watched(writer: Writer, name: str, where: str, indexing: bool) -> Took:
    """With a viewer that is new to the store where it is ``indexing``."""
    with viewer(where) as there:
        there.ask("/")
        writer.begin(name)
        over = threading.Event()
        events: list[bytes] = []
        stream = threading.Thread(target=_read, args=(there.port, name, events), daemon=True)
        stream.start()
        clicks: list[float] = []
        person = threading.Thread(target=_click, args=(there, name, indexing, over, clicks))
        person.start()
        wall, cpu = writer.end()
        over.set()
        person.join()
        still = indexing and there.ask(f"/runs/{large_store.RUN}/summary.json").status == 404
        stream.join(10)
    waited = statistics.median(clicks) if clicks else 0.0
    return Took(wall, cpu, len(clicks), waited, len(events), still)


def _read(port: int, name: str, events: list[bytes]) -> None:
    """The run page's stream, to its end."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", f"/runs/{name}/events")
    events.extend(line for line in connection.getresponse() if line.startswith(b"event:"))


def _click(
    there: Viewer, name: str, indexing: bool, over: threading.Event, clicks: list[float]
) -> None:
    at, large = f"/runs/{name}", f"/runs/{large_store.RUN}"
    pages = [at, f"{at}/agents", f"{at}/agents/0", "/", f"{at}/agents?sort=-watched"]
    pages += [f"{at}/agents/7", f"{at}/notes"]
    if indexing:  # the sessions first, which take their time, then the summary
        pages = [f"{large}/agents", large, *pages]
    for path in cycle(pages):
        clicks.append(there.ask(path).seconds)
        if over.wait(1.0):
            return


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield str(folder / "written.db")
        return
    from tests import postgres

    with postgres.server() as url, postgres.database(url) as database:
        yield database


def compare(where: str, pairs: int, rounds: int, indexes: Callable[[], list[Path]]) -> None:
    """Print every turn, then the medians."""
    writer = Writer(where, rounds)
    turns: list[dict[str, Took]] = []
    try:
        alone(writer, "warm")
        for turn in range(pairs):
            took: dict[str, Took] = {}
            for way in WAYS[turn % 3 :] + WAYS[: turn % 3]:
                name = f"{way}-{turn}"
                if way == "indexed":
                    for part in indexes():
                        part.unlink()
                took[way] = (
                    alone(writer, name)
                    if way == "alone"
                    else watched(writer, name, where, way == "indexed")
                )
            turns.append(took)
            said = ", ".join(f"{way} {took[way].wall:.2f} ({took[way].cpu:.2f})" for way in WAYS)
            load = os.getloadavg()[0]
            print(f"wall (CPU) seconds: {said}; load {load:.1f}", flush=True)
    finally:
        writer.close()
        if turns:  # also where it was interrupted
            for way in WAYS[1:]:
                _report(way, turns)


def _report(way: str, turns: list[dict[str, Took]]) -> None:
    mine = [turn[way] for turn in turns]
    for what in ("wall", "cpu"):
        ratios = sorted(getattr(turn[way], what) / getattr(turn["alone"], what) for turn in turns)
        median = statistics.median(ratios)
        print(
            f"{way}: {what} {median:.3f} of alone (from {ratios[0]:.3f} to {ratios[-1]:.3f})"
            f"{'' if median <= TOLD else '  ABOVE'}"
        )
    clicks, events = sum(took.clicks for took in mine), sum(took.events for took in mine)
    waited = 1000 * statistics.median(took.waited for took in mine)
    print(f"  {clicks} clicks, {waited:.0f} ms each (median), {events} events", end="")
    print(f", index still being made at the end in {sum(t.still for t in mine)} of {len(mine)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        write(asked.write, asked.rounds)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")  # the index of a PostgreSQL
        with _store(asked.store, folder) as where:
            with Store.open(where) as store:
                large_store.fill(store, folder, LOOKED_AT)
            compare(where, asked.pairs, asked.rounds, lambda: list(folder.rglob("*.view*")))


if __name__ == "__main__":
    main()
