"""The page of one agent, its calls and its downloads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from starlette.testclient import TestClient

from simulator.storage.store import Store
from simulator.transcript import transcript
from simulator.transcript_markdown import markdown
from simulator.viewer import pair_page
from simulator.viewer.agent_page import context, spark
from simulator.viewer.app import create_app
from simulator.viewer.calls_page import CUT
from simulator.viewer.index import Index
from simulator.viewer.links import Links
from simulator.viewer.view import View

from ..report import sample
from . import seen

AT = "/runs/seen/agents"


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        seen.write(opened)
        sample.write(opened, sample.Sample(3, rounds=2))
        opened.begin_run(name="new", seed=1, scenario={}, scenario_file="")
        yield opened


@pytest.fixture(scope="module")
def client(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    view = View(store, Index(tmp_path_factory.mktemp("view") / "i.view"))
    with TestClient(create_app(view), base_url="http://127.0.0.1") as opened:
        yield opened


def _page(client: TestClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.text


def _words(html: str) -> str:
    """What a person reads."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def test_every_page_says_what_was_shown_thought_done_and_felt(client: TestClient) -> None:
    html = _page(client, f"{AT}/5?arm=One")
    words = _words(html)
    for needed in (
        "Agent 5",
        "a <model>",
        "1999, Drama",
        "shown as 3.5",
        "✓ held out",
        "0.75",
        "two lines",
        "satisfaction 7.0 of 10, fatigue 0.20",
        "at ease",
        "Stays :",
        "Leaves :",
        "Left after page 2: had enough",
        "6.0 of 10",
        "50 %",
        "4 items, 2 watched, 2 rated 3.5 on average",
        "page 2, then 2 entries",
    ):
        assert needed in words, needed
    assert re.findall(r'id="(page-\d+)" data-page="(\d+)"', html) == [
        ("page-1", "1"),
        ("page-2", "2"),
    ]
    assert 'href="#page-2"' in html


def test_hostile_text_is_text(client: TestClient) -> None:
    for address in (f"{AT}/5?arm=One", f"{AT}/9?arm=One", f"{AT}/5/calls", f"{AT}/5/calls?page=1"):
        html = _page(client, address)
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "\x1b" not in html
        assert 'href="javascript' not in html
        assert not re.search(r'\son\w+="', html)
        assert " style=" not in html


def test_arms_are_told_at_a_glance_and_linked(client: TestClient) -> None:
    html = _page(client, f"{AT}/5")
    tabs = html[html.index('class="visits"') : html.index("</nav>", html.index('class="visits"'))]
    assert "2 pages, watched 2 of 4, satisfied 6.0" in _words(tabs)
    assert "satisfied 8.0" in _words(tabs)
    assert f'href="{AT}/5?arm=Two&amp;round=1"' in tabs
    assert tabs.count('aria-current="page"') == 1
    assert "failed (invalid), 1 page" in _words(_page(client, f"{AT}/6"))
    assert "not over" in _words(_page(client, f"{AT}/9?arm=Two"))


def test_a_failed_page_is_missing_data_and_shows_no_behaviour(client: TestClient) -> None:
    words = _words(_page(client, f"{AT}/6"))
    assert "No usable answer (invalid): missing data, not behaviour." in words
    for behaviour in ("Stays", "Leaves", "watched no", "plain", "satisfaction 7.0"):
        assert behaviour not in words


def test_previous_and_next_are_agents_of_the_same_arm(client: TestClient) -> None:
    html = _page(client, f"{AT}/6?arm=One")
    assert re.findall(r'rel="(prev|next)" href="([^"]+)"', html) == [
        ("prev", f"{AT}/5?arm=One&amp;round=1"),
        ("next", f"{AT}/9?arm=One&amp;round=1"),
    ]
    html = _page(client, f"{AT}/5?arm=Two")
    assert re.findall(r'rel="(prev|next)" href="([^"]+)"', html) == [
        ("next", f"{AT}/9?arm=Two&amp;round=1")
    ]


def test_rounds_are_visits_of_their_own(client: TestClient) -> None:
    first, second = (_page(client, f"/runs/try/agents/11?arm=MF&round={n}") for n in (1, 2))
    assert first != second
    assert "round 2" in _words(second)
    assert "Visit to MF , round 2" in _words(second)


