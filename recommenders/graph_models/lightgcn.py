"""LightGCN as RLMRec trains it: the base under its plug-ins.

The registry's ``lightgcn`` is another: Agent4Rec's, with users drawn equally, the mean of
layers, the batch's rows regularised, and a gradient in closed form. In a scenario this one
is ``recommenders.graph_models.lightgcn:SumLightGCN``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..interface import Interactions
from .base import Backbone, Batch, GraphModel, picked, require_share
from .losses import bpr


class Dropping(Backbone):
    """LightGCN whose graph loses edges in training, a new mask each time."""

    def __init__(
        self,
        settings: SumLightGCN,
        train: Interactions,
        rng: np.random.Generator,
        device: torch.device,
    ) -> None:
        super().__init__(settings, train, rng, device)
        self._keep = settings.keep

    def loss(self, batch: Batch, ego: Tensor) -> tuple[Tensor, Tensor]:
        graph = self.graph
        if self._keep < 1:
            graph = graph.dropped(self._keep, self.generator)
        final = self.propagate(ego, graph)
        return bpr(*picked(final, batch)), final


@dataclass(eq=False)
class SumLightGCN(GraphModel):
    """LightGCN (He et al. 2020) with the sum of layers and edges dropped in training, as in RLMRec.

    keep: the probability that an edge stays in a step's graph; what stays is not rescaled,
    and recommending uses all edges.
    """

    layers: int = 3
    keep: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share("keep", self.keep)

    def backbone(
        self, train: Interactions, rng: np.random.Generator, device: torch.device
    ) -> Backbone:
        return Dropping(self, train, rng, device)
