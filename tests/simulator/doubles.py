"""Recommenders and response models for the model's tests, joined by package.module:Class."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.interface import (
    OK,
    Answers,
    Audience,
    Catalogue,
    Interviews,
    Luck,
    Page,
    ResponseModel,
    Visit,
)
from agents.interface import IntArray as Rows
from recommenders.interface import FloatArray, Query
from recommenders.popularity import Popularity


class AdaptivePopularity(Popularity):
    """Popularity that claims to follow the history, so that every page is ranked anew."""

    adapts = "history"
    seen: ClassVar[list[Query]] = []

    def scores(self, query: Query) -> FloatArray:
        type(self).seen.append(query)
        return super().scores(query)


class _FirstItemVisit(Visit):
    def __init__(self, audience: Audience, broken_page: int, broken_agent: int) -> None:
        self.audience = audience
        self.broken = (broken_page, broken_agent)

    def turn(self, page: Page) -> Answers:
        n, k = page.item.shape
        watched = np.zeros((n, k), dtype=np.bool_)
        watched[:, 0] = True
        bad = (self.audience.agent[page.row] == self.broken[1]) & (page.number == self.broken[0])
        rating = np.where(watched, 5.0, np.nan).astype(np.float32)
        return Answers(
            interest=np.full((n, k), 0.5, dtype=np.float32),
            aligned=watched,
            watched=watched & ~bad[:, None],
            rating=np.where(bad[:, None], np.nan, rating).astype(np.float32),
            satisfaction=np.where(bad, np.nan, 6.0).astype(np.float32),
            fatigue=np.where(bad, np.nan, 0.1).astype(np.float32),
            leave=np.zeros(n, dtype=np.bool_),
            reason=["still curious"] * n,
            outcome=["invalid" if b else OK for b in bad],
        )

    def interview(self, row: Rows) -> Interviews:
        n = len(row)
        six = np.full(n, 6.0, dtype=np.float32)
        return Interviews(six, six / np.float32(10), ["fine"] * n, [OK] * n)


class FirstItem(ResponseModel):
    """Watches the top item of every page, rates it 5 and never leaves; one page of one agent
    fails if asked for."""

    def __init__(self, broken_page: int = 0, broken_agent: int = -1) -> None:
        self.broken_page, self.broken_agent = broken_page, broken_agent

    def visit(self, audience: Audience, catalogue: Catalogue, luck: Luck, round_: int) -> Visit:
        return _FirstItemVisit(audience, self.broken_page, self.broken_agent)
