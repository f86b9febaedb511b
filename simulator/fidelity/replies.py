"""A response model before fixed slates: what it would do, averaged over draws of its chance.

Two ways of playing. *Forced*: each agent stays as long as the published one did, so that both
answer exactly the same pages. *Free*: it leaves when it would. Where it stays longer than the
published one did, it is shown what another published agent of its activity saw on that page:
nobody knows what its own next page was. Cutting its session there would count as leaving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from agents.interface import (
    NO_ITEM,
    OK,
    AgentError,
    Answers,
    BoolArray,
    ConcurrentVisit,
    Floats,
    IntArray,
    Luck,
    Page,
    ResponseModel,
    Visit,
)
from agents.response.behavioural import rating_step

from ..errors import InputError
from ..randomness import stream
from ..world import World
from .slates import Slates

FIVE = ("p_view", "p_like", "n_like", "n_exit", "s_sat")
"""Agent4Rec's aggregate figures: docs/metrics.md."""


@dataclass(frozen=True, eq=False)
class Chances:
    """The model's answer to the published pages, each the share of ``draws`` draws.

    ``aligned``, ``watched``, ``marks`` (share of all draws in which it was watched and got
    this mark; a row for each mark of ``scale``) have the slates' shape (N, P, k), ``marks``
    one axis more; ``leave`` (N, P) is the chance to leave after that page. NaN where the
    published agent saw nothing.
    """

    draws: int
    aligned: Floats
    watched: Floats
    leave: Floats
    marks: Floats
    scale: tuple[float, ...]


def forced(
    world: World, slates: Slates, draws: int, model: ResponseModel | None = None, start: int = 0
) -> Chances:
    """Each agent sees the pages the published one saw; whether it would leave is noted and
    not followed. ``model``: the scenario's unless given; ``start``: the number of the first
    draw."""
    marks, shape, there = _marks(world), slates.item.shape, slates.there
    aligned, watched = np.zeros(shape), np.zeros(shape)
    by_mark, leave = np.zeros((*shape, len(marks))), np.zeros(shape[:2])
    for draw in range(start, start + draws):
        visit = opened(world, model, world.luck.varied(draw))
        for number in range(1, slates.pages + 1):
            who = np.flatnonzero(slates.exit_page >= number)
            answers = turn(visit, slates.page(number, who))
            aligned[who, number - 1] += answers.aligned
            watched[who, number - 1] += answers.watched
            leave[who, number - 1] += answers.leave
            by_mark[who, number - 1] += answers.rating[..., None] == np.array(marks)
    seen = there.any(axis=2)
    return Chances(
        draws,
        np.where(there, aligned / draws, np.nan),
        np.where(there, watched / draws, np.nan),
        np.where(seen, leave / draws, np.nan),
        np.where(there[..., None], by_mark / draws, np.nan),
        marks,
    )


def free(
    world: World, slates: Slates, draws: Sequence[int], model: ResponseModel | None = None
) -> pd.DataFrame:
    """The five figures of every agent, a row for each agent and draw: agent, draw, p_view,
    p_like, n_like, n_exit, s_sat; and how many items it watched."""
    pages = continued(slates, world)
    return pd.concat(
        [_session(world, slates, pages, draw, model) for draw in draws], ignore_index=True
    )


def published(slates: Slates, liked: float) -> pd.DataFrame:
    """The same figures of the published agents, a row for each."""
    like, last = slates.rating >= liked, slates.exit_page
    return _figures(slates, slates.there, slates.watched, like, last, slates.satisfaction)


def continued(slates: Slates, world: World) -> IntArray:
    """(N, P, k) the slates with every session gone on to page P: from where an agent left,
    page by page, that of a random other agent who saw it, of the same activity where one did."""
    rng = stream(world.scenario.seed, "fidelity", "donors")
    level = world.audience.profiles.activity[slates.row]
    out = slates.item.copy()
    for page in range(slates.pages):
        saw = slates.there[:, page].any(axis=1)
        for one in (1, 2, 3):
            need = np.flatnonzero(~saw & (level == one))
            donors = np.flatnonzero(saw & (level == one))
            donors = donors if len(donors) else np.flatnonzero(saw)
            out[need, page] = slates.item[rng.choice(donors, len(need)), page]
    return out


def _session(
    world: World, slates: Slates, pages: IntArray, draw: int, model: ResponseModel | None
) -> pd.DataFrame:
    seen, watched, like = (np.zeros(pages.shape, dtype=np.bool_) for _ in range(3))
    last = np.zeros(len(slates), dtype=np.int64)
    visit = opened(world, model, world.luck.varied(draw))
    who = np.arange(len(slates))
    for page in range(slates.pages):
        answers = turn(visit, Page(slates.row[who], pages[who, page], page + 1, 1))
        seen[who, page] = pages[who, page] != NO_ITEM
        watched[who, page] = answers.watched
        like[who, page] = answers.rating >= world.liked_rating
        last[who] = page + 1
        who = who[~answers.leave]
    satisfaction = visit.interview(slates.row).satisfaction.astype(np.float64)
    return _figures(slates, seen, watched, like, last, satisfaction).assign(draw=draw)


def _figures(
    slates: Slates,
    seen: BoolArray,
    watched: BoolArray,
    like: BoolArray,
    last: IntArray,
    satisfaction: Floats,
) -> pd.DataFrame:
    shown, every = seen.sum(axis=(1, 2)), (1, 2)
    return pd.DataFrame(
        {
            "agent": slates.agent,
            "p_view": watched.sum(axis=every) / shown,
            "p_like": like.sum(axis=every) / shown,
            "n_like": like.sum(axis=every).astype(np.float64),
            "n_exit": last.astype(np.float64),
            "s_sat": satisfaction,
            "watched": watched.sum(axis=every).astype(np.float64),
        }
    )


def opened(world: World, model: ResponseModel | None, luck: Luck) -> Visit:
    """Sessions of the whole audience with this luck; a chat model is an InputError."""
    model = model or world.response
    visit = model.visit(world.audience, world.catalogue, luck, 1)
    if isinstance(visit, ConcurrentVisit):
        raise InputError(
            world.file,
            key="agents.response.model",
            found="a chat model",
            allowed="an embedded response model, which can be asked many times over",
        )
    return visit


def turn(visit: Visit, page: Page) -> Answers:
    """The answers to one page. Raises AgentError where one of them failed."""
    answers = visit.turn(page)
    bad = [outcome for outcome in answers.outcome if outcome != OK]
    if bad:
        raise AgentError(f"fidelity: {len(bad)} of {len(page)} answers failed ({bad[0]})")
    return answers


def _marks(world: World) -> tuple[float, ...]:
    low, high = world.catalogue.rating_scale
    return tuple(np.arange(low, high + 1e-9, rating_step((low, high))).tolist())
