"""The rows of a query as a pandas frame."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

BLOCK = 50_000
"""Rows that are there as Python's own objects at a time, which take several times the memory
that they take in a frame."""


def read(engine: sa.Engine, query: sa.Select[Any]) -> pd.DataFrame:
    """Rows with the dtypes that the columns promise, also when there are none."""
    columns: list[list[Any]] = [[] for _ in query.selected_columns]
    with engine.connect() as connection, _uncollected():
        result = connection.execute(query)
        rows = result.fetchmany(BLOCK)
        while rows or not columns[0]:
            values = list(zip(*rows, strict=True)) or [()] * len(columns)
            for column, parts, found in zip(query.selected_columns, columns, values, strict=True):
                parts.append(_series(column, list(found)))
            rows = result.fetchmany(BLOCK) if len(rows) == BLOCK else []
    names = [column.key or "" for column in query.selected_columns]
    return pd.DataFrame({n: _joined(parts) for n, parts in zip(names, columns, strict=True)})


def _joined(parts: list[Any]) -> Any:
    """One column; of strings pandas makes its own kind when it sees all of them."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return pd.concat([pd.Series(part) for part in parts], ignore_index=True).array


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for cycles, of which rows have none: it goes through all of them again
    and again, which took half the time of reading millions."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _series(column: sa.ColumnElement[Any], values: list[Any]) -> Any:
    always = isinstance(column, sa.Column) and not column.nullable
    if isinstance(column.type, sa.Boolean):
        return pd.array(values, dtype="bool" if always else "boolean")
    if isinstance(column.type, sa.Float):
        return np.array(values, dtype=np.float64)
    if isinstance(column.type, sa.Integer):
        counted = always or not isinstance(column, sa.Column)
        return np.array(values, dtype=np.int64 if counted else np.float64)
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
