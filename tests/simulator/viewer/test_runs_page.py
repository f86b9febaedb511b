"""The list of runs: one line a run or family, what runs first, nothing counted twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from simulator.storage import queries
from simulator.storage.store import Store
from simulator.viewer import live, runs_page
from simulator.viewer.app import create_app
from simulator.viewer.index import Index
from simulator.viewer.view import View

from ..report import sample as invented
from ..storage import sample


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        yield opened


@pytest.fixture
def view(store: Store, tmp_path: Path) -> View:
    return View(store, Index(tmp_path / "i.view"))


@pytest.fixture
def client(view: View) -> Iterator[TestClient]:
    with TestClient(create_app(view), base_url="http://127.0.0.1") as opened:
        yield opened


def _names(view: View) -> list[str]:
    return [line["name"] for line in runs_page.context(view)["runs"]]


def test_a_store_without_runs_says_how_to_begin(client: TestClient) -> None:
    assert "audition run quickstart" in client.get("/").text


def test_a_family_is_one_line_with_its_sums_and_its_worst_state(store: Store, view: View) -> None:
    invented.write_family(store, 2, 2, agents=6)
    sample.begin(store, "own")
    store.end_run(queries.run(store, "many.w2.r1").id, status="failed", error="no more luck")
    line = runs_page.context(view)["runs"][-1]
    assert (line["name"], line["of"], line["finished"]) == ("many", 4, 3)
    assert (line["status"], line["error"]) == ("failed", "no more luck")
    assert (line["agents"], line["arms"]) == (6, ["Random", "MF", "LightGCN"])
    assert _names(view) == ["own", "many"]


def test_what_runs_comes_first_then_the_latest(store: Store, view: View) -> None:
    runs = [sample.begin(store, name) for name in ("a", "b", "c")]
    for run in (runs[0], runs[2]):
        store.end_run(run, status="finished")
    assert _names(view) == ["b", "c", "a"]


def test_a_killed_run_is_listed_as_stopped(
    store: Store, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SETTLING", 0.0)
    sample.begin(store)
    assert "without a word" in client.get("/").text
    with store.lock_run("try"):
        assert "without a word" not in client.get("/").text


def test_calls_and_cost_are_those_of_the_run(store: Store, view: View) -> None:
    run = sample.begin(store)
    sample.play(store, sample.add_arm(store, run, 0, "A"))
    while_running = runs_page.context(view)["runs"][0]
    store.end_run(run, status="finished")
    once_over = runs_page.context(view)["runs"][0]
    ((calls, usd),) = queries.cost_by_run(store).values()
    assert usd is not None
    for line in (while_running, once_over):
        assert (line["calls"], line["cost"]) == (calls, f"${usd:,.2f}")


def test_what_has_ended_is_counted_once(
    store: Store, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = sample.begin(store)
    store.end_run(run, status="interrupted")
    before = runs_page.context(view)
    counted: list[int] = []

    def count(_: View, run_id: int) -> int:
        counted.append(run_id)
        return 3

    monkeypatch.setattr(runs_page, "_agents", count)
    assert runs_page.context(view) == before
    assert counted == []
    store.resume_run(run)
    store.end_run(run, status="finished", seconds=1.0)
    runs_page.context(view)
    assert counted == [run]


def test_the_table_is_sent_again_only_where_it_has_changed(
    store: Store, client: TestClient
) -> None:
    run = sample.begin(store)
    pattern = r'hx-get="(/partial/runs\?seen=[0-9a-f]+)" hx-trigger="every 2s"'
    found = re.search(pattern, client.get("/").text)
    assert found
    assert client.get(found[1]).status_code == 204
    store.end_run(run, status="finished")
    answer = client.get(found[1])
    assert answer.status_code == 200
    assert 'hx-trigger="every 15s"' in answer.text


def test_a_store_that_is_gone_or_another_one_is_told(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    with Store.open(file) as store, Store.open(tmp_path / "other.db") as other:
        sample.begin(store)
        view = View(store, Index(tmp_path / "i.view"))
        with TestClient(create_app(view), base_url="http://127.0.0.1") as client:
            assert client.get("/").status_code == 200
            kept = file.rename(tmp_path / "kept.db")
            gone = client.get("/")
            assert (gone.status_code, "s.db is gone" in gone.text) == (503, True)
            assert client.get("/static/viewer.css").status_code == 200
            file.hardlink_to(str(other.engine.url.database))
            replaced = client.get("/")
            assert (replaced.status_code, "is another file" in replaced.text) == (503, True)
            file.unlink()
            kept.rename(file)
            assert client.get("/").status_code == 200
