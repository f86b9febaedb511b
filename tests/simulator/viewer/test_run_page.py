"""A run's page: what it says at once, what it says when it is worked out, what it never does."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from starlette.testclient import TestClient

from simulator.evaluation.study import read
from simulator.evaluation.summary import summarise
from simulator.report import figures, style
from simulator.report.figures import comparisons
from simulator.storage import person_notes
from simulator.storage.export import FRAMES, csv_safe
from simulator.storage.plain import plain
from simulator.storage.store import Store
from simulator.viewer import run_page, summaries
from simulator.viewer.app import create_app
from simulator.viewer.index import Index
from simulator.viewer.view import View

from ..report import sample

HOSTILE = '<script>alert("x")</script> \x1b[31m\u202e=1+1'


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """``try`` of three arms; ``alone`` of one; ``hostile``; ``begun`` and ``stopped`` without a
    row; ``broke``; ``cut`` and ``poor``; the family ``many`` of two worlds."""
    with Store.open("sqlite://") as opened:
        sample.write(opened)
        sample.write(opened, sample.Sample(12, {"MF": "mf"}, member={"name": "alone"}))
        sample.write(
            opened,
            sample.Sample(
                *(12, {HOSTILE: "mf", "B'; DROP TABLE runs; --": "random"}),
                title=HOSTILE,
                failed=(1,),
                member={"name": "hostile"},
            ),
        )
        for name in ("stopped", "broke", "cut", "poor"):
            run = opened.begin_run(
                name=name, seed=1, scenario={"arms": [{"name": "A"}]}, scenario_file="try.yaml"
            )
            ended = {"broke": "failed", "cut": "interrupted", "poor": "budget"}.get(name)
            if ended is not None:
                error = f"ValueError: {HOSTILE}" if name == "broke" else None
                opened.end_run(run, status=ended, error=error)  # type: ignore[arg-type]
        sample.write_family(opened, 2, 1, agents=12)
        yield opened


@pytest.fixture(scope="module")
def view(store: Store, tmp_path_factory: pytest.TempPathFactory) -> View:
    return View(store, Index(tmp_path_factory.mktemp("view") / "i.view"))


@pytest.fixture(scope="module")
def client(view: View) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "DPI", 30)
        patch.setattr(figures, "draw", _few)
        with TestClient(create_app(view), base_url="http://127.0.0.1") as opened:
            yield opened


def _few(subject: figures.Subject) -> list[figures.Drawing]:
    """As the report's, but only the forest and its like, as all would take long."""
    with style.look():
        return list(comparisons.draw(subject))


def _whole(client: TestClient, run: str) -> str:
    """The page with everything that has to be worked out."""
    end = time.monotonic() + 120
    while True:
        text = client.get(f"/runs/{run}").text
        if 'class="report"' in text and "being drawn" not in text:
            return text
        assert time.monotonic() < end, text[-2000:]
        time.sleep(0.05)


def test_the_page_answers_before_its_summary_is_there(view: View, client: TestClient) -> None:
    fresh = View(view.store, view.index)
    asked: list[str] = []
    fresh.__dict__["work"] = type(
        "Idle", (), {"ask": lambda _, key, *__: asked.append(key), "job": lambda *_: None}
    )()
    fresh.index.keep("alone", summaries.SUMMARY, "another stamp", b"{}")
    text = fresh.render("run.html.j2", run_page.context(fresh, "alone"))
    assert asked == ["summary of alone"]
    assert 'hx-get="/runs/alone/summary"' in text
    assert "12 agents, the same for every arm" in text
    assert "<noscript>" in text


def test_health_comes_first_then_verdicts_then_both_kinds_of_metrics(client: TestClient) -> None:
    text = _whole(client, "try")
    order = ["Can this be believed?", "Arms against", "Offline and simulated, side by side"]
    order += ["Sessions, calls and time", "How this was measured", "Scenario as resolved"]
    places = [text.index(title) for title in order]
    assert places == sorted(places)
    assert text.count("<svg viewBox") >= 12  # the forest, a row a comparison
    assert "numpy 2.4.0" in text


def test_what_it_says_is_what_the_report_says(client: TestClient, store: Store) -> None:
    _whole(client, "try")
    answer = client.get("/runs/try/summary.json")
    assert answer.headers["content-disposition"] == 'attachment; filename="try-summary.json"'
    assert answer.json() == json.loads(json.dumps(plain(summarise(store, "try"))))


def test_figures_are_served_from_the_index_and_no_others(client: TestClient) -> None:
    text = _whole(client, "try")
    sources = set(re.findall(r'<img src="(/runs/try/figures/[^"]+)"', text))
    assert any("forest" in one for one in sources)
    for one in sources:
        answer = client.get(one)
        assert answer.headers["content-type"] == "image/png"
        assert answer.content.startswith(b"\x89PNG")
    assert client.get("/runs/try/figures/nothing.png").status_code == 404
    assert client.get("/runs/nothing/figures/forest.png").status_code == 404


