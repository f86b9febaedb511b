"""DCCF's intents, edge weights and contrast on hand-made cases."""

from __future__ import annotations

import numpy as np
import torch

from recommenders.graph_models.base import Batch
from recommenders.graph_models.dccf import DCCF, Disentangling, likeness
from recommenders.graph_models.losses import bpr, unit
from tests.recommenders import worlds

CPU = torch.device("cpu")
TRAIN = worlds.small_world()
BATCH = Batch(torch.tensor([0, 1, 2, 1]), torch.tensor([30, 31, 33, 31]), torch.tensor([40] * 4))


def model(**settings: float) -> Disentangling:
    made = DCCF(dim=4, intents=5, **settings)  # type: ignore[arg-type]
    out = made.backbone(TRAIN, np.random.default_rng(3), CPU)
    assert isinstance(out, Disentangling)
    return out


def test_the_weights_of_edges_are_cosines_whose_rows_sum_to_one() -> None:
    made = model()
    nodes = made.table.detach()
    found = likeness(made.graph, nodes)
    pattern = found.pattern
    cosine = (unit(nodes) @ unit(nodes).t())[pattern.heads, pattern.tails]
    raw = torch.zeros(pattern.n, pattern.n)
    raw[pattern.heads, pattern.tails] = (1 + cosine) / 2
    total = raw.sum(1)
    full = raw / total.clamp_min(1e-8).unsqueeze(1)
    torch.testing.assert_close(found.values, full[pattern.heads, pattern.tails])
    sums = torch.zeros(pattern.n).index_add(0, pattern.heads, found.values)
    some = torch.bincount(pattern.heads, minlength=pattern.n) > 0
    torch.testing.assert_close(sums[some], torch.ones(int(some.sum())))
    assert not sums[~some].any()


def test_equal_vectors_make_the_weighted_sum_a_plain_mean() -> None:
    made = model()
    same = torch.tensor([[1.0, -2.0, 0.5, 3.0]]).repeat(made.graph.pattern.n, 1)
    degree = torch.bincount(made.graph.pattern.heads, minlength=len(same))
    nodes = made.table.detach()
    adjacency = torch.zeros(len(same), len(same))
    adjacency[made.graph.pattern.heads, made.graph.pattern.tails] = 1.0
    expected = adjacency @ nodes / degree.clamp_min(1).unsqueeze(1)
    found = likeness(made.graph, same).hop(nodes)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_opposite_vectors_weigh_nothing_and_nothing_breaks() -> None:
    """Each user opposite to every item: all weights 0, which no row sum may divide."""
    made = model()
    nodes = torch.ones(made.graph.pattern.n, 4)
    nodes[made.n_users :] = -1.0
    values = likeness(made.graph, nodes).values
    assert torch.isfinite(values).all()


def test_an_intent_is_a_mixture_of_its_sides_own_intents() -> None:
    made = model()
    found = made.layer(made.table, made.graph).intent.detach()
    users, items = made.sides(found)
    for rows, intents in ((users, made.user_intents), (items, made.item_intents)):
        corners = intents.detach()
        assert (rows <= corners.max(1).values + 1e-6).all()
        assert (rows >= corners.min(1).values - 1e-6).all()
    share = torch.softmax(made.table[0] @ made.user_intents, 0)
    torch.testing.assert_close(found[0], (made.user_intents @ share).detach())


def test_a_layer_adds_its_four_parts_and_itself() -> None:
    made = DCCF(dim=4, layers=2).backbone(TRAIN, np.random.default_rng(3), CPU)
    assert isinstance(made, Disentangling)
    ego = made.table.detach()
    first = ego + sum(made.layer(ego, made.graph))
    second = first + sum(made.layer(first, made.graph))
    torch.testing.assert_close(made.factors(), (ego + first + second).detach())


def test_the_contrast_is_among_the_batchs_distinct_nodes() -> None:
    made = model(cl=0.5, temperature=0.3)
    made.layers = 1
    loss, final = made.loss(BATCH, made.ego())
    parts = made.layer(made.table, made.graph)
    expected = bpr(*(final[part] for part in BATCH))
    for rows in (torch.tensor([0, 1, 2]), torch.tensor([30, 31, 33])):
        first = unit(parts.graph[rows])
        for other in (parts.intent, parts.by_graph, parts.by_intent):
            logits = first @ unit(other[rows]).t() / 0.3
            terms = torch.logsumexp(logits, 1) - logits.diagonal()
            expected = expected + 0.5 / 3 * terms.sum()
    torch.testing.assert_close(loss, expected)


def test_gradients_reach_the_vectors_through_the_weights_of_edges() -> None:
    """The gradient of a weighted sum, with respect to what only the weights see."""
    made = model()
    seen = made.table.detach().double().requires_grad_()
    values = made.graph.values.double()
    graph = type(made.graph)(made.graph.pattern, values)
    nodes = torch.randn(seen.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weight = torch.randn(
        seen.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )

    def value(at: torch.Tensor) -> torch.Tensor:
        return (likeness(graph, at).hop(nodes) * weight).sum()

    (found,) = torch.autograd.grad(value(seen), seen)
    step = torch.zeros_like(seen)
    for row, column in ((0, 0), (5, 2), (33, 3)):
        step.zero_()[row, column] = 1e-5
        slope = (value(seen + step) - value(seen - step)).detach() / 2e-5
        torch.testing.assert_close(found[row, column], slope, rtol=1e-5, atol=1e-7)


def test_without_contrast_only_the_ranking_is_left() -> None:
    made = model(cl=0.0)
    loss, final = made.loss(BATCH, made.ego())
    torch.testing.assert_close(loss, bpr(*(final[part] for part in BATCH)))
