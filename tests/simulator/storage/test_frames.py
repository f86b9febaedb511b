"""A query's rows become the same frame in however many pieces they are read."""

from __future__ import annotations

import gc
from typing import Any

import pandas as pd
import pytest

from simulator.storage import frames, queries
from simulator.storage.store import Store

from . import sample


@pytest.mark.parametrize("block", [1, 2, 5, 6, 1000])
def test_pieces_make_the_same_frame(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open("sqlite://") as store:
        sample.play(store, sample.add_arm(store, sample.begin(store), 0, "A"))
        reads: tuple[Any, ...] = (
            queries.sessions,
            queries.pages,
            queries.exposures,
            queries.offline,
            queries.calls,
        )
        whole = [read(store, "try") for read in reads]
        monkeypatch.setattr(frames, "BLOCK", block)
        for read, expected in zip(reads, whole, strict=True):
            pd.testing.assert_frame_equal(read(store, "try"), expected)


@pytest.mark.parametrize("on", [True, False])
def test_the_garbage_collector_is_left_as_it_was(on: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        with Store.open("sqlite://") as store:
            sample.begin(store)
            assert len(queries.runs(store)) == 1
        assert gc.isenabled() == on
    finally:
        (gc.enable if was else gc.disable)()
