"""What graph models share: the trained table, the loop over batches, the recommender around them.

A model is two small classes: a Backbone (propagation and loss) and its settings. The loss
takes the layer-0 vectors as an argument, so that a wrapper can hide some of them before
propagation, and returns the compared vectors, so that it can add a term on them.
"""

# No `from __future__ import annotations`: the settings' types are read from the constructors
# of subclasses in other modules, where names as text would not resolve.
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ..factors import Factors
from ..graph import normalised_adjacency
from ..interface import Interactions, Items, Progress
from ..sampling import PairSampler
from ..settings import require
from ..training import Adam, Schedule, Watch, choose_device, run_epochs
from .sparse import Graph, Pattern


class Batch(NamedTuple):
    """Triples as row numbers of the joint table (users first, then items); each (B,) int64."""

    user: Tensor
    positive: Tensor
    negative: Tensor


class Backbone(ABC):
    """Trained vectors of all nodes, how they spread over the graph, and what they are judged by.

    ``parameters`` are all that is trained; ``width`` is that of the compared vectors.
    Chance in training comes from ``generator`` alone, never from the sampler's.
    """

    def __init__(
        self,
        settings: "GraphModel",
        train: Interactions,
        rng: np.random.Generator,
        device: torch.device,
        self_loops: bool = False,
    ) -> None:
        dim, self.layers = settings.dim, settings.layers
        self.n_users, self.n_items = train.n_users, train.n_items
        self.width = dim
        self.rng, self.device = rng, device
        adjacency = normalised_adjacency(train, self_loops=self_loops)
        values = torch.from_numpy(adjacency.data).to(device)
        self.graph = Graph(Pattern.of(adjacency, device), values)
        users, items = self.xavier(train.n_users, dim), self.xavier(train.n_items, dim)
        self.table = torch.cat([users, items]).requires_grad_()
        self.parameters = [self.table]
        self.generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))

    def xavier(self, rows: int, columns: int) -> Tensor:
        """(rows, columns) uniform within sqrt(6 / (rows + columns)) of 0."""
        return uniform(self.rng, np.sqrt(6.0 / (rows + columns)), (rows, columns), self.device)

    def ego(self) -> Tensor:
        """(N, d): the layer-0 vectors."""
        return self.table

    def propagate(self, ego: Tensor, graph: Graph) -> Tensor:
        """(N, d) -> (N, width): the sum of ``ego`` and its ``layers`` hops over the graph."""
        out = hop = ego
        for _ in range(self.layers):
            hop = graph.hop(hop)
            out = out + hop
        return out

    @abstractmethod
    def loss(self, batch: Batch, ego: Tensor) -> tuple[Tensor, Tensor]:
        """The scalar loss without regulariser, and the (N, width) vectors its ranking part used."""

    def factors(self) -> Tensor:
        """(N, width): the vectors to compare now, over the full graph, without gradient."""
        with torch.no_grad():
            return self.propagate(self.ego(), self.graph).detach()

    def sides(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """The users' and the items' rows of (N, ...)."""
        return nodes[: self.n_users], nodes[self.n_users :]


def uniform(
    rng: np.random.Generator, bound: float, shape: tuple[int, ...], device: torch.device
) -> Tensor:
    """Float32 draws within ``bound`` of 0."""
    drawn = rng.uniform(-bound, bound, shape).astype(np.float32)
    return torch.from_numpy(drawn).to(device)


def picked(final: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """The batch's rows (B, d) of users, positives and negatives."""
    user, positive, negative = (final.index_select(0, rows) for rows in batch)
    return user, positive, negative


class Training:
    """Adam steps on a backbone's loss plus ``l2`` times the sum of all squared parameters."""

    def __init__(
        self,
        backbone: Backbone,
        sampler: PairSampler,
        *,
        learning_rate: float,
        batch_size: int,
        l2: float,
    ) -> None:
        self.backbone, self._sampler = backbone, sampler
        self._batch_size, self._l2 = batch_size, l2
        self._adam = Adam(backbone.parameters, learning_rate)

    def epoch(self) -> float:
        """One pass over freshly drawn triples, the last batch as it falls; the mean loss."""
        user, positive, negative = self._sampler.epoch(self.backbone.rng)
        first = self.backbone.n_users
        rows = np.stack([user, positive + first, negative + first])
        index = torch.from_numpy(rows).to(self.backbone.device)
        batches = max(1, math.ceil(index.shape[1] / self._batch_size))
        starts = [self._batch_size * number for number in range(1, batches)]
        losses = [self.step(Batch(*part)) for part in index.tensor_split(starts, dim=1)]
        return float(torch.stack(losses).mean())

    def step(self, batch: Batch) -> Tensor:
        """One step; returns the loss without the regulariser."""
        loss, _ = self.backbone.loss(batch, self.backbone.ego())
        trained = self.backbone.parameters
        gradients = torch.autograd.grad(loss, trained, materialize_grads=True)
        with torch.no_grad():
            self._adam.step(
                torch.add(gradient, one, alpha=2 * self._l2)
                for gradient, one in zip(gradients, trained, strict=True)
            )
        return loss.detach()


@dataclass(eq=False)
class GraphModel(Factors):
    """A graph model's settings and its training; subclasses name their backbone.

    dim: width of a layer's vectors. layers: hops. l2: weight of the sum of all squared
    trained numbers. An epoch has each training pair once, with a new negative; epochs,
    min_epochs, eval_every, patience and epochs_without_validation: see training.Schedule.
    device: auto takes CUDA where present.
    """

    dim: int = 32
    layers: int = 2
    learning_rate: float = 1e-3
    batch_size: int = 4096
    l2: float = 1e-6
    epochs: int = 3000
    min_epochs: int = 30
    eval_every: int = 3
    patience: int = 5
    epochs_without_validation: int = 100
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        require(self.dim >= 1, "dim", self.dim, "1 or more")
        require(self.layers >= 0, "layers", self.layers, "0 or more")
        rate = self.learning_rate
        require(rate > 0, "learning_rate", rate, "a number above 0")
        require(self.batch_size >= 1, "batch_size", self.batch_size, "1 or more")
        require(self.l2 >= 0, "l2", self.l2, "0 or more")
        self.schedule = Schedule(
            self.epochs,
            self.min_epochs,
            self.eval_every,
            self.patience,
            self.epochs_without_validation,
        )

    @abstractmethod
    def backbone(
        self, train: Interactions, rng: np.random.Generator, device: torch.device
    ) -> Backbone:
        """A new, untrained backbone over the training graph."""

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        return self.fit_around(lambda backbone: backbone, train, valid, rng, progress)

    def fit_around(
        self,
        around: Callable[[Backbone], Backbone],
        train: Interactions,
        valid: Interactions | None,
        rng: np.random.Generator,
        progress: Progress | None,
    ) -> Self:
        """As ``fit``, but what is trained is what ``around`` makes of the new backbone."""
        watch = Watch(self, train, valid)
        sampler = PairSampler(train)
        backbone = around(self.backbone(train, rng, choose_device(self.device)))
        self._meet(train)
        training = Training(
            backbone,
            sampler,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            l2=self.l2,
        )

        def look() -> None:
            """Take the vectors as they are now; copies, since training goes on in place."""
            users, items_ = backbone.sides(backbone.factors().cpu())
            self.user_factors, self.item_factors = users.numpy().copy(), items_.numpy().copy()

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


def require_share(setting: str, value: float) -> None:
    """Refuse what is not above 0 and at most 1."""
    require(0 < value <= 1, setting, value, "above 0, at most 1")


def require_temperature(setting: str, value: float) -> None:
    """Refuse temperatures so low that a 32-bit exponential loses every other term."""
    require(value >= 0.01, setting, value, "0.01 or more")
