"""RLMRec's two terms on hand-made cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recommenders.graph_models.base import Backbone, Batch
from recommenders.graph_models.lightgcn import SumLightGCN
from recommenders.graph_models.losses import log_sum_exp, unit
from recommenders.interface import RecommenderError, Texts
from recommenders.text_models.alignment import Con, Gen, Projection
from recommenders.text_models.profiles import Profiles, shuffled
from recommenders.text_models.published import BackboneName
from recommenders.text_models.rlmrec import BACKBONES
from tests.recommenders import worlds

CPU = torch.device("cpu")
TRAIN = worlds.small_world()
ITEMS = worlds.plain_items(TRAIN.n_items)
TEXTS = worlds.texts(TRAIN)
N_NODES = TRAIN.n_users + TRAIN.n_items
BATCH = Batch(
    torch.tensor([0, 1, 2, 1]), torch.tensor([30, 31, 33, 31]), torch.tensor([40, 41, 40, 40])
)
SMALL: dict[str, Any] = {"dccf": {"intents": 4}, "autocf": {"seeds": 2}}


def inner(**settings: Any) -> Backbone:
    return SumLightGCN(dim=4, **settings).backbone(TRAIN, np.random.default_rng(3), CPU)


def con(texts: Texts = TEXTS, **settings: Any) -> Con:
    given: dict[str, Any] = {"weight": 0.7, "temperature": 0.3, **settings}
    return Con(inner(keep=1.0), Profiles.of(texts, CPU), np.random.default_rng(5), **given)


def gen(texts: Texts = TEXTS, **settings: Any) -> Gen:
    given: dict[str, Any] = {"weight": 0.7, "temperature": 0.3, "masked": 0.2, **settings}
    return Gen(inner(keep=1.0), Profiles.of(texts, CPU), np.random.default_rng(5), **given)


def without(texts: Texts, users: list[int], items: list[int]) -> Texts:
    """The same with some profiles missing."""
    out = Texts(texts.items.copy(), texts.users.copy())
    out.items[items], out.users[users] = 0.0, 0.0
    return out


def cosine(first: Tensor, second: Tensor) -> float:
    return float(unit(first[None]) @ unit(second[None]).t())


def plain_info_nce(pairs: list[tuple[Tensor, Tensor]], others: list[Tensor], t: float) -> float:
    """The definition, one term at a time."""
    total = 0.0
    for x, y in pairs:
        total -= cosine(x, y) / t
        total += np.log(sum(np.exp(cosine(x, other) / t) for other in others))
    return total


# --- losses ---------------------------------------------------------------------------


def test_what_stands_several_times_in_a_denominator_is_computed_once() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, others = (
        torch.randn(n, 3, dtype=torch.float64, generator=generator).requires_grad_() for n in (7, 5)
    )
    weight = torch.arange(7, dtype=torch.float64)
    times = torch.tensor([1.0, 3.0, 1.0, 2.0, 1.0], dtype=torch.float64)
    repeated = others.repeat_interleave(times.long(), dim=0)
    expected = (torch.logsumexp(rows @ repeated.t(), 1) * weight).sum()
    found = log_sum_exp(rows, others, weight, times)
    torch.testing.assert_close(found, expected)
    for own, plain in zip(
        torch.autograd.grad(found, (rows, others)),
        torch.autograd.grad(expected, (rows, others)),
        strict=True,
    ):
        torch.testing.assert_close(own, plain)
    assert torch.autograd.gradcheck(lambda a, b: log_sum_exp(a, b, weight, times), (rows, others))


def test_others_that_do_not_learn_leave_the_rows_gradient_as_it_is() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, others = (torch.randn(n, 3, generator=generator) for n in (4, 5))
    rows.requires_grad_()
    weight = torch.ones(4)
    (frozen,) = torch.autograd.grad(log_sum_exp(rows, others, weight), rows)
    others.requires_grad_()
    both = torch.autograd.grad(log_sum_exp(rows, others, weight), (rows, others))
    assert torch.equal(frozen, both[0])


# --- profiles -------------------------------------------------------------------------


def test_profiles_that_are_not_there_are_left_out() -> None:
    texts = without(TEXTS, users=[1], items=[0, 3])
    found = Profiles.of(texts, CPU)
    gone = {1, TRAIN.n_users - 1, 30, 33, N_NODES - 1}
    assert set(range(N_NODES)) - set(found.nodes.tolist()) == gone
    assert found.n_users == TRAIN.n_users - 2
    whole = np.concatenate([texts.users, texts.items])
    for node in range(N_NODES):
        row = int(found.row[node])
        assert (row == -1) == (node in gone)
        if row >= 0:
            np.testing.assert_array_equal(found.vectors[row].numpy(), whole[node])
    np.testing.assert_array_equal(
        found.users.numpy(), np.delete(texts.users, [1, TRAIN.n_users - 1], 0)
    )
    assert found.among(torch.tensor([0, 1, 0, 33, 34])).tolist() == [0, 0, 34]


def test_shuffled_profiles_have_other_owners_of_the_same_side() -> None:
    n = 200
    codes = np.arange(1, n + 1, dtype=np.float32)[:, None]
    items, users = codes.copy(), -codes[:50].copy()
    items[3], users[7] = 0.0, 0.0
    texts = Texts(items, users)
    found = shuffled(texts, np.random.default_rng(0))
    for before, after in ((texts.items, found.items), (texts.users, found.users)):
        there = before[:, 0] != 0
        assert not after[~there].any()
        assert (after[there] != before[there]).all()
        np.testing.assert_array_equal(np.sort(after, axis=0), np.sort(before, axis=0))
    place, steps = 0, 0
    while True:  # one cycle: going from owner to owner comes through all of them
        place, steps = int(found.items[place, 0]) - 1, steps + 1
        if place == 0:
            break
    assert steps == n - 1
    np.testing.assert_array_equal(texts.items, items)


def test_a_single_profile_has_nobody_to_go_to() -> None:
    lonely = Texts(np.eye(3, dtype=np.float32), np.eye(1, 3, dtype=np.float32))
    with pytest.raises(RecommenderError, match="found 'shuffled' with 1 profile of users"):
        shuffled(lonely, np.random.default_rng(0))


# --- the projection -------------------------------------------------------------------


def test_a_projection_is_two_layers_with_a_leaky_bend() -> None:
    project = Projection(5, 4, np.random.default_rng(0), CPU)
    into, bias_into, out_of, bias_out_of = (one.detach().double() for one in project.parameters)
    assert [tuple(one.shape) for one in project.parameters] == [(5, 4), (4,), (4, 4), (4,)]
    vectors = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    hidden = vectors.double() @ into + bias_into
    assert (hidden < 0).any()
    hidden = torch.where(hidden < 0, 0.01 * hidden, hidden)
    expected = (hidden @ out_of + bias_out_of).float()
    torch.testing.assert_close(project(vectors).detach(), expected)


def test_a_projection_starts_as_published() -> None:
    project = Projection(300, 100, np.random.default_rng(0), CPU)
    bounds = np.sqrt(6 / 500), 1 / np.sqrt(300), np.sqrt(6 / 300), 1 / np.sqrt(200)
    for one, bound in zip(project.parameters, bounds, strict=True):
        largest = float(one.detach().abs().max())
        assert 0.9 * bound < largest <= bound


# --- Con ------------------------------------------------------------------------------


@pytest.mark.parametrize("negatives", [True, False])
def test_con_by_hand_with_repeats_and_missing_profiles(negatives: bool) -> None:
    texts = without(TEXTS, users=[2], items=[3])
    model = con(texts, negatives=negatives)
    final = torch.randn(N_NODES, 4, generator=torch.Generator().manual_seed(2))
    whole = torch.from_numpy(np.concatenate([texts.users, texts.items]))
    said = {
        node: model.project(whole[node][None])[0].detach()
        for node in range(N_NODES)
        if whole[node].any()
    }
    everyone = [said[user] for user in range(TRAIN.n_users) if user in said]
    expected = plain_info_nce([(final[user], said[user]) for user in (0, 1, 1)], everyone, 0.3)
    sides = [[30, 31, 31], [40, 41, 40, 40]] if negatives else [[30, 31, 31]]
    for side in sides:
        pairs = [(final[item], said[item]) for item in side]
        expected += plain_info_nce(pairs, [said[item] for item in side], 0.3)
    found = model.term(BATCH, final, model.profiles.nodes[:0])
    assert float(found.detach()) == pytest.approx(expected / 4, rel=1e-5)


def test_con_adds_its_term_to_the_backbones_loss() -> None:
    model = con()
    loss, final = model.loss(BATCH, model.ego())
    base, same = model.inner.loss(BATCH, model.ego())
    assert torch.equal(final, same)
    term = model.term(BATCH, final, model.profiles.nodes[:0])
    torch.testing.assert_close(loss, base + 0.7 * term)
    assert torch.equal(model.factors(), model.inner.factors())


def test_con_starts_at_the_logs_of_how_many_compete() -> None:
    """Equal profiles tell nobody apart: ln U for the user and ln B for each item."""
    same = Texts(np.ones((TRAIN.n_items, 1), np.float32), np.ones((TRAIN.n_users, 1), np.float32))
    model = con(same)
    _, final = model.inner.loss(BATCH, model.ego())
    found = float(model.term(BATCH, final, model.profiles.nodes[:0]).detach())
    assert found == pytest.approx(np.log(TRAIN.n_users) + 2 * np.log(4), rel=1e-5)


# --- Gen ------------------------------------------------------------------------------


def test_gen_by_hand() -> None:
    model = gen()
    final = torch.randn(N_NODES, 4, generator=torch.Generator().manual_seed(2))
    hidden = torch.tensor([0, 7, 31, 44])
    whole = torch.from_numpy(np.concatenate([TEXTS.users, TEXTS.items]))
    pairs = [(model.project(final[n][None])[0].detach(), whole[n]) for n in hidden.tolist()]
    expected = plain_info_nce(pairs, [whole[n] for n in hidden.tolist()], 0.3) / 4
    found = model.term(BATCH, final, hidden)
    assert float(found.detach()) == pytest.approx(expected, rel=1e-5)


def test_gen_hides_a_share_of_those_with_a_profile_anew_each_time() -> None:
    texts = without(TEXTS, users=list(range(20)), items=[])
    model = gen(texts, masked=0.5)
    number = (TRAIN.n_users - 21 + TRAIN.n_items - 1) // 2
    seen = [model.hide(model.ego()) for _ in range(50)]
    for hidden, shown in seen:
        assert len(set(hidden.tolist())) == len(hidden) == number
        assert not shown[hidden].any(), "the token starts at zero"
        kept = torch.ones(N_NODES, dtype=torch.bool)
        kept[hidden] = False
        assert torch.equal(shown[kept], model.ego()[kept])
    every = set(torch.cat([hidden for hidden, _ in seen]).tolist())
    assert every == set(model.profiles.nodes.tolist())


def test_gen_hides_at_least_one() -> None:
    assert len(gen(masked=1e-9).hide(torch.ones(N_NODES, 4))[0]) == 1


@pytest.mark.parametrize("backbone", [name for name in BACKBONES if name != "autocf"])
def test_a_hidden_nodes_own_vector_has_no_influence_and_gets_no_gradient(
    backbone: BackboneName,
) -> None:
    """Neither in the ranking nor in the backbone's own terms; AutoCF's scores of nodes, which
    choose what it hides, are on the table itself, as published."""
    rng = np.random.default_rng(3)
    around = BACKBONES[backbone](**SMALL.get(backbone, {})).backbone(TRAIN, rng, CPU)
    model = Gen(around, Profiles.of(TEXTS, CPU), rng, weight=0.7, temperature=0.3, masked=0.2)
    states = model.generator.get_state(), around.generator.get_state()
    hidden, _ = model.hide(model.ego())
    moved = model.ego().detach().clone()
    moved[hidden] += 5.0
    found = []
    for ego in (model.ego(), moved):
        model.generator.set_state(states[0])
        around.generator.set_state(states[1])
        found.append(model.loss(BATCH, ego))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    to_table, to_token = torch.autograd.grad(found[0][0], (model.table, model.token))
    assert not to_table[hidden].any()
    assert to_token.any()


def test_gen_starts_at_the_log_of_how_many_are_hidden() -> None:
    """Profiles that are all alike tell nothing."""
    same = Texts(np.ones((TRAIN.n_items, 2), np.float32), np.ones((TRAIN.n_users, 2), np.float32))
    model = gen(same, masked=0.4)
    hidden, shown = model.hide(model.ego())
    final = model.propagate(shown, model.graph)
    assert float(model.term(BATCH, final, hidden).detach()) == pytest.approx(
        np.log(len(hidden)), rel=1e-5
    )
    assert len(hidden) == int(0.4 * N_NODES)


def test_recommending_hides_nothing() -> None:
    model = gen()
    assert torch.equal(model.factors(), model.inner.factors())


# --- gradients ------------------------------------------------------------------------


@pytest.mark.parametrize("make", [con, gen])
def test_every_parameter_gets_the_gradient_of_the_loss(make: Any) -> None:
    """Against central differences, in each parameter along a random direction."""
    model = make()
    for one in model.parameters:  # in double precision, in place
        one.data = one.data.double()
    model.inner.table.data = model.table.data
    model.graph.values = model.graph.values.double()
    model.profiles = model.profiles._replace(vectors=model.profiles.vectors.double())
    state = model.generator.get_state()

    def loss() -> Tensor:
        model.generator.set_state(state)
        found: Tensor = model.loss(BATCH, model.ego())[0]
        return found

    gradients = torch.autograd.grad(loss(), model.parameters)
    generator = torch.Generator().manual_seed(0)
    for one, gradient in zip(model.parameters, gradients, strict=True):
        assert gradient.any()
        way = torch.randn(one.shape, dtype=torch.float64, generator=generator)
        values = []
        for sign in (1, -1):
            one.data += sign * 1e-6 * way
            values.append(float(loss().detach()))
            one.data -= sign * 1e-6 * way
        slope = (values[0] - values[1]) / 2e-6
        assert slope == pytest.approx(float((gradient * way).sum()), rel=1e-4, abs=1e-8)


def test_profiles_are_constants() -> None:
    for model in (con(), gen()):
        assert not model.profiles.vectors.requires_grad
        assert all(one is not model.profiles.vectors for one in model.parameters)
        assert all(one.requires_grad and one.is_leaf for one in model.parameters)
    assert len(con().parameters) == 1 + 4
    assert len(gen().parameters) == 1 + 4 + 1
