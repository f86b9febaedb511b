"""Sessions played in memory: the same Mesa model as in a run, with a list in place of the
store. For what needs hundreds of draws of chance and no transcript of any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pandas as pd

from agents.interface import NO_ITEM, OK, Answers, ConcurrentVisit, IntArray, Interviews, Services
from agents.response.chat import Chat
from recommenders.interface import Recommender

from ..arms import ArmState
from ..evaluation.simulated import METRICS, Log, values
from ..model import Audition
from ..storage.ledger import StoreLedger
from ..storage.store import Store
from ..world import World
from .control import measured

_AT_ONCE = 20
"""Repeats whose metrics are computed together."""


class Sink:
    """Takes what a model writes of one arm, and keeps what metrics are computed from."""

    def __init__(self) -> None:
        self._pages: list[dict[str, Any]] = []
        self._sessions = pd.DataFrame()
        self._interviews = pd.DataFrame()

    def add_pages(
        self,
        arm_id: int,
        round_: int,
        page: int,
        *,
        agent: IntArray,
        item: IntArray,
        rank: IntArray,
        answers: Answers,
        **_: object,
    ) -> None:
        row, slot = np.nonzero(item != NO_ITEM)
        ok = np.array([outcome == OK for outcome in answers.outcome], dtype=np.bool_)[row]
        self._pages.append(
            {
                "agent": agent[row],
                "page": np.full(len(row), page),
                "slot": slot,
                "item": item[row, slot],
                "watched": np.where(ok, answers.watched[row, slot], np.nan),
                "rating": np.where(ok, answers.rating[row, slot], np.nan),
            }
        )

    def add_sessions(self, arm_id: int, round_: int, columns: Mapping[str, Any]) -> None:
        chosen = ("agent", "exit_page", "outcome")
        self._sessions = pd.DataFrame({name: columns[name] for name in chosen})

    def add_interviews(
        self, arm_id: int, round_: int, agent: IntArray, interviews: Interviews, **_: object
    ) -> None:
        ok = np.array([outcome == OK for outcome in interviews.outcome], dtype=np.bool_)
        columns = {
            "satisfaction": np.where(ok, interviews.satisfaction, np.nan),
            "return_intent": np.where(ok, interviews.return_intent, np.nan),
        }
        self._interviews = pd.DataFrame({"agent": agent, **columns})

    def add_steps(self, arm_id: int, round_: int, columns: Mapping[str, Any]) -> None:
        """How the round went page by page is no part of any metric."""

    def sessions(self) -> pd.DataFrame:
        """A row for each agent."""
        return self._sessions.merge(self._interviews, on="agent", how="left")

    def exposures(self) -> pd.DataFrame:
        """A row for each item shown, in order of agent, page and slot."""
        names = list(self._pages[0]) if self._pages else ["agent", "page", "slot"]
        columns = {name: np.concatenate([page[name] for page in self._pages]) for name in names}
        return pd.DataFrame(columns).sort_values(["agent", "page", "slot"], ignore_index=True)


def embedded(world: World) -> bool:
    """The audience is computed here: playing it costs nothing but time."""
    if isinstance(world.response, Chat):
        return False
    visit = world.response.visit(world.audience, world.catalogue, world.luck, 1)
    return not isinstance(visit, ConcurrentVisit)


@contextmanager
def opened(world: World, store: Store) -> Iterator[None]:
    """An embedded response model, open as a run opens it."""
    world.response.open(Services(StoreLedger(store, world.audience.agent)))
    try:
        yield
    finally:
        world.response.close()


def rehearse(
    world: World, arm: ArmState, trained: Recommender, draws: Sequence[int]
) -> pd.DataFrame:
    """The arm's first round under each of these draws of chance, as ``simulated.values``
    gives it, the number of the draw in place of the arm."""
    sessions, exposures = [], []
    for draw in draws:
        sink = _play(world, arm, trained, draw)
        sessions.append(sink.sessions().assign(arm=draw, round=1))
        exposures.append(sink.exposures().assign(arm=draw, round=1))
    log = Log(
        sessions=pd.concat(sessions, ignore_index=True),
        exposures=pd.concat(exposures, ignore_index=True),
        genres=world.catalogue.genres,
        rating_scale=world.catalogue.rating_scale,
    )
    return values(log)


def _play(world: World, arm: ArmState, trained: Recommender, draw: int) -> Sink:
    sink, luck = Sink(), world.luck.varied(draw)
    model = Audition(
        world,
        trained,
        1,
        world.response.visit(arm.visitors, world.catalogue, luck, 1),
        cast(Store, sink),
        round_=1,
        known=arm.known,
        histories=arm.histories,
        order=arm.spec.order,
        luck=luck,
        dilute=arm.spec.dilute,
    )
    model.play(lambda _: None)
    return sink


def false_alarms(
    world: World,
    arm: ArmState,
    trained: Recommender,
    repeats: int,
    told: Callable[[int], None] = lambda _: None,
) -> dict[str, list[float]]:
    """By metric: p of the paired t test of ``repeats`` pairs of independent draws of the same
    arm, between which there is no true difference. NaN where a metric has no two values;
    ``told`` hears how many repeats are done."""
    out: dict[str, list[float]] = {name: [] for name in METRICS}
    first = arm.spec.luck + 1
    for start in range(0, repeats, _AT_ONCE):
        count = min(_AT_ONCE, repeats - start)
        begin = first + 2 * start
        found = rehearse(world, arm, trained, range(begin, begin + 2 * count))
        by_draw = {
            draw: rows.set_index("agent")[list(METRICS)] for draw, rows in found.groupby("arm")
        }
        for one in range(begin, begin + 2 * count, 2):
            difference = by_draw[one + 1] - by_draw[one]
            for name, p_values in out.items():
                p_values.append(measured(name, difference[name].to_numpy(np.float64), 0.95).p)
        told(start + count)
    return out
