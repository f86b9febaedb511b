"""The taste test: does an agent tell its user's held-out items from items never met?

Agent4Rec's first table (Zhang et al., SIGIR 2024): an agent is shown 20 items, of which
20 / (1 + m) are items of its user's that it has not seen (validation and test part) and the
others are items the user never met, m = 1, 2, 3, 9. The 20 / (1 + m) items it likes best
are called liked; then precision, recall and F1 are one number. Items never met are drawn
evenly or in proportion to popularity: from the former, popularity alone tells most of
the user's own items; from the latter hardly any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from agents.interface import OK, BoolArray, Floats, IntArray, Luck, Page, ResponseModel
from recommenders.interface import Interactions, Recommender

from ..evaluation.intervals import mean_interval
from ..randomness import stream
from ..world import World
from . import trivial
from .luck import EvenLuck
from .measures import Baseline, Measure, baseline, estimated

Draw = Literal["even", "popularity"]
Part = Literal["valid", "test"]

SHOWN = 20
TIMES = (1, 2, 3, 9)
DRAWS: tuple[Draw, ...] = ("even", "popularity")
FIGURES = ("accuracy", "precision", "recall", "f1", "auc")
PARTS: tuple[Part, ...] = ("valid", "test")


@dataclass(frozen=True, eq=False)
class Cell:
    """One condition: B agents (rows of the audience) with 20 items each, in random order.

    ``own`` (B, 20) marks the user's held-out items, the same number for every agent.
    """

    times: int
    draw: Draw
    row: IntArray
    item: IntArray
    own: BoolArray

    @property
    def case(self) -> str:
        """As it is written in tables."""
        return f"1:{self.times}, {'even' if self.draw == 'even' else 'by popularity'}"


def own_items(times: int) -> int:
    """Of 20 items, those of the user's own: 20 / (1 + m), rounded.

    >>> [own_items(m) for m in TIMES]
    [10, 7, 5, 2]
    """
    return round(SHOWN / (1 + times))


def measure(
    world: World,
    model: ResponseModel,
    *,
    parts: Sequence[Part] = PARTS,
    times: Sequence[int] = TIMES,
    draws: Sequence[Draw] = DRAWS,
    users: Mapping[str, Recommender] | None = None,
) -> list[Measure]:
    """Every figure in every cell, three times: by what the agent thinks apart from luck (test
    ``taste``), with its luck (``taste, with luck``), and by its own yes or no, ``aligned``
    (``taste, own yes``; nothing bounds how often it says yes).

    ``model`` is opened by the caller where it needs to be, and is asked through pages of 20.
    Replies that failed are left out; the count of agents says how many stay. ``users`` are the
    trivial ones beside it where they have been fitted before.
    """
    users = trivial.fitted(world) if users is None else users
    out: list[Measure] = []
    for cell in cells(world, parts, times, draws):
        beside = _baselines(world, cell, users)
        thought, _ = judged(world, model, cell, EvenLuck())
        drawn, aligned = judged(world, model, cell, world.luck)
        tried = {
            "taste": ranked_figures(thought, cell.own),
            "taste, with luck": ranked_figures(drawn, cell.own),
            "taste, own yes": figures(aligned > 0, cell.own, drawn),
        }
        for test, found in tried.items():
            out += _measures(test, cell, found, beside, world.scenario.evaluation.confidence)
    return out


def cells(
    world: World, parts: Sequence[Part], times: Sequence[int], draws: Sequence[Draw]
) -> Iterator[Cell]:
    """The conditions. Agents with too few held-out items, or too few items they never met,
    are left out of a cell; what an agent is shown depends on no other agent."""
    split = world.split
    held = _of(world, [getattr(split, part) for part in parts])
    met = _of(world, [split.train, split.valid, split.test])
    popularity = split.train.popularity.astype(np.float64)
    for draw in draws:
        weight = np.ones(len(popularity)) if draw == "even" else popularity
        for m in times:
            yield _cell(world, held, met, weight, m, draw)


def _of(world: World, parts: Sequence[Interactions]) -> list[IntArray]:
    """What each agent's user has in these parts."""
    agent = world.audience.agent
    matrices = [part.matrix[agent] for part in parts]
    rows = [[m.indices[m.indptr[n] : m.indptr[n + 1]] for m in matrices] for n in range(len(agent))]
    return [np.sort(np.concatenate(one)).astype(np.int64) for one in rows]


