"""SimGCL: LightGCN plus agreement of each node with itself under small noise.

Yu et al. 2022, "Are graph augmentations necessary? Simple graph contrastive learning for
recommendation" (SIGIR); as RLMRec trains it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..interface import Interactions
from ..settings import require
from .base import Backbone, Batch, GraphModel, picked, require_temperature
from .losses import bpr, view_contrast


class TwoNoisyViews(Backbone):
    """BPR on clean vectors; InfoNCE between two propagations with noise after each hop."""

    def __init__(
        self, settings: SimGCL, train: Interactions, rng: np.random.Generator, device: torch.device
    ) -> None:
        super().__init__(settings, train, rng, device)
        self._settings = settings

    def shaken(self, hop: Tensor) -> Tensor:
        """(N, d): each row moved by a random vector of length ``noise`` in its own orthant."""
        drawn = torch.rand(hop.shape, generator=self.generator, device=hop.device)
        drawn = torch.nn.functional.normalize(drawn, dim=1)
        return hop + self._settings.noise * torch.sign(hop.detach()) * drawn

    def noisy(self, ego: Tensor) -> Tensor:
        """The sum over layers, where the noise of a hop goes on into the next."""
        out = hop = ego
        for _ in range(self.layers):
            hop = self.shaken(self.graph.hop(hop))
            out = out + hop
        return out

    def loss(self, batch: Batch, ego: Tensor) -> tuple[Tensor, Tensor]:
        final = self.propagate(ego, self.graph)
        ranking = bpr(*picked(final, batch))
        cl, temperature = self._settings.cl, self._settings.temperature
        if cl == 0:
            return ranking, final
        (users1, items1), (users2, items2) = (
            self.sides(self.noisy(ego)),
            self.sides(self.noisy(ego)),
        )
        items = batch.positive - self.n_users
        contrast = view_contrast(users1, users2, batch.user, temperature)
        contrast = contrast + view_contrast(items1, items2, items, temperature)
        return ranking + cl / len(batch.user) * contrast, final


@dataclass(eq=False)
class SimGCL(GraphModel):
    """LightGCN plus a contrast of two views with noise on their vectors (Yu et al. 2022).

    cl: weight of the contrast, of users and positives against all users or items.
    temperature: the contrast's. noise: length of what is added to a node after each hop.
    """

    layers: int = 3
    l2: float = 1e-5
    cl: float = 0.1
    temperature: float = 0.2
    noise: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.cl >= 0, "cl", self.cl, "0 or more")
        require_temperature("temperature", self.temperature)
        require(self.noise >= 0, "noise", self.noise, "0 or more")

    def backbone(
        self, train: Interactions, rng: np.random.Generator, device: torch.device
    ) -> Backbone:
        return TwoNoisyViews(self, train, rng, device)
