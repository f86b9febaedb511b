"""Matrix factorisation with BPR: the loss, its gradient in closed form, the regulariser."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

from recommenders.interface import Interactions, RecommenderError
from recommenders.mf import MF, PairwiseTraining, bpr_gradient
from recommenders.sampling import TripleSampler
from tests.recommenders import worlds

INDEX = torch.tensor([[0, 1, 1, 2], [3, 4, 3, 5], [4, 6, 6, 6]])


def factors(n: int = 7, dim: int = 5) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def bpr_loss(e: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    u, i, j = e[index]
    return torch.nn.functional.softplus(-(u * (i - j)).sum(1)).mean()


def test_loss_is_ln_2_where_all_vectors_are_zero() -> None:
    out = torch.ones(7, 5)
    loss = bpr_gradient(torch.zeros(7, 5), INDEX, out)
    assert float(loss) == pytest.approx(math.log(2), abs=1e-7)
    assert not out.any()


def test_gradient_equals_autograds() -> None:
    e = factors().requires_grad_()
    expected = bpr_loss(e, INDEX)
    (gradient,) = torch.autograd.grad(expected, e)
    out = torch.full_like(e, 9.0).detach()
    loss = bpr_gradient(e.detach(), INDEX, out)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(out, gradient)


def test_a_step_is_adam_on_the_loss_and_the_rows_of_the_batch() -> None:
    """Against autograd and torch's own Adam, regulariser included."""
    start, l2 = factors().numpy(), 0.3
    training = PairwiseTraining(
        TripleSampler(worlds.small_world()),
        start.copy(),
        3,
        None,
        learning_rate=0.1,
        batch_size=4,
        l2=l2,
        rng=np.random.default_rng(0),
        device=torch.device("cpu"),
    )
    e = torch.nn.Parameter(torch.from_numpy(start))
    adam = torch.optim.Adam([e], lr=0.1)
    for _ in range(3):
        training.step(INDEX)
        adam.zero_grad()
        squares = e[INDEX].square().sum() / INDEX.shape[1]
        (bpr_loss(e, INDEX) + l2 / 2 * squares).backward()  # type: ignore[no-untyped-call]
        adam.step()
    torch.testing.assert_close(training.factors(), e.detach())


def test_validation_chooses_the_epoch_that_is_kept() -> None:
    board = worlds.checkerboard()
    users = np.repeat(np.arange(len(board.held_out)), board.held_out.shape[1])
    valid = Interactions(users, board.held_out.ravel(), len(board.held_out), 24)
    recommender = MF(dim=8, learning_rate=0.05, epochs=60, min_epochs=1, eval_every=1, patience=8)
    recommender.fit(board.train, board.items, valid=valid, rng=np.random.default_rng(0))
    report = recommender.report
    figures = [look[1] for look in report["curve"]]
    assert report["valid_ndcg"] == max(figures)
    assert report["best_epoch"] == 1 + figures.index(max(figures)) < report["epochs"]
    again = MF(dim=8, learning_rate=0.05, epochs=report["best_epoch"], min_epochs=1, eval_every=1)
    again.fit(board.train, board.items, valid=valid, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(again.user_factors, recommender.user_factors)


def test_progress_tells_what_happens() -> None:
    lines: list[str] = []
    world = worlds.small_world()
    MF(dim=4, epochs_without_validation=5).fit(
        world,
        worlds.plain_items(world.n_items),
        rng=np.random.default_rng(0),
        progress=lines.append,
    )
    assert len(lines) == 1
    assert re.fullmatch(r"epoch 5 of 5: loss 0\.6\d{3} \(no validation data\)", lines[0])


@pytest.mark.parametrize(
    "setting",
    [{"dim": 0}, {"learning_rate": 0.0}, {"batch_size": 0}, {"l2": -1.0}, {"patience": 0}],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    (name,) = setting
    with pytest.raises(RecommenderError, match=f"^{name}: found .*; allowed: "):
        MF(**setting)  # type: ignore[arg-type]