@pytest.mark.parametrize(
    "address",
    [
        f"{AT}/7",
        f"{AT}/5?arm=Three",
        f"{AT}/5?arm=One&round=2",
        f"{AT}/5?round=0",
        f"{AT}/5?round=x",
        f"{AT}/6?arm=Two",
        f"{AT}/-1",
        f"{AT}/1e3",
        f"{AT}/99999999999999999999",
        f"{AT}/5'--",
        "/runs/other/agents/5",
        "/runs/new/agents/5",
        f"{AT}/7/transcript.json",
        f"{AT}/5/transcript.md?arm=Three",
        f"{AT}/5/calls?page=99",
        f"{AT}/5/calls?kind='",
        f"{AT}/9/calls",
        f"{AT}/5/calls.txt?page=1&message=9",
        f"{AT}/5/calls.txt?page=1&message=0",
        f"{AT}/5/calls.txt?attempt=99999999999999999999",
    ],
)
def test_what_is_not_there_is_said(client: TestClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert "This is not here." in answer.text


def test_calls_are_told_with_what_they_took(client: TestClient) -> None:
    html = _page(client, f"{AT}/5?arm=One")
    words = _words(html)
    assert "2 calls to the model 200 tokens in, 40 out 1 refused" in words
    assert "attempt 1: invalid not what was asked for What was wrong: " in words
    assert "100 tokens in, 20 out; $0.001200; 0.250 s" in words
    assert "cost not known; 1.500 s" in words
    assert "known already, nothing sent (reply of run seen )" in _words(
        _page(client, f"{AT}/5?arm=Two")
    )
    raw = re.findall(r'hx-get="([^"]+)" hx-trigger="toggle once"', html)
    assert [unescape(address) for address in raw] == [
        f"{AT}/5/calls?arm=One&round=1&page=1&kind=page&attempt={n}" for n in (1, 2)
    ]


def test_prompt_and_reply_are_loaded_on_opening(client: TestClient) -> None:
    address = f"{AT}/5/calls?arm=One&round=1&page=1&kind=page&attempt=1"
    part = client.get(address, headers={"HX-Request": "true"}).text
    whole = _page(client, address)
    assert "<html" not in part
    assert "<html" in whole
    for text in (part, whole):
        assert [*re.findall(r"<strong>(\w+)</strong> <span", text)] == ["system", "user", "reply"]
        assert "&lt;script&gt;" in text
    page = _page(client, f"{AT}/5/calls?arm=One&page=1")
    assert page.count("attempt 1:") == page.count("attempt 2:") == 1


def test_a_long_text_is_cut_and_whole_as_a_file(client: TestClient) -> None:
    address = f"{AT}/5/calls?arm=One&page=1&attempt=2"
    html = _page(client, address)
    assert len(html) < 4 * CUT
    assert f"{len(seen.LONG):,} characters, the first {CUT:,} of them here" in _words(html)
    (link,) = [
        unescape(one)
        for one in re.findall(r'href="([^"]*calls\.txt[^"]*)"', html)
        if "message" not in one
    ]
    answer = client.get(link)
    assert answer.text == seen.LONG
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    asked = client.get(f"{AT}/5/calls.txt?arm=One&page=1&attempt=2&message=1").text
    assert asked == seen.HOSTILE


def test_a_megabyte_that_was_felt_is_cut_on_the_page_and_whole_in_the_json(
    client: TestClient,
) -> None:
    html = _page(client, f"{AT}/9?arm=One")
    assert "word and &lt;b&gt;bold&lt;/b&gt; word" in html
    assert len(html) < 100_000
    (visit,) = client.get(f"{AT}/9/transcript.json?arm=One").json()["visits"]
    assert visit["pages"][0]["feeling"] == seen.LONG


def test_the_json_is_that_of_the_command(client: TestClient, store: Store) -> None:
    answer = client.get(f"{AT}/5/transcript.json")
    document = transcript(store, "seen", 5)
    assert answer.text == json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert 'filename="seen-agent-5.json"' in answer.headers["content-disposition"]
    one = client.get(f"{AT}/5/transcript.json?arm=Two").json()
    assert [visit["arm"] for visit in one["visits"]] == ["Two"]


def test_in_markdown_hostile_text_makes_nothing(client: TestClient, store: Store) -> None:
    text = client.get(f"{AT}/5/transcript.md").text
    assert text == markdown(transcript(store, "seen", 5))
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    every = [child for token in tokens for child in (token, *(token.children or ()))]
    kinds = {token.type for token in every}
    assert not kinds & {"link_open", "html_block", "html_inline", "image", "code_inline", "fence"}
    heads = [
        tokens[place + 1].content
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    visit = ["Page 1", "Page 2", "The end"]
    assert heads == ["Agent 5", "One, round 1", *visit, "Two, round 1", *visit]
    rows = [token for token in tokens if token.type == "tr_open"]
    assert len(rows) == 2 * (2 + 4)  # of two visits: a head and two items a page
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "hostile",
    ["# big", "- item", "1. one", "> said", "a\n\n# b", "```\nx", "| a | b |", "---", "=="],
)
def test_in_markdown_no_text_begins_anything(store: Store, hostile: str) -> None:
    document = transcript(store, "seen", 5, "One")
    plain = [token.type for token in MarkdownIt("commonmark").parse(markdown(document))]
    page = document["visits"][0]["pages"][0]
    page["feeling"] = page["reason"] = page["items"][0]["title"] = hostile
    document["agent"]["tastes"] = [hostile]
    assert [t.type for t in MarkdownIt("commonmark").parse(markdown(document))] == plain


class Files(Links):
    """Where nobody answers."""

    live = False

    def __init__(self, calls: bool) -> None:
        self.calls = calls


@pytest.mark.parametrize("calls", [True, False])
def test_without_a_viewer_behind_it_nothing_asks_for_one(
    store: Store, tmp_path: Path, calls: bool
) -> None:
    view = View(store, Index(tmp_path / "i.view"), Files(calls))
    html = view.render("agent.html.j2", context(view, "seen", 5, "One"))
    pair = view.render("pair.html.j2", pair_page.context(view, "seen", 5))
    assert "2 calls to the model" in _words(html)
    for text in (html, pair):
        forms = re.findall(r'<form[^>]*method="(\w+)"', text)
        assert set(forms) <= {"dialog"}
        assert "hx-" not in text.replace("htmx-config", "")
        assert "transcript.json" not in text
    assert ("agents/5/calls?" in html) == calls


def test_a_line_over_pages_breaks_where_a_page_has_no_value() -> None:
    line = spark([1.0, 10.0, None, 5.5], 1, 10)
    assert line is not None
    assert [len(points.split()) for points in line["lines"]] == [2]
    assert [dot["value"] for dot in line["dots"]] == [1.0, 10.0, 5.5]
    lowest, highest, middle = (float(dot["y"]) for dot in line["dots"])
    assert lowest > middle > highest
    assert middle == pytest.approx((lowest + highest) / 2)
    assert spark([None, None], 0, 1) is None
    assert spark([], 0, 1) is None
