"""Exports: one run, the same bytes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from agents.interface import Place
from simulator.errors import InputError
from simulator.storage import queries
from simulator.storage.export import FRAMES, export
from simulator.storage.ledger import StoreLedger
from simulator.storage.store import Store

from .sample import AGENTS, add_arm, begin, call, whole_run


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_two_stores_of_the_same_run_export_the_same_bytes(format_: str, tmp_path: Path) -> None:
    """Also when one run is the third in its store, under another name."""
    with Store.open(tmp_path / "one.db") as one, Store.open(tmp_path / "two.db") as two:
        whole_run(one)
        begin(two)
        whole_run(two, "again")
        first = export(one, None, tmp_path / "first", format_)
        second = export(two, "again", tmp_path / "second", format_)
    assert [path.name for path in first] == [f"{name}.{format_}" for name in FRAMES]
    for left, right in zip(first, second, strict=True):
        assert left.read_bytes() == right.read_bytes(), left.name
    assert sorted(p.name for p in (tmp_path / "first").iterdir()) == sorted(p.name for p in first)


def test_nothing_but_timings_depends_on_the_network(tmp_path: Path) -> None:
    """Calls that arrived in another order after other waits."""
    exported = []
    for order, latency in ((1, 0.5), (-1, 0.125)):
        with Store.open("sqlite://") as store:
            arm_id = add_arm(store, begin(store), 0, "A")
            calls = [
                call(row, page=page, kind=kind, latency=latency * (row + 1))
                for row in range(3)
                for page in (1, 2)
                for kind in ("page", "interview")
            ]
            ledger = StoreLedger(store, AGENTS)
            for one in calls[::order]:
                ledger.write([(Place(arm_id, 1), one)])
            paths = export(store, None, tmp_path / str(order), "csv")
            exported.append({path.stem: path.read_bytes() for path in paths})
    timings = [frames.pop("timings") for frames in exported]
    assert exported[0] == exported[1]
    assert timings[0] != timings[1]
    assert timings[0].splitlines()[:2] == [
        b"arm,round,agent,page,kind,attempt,latency",
        b"A,1,3,1,interview,0,0.5",
    ]


def test_parquet_gives_the_frames_back(tmp_path: Path) -> None:
    with Store.open("sqlite://") as store:
        whole_run(store)
        paths = {path.stem: path for path in export(store, None, tmp_path)}
        for name in ("sessions", "exposures", "steps"):
            stored = FRAMES[name](store, None)
            pd.testing.assert_frame_equal(
                pd.read_parquet(paths[name]), stored, check_dtype=False, check_categorical=False
            )
        assert [list(genres) for genres in pd.read_parquet(paths["items"])["genres"]] == (
            queries.items(store)["genres"].tolist()
        )


def test_csv_runs_no_formula_and_keeps_lists_readable(tmp_path: Path) -> None:
    with Store.open("sqlite://") as store:
        whole_run(store)
        paths = {path.stem: path for path in export(store, None, tmp_path, "csv")}
    items = pd.read_csv(paths["items"])
    assert items["title"].tolist() == ["'=SUM(A1)", "Alien", "Ünder", "'+1", "'-", "'@home"]
    assert items["genres"].tolist()[0] == '["Horror", "Sci-Fi"]'
    exposures = pd.read_csv(paths["exposures"])
    assert exposures["watched"].isna().sum() == 4
    assert set(exposures["arm"]) == {"A", "B"}


def test_no_time_no_run_and_no_row_number_is_exported(tmp_path: Path) -> None:
    with Store.open("sqlite://") as store:
        whole_run(store)
        for path in export(store, None, tmp_path, "csv"):
            columns = set(pd.read_csv(path, nrows=0).columns)
            assert not columns & {"id", "run_id", "arm_id", "created_at", "train_seconds"}
            assert ("latency" in columns) == (path.stem == "timings")


def test_bad_requests_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Store.open("sqlite://") as store:
        whole_run(store)
        with pytest.raises(InputError, match="found 'xlsx'; allowed: parquet or csv"):
            export(store, None, tmp_path, "xlsx")
        with pytest.raises(InputError, match="a writable folder"):
            export(store, None, tmp_path / "file", "csv")
        with pytest.raises(InputError, match="allowed: try"):
            export(store, "other", tmp_path)
