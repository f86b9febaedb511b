"""The rows of a query as a pandas frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa


def read(engine: sa.Engine, query: sa.Select[Any]) -> pd.DataFrame:
    """Rows with the dtypes that the columns promise, also when there are none."""
    with engine.connect() as connection:
        fetched = connection.execute(query).all()
    series = {}
    values = list(zip(*fetched, strict=True)) or [()] * len(query.selected_columns)
    for column, found in zip(query.selected_columns, values, strict=True):
        series[column.key or ""] = _series(column, list(found))
    return pd.DataFrame(series)


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
