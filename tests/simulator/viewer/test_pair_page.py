"""One agent in two arms, side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from starlette.testclient import TestClient

from agents.interface import OK
from simulator.storage.store import Store
from simulator.viewer.app import create_app
from simulator.viewer.index import Index
from simulator.viewer.pair_page import alike, context, divergence
from simulator.viewer.view import View

from ..report import sample
from . import seen

AT = "/runs/seen/agents"


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    with Store.open("sqlite://") as opened:
        seen.write(opened)
        sample.write(opened, sample.Sample(4, rounds=2, failed=(1,)))
        yield View(opened, Index(tmp_path_factory.mktemp("view") / "i.view"))


@pytest.fixture(scope="module")
def client(view: View) -> Iterator[TestClient]:
    with TestClient(create_app(view), base_url="http://127.0.0.1") as opened:
        yield opened


def _words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def _get(client: TestClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_first_points_of_divergence_are_named_and_marked(client: TestClient) -> None:
    html = _get(client, f"{AT}/5/pair?a=One&b=Two")
    words = _words(html)
    assert "First different item: page 2, slot 1" in words
    assert (
        "First different answer to the same item: page 1, slot 1 : rated 4 in One , 5 in Two"
        in words
    )
    marks = re.findall(r'<span class="chip point">([^<]*)</span>', html)
    assert marks == [*["first different answer"] * 2, *["first different item"] * 2]
    assert html.index('id="page-1"') < html.index("first different answer</span>")
    assert html.index("first different answer</span>") < html.index('id="page-2"')


def test_items_in_both_are_marked_with_where_they_are(client: TestClient) -> None:
    words = _words(_get(client, f"{AT}/5/pair?a=One&b=Two"))
    assert "in both: there on page 2, slot 1" in words  # item 3: slot 2 in One, slot 1 in Two
    assert "in both: there on page 2, slot 2" in words
    assert "3 items were shown in both, of 4 in One and 4 in Two" in words


def test_outcomes_are_compared_right_minus_left(client: TestClient, view: View) -> None:
    rows = {row["words"]: row for row in context(view, "seen", 5, "One", "Two")["differences"]}
    assert rows["pages seen"]["values"] == [2, 2]
    assert rows["pages seen"]["difference"] == 0
    assert rows["mean rating"]["values"] == [3.5, 4.0]
    assert rows["mean rating"]["difference"] == 0.5
    assert rows["satisfaction, asked at the end"]["difference"] == 2
    words = _words(_get(client, f"{AT}/5/pair?a=Two&b=One"))
    assert "satisfaction, asked at the end 8.0 6.0 −2.0" in words
    assert "mean rating 4.00 3.50 −0.50" in words
    assert "watched 2 2 same" in words


def test_the_control_stands_on_the_left_unless_arms_are_chosen(view: View) -> None:
    def arms(**chosen: Any) -> tuple[str, str, int]:
        found = context(view, "try", 10, **chosen)
        return found["a"], found["b"], found["round"]

    assert arms() == ("MF", "Random", 1)
    assert arms(b="LightGCN") == ("MF", "LightGCN", 1)
    assert arms(b="MF") == ("Random", "MF", 1)
    assert arms(a="LightGCN", round_=2) == ("LightGCN", "Random", 2)


def test_a_failed_visit_is_compared_with_nothing(client: TestClient) -> None:
    words = _words(_get(client, "/runs/try/agents/11/pair?a=MF&b=Random"))
    assert "The visit to MF failed: missing data" in words
    assert "watched – – –" in words
    assert "Stays" not in words


def test_a_visit_that_is_not_over_has_no_outcome_yet(client: TestClient) -> None:
    words = _words(_get(client, f"{AT}/9/pair"))
    assert "pages seen 1 – –" in words
    assert "not over" in words
    assert re.findall(r'rel="(prev|next)" href="([^"]+)"', _get(client, f"{AT}/9/pair")) == [
        ("prev", f"{AT}/5/pair?a=One&amp;b=Two&amp;round=1")
    ]


def test_hostile_text_is_text(client: TestClient) -> None:
    html = _get(client, f"{AT}/5/pair")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "\x1b" not in html
    assert " style=" not in html


@pytest.mark.parametrize(
    "address",
    [
        f"{AT}/6/pair",  # was in one arm only
        f"{AT}/7/pair",
        f"{AT}/5/pair?a=One&b=One",
        f"{AT}/5/pair?a=One&b=Nobody",
        f"{AT}/5/pair?a=';--",
        f"{AT}/5/pair?round=2",
        f"{AT}/5/pair?round=-1",
        "/runs/nothing/agents/5/pair",
    ],
)
def test_what_is_not_there_is_said(client: TestClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404
    assert "This is not here." in answer.text


# -- where they part, by hand ------------------------------------------------------------------


def _page(number: int, items: list[int], outcome: str = OK, **more: Any) -> dict[str, Any]:
    answers = more.pop("watched", [False] * len(items))
    return {
        "page": number,
        "outcome": outcome,
        "items": [
            {"slot": slot, "item": item, "watched": watched}
            | {"rating": None, "aligned": True, "interest": 0.5}
            for slot, (item, watched) in enumerate(zip(items, answers, strict=True), start=1)
        ],
        "leave": False,
        "satisfaction": 5.0,
        "fatigue": 0.1,
        **more,
    }


def test_the_same_visits_part_nowhere() -> None:
    visit = [_page(1, [1, 2]), _page(2, [3, 4])]
    assert divergence(visit, visit) == {"shown": None, "answer": None}
    assert alike(visit, visit) == {"left": 4, "right": 4, "shared": 4, "placed": 4}


def test_one_order_of_items_is_another_page() -> None:
    found = divergence([_page(1, [1, 2, 3])], [_page(1, [1, 3, 2])])
    assert found == {"shown": {"page": 1, "slot": 2}, "answer": None}
    assert alike([_page(1, [1, 2, 3])], [_page(1, [1, 3, 2])])["placed"] == 1


def test_a_shorter_page_differs_where_it_ends() -> None:
    assert divergence([_page(1, [1, 2])], [_page(1, [1])])["shown"] == {"page": 1, "slot": 2}


def test_an_answer_differs_only_to_the_same_item() -> None:
    left = [_page(1, [1, 2], watched=[False, True]), _page(2, [3, 4], watched=[False, True])]
    right = [_page(1, [1, 5], watched=[False, False]), _page(2, [6, 4], watched=[True, False])]
    found = divergence(left, right)
    assert found["shown"] == {"page": 1, "slot": 2}
    assert found["answer"] == {"page": 2, "slot": 2, "what": "watched", "values": [True, False]}


def test_a_page_of_the_same_items_may_be_felt_differently() -> None:
    left, right = [_page(1, [1, 2])], [_page(1, [1, 2], leave=True)]
    expected = {"page": 1, "slot": None, "what": "leaves", "values": [False, True]}
    assert divergence(left, right)["answer"] == expected
    assert divergence(left, [_page(1, [1, 3], leave=True)])["answer"] is None


def test_a_failed_page_is_no_answer() -> None:
    found = divergence(
        [_page(1, [1, 2])], [_page(1, [1, 2], outcome="invalid", watched=[True] * 2)]
    )
    assert found["answer"] == {
        "page": 1,
        "slot": None,
        "what": "answered at all",
        "values": [True, False],
    }


def test_numbers_that_are_stored_alike_do_not_differ() -> None:
    left, right = _page(1, [1]), _page(1, [1])
    right["items"][0]["interest"] += 1e-8
    assert divergence([left], [right])["answer"] is None
    right["items"][0]["interest"] += 1e-3
    answer = divergence([left], [right])["answer"]
    assert answer is not None
    assert answer["what"] == "interest"
