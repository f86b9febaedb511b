"""The migrations lead to exactly the tables that the code uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from simulator.storage import migrations
from simulator.storage.store import Store
from simulator.storage.tables import metadata

FOLDER = Path(migrations.__file__).parent


def config(connection: sa.Connection | None = None) -> Config:
    out = Config()
    out.set_main_option("script_location", str(FOLDER))
    out.attributes["connection"] = connection
    return out


def test_upgraded_from_nothing_the_tables_are_those_of_the_code(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store, store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_sqlite_tables_are_those_that_create_all_makes(tmp_path: Path) -> None:
    """Column for column, WITHOUT ROWID included, which Alembic does not compare."""
    other = sa.create_engine("sqlite://")
    metadata.create_all(other)
    with Store.open(tmp_path / "store.db") as store:
        migrated, made = schema(store.engine), schema(other)
    other.dispose()
    migrated.pop("alembic_version")
    assert migrated == made
    assert sum(sql.endswith("WITHOUT ROWID") for sql in made.values()) == 9


def schema(engine: sa.Engine) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        )
        return {name: " ".join(sql.split()) for name, sql in rows}


def test_every_revision_is_listed_in_order() -> None:
    scripts = ScriptDirectory.from_config(config())
    found = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(found)) == migrations.REVISIONS
    assert scripts.get_current_head() == migrations.HEAD


def test_downgrade_leaves_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store, store.engine.begin() as connection:
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
