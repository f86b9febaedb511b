"""Sessions of one audience under many draws of luck, kept as one value an agent.

Real sessions: the Mesa model of the simulator, the behavioural agents, trained arms; only the
database is left out, as what error rates need is each agent's value of each metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from agents.interface import Answers
from recommenders.interface import Recommender
from simulator.audit.rehearsal import Sink
from simulator.evaluation.simulated import METRICS, Log, values
from simulator.model import Audition, Sessions
from simulator.randomness import KeyedLuck, stream
from simulator.scenario import Scenario
from simulator.storage.store import Store
from simulator.world import World, build, recommender

Floats = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

EVENTS = {"watched": "p_view", "rating": "mean_rating", "felt": "s_sat"}
"""What happens several times in a session, with the metric that sums it up: an item shown was
watched or not, an item was rated, a page left its satisfaction. Of each, ``n``, ``sum`` and
``squares`` (of the values) are kept, for analyses that ignore whose events they are."""

PARTS_OF = ("n", "sum", "squares")
PARTS = tuple(f"{event}:{part}" for event in EVENTS for part in PARTS_OF)


class Kept(Sink):
    """Also keeps what each page left an agent feeling."""

    def __init__(self) -> None:
        super().__init__()
        self._felt: list[pd.DataFrame] = []

    def add_pages(self, *args: Any, agent: IntArray, answers: Answers, **told: Any) -> None:
        super().add_pages(*args, agent=agent, answers=answers, **told)
        self._felt.append(pd.DataFrame({"agent": agent, "felt": answers.satisfaction}))

    def measured(self, world: World) -> pd.DataFrame:
        """One row an agent, in audience order: :data:`METRICS` and :data:`PARTS`."""
        exposures = self.exposures()
        log = Log(
            sessions=self.sessions().assign(arm=0, round=1),
            exposures=exposures.assign(arm=0, round=1),
            genres=world.catalogue.genres,
            rating_scale=world.catalogue.rating_scale,
        )
        out = values(log)
        tables = {"watched": exposures, "rating": exposures, "felt": pd.concat(self._felt)}
        for event, table in tables.items():
            value = table[event].to_numpy(dtype=np.float64)
            there = ~np.isnan(value)
            row = np.searchsorted(world.audience.agent, table["agent"].to_numpy())[there]
            for power, part in enumerate(PARTS_OF):
                out[f"{event}:{part}"] = np.bincount(row, value[there] ** power, len(out))
        return out


def play(
    world: World,
    trained: Recommender,
    draw: int,
    *,
    round_: int = 1,
    known: Any = None,
    histories: Any = None,
    dilute: float = 0.0,
) -> tuple[pd.DataFrame, Sessions]:
    """Everybody's session of one round before one arm, under one draw of luck: the values by
    agent, and the sessions themselves. ``known`` and ``histories``: as they stand at the
    beginning of the round, None for those before the first."""
    sink = Kept()
    model = Audition(
        world,
        trained,
        0,
        world.response.visit(
            world.audience, world.catalogue, KeyedLuck(world.scenario.seed, draw), round_
        ),
        cast(Store, sink),
        round_=round_,
        known=world.known if known is None else known,
        histories=world.histories() if histories is None else histories,
        dilute=dilute,
    )
    sessions = model.play(lambda _: None)
    return sink.measured(world), sessions


@dataclass(frozen=True, eq=False)
class Draws:
    """One arm: by metric (or part) an array (draws, agents)."""

    by_name: Mapping[str, Floats]

    def __getitem__(self, name: str) -> Floats:
        return self.by_name[name]


def simulate(
    world: World, trained: Recommender, draws: Sequence[int], *, dilute: float = 0.0
) -> Draws:
    """The arm before the whole audience, once for each draw of luck."""
    frames = [play(world, trained, draw, dilute=dilute)[0] for draw in draws]
    names = [*METRICS, *PARTS]
    return Draws({n: np.stack([f[n].to_numpy(dtype=np.float64) for f in frames]) for n in names})


DILUTED = 0.3
"""The share of places in B's lists that a random item takes."""


def scenario(agents: int) -> Scenario:
    """The synthetic world with an agent for each of its users. A is matrix factorisation; B
    the same with random items at three places in ten: a release that is somewhat worse."""
    return Scenario.model_validate(
        {
            "name": "error-rates",
            "dataset": {
                "source": "synthetic",
                "users": agents,
                "items": 400,
                "split": {"train": 0.6, "valid": 0.2, "test": 0.2},
            },
            "agents": {"count": agents},
            "arms": [
                {"name": "A", "recommender": "mf"},
                {"name": "B", "recommender": "mf", "dilute": DILUTED},
            ],
        }
    )


def both_arms(agents: int, draws: int) -> tuple[Draws, Draws]:
    """A and B before everybody, under the draws of luck 0, 1, ..., the same for both arms."""
    chosen = scenario(agents)
    world = build(chosen, "benchmark")
    trained = recommender(chosen.arms[0], 0, "benchmark").fit(
        world.split.train,
        world.dataset.items,
        valid=world.split.valid,
        rng=stream(chosen.seed, "train", 1),
    )
    of_a, of_b = (simulate(world, trained, range(draws), dilute=arm.dilute) for arm in chosen.arms)
    return of_a, of_b


def kept(file: Path | None, agents: int, draws: int) -> tuple[Draws, Draws]:
    """:func:`both_arms`, taken from ``file`` if it is there, else left in it."""
    if file is not None and file.is_file():
        with np.load(file) as arrays:
            found = {
                arm: Draws({n[2:]: arrays[n] for n in arrays.files if n.startswith(f"{arm}:")})
                for arm in "AB"
            }
        if found["A"]["s_sat"].shape != (draws, agents):
            raise SystemExit(f"{file}: of other sizes than {draws} draws of {agents} agents")
        return found["A"], found["B"]
    of_a, of_b = both_arms(agents, draws)
    if file is not None:
        both = {"A": of_a, "B": of_b}
        arrays = {f"{arm}:{n}": v for arm, one in both.items() for n, v in one.by_name.items()}
        np.savez(file, allow_pickle=False, **arrays)
    return of_a, of_b
