"""How much an open viewer slows the simulation it looks at.

    python -m benchmarks.view_writer [--store sqlite | postgresql] [--runs 4] [--every 1]
        [--indexing | --busy 0.08]

A long simulation (5,000 behavioural agents, popularity, 96 rounds) is looked at in turns: for
some of its rounds the run's page is open, its stream of events is read and somebody clicks
through the run's pages, ``--every`` so many seconds one; for as many the viewer idles. A round in
which that changes is left out. The time that agents browse in a watched block of rounds is
compared with that of the unwatched blocks before and after it, as the machine's own pace drifts
by far more than a look costs. With ``--indexing`` a viewer that is new to the store begins with
every watched block, and reads a finished run of 20,000 agents into its index meanwhile.
``--busy`` is the control: instead of a viewer a process computes for that share of each second,
and has nothing to do with the store: what any other work on the machine costs the simulation.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np
from scipy import stats

from simulator import run as running
from simulator.progress import Progress
from simulator.scenario import Scenario
from simulator.storage.store import Store

from . import large_store
from .viewer_process import Viewer, viewer

AGENTS, LOOKED_AT = 5_000, 20_000
ROUNDS = 96
TOLD = 1.05
"""The ratio that a viewer should stay under."""


@dataclass(frozen=True)
class Plan:
    """Rounds of a block, and how many of its first are left out."""

    block: int
    skipped: int

    def watched(self, round_: int) -> bool:
        """Every second block is."""
        return round_ // self.block % 2 == 1


class Pace(Progress):
    """Prints the seconds of each round's browsing, wall and CPU."""

    def say(self, text: str) -> None:
        if text.endswith("watched"):
            now = time.perf_counter(), time.process_time()
            print(*(b - a for a, b in zip(self._since, now, strict=True)), flush=True)

    @contextmanager
    def task(self, title: str, total: int | None) -> Iterator[object]:  # type: ignore[override]
        with super().task(title, total) as task:
            self._since = time.perf_counter(), time.process_time()
            yield task


def write(where: str) -> None:
    """The writer's process: a run for each name that it is given, a line for each round."""
    scenario = Scenario.model_validate(
        {
            "name": "written",
            "dataset": {"source": "synthetic", "users": 6_000, "items": 2_000, "interactions": 40},
            "agents": {"count": AGENTS},
            "arms": [{"name": "Popular", "recommender": "popularity"}],
            "rounds": ROUNDS,
        }
    )
    with Store.open(where, create=False) as store, tempfile.TemporaryDirectory() as folder:
        for name in map(str.strip, sys.stdin):
            pace = Pace(quiet=True)
            running.execute(
                scenario, "w.yaml", store, name=name, checkpoints=Path(folder), progress=pace
            )


@dataclass
class Looking:
    """Somebody who looks at a run now and then. ``cpu``: seconds of the pages' process while
    looked at, of ``wall`` seconds; ``clicks``: their seconds; ``events`` heard."""

    where: str
    name: str
    indexes: Path | None
    every: float
    cpu: float = 0.0
    wall: float = 0.0
    clicks: list[float] = field(default_factory=list)
    events: int = 0

    def __post_init__(self) -> None:
        self._open = ExitStack()
        self._there: Viewer | None = None
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self) -> None:
        if self.indexes is not None:
            for part in self.indexes.rglob("*.view*"):
                part.unlink()
            self._open.close()
            self._there = None
        if self._there is None:
            self._there = self._open.enter_context(viewer(self.where))
        self._over.clear()
        self._since = time.perf_counter(), self._there.cpu()
        todo = (self._hear, self._click)
        self._threads = [threading.Thread(target=one, args=(self._there,)) for one in todo]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Close the page."""
        if not self._threads or self._there is None:
            return
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._threads = []
        wall, cpu = self._since
        self.wall += time.perf_counter() - wall
        self.cpu += self._there.cpu() - cpu

    def close(self) -> None:
        self.end()
        self._open.close()

    def _hear(self, there: Viewer) -> None:
        """The run page's stream, until the page is closed."""
        connection = http.client.HTTPConnection("127.0.0.1", there.port, timeout=60)
        connection.request("GET", f"/runs/{self.name}/events")
        for line in connection.getresponse():
            self.events += line.startswith(b"event:")
            if self._over.is_set():
                break
        connection.close()

    def _click(self, there: Viewer) -> None:
        at, large = f"/runs/{self.name}", f"/runs/{large_store.RUN}"
        pages = [at, f"{at}/agents", f"{at}/agents/0", "/", f"{at}/agents?sort=-watched"]
        pages += [f"{at}/agents/7", f"{at}/notes"]
        if self.indexes is not None:  # the sessions first, which take their time
            pages = [f"{large}/agents", large, *pages]
        for path in cycle(pages):
            self.clicks.append(there.ask(path).seconds)
            if self._over.wait(self.every):
                return


