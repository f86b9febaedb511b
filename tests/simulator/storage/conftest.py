"""Every kind of store that a run may be kept in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.storage.store import Store


@pytest.fixture(params=["memory", "file", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store can be opened."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres"))
    return "sqlite://" if request.param == "memory" else str(tmp_path / "store.db")


@pytest.fixture
def empty(where: str) -> Iterator[Store]:
    """An empty store of each kind."""
    with Store.open(where) as opened:
        yield opened
