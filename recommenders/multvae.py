"""MultVAE: a variational autoencoder of whole user rows with a multinomial likelihood.

Liang et al. 2018, "Variational autoencoders for collaborative filtering"; sizes and
settings as in Agent4Rec.
"""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from .interface import FloatArray, Interactions, Items, Progress, Query, Recommender, State
from .popularity import popularity_for_strangers
from .settings import require
from .training import Adam, Schedule, Watch, choose_device, run_epochs


class Rows:
    """A batch of B binary user rows, ragged: what the network reads and should give back."""

    def __init__(self, matrix: sp.csr_array, device: torch.device) -> None:
        counts = np.diff(matrix.indptr).astype(np.int64)
        self.n_items = int(matrix.shape[1])
        self.item = torch.from_numpy(matrix.indices.astype(np.int64)).to(device)  # (n,)
        self.start = torch.from_numpy(matrix.indptr[:-1].astype(np.int64)).to(device)  # (B,)
        self.count = torch.from_numpy(counts).to(device)  # (B,)
        self.row = torch.repeat_interleave(self.count)  # (n,)

    def __len__(self) -> int:
        return len(self.count)


class _Reconstruction(torch.autograd.Function):
    """-sum_i x_i log softmax(logits)_i, mean over rows; the gradient overwrites the logits."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, rows: Rows) -> torch.Tensor:
        normaliser = torch.logsumexp(logits, dim=1)
        ctx.save_for_backward(logits, normaliser)
        ctx.rows = rows
        observed = logits[rows.row, rows.item].sum()
        return ((normaliser * rows.count).sum() - observed) / len(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        logits, normaliser = ctx.saved_tensors
        rows: Rows = ctx.rows
        scale = gradients[0] / len(rows)
        expected = logits.sub_(normaliser.unsqueeze(1)).exp_()
        expected.mul_((rows.count * scale).unsqueeze(1))
        expected.view(-1).index_add_(
            0, rows.row * rows.n_items + rows.item, -scale.expand(len(rows.item))
        )
        return expected, None


def reconstruction_loss(logits: torch.Tensor, rows: Rows) -> torch.Tensor:
    """Multinomial negative log-likelihood of the rows under softmax(logits), mean over rows.

    ``logits`` (B, n_items) is used up: the backward pass overwrites it.
    """
    loss: torch.Tensor = _Reconstruction.apply(logits, rows)  # type: ignore[no-untyped-call]
    return loss


def divergence(mu: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL(N(mu, exp(log_variance)) || N(0, 1)), summed over dimensions, mean over rows."""
    return (log_variance.exp() + mu.square() - 1.0 - log_variance).sum(dim=1).mean() / 2


def annealed(step: int, beta: float, anneal_steps: int) -> float:
    """The weight of the divergence at a step (not an epoch): rises linearly up to ``beta``."""
    return beta if anneal_steps == 0 else min(beta, step / anneal_steps)


