"""The migrations lead to exactly the tables that the code uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from simulator.storage import migrations, queries
from simulator.storage.connect import parse
from simulator.storage.store import Store
from simulator.storage.tables import metadata

FOLDER = Path(migrations.__file__).parent


def config(connection: sa.Connection | None = None) -> Config:
    out = Config()
    out.set_main_option("script_location", str(FOLDER))
    out.attributes["connection"] = connection
    return out


on_disk = pytest.mark.parametrize("where", ["file", "postgresql"], indirect=True)


@on_disk
def test_upgraded_from_nothing_the_tables_are_those_of_the_code(where: str) -> None:
    with Store.open(where) as store, store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_sqlite_tables_are_those_that_create_all_makes(tmp_path: Path) -> None:
    """Column for column, indexes and WITHOUT ROWID included, which Alembic does not compare."""
    other = sa.create_engine("sqlite://")
    metadata.create_all(other)
    with Store.open(tmp_path / "store.db") as store:
        migrated, made = schema(store.engine), schema(other)
    other.dispose()
    migrated.pop("alembic_version")
    assert migrated == made
    assert sum(table[0] for table in made.values()) == 11


def schema(engine: sa.Engine) -> dict[str, tuple[bool, Any, Any]]:
    """By table: whether WITHOUT ROWID, its columns, its indexes. The text itself differs
    where a migration has added a column."""
    with engine.connect() as connection:
        ask = connection.exec_driver_sql
        tables = ask("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all()
        written = ask("SELECT name, sql FROM sqlite_master WHERE sql LIKE '%INDEX%'")
        indexes: dict[str, str] = {name: " ".join(sql.split()) for name, sql in written}
        return {
            name: (
                " ".join(sql.split()).endswith("WITHOUT ROWID"),
                ask(f"PRAGMA table_xinfo({name})").all(),
                sorted(
                    (row[1:], indexes.get(row[1], "")) for row in ask(f"PRAGMA index_list({name})")
                ),
            )
            for name, sql in tables
        }


@on_disk
def test_a_store_of_the_first_revision_is_upgraded_in_place(where: str, tmp_path: Path) -> None:
    engine = sa.create_engine(parse(where))
    with engine.begin() as connection:
        command.upgrade(config(connection), "0001")
        for sql in FIRST:
            connection.exec_driver_sql(sql)
    engine.dispose()
    with Store.open(where, create=False) as store:
        run = queries.run(store)
        assert (run.name, run.identity, run.spent_seconds) == ("old", "", 0.0)
        assert (run.family, run.world, run.replicate) == (None, 1, 1)
        assert queries.agents(store)["arrival"].tolist() == [0]
        calls = queries.calls(store)
        assert calls["attempt"].tolist() == [1, 2]
        assert calls["key"].tolist() == ["", ""]
        assert calls[["tokens_cached", "assumed_tokens", "assumed_usd"]].to_numpy().sum() == 0
        with store.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []


FIRST = [
    "INSERT INTO runs VALUES (1, 'old', 'finished', 7, '{}', '', '{}', '{}', '0001', '2026-01-01',"
    " NULL, NULL)",
    "INSERT INTO agents VALUES (1, 3, 'u3', 1, 1, 1, NULL, NULL, NULL, '[]', '')",
    "INSERT INTO arms VALUES (1, 1, 0, 'A', 'popularity', '{}', TRUE, '{}', NULL, NULL)",
    *(
        f"INSERT INTO calls VALUES ({n}, 1, 1, 3, 1, 'page', {n}, 'ok', 'h', '[]', '{{}}', 10, 1,"
        " NULL, 0.5, FALSE)"
        for n in (1, 2)
    ),
]
"""Rows as they were at first."""


def test_every_revision_is_listed_in_order() -> None:
    scripts = ScriptDirectory.from_config(config())
    found = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(found)) == migrations.REVISIONS
    assert scripts.get_current_head() == migrations.HEAD


@on_disk
def test_downgrade_leaves_nothing(where: str) -> None:
    with Store.open(where) as store, store.engine.begin() as connection:
        command.downgrade(config(connection), "base")
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]


def test_a_current_store_opens_without_alembic(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store.open(path).close()
    code = (
        "import sys; from simulator.storage.store import Store; "
        "Store.open(sys.argv[1]).close(); print('alembic' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"
