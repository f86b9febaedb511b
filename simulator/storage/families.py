"""Families: runs that belong together, a scenario in several worlds or replicates.

A family has a name of its own, which is no run's; its members are ordinary runs that say
which family they belong to (``queries.family``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..errors import InputError
from . import tables

if TYPE_CHECKING:
    from .store import Store


@dataclass(frozen=True)
class Family:
    """One row of ``families``: what was asked, and with which code."""

    name: str
    scenario: dict[str, Any]
    scenario_file: str
    versions: dict[str, str]
    identity: str
    created_at: str


def find(store: Store, name: str) -> Family | None:
    """A family by name; None where there is none."""
    query = sa.select(tables.families).where(tables.families.c.name == name)
    with store.engine.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Family(**{f.name: row[f.name] for f in fields(Family)})


def free_name(connection: sa.Connection, name: str, members: Sequence[str] = ()) -> str:
    """``name``, or with the first suffix -2, -3, ... under which neither it nor it followed
    by one of ``members`` is the name of a run or of a family."""
    taken = set(connection.scalars(sa.select(tables.runs.c.name)))
    taken |= set(connection.scalars(sa.select(tables.families.c.name)))
    free, suffix = name, 2
    while taken.intersection([free, *(free + member for member in members)]):
        free, suffix = f"{name}-{suffix}", suffix + 1
    return free


def drop_empty(connection: sa.Connection, name: str) -> None:
    """Forget a family that was stopped before its first member was begun."""
    t = tables.families.c
    begun = sa.select(tables.runs.c.id).where(tables.runs.c.family == name).exists()
    connection.execute(tables.families.delete().where(t.name == name, ~begun))


def taken(store: str, name: str, family: str) -> InputError:
    """A member's name is another run's, which was begun after the family was."""
    return InputError(
        store,
        key="run",
        found=f"a run {name!r} that is no member of the family {family!r}",
        allowed="no other run of that name, as a member has it",
        fix="run the scenario anew under another --name",
    )
