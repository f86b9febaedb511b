"""RLMRec's two terms: a backbone's vectors aligned with profiles (Con), or made to tell them (Gen).

Ren et al. 2024, "Representation learning with large language models for recommendation"
(WWW), sections 3.3 and 3.4. Each is a Backbone around a Backbone: it propagates as that does,
hides some of its layer-0 vectors or not, and adds a term to its loss. Profiles serve in
training only; what is compared in recommending are the backbone's own vectors.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..graph_models.base import Backbone, Batch, uniform
from ..graph_models.losses import info_nce
from ..graph_models.sparse import Graph
from .profiles import Profiles


class Projection:
    """(n, before) -> (n, after): Linear, LeakyReLU (slope 0.01), Linear; half as wide between.

    Weights are Xavier-uniform, biases uniform within 1 / sqrt(inputs) of 0.
    """

    def __init__(
        self, before: int, after: int, rng: np.random.Generator, device: torch.device
    ) -> None:
        widths = before, max(1, (before + after) // 2), after
        self.parameters: list[Tensor] = []
        for inputs, outputs in pairwise(widths):
            xavier = np.sqrt(6.0 / (inputs + outputs))
            weight = uniform(rng, xavier, (inputs, outputs), device)
            bias = uniform(rng, 1.0 / np.sqrt(max(1, inputs)), (outputs,), device)
            self.parameters += [weight.requires_grad_(), bias.requires_grad_()]

    def __call__(self, vectors: Tensor) -> Tensor:
        into, bias_into, out_of, bias_out_of = self.parameters
        hidden = torch.nn.functional.leaky_relu_(torch.addmm(bias_into, vectors, into))
        return torch.addmm(bias_out_of, hidden, out_of)


class Aligned(Backbone):
    """A backbone whose loss has one more term, ``weight`` times what :meth:`term` says.

    All chance of the term is in ``rng``, its own: with weight 0 and nothing hidden the
    backbone is trained bit for bit as it would be alone.
    """

    def __init__(
        self,
        inner: Backbone,
        profiles: Profiles,
        rng: np.random.Generator,
        *,
        weight: float,
        temperature: float,
    ) -> None:
        # Not the parent's: the graph, the table and the sampler's luck are those of ``inner``.
        self.inner, self.profiles = inner, profiles
        self.n_users, self.n_items, self.width = inner.n_users, inner.n_items, inner.width
        self.layers, self.graph, self.table = inner.layers, inner.graph, inner.table
        self.rng, self.device = inner.rng, inner.device
        self.generator = torch.Generator(inner.device).manual_seed(int(rng.integers(2**62)))
        self.parameters = list(inner.parameters)
        self._weight, self._temperature = weight, temperature

    def propagate(self, ego: Tensor, graph: Graph) -> Tensor:
        return self.inner.propagate(ego, graph)

    def loss(self, batch: Batch, ego: Tensor) -> tuple[Tensor, Tensor]:
        hidden, shown = self.hide(ego)
        loss, final = self.inner.loss(batch, shown)
        if self._weight == 0:
            return loss, final
        return loss + self._weight * self.term(batch, final, hidden), final

    def hide(self, ego: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (m,) of the nodes whose layer-0 vectors are hidden, and (N, d) without them."""
        return self.profiles.nodes[:0], ego

    @abstractmethod
    def term(self, batch: Batch, final: Tensor, hidden: Tensor) -> Tensor:
        """The scalar to add, on the vectors ``final`` (N, width) that the backbone ranked by."""


