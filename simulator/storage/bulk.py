"""Many rows in few statements, for every database.

Measured on SQLite for rows of 9 changing values (microseconds a row): the insert
construct with a list of dicts 15 to 19, ``executemany`` of one row each 4, statements of
up to 900 bound values 2. Values that all rows share are part of the statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from .plain import to_json

Values = npt.NDArray[Any] | Sequence[Any] | int | str | None
"""One value a row, or one value for all rows; None is NULL for all."""

PLACEHOLDERS = {"qmark": "?", "format": "%s", "pyformat": "%s"}

_MOST_BOUND = 900  # SQLite before 3.32 allows 999 a statement


def insert(
    connection: sa.Connection,
    table: sa.Table,
    columns: Mapping[str, Values],
    n: int,
    *,
    again: bool = False,
) -> None:
    """Insert ``n`` rows given by column; with ``again`` a row whose key is there already is
    left as it is.

    Raises ValueError for a column of another length and KeyError for one that the table
    does not have.
    """
    if n == 0:
        return
    names, fixed, lists = [], [], []
    for name, values in columns.items():
        if values is None:
            continue
        names.append(connection.dialect.identifier_preparer.quote(table.c[name].name))
        if type(values) is int:
            fixed.append(str(values))
            continue
        fixed.append(PLACEHOLDERS[connection.dialect.paramstyle])
        if isinstance(values, str | int):
            values = [values] * n
        if len(values) != n:
            raise ValueError(f"{table.name}.{name} has {len(values)} values for {n} rows")
        lists.append(driver_values(table.c[name], values, connection.dialect))
    row = f"({', '.join(fixed)})"
    start = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES "
    end = " ON CONFLICT DO NOTHING" if again else ""
    group = max(1, _MOST_BOUND // max(1, len(lists)))
    whole = n - n % group
    if whole:
        # Row j of each group is every group-th row from j on, so that no row is ever built.
        parts = [column[j:whole:group] for j in range(group) for column in lists]
        sql = start + ", ".join([row] * group) + end
        connection.exec_driver_sql(sql, list(zip(*parts, strict=True)))
    if whole < n:
        rest = tuple(column[j] for j in range(whole, n) for column in lists)
        connection.exec_driver_sql(start + ", ".join([row] * (n - whole)) + end, rest)


def driver_values(
    column: sa.Column[Any], values: npt.NDArray[Any] | Sequence[Any], dialect: sa.Dialect
) -> list[Any]:
    """A list that the database's driver stores as the column's type.

    NaN is NULL. SQLite turns a bound NaN into NULL itself and has no booleans; the check
    is left out there because this list is built for every exposure.
    """
    kind = column.type
    if isinstance(kind, sa.JSON):
        return [to_json(value) for value in values]
    if isinstance(kind, sa.String):
        return [_text(value) for value in values]
    array = np.asarray(values)
    if array.dtype == object:
        return [None if v is None or v != v else v for v in array.tolist()]
    on_sqlite = dialect.name == "sqlite"
    if isinstance(kind, sa.Boolean):
        flags = array.astype(np.bool_, casting="equiv")
        bits: list[Any] = (flags.view(np.int8) if on_sqlite else flags).tolist()
        return bits
    if isinstance(kind, sa.Float):
        numbers: list[Any] = array.astype(np.float64).tolist()
        return numbers if on_sqlite else [None if v != v else v for v in numbers]
    whole: list[Any] = array.astype(np.int64, casting="same_kind").tolist()
    return whole


def _text(value: str | None) -> str | None:
    """Text that every database takes: no NUL and no half of a surrogate pair, both of
    which a model's reply can hold."""
    if value is None or (value.isascii() and "\0" not in value):
        return value
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
