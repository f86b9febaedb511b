"""What graph models share, and LightGCN, GCCF, SGL and SimGCL on hand-made cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor

from recommenders import registry
from recommenders.graph import normalised_adjacency
from recommenders.graph_models.base import Backbone, Batch, GraphModel, Training
from recommenders.graph_models.gccf import GCCF
from recommenders.graph_models.lightgcn import SumLightGCN
from recommenders.graph_models.losses import bpr, info_nce, log_sum_exp, unit, view_contrast
from recommenders.graph_models.sgl import SGL
from recommenders.graph_models.simgcl import SimGCL, TwoNoisyViews
from recommenders.graph_models.sparse import Graph, Pattern, edge_dots
from recommenders.interface import RecommenderError
from recommenders.ranking import recommend
from recommenders.sampling import PairSampler
from tests.recommenders import worlds

CPU = torch.device("cpu")
TRAIN = worlds.small_world()
N_NODES = TRAIN.n_users + TRAIN.n_items
BATCH = Batch(torch.tensor([0, 1, 2, 1]), torch.tensor([30, 31, 33, 31]), torch.tensor([40] * 4))


def backbone(model: GraphModel, seed: int = 3) -> Backbone:
    return model.backbone(TRAIN, np.random.default_rng(seed), CPU)


def graph_of(matrix: sp.csr_array) -> Graph:
    return Graph(Pattern.of(matrix, CPU), torch.from_numpy(matrix.data))


def normal(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def symmetric_pattern() -> Pattern:
    adjacency = normalised_adjacency(worlds.interactions([[0, 1], [1], [0, 2]], 3))
    return Pattern.of(adjacency, CPU)


# --- sparse ---------------------------------------------------------------------------


def test_a_hop_and_its_gradients() -> None:
    """Values that are not symmetric, so that a forgotten transpose would show."""
    pattern = symmetric_pattern()
    values = normal(len(pattern)).requires_grad_()
    dense = normal(pattern.n, 3, seed=1).requires_grad_()
    matrix = torch.zeros(pattern.n, pattern.n, dtype=torch.float64)
    matrix[pattern.heads, pattern.tails] = values.detach()
    torch.testing.assert_close(Graph(pattern, values.detach()).hop(dense), matrix @ dense)
    weight = normal(pattern.n, 3, seed=2)
    to_values, to_dense = torch.autograd.grad(
        (Graph(pattern, values).hop(dense) * weight).sum(), (values, dense)
    )
    torch.testing.assert_close(to_dense, matrix.t() @ weight)
    full = weight @ dense.detach().t()
    torch.testing.assert_close(to_values, full[pattern.heads, pattern.tails])


def test_the_dot_products_of_edges_and_their_gradients() -> None:
    pattern = symmetric_pattern()
    left, right = (normal(pattern.n, 3, seed=s).requires_grad_() for s in (4, 5))
    weight = normal(len(pattern), seed=6)
    expected = (left[pattern.heads] * right[pattern.tails]).sum(1)
    found = edge_dots(left, right, pattern)
    torch.testing.assert_close(found, expected)
    for own, plain in zip(
        torch.autograd.grad((found * weight).sum(), (left, right)),
        torch.autograd.grad((expected * weight).sum(), (left, right)),
        strict=True,
    ):
        torch.testing.assert_close(own, plain)


def test_the_rows_of_a_normalised_graph_sum_to_one() -> None:
    pattern = symmetric_pattern()
    values = torch.arange(1, len(pattern) + 1, dtype=torch.float64)
    graph = Graph(pattern, values).row_normalised()
    ones = torch.ones(pattern.n, 1, dtype=torch.float64)
    torch.testing.assert_close(graph.hop(ones), ones)
    first = pattern.heads == 0
    torch.testing.assert_close(graph.values[first], values[first] / values[first].sum())


def test_dropped_edges_are_gone_and_the_rest_as_they_were() -> None:
    world = worlds.small_world(n_users=200, n_items=150)
    graph = graph_of(normalised_adjacency(world))
    generator = torch.Generator().manual_seed(0)
    first, second = (graph.dropped(0.8, generator).values for _ in range(2))
    kept = first > 0
    torch.testing.assert_close(first[kept], graph.values[kept], rtol=0, atol=0)
    spread = 4 * np.sqrt(0.8 * 0.2 / len(kept))
    assert float(kept.double().mean()) == pytest.approx(0.8, abs=spread)
    assert not torch.equal(kept, second > 0)
    back = graph.pattern.back
    assert not torch.equal(kept, kept[back]), "the two directions of an edge fall independently"


def test_self_loops_keep_an_isolated_node_and_the_eigenvalue() -> None:
    adjacency = normalised_adjacency(TRAIN, self_loops=True)
    nobody = TRAIN.n_users - 1
    assert adjacency[nobody, nobody] == 1.0
    degree = np.concatenate([np.diff(TRAIN.matrix.indptr), TRAIN.popularity])
    root = np.sqrt(1.0 + degree).astype(np.float32)
    np.testing.assert_allclose(adjacency @ root, root, rtol=1e-5)
    assert adjacency[0, 0] == pytest.approx(1 / (1 + degree[0]))


# --- losses ---------------------------------------------------------------------------


def test_bpr_by_hand() -> None:
    user, positive, negative = (torch.tensor([row]) for row in ([1.0, 2.0], [3.0, 0.0], [0.0, 1.0]))
    assert float(bpr(user, positive, negative)) == pytest.approx(np.log1p(np.exp(-1.0)))
    zero = torch.zeros(4, 3)
    assert float(bpr(zero, zero, zero)) == pytest.approx(np.log(2))


def test_info_nce_by_hand() -> None:
    """x along the first axis, its match along it too, one other across: cosines 1 and 0."""
    x, others = torch.tensor([[2.0, 0.0]]), torch.tensor([[5.0, 0.0], [0.0, 0.1]])
    found = info_nce(x, others[:1], others, 0.5, torch.tensor([3.0]))
    assert float(found) == pytest.approx(3 * (-2 + np.log(np.e**2 + 1)), rel=1e-5)


def test_log_sum_exp_neither_overflows_nor_depends_on_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, others = 100 * normal(7, 3), normal(5, 3, seed=1)
    rows.requires_grad_(), others.requires_grad_()
    weight = torch.arange(7, dtype=torch.float64)
    expected = (torch.logsumexp(rows @ others.t(), 1) * weight).sum()
    wanted = torch.autograd.grad(2 * expected, (rows, others))
    for block in (256, 3):
        monkeypatch.setattr("recommenders.graph_models.losses.ROWS", block)
        found = log_sum_exp(rows, others, weight)
        torch.testing.assert_close(found, expected)
        for own, plain in zip(torch.autograd.grad(2 * found, (rows, others)), wanted, strict=True):
            torch.testing.assert_close(own, plain)


def test_a_node_that_occurs_twice_counts_twice_against_all_nodes() -> None:
    first, second = normal(6, 3), normal(6, 3, seed=1)
    index = torch.tensor([4, 1, 4, 0])
    logits = unit(first) @ unit(second).t() / 0.2
    expected = (torch.logsumexp(logits, 1) - logits.diagonal())[index].sum()
    torch.testing.assert_close(view_contrast(first, second, index, 0.2), expected)


# --- sampling and training ------------------------------------------------------------


def test_every_training_pair_once_with_a_negative_of_its_own() -> None:
    train = worlds.interactions([[1, 2, 5], [0], [], range(7)], 7)
    sampler, rng = PairSampler(train), np.random.default_rng(0)
    drawn = [sampler.epoch(rng) for _ in range(3000)]
    pairs = sorted(zip(drawn[0].user.tolist(), drawn[0].positive.tolist(), strict=True))
    assert pairs == [(0, 1), (0, 2), (0, 5), (1, 0)]  # the full row has no negative
    assert len(sampler) == 4
    negative = np.concatenate([one.negative[one.user == 0] for one in drawn])
    share = np.bincount(negative, minlength=7) / len(negative)
    np.testing.assert_allclose(share, [0.25, 0, 0, 0.25, 0.25, 0, 0.25], atol=0.02)
    assert len({tuple(one.user.tolist()) for one in drawn[:50]}) > 1


def test_the_regulariser_is_on_all_trained_numbers() -> None:
    """Adam's first step is against the gradient's sign: without a loss, each number shrinks."""

    class Idle(Backbone):
        def loss(self, batch: Batch, ego: Tensor) -> tuple[Tensor, Tensor]:
            return 0.0 * ego.sum(), ego

    idle = Idle(SumLightGCN(dim=4), TRAIN, np.random.default_rng(0), CPU)
    before = idle.table.detach().clone()
    training = Training(idle, PairSampler(TRAIN), learning_rate=1e-4, batch_size=9, l2=1.0)
    training.step(BATCH)
    moved = idle.table.detach() - before
    assert torch.equal(torch.sign(moved), -torch.sign(before))


def test_the_last_batch_is_as_it_falls() -> None:
    sizes = []

    class Counting(Backbone):
        def loss(self, batch: Batch, ego: Tensor) -> tuple[Tensor, Tensor]:
            sizes.append(len(batch.user))
            return ego.sum(), ego

    counting = Counting(SumLightGCN(dim=4), TRAIN, np.random.default_rng(0), CPU)
    sampler = PairSampler(TRAIN)
    Training(counting, sampler, learning_rate=1e-4, batch_size=50, l2=0.0).epoch()
    full, rest = divmod(len(sampler), 50)
    assert sizes == [50] * full + [rest]


# --- models ---------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_propagation_is_the_sum_of_hops(layers: int) -> None:
    model = backbone(SumLightGCN(dim=4, layers=layers))
    dense, hop = normalised_adjacency(TRAIN).toarray(), model.table.detach().numpy()
    total = hop.copy()
    for _ in range(layers):
        hop = dense @ hop
        total += hop
    np.testing.assert_allclose(model.factors().numpy(), total, rtol=1e-5, atol=1e-6)


def test_lightgcn_drops_edges_in_training_only() -> None:
    model = backbone(SumLightGCN(dim=4, keep=0.5))
    losses = [float(model.loss(BATCH, model.ego())[0].detach()) for _ in range(2)]
    assert losses[0] != losses[1]
    assert torch.equal(model.factors(), model.factors())
    whole = backbone(SumLightGCN(dim=4, keep=1.0))
    loss, final = whole.loss(BATCH, whole.ego())
    assert torch.equal(final.detach(), whole.factors())
    assert torch.equal(model.factors(), whole.factors())
    rows = [final[part] for part in BATCH]
    torch.testing.assert_close(loss, bpr(*rows))


def test_gccf_puts_layers_side_by_side() -> None:
    model = backbone(GCCF(dim=4, layers=2))
    found = model.factors()
    assert found.shape == (N_NODES, 12)
    assert model.width == 12
    ego = model.table.detach()
    hop = torch.from_numpy(normalised_adjacency(TRAIN, self_loops=True).toarray()) @ ego
    torch.testing.assert_close(found[:, :4], ego)
    torch.testing.assert_close(found[:, 4:8], hop, rtol=1e-5, atol=1e-6)
    nobody = TRAIN.n_users - 1
    torch.testing.assert_close(found[nobody], ego[nobody].repeat(3))
    without = backbone(GCCF(dim=4, self_loops=False)).factors()
    assert not without[nobody, 4:].any()


def test_sgl_with_nothing_dropped_contrasts_equal_views() -> None:
    """Equal views: every match has cosine 1, so the contrast is that of the clean vectors."""
    model = backbone(SGL(dim=4, keep=1.0, cl=0.5, temperature=0.3))
    loss, final = model.loss(BATCH, model.ego())
    users, items = (unit(side) for side in model.sides(final))
    own = [*BATCH.user.tolist()], [*(BATCH.positive - 30).tolist(), *(BATCH.negative - 30).tolist()]
    expected = bpr(*(final[part] for part in BATCH))
    for side, index in zip((users, items), own, strict=True):
        rows = side[index]
        terms = torch.logsumexp(rows @ side.t() / 0.3, 1) - (rows * rows).sum(1) / 0.3
        expected = expected + 0.5 / 4 * terms.sum()
    torch.testing.assert_close(loss, expected)


def test_simgcl_without_noise_contrasts_users_and_positives_only() -> None:
    model = backbone(SimGCL(dim=4, noise=0.0, cl=0.5, temperature=0.3))
    loss, final = model.loss(BATCH, model.ego())
    users, items = model.sides(final)
    expected = bpr(*(final[part] for part in BATCH))
    for side, index in ((users, BATCH.user), (items, BATCH.positive - 30)):
        expected = expected + 0.5 / 4 * view_contrast(side, side, index, 0.3)
    torch.testing.assert_close(loss, expected)


def test_simgcl_noise_has_its_length_and_the_signs_of_what_it_moves() -> None:
    model = backbone(SimGCL(dim=4, noise=0.7))
    assert isinstance(model, TwoNoisyViews)
    hop = normal(20, 4).float()
    moved = model.shaken(hop)
    torch.testing.assert_close((moved - hop).norm(dim=1), torch.full((20,), 0.7))
    assert torch.equal(torch.sign(moved), torch.sign(hop))
    assert (moved.abs() >= hop.abs()).all()
    assert not torch.equal(moved, model.shaken(hop))


def test_simgcl_noise_of_a_hop_goes_on_into_the_next() -> None:
    """The first hop's noise alone, kept from the second, would leave 2 hops' sum at hop 1's."""
    model = backbone(SimGCL(dim=4, layers=2, noise=0.7))
    assert isinstance(model, TwoNoisyViews)
    state = model.generator.get_state()
    found = model.noisy(model.ego())
    model.generator.set_state(state)
    first = model.shaken(model.graph.hop(model.ego()))
    second = model.shaken(model.graph.hop(first))
    torch.testing.assert_close(found, model.ego() + first + second)


