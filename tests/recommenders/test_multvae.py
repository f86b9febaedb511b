"""MultVAE: the multinomial loss, the divergence, annealing, and what is random when."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recommenders.interface import Interactions, RecommenderError
from recommenders.multvae import (
    MultVAE,
    Network,
    Rows,
    annealed,
    divergence,
    reconstruction_loss,
)
from tests.recommenders import worlds

CPU = torch.device("cpu")
TRAIN = worlds.small_world()


def logits_of(rows: Rows, n_items: int = TRAIN.n_items) -> torch.Tensor:
    return torch.randn(len(rows), n_items, generator=torch.Generator().manual_seed(1))


def fitted(train: Interactions = TRAIN, epochs: int = 3) -> MultVAE:
    recommender = MultVAE(hidden=16, latent=4, learning_rate=0.01, epochs_without_validation=epochs)
    return recommender.fit(train, worlds.plain_items(train.n_items), rng=np.random.default_rng(0))


def test_loss_and_gradient_equal_autograds() -> None:
    rows = Rows(TRAIN.matrix, CPU)
    logits = logits_of(rows).requires_grad_()
    dense = torch.from_numpy(TRAIN.matrix.toarray())
    expected = -(dense * torch.log_softmax(logits, dim=1)).sum(1).mean()
    (gradient,) = torch.autograd.grad(expected, logits)
    mine = logits.detach().clone().requires_grad_()
    loss = reconstruction_loss(mine * 1.0, rows)
    (2 * loss).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(mine.grad, 2 * gradient)


def test_a_constant_added_to_the_logits_changes_nothing() -> None:
    rows = Rows(TRAIN.matrix, CPU)
    logits = logits_of(rows)
    torch.testing.assert_close(
        reconstruction_loss(logits + 3.0, rows), reconstruction_loss(logits, rows)
    )


def test_divergence() -> None:
    zero = torch.zeros(3, 4)
    assert float(divergence(zero, zero)) == 0.0
    assert float(divergence(zero + 1.0, zero)) == pytest.approx(2.0)  # 4 dimensions, 1/2 each
    normal = torch.distributions.Normal
    mu, log_variance = torch.randn(3, 4), torch.randn(3, 4)
    both = normal(mu, (log_variance / 2).exp()), normal(zero, zero + 1.0)
    expected = torch.distributions.kl_divergence(*both).sum(1).mean()
    torch.testing.assert_close(divergence(mu, log_variance), expected)


def test_annealing_goes_by_step_up_to_beta() -> None:
    assert annealed(0, 0.2, 100) == 0.0
    assert annealed(10, 0.2, 100) == pytest.approx(0.1)
    assert annealed(20, 0.2, 100) == annealed(5000, 0.2, 100) == 0.2
    assert annealed(0, 0.2, 0) == 0.2


def test_the_sparse_first_layer_is_the_dense_one() -> None:
    network = Network(TRAIN.n_items, 8, 3, dropout=0.5)
    network.initialise(torch.Generator().manual_seed(0))
    x = torch.from_numpy(TRAIN.matrix.toarray())
    x = torch.nn.functional.normalize(x)
    hidden = torch.tanh(x @ network.read + network.read_bias)
    mu, _ = (hidden @ network.encode.T + network.encode_bias).chunk(2, dim=1)
    hidden = torch.tanh(mu @ network.decode.T + network.decode_bias)
    expected = hidden @ network.write.T + network.write_bias
    logits, found_mu, _ = network(Rows(TRAIN.matrix, CPU))
    torch.testing.assert_close(found_mu, mu)
    torch.testing.assert_close(logits, expected)


def test_dropout_keeps_the_expected_input_and_noise_is_there_in_training_only() -> None:
    network = Network(TRAIN.n_items, 8, 3, dropout=0.5)
    network.initialise(torch.Generator().manual_seed(0))
    rows = Rows(TRAIN.matrix, CPU)
    assert torch.equal(network(rows)[0], network(rows)[0])
    generator = torch.Generator().manual_seed(2)
    assert not torch.equal(network(rows, generator)[0], network(rows, generator)[0])
    with torch.no_grad():
        network.encode.mul_(0.05)  # small enough for tanh to be nearly linear
        network.read.mul_(0.05)
        mean = torch.stack([network(rows, generator)[1] for _ in range(4000)]).mean(0)
        torch.testing.assert_close(mean, network(rows)[1], atol=2e-4, rtol=0)


def test_weights_start_with_variance_2_over_inputs_plus_outputs() -> None:
    network = Network(400, 300, 50, dropout=0.5)
    network.initialise(torch.Generator().manual_seed(0))
    for name, parameter in network.named_parameters():
        expected = (2 / sum(parameter.shape)) ** 0.5 if parameter.dim() == 2 else 0.001
        assert float(parameter.detach().std()) == pytest.approx(expected, rel=0.15), name


def test_training_lowers_the_loss() -> None:
    rows = Rows(TRAIN.matrix[:-1], CPU)
    losses = [
        float(reconstruction_loss(fitted(epochs=epochs).network(rows)[0], rows).detach())
        for epochs in (1, 200)
    ]
    assert losses[1] < 0.95 * losses[0]


@pytest.mark.parametrize(
    "setting",
    [
        {"hidden": 0},
        {"latent": 0},
        {"dropout": 1.0},
        {"beta": -0.1},
        {"anneal_steps": -1},
        {"learning_rate": 0.0},
        {"batch_size": 0},
        {"epochs": 0},
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    (name,) = setting
    with pytest.raises(RecommenderError, match=f"^{name}: found .*; allowed: "):
        MultVAE(**setting)  # type: ignore[arg-type]
