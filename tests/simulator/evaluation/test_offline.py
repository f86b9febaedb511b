"""Ranking metrics against arithmetic done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders.interface import NO_ITEM
from simulator.evaluation.offline import described, offline_metrics

# Three users, five items. User 2 has nothing held out and a short list.
LISTS = np.array([[0, 1, 2], [4, 3, 0], [1, NO_ITEM, NO_ITEM]])
TRUTH = sp.csr_array([[0, 1, 1, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
POPULARITY = np.array([8, 4, 2, 1, 0])


def metrics(cutoff: int = 3, lists: np.ndarray = LISTS) -> dict[str, dict[str, float]]:
    rows = offline_metrics(lists, TRUTH, POPULARITY, n_users=8, cutoff=cutoff, confidence=0.95)
    return {row["metric"]: row for row in rows}


LOG3 = np.log2(3)


@pytest.mark.parametrize(
    ("metric", "expected", "n"),
    [
        ("recall@3", (2 / 3 + 0) / 2, 2),
        # ranks 2 and 3 of an ideal 1, 2, 3: (1/log2 3 + 1/2) / (1 + 1/log2 3 + 1/2)
        ("ndcg@3", (1 / LOG3 + 0.5) / (1.5 + 1 / LOG3) / 2, 2),
        ("precision@3", (2 / 3 + 0) / 2, 2),
        ("hit@3", (1 + 0) / 2, 2),
        ("mrr@3", (1 / 2 + 0) / 2, 2),
        ("coverage@3", 5 / 5, 3),
        # bits: 0, 1, 2, 3 and, for the item nobody has, 3
        ("novelty@3", ((0 + 1 + 2) / 3 + (3 + 3 + 0) / 3 + 1) / 3, 3),
    ],
)
def test_by_hand(metric: str, expected: float, n: int) -> None:
    row = metrics()[metric]
    assert row["mean"] == pytest.approx(expected, rel=1e-12)
    assert row["n"] == n


def test_order_names_and_descriptions_agree() -> None:
    assert list(metrics()) == [name.replace("K", "3") for name, _ in described()]


def test_the_interval_is_students_over_users() -> None:
    row = metrics()["hit@3"]  # values 1 and 0: s = sqrt(1/2), t(1) = 12.7062
    assert row["low"] == pytest.approx(0.5 - 12.7062047 / 2, rel=1e-7)
    assert row["high"] == pytest.approx(0.5 + 12.7062047 / 2, rel=1e-7)
    assert np.isnan([metrics()["coverage@3"][side] for side in ("low", "high")]).all()


def test_a_smaller_cutoff_sees_less() -> None:
    got = metrics(cutoff=1)
    assert got["recall@1"]["mean"] == 0
    assert got["coverage@1"]["mean"] == 3 / 5


def test_lists_shorter_than_the_cutoff_are_refused() -> None:
    with pytest.raises(ValueError, match="lists of 3 items for a cutoff of 20"):
        metrics(cutoff=20)


def test_nobody_with_held_out_items_gives_no_number() -> None:
    rows = offline_metrics(
        LISTS, sp.csr_array((3, 5)), POPULARITY, n_users=8, cutoff=3, confidence=0.95
    )
    by_name = {row["metric"]: row for row in rows}
    assert np.isnan(by_name["recall@3"]["mean"])
    assert by_name["recall@3"]["n"] == 0
    assert by_name["coverage@3"]["mean"] == 1.0


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_against_a_plain_loop(seed: int, cutoff: int) -> None:
    rng = np.random.default_rng(seed)
    lists = np.array([rng.permutation(8)[:6] for _ in range(5)])
    truth = rng.random((5, 8)) < 0.3
    rows = offline_metrics(
        lists, sp.csr_array(truth), np.ones(8, np.int64), n_users=5, cutoff=cutoff, confidence=0.9
    )
    got = {row["metric"].partition("@")[0]: row["mean"] for row in rows}
    found = [[bool(truth[u, i]) for i in lists[u, :cutoff]] for u in range(5) if truth[u].any()]
    expected: dict[str, list[float]] = {
        "precision": [sum(hit) / cutoff for hit in found],
        "hit": [float(any(hit)) for hit in found],
        "mrr": [1 / (hit.index(True) + 1) if any(hit) else 0.0 for hit in found],
    }
    for metric, each in expected.items():
        assert got[metric] == pytest.approx(np.mean(each) if each else np.nan, nan_ok=True)
