"""One invented run, written and reported once for all tests that only read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.report import style
from simulator.report.write import write
from simulator.storage.store import Store

from . import sample


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        sample.write(opened)
        yield opened


@pytest.fixture(scope="session")
def folder(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "deep" / "try"
    assert write(store, "try", out) == out / "report.html"
    return out


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pictures, where a test does not look at them."""
    monkeypatch.setattr(style, "DPI", 40)
