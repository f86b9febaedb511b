"""Leaving out the inactive keeps every column aligned and both minima true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders.interface import Interactions, Items
from simulator.data import readers
from simulator.data.dataset import Dataset, GivenProfiles, Split
from simulator.data.filters import keep_active
from simulator.data.options import Request
from simulator.errors import InputError

from . import files

REQUEST = Request("made", None, {})


def world(pairs: list[tuple[int, int]], n_users: int = 8, n_items: int = 9) -> Dataset:
    """A data set in which every column names the user or item it belongs to."""
    user, item = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    events = Interactions(user, item, n_users, n_items, (10 * user + item).astype(np.float32))
    nothing = Interactions(user[:0], item[:0], n_users, n_items)
    titles = tuple(f"i{n}" for n in range(n_items))
    users = tuple(f"u{n}" for n in range(n_users))
    return Dataset(
        "made",
        events,
        Items(titles, titles, tuple((t,) for t in titles), tuple(range(n_items)), {"x": titles}),
        users,
        titles,
        user_attributes={"name": users},
        split=Split(events, nothing, nothing),
        given=GivenProfiles(
            tastes=tuple((u,) for u in users), activity=np.arange(n_users, dtype=np.int8)
        ),
        shown_rating=np.arange(n_items, dtype=np.float32),
        utility=np.add.outer(10 * np.arange(n_users), np.arange(n_items)).astype(np.float32),
    )


cells = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 8)), min_size=1, max_size=60, unique=True
)


@settings(max_examples=60, deadline=None)
@given(cells, st.integers(0, 4), st.integers(0, 4))
def test_minima_hold_and_columns_stay_aligned(
    pairs: list[tuple[int, int]], minimum: int, item_minimum: int
) -> None:
    full = world(pairs)
    try:
        data = keep_active(full, minimum, item_minimum, REQUEST)
    except InputError as error:
        if "nothing left" not in str(error):
            raise
        return
    events = data.interactions
    assert (np.bincount(events.user, minlength=data.n_users) >= minimum).all()
    assert (np.bincount(events.item, minlength=data.n_items) >= item_minimum).all()
    user = np.array([int(u[1:]) for u in data.user_ids])
    item = np.array([int(i[1:]) for i in data.item_ids])
    assert events.rating is not None
    assert np.array_equal(events.rating, 10 * user[events.user] + item[events.item])
    assert data.split is not None
    assert np.array_equal(data.split.train.item, events.item)
    assert data.split.test.n_items == data.n_items
    assert data.items.title == data.items.attributes["x"] == data.item_ids
    assert data.items.year == tuple(item)
    assert data.user_attributes["name"] == data.user_ids
    assert data.given is not None
    assert data.given.tastes == tuple((u,) for u in data.user_ids)
    assert data.given.activity is not None
    assert np.array_equal(data.given.activity, user)
    assert data.given.diversity is None
    assert data.shown_rating is not None
    assert np.array_equal(data.shown_rating, item)
    assert data.utility is not None
    assert np.array_equal(data.utility, np.add.outer(10 * user, item))


def test_both_minima_are_applied_in_turns() -> None:
    # Item 3 falls to user 2's absence, then user 1 falls to item 3's.
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 3), (2, 3), (3, 0), (3, 1), (3, 2)]
    data = keep_active(world(pairs), 2, 2, REQUEST)
    assert data.user_ids == ("u0", "u3")
    assert data.item_ids == ("i0", "i1", "i2")


def test_items_that_lose_everybody_go_and_items_never_taken_stay() -> None:
    data = keep_active(world([(0, 0), (0, 1), (1, 2)], 2, 4), 2, 0, REQUEST)
    assert data.item_ids == ("i0", "i1", "i3")
    assert data.notes == ("1 users and 1 items with too few interactions are left out",)


def test_readers_apply_the_minima(tmp_path: Path) -> None:
    files.write(tmp_path, {"log.csv": files.LOG + "99,9,3,1\n"})
    data = readers.read("csv", tmp_path / "log.csv", {"min_interactions": 2})
    assert data.user_ids == ("7", "12")
    with pytest.raises(InputError, match=r"dataset\.min_item_interactions: found nothing left"):
        readers.read("csv", tmp_path / "log.csv", {"min_item_interactions": 3})
