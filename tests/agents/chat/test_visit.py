"""Sessions of chat agents against a real HTTP server."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from agents.interface import OK, AgentError, Answers, Interviews, Notes
from agents.registry import create
from agents.response.chat import Chat

from .server import Reply, Request, Server, interview_answer, page_answer, rules
from .world import KEY, catalogue, padded, page, visit

ROOT = Path(__file__).parents[3]


def test_two_pages_and_an_interview_come_back_as_columns() -> None:
    with Server() as server:
        session = visit(server, n=3)
        session.turn(page(3))
        answers = session.turn(page(3, number=2))
        interviews = session.interview(np.arange(3))
        notes = session.notes()
    last = [page_answer(request) for request in server.requests[3:6]]
    by_persona = sorted(zip(server.requests[3:6], last, strict=True), key=lambda p: p[0].persona)
    for row, (_, said) in enumerate(by_persona):
        judged = [said["items"][str(slot)] for slot in range(1, 5)]
        assert answers.interest[row] == pytest.approx([j["interest"] / 10 for j in judged])
        assert answers.aligned[row].tolist() == [j["aligned"] for j in judged]
        watched = {int(w["id"]) - 1: w["rating"] for w in said["watched"]}
        assert np.nonzero(answers.watched[row])[0].tolist() == sorted(watched)
        assert {s: answers.rating[row, s] for s in watched} == watched
        assert np.isnan(answers.rating[row][~answers.watched[row]]).all()
        assert answers.satisfaction[row] == said["satisfaction"]
        assert answers.fatigue[row] == pytest.approx(said["fatigue"] / 10)
        assert answers.leave[row] == said["leave"]
        assert answers.reason[row] == said["reason"]
        assert interviews.satisfaction[row] == said["satisfaction"]
        assert interviews.return_intent[row] == pytest.approx((said["satisfaction"] - 1) / 10)
    assert list(answers.outcome) == list(interviews.outcome) == [OK] * 3
    left = [said["leave"] for _, said in by_persona]
    assert any(left)
    assert not all(left)
    asked = [call.row for call in notes.calls if call.kind == "interview"]
    assert [call.kind for call in notes.calls].count("page") == 6
    assert asked == [row for row in range(3) if not left[row]]  # the others told on leaving
    assert answers.watched.any()
    assert not answers.watched.all()


def test_one_call_a_page_and_notes_are_handed_over_once() -> None:
    with Server() as server:
        session = visit(server, n=2)
        session.turn(page(2))
        first, second = session.notes(), session.notes()
    assert len(server.requests) == 2
    assert [(c.row, c.page, c.attempt, c.outcome) for c in first.calls] == [
        (0, 1, 1, OK),
        (1, 1, 1, OK),
    ]
    assert second == Notes()
    call = first.calls[0]
    assert json.loads(call.messages) == server.requests[0].messages
    assert json.loads(call.reply) == page_answer(server.requests[0])
    assert call.tokens_in == sum(len(m["content"]) for m in server.requests[0].messages) // 4
    assert call.tokens_out > 0
    assert call.latency > 0


def test_answers_and_calls_do_not_depend_on_concurrency() -> None:
    def slow(request: Request) -> Reply:
        reply = rules(request)
        # The earlier asked answers later.
        return Reply(reply.content, delay=0.02 * (len(request.asked) % 5))

    def run(concurrency: int) -> tuple[list[object], int]:
        with Server(slow) as server:
            session = visit(server, n=8, concurrency=concurrency)
            parts: list[object] = [_plain(session.turn(page(8, number))) for number in (1, 2)]
            parts.append(_plain(session.interview(np.arange(8))))
            notes = session.notes()
        parts += [asdict(c) | {"latency": 0, "key": ""} for c in notes.calls]  # of other ports
        return [*parts, *notes.memories], server.most_in_flight

    (alone, one), (together, many) = run(1), run(16)
    assert one == 1
    assert many > 3
    assert alone == together


def test_memory_is_noted_and_comes_back_without_page_numbers() -> None:
    with Server(staying) as server:
        session = visit(server, retrieve=3, reflect_every=2)
        for number in (1, 2, 3):
            session.turn(page(1, number))
        notes = session.notes()
    kinds = [(memory.page, memory.kind) for memory in notes.memories]
    assert kinds == [
        (1, "factual"),
        (1, "emotional"),
        (2, "factual"),
        (2, "emotional"),
        (2, "reflection"),
        (3, "factual"),
        (3, "emotional"),
    ]
    first, _, third = (request.asked for request in server.requests)
    assert "<memory>" not in first
    remembered = third.partition("<memory>\n")[2].partition("\n</memory>")[0].splitlines()
    assert len(remembered) == 3
    assert "Film" in third.partition("</memory>")[0]
    for request in server.requests:
        assert "Page " not in request.asked
    assert "satisfaction so far" in third


def test_nothing_tells_how_many_pages_there_are() -> None:
    with Server() as server:
        session = visit(server)
        for number in (1, 2, 3):
            session.turn(page(1, number))
    text = " ".join(m["content"].lower() for r in server.requests for m in r.messages)
    assert "last page" not in text
    assert "pages left" not in text
    assert "max" not in text


def test_a_reflection_may_be_written_by_the_model() -> None:
    with Server(staying) as server:
        session = visit(server, n=2, reflect_every=1, reflection="chat")
        session.turn(page(2))
        notes = session.notes()
    assert [call.kind for call in notes.calls] == ["page", "reflection"] * 2
    written = [m.text for m in notes.memories if m.kind == "reflection"]
    assert all(text.startswith("So far this is worth") for text in written)
    assert len(written) == 2


def test_a_reflection_that_fails_is_left_out_and_the_session_goes_on() -> None:
    def answer(request: Request) -> Reply:
        return Reply("no") if request.kind == "reflection" else staying(request)

    with Server(answer) as server:
        session = visit(server, reflect_every=1, reflection="chat")
        answers = [session.turn(page(1, number)) for number in (1, 2)]
        notes = session.notes()
    assert [list(one.outcome) for one in answers] == [[OK]] * 2
    assert [call.outcome for call in notes.calls if call.kind == "reflection"] == ["invalid"] * 4
    assert {memory.kind for memory in notes.memories} == {"factual", "emotional"}


def test_who_leaves_is_interviewed_in_the_same_reply_or_apart() -> None:
    def leaving(request: Request) -> Reply:
        said = page_answer(request) | {"leave": True}
        together = '"exit"' in request.system
        return Reply(said | ({"exit": interview_answer(7)} if together else {}))

    def kinds(interview: str) -> list[str]:
        def answer(request: Request) -> Reply:
            return leaving(request) if request.kind == "page" else Reply(interview_answer(7))

        with Server(answer) as server:
            session = visit(server, interview=interview)
            session.turn(page(1))
            told = session.interview(np.array([0]))
        assert told.satisfaction.tolist() == [7]
        assert list(told.outcome) == [OK]
        return [request.kind for request in server.requests]

    assert kinds("together") == ["page"]
    assert kinds("apart") == ["page", "interview"]


def test_a_padded_slot_is_neither_asked_nor_answered() -> None:
    with Server() as server:
        answers = visit(server).turn(padded([3, 7], 4))
    assert [item["id"] for item in server.requests[0].items] == ["1", "2"]
    assert np.isnan(answers.interest[0, 2:]).all()
    assert not answers.watched[0, 2:].any()
    assert np.isfinite(answers.interest[0, :2]).all()


def test_a_rating_scale_of_the_data_set_holds() -> None:
    shown = catalogue(rating_scale=(0.5, 10.0))

    def answer(request: Request) -> Reply:
        said = page_answer(request)
        said["watched"] = [{"id": "2", "rating": 9.5, "feeling": ""}]
        return Reply(said)

    with Server(answer) as server:
        answers = visit(server, shown=shown).turn(page(1))
    assert answers.rating[0, 1] == 9.5
    assert "0.5 worst to 10 best" in server.requests[0].system


def test_the_schema_goes_with_the_request_and_closes_the_answer_set() -> None:
    with Server() as server:
        visit(server, max_tokens=333).turn(page(1, k=3))
    body = server.requests[0].body
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["items"]["required"] == ["1", "2", "3"]
    assert schema["$defs"]["Watched"]["properties"]["id"]["enum"] == ["1", "2", "3"]
    assert body["max_tokens"] == 333
    assert body["temperature"] == 0.2


def test_the_prompt_begins_with_what_never_changes() -> None:
    with Server() as server:
        session = visit(server, n=2)
        session.turn(page(2))
        session.turn(page(2, number=2))
        session.interview(np.arange(2))
    systems = [request.system for request in server.requests]
    assert len(set(systems)) == 2
    assert len({text.partition("<person>")[0] for text in systems}) == 1


def test_nobody_to_ask_asks_nobody() -> None:
    with Server() as server:
        session = visit(server)
        nobody = session.interview(np.zeros(0, np.int64))
        empty = session.turn(page(0))
    assert len(nobody.satisfaction) == len(empty.outcome) == 0
    assert server.requests == []


def test_nothing_but_the_endpoint_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as server, Server() as spy:
        address = spy.base_url
        monkeypatch.setenv("LANGSMITH_GATEWAY", address)
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        monkeypatch.setenv("HTTP_PROXY", address)
        session = visit(server)
        session.turn(page(1))
    assert spy.requests == []
    assert len(server.requests) == 1


def test_the_key_goes_to_the_endpoint_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_CHAT_KEY", KEY)

    def echo(request: Request) -> Reply:
        said = page_answer(request)
        said["reason"] = f"you sent {request.headers['authorization']}"
        return Reply(said)

    with Server(echo) as server:
        session = visit(server, api_key_env="TEST_CHAT_KEY")
        answers = session.turn(page(1))
        notes = session.notes()
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    everything = f"{answers} {notes}"
    assert KEY not in everything
    assert "[redacted]" in answers.reason[0]


def test_a_key_meant_for_openai_is_not_sent_to_another_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Server() as server:
        visit(server).turn(page(1))
    assert KEY not in str(server.requests[0].headers)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"api_key_env": KEY}, "api_key_env: needs the name"),
        ({"base_url": "localhost:8000"}, "base_url: found 'localhost:8000'"),
        ({"base_url": "http://me:secret@host/v1"}, "base_url: holds credentials"),
        (
            {"base_url": "http://h/v1", "attempts": 0},
            "attempts: found 0; Input should be greater than or equal to 1",
        ),
        ({"base_url": "http://h/v1", "attempts": 11}, "less than or equal to 10"),
        ({"base_url": "http://h/v1", "deadline": 0.0}, "deadline: found 0.0"),
        ({"base_url": "http://h/v1", "concurrency": 0}, "concurrency: found 0"),
        ({"base_url": "http://h/v1", "requests_per_minute": 0.0}, "requests_per_minute: found 0"),
        ({"base_url": "http://h/v1", "protocol": "chatty"}, "protocol: found 'chatty'"),
        ({"base_url": "http://h/v1", "interview": "never"}, "interview: found 'never'"),
        ({"base_url": "http://h/v1", "prices": {"input": 1.0}}, "prices: output is missing"),
        ({"base_url": "http://h/v1", "temperature": 3.0}, "temperature: found 3.0"),
        ({"base_url": "http://h/v1", "timeout": 0.0}, "timeout: found 0.0"),
        ({"base_url": "http://h/v1", "structured": "xml"}, "structured"),
        ({"base_url": "http://h/v1", "reflection": "often"}, "reflection"),
        ({"base_url": "http://h/v1", "retrieve": -1}, "retrieve: found -1"),
        ({"base_url": "http://h/v1", "name": " "}, "name: empty"),
        ({"base_url": "http://h/v1", "api_key": "x"}, "unknown setting"),
        ({"provider": "ollama", "structured": "schema"}, "structured: schema needs"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(
    settings: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(AgentError) as caught:
        create("chat", {"name": "m"} | settings)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "the environment variable OPENAI_API_KEY is not set"),
        ({"api_key_env": "NO_SUCH_KEY"}, "the environment variable NO_SUCH_KEY is not set"),
        ({"base_url": "http://h/v1", "api_key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY is not set"),
    ],
)
def test_a_missing_key_is_told_before_anything_is_asked(
    settings: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = create("chat", {"name": "m"} | settings)  # a replay needs no key
    with pytest.raises(AgentError, match=said):
        model.ready()


def test_a_server_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    create("chat", {"name": "m", "base_url": "http://h/v1"}).ready()


def test_settings_are_documented() -> None:
    text = (ROOT / "docs" / "chat.md").read_text(encoding="utf-8")
    missing = [name for name in inspect.signature(Chat).parameters if f"| `{name}` |" not in text]
    assert missing == []


def staying(request: Request) -> Reply:
    """The rules, except that nobody leaves."""
    if request.kind != "page":
        return rules(request)
    return Reply(page_answer(request) | {"leave": False, "exit": None})


def _plain(columns: Answers | Interviews) -> dict[str, str]:
    """Comparable although NaN differs from itself."""
    return {name: repr(value) for name, value in vars(columns).items()}


def test_an_address_is_never_implied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(AgentError, match="say the address in base_url, or unset"):
        create("chat", {"name": "gpt-4o-mini"}).ready()
    create("chat", {"name": "m", "base_url": "http://127.0.0.1:8/v1"}).ready()
