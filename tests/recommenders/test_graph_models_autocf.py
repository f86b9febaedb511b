"""What AutoCF hides, its attention and its loss on hand-made cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from recommenders import registry
from recommenders.graph import normalised_adjacency
from recommenders.graph_models.autocf import AutoCF, Hiding
from recommenders.graph_models.base import Batch
from recommenders.graph_models.hiding import decoder_pattern, hidden, node_scores
from recommenders.graph_models.sparse import Pattern
from recommenders.interface import Interactions, RecommenderError
from tests.recommenders import worlds

CPU = torch.device("cpu")
TRAIN = worlds.small_world()
BATCH = Batch(torch.tensor([0, 1, 2, 1]), torch.tensor([30, 31, 33, 31]), torch.tensor([40] * 4))


def pattern_of(train: Interactions) -> Pattern:
    return Pattern.of(normalised_adjacency(train), CPU)


def edges(pattern: Pattern) -> set[tuple[int, int]]:
    return set(zip(pattern.heads.tolist(), pattern.tails.tolist(), strict=True))


def model(**settings: Any) -> Hiding:
    made = AutoCF(**{"dim": 8, "seeds": 2, **settings})
    out = made.backbone(TRAIN, np.random.default_rng(3), CPU)
    assert isinstance(out, Hiding)
    return out


PATH = worlds.interactions([[0], [0, 1], [1, 2], [2]], 3)
"""The path u0 - i0 - u1 - i1 - u2 - i2 - u3; rows 4, 5 and 6 are the items."""


def test_hidden_edges_are_gone_with_those_of_the_neighbours() -> None:
    """The seed u0 takes u0 - i0 with it, then i0 - u1; nothing further."""
    rest, touched = hidden(pattern_of(PATH), torch.tensor([0]))
    assert touched.tolist() == [0, 4]
    assert edges(rest.pattern) == {(1, 5), (5, 1), (2, 5), (5, 2), (2, 6), (6, 2), (3, 6), (6, 3)}


def test_what_is_left_is_normalised_by_its_own_degrees() -> None:
    rest, _ = hidden(pattern_of(PATH), torch.tensor([0]))
    weight = dict(
        zip(
            zip(rest.pattern.heads.tolist(), rest.pattern.tails.tolist(), strict=True),
            rest.values.tolist(),
            strict=True,
        )
    )
    assert weight[1, 5] == pytest.approx(1 / np.sqrt(2))  # u1 lost i0
    assert weight[2, 5] == pytest.approx(1 / 2)
    assert weight[3, 6] == pytest.approx(1 / np.sqrt(2))


def test_everything_may_be_hidden() -> None:
    rest, touched = hidden(pattern_of(PATH), torch.arange(7))
    assert len(rest.pattern) == 0
    assert touched.tolist() == list(range(7))
    assert not rest.hop(torch.ones(7, 2)).any()


def test_the_decoder_has_the_rest_loops_and_pairs_of_the_touched_both_ways() -> None:
    rest, touched = hidden(pattern_of(PATH), torch.tensor([0]))
    generator = torch.Generator().manual_seed(0)
    found = edges(decoder_pattern(rest.pattern, touched, pairs=50, extra=0, generator=generator))
    loops = {(node, node) for node in range(7)}
    assert found == edges(rest.pattern) | loops | {(0, 4), (4, 0)}
    wide = decoder_pattern(rest.pattern, touched, pairs=500, extra=60, generator=generator)
    assert edges(wide) == {(a, b) for a in range(7) for b in range(7)}
    assert len(wide) == 49, "no edge twice"
    assert torch.equal(wide.back[wide.back], torch.arange(49))


def test_a_score_compares_a_node_with_its_two_hops(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the noise taken out, against the formula on dense matrices."""
    table = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    half = np.exp(-1.0)  # -log(-log(1/e)) = 0
    monkeypatch.setattr(torch, "rand", lambda n, **_: torch.full((n,), half))
    found = node_scores(table, pattern_of(PATH), torch.Generator())
    a = torch.from_numpy(normalised_adjacency(PATH).toarray() > 0).float()
    o = a.sum(1, keepdim=True)
    f = a @ table - table
    s = (a @ f - f) - o * table
    count = o + (a @ o - o) - o
    around = torch.nn.functional.normalize((f + s) / (count + 1e-8), dim=1)
    cosine = (around * torch.nn.functional.normalize(table, dim=1)).sum(1)
    torch.testing.assert_close(found, torch.log(torch.sigmoid(cosine)), rtol=1e-5, atol=1e-5)


