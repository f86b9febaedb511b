"""What is asked in which order, and what becomes of the replies."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.interface import OK
from agents.response.question import INVALID, Question
from agents.response.schema import page_schema
from agents.response.session import Exit, Turn

from .asked import (
    INTERVIEW,
    Asked,
    agent4rec_protocol,
    items,
    page_protocol,
    page_reply,
    person,
    plays_agent4rec,
    plays_page,
)
from .world import catalogue

PAGES = ([0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11])


def play(protocol: Any, ask: Asked, pages: Any = PAGES, who: Any = None) -> list[Turn]:
    me = who or person()

    async def through() -> list[Turn]:
        return [await protocol.page(me, n + 1, page, ask) for n, page in enumerate(pages)]

    return asyncio.run(through())


def leaves(question: Question[Any]) -> str:
    said = page_reply(leave=True, reason="enough", exit=INTERVIEW)
    return json.dumps(said) if question.kind == "page" else plays_page(question)


# -- the default protocol --------------------------------------------------------------------


def test_one_call_a_page_becomes_one_turn() -> None:
    ask = Asked(plays_page)
    turn = play(page_protocol(), ask, PAGES[:1])[0]
    assert ask.kinds == ["page"]
    assert (ask.questions[0].row, ask.questions[0].agent, ask.questions[0].page) == (0, 100, 1)
    assert turn.outcome == OK
    assert [slot.interest for slot in turn.slots] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert [slot.aligned for slot in turn.slots] == [False, True, False, True]
    assert [slot.watched for slot in turn.slots] == [True, False, False, False]
    assert turn.slots[0].rating == 4
    assert math.isnan(turn.slots[1].rating)
    assert (turn.slots[0].reason, turn.slots[0].feeling) == ("why 1", "felt 1")
    assert turn.satisfaction == 6
    assert turn.fatigue == pytest.approx(0.3)
    assert (turn.leave, turn.reason, turn.feeling) == (False, "more to see", "content")
    assert turn.exit is None
    assert [memory.kind for memory in turn.memories] == ["factual", "emotional"]


def test_handles_in_any_order_go_to_their_slots() -> None:
    said = page_reply()
    said["items"] = dict(reversed(said["items"].items()))
    turn = play(page_protocol(), Asked(lambda _: json.dumps(said)), PAGES[:1])[0]
    assert [slot.reason for slot in turn.slots] == ["why 1", "why 2", "why 3", "why 4"]


def test_who_leaves_is_interviewed_in_the_same_reply() -> None:
    ask = Asked(leaves)
    turn = play(page_protocol(), ask, PAGES[:1])[0]
    assert turn.leave
    assert turn.exit == Exit(7, 0.8, "good on the whole")
    assert ask.kinds == ["page"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"leave": True, "exit": None}, "exit: must be there, as leave is true"),
        ({"leave": False, "exit": INTERVIEW}, "exit: must be null, as leave is false"),
        ({"leave": True, "exit": INTERVIEW | {"satisfaction": 11}}, "exit.satisfaction"),
        ({"leave": True, "exit": INTERVIEW | {"note": ""}}, "exit.note"),
        ({"leave": True, "exit": True}, "exit"),
    ],
)
def test_an_interview_comes_with_leaving_and_only_then(changed: Any, said: str) -> None:
    ask = Asked(lambda _: json.dumps(page_reply(**changed)))
    turn = play(page_protocol(), ask, PAGES[:1])[0]
    assert turn == Turn(INVALID)
    assert said in ask.complaints[0]


def test_apart_the_interview_is_a_call_of_its_own() -> None:
    protocol, me = page_protocol(interview="apart"), person()
    ask = Asked(plays_page)
    turn = play(protocol, ask, PAGES[:1], me)[0]
    exit_ = asyncio.run(protocol.interview(me, ask))
    assert turn.exit is None
    assert exit_ == Exit(7, 0.8, "good on the whole")
    assert ask.kinds == ["page", "interview"]
    assert '"exit"' not in ask.systems()[0]
    assert "exit" not in ask.questions[0].schema["properties"]  # type: ignore[index]
    refused = Asked(leaves)
    assert play(protocol, refused, PAGES[:1])[0].outcome == INVALID
    assert refused.complaints == ["Value error, exit: was not asked for"]


def test_an_agent_that_was_stopped_is_interviewed_by_itself() -> None:
    protocol, me = page_protocol(), person()
    ask = Asked(plays_page)
    play(protocol, ask, who=me)
    exit_ = asyncio.run(protocol.interview(me, ask))
    assert exit_ == Exit(7, 0.8, "good on the whole")
    last = ask.questions[-1]
    assert (last.kind, last.page) == ("interview", 3)
    assert "<page>" not in ask.texts()[-1]
    failed = asyncio.run(protocol.interview(me, Asked(lambda _: "no")))
    assert failed.outcome == INVALID
    assert math.isnan(failed.satisfaction)
    assert math.isnan(failed.return_intent)


def test_reflections_without_a_call_and_with_one() -> None:
    plain, told = Asked(plays_page), Asked(plays_page)
    summary = play(page_protocol(), plain)
    written = play(page_protocol(reflection="chat"), told)
    assert plain.kinds == ["page"] * 3
    assert told.kinds == ["page", "page", "reflection", "page"]
    for turns in (summary, written):
        kinds = [[memory.kind for memory in turn.memories] for turn in turns]
        assert kinds[1] == ["factual", "emotional", "reflection"]
        assert kinds[0] == kinds[2] == ["factual", "emotional"]
    assert written[1].memories[-1].text == "I conclude this."
    assert play(page_protocol(reflect_every=0), Asked(plays_page))[1].memories[2:] == ()


def test_a_reflection_that_fails_is_left_out() -> None:
    ask = Asked(lambda q: "no" if q.kind == "reflection" else plays_page(q))
    turns = play(page_protocol(reflection="chat", reflect_every=1), ask)
    assert [turn.outcome for turn in turns] == [OK] * 3
    assert [len(turn.memories) for turn in turns] == [2, 2, 2]


def test_who_leaves_does_not_reflect() -> None:
    ask = Asked(leaves)
    turn = play(page_protocol(reflection="chat", reflect_every=1), ask, PAGES[:1])[0]
    assert ask.kinds == ["page"]
    assert len(turn.memories) == 2


def test_the_stable_part_comes_first_and_does_not_change() -> None:
    ask, other = Asked(plays_page), Asked(plays_page)
    protocol = page_protocol()
    play(protocol, ask)
    play(protocol, other, who=replace(person(), row=1))
    assert len(set(ask.systems())) == 1
    assert (
        ask.systems()[0].rpartition("<person>")[0] == other.systems()[0].rpartition("<person>")[0]
    )
    assert ask.systems() != other.systems()
    last = ask.texts()[-1]
    assert last.index("<memory>") < last.index("<visit>") < last.index("<page>")
    assert [item["id"] for item in items(ask.questions[-1])] == ["1", "2", "3", "4"]


def test_nothing_dictates_a_number_to_choose_or_a_page_to_leave_at() -> None:
    ask = Asked(plays_page)
    play(page_protocol(), ask)
    said = " ".join([*ask.systems(), *ask.texts()]).lower()
    for hint in (
        "page 1",
        "page 2",
        "last page",
        "pages left",
        "at least",
        "exactly",
        "choose two",
    ):
        assert hint not in said
    assert "none, some or all" in said


def test_reasons_come_before_numbers() -> None:
    schema = page_schema(2, (1.0, 5.0), together=True)
    judged = list(schema["$defs"]["Judgement"]["properties"])
    asked = list(schema["properties"])
    assert judged[0] == "reason"
    assert asked.index("items") < asked.index("watched") < asked.index("satisfaction")
    assert asked.index("feeling") < asked.index("satisfaction")
    assert asked.index("reason") < asked.index("leave") < asked.index("exit")
    assert next(iter(schema["$defs"]["InterviewReply"]["properties"])) == "reason"
    assert set(schema["required"]) == set(asked)


def test_items_are_described_anew_for_another_catalogue() -> None:
    protocol = page_protocol()
    one, two = Asked(plays_page), Asked(plays_page)
    play(protocol, one, PAGES[:1])
    renamed = catalogue(title=tuple(f"Book {i}" for i in range(40)))
    play(protocol, two, PAGES[:1], person(renamed))
    assert items(one.questions[0])[0]["title"] == "Film 0 (1950)"
    assert items(two.questions[0])[0]["title"] == "Book 0 (1950)"


def test_a_failed_page_says_nothing_else() -> None:
    me = person()
    turn = play(page_protocol(), Asked(lambda _: "{}"), PAGES[:1], me)[0]
    assert turn == Turn(INVALID)
    assert len(me.memory) == 0


# -- the original protocol -------------------------------------------------------------------


def test_two_calls_a_page_a_reflection_every_other_page_and_an_interview() -> None:
    protocol, me = agent4rec_protocol(), person()
    ask = Asked(plays_agent4rec)
    turns = play(protocol, ask, who=me)
    exit_ = asyncio.run(protocol.interview(me, ask))
    once = ["page", "exit"]
    assert ask.kinds == [*once, "page", "reflection", "exit", *once, "interview"]
    assert all(question.schema is None for question in ask.questions)
    assert [turn.outcome for turn in turns] == [OK] * 3
    assert [[m.kind for m in turn.memories] for turn in turns] == [
        ["factual", "emotional"],
        ["factual", "reflection", "emotional"],
        ["factual", "emotional"],
    ]
    assert exit_.satisfaction == 7
    assert exit_.reason == "it knew me"
    assert math.isnan(exit_.return_intent)


def test_what_the_original_does_not_ask_is_not_made_up() -> None:
    turn = play(agent4rec_protocol(), Asked(plays_agent4rec), PAGES[:1])[0]
    assert all(math.isnan(slot.interest) for slot in turn.slots)
    assert math.isnan(turn.satisfaction)
    assert math.isnan(turn.fatigue)
    assert turn.exit is None
    first, second = turn.slots[:2]
    assert (first.aligned, first.watched, first.rating) == (True, True, 4)
    assert (first.reason, first.feeling) == ("why 0", "moved")
    assert (second.aligned, second.watched) == (False, False)
    assert math.isnan(second.rating)
    assert turn.reason == "more to see"
    assert turn.feeling == "Positive. I like it. Tiredness: fresh"


def test_leaving_is_read_from_the_second_reply() -> None:
    def exits(question: Question[Any]) -> str:
        told = plays_agent4rec(question)
        return told.replace("NEXT", "EXIT").replace("POSITIVE", "NEGATIVE")

    turn = play(agent4rec_protocol(), Asked(exits), PAGES[:1])[0]
    assert turn.leave
    assert turn.feeling.startswith("Negative.")
    assert "I leave: more to see" in turn.memories[-1].text


@pytest.mark.parametrize(
    ("kind", "reply", "said"),
    [
        ("page", "I would rather not.", "none of the lines"),
        ("page", "", "there is no text"),
        ("page", "NUM: 1; WATCH: Film 30; REASON: x", "was not shown"),
        ("exit", "POSITIVE: fine", "there is no [NEXT] or [EXIT]"),
        ("exit", "[NEXT] or [EXIT]", "both"),
    ],
)
def test_a_page_with_a_reply_that_cannot_be_used_is_missing(
    kind: str, reply: str, said: str
) -> None:
    ask = Asked(lambda q: reply if q.kind == kind else plays_agent4rec(q))
    turn = play(agent4rec_protocol(), ask, PAGES[:1])[0]
    assert turn == Turn(INVALID)
    assert said in ask.complaints[0]


def test_every_film_must_be_judged() -> None:
    def forgets(question: Question[Any]) -> str:
        return plays_agent4rec(question).partition("\n")[2]

    ask = Asked(forgets)
    assert play(agent4rec_protocol(), ask, PAGES[:1])[0].outcome == INVALID
    assert "a title has no ALIGN: yes or no" in ask.complaints[0]


def test_an_interview_that_cannot_be_read_is_missing() -> None:
    protocol = agent4rec_protocol()
    told = asyncio.run(protocol.interview(person(), Asked(lambda _: "RATING: 99")))
    assert told.outcome == INVALID
    assert math.isnan(told.satisfaction)


def test_a_reasoning_block_is_not_the_answer() -> None:
    def thinks(question: Question[Any]) -> str:
        return f"<think>\nDECISION: [EXIT]\nRATING: 1\n</think>\n{plays_agent4rec(question)}"

    protocol, me = agent4rec_protocol(), person()
    ask = Asked(thinks)
    assert [turn.leave for turn in play(protocol, ask, who=me)] == [False] * 3
    assert asyncio.run(protocol.interview(me, ask)).satisfaction == 7
    assert ask.complaints == []


def test_only_the_original_tells_the_page() -> None:
    ask = Asked(plays_agent4rec)
    play(agent4rec_protocol(), ask)
    shown = [text for text, kind in zip(ask.texts(), ask.kinds, strict=True) if kind == "exit"]
    assert [f"page {n}" in text for n, text in enumerate(shown, 1)] == [True] * 3
    assert "beyond page 4" in shown[0]


def test_traits_are_told_in_words_by_level() -> None:
    profiles = person().profiles
    said = []
    for level in (1, 2, 3):
        levels = np.full(2, level, np.int8)
        changed = replace(profiles, activity=levels, diversity=levels, conformity=levels)
        ask = Asked(plays_agent4rec)
        play(agent4rec_protocol(), ask, PAGES[:1], replace(person(), profiles=changed))
        said.append(ask.systems()[0])
        assert "I love Drama." in said[-1]
    assert len(set(said)) == 3


def test_films_of_one_name_can_be_told_apart() -> None:
    same = catalogue(title=("Hamlet",) * 40, year=(1990,) * 40)
    ask = Asked(plays_agent4rec)
    turn = play(agent4rec_protocol(), ask, PAGES[:1], person(same))[0]
    assert turn.outcome == OK
    titles = [item["title"] for item in items(ask.questions[0])]
    assert titles[:2] == ["Hamlet (1990)", "Hamlet (1990) no. 2"]
    assert [slot.watched for slot in turn.slots] == [True, False, False, False]
