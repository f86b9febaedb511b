"""Values as drivers take them, for databases that differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from simulator.storage import bulk, tables
from simulator.storage.plain import plain, to_json

SQLITE = sa.make_url("sqlite://").get_dialect()()
POSTGRES = sa.make_url("postgresql+psycopg://").get_dialect()()
FLAG, NUMBER, WHOLE = (tables.exposures.c[name] for name in ("watched", "rating", "item"))


def kinds(values: list[Any]) -> list[tuple[Any, str]]:
    return [(value, type(value).__name__) for value in values]


@pytest.mark.parametrize(("dialect", "kind"), [(SQLITE, "int"), (POSTGRES, "bool")])
def test_booleans_are_what_the_database_has(dialect: sa.Dialect, kind: str) -> None:
    got = bulk.driver_values(FLAG, np.array([True, False]), dialect)
    assert kinds(got) == [(True, kind), (False, kind)]
    mixed = bulk.driver_values(FLAG, np.array([True, None], dtype=object), dialect)
    assert mixed == [True, None]


def test_nan_is_null_where_the_database_would_keep_it() -> None:
    values = np.array([4.5, np.nan], np.float32)
    assert bulk.driver_values(NUMBER, values, POSTGRES) == [4.5, None]
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:  # what is relied on for SQLite
        assert connection.exec_driver_sql("SELECT ? IS NULL", (float("nan"),)).scalar() == 1
    engine.dispose()


def test_numpy_numbers_become_pythons() -> None:
    for values in (np.array([7], np.int8), [np.int64(7)], range(7, 8)):
        assert kinds(bulk.driver_values(WHOLE, values, POSTGRES)) == [(7, "int")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_anything_plain_is_strict_json_and_stays_what_it_is(value: Any) -> None:
    once = plain(value)
    assert plain(once) == once
    assert "NaN" not in to_json({"numbers": np.array([np.nan])})
    assert to_json(value) == to_json(once)


def test_what_has_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="a object cannot be stored"):
        plain({"x": object()})
