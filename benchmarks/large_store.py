"""A store as large as the viewer must bear: a behavioural run of two arms, real rows from the
real run, with texts and calls as a chat run would leave them.

Popularity and random arms over 100,000 users of a log drawn here give about 500,000 pages of
four items. A behavioural agent's reasons are a few hundred different sentences; so that a
search for words has something to do, every fifth agent also notes a memory that nobody else
has, and the first 2,000 have the calls of a chat agent behind their pages.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from agents.interface import Call, Interviews, MemoryEntry
from simulator import run as running
from simulator.progress import Progress
from simulator.scenario import Scenario
from simulator.storage import queries, tables
from simulator.storage.store import Store

RUN = "large"
ITEMS, OF_USER, GENRES = 3000, 20, ("Action", "Comedy", "Drama", "Horror", "Romance", "War")
NOTING = 5
"""Every so-many-th agent notes a memory of its own."""

CALLING = 2000
COMMON, RARE = "evening", "zeppelin"
"""A word of every noted memory, and one of every thousandth."""

_TEXT = (
    "slow warm loud clever tired gentle familiar strange crowded bright honest grim playful "
    "distant sudden careful hollow restless tender clumsy sharp quiet borrowed endless"
)
WORDS = _TEXT.split()


def make(folder: Path, agents: int, seed: int = 11) -> Path:
    """The store, made unless it is there already."""
    file = folder / f"large-{agents}.db"
    if file.exists():
        return file
    fresh = file.with_suffix(".new")
    with Store.open(fresh) as store:
        fill(store, folder, agents, seed)
    fresh.rename(file)
    return file


def fill(store: Store, folder: Path, agents: int, seed: int = 11) -> None:
    """The run into a store; ``folder`` is for the data that it is played on."""
    log = _log(folder, agents, seed)
    scenario = Scenario.model_validate(
        {
            "name": RUN,
            "seed": seed,
            "dataset": {"source": "csv", "path": str(log), "items": {"path": "titles.csv"}},
            "agents": {"count": agents},
            "arms": [
                {"name": "Popular", "recommender": "popularity"},
                {"name": "Random", "recommender": "random"},
            ],
        }
    )
    where = folder / "checkpoints"
    running.execute(scenario, "large.yaml", store, name=RUN, checkpoints=where, progress=Progress())
    for arm in queries.arms(store, RUN)["arm_id"]:
        _note(store, int(arm), seed)


def title(item: int) -> str:
    """
    >>> title(25)
    'The Warm Warm 25'
    """
    first, second = WORDS[item % len(WORDS)], WORDS[item // len(WORDS) % len(WORDS)]
    return f"The {first.title()} {second.title()} {item}"


def facts(store: Store) -> str:
    """How much there is."""
    with store.engine.connect() as connection:
        counts = {
            name: connection.scalar(sa.select(sa.func.count()).select_from(table))
            for name, table in tables.metadata.tables.items()
            if name in ("agents", "sessions", "pages", "exposures", "memories", "calls")
        }
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _log(folder: Path, users: int, seed: int) -> Path:
    """Ratings by users of films, popular ones more often, as CSV with titles beside."""
    rng = np.random.default_rng(seed)
    events, share = users * OF_USER, np.arange(1, ITEMS + 1) ** -0.8
    frame = pd.DataFrame(
        {
            "user": np.repeat(np.arange(users), OF_USER),
            "item": rng.choice(ITEMS, events, p=share / share.sum()),
            "rating": rng.choice([1, 2, 3, 4, 5], events, p=[0.06, 0.11, 0.26, 0.35, 0.22]),
        }
    ).drop_duplicates(["user", "item"])
    frame.to_csv(folder / "log.csv", index=False)
    kinds = [GENRES[n % len(GENRES)] + "|" + GENRES[(n // 6) % len(GENRES)] for n in range(ITEMS)]
    titles = pd.DataFrame(
        {"item": np.arange(ITEMS), "title": [title(n) for n in range(ITEMS)], "genres": kinds}
    )
    titles.to_csv(folder / "titles.csv", index=False)
    return folder / "log.csv"


def _note(store: Store, arm: int, seed: int) -> None:
    """Memories of every fifth agent and calls of the first agents, all of page 1."""
    c = tables.pages.c
    query = sa.select(c.agent).where(c.arm_id == arm, c.round == 1, c.page == 1)
    with store.engine.connect() as connection:
        agents = np.array(sorted(connection.scalars(query)), dtype=np.int64)
    rng = np.random.default_rng([seed, arm])
    noting = agents[::NOTING]
    memories = [
        MemoryEntry(row, 1, "reflection", _memory(int(agent), rng), 0.5)
        for row, agent in enumerate(noting)
    ]
    _add(store, arm, noting, memories=memories)
    calling = agents[:CALLING]
    calls = [_call(row, int(agent)) for row, agent in enumerate(calling)]
    _add(store, arm, calling, calls=calls)


def _memory(agent: int, rng: np.random.Generator) -> str:
    said = " ".join(WORDS[n] for n in rng.integers(len(WORDS), size=20))
    rare = f" A {RARE} passed." if agent % (200 * NOTING) == 0 else ""
    return f"One {COMMON} of agent {agent}: {said}.{rare}"


def _call(row: int, agent: int) -> Call:
    """About as long as a page's prompt and reply are."""
    system, asked = "You are a viewer of films. " * 60, f"Agent {agent} looks at a page. " * 80
    messages = [{"role": "system", "content": system}, {"role": "user", "content": asked}]
    return Call(
        row,
        1,
        "page",
        1,
        "ok",
        f"{agent:064x}",
        json.dumps(messages),
        json.dumps({"items": ["watched because it looked good"] * 8}),
        1100,
        140,
        0.8,
        cost_usd=0.0004,
    )


def _add(
    store: Store,
    arm: int,
    agents: npt.NDArray[np.int64],
    memories: Sequence[MemoryEntry] = (),
    calls: Sequence[Call] = (),
) -> None:
    """To pages that are there, with the interviews of nobody."""
    none = np.zeros(0, dtype=np.float32)
    nobody = Interviews(none, none, [], [])
    store.add_interviews(
        arm,
        1,
        np.zeros(0, dtype=np.int64),
        nobody,
        memories=memories,
        calls=calls,
        agent_of_row=agents,
    )