def test_a_finished_run_is_worked_out_once_also_by_another_viewer(
    client: TestClient, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    _whole(client, "try")

    def never(*_: object) -> None:
        raise AssertionError("worked out again")

    monkeypatch.setattr(summaries, "document", never)
    again = View(view.store, Index(view.index.file))
    assert summaries.made(again, read(view.store, "try")).figures
    assert again.work.job("summary of try") is None


def test_a_run_that_goes_on_has_another_stamp() -> None:
    with Store.open("sqlite://") as store:
        run = store.begin_run(name="r", seed=1, scenario={}, scenario_file="")
        arm = store.add_arm(
            run, position=0, name="A", recommender="mf", settings={}, is_control=True
        )
        stamps = [summaries.stamp(read(store, "r"))]
        ended: dict[str, object] = {"agent": [1], "exit_page": [1], "shown": [4], "watched": [1]}
        ended |= {"liked": [0], "censored": [False], "outcome": ["ok"]}
        store.add_sessions(arm, 1, ended)  # type: ignore[arg-type]
        stamps.append(summaries.stamp(read(store, "r")))
        store.end_run(run, status="interrupted", seconds=2.0)
        stamps.append(summaries.stamp(read(store, "r")))
        store.resume_run(run)
        store.end_run(run, status="finished", seconds=1.0)
        stamps += [summaries.stamp(read(store, "r"))] * 2
    assert len(set(stamps)) == 4
    assert stamps[-1] == stamps[-2]


def test_every_table_is_sent_as_the_export_writes_it(client: TestClient, store: Store) -> None:
    for frame, read_frame in FRAMES.items():
        answer = client.get(f"/runs/hostile/export/{frame}.csv")
        assert answer.status_code == 200
        expected = csv_safe(read_frame(store, "hostile")).to_csv(index=False, lineterminator="\n")
        assert answer.content == expected.encode()
        assert f"hostile-{frame}.csv" in answer.headers["content-disposition"]
    titles = pd.read_csv(io.StringIO(client.get("/runs/hostile/export/items.csv").text))["title"]
    assert titles.str.contains("<script>").all()  # text is what it was, in a file


@pytest.mark.parametrize(
    "path",
    [
        *("/runs/no", "/runs/no/summary", "/runs/no/summary.json", "/runs/no/events"),
        *("/runs/no/export/pages.csv", "/runs/try/export/no.csv", "/runs/many/export/pages.csv"),
        *("/runs/try/export/..%2Fpages.csv", "/runs/no/style.css", "/runs/'%20OR%201=1"),
        "/runs/%00",
    ],
)
def test_what_is_not_there_is_told_so(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


def test_hostile_text_is_text(client: TestClient) -> None:
    for run in ("hostile", "broke"):
        text = _whole(client, run) if run == "hostile" else client.get(f"/runs/{run}").text
        assert "<script>alert" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "&lt;script&gt;" in text
    assert client.get("/").status_code == 200


def test_nothing_inline_stands_on_the_page(client: TestClient) -> None:
    text = _whole(client, "try")
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("stopped", "Stopped without a word"),
        ("broke", "ValueError"),
        ("cut", "Interrupted"),
        ("poor", "budget is used up"),
    ],
)
def test_a_run_that_did_not_finish_says_why_and_how_to_go_on(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, run: str, said: str
) -> None:
    monkeypatch.setattr("simulator.viewer.live.SETTLING", 0.0)
    text = client.get(f"/runs/{run}").text
    assert said in text
    assert f"audition resume {run}" in text
    assert "Nothing has been measured yet" in text


def test_a_run_that_is_held_is_running(client: TestClient, store: Store) -> None:
    with store.lock_run("stopped"):
        text = client.get("/runs/stopped").text
    assert "Running</h2>" in text
    assert 'sse-connect="/runs/stopped/events"' in text
    assert "Stopped without a word" not in text


def test_what_people_noted_is_counted(client: TestClient, store: Store) -> None:
    assert "believable" not in client.get("/runs/alone").text
    seen = person_notes.Seen("MF", 1, 10, 1)
    for verdict in (person_notes.BELIEVABLE, *2 * [person_notes.NOT_BELIEVABLE]):
        person_notes.add(store, "alone", seen, verdict=verdict)
    text = client.get("/runs/alone").text
    assert '<a href="/runs/alone/notes">3 notes</a>' in text
    assert "1 believable, 2 not" in text


def test_one_arm_has_nothing_to_be_compared_with(client: TestClient) -> None:
    text = _whole(client, "alone")
    assert "nothing to compare it with" in text
    assert "Arms against" not in text


def test_a_family_has_a_page_and_its_members_lead_to_each_other(client: TestClient) -> None:
    whole = _whole(client, "many")
    assert 'href="/runs/many.w1.r1"' in whole
    assert 'aria-label="This run"' not in whole  # its agents are its members'
    member = client.get("/runs/many.w2.r1").text
    assert 'href="/runs/many"' in member
    assert 'href="/runs/many.w1.r1"' in member


def test_each_arm_has_its_colour_in_light_and_dark(client: TestClient) -> None:
    answer = client.get("/runs/try/style.css")
    assert answer.headers["content-type"].startswith("text/css")
    for place in range(len(sample.ARMS)):
        assert answer.text.count(f".a{place}{{") == 3
    assert ".report{" in answer.text


def test_a_table_of_a_run_with_a_name_in_any_letters_is_sent(tmp_path: Path) -> None:
    with Store.open("sqlite://") as store:
        run = store.begin_run(name='мир "1"', seed=7, scenario={}, scenario_file="")
        store.end_run(run, status="finished")
        view = View(store, Index(tmp_path / "i.view"))
        with TestClient(create_app(view), base_url="http://127.0.0.1") as client:
            answer = client.get("/runs/мир%20%221%22/export/offline.csv")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="_1_-offline.csv"'
