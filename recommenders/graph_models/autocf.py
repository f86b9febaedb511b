"""AutoCF: a graph autoencoder that learns which parts of the graph to hide from itself.

Xia et al. 2023, "Automated self-supervised learning for recommendation" (WWW); as RLMRec
trains it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..interface import Interactions
from ..settings import require
from .base import Backbone, Batch, GraphModel, picked
from .hiding import decoder_pattern, hidden, node_scores
from .losses import log_sum_exp
from .sparse import Graph, Pattern, edge_dots

LOGIT_LIMIT = 10.0


class Hiding(Backbone):
    """Hops over what is left of the graph, then attention over it and random pairs."""

    def __init__(
        self, settings: AutoCF, train: Interactions, rng: np.random.Generator, device: torch.device
    ) -> None:
        super().__init__(settings, train, rng, device)
        self._settings = settings
        self.query, self.key, self.value = (
            self.xavier(settings.dim, settings.dim).requires_grad_() for _ in range(3)
        )
        self.parameters += [self.query, self.key, self.value]
        self._step = 0
        self._encoder, self._decoder = self.graph, self.graph.pattern

    def attention(self, nodes: Tensor, pattern: Pattern) -> list[Graph]:
        """One graph a head: exp(q_head . k_tail), logits within ±10, rows divided by their sums."""
        out = []
        heads = self._settings.heads
        queries, keys = nodes @ self.query, nodes @ self.key
        for query, key in zip(queries.chunk(heads, 1), keys.chunk(heads, 1), strict=True):
            logits = edge_dots(query, key, pattern).clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
            out.append(Graph(pattern, logits.exp()).row_normalised())
        return out

    def propagate(self, ego: Tensor, graph: Graph, decoder: Pattern | None = None) -> Tensor:
        """The sum of ``ego``, its hops over ``graph`` and one attention over ``decoder``'s edges.

        Without ``decoder`` the edges of ``graph`` serve both, as in recommending.
        """
        out = hop = ego
        for _ in range(self.layers):
            hop = graph.hop(hop)
            out = out + hop
        heads = self.attention(hop, graph.pattern if decoder is None else decoder)
        values = (hop @ self.value).chunk(len(heads), 1)
        attended = [head.hop(value) for head, value in zip(heads, values, strict=True)]
        return out + torch.cat(attended, dim=1)

    def _hide_anew(self) -> Tensor:
        """Choose new seeds and graphs; returns minus the mean score, with gradient."""
        scores = node_scores(self.table, self.graph.pattern, self.generator)
        n_seeds = min(self._settings.seeds, len(scores))
        seeds = torch.topk(scores.detach(), n_seeds).indices
        rest, touched = hidden(self.graph.pattern, seeds)
        self._encoder = rest
        self._decoder = decoder_pattern(
            rest.pattern,
            touched,
            pairs=len(self.graph.pattern),
            extra=int(self._settings.extra * len(scores)),
            generator=self.generator,
        )
        return -scores.mean()

    def loss(self, batch: Batch, ego: Tensor) -> tuple[Tensor, Tensor]:
        extra = ego.new_zeros(())
        if self._step % self._settings.hide_every == 0:
            extra = self._hide_anew()
        self._step += 1
        final = self.propagate(ego, self._encoder, self._decoder)
        users, items = self.sides(final)
        user, positive, _ = picked(final, batch)
        matched = (user * positive).sum(1).mean()
        loss = extra - matched + _mean_log_sum_exp(users, batch.user, items)
        ssl = self._settings.ssl
        if ssl > 0:
            distinct = torch.unique(batch.user), torch.unique(batch.positive) - self.n_users
            for side, rows in zip((users, items), distinct, strict=True):
                loss = loss + ssl * _mean_log_sum_exp(side, rows, side)
        return loss, final


def _mean_log_sum_exp(table: Tensor, index: Tensor, others: Tensor) -> Tensor:
    """Mean over ``index`` (B,) of log sum_j exp(table[b] . others_j), each row computed once."""
    rows, counts = torch.unique(index, return_counts=True)
    weight = counts.to(table.dtype) / len(index)
    return log_sum_exp(table.index_select(0, rows), others, weight)


@dataclass(eq=False)
class AutoCF(GraphModel):
    """Graph autoencoder with attention that hides the parts it scores highest (Xia et al. 2023).

    heads: of the attention; they divide dim. seeds: nodes whose edges are hidden, with
    those of their neighbours. extra: share of random nodes among which, with the hidden
    ones, random pairs join the attention. hide_every: steps between choices. ssl: weight of
    the uniformity of users and of items.
    """

    heads: int = 4
    seeds: int = 100
    extra: float = 0.2
    hide_every: int = 10
    ssl: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        divides = self.heads >= 1 and self.dim % self.heads == 0
        require(divides, "heads", self.heads, f"a divisor of dim ({self.dim})")
        require(self.seeds >= 1, "seeds", self.seeds, "1 or more")
        require(0 <= self.extra <= 1, "extra", self.extra, "0 to 1")
        require(self.hide_every >= 1, "hide_every", self.hide_every, "1 or more")
        require(self.ssl >= 0, "ssl", self.ssl, "0 or more")

    def backbone(
        self, train: Interactions, rng: np.random.Generator, device: torch.device
    ) -> Backbone:
        return Hiding(self, train, rng, device)