@dataclass
class Busy:
    """The control: a process that computes for ``share`` of each second."""

    share: float

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        code = (
            f"import time\nwhile True:\n    until = time.perf_counter() + {self.share}\n"
            f"    while time.perf_counter() < until: sum(range(1000))\n"
            f"    time.sleep({1 - self.share})"
        )
        self._process = subprocess.Popen([sys.executable, "-c", code])

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    close = end


def look(where: str, name: str, plan: Plan, looking: Looking | Busy) -> np.ndarray:
    """(ROUNDS, 2) wall and CPU seconds of each round's browsing."""
    command = [sys.executable, "-m", "benchmarks.view_writer", "--write", where]
    pipe, seconds = subprocess.PIPE, []
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name}\n")
        process.stdin.close()
        try:
            for round_, line in enumerate(process.stdout):
                seconds.append([float(part) for part in line.split()])
                before, after = plan.watched(round_), plan.watched(round_ + 1)
                if after and not before:
                    looking.begin()
                elif before and not after:
                    looking.end()
        finally:
            looking.close()
    if len(seconds) != ROUNDS:
        raise RuntimeError(f"the writer ended after {len(seconds)} of {ROUNDS} rounds")
    return np.array(seconds)


def ratios(seconds: np.ndarray, plan: Plan) -> np.ndarray:
    """(n, 2): each watched block's mean over that of the two blocks around it."""
    parts = seconds.reshape(-1, plan.block, 2)[:, plan.skipped :]
    means = parts.mean(axis=1)
    out: np.ndarray = means[1:-1:2] / ((means[:-2:2] + means[2::2]) / 2)
    return out


def report(found: np.ndarray, looked: list[Looking]) -> None:
    """Medians with an interval (percentile bootstrap over blocks)."""
    for column, what in enumerate(("wall", "cpu")):
        sample = found[:, column]
        interval = stats.bootstrap(
            (sample,), np.median, method="percentile", rng=np.random.default_rng(0)
        ).confidence_interval
        median = np.median(sample)
        print(
            f"watched: {what} {median:.3f} of unwatched ({interval.low:.3f} to "
            f"{interval.high:.3f}; {len(sample)} blocks, {sample.min():.2f} to "
            f"{sample.max():.2f}){'' if median <= TOLD else '  ABOVE'}"
        )
    if not looked:
        return
    clicks = [click for one in looked for click in one.clicks]
    share = sum(one.cpu for one in looked) / sum(one.wall for one in looked)
    print(
        f"  {len(clicks)} clicks, {1000 * statistics.median(clicks):.0f} ms each (median), "
        f"{sum(one.events for one in looked)} events; the pages' process had {share:.0%} of a core"
    )


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield str(folder / "written.db")
        return
    from tests import postgres

    with postgres.server() as url, postgres.database(url) as database:
        yield database


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between clicks")
    parser.add_argument("--indexing", action="store_true")
    parser.add_argument("--busy", type=float, help="a share of a second")
    parser.add_argument("--write", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        write(asked.write)
        return
    plan = Plan(block=8, skipped=3) if asked.indexing else Plan(block=4, skipped=1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")  # the index of a PostgreSQL
        with _store(asked.store, folder) as where:
            with Store.open(where) as store:
                if asked.indexing:
                    large_store.fill(store, folder, LOOKED_AT)
            found, looked = [], []
            for number in range(asked.runs):
                name = f"run-{number}"
                if asked.busy is not None:
                    seconds = look(where, name, plan, Busy(asked.busy))
                else:
                    indexes = folder if asked.indexing else None
                    looked.append(Looking(where, name, indexes, asked.every))
                    seconds = look(where, name, plan, looked[-1])
                found.append(ratios(seconds, plan))
                told = ", ".join(f"{one:.2f}" for one in found[-1][:, 0])
                print(
                    f"{seconds[:, 0].mean():.2f} s a round; blocks: {told}; "
                    f"load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
            report(np.concatenate(found), looked)


if __name__ == "__main__":
    main()
