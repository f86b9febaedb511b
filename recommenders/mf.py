"""Matrix factorisation learned from pairs (BPR), and what LightGCN shares with it.

Rendle et al. 2009, "BPR: Bayesian personalized ranking from implicit feedback"; sampling
by user as in Agent4Rec. The gradient is in closed form: no autograd graph is built.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
import torch

from .factors import Factors
from .graph import Propagation
from .interface import FloatArray, Interactions, Items, Progress
from .sampling import TripleSampler
from .settings import require
from .training import Adam, Schedule, Watch, choose_device, run_epochs


def bpr_gradient(factors: torch.Tensor, index: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """The loss mean softplus(-(x_ui - x_uj)) and, in ``out``, its gradient.

    ``factors`` (N, d) has users' and items' rows, x is the dot product of two of them, and
    ``index`` (3, B) numbers the rows of user u, positive i and negative j. Returns the
    scalar loss; ``out`` (N, d) is overwritten. With c = -sigmoid(x_uj - x_ui) / B a sample
    adds c (q_i - q_j) to its user's row, c p_u to the positive's and -c p_u to the negative's.
    """
    rows = factors.index_select(0, index.view(-1))
    p, positive, negative = rows.view(3, index.shape[1], -1)
    difference = positive - negative
    margin = torch.linalg.vecdot(p, difference)
    c = torch.sigmoid(-margin).mul_(-1.0 / len(margin)).unsqueeze_(1)
    torch.mul(p, c, out=positive)
    torch.neg(positive, out=negative)
    torch.mul(difference, c, out=p)
    out.zero_().index_add_(0, index.view(-1), rows)
    return torch.nn.functional.softplus(-margin).mean()


class PairwiseTraining:
    """The vectors of users and items under training, E (N, d), and the steps that move them.

    ``propagation`` turns E into the vectors that are compared; None compares E itself. The
    regulariser is on E, on the rows of a batch, as often as they occur in it:
    l2 / 2 (|p_u|^2 + |q_i|^2 + |q_j|^2), mean over the batch.
    """

    def __init__(
        self,
        sampler: TripleSampler,
        start: FloatArray,
        first_item: int,
        propagation: Propagation | None,
        *,
        learning_rate: float,
        batch_size: int,
        l2: float,
        rng: np.random.Generator,
        device: torch.device,
    ) -> None:
        self._sampler, self._rng = sampler, rng
        self._first_item = first_item
        self._batch_size, self._l2 = batch_size, l2
        self._propagation = propagation
        self._ego = torch.from_numpy(start).to(device)
        self._gradient = torch.zeros_like(self._ego)
        self._adam = Adam([self._ego], learning_rate)

    def epoch(self) -> float:
        """One pass over freshly drawn triples; returns the mean loss."""
        triples = self._sampler.epoch(self._rng)
        rows = np.stack(
            [triples.user, triples.positive + self._first_item, triples.negative + self._first_item]
        )
        index = torch.from_numpy(rows).to(self._ego.device)
        batches = max(1, round(index.shape[1] / self._batch_size))
        losses = [self.step(batch) for batch in index.tensor_split(batches, dim=1)]
        return float(torch.stack(losses).mean())

    def step(self, index: torch.Tensor) -> torch.Tensor:
        """One Adam step on the triples ``index`` (3, B) of row numbers; returns the BPR loss."""
        index = index.contiguous()
        loss = bpr_gradient(self.factors(), index, self._gradient)
        gradient = self._gradient
        if self._propagation is not None:
            gradient = self._propagation(gradient)
        if self._l2 > 0:
            occurs = torch.bincount(index.view(-1), minlength=len(gradient)).to(gradient.dtype)
            gradient.addcmul_(self._ego, occurs.unsqueeze_(1), value=self._l2 / index.shape[1])
        self._adam.step([gradient])
        return loss

    def factors(self) -> torch.Tensor:
        """(N, d) the vectors that are compared now."""
        return self._ego if self._propagation is None else self._propagation(self._ego)


class MF(Factors):
    """Matrix factorisation, learned from pairs of a known and an unknown item (BPR).

    dim: width of a user's and an item's vector. l2: weight of the squared vectors of a
    batch. An epoch draws as many triples as there are training pairs; epochs, min_epochs,
    eval_every, patience and epochs_without_validation: see training.Schedule. device: auto
    takes CUDA where present.
    """

    def __init__(
        self,
        dim: int = 64,
        learning_rate: float = 4e-3,
        batch_size: int = 8192,
        l2: float = 0.015,
        epochs: int = 500,
        min_epochs: int = 20,
        eval_every: int = 5,
        patience: int = 5,
        epochs_without_validation: int = 150,
        device: Literal["auto", "cpu", "cuda"] = "auto",
    ) -> None:
        require(dim >= 1, "dim", dim, "1 or more")
        require(learning_rate > 0, "learning_rate", learning_rate, "a number above 0")
        require(batch_size >= 1, "batch_size", batch_size, "1 or more")
        require(l2 >= 0, "l2", l2, "0 or more")
        self.dim, self.learning_rate = dim, learning_rate
        self.batch_size, self.l2 = batch_size, l2
        self.schedule = Schedule(
            epochs, min_epochs, eval_every, patience, epochs_without_validation
        )
        self.device = device

    def propagation(self, train: Interactions, device: torch.device) -> Propagation | None:
        """What stands between the trained vectors and the compared ones; nothing here."""
        return None

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        watch = Watch(self, train, valid)
        device = choose_device(self.device)
        self._meet(train)
        training = PairwiseTraining(
            TripleSampler(train),
            _xavier_normal(train.n_users, train.n_items, self.dim, rng),
            train.n_users,
            self.propagation(train, device),
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            l2=self.l2,
            rng=rng,
            device=device,
        )

        def look() -> None:
            """Take the factors as they are now; a copy, since training goes on in place."""
            factors = training.factors().cpu().numpy()
            self.user_factors = factors[: train.n_users].copy()
            self.item_factors = factors[train.n_users :].copy()

        self.report = run_epochs(
            watch,
            self.schedule,
            epoch=training.epoch,
            look=look,
            keep=lambda: (self.user_factors, self.item_factors),
            put_back=self._put_back,
            progress=progress,
        )
        return self


def _xavier_normal(n_users: int, n_items: int, dim: int, rng: np.random.Generator) -> FloatArray:
    """(n_users + n_items, dim) float32: each table normal with variance 2 / (rows + dim)."""
    out = rng.standard_normal((n_users + n_items, dim), dtype=np.float32)
    out[:n_users] *= np.sqrt(2.0 / (n_users + dim))
    out[n_users:] *= np.sqrt(2.0 / (n_items + dim))
    return out
