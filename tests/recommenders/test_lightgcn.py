"""The graph, propagation over it, and LightGCN beside MF."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recommenders.graph import Propagation, normalised_adjacency
from recommenders.interface import Interactions, RecommenderError
from recommenders.lightgcn import LightGCN
from recommenders.mf import MF
from tests.recommenders import worlds
from tests.recommenders.test_mf import bpr_loss

CPU = torch.device("cpu")


def degrees(train: Interactions) -> np.ndarray:
    return np.concatenate([np.diff(train.matrix.indptr), train.popularity])


def test_largest_eigenvalue_is_1_with_the_square_roots_of_the_degrees() -> None:
    train = worlds.small_world()
    adjacency = normalised_adjacency(train)
    root = np.sqrt(degrees(train)).astype(np.float32)
    np.testing.assert_allclose(adjacency @ root, root, rtol=1e-5)
    eigenvalues = np.linalg.eigvalsh(adjacency.toarray().astype(np.float64))
    assert eigenvalues[-1] == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_array_equal(adjacency.toarray(), adjacency.toarray().T)


def test_somebody_without_edges_has_an_empty_row() -> None:
    train = worlds.small_world()
    nobody = train.n_users - 1
    adjacency = normalised_adjacency(train)
    assert degrees(train)[nobody] == 0
    assert adjacency[[nobody]].nnz == 0
    assert np.isfinite(adjacency.data).all()


def test_one_hop_on_the_complete_graph_sends_every_user_to_one_vector() -> None:
    m, n = 4, 6
    adjacency = normalised_adjacency(worlds.interactions([range(n)] * m, n))
    dense = np.random.default_rng(0).normal(size=(m + n, 3)).astype(np.float32)
    hop = adjacency @ dense
    np.testing.assert_allclose(hop[:m], np.tile(hop[0], (m, 1)), rtol=1e-6)
    np.testing.assert_allclose(hop[0], dense[m:].sum(0) / np.sqrt(m * n), rtol=1e-5)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_propagation_is_the_mean_over_hops(layers: int) -> None:
    adjacency = normalised_adjacency(worlds.small_world())
    dense = np.random.default_rng(0).normal(size=(adjacency.shape[0], 3)).astype(np.float32)
    before, hop, total = dense.copy(), dense, dense.copy()
    for _ in range(layers):
        hop = adjacency @ hop
        total += hop
    out = Propagation(adjacency, layers, CPU)(torch.from_numpy(dense)).numpy()
    np.testing.assert_allclose(out, total / (layers + 1), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(dense, before)


def test_the_gradient_of_propagation_is_propagation() -> None:
    adjacency = sp.csr_array(normalised_adjacency(worlds.small_world()).astype(np.float64))
    propagation = Propagation(adjacency, 2, CPU)
    dense_a = torch.from_numpy(adjacency.toarray())
    e = torch.randn(
        adjacency.shape[0], 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    index = torch.tensor([[0, 1, 2], [30, 31, 33], [40, 32, 31]])
    loss = bpr_loss((e + dense_a @ e + dense_a @ dense_a @ e) / 3, index)
    (expected,) = torch.autograd.grad(loss, e)
    final = propagation(e.detach()).requires_grad_()
    (on_final,) = torch.autograd.grad(bpr_loss(final, index), final)
    torch.testing.assert_close(propagation(on_final), expected)


def test_without_layers_it_is_mf() -> None:
    train, valid = worlds.small_world(), worlds.small_world(seed=1)
    items = worlds.plain_items(train.n_items)
    shared = {"dim": 8, "epochs": 30, "min_epochs": 1, "eval_every": 2, "patience": 3}
    settings = {**shared, "learning_rate": 0.01, "batch_size": 64, "l2": 0.01}
    mf = MF(**settings)  # type: ignore[arg-type]
    gcn = LightGCN(layers=0, **settings)  # type: ignore[arg-type]
    for recommender in (mf, gcn):
        recommender.fit(train, items, valid=valid, rng=np.random.default_rng(4))
    np.testing.assert_array_equal(gcn.user_factors, mf.user_factors)
    np.testing.assert_array_equal(gcn.item_factors, mf.item_factors)
    assert gcn.report["best_epoch"] == mf.report["best_epoch"]


def test_layers_change_the_result() -> None:
    train = worlds.small_world()
    items = worlds.plain_items(train.n_items)
    found = [
        LightGCN(dim=4, layers=layers, epochs_without_validation=2)
        .fit(train, items, rng=np.random.default_rng(4))
        .user_factors
        for layers in (0, 1, 2)
    ]
    assert not np.allclose(found[0], found[1])
    assert not np.allclose(found[1], found[2])


def test_layers_below_zero_are_refused() -> None:
    with pytest.raises(RecommenderError, match=r"^layers: found -1; allowed: 0 or more"):
        LightGCN(layers=-1)