class Network(nn.Module):
    """n_items -> hidden (tanh) -> latent mean and variance -> hidden (tanh) -> n_items logits.

    The first layer reads the few items a user has instead of a dense row.
    """

    def __init__(self, n_items: int, hidden: int, latent: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.read = nn.Parameter(torch.empty(n_items, hidden))
        self.read_bias = nn.Parameter(torch.empty(hidden))
        self.encode = nn.Parameter(torch.empty(2 * latent, hidden))
        self.encode_bias = nn.Parameter(torch.empty(2 * latent))
        self.decode = nn.Parameter(torch.empty(hidden, latent))
        self.decode_bias = nn.Parameter(torch.empty(hidden))
        self.write = nn.Parameter(torch.empty(n_items, hidden))
        self.write_bias = nn.Parameter(torch.empty(n_items))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Weights normal with variance 2 / (inputs + outputs), biases with deviation 0.001."""
        for parameter in self.parameters():
            deviation = (2.0 / sum(parameter.shape)) ** 0.5 if parameter.dim() == 2 else 0.001
            parameter.normal_(0.0, deviation, generator=generator)

    def forward(
        self, rows: Rows, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits (B, n_items), mean and log variance (B, latent).

        With a generator (training) inputs are dropped and the code is drawn; without one
        nothing is random and the code is its mean.
        """
        weight = rows.count.to(self.read.dtype).rsqrt()[rows.row]  # the row has length 1
        if generator is not None and self.dropout > 0:
            luck = torch.rand(len(weight), generator=generator, device=weight.device)
            weight = weight * (luck >= self.dropout) / (1.0 - self.dropout)
        summed = nn.functional.embedding_bag(
            rows.item, self.read, rows.start, mode="sum", per_sample_weights=weight
        )
        hidden = torch.tanh(summed + self.read_bias)
        code = nn.functional.linear(hidden, self.encode, self.encode_bias)
        mu, log_variance = code.chunk(2, dim=1)
        z = mu
        if generator is not None:
            noise = torch.randn(mu.shape, generator=generator, device=mu.device)
            z = mu + noise * torch.exp(log_variance / 2)
        hidden = torch.tanh(nn.functional.linear(z, self.decode, self.decode_bias))
        return nn.functional.linear(hidden, self.write, self.write_bias), mu, log_variance


class MultVAE(Recommender):
    """Variational autoencoder of user rows, multinomial likelihood; follows the history.

    hidden, latent: widths. dropout: share of a row's items hidden while training. beta: the
    divergence's largest weight, reached after beta x anneal_steps steps. batch_size: users
    a step. epochs, min_epochs, eval_every, patience and epochs_without_validation: see
    training.Schedule. device: auto takes CUDA where present.
    """

    adapts = "history"

    network: Network
    popularity: FloatArray  # (n_items,), the answer to empty histories

    def __init__(
        self,
        hidden: int = 600,
        latent: int = 64,
        dropout: float = 0.7,
        beta: float = 0.2,
        anneal_steps: int = 200_000,
        learning_rate: float = 2e-3,
        batch_size: int = 512,
        epochs: int = 300,
        min_epochs: int = 20,
        eval_every: int = 5,
        patience: int = 5,
        epochs_without_validation: int = 40,
        device: Literal["auto", "cpu", "cuda"] = "auto",
    ) -> None:
        require(hidden >= 1, "hidden", hidden, "1 or more")
        require(latent >= 1, "latent", latent, "1 or more")
        require(0 <= dropout < 1, "dropout", dropout, "0 or more and below 1")
        require(beta >= 0, "beta", beta, "0 or more")
        require(anneal_steps >= 0, "anneal_steps", anneal_steps, "0 or more")
        require(learning_rate > 0, "learning_rate", learning_rate, "a number above 0")
        require(batch_size >= 1, "batch_size", batch_size, "1 or more")
        self.hidden, self.latent, self.dropout = hidden, latent, dropout
        self.beta, self.anneal_steps = beta, anneal_steps
        self.learning_rate, self.batch_size = learning_rate, batch_size
        self.schedule = Schedule(
            epochs, min_epochs, eval_every, patience, epochs_without_validation
        )
        self.device = device

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
        generator = torch.Generator(device).manual_seed(int(rng.integers(2**63)))
        self.popularity = train.popularity.astype(np.float32)
        self.network = Network(train.n_items, self.hidden, self.latent, self.dropout).to(device)
        self.network.initialise(generator)
        parameters = list(self.network.parameters())
        adam = Adam(parameters, self.learning_rate)
        matrix = train.matrix
        users = np.flatnonzero(np.diff(matrix.indptr))
        batches = max(1, round(len(users) / self.batch_size))
        steps = 0

        def epoch() -> float:
            nonlocal steps
            losses = []
            for batch in np.array_split(rng.permutation(users), batches):
                rows = Rows(matrix[batch], device)
                logits, mu, log_variance = self.network(rows, generator)
                weight = annealed(steps, self.beta, self.anneal_steps)
                loss = reconstruction_loss(logits, rows) + weight * divergence(mu, log_variance)
                adam.step(torch.autograd.grad(loss, parameters))
                losses.append(loss.detach())
                steps += 1
            return float(torch.stack(losses).mean())

        self.report = run_epochs(
            watch,
            self.schedule,
            epoch=epoch,
            look=lambda: None,
            keep=lambda: {k: v.clone() for k, v in self.network.state_dict().items()},
            put_back=self.network.load_state_dict,
            progress=progress,
        )
        return self

    @torch.no_grad()
    def scores(self, query: Query) -> FloatArray:
        """(B, n_items) logits from each history; popularity where it is empty."""
        matrix = query.histories.matrix(len(self.popularity))
        strangers = np.diff(matrix.indptr) == 0
        logits, _, _ = self.network(Rows(matrix, self.network.read.device))
        out: FloatArray = logits.cpu().numpy()
        return popularity_for_strangers(out, strangers, self.popularity)

    def state(self) -> State:
        arrays = {k: v.detach().cpu().numpy() for k, v in self.network.state_dict().items()}
        return {"popularity": self.popularity, **arrays}

    def load_state(self, state: State) -> Self:
        arrays = dict(state)
        self.popularity = arrays.pop("popularity")
        n_items, hidden = arrays["read"].shape
        latent = arrays["decode"].shape[1]
        self.network = Network(n_items, hidden, latent, self.dropout).to(choose_device(self.device))
        self.network.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()})
        return self
