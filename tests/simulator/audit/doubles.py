"""Audiences that an audit must refuse, joined by package.module:Class."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np

from agents.interface import (
    OK,
    Answers,
    Audience,
    Catalogue,
    IntArray,
    Interviews,
    Luck,
    Page,
    ResponseModel,
    Visit,
)
from agents.response.behavioural import Behavioural


class _Visit(Visit):
    """``pick``: of which two of the page's k slots, from the top, everything is watched."""

    def __init__(
        self, audience: Audience, luck: Luck, round_: int, pick: Callable[[int], tuple[int, int]]
    ) -> None:
        self.agent, self.luck, self.round, self.pick = audience.agent, luck, round_, pick

    def turn(self, page: Page) -> Answers:
        n, k = page.item.shape
        watched = np.isin(np.arange(k), self.pick(k)) & (page.item >= 0)
        leave = self.luck.uniform("leave", self.agent[page.row], self.round, page.number) < 0.4
        return Answers(
            interest=np.full((n, k), 0.5, dtype=np.float32),
            aligned=watched,
            watched=watched,
            rating=np.where(watched, 4.0, np.nan).astype(np.float32),
            satisfaction=self._satisfaction(page.row),
            fatigue=np.full(n, 0.1, dtype=np.float32),
            leave=leave,
            reason=["enough" if gone else "more of it" for gone in leave],
            outcome=[OK] * n,
        )

    def interview(self, row: IntArray) -> Interviews:
        felt = self._satisfaction(row)
        return Interviews(felt, felt / np.float32(10), ["as ever"] * len(row), [OK] * len(row))

    def _satisfaction(self, row: IntArray) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        draws = self.luck.uniform("mood", self.agent[row], self.round)
        return (1.0 + 9.0 * draws).astype(np.float32)


class FirstTwo(ResponseModel):
    """Watches the first two items of every page and likes both, whatever they are; how
    satisfied it is and when it leaves is chance."""

    def visit(self, audience: Audience, catalogue: Catalogue, luck: Luck, round_: int) -> Visit:
        return _Visit(audience, luck, round_, self.pick)

    def pick(self, k: int) -> tuple[int, int]:
        return 0, 1


class LastTwo(FirstTwo):
    """The last two of every page."""

    def pick(self, k: int) -> tuple[int, int]:
        return k - 2, k - 1


class MiddleTwo(FirstTwo):
    """The second and the third of every page."""

    def pick(self, k: int) -> tuple[int, int]:
        return 1, 2


class BottomUp(Behavioural):
    """The behavioural model upside down: its ``slot_effect`` is lost towards the top."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        turned = copy(self.parameters)
        object.__setattr__(turned, "slot_effect", -turned.slot_effect)  # frozen, and >= 0
        self.parameters = turned
