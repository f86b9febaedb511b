"""kill -9 at random points of a chat run, then resume, until it is finished.

    python -m benchmarks.kill_and_resume [--kills 50] [--each 5] [--store sqlite | postgresql]

A scripted server on loopback answers over real HTTP and counts. A run is killed when the
server has seen a random number of further requests, resumed and killed again, ``--each``
times, then left to finish; its export must equal, byte by byte, that of a run nobody
disturbed (all but ``timings``), and it may have repeated no more requests than were in
flight: at most the concurrency for each kill.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from simulator.storage.export import export
from simulator.storage.store import Store
from tests.agents.chat.server import Reply, Request, Server, rules

CONCURRENCY = 8
DELAY = 0.02

SCENARIO = """
name: killed
seed: 3
dataset: {{source: synthetic, users: 80, items: 120, interactions: 20}}
agents:
  count: 24
  response:
    {{model: chat, name: scripted, base_url: "{url}", concurrency: {concurrency}, timeout: 10,
      reflection: chat}}
session: {{page_size: 4, max_pages: 5}}
arms:
  - {{name: Pop, recommender: popularity}}
  - {{name: EASE, recommender: ease}}
  - {{name: Random, recommender: random}}
rounds: 2
feedback: viewed
"""


@dataclass(frozen=True)
class Killed:
    """What became of one run: requests the server saw, those of an undisturbed run, and how
    many may have been repeated; whether the exports are equal."""

    kills: int
    requests: int
    undisturbed: int
    allowed: int
    same: bool

    @property
    def repeated(self) -> int:
        return self.requests - self.undisturbed


def slowly(request: Request) -> Reply:
    """Rules answer, after a while, so that requests are in flight."""
    reply = rules(request)
    return Reply(reply.content, delay=DELAY)


class Killing:
    """One server, one undisturbed run, and any number of disturbed ones."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server
        self.scenario = folder / "killed.yaml"
        text = SCENARIO.format(url=server.base_url, concurrency=CONCURRENCY)
        self.scenario.write_text(text, encoding="utf-8")
        self.expected: dict[str, bytes] = {}
        self.undisturbed = 0

    def undisturbed_run(self, store: str) -> None:
        self._start("run", str(self.scenario), "--name", "calm", store=store).wait()
        self.undisturbed = len(self.server.requests)
        self.expected = self._exported(store, "calm")

    def disturbed_run(self, store: str, name: str, kills: int, luck: random.Random) -> Killed:
        """``store`` must be another one than the undisturbed run's, whose replies are known."""
        before = len(self.server.requests)
        done = 0
        command = ["run", str(self.scenario), "--name", name]
        while done < kills:
            seen = len(self.server.requests)
            left = max(self.undisturbed - (seen - before), 2)
            point = seen + luck.randint(1, max(2, 2 * left // (kills - done + 1)))
            process = self._start(*command, store=store)
            while process.poll() is None and len(self.server.requests) < point:
                time.sleep(0.001)
            time.sleep(luck.random() * 2 * DELAY)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                done += 1
            process.wait()
            if process.returncode not in (0, -signal.SIGKILL):
                raise RuntimeError(f"the command failed: {process.returncode}")
            if process.returncode == 0:
                break
            command = ["resume", name]
        if self._start("resume", name, store=store).wait() != 0:
            raise RuntimeError("the run could not be resumed")
        requests = len(self.server.requests) - before
        same = self._exported(store, name) == self.expected
        return Killed(done, requests, self.undisturbed, done * CONCURRENCY, same)

    def _start(self, *arguments: str, store: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "simulator", *arguments]
        command += ["--store", store, "--out", str(self.folder / "out")]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)

    def _exported(self, store: str, name: str) -> dict[str, bytes]:
        with tempfile.TemporaryDirectory() as folder, Store.open(store, create=False) as opened:
            files = export(opened, name, folder, "csv")
            return {file.name: file.read_bytes() for file in files if file.stem != "timings"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--each", type=int, default=5, help="kills of one run")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, Server(slowly) as server:
        killing = Killing(Path(temporary), server)
        killing.undisturbed_run(str(Path(temporary) / "calm.db"))
        print(f"undisturbed: {killing.undisturbed} requests", flush=True)
        with stores(asked.store, Path(temporary)) as new_store:
            kill_all(killing, new_store, asked.kills, asked.each, random.Random(asked.seed))


NewStore = Callable[[], AbstractContextManager[str]]


@contextmanager
def stores(kind: str, folder: Path) -> Iterator[NewStore]:
    """What gives an empty store: for each run one of its own, as replies in a store are
    known to all its runs."""
    if kind == "sqlite":
        numbers = count()
        yield lambda: nullcontext(str(folder / f"{next(numbers)}.db"))
        return
    from tests import postgres

    with postgres.server() as url:
        yield lambda: postgres.database(url)


def kill_all(
    killing: Killing, new_store: NewStore, kills: int, each: int, luck: random.Random
) -> None:
    total = repeated = 0
    while total < kills:
        with new_store() as store:
            found = killing.disturbed_run(store, "killed", min(each, kills - total), luck)
        total, repeated = total + found.kills, repeated + found.repeated
        print(
            f"killed {found.kills} times, {found.repeated} requests repeated "
            f"(allowed {found.allowed}), export {'equal' if found.same else 'DIFFERENT'}",
            flush=True,
        )
        if not found.same or found.repeated > found.allowed:
            sys.exit(1)
    print(f"{total} kills, {repeated} requests repeated in all; every export equal")


if __name__ == "__main__":
    main()
