"""SGL: LightGCN plus agreement of each node with itself under two random losses of edges.

Wu et al. 2021, "Self-supervised graph learning for recommendation" (SIGIR), edge dropout;
as RLMRec trains it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..interface import Interactions
from ..settings import require
from .base import Backbone, Batch, GraphModel, picked, require_share, require_temperature
from .losses import bpr, view_contrast


class TwoDroppedViews(Backbone):
    """BPR on the full graph; InfoNCE between two graphs with edges dropped independently."""

    def __init__(
        self, settings: SGL, train: Interactions, rng: np.random.Generator, device: torch.device
    ) -> None:
        super().__init__(settings, train, rng, device)
        self._settings = settings

    def loss(self, batch: Batch, ego: Tensor) -> tuple[Tensor, Tensor]:
        final = self.propagate(ego, self.graph)
        ranking = bpr(*picked(final, batch))
        cl, temperature, keep = (
            self._settings.cl,
            self._settings.temperature,
            self._settings.keep,
        )
        if cl == 0:
            return ranking, final
        first, second = (
            self.propagate(ego, self.graph.dropped(keep, self.generator)) for _ in range(2)
        )
        (users1, items1), (users2, items2) = self.sides(first), self.sides(second)
        items = torch.cat([batch.positive, batch.negative]) - self.n_users
        contrast = view_contrast(users1, users2, batch.user, temperature)
        contrast = contrast + view_contrast(items1, items2, items, temperature)
        return ranking + cl / len(batch.user) * contrast, final


@dataclass(eq=False)
class SGL(GraphModel):
    """LightGCN plus a contrast of two views with dropped edges (Wu et al. 2021).

    keep: the probability that an edge stays in a view. cl: weight of the contrast, of users,
    positives and negatives against all users or items. temperature: the contrast's.
    """

    layers: int = 3
    l2: float = 1e-5
    keep: float = 0.8
    cl: float = 0.1
    temperature: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share("keep", self.keep)
        require(self.cl >= 0, "cl", self.cl, "0 or more")
        require_temperature("temperature", self.temperature)

    def backbone(
        self, train: Interactions, rng: np.random.Generator, device: torch.device
    ) -> Backbone:
        return TwoDroppedViews(self, train, rng, device)
