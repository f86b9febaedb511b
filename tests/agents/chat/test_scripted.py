"""Scripted models: replies from a list, a function and the behavioural model."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.interface import NO_ITEM, OK, AgentError, Answers, Catalogue, Page, Visit
from agents.registry import create
from agents.response.question import Question
from agents.response.schema import page_schema
from agents.response.scripted import Line, Scene
from agents.response.scripted_behavioural import BehaviouralScript
from simulator.randomness import KeyedLuck

from .. import people
from .world import NoLuck, audience, catalogue, page

AUDIENCE = people.audience(12)


def said(k: int = 4, **changed: Any) -> dict[str, Any]:
    judged = {"reason": "so", "interest": 5, "aligned": True}
    reply = {
        "items": {str(n): judged for n in range(1, k + 1)},
        "watched": [{"id": "1", "rating": 4.0, "feeling": "fine"}],
        "feeling": "well",
        "satisfaction": 7,
        "fatigue": 2,
        "reason": "curious",
        "leave": False,
        "exit": None,
    }
    return reply | changed


def listed(folder: Path, *lines: object) -> str:
    path = folder / "replies.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def visit(name: str, n: int = 1, **settings: Any) -> Visit:
    model = create("chat", {"name": name, "provider": "scripted", "concurrency": 1} | settings)
    model.ready()
    return model.visit(audience(n), catalogue(), NoLuck(), 1)


def by_agent(messages: list[dict[str, str]], agent: int, page: int, kind: str) -> dict[str, Any]:
    """What a user's own function may look like."""
    assert messages[0]["role"] == "system"
    return said(satisfaction=agent % 10 + 1, reason=f"{kind} {page}")


def by_number(messages: object, agent: int, page: int, kind: str) -> int:
    return 7


def by_accident(messages: object, agent: int, page: int, kind: str) -> str:
    raise RuntimeError("no idea")


# -- a list -------------------------------------------------------------------------------


def test_a_list_answers_by_agent_page_and_kind_then_in_its_order(tmp_path: Path) -> None:
    name = listed(
        tmp_path,
        {"reply": said(satisfaction=1)},
        {"agent": 101, "reply": json.dumps(said(satisfaction=2))},
        {"agent": 100, "page": 2, "kind": "page", "reply": said(satisfaction=3)},
        {"reply": said(satisfaction=4)},
    )
    session = visit(name, n=2)
    first, second = session.turn(page(2)), session.turn(page(2, number=2))
    assert first.satisfaction.tolist() == [1, 2]
    assert second.satisfaction.tolist() == [3, 4]
    calls = session.notes().calls
    assert [call.outcome for call in calls] == [OK] * 4
    assert all(call.tokens_in > 0 and call.tokens_out > 0 for call in calls)
    assert [call.cost_usd for call in calls] == [0.0] * 4
    assert [call.latency for call in calls] == [0.0] * 4


def test_a_list_that_runs_dry_says_what_was_needed(tmp_path: Path) -> None:
    name = listed(tmp_path, {"agent": 7, "reply": "x"}, {"reply": said()})
    session = visit(name)
    session.turn(page(1))
    with pytest.raises(AgentError, match="no reply is left for agent 100, page 2, page; 1 of 2"):
        session.turn(page(1, number=2))


def test_faults_and_broken_replies_go_through_the_same_gateway(tmp_path: Path) -> None:
    name = listed(
        tmp_path,
        {"fault": {"status": 503}},
        {"reply": "no JSON"},
        {"reply": said()},
    )
    session = visit(name)
    assert session.turn(page(1)).outcome == [OK]
    calls = session.notes().calls
    assert [call.outcome for call in calls] == ["transport", "invalid", "repaired"]
    assert calls[0].reply == "HTTP 503: scripted fault"


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ({"refusal": "I would rather not."}, "refused"),
        ({"reply": "cut", "finish": "length"}, "truncated"),
        ({"reply": ""}, "empty"),
        ({"fault": {"status": 400, "text": "context_length_exceeded"}}, "context"),
    ],
)
def test_each_ending_can_be_scripted(tmp_path: Path, line: object, outcome: str) -> None:
    session = visit(listed(tmp_path, line, line))
    assert session.turn(page(1)).outcome == [outcome]


def test_a_fault_that_meets_every_call_stops_the_run(tmp_path: Path) -> None:
    session = visit(listed(tmp_path, {"fault": {"status": 401}}))
    with pytest.raises(AgentError, match="401"):
        session.turn(page(1))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not valid JSON"),
        ('{"agent": 1}', "exactly one of reply, refusal, fault"),
        ('{"reply": "x", "answer": 1}', "answer: Extra inputs"),
        ('{"reply": "x", "agent": "1"}', "agent: Input should be a valid integer"),
        ('{"fault": {"status": 1}}', "fault.status"),
    ],
)
def test_a_mistake_in_a_list_names_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "replies.jsonl"
    path.write_text(f'{{"reply": "fine"}}\n\n{text}\n', encoding="utf-8")
    with pytest.raises(AgentError, match=f"replies.jsonl:3: .*{complaint}"):
        visit(str(path))


