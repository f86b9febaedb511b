"""The published data sets have the sizes their authors state."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from simulator.data import readers
from simulator.data.dataset import Dataset
from simulator.data.split import split
from simulator.errors import InputError

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not os.environ.get("AUDITION_DATA"), reason="AUDITION_DATA is not set"),
]


def read(source: str) -> Dataset:
    try:
        folder = readers.find(source, None)
    except InputError as error:
        pytest.skip(str(error))
    return readers.read(source, folder, {})


def shape(data: Dataset) -> tuple[int, int, int]:
    return data.n_users, data.n_items, len(data.interactions)


def test_movielens_100k() -> None:
    data = read("movielens-100k")
    assert shape(data) == (943, 1682, 100_000)
    assert data.interactions.timestamp is not None
    assert data.items.title[0] == "Toy Story"
    assert data.items.genres[0] == ("Animation", "Children's", "Comedy")
    parts = split(data, "leave_one_out", 7)
    assert len(parts.test) > 930


def test_movielens_100k_is_the_same_in_both_formats() -> None:
    published = read("movielens-100k")
    atomic = next(Path(readers.find("movielens-100k", None)).glob("*.inter"), None)
    if atomic is None:
        pytest.skip("no atomic files beside u.data")
    other = readers.read("recbole", atomic, {})
    assert shape(other) == shape(published)
    assert other.user_ids == published.user_ids
    assert np.array_equal(other.interactions.item, published.interactions.item)
    assert other.interactions.rating is not None
    assert published.interactions.rating is not None
    assert np.array_equal(other.interactions.rating, published.interactions.rating)


def test_movielens_1m() -> None:
    data = read("movielens-1m")
    assert shape(data) == (6040, 3706, 1_000_209)
    assert data.interactions.rating is not None
    counts = np.bincount(data.interactions.rating.astype(int), minlength=6)[1:]
    assert 100 * counts / counts.sum() == pytest.approx([5.6, 10.7, 26.1, 34.9, 22.6], abs=0.06)
    assert data.items.title[data.item_ids.index("73")] == "Misérables, Les"
    parts = split(data, {"train": 0.4, "valid": 0.3, "test": 0.3}, 7)
    assert len(parts.train) == pytest.approx(0.4 * 1_000_209, rel=0.001)


def test_agent4rec() -> None:
    data = read("agent4rec")
    assert data.split is not None
    assert (data.n_users, data.n_items) == (1000, 3292)
    sizes = [len(part) for part in (data.split.train, data.split.valid, data.split.test)]
    assert sizes == [74_271, 55_486, 55_492]
    assert not any("\ufffd" in title for title in data.items.title)
    assert data.items.title[68] == "Misérables, Les"
    assert data.interactions.rating is not None
    assert not np.isnan(data.interactions.rating).any()
    assert data.shown_rating is not None
    assert data.shown_rating[0] == pytest.approx(4.146846, abs=1e-5)
    assert data.given is not None
    assert data.given.tastes is not None
    assert all(data.given.tastes)
    assert data.given.activity is not None
    assert set(np.unique(data.given.activity)) == {1, 2, 3}