def _cell(
    world: World,
    held: Sequence[IntArray],
    met: Sequence[IntArray],
    weight: Floats,
    times: int,
    draw: Draw,
) -> Cell:
    own = own_items(times)
    rows, items, marks = [], [], []
    for row, agent in enumerate(world.audience.agent.tolist()):
        rng = stream(world.scenario.seed, "taste", draw, times, agent)
        chance = weight.copy()
        chance[met[row]] = 0.0
        if len(held[row]) < own or np.count_nonzero(chance) < SHOWN - own:
            continue
        mine = rng.choice(held[row], own, replace=False)
        others = rng.choice(len(chance), SHOWN - own, replace=False, p=chance / chance.sum())
        order = rng.permutation(SHOWN)
        rows.append(row)
        items.append(np.concatenate([mine, others])[order])
        marks.append(order < own)
    shape = (len(rows), SHOWN)
    return Cell(
        times,
        draw,
        np.array(rows, dtype=np.int64),
        np.array(items, dtype=np.int64).reshape(shape),
        np.array(marks, dtype=np.bool_).reshape(shape),
    )


def judged(world: World, model: ResponseModel, cell: Cell, luck: Luck) -> tuple[Floats, Floats]:
    """(B, 20) interest and (B, 20) aligned as 0 or 1, of one page; NaN where a reply failed."""
    visit = model.visit(world.audience, world.catalogue, luck, 1)
    answers = visit.turn(Page(cell.row, cell.item, 1, 1))
    failed = np.array([outcome != OK for outcome in answers.outcome], dtype=np.bool_)
    interest = np.where(failed[:, None], np.nan, answers.interest.astype(np.float64))
    return interest, np.where(failed[:, None], np.nan, answers.aligned.astype(np.float64))


def ranked_figures(score: Floats, own: BoolArray) -> dict[str, Floats]:
    """Each agent's figures when the items with the highest ``score`` (B, 20) count as liked, as
    many as are its own. Of equal scores the item shown first wins; the order is random.

    >>> score, own = np.array([[0.9, 0.8, 0.1, 0.2]]), np.array([[True, False, True, False]])
    >>> {name: value.tolist() for name, value in ranked_figures(score, own).items()}
    {'accuracy': [0.5], 'precision': [0.5], 'recall': [0.5], 'f1': [0.5], 'auc': [0.5]}
    """
    place = np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1)
    return figures(place < own.sum(axis=1, keepdims=True), own, score)


def figures(yes: BoolArray, own: BoolArray, score: Floats) -> dict[str, Floats]:
    """(B,) each; NaN where a score is NaN. Precision is NaN for an agent that likes nothing,
    F1 then 0; AUC counts ties half."""
    hit = (yes & own).sum(axis=1)
    said, there = yes.sum(axis=1), own.sum(axis=1)
    with np.errstate(invalid="ignore"):
        precision = np.where(said > 0, hit / np.maximum(said, 1), np.nan)
    out = {
        "accuracy": (yes == own).mean(axis=1),
        "precision": precision,
        "recall": hit / np.maximum(there, 1),
        "f1": 2 * hit / np.maximum(said + there, 1),
        "auc": _auc(score, own),
    }
    failed = np.isnan(score).any(axis=1)
    return {name: np.where(failed, np.nan, value) for name, value in out.items()}


def _auc(score: Floats, own: BoolArray) -> Floats:
    """(B,) the share of pairs, one of the user's own and one other, in the right order."""
    above = score[:, :, None] > score[:, None, :]
    level = score[:, :, None] == score[:, None, :]
    pair = own[:, :, None] & ~own[:, None, :]
    right = ((above + 0.5 * level) * pair).sum(axis=(1, 2))
    return np.asarray(right / np.maximum(pair.sum(axis=(1, 2)), 1))


def _baselines(
    world: World, cell: Cell, users: Mapping[str, Recommender]
) -> dict[str, dict[str, Floats]]:
    """What trivial users reach in the cell; one who likes everything comes last."""
    out = {
        name: ranked_figures(
            trivial.scores(world, user, cell.row, cell.item).astype(np.float64), cell.own
        )
        for name, user in users.items()
    }
    always = np.ones(cell.own.shape)
    out["always yes"] = figures(always > 0, cell.own, always)
    return out


def _measures(
    test: str,
    cell: Cell,
    found: Mapping[str, Floats],
    beside: Mapping[str, Mapping[str, Floats]],
    confidence: float,
) -> list[Measure]:
    out = []
    for name in FIGURES:
        known: list[Baseline] = [
            baseline(user, mean_interval(values[name], confidence))
            for user, values in beside.items()
        ]
        estimate = mean_interval(found[name], confidence)
        out.append(estimated(test, name, estimate, case=cell.case, better=1, baselines=known))
    return out
