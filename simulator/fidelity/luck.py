"""Luck for judging a model apart from chance: what it thinks, not what it happened to draw."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agents.interface import Floats, Luck


class EvenLuck:
    """Every draw is 1/2, so that whatever a model adds by luck is at its median.

    >>> EvenLuck().uniform("appeal", [[3], [4]], [0, 1, 2]).tolist()
    [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]
    """

    @property
    def draw(self) -> str:
        return ""

    def uniform(self, purpose: str, *keys: npt.ArrayLike) -> Floats:
        return np.full(np.broadcast_shapes(*(np.shape(key) for key in keys)), 0.5)


class WillingLuck:
    """Another luck, but the draws for ``watch`` are as low as they can be: an agent of a model
    that draws its choices (the behavioural one) chooses and rates whatever it is shown."""

    def __init__(self, luck: Luck) -> None:
        self._luck = luck

    @property
    def draw(self) -> str:
        return self._luck.draw

    def uniform(self, purpose: str, *keys: npt.ArrayLike) -> Floats:
        drawn = self._luck.uniform(purpose, *keys)
        return np.full(drawn.shape, 2.0**-53) if purpose == "watch" else drawn


class MirroredLuck:
    """Another luck with good and bad changed over, for pairs of draws whose mean is nearer to
    what is expected than two draws on their own (antithetic variates)."""

    def __init__(self, luck: Luck) -> None:
        self._luck = luck

    @property
    def draw(self) -> str:
        return f"{self._luck.draw} mirrored"

    def uniform(self, purpose: str, *keys: npt.ArrayLike) -> Floats:
        return np.asarray(np.clip(1.0 - self._luck.uniform(purpose, *keys), 2.0**-53, 1 - 2.0**-53))
