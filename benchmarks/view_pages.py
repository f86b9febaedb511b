"""How long every page of the viewer takes over a store of 100,000 agents.

    python -m benchmarks.view_pages [--agents 100000] [--repeats 30] [--store DIR] [--only WORD]

``audition view`` is started as a process without its index; how long the index takes, how large
it is and how much memory that needs is said first. Then each kind of page is asked for
--repeats times, one after the other, over one connection, each time about another agent, item,
word or sheet: median, 95th percentile, slowest, and the size of the answer. The store is made
unless it is in DIR already. A kind of page that there is none of is said to be left out.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from simulator.evaluation.simulated import METRICS
from simulator.storage import queries
from simulator.storage.store import Store
from simulator.viewer import session_index
from simulator.viewer.index import Index, place
from simulator.viewer.session_pairs import LISTS

from . import large_store
from .large_store import CALLING, COMMON, ITEMS, NOTING, RARE, RUN
from .viewer_process import Viewer, viewer

LIMIT = 0.2
"""Seconds that no page's median may be above."""

SORTS = ("agent", "arm", "activity", "exit_page", "shown", "watched", "liked", "satisfaction",
         "return_intent", "outcome")  # fmt: skip

Address = Callable[[random.Random], str]


@dataclass(frozen=True)
class Kind:
    """One kind of page: what it is called, an address of it drawn by chance, request headers."""

    name: str
    address: Address
    part: bool = False


