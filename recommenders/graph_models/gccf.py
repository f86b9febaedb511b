"""GCCF: linear propagation over a graph with self-loops, layers concatenated.

Chen et al. 2020, "Revisiting graph based collaborative filtering: a linear residual graph
convolutional network approach" (AAAI); as RLMRec trains it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..interface import Interactions
from .base import Backbone, Batch, GraphModel, picked
from .losses import bpr
from .sparse import Graph


class Concatenating(Backbone):
    """Compared vectors are all layers side by side, (layers + 1) dim wide."""

    def __init__(
        self,
        settings: GCCF,
        train: Interactions,
        rng: np.random.Generator,
        device: torch.device,
    ) -> None:
        super().__init__(settings, train, rng, device, settings.self_loops)
        self.width = (settings.layers + 1) * settings.dim

    def propagate(self, ego: Tensor, graph: Graph) -> Tensor:
        """(N, d) -> (N, (layers + 1) d)."""
        hops = [ego]
        for _ in range(self.layers):
            hops.append(graph.hop(hops[-1]))
        return torch.cat(hops, dim=1)

    def loss(self, batch: Batch, ego: Tensor) -> tuple[Tensor, Tensor]:
        final = self.propagate(ego, self.graph)
        return bpr(*picked(final, batch)), final


@dataclass(eq=False)
class GCCF(GraphModel):
    """Linear graph convolution with self-loops, layers concatenated, BPR loss (Chen et al. 2020).

    self_loops: does each node count among its own neighbours?
    """

    self_loops: bool = True

    def backbone(
        self, train: Interactions, rng: np.random.Generator, device: torch.device
    ) -> Backbone:
        return Concatenating(self, train, rng, device)