@pytest.mark.parametrize("contrasting", [SGL, SimGCL])
def test_without_contrast_it_is_the_plain_model_bit_for_bit(
    contrasting: type[SGL] | type[SimGCL],
) -> None:
    shared: dict[str, Any] = {"dim": 8, "layers": 3, "l2": 1e-5, "epochs_without_validation": 3}
    items = worlds.plain_items(TRAIN.n_items)
    plain = SumLightGCN(keep=1.0, **shared)
    again = contrasting(cl=0.0, **shared)
    for model in (plain, again):
        model.fit(TRAIN, items, rng=np.random.default_rng(4))
    np.testing.assert_array_equal(again.user_factors, plain.user_factors)
    np.testing.assert_array_equal(again.item_factors, plain.item_factors)


def test_rlmrecs_lightgcn_solves_the_checkerboard() -> None:
    board = worlds.checkerboard()
    settings = {"learning_rate": 0.02, "epochs_without_validation": 60}
    model = registry.create("recommenders.graph_models.lightgcn:SumLightGCN", settings)
    model.fit(board.train, board.items, rng=np.random.default_rng(11))
    first = recommend(model, worlds.query(board.train), 2, exclude=board.train.matrix)
    np.testing.assert_array_equal(np.sort(first, axis=1), board.held_out)


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("gccf", "dim", 0),
        ("gccf", "layers", -1),
        ("gccf", "learning_rate", 0.0),
        ("gccf", "batch_size", 0),
        ("gccf", "l2", -1.0),
        ("gccf", "patience", 0),
        ("sgl", "keep", 0.0),
        ("sgl", "cl", -0.1),
        ("sgl", "temperature", 0.0),
        ("simgcl", "noise", -1.0),
    ],
)
def test_a_setting_out_of_range_is_named(name: str, setting: str, value: float) -> None:
    with pytest.raises(RecommenderError, match=f"^recommender {name}: {setting}: found {value}"):
        registry.create(name, {setting: value})


def test_a_setting_of_the_wrong_type_is_named() -> None:
    with pytest.raises(RecommenderError, match=r"^recommender sgl: device: found 'gpu'"):
        registry.create("sgl", {"device": "gpu"})
