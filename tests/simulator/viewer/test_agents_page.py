"""The table of agents: what is asked for is what is shown, and nothing typed breaks it."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from agents.interface import MemoryEntry
from simulator.evaluation.study import read
from simulator.storage import person_notes, queries
from simulator.storage.store import Store
from simulator.viewer import agents_filter, session_index, session_words
from simulator.viewer.agents_filter import parse
from simulator.viewer.agents_page import context
from simulator.viewer.app import create_app
from simulator.viewer.index import Index
from simulator.viewer.view import View

from ..storage import sample

HOSTILE = '<script>alert(1)</script> "quoted" ‮=HYPERLINK("javascript:alert(1)")'


@pytest.fixture(scope="module")
def view(played: Store, tmp_path_factory: pytest.TempPathFactory) -> View:
    index = Index(tmp_path_factory.mktemp("agents") / "i.view")
    for run in ("quickstart", "chat", "try"):
        session_index.update(played, index, run)
    return View(played, index)


@pytest.fixture(scope="module")
def client(view: View) -> Iterator[TestClient]:
    with TestClient(create_app(view), base_url="http://127.0.0.1") as found:
        yield found


def _all(view: View, run: str, **asked: str) -> list[dict[str, Any]]:
    """The rows of every sheet."""
    first = context(view, run, parse(asked))
    rows = []
    for sheet in range(1, first["sheets"] + 1):
        rows += context(view, run, parse({**asked, "sheet": str(sheet)}))["rows"]
    assert len(rows) == first["total"]
    return rows


def _keys(rows: list[dict[str, Any]]) -> set[tuple[str, int, int]]:
    return {(row["arm"], row["round"], row["agent"]) for row in rows}


def test_without_a_filter_every_session_is_there_in_order(view: View) -> None:
    rows = _all(view, "quickstart")
    wanted = read(view.store, "quickstart").sessions
    order = wanted.sort_values(["arm", "round", "agent"])
    assert [(row["arm"], row["round"], row["agent"]) for row in rows] == list(
        order[["arm", "round", "agent"]].itertuples(index=False, name=None)
    )
    for column in ("exit_page", "shown", "watched", "liked", "outcome"):
        assert [row[column] for row in rows] == order[column].tolist()
    assert [row["why"] for row in rows] == [reason or "" for reason in order["exit_reason"]]


@pytest.mark.parametrize(
    ("asked", "query"),
    [
        ({"arm": "EASE"}, "arm == 'EASE'"),
        ({"round": "2"}, "round == 2"),
        ({"activity": "1", "diversity": "2"}, "activity == 1 and diversity == 2"),
        ({"exit_min": "2", "exit_max": "4"}, "2 <= exit_page <= 4"),
        ({"sat_min": "3.5"}, "satisfaction >= 3.5"),
        ({"sat_max": "4"}, "satisfaction <= 4"),
        ({"outcome": "ok", "conformity": "3"}, "outcome == 'ok' and conformity == 3"),
        ({"round": "1", "arm": "Popularity", "sat_max": "5"},
         "round == 1 and arm == 'Popularity' and satisfaction <= 5"),
    ],
)  # fmt: skip
def test_filters_choose_what_a_query_would(view: View, asked: dict[str, str], query: str) -> None:
    frame = read(view.store, "quickstart").sessions.merge(
        queries.agents(view.store, "quickstart"), on="agent"
    )
    wanted = frame.astype({"arm": str}).query(query)
    found = _all(view, "quickstart", **asked)
    assert _keys(found) == set(wanted[["arm", "round", "agent"]].itertuples(index=False, name=None))


def test_a_failed_session_is_found_by_its_outcome_and_has_no_satisfaction(view: View) -> None:
    (a, b) = _all(view, "try", outcome="invalid")
    assert (a["agent"], b["agent"]) == (5, 5)
    assert a["satisfaction"] is None
    assert not _keys(_all(view, "try", sat_min="0")) & _keys([a, b])


@pytest.mark.parametrize("name", [name for name in agents_filter.COLUMNS if name != "arm"])
def test_a_column_sorts_both_ways_and_what_is_missing_comes_last(view: View, name: str) -> None:
    for run in ("quickstart", "try"):
        up = [row[name] for row in _all(view, run, sort=name)]
        down = [row[name] for row in _all(view, run, sort=f"-{name}")]
        there = [value for value in up if value is not None]
        assert there == sorted(there)
        assert up[len(there) :] == [None] * (len(up) - len(there))
        assert down == sorted(there, reverse=True) + [None] * (len(up) - len(there))


def test_a_watched_item_is_meant_by_title_part_of_a_title_or_number(view: View) -> None:
    shown = queries.exposures(view.store, "quickstart")
    seen = shown[shown["watched"].fillna(False).astype(bool)].astype({"arm": str})
    titles = queries.items(view.store, "quickstart").set_index("item")["title"]
    item = int(seen["item"].mode()[0])
    wanted = set(
        seen.loc[seen["item"] == item, ["arm", "round", "agent"]].itertuples(index=False, name=None)
    )
    assert wanted
    for text in (titles[item], titles[item].upper(), str(item), f"#{item}"):
        same = titles[titles.str.casefold() == titles[item].casefold()]
        if len(same) == 1 or text.lstrip("#").isdigit():
            assert _keys(_all(view, "quickstart", item=text)) == wanted, text
    part = titles[item][:3].casefold()
    several = titles.index[titles.str.casefold().str.contains(part, regex=False)]
    wanted = set(
        seen.loc[seen["item"].isin(several), ["arm", "round", "agent"]].itertuples(
            index=False, name=None
        )
    )
    assert _keys(_all(view, "quickstart", item=part)) == wanted


def test_words_and_phrases_find_what_was_said(view: View) -> None:
    for question, pattern in (
        ("enough", r"\benough"), ('"seen enough"', r"\bseen enough\b"), ("ENOU seen", "seen enough")
    ):  # fmt: skip
        pages = queries.pages(view.store, "quickstart").astype({"arm": str})
        right = pages[pages["reason"].fillna("").str.contains(pattern, case=False)]
        wanted = set(right[["arm", "round", "agent"]].itertuples(index=False, name=None))
        found = _all(view, "quickstart", q=question)
        assert _keys(found) == wanted != set()
        for row in found:
            place, parts = row["hit"]
            assert place in ("page reason", "exit reason")
            assert any(part.hit for part in parts)


def test_without_full_text_search_words_are_found_too(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = _keys(_all(view, "chat", q="the"))
    assert wanted
    monkeypatch.setattr(session_words, "searchable", lambda index: False)
    found = _all(view, "chat", q="the")
    assert _keys(found) >= wanted
    assert all(any(part.hit for part in row["hit"][1]) for row in found)
    assert _all(view, "chat", q="100%_") == []


TYPED = (
    *('"', '""', "*", "a*", "^x", "NEAR(a b, 2)", "a AND", "OR", "text:enough", "-enough", "("),
    *(
        "x'",
        "'; DROP TABLE visits; --",
        "\0",
        "🎬",
        "a" * 5000,
        '"enough',
        "{a}",
        "a + b",
        "%",
        "\\",
    ),
    *("words_1", "\ud800".encode("utf-8", "replace").decode()),
)


@pytest.mark.parametrize("field", ["q", "item", "arm", "outcome", "sort", "sheet", "sat_min"])
def test_nothing_typed_breaks_a_search(client: TestClient, field: str) -> None:
    for typed in TYPED:
        answer = client.get("/runs/quickstart/agents", params={field: typed})
        assert answer.status_code == 200, typed
        assert "<h1>Agents</h1>" in answer.text
    assert client.get("/runs/quickstart/agents").text.count("<tr data-row>") == agents_filter.SHEET


def test_numbers_out_of_range_ask_for_nothing(view: View) -> None:
    every = context(view, "quickstart", parse({}))["total"]
    for name in ("round", "agent", "exit_min", "sat_max", "activity"):
        for text in ("-1e999", "nan", "1e400", "９", "9" * 300, "1;2"):
            assert context(view, "quickstart", parse({name: text}))["total"] == every
    assert context(view, "quickstart", parse({"sheet": "999999"}))["sheet"] == 2


def test_an_empty_answer_says_what_to_let_go(view: View, client: TestClient) -> None:
    asked = {"arm": "EASE", "round": "2", "agent": "999999"}
    shown = context(view, "quickstart", parse(asked))
    assert shown["total"] == 0
    best = shown["relax"][0]
    assert (best["text"], best["count"]) == ("agent 999999", 16)
    assert best["without"] == {"arm": "EASE", "round": 2}
    page = client.get("/runs/quickstart/agents", params=asked).text
    assert "without <a href" in page
    shown = context(view, "quickstart", parse({"agent": "999999", "q": "zzzz"}))
    assert [one["count"] for one in shown["relax"]] == [0, 0]
    assert all(one["alone"] == 0 for one in shown["relax"])


def test_sheets_links_and_the_part_for_scripts(client: TestClient) -> None:
    page = client.get("/runs/quickstart/agents?sort=-watched").text
    assert page.count("<tr data-row>") == agents_filter.SHEET
    assert 'rel="next"' in page
    assert 'rel="prev"' not in page
    following = html.unescape(re.findall(r'rel="next" href="([^"]+)"', page)[0])
    assert following == "/runs/quickstart/agents?sort=-watched&sheet=2"
    part = client.get(
        "/runs/quickstart/agents?arm=&q=&sort=-watched&sheet=2", headers={"HX-Request": "true"}
    )
    assert part.headers["HX-Push-Url"] == following
    assert part.text.lstrip().startswith('<section id="agents"')
    assert 'rel="prev"' in part.text
    assert re.search(r'href="/runs/quickstart/agents/\d+\?arm=', page)


def test_the_file_holds_what_the_table_shows(client: TestClient, view: View) -> None:
    answer = client.get("/runs/quickstart/agents.csv?arm=EASE&sort=-satisfaction")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    shown = _all(view, "quickstart", arm="EASE", sort="-satisfaction")
    assert [int(row["agent"]) for row in rows] == [row["agent"] for row in shown]
    assert [float(row["s_sat"]) for row in rows] == [row["satisfaction"] for row in shown]
    assert rows[0]["user_id"] == shown[0]["user"]


def test_suggestions_are_titles_of_the_run(client: TestClient, view: View) -> None:
    titles = queries.items(view.store, "quickstart")["title"]
    answer = client.get("/runs/quickstart/titles", params={"item": titles[5][:4]}).text
    found = [html.unescape(text) for text in re.findall(r'value="([^"]*)"', answer)]
    assert titles[5] in found or len(found) == 12
    assert set(found) <= set(titles)
    assert client.get("/runs/quickstart/titles?item=").text.strip() == ""
    assert client.get("/runs/none/titles?item=a").status_code == 404


def test_texts_titles_and_names_are_text(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        run = sample.begin(store, name="run <b>")
        arm = sample.add_arm(store, run, 0, "<i>arm</i>")
        store.add_pages(
            arm, 1, 1, agent=sample.AGENTS, item=np.array([[0], [1], [2]]),
            rank=np.ones((3, 1), np.int64),
            answers=sample.answers([[1], [1], [1]], reason=[HOSTILE, "x " * 500_000, "fine"]),
            memories=[MemoryEntry(0, 1, "factual", HOSTILE, 0.5)], agent_of_row=sample.AGENTS,
        )  # fmt: skip
        ended: dict[str, Any] = {"agent": sample.AGENTS, "exit_page": [1] * 3, "shown": [1] * 3}
        ended |= {
            "watched": [1] * 3,
            "liked": [1] * 3,
            "exit_reason": [HOSTILE] * 3,
            "censored": [False] * 3,
        }
        store.add_sessions(arm, 1, ended | {"outcome": ["ok", "ok", HOSTILE]})
        store.end_run(run, status="finished")
        index = Index(tmp_path / "i.view")
        session_index.update(store, index, "run <b>")
        with TestClient(create_app(View(store, index)), base_url="http://127.0.0.1") as client:
            for query in ("", "?q=script", "?q=javascript+alert", "?item=SUM", "?q=zzz", "?q=<b>"):
                answer = client.get(f"/runs/run%20%3Cb%3E/agents{query}")
                assert answer.status_code == 200
                assert "<script>alert" not in answer.text
                assert "<i>arm" not in answer.text
                shown = re.sub(r'(value|class)="[^"]*"', "", answer.text)  # not on the page
                assert "‮" not in shown
            found = client.get("/runs/run%20%3Cb%3E/agents?q=script").text
            assert "<mark>script</mark>" in found
            lines = client.get("/runs/run%20%3Cb%3E/agents.csv").text
            assert not re.search(r"(^|,)[=+@]", lines, re.MULTILINE)


def test_a_family_shows_its_first_member_and_says_so(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        store.begin_family(
            name="fam", members=["/1", "/2"], scenario={"arms": []}, scenario_file="f",
            versions={}, identity="x",
        )  # fmt: skip
        for world in (1, 2):
            run = sample.begin(store, name=f"fam/{world}", family="fam", world=world)
            sample.play(store, sample.add_arm(store, run, 0, "A"))
            store.end_run(run, status="finished")
        index = Index(tmp_path / "i.view")
        session_index.update(store, index, "fam/1")
        view = View(store, index)
        shown = context(view, "fam", parse({}))
        assert shown["member"] == "fam/1"
        assert shown["total"] == 3
        page = view.render("agents.html.j2", shown)
        assert "a family of 2 runs" in page


def test_before_anything_is_read_the_page_says_so(played: Store, tmp_path: Path) -> None:
    view = View(played, Index(tmp_path / "i.view"))
    shown = context(view, "chat", parse({}))
    assert shown["reading"] == "begun"
    assert "are being read" in view.render("agents.html.j2", shown)
    view.work.close()


def test_an_unknown_run_is_not_there(client: TestClient) -> None:
    for path in ("/runs/none/agents", "/runs/none/agents.csv", "/runs/..%2f/agents"):
        assert client.get(path).status_code == 404


def test_a_session_somebody_noted_is_found(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        run = sample.begin(store)
        for position, name in enumerate(("A", "B")):
            sample.play(store, sample.add_arm(store, run, position, name))
        store.end_run(run, status="finished")
        index = Index(tmp_path / "i.view")
        session_index.update(store, index, "try")
        view = View(store, index)
        seen = person_notes.Seen("B", 1, 8, 1)
        person_notes.add(store, "try", seen, verdict="believable", text="yes", author="")
        (row,) = _all(view, "try", notes="1")
        assert (row["arm"], row["round"], row["agent"], row["noted"]) == ("B", 1, 8, True)
        assert "has a note" in view.render("agents.html.j2", context(view, "try", parse({})))


def test_words_are_found_and_marked_whatever_their_accents(tmp_path: Path) -> None:
    told = ["A naïve café, " + "so " * 100 + "Ünderwhelming", "cafeteria", "decaf"]
    with Store.open(tmp_path / "s.db") as store:
        run = sample.begin(store)
        arm = sample.add_arm(store, run, 0, "A")
        ended: dict[str, Any] = {"agent": sample.AGENTS, "exit_page": [1] * 3, "shown": [1] * 3}
        ended |= {"watched": [0] * 3, "liked": [0] * 3, "censored": [False] * 3}
        store.add_sessions(arm, 1, ended | {"exit_reason": told, "outcome": ["ok"] * 3})
        store.end_run(run, status="finished")
        index = Index(tmp_path / "i.view")
        session_index.update(store, index, "try")
        view = View(store, index)
        for question, agents, marked in (
            ("cafe", [3, 5], ["café", "cafe"]),
            ('"cafe"', [3], ["café"]),
            ("under naive", [3], ["naïve"]),
            ("ünderwhelming", [3], ["Ünderwhelming"]),
            ("CAFÉTERIA", [5], ["cafeteria"]),
        ):
            rows = _all(view, "try", q=question)
            assert [row["agent"] for row in rows] == agents, question
            hits = [part.text for row in rows for part in row["hit"][1] if part.hit]
            assert hits == marked
            for row in rows:
                text = "".join(part.text for part in row["hit"][1])
                assert text.strip("…") in told[sample.AGENTS.tolist().index(row["agent"])]
