"""What happens to a page when the endpoint misbehaves. Real HTTP, calls counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents.interface import OK, AgentError, Answers, Call
from agents.response import gateway

from .server import Answer, Reply, Request, Server, first, page_answer, rules
from .world import KEY, page, visit

Spoil = Callable[[dict[str, Any]], None]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "_FIRST_WAIT", 0.01)


def one_page(answer: Answer, **settings: Any) -> tuple[Answers, list[Call], list[Request]]:
    with Server(answer) as server:
        session = visit(server, **settings)
        answers = session.turn(page(1))
        return answers, session.notes().calls, server.requests


def spoilt(spoil: Spoil) -> Answer:
    """The rules' answer with one thing wrong; right when asked to repair it."""

    def answer(request: Request) -> Reply:
        said = page_answer(request)
        if not request.is_repair:
            spoil(said)
        return Reply(said)

    return answer


def assert_missing(answers: Answers, outcome: str) -> None:
    assert list(answers.outcome) == [outcome]
    for column in (answers.interest, answers.rating, answers.satisfaction, answers.fatigue):
        assert np.isnan(column).all()
    for flags in (answers.watched, answers.aligned, answers.leave):
        assert not flags.any()


def _judged(said: dict[str, Any], handle: str) -> dict[str, Any]:
    found: dict[str, Any] = said["items"][handle]
    return found


