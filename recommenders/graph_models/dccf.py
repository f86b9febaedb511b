"""DCCF: propagation over the graph, over shared intents, and over edges reweighted by both.

Ren et al. 2023, "Disentangled contrastive collaborative filtering" (SIGIR); as RLMRec
trains it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..interface import Interactions
from ..settings import require
from .base import Backbone, Batch, GraphModel, picked, require_temperature
from .losses import bpr, info_nce, unit
from .sparse import Graph, edge_dots


class Layer(NamedTuple):
    """What one layer adds to E, each (N, d).

    graph: ÂE. intent: E's mixture of intents. by_graph, by_intent: neighbours weighted by
    the likeness of the one or the other.
    """

    graph: Tensor
    intent: Tensor
    by_graph: Tensor
    by_intent: Tensor


def likeness(graph: Graph, nodes: Tensor) -> Graph:
    """The same edges weighted (1 + cos(head, tail)) / 2, each row divided by its sum."""
    directions = unit(nodes)
    cosines = edge_dots(directions, directions, graph.pattern)
    # Rounding may leave a cosine below -1; a weight below 0 is none.
    return Graph(graph.pattern, (0.5 * (cosines + 1)).clamp_min(0.0)).row_normalised()


class Disentangling(Backbone):
    """BPR on the sum of layers; in each layer ÂE is contrasted with the other three."""

    def __init__(
        self, settings: DCCF, train: Interactions, rng: np.random.Generator, device: torch.device
    ) -> None:
        super().__init__(settings, train, rng, device)
        self._settings = settings
        self.user_intents = self.xavier(settings.dim, settings.intents).requires_grad_()
        self.item_intents = self.xavier(settings.dim, settings.intents).requires_grad_()
        self.parameters += [self.user_intents, self.item_intents]

    def layer(self, nodes: Tensor, graph: Graph) -> Layer:
        """The four parts that layer 0..L-1's vectors (N, d) send to the next."""
        hop = graph.hop(nodes)
        mixed = [
            torch.softmax(side @ intents, dim=1) @ intents.t()
            for side, intents in zip(
                self.sides(nodes), (self.user_intents, self.item_intents), strict=True
            )
        ]
        intent = torch.cat(mixed)
        by_graph, by_intent = (likeness(graph, one).hop(nodes) for one in (hop, intent))
        return Layer(hop, intent, by_graph, by_intent)

    def _run(self, ego: Tensor, graph: Graph) -> tuple[Tensor, list[Layer]]:
        out = nodes = ego
        layers = []
        for _ in range(self.layers):
            layers.append(self.layer(nodes, graph))
            nodes = nodes + sum(layers[-1])
            out = out + nodes
        return out, layers

    def propagate(self, ego: Tensor, graph: Graph) -> Tensor:
        """The sum of layers 0..L, each the last plus its four parts."""
        return self._run(ego, graph)[0]

    def loss(self, batch: Batch, ego: Tensor) -> tuple[Tensor, Tensor]:
        final, layers = self._run(ego, self.graph)
        ranking = bpr(*picked(final, batch))
        if self._settings.cl == 0:
            return ranking, final
        users, items = torch.unique(batch.user), torch.unique(batch.positive)
        contrast = sum(self._contrast(layer, rows) for layer in layers for rows in (users, items))
        return ranking + self._settings.cl / len(users) * contrast, final

    def _contrast(self, layer: Layer, rows: Tensor) -> Tensor:
        """InfoNCE of ÂE with each other part, among ``rows`` (n,) only; summed."""
        first, *others = (part.index_select(0, rows) for part in layer)
        weight = torch.ones(len(rows), device=first.device)
        total = first.new_zeros(())
        for other in others:
            total = total + info_nce(first, other, other, self._settings.temperature, weight)
        return total


@dataclass(eq=False)
class DCCF(GraphModel):
    """Graph convolution with shared intents and edges reweighted by likeness (Ren et al. 2023).

    intents: rows of each side's table of intents. cl: weight of the contrast, divided by
    the number of distinct users in the batch. temperature: the contrast's.
    """

    l2: float = 1e-4
    intents: int = 128
    cl: float = 1e-3
    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.intents >= 1, "intents", self.intents, "1 or more")
        require(self.cl >= 0, "cl", self.cl, "0 or more")
        require_temperature("temperature", self.temperature)

    def backbone(
        self, train: Interactions, rng: np.random.Generator, device: torch.device
    ) -> Backbone:
        return Disentangling(self, train, rng, device)