def test_attention_sums_to_one_per_node_and_head() -> None:
    made = model(heads=4)
    heads = made.attention(made.table, made.graph.pattern)
    assert len(heads) == 4
    pattern = made.graph.pattern
    some = torch.bincount(pattern.heads, minlength=pattern.n) > 0
    for head in heads:
        sums = torch.zeros(pattern.n).index_add(0, pattern.heads, head.values)
        torch.testing.assert_close(sums[some], torch.ones(int(some.sum())))
    query, key = (made.table @ made.query)[:, 2:4], (made.table @ made.key)[:, 2:4]
    logits = query @ key.t()
    mask = torch.full_like(logits, -torch.inf)
    mask[pattern.heads, pattern.tails] = 0.0
    share = torch.softmax((logits + mask)[some], 1)
    dense = torch.zeros_like(logits)
    dense[some] = share
    torch.testing.assert_close(heads[1].values, dense[pattern.heads, pattern.tails])


def test_large_logits_are_held_back() -> None:
    made = model()
    values = made.attention(1e4 * made.table, made.graph.pattern)[0].values
    assert torch.isfinite(values).all()
    assert values.min() > 0


def test_the_loss_by_hand() -> None:
    made = model(ssl=0.7)
    made.loss(BATCH, made.ego())  # the first step also chooses what to hide
    loss, final = made.loss(BATCH, made.ego())
    users, items = made.sides(final)
    u, i = users[BATCH.user], items[BATCH.positive - 30]
    expected = -(u * i).sum(1).mean() + torch.logsumexp(u @ items.t(), 1).mean()
    assert expected >= 0  # a cross-entropy
    for side, rows in ((users, [0, 1, 2]), (items, [0, 1, 3])):
        expected = expected + 0.7 * torch.logsumexp(side[rows] @ side.t(), 1).mean()
    torch.testing.assert_close(loss, expected)


def test_it_hides_anew_every_so_many_steps_and_scores_only_then() -> None:
    made = model(hide_every=2)
    seen = []
    for _ in range(4):
        loss, final = made.loss(BATCH, made.ego())
        users, items = made.sides(final)
        u, i = users[BATCH.user], items[BATCH.positive - 30]
        plain = -(u * i).sum(1).mean() + torch.logsumexp(u @ items.t(), 1).mean()
        for side, rows in ((users, [0, 1, 2]), (items, [0, 1, 3])):
            plain = plain + 5.0 * torch.logsumexp(side[rows] @ side.t(), 1).mean()
        seen.append((made._encoder, float((loss - plain).detach().abs()) > 1e-4))
    assert [scored for _, scored in seen] == [True, False, True, False]
    assert seen[0][0] is seen[1][0]
    assert seen[1][0] is not seen[2][0]


def test_training_never_sees_a_hidden_edge_in_its_hops() -> None:
    made = model(seeds=3)
    made.loss(BATCH, made.ego())
    left = edges(made._encoder.pattern)
    assert left < edges(made.graph.pattern)
    torch.testing.assert_close(made.factors(), made.factors())
    assert torch.equal(made.factors(), made.propagate(made.ego(), made.graph).detach())


def test_heads_divide_the_width() -> None:
    with pytest.raises(RecommenderError, match=r"heads: found 3; allowed: a divisor of dim \(32\)"):
        registry.create("autocf", {"heads": 3})


@pytest.mark.parametrize(
    ("setting", "value"), [("seeds", 0), ("extra", 1.5), ("hide_every", 0), ("ssl", -1.0)]
)
def test_a_setting_out_of_range_is_named(setting: str, value: float) -> None:
    with pytest.raises(RecommenderError, match=f"autocf: {setting}: found {value}"):
        registry.create("autocf", {setting: value})