SPOILT: dict[str, tuple[Spoil, str]] = {
    "handle never shown": (
        lambda a: a["items"].update({"9": a["items"].pop("2")}),
        "no item '9' was shown; item 2 is not judged",
    ),
    "handle missing": (lambda a: a["items"].pop("3"), "item 3 is not judged"),
    "watched twice": (
        lambda a: a.update(watched=[{"id": "1", "rating": 4, "feeling": ""}] * 2),
        "item 1 stands there twice",
    ),
    "watched what was not shown": (
        lambda a: a.update(watched=[{"id": "77", "rating": 4, "feeling": ""}]),
        "no item '77' was shown",
    ),
    "title for a handle": (
        lambda a: a.update(watched=[{"id": "Film 1", "rating": 4, "feeling": ""}]),
        "no item 'Film 1' was shown",
    ),
    "rating for an unwatched item": (
        lambda a: _judged(a, "1").update(rating=4),
        "items.1.rating: Extra inputs are not permitted",
    ),
    "watched without a rating": (
        lambda a: a.update(watched=[{"id": "1", "rating": None, "feeling": ""}]),
        "watched.0.rating",
    ),
    "rating off the scale": (
        lambda a: a.update(watched=[{"id": "1", "rating": 6, "feeling": ""}]),
        "rating must be 1 to 5",
    ),
    "interest as a share": (lambda a: _judged(a, "1").update(interest=0.8), "items.1.interest"),
    "interest off the scale": (lambda a: _judged(a, "1").update(interest=11), "items.1.interest"),
    "number as text": (lambda a: a.update(satisfaction="7"), "satisfaction"),
    "satisfaction of nought": (lambda a: a.update(satisfaction=0), "satisfaction"),
    "truth as a word": (lambda a: a.update(leave="yes"), "leave"),
    "truth as a number": (lambda a: a.update(fatigue=True), "fatigue"),
    "key missing": (lambda a: a.pop("leave"), "leave: Field required"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_wrong_answer_is_asked_again_with_the_error(name: str) -> None:
    spoil, complaint = SPOILT[name]
    answers, calls, requests = one_page(spoilt(spoil))
    assert list(answers.outcome) == [OK]
    assert [call.outcome for call in calls] == ["invalid", "repaired"]
    again = requests[1].messages
    assert again[:2] == requests[0].messages
    assert again[2] == {"role": "assistant", "content": calls[0].reply}
    assert complaint in again[3]["content"]


TEXTS = {
    "code fence": ("```json\n%s\n```", OK),
    "prose around": ("Here you are:\n%s\nI hope this helps!", OK),
    "thinking first": ("<think>is it {good}?</think>\n%s", OK),
    "cut off": ('{"items": {"1"', "invalid"),
    "two objects": ("%s\n%s", "invalid"),
    "no JSON": ("I would watch the first one.", "invalid"),
    "a list": ("[1, 2, 3]", "invalid"),
    "deep": ('{"a":' * 20_000, "invalid"),
    "not a number": ('{"satisfaction": NaN}', "invalid"),
    "key twice": ('{"leave": true, "leave": false}', "invalid"),
    "long number": ('{"satisfaction": ' + "9" * 5000 + "}", "invalid"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_reply_is_read_or_refused_never_guessed(name: str) -> None:
    pattern, outcome = TEXTS[name]
    answers, calls, _ = one_page(
        lambda r: Reply(pattern.replace("%s", json.dumps(page_answer(r)))), structured="json"
    )
    if outcome == OK:
        assert list(answers.outcome) == [OK]
        assert len(calls) == 1
    else:
        assert_missing(answers, outcome)
        assert [call.outcome for call in calls] == ["invalid", "invalid"]


def test_the_same_key_twice_in_the_items_is_refused() -> None:
    def twice(request: Request) -> Reply:
        text = json.dumps(page_answer(request))
        return Reply(text.replace('"2": {', '"1": {', 1))

    answers, _, requests = one_page(twice)
    assert_missing(answers, "invalid")
    assert "the key '1' stands twice" in requests[1].messages[3]["content"].replace("\\u0027", "'")


def test_five_hundred_then_fine() -> None:
    answers, calls, _ = one_page(first(2, Reply(status=500)))
    assert list(answers.outcome) == [OK]
    assert [call.outcome for call in calls] == ["transport", "transport", OK]
    assert "HTTP 500" in calls[0].reply


ENDS: dict[str, tuple[Reply, str, int]] = {
    "server error": (Reply(status=500), "transport", 3),
    "busy": (Reply(status=429, headers={"retry-after": "0"}), "transport", 3),
    "HTML for a reply": (Reply(raw=b"<html>gateway</html>"), "broken", 2),
    "no choices": (Reply(raw=b'{"id":"x","object":"chat.completion","choices":[]}'), "broken", 2),
    "null choices": (Reply(raw=b'{"id":"x","choices":null}'), "broken", 2),
    "broken JSON": (Reply(raw=b'{"id": "x", "choi'), "broken", 2),
    "body cut": (Reply("hello", breaks="body cut"), "transport", 3),
    "empty text": (Reply(""), "empty", 2),
    "null text": (Reply(None), "empty", 2),
    "white space": (Reply(" \n"), "empty", 2),
    "refusal": (Reply("", refusal="I will not play a person."), "refused", 1),
    "filter": (Reply("", finish_reason="content_filter"), "filtered", 1),
    "filtered request": (
        Reply(status=400, error={"code": "content_filter", "message": "the filter"}),
        "filtered",
        1,
    ),
    "too long": (
        Reply(status=400, error={"code": "context_length_exceeded", "message": "8192 tokens"}),
        "context",
        1,
    ),
    "malformed": (Reply(status=422, error={"message": "no such thing"}), "rejected", 1),
    "cut by the limit": (Reply('{"items": {', finish_reason="length"), "truncated", 2),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_fault_that_stays_is_missing_data(name: str) -> None:
    fault, outcome, requests = ENDS[name]
    answers, calls, seen = one_page(lambda _: fault)
    assert_missing(answers, outcome)
    assert len(seen) == len(calls) == requests
    assert [call.outcome for call in calls] == [outcome] * requests


@pytest.mark.parametrize("name", [n for n, (_, _, tries) in ENDS.items() if tries > 1])
def test_a_fault_that_passes_leaves_no_trace_in_the_answer(name: str) -> None:
    good, _, _ = one_page(rules)
    answers, _, _ = one_page(first(1, ENDS[name][0]))
    assert list(answers.outcome) == [OK]
    np.testing.assert_array_equal(answers.interest, good.interest)
    np.testing.assert_array_equal(answers.rating, good.rating)


def test_a_reply_that_was_cut_off_is_metered_and_asked_for_with_more_room() -> None:
    cut = Reply('{"items": {"1": {"reason"', finish_reason="length")
    _, calls, requests = one_page(first(1, cut), max_tokens=50)
    assert [request.body["max_tokens"] for request in requests] == [50, 100]
    assert calls[0].tokens_out == len(str(cut.content)) // 4


def test_a_hanging_reply_is_given_up() -> None:
    answers, calls, requests = one_page(
        lambda r: Reply(page_answer(r), delay=0.6), timeout=0.1, attempts=2
    )
    assert_missing(answers, "transport")
    assert len(requests) == 2
    assert all(0.05 < call.latency < 0.5 for call in calls)


def test_a_failed_interview_is_missing_too() -> None:
    with Server(lambda _: Reply("no")) as server:
        interviews = visit(server).interview(np.array([0]))
    assert list(interviews.outcome) == ["invalid"]
    assert np.isnan(interviews.satisfaction).all()
    assert np.isnan(interviews.return_intent).all()


def test_one_failing_agent_does_not_touch_the_others() -> None:
    def answer(request: Request) -> Reply:
        return Reply("no") if "I am viewer 1." in request.persona else rules(request)

    with Server(answer) as server:
        session = visit(server, n=3)
        answers = session.turn(page(3))
        notes = session.notes()
    assert list(answers.outcome) == [OK, "invalid", OK]
    assert np.isfinite(answers.interest[[0, 2]]).all()
    assert {memory.row for memory in notes.memories} == {0, 2}


@pytest.mark.parametrize("status", [401, 403])
def test_a_bad_key_stops_the_run_and_is_not_repeated(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_CHAT_KEY", KEY)
    refusal = {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}
    with Server(lambda _: Reply(status=status, error=refusal)) as server:
        session = visit(server, n=30, api_key_env="TEST_CHAT_KEY", concurrency=4)
        with pytest.raises(AgentError) as caught:
            session.turn(page(30))
    text = str(caught.value)
    assert "TEST_CHAT_KEY" in text
    assert str(status) in text
    assert KEY not in text
    assert "sk-" not in text
    assert len(server.requests) == 1  # the first goes alone


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Reply(status=404, error={"message": "no model"}), "check name and base_url"),
        (Reply(status=429, error={"code": "insufficient_quota"}), "no quota left"),
        (
            Reply(status=400, error={"code": "unsupported_value", "message": "'temperature'"}),
            "'temperature'",
        ),
    ],
)
def test_what_every_call_would_meet_stops_the_run(fault: Reply, said: str) -> None:
    with pytest.raises(AgentError, match=said):
        one_page(lambda _: fault)


def test_nothing_listening_stops_the_run() -> None:
    with Server() as server:
        session = visit(server)
    with pytest.raises(AgentError, match="is the server running"):
        session.turn(page(1))


def without_format(request: Request) -> Reply:
    """A server that knows no response_format, as LangChain's own warning names it."""
    if "response_format" in request.body:
        message = (
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported "
            "with this model"
        )
        return Reply(status=400, error={"message": message})
    return rules(request)


def test_a_server_without_schemas_is_asked_for_plain_json_from_then_on() -> None:
    with Server(without_format) as server:
        session = visit(server, n=20, concurrency=16)
        answers = session.turn(page(20))
        calls = session.notes().calls
    assert set(answers.outcome) == {OK}
    asked = ["response_format" in request.body for request in server.requests]
    assert asked == [True] + [False] * 20
    assert sorted(call.outcome for call in calls) == [OK] * 20 + ["unsupported"]


def test_a_schema_that_was_insisted_on_is_not_dropped() -> None:
    with pytest.raises(AgentError, match="structured: json"):
        one_page(without_format, structured="schema")


def test_plain_json_on_request() -> None:
    answers, _, requests = one_page(without_format, structured="json")
    assert list(answers.outcome) == [OK]
    assert len(requests) == 1


def test_an_endpoint_that_dies_stops_the_run_instead_of_failing_every_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.response.gateway.LONGEST_SILENCE", 0.2)

    def dies(request: Request) -> Reply:
        return rules(request) if request.number <= 3 else Reply(status=500)

    with Server(dies) as server:
        session = visit(server, n=40, concurrency=2, deadline=0.2)
        with pytest.raises(AgentError, match="no answer to anything for"):
            session.turn(page(40))
        assert len(server.requests) < 40
