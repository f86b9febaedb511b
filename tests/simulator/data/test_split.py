"""Splits are disjoint, complete, of the shares asked for, and the same for the same seed."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders.interface import Interactions, Items
from simulator.data.dataset import Dataset, Split
from simulator.data.split import check, split
from simulator.errors import InputError

Pairs = set[tuple[int, int]]
few = settings(max_examples=50, deadline=None)


def dataset(pairs: list[tuple[int, int]], times: list[int] | None = None) -> Dataset:
    n_users = 1 + max(u for u, _ in pairs)
    n_items = 1 + max(i for _, i in pairs)
    events = Interactions(
        np.array([u for u, _ in pairs]),
        np.array([i for _, i in pairs]),
        n_users,
        n_items,
        np.arange(len(pairs), dtype=np.float32),
        None if times is None else np.array(times),
    )
    titles = tuple(map(str, range(n_items)))
    blank = ("",) * n_items
    items = Items(titles, blank, ((),) * n_items, (0,) * n_items)
    return Dataset("made", events, items, tuple(map(str, range(n_users))), titles)


def pairs_of(part: Interactions) -> Pairs:
    return set(zip(part.user.tolist(), part.item.tolist(), strict=True))


def grid(n_users: int, n_items: int) -> list[tuple[int, int]]:
    return [(u, i) for u in range(n_users) for i in range(n_items)]


@st.composite
def data_sets(draw: st.DrawFn) -> Dataset:
    """Random pairs, each once, with times that often coincide."""
    cells = st.tuples(st.integers(0, 7), st.integers(0, 12))
    pairs = draw(st.lists(cells, min_size=1, max_size=80, unique=True))
    times = draw(st.lists(st.integers(0, 9), min_size=len(pairs), max_size=len(pairs)))
    return dataset(pairs, times)


shares = st.sampled_from(
    [(0.4, 0.3, 0.3), (0.6, 0.2, 0.2), (0.8, 0.1, 0.1), (1.0, 0.0, 0.0), (0.05, 0.05, 0.9)]
)
rules = st.sampled_from([{"kind": "random"}, {"kind": "temporal"}])


def asked(rule: dict[str, str], share: tuple[float, float, float]) -> dict[str, object]:
    return {**rule, **dict(zip(("train", "valid", "test"), share, strict=True)), "unseen": "keep"}


def made(data: Dataset, spec: dict[str, object], seed: int) -> Split | None:
    """The split, None where the data are too few for every part to hold something."""
    try:
        return split(data, spec, seed)
    except InputError as error:
        if "an empty" not in str(error):
            raise
        return None


@few
@given(data_sets(), rules, shares, st.integers(0, 5))
def test_parts_are_disjoint_and_complete_and_near_their_shares(
    data: Dataset, rule: dict[str, str], share: tuple[float, float, float], seed: int
) -> None:
    out = made(data, asked(rule, share), seed)
    if out is None:
        return
    parts = [pairs_of(p) for p in (out.train, out.valid, out.test)]
    everything = pairs_of(data.interactions)
    assert sum(map(len, parts)) == len(everything)
    assert set.union(*parts) == everything
    for user in np.unique(data.interactions.user).tolist():
        sizes = [sum(u == user for u, _ in part) for part in parts]
        n = sum(sizes)
        assert sizes[0] >= 1
        assert sizes[0] == max(1, int(np.floor(share[0] * n + 0.5 + 1e-9)))
        assert all(abs(s - w * n) <= 1.5 for s, w in zip(sizes, share, strict=True))


@few
@given(data_sets(), rules, st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(
    data: Dataset, rule: dict[str, str], seed: int, shuffle: Random
) -> None:
    events = data.interactions
    order = list(range(len(events)))
    shuffle.shuffle(order)
    assert events.timestamp is not None
    other = dataset(
        [(int(events.user[i]), int(events.item[i])) for i in order],
        [int(events.timestamp[i]) for i in order],
    )
    spec = asked(rule, (0.6, 0.2, 0.2))
    first, second = made(data, spec, seed), made(other, spec, seed)
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert pairs_of(first.train) == pairs_of(second.train)
        assert pairs_of(first.test) == pairs_of(second.test)


@few
@given(data_sets(), st.integers(0, 5))
def test_time_never_runs_backwards_within_a_user(data: Dataset, seed: int) -> None:
    out = made(data, asked({"kind": "temporal"}, (0.6, 0.2, 0.2)), seed)
    if out is None:
        return
    for user in np.unique(data.interactions.user):
        last = -1
        for part in (out.train, out.valid, out.test):
            assert part.timestamp is not None
            times = part.timestamp[part.user == user]
            if len(times):
                assert times.min() >= last
                last = int(times.max())


@few
@given(data_sets(), st.integers(0, 5))
def test_a_global_split_trains_on_the_past_only(data: Dataset, seed: int) -> None:
    spec = {"kind": "temporal", "scope": "global", "train": 0.5, "valid": 0.0, "test": 0.5}
    out = made(data, spec, seed)
    if out is None:
        return
    assert out.train.timestamp is not None
    assert out.test.timestamp is not None
    assert out.train.timestamp.max() <= out.test.timestamp.min()
    assert set(out.test.user) <= set(out.train.user)
    assert set(out.test.item) <= set(out.train.item)


@few
@given(data_sets(), st.sampled_from(["time", "random"]), st.integers(0, 5))
def test_leave_one_out_takes_one_each(data: Dataset, order: str, seed: int) -> None:
    out = made(data, {"kind": "leave_one_out", "order": order, "unseen": "keep"}, seed)
    if out is None:
        return
    counts = np.bincount(data.interactions.user)
    for user in np.flatnonzero(counts):
        sizes = [int((p.user == user).sum()) for p in (out.train, out.valid, out.test)]
        n = int(counts[user])
        assert sizes == [max(n - 2, 1), int(n >= 3), int(n >= 2)]


def test_leave_one_out_tests_the_last() -> None:
    data = dataset([(0, i) for i in range(5)], [30, 50, 10, 40, 20])
    out = split(data, {"kind": "leave_one_out", "unseen": "keep"}, 1)
    assert pairs_of(out.test) == {(0, 1)}
    assert pairs_of(out.valid) == {(0, 3)}


def test_seeds_differ_and_repeat() -> None:
    data = dataset(grid(20, 30))
    first, again, other = (split(data, None, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.train.item, again.train.item)
    assert pairs_of(first.train) != pairs_of(other.train)


def test_ratings_and_times_stay_with_their_pairs() -> None:
    pairs = grid(6, 10)
    data = dataset(pairs, list(range(len(pairs))))
    out = split(data, {"train": 0.5, "valid": 0.2, "test": 0.3}, 3)
    for part in (out.train, out.valid, out.test):
        assert part.rating is not None
        assert part.timestamp is not None
        assert [pairs[int(r)] for r in part.rating] == list(
            zip(part.user.tolist(), part.item.tolist(), strict=True)
        )
        assert np.array_equal(part.rating, part.timestamp)


def test_items_that_train_lacks_are_dropped_unless_kept() -> None:
    # Everybody's own item is in one part only, so some items are never trained.
    data = dataset([(u, 10 * u + i) for u in range(8) for i in range(10)])
    kept = split(data, {"train": 0.5, "valid": 0.2, "test": 0.3, "unseen": "keep"}, 1)
    assert sum(map(len, (kept.train, kept.valid, kept.test))) == 80
    with pytest.raises(InputError, match="an empty valid part"):
        split(data, {"train": 0.5, "valid": 0.2, "test": 0.3}, 1)


def test_given_returns_what_the_data_came_with() -> None:
    plain = dataset(grid(4, 10))
    own = split(plain, None, 5)
    data = Dataset(
        "made", plain.interactions, plain.items, plain.user_ids, plain.item_ids, split=own
    )
    assert split(data, "given", 1) is own
    assert split(data, None, 1) is own
    assert split(data, {"train": 1.0, "valid": 0, "test": 0}, 1) is not own


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ({"train": 0.5, "valid": 0.3, "test": 0.3}, ("dataset.split", "1.1", "sum to 1")),
        ({"train": 0.0, "valid": 0.5, "test": 0.5}, ("dataset.split.train", "above 0")),
        ({"train": 1.5}, ("dataset.split.train", "1.5", "from 0 to 1")),
        ({"train": float("nan")}, ("dataset.split.train", "nan")),
        ({"train": "half"}, ("dataset.split.train", "'half'")),
        ({"kind": "tempral"}, ("dataset.split.kind", "'tempral'", "did you mean 'temporal'")),
        ({"trian": 0.5}, ("dataset.split.trian", "did you mean 'train'")),
        ({"kind": "temporal", "scope": "week"}, ("dataset.split.scope", "user, global")),
        ("temporal", ("no timestamps", "fix: kind: random")),
        ("leave_one_out", ("no timestamps", "fix: order: random")),
        ("given", ("'given'", "has no split")),
    ],
)
def test_wrong_splits_are_told_in_one_line(spec: object, parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        split(dataset(grid(4, 10)), spec, 1, scenario="made.yaml")  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("made.yaml: dataset.split")
    assert all(part in message for part in parts), message


def test_check_needs_no_data() -> None:
    assert check(None) is None
    plan = check({"kind": "temporal", "scope": "global"})
    assert plan is not None
    assert plan.options["train"] == 0.6
    with pytest.raises(InputError):
        check({"train": 0.5, "valid": 0.2, "test": 0.2})