def test_a_scripted_model_needs_no_key_and_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    create("chat", {"name": "behavioural", "provider": "scripted"}).ready()
    for setting in ({"base_url": "http://127.0.0.1:1/v1"}, {"processes": 2}):
        with pytest.raises(AgentError, match="asks no server"):
            create("chat", {"name": "behavioural", "provider": "scripted"} | setting)


@pytest.mark.parametrize("name", ["gpt-4o", "module:", "missing.jsonl", "no.such.module:f"])
def test_a_source_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(AgentError, match=r"allowed with provider scripted|cannot be imported"):
        visit(name)


# -- a function ---------------------------------------------------------------------------


def test_a_function_is_called_for_each_request() -> None:
    session = visit(f"{__name__}:by_agent", n=3)
    answers = session.turn(page(3))
    assert answers.satisfaction.tolist() == [1, 2, 3]
    assert list(answers.reason) == ["page 1"] * 3


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        ("by_number", "returned int for agent 100, page 1, page"),
        ("by_accident", "failed for agent 100, page 1, page: RuntimeError: no idea"),
        ("nowhere", "is no function"),
    ],
)
def test_a_function_that_cannot_answer_is_an_error(function: str, complaint: str) -> None:
    with pytest.raises(AgentError, match=complaint):
        visit(f"{__name__}:{function}").turn(page(1))


# -- the behavioural model ------------------------------------------------------------------


def pages(n: int, size: int = 400) -> list[Page]:
    rng = np.random.default_rng(5)
    items = np.stack([rng.permutation(size)[:12] for _ in range(n)]).reshape(n, 3, 4)
    items[0, 2, 3] = NO_ITEM
    return [Page(np.arange(n), items[:, p], p + 1, 1) for p in range(3)]


def behavioural(shown: Catalogue | None = None, **settings: Any) -> Visit:
    model = create("chat", {"name": "behavioural", "provider": "scripted"} | settings)
    return model.visit(AUDIENCE, shown or people.catalogue(), KeyedLuck(3), 1)


def embedded() -> Visit:
    return create("behavioural").visit(AUDIENCE, people.catalogue(), KeyedLuck(3), 1)


@pytest.mark.parametrize("protocol", ["page", "agent4rec"])
def test_the_behavioural_script_decides_as_the_embedded_model(protocol: str) -> None:
    model, script = embedded(), behavioural(protocol=protocol, interview="apart")
    for shown in pages(len(AUDIENCE)):
        wanted, found = model.turn(shown), script.turn(shown)
        assert list(found.outcome) == [OK] * len(AUDIENCE)
        np.testing.assert_array_equal(found.watched, wanted.watched)
        np.testing.assert_array_equal(found.rating, wanted.rating)
        np.testing.assert_array_equal(found.aligned, wanted.aligned)
        np.testing.assert_array_equal(found.leave, wanted.leave)
        if protocol == "page":
            np.testing.assert_allclose(found.satisfaction, wanted.satisfaction, atol=0.5001)
            there = shown.item != NO_ITEM
            np.testing.assert_allclose(found.interest[there], wanted.interest[there], atol=0.0501)
    everybody = np.arange(len(AUDIENCE))
    told, meant = script.interview(everybody), model.interview(everybody)
    np.testing.assert_array_equal(told.satisfaction, meant.satisfaction)
    assert {call.outcome for call in script.notes().calls} == {OK}


def columns(answers: Answers) -> list[object]:
    return [
        value.tobytes() if isinstance(value, np.ndarray) else value
        for value in vars(answers).values()
    ]


@pytest.mark.parametrize("settings", [{}, {"protocol": "agent4rec"}, {"interview": "apart"}])
def test_replies_do_not_depend_on_how_many_are_in_flight(settings: dict[str, Any]) -> None:
    def play(concurrency: int) -> list[object]:
        session = behavioural(concurrency=concurrency, reflection="chat", **settings)
        done: list[object] = [columns(session.turn(one)) for one in pages(len(AUDIENCE))]
        told = session.interview(np.arange(len(AUDIENCE)))
        notes = session.notes()
        calls = [asdict(call) for call in notes.calls]
        return [done, told.satisfaction.tolist(), told.reason, calls, notes.memories]

    alone = play(1)
    assert alone == play(1) == play(4) == play(32)


def about(scene: Scene, number: int) -> Question[Any]:
    schema = page_schema(4, (1.0, 5.0), True)
    return Question(4, 4, number, "page", (), schema, str, None, scene)


def test_a_reply_is_a_function_of_the_pages_not_of_what_was_asked_before() -> None:
    """As after a resume, where the replies to earlier pages come from the log."""

    def scene(script: BehaviouralScript) -> Scene:
        made = Scene(script, AUDIENCE, people.catalogue(), KeyedLuck(3), 1)
        for shown in pages(len(AUDIENCE)):
            made.show(4, shown.number, shown.item[4])
        return made

    def line(script: BehaviouralScript, where: Scene, number: int) -> Line:
        return script.line(about(where, number), ())

    asked, other = BehaviouralScript(), BehaviouralScript()
    here, there = scene(asked), scene(other)
    for number in (1, 2):
        line(asked, here, number)
    assert line(asked, here, 3) == line(other, there, 3)
    assert asked.address(about(here, 3)) == other.address(about(there, 3))
    there.show(4, 4, np.array([1, 2, 3, 5]))
    assert asked.address(about(here, 3)) != other.address(about(there, 3))