def kinds(agents: int) -> list[Kind]:
    """Every kind of page, the dear ones among them with each of their questions."""
    at = f"/runs/{RUN}"

    def table(name: str, **asked: Callable[[random.Random], object] | object) -> Kind:
        def address(luck: random.Random) -> str:
            given = {key: value(luck) if callable(value) else value for key, value in asked.items()}
            return f"{at}/agents?{urlencode(given)}"

        return Kind(f"agents: {name}", address)

    def either(by: str) -> Callable[[random.Random], str]:
        return lambda luck: luck.choice(["", "-"]) + by

    def of_agent(name: str, part: str = "", most: int = agents, **asked: object) -> Kind:
        query = f"?{urlencode(asked)}" if asked else ""
        return Kind(name, lambda luck: f"{at}/agents/{luck.randrange(most)}{part}{query}")

    def fixed(name: str, address: str) -> Kind:
        return Kind(name, lambda _: address)

    sheets = max(1, 2 * agents // 50)
    return [
        fixed("runs", "/"),
        fixed("runs, table alone", "/partial/runs"),
        fixed("run", at),
        fixed("run, summary alone", f"{at}/summary"),
        fixed("run, summary.json", f"{at}/summary.json"),
        fixed("run, style.css", f"{at}/style.css"),
        table("first sheet"),
        table("any sheet", sheet=lambda luck: luck.randint(1, sheets)),
        table("last sheet of a sort", sort="-satisfaction", sheet=sheets),
        table("arm", arm=lambda luck: luck.choice(["Popular", "Random"])),
        table("one agent", agent=lambda luck: luck.randrange(agents)),
        table("trait", diversity=lambda luck: luck.randint(1, 3)),
        table("three traits", activity=1, diversity=2, conformity=lambda luck: luck.randint(1, 3)),
        table("exit page", exit_min=lambda luck: luck.randint(1, 3), exit_max=4),
        table("satisfaction", sat_min=lambda luck: luck.randint(1, 6), sat_max=8.5),
        table("outcome", outcome="ok"),
        *(table(f"sort {by}", sort=either(by)) for by in SORTS),
        table("watched, by title", item=lambda luck: f"The {_title(luck)}"),
        table("watched, by part of titles", item=lambda luck: _title(luck).split()[0]),
        table("watched, by number", item=lambda luck: f"#{luck.randrange(ITEMS)}"),
        table("a rare word", q=RARE),
        table("a word of one in five", q=COMMON),
        table("a word of everybody", q="page"),
        table("two words", q=lambda luck: f"{_word(luck)} {_word(luck)}"),
        table("a phrase", q='"one evening of agent"'),
        table("a word that nobody said", q="xylophone"),
        table("word, arm, trait and sort", q=COMMON, arm="Random", diversity=2, sort="-watched"),
        table("nobody is like this", q=RARE, exit_min=5, sat_max=1, item="#1"),
        Kind("titles to choose from", lambda luck: f"{at}/titles?item={_word(luck)}"),
        of_agent("one agent"),
        of_agent("one agent, other arm", arm="Random"),
        of_agent("one agent, memory of its own", most=max(1, agents // NOTING)),
        of_agent("one agent with calls", most=min(CALLING, agents)),
        of_agent("its calls", "/calls", min(CALLING, agents), arm="Popular", page=1),
        of_agent("transcript.json", "/transcript.json"),
        of_agent("transcript.md", "/transcript.md"),
        of_agent("two arms of one agent", "/pair", a="Popular", b="Random"),
        fixed("movers", f"{at}/movers"),
        *(fixed(f"movers: {kind}", f"{at}/movers?list={kind}") for kind in LISTS),
        Kind(
            "movers: any metric", lambda luck: f"{at}/movers?metric={luck.choice(sorted(METRICS))}"
        ),
        fixed("notes", f"{at}/notes"),
        fixed("notes.csv", f"{at}/notes.csv"),
        fixed("notes.json", f"{at}/notes.json"),
        fixed("no such agent", f"{at}/agents/{2**31 - 1}"),
    ]


def _word(luck: random.Random) -> str:
    return luck.choice(large_store.WORDS)


def _title(luck: random.Random) -> str:
    return large_store.title(luck.randrange(ITEMS)).removeprefix("The ")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--agents", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--store", type=Path, help="folder of the store; a temporary one without")
    parser.add_argument("--only", default="", help="kinds of page with this in their name")
    parser.add_argument("--keep-index", action="store_true", help="if it is there, leave it")
    asked = parser.parse_args()
    with _folder(asked.store) as folder:
        file = large_store.make(folder, asked.agents)
        with Store.open(file) as store:
            print(f"{large_store.facts(store)}; {file.stat().st_size / 2**20:,.0f} MiB", flush=True)
            kept = place(store.name)
            if not asked.keep_index:
                for part in kept.parent.glob(f"{kept.name}*"):
                    part.unlink()
            with viewer(str(file)) as running:
                indexed(running, store, kept)
                wanted = [k for k in kinds(asked.agents) if asked.only in k.name]
                slow = timed(running, wanted, asked.repeats)
                print(f"memory, at its peak: {running.memory()}")
    sys.exit(1 if slow else 0)


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    given.mkdir(parents=True, exist_ok=True)
    yield given


def indexed(running: Viewer, store: Store, kept: Path) -> None:
    """Ask for what is worked out in the background; say what it took."""
    started, run = time.monotonic(), queries.run(store, RUN)
    index = Index(kept)

    def sessions() -> bool:
        now = session_index.standing(index, run)
        return now is not None and now.stamp == session_index.stamp(run)

    waiting: dict[str, Callable[[], bool]] = {
        "summary": lambda: running.ask(f"/runs/{RUN}/summary.json").status == 200,
        "figures": lambda: b"/figures/" in running.ask(f"/runs/{RUN}").body,
        "sessions": sessions,
    }
    for path in (f"/runs/{RUN}", f"/runs/{RUN}/agents"):
        running.ask(path)
    while waiting:
        for name in [name for name, there in waiting.items() if there()]:
            del waiting[name]
            took = time.monotonic() - started
            print(f"{name} there after {took:,.0f} s; {running.memory()}", flush=True)
        time.sleep(0.5)
    size = sum(part.stat().st_size for part in kept.parent.glob(f"{kept.name}*"))
    print(f"index: {size / 2**20:,.0f} MiB", flush=True)


def timed(running: Viewer, wanted: list[Kind], repeats: int) -> list[str]:
    """A line for each kind; returns those whose median is above the limit."""
    slow, absent = [], []
    print(f"{'page':<36} {'median':>8} {'p95':>8} {'most':>8} {'CPU':>8} ms {'KiB':>8}")
    for kind in wanted:
        luck, before = random.Random(kind.name), running.cpu()
        answers = [running.ask(kind.address(luck)) for _ in range(repeats)]
        cpu = 1000 * (running.cpu() - before) / repeats
        if all(b"No page has this address" in answer.body for answer in answers):
            absent.append(kind.name)
            continue
        wrong = {answer.status for answer in answers} - {200}
        took = sorted(1000 * answer.seconds for answer in answers)
        p95 = took[min(len(took) - 1, int(0.95 * len(took)))]
        size = statistics.median(len(answer.body) for answer in answers) / 1024
        print(
            f"{kind.name:<36} {statistics.median(took):>8.1f} {p95:>8.1f} {took[-1]:>8.1f} "
            f"{cpu:>8.1f}    {size:>8.1f}{f'  {sorted(wrong)}' if wrong else ''}",
            flush=True,
        )
        if statistics.median(took) > 1000 * LIMIT:
            slow.append(kind.name)
    print(
        f"{len(wanted) - len(absent)} kinds of page, above {1000 * LIMIT:.0f} ms: {slow or 'none'}"
    )
    if absent:
        print(f"not there yet: {', '.join(absent)}")
    return slow


if __name__ == "__main__":
    main()