class Con(Aligned):
    """Vectors are drawn to their projected profiles, away from those of others.

    (1 / B) sum over the batch of l(user) + l(positive) + l(negative), where l(n) is the InfoNCE
    of e_n against f(s_n): among f of all users, of the batch's positives, or of its negatives.
    f is one :class:`Projection` for users and items. Positives (negatives) that occur more
    than once stand more than once in that sum and in its denominators, as in RLMRec's code;
    here each is computed once and counts so often. Nodes without a profile take no part;
    B is the size of the batch all the same. ``negatives`` false leaves l(negative) out.
    """

    def __init__(
        self,
        inner: Backbone,
        profiles: Profiles,
        rng: np.random.Generator,
        *,
        weight: float,
        temperature: float,
        negatives: bool = True,
    ) -> None:
        super().__init__(inner, profiles, rng, weight=weight, temperature=temperature)
        width = profiles.vectors.shape[1]
        self.project = Projection(width, inner.width, rng, inner.device)
        self.parameters += self.project.parameters
        self._negatives = negatives

    def term(self, batch: Batch, final: Tensor, hidden: Tensor) -> Tensor:
        total = self._of_users(batch.user, final)
        sides = [batch.positive, batch.negative] if self._negatives else [batch.positive]
        return (total + self._of_items(sides, final)) / len(batch.user)

    def _of_users(self, index: Tensor, final: Tensor) -> Tensor:
        """The sum over the users of ``index`` (B,), all users in the denominator."""
        users, times = torch.unique(self.profiles.among(index), return_counts=True)
        said = self.project(self.profiles.users)
        own = said.index_select(0, self.profiles.row[users])
        here = final.index_select(0, users)
        return info_nce(here, own, said, self._temperature, times.to(final.dtype))

    def _of_items(self, sides: list[Tensor], final: Tensor) -> Tensor:
        """The sum over the items of each of ``sides`` (B,), its items in the denominator."""
        sides = [self.profiles.among(side) for side in sides]
        items, place = torch.unique(torch.cat(sides), return_inverse=True)
        said = self.project(self.profiles.vectors.index_select(0, self.profiles.row[items]))
        here = final.index_select(0, items)
        total = final.new_zeros(())
        for part in place.split([len(side) for side in sides]):
            rows, counts = torch.unique(part, return_counts=True)
            times, own = counts.to(final.dtype), said.index_select(0, rows)
            nodes = here.index_select(0, rows)
            total = total + info_nce(nodes, own, own, self._temperature, times, times)
        return total


class Gen(Aligned):
    """Hidden nodes must tell their profiles from what their neighbours know.

    In each step a random share ``masked`` of the nodes with a profile, at least one, has one
    learned vector (at first zeros) for its layer-0 vector: before propagation, for the
    ranking and all of the backbone's own terms. The term is the mean over them of the InfoNCE
    of g(e_n) against s_n among the hidden nodes' profiles, users' and items' together; g is
    a :class:`Projection`.
    """

    def __init__(
        self,
        inner: Backbone,
        profiles: Profiles,
        rng: np.random.Generator,
        *,
        weight: float,
        temperature: float,
        masked: float,
    ) -> None:
        super().__init__(inner, profiles, rng, weight=weight, temperature=temperature)
        width = profiles.vectors.shape[1]
        self.project = Projection(inner.width, width, rng, inner.device)
        self.token = torch.zeros_like(inner.table[:1]).requires_grad_()
        self.parameters += [*self.project.parameters, self.token]
        self._masked = masked

    def hide(self, ego: Tensor) -> tuple[Tensor, Tensor]:
        nodes = self.profiles.nodes
        if len(nodes) == 0:
            return nodes, ego
        number = max(1, int(self._masked * len(nodes)))
        drawn = torch.randperm(len(nodes), generator=self.generator, device=self.device)
        hidden = nodes[drawn[:number]]
        covered = torch.zeros(len(ego), 1, dtype=torch.bool, device=ego.device)
        covered[hidden] = True
        return hidden, torch.where(covered, self.token, ego)

    def term(self, batch: Batch, final: Tensor, hidden: Tensor) -> Tensor:
        said = self.profiles.vectors.index_select(0, self.profiles.row[hidden])
        told = self.project(final.index_select(0, hidden))
        share = final.new_full((len(hidden),), 1 / max(1, len(hidden)))
        return info_nce(told, said, said, self._temperature, share)
