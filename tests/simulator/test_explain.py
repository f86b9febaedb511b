"""What became of each call, in words: while a run is under way, and afterwards."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agents.interface import OK, Call
from agents.response import gateway
from simulator import explain
from simulator.transcript_calls import calls_of
from tests.agents.chat.server import Reply, Request, Server, rules

from .chat_runs import Runs
from .command import audition

HOSTILE = "[red]no\x1b[31m\u202e {{ 7 * 7 }}"


def answer(request: Request) -> Reply:
    """By agent, in the order they come: replies that must be repaired or cannot be, a fault
    that passes, and nothing wrong."""
    asked[who := request.system] += 1
    kind = list(asked).index(who) % 4
    if kind == 0 and not request.is_repair and request.kind == "page":
        return Reply(HOSTILE)
    if kind == 1 and request.kind == "page":
        return Reply({"items": {}, "watched": []})
    if kind == 2 and asked[who] == 1:
        return Reply(status=429, error={"message": "slow down"})
    return rules(request)


asked: Counter[str] = Counter()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Runs, str]:
    asked.clear()
    folder = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch, Server(answer) as server:
        patch.setattr(gateway, "_FIRST_WAIT", 0.001)
        runs = Runs.of(folder, server)
        done = runs.run("--verbose", "--set", "agents.response.concurrency=1")
        assert done.code == 0, done.err
        done_again = runs.run("--verbose", "--set", "agents.response.concurrency=1")
        assert done_again.code == 0, done_again.err
    return runs, done.err


def test_a_verbose_run_says_one_line_of_each_call_that_was_not_plainly_ok(
    told: tuple[Runs, str],
) -> None:
    runs, err = told
    calls = runs.calls()
    odd = calls[~calls["cached"] & ((calls["outcome"] != OK) | (calls["attempt"] > 1))]
    lines = [line for line in err.splitlines() if ", attempt " in line]
    assert len(lines) == len(odd) > 10
    for _, call in odd.iterrows():
        start = f"{call['arm']}, agent {call['agent']}, "
        mine = [line for line in lines if start in line]
        assert any(f"attempt {call['attempt']}: {call['outcome']}" in line for line in mine)
    assert any("throttled: HTTP 429" in line for line in lines)
    assert any("repaired" in line and "cannot be used" in line for line in lines)
    assert any("invalid, not what was asked for" in line for line in lines)
    assert "\x1b" not in err
    assert "\u202e" not in err


def test_a_quiet_run_says_none_of_it(tmp_path: Path) -> None:
    asked.clear()
    with Server(answer) as server:
        done = Runs.of(tmp_path, server).run("--set", "agents.count=2")
    assert ", attempt " not in done.err


def agent_with(runs: Runs, outcome: str) -> int:
    calls = runs.calls()
    return int(calls.loc[calls["outcome"] == outcome, "agent"].iloc[0])


def every_call(runs: Runs, name: str, agent: int, arm: str | None = None) -> list[dict[str, Any]]:
    with runs.store() as store:
        return calls_of(store, name, agent, arm)


def test_a_refused_reply_is_told_with_what_was_wrong(told: tuple[Runs, str]) -> None:
    runs, _ = told
    for call in every_call(runs, "tiny", agent_with(runs, "invalid")):
        if call["outcome"] == "invalid":
            assert call["complaint"]
    hopeless = [
        call
        for agent in set(runs.calls().query("outcome == 'invalid' and attempt == 2")["agent"])
        for call in every_call(runs, "tiny", agent, "Random")
        if call["outcome"] == "invalid"
    ]
    # The last one was followed by no repair turn that would say it.
    assert {call["attempt"] for call in hopeless} == {1, 2}
    assert all("satisfaction: Field required" in call["complaint"] for call in hopeless)


def test_a_known_reply_says_whose_it_is(told: tuple[Runs, str]) -> None:
    runs, _ = told
    agent = agent_with(runs, OK)
    first = every_call(runs, "tiny", agent)
    assert {c["reply_of"] for c in first if c["cached"]} == {"tiny"}
    assert {c["reply_of"] for c in first if not c["cached"]} == {None}
    second = every_call(runs, "tiny-2", agent)
    assert {c["reply_of"] for c in second if c["cached"]} == {"tiny"}


def test_the_transcript_of_an_agent_holds_every_call(told: tuple[Runs, str]) -> None:
    runs, _ = told
    agent = agent_with(runs, "repaired")
    store = ("--store", str(runs.folder / "s.db"))
    given = ("transcript", "tiny", "--agent", agent, "--arm", "Pop", *store)
    brief, done = audition(*given), audition(*given, "--verbose")
    assert done.code == 0, done.err
    assert done.out.startswith(brief.out)
    more = done.out.removeprefix(brief.out)
    calls = runs.calls().query("arm == 'Pop' and agent == @agent")
    assert more.count("attempt ") == len(calls)
    for shown in ("<page>", "page 1, attempt 1: invalid", "page 1, attempt 2: repaired",
                  "what was wrong: not valid JSON", "cost not known", "tokens in",
                  "assistant:", "[red]no", "{{ 7 * 7 }}"):  # fmt: skip
        assert shown in more, shown
    for key in calls["key"]:
        assert f"key {key[:12]}" in more
    assert "\x1b" not in more
    assert "\u202e" not in more
    document = json.loads(audition(*given, "--verbose", "--json").out)
    assert [call["key"] for call in document["calls"]] == calls["key"].tolist()
    assert "calls" not in json.loads(audition(*given, "--json").out)


def test_an_agent_of_no_chat_model_made_no_calls(tmp_path: Path) -> None:
    with Server() as server:
        runs = Runs.of(tmp_path, server)
        assert runs.run("--set", "agents.response={model: behavioural}").code == 0
    agent = int(runs.agents()["agent"].iloc[0])
    store = ("--store", str(tmp_path / "s.db"))
    done = audition("transcript", "tiny", "--agent", agent, "--verbose", *store)
    assert done.code == 0, done.err
    assert "No calls" in done.out


CALL: dict[str, Any] = {
    "arm": "Pop[b]", "round": 2, "agent": 3, "page": 1, "kind": "page", "attempt": 1,
    "outcome": "transport", "meaning": "no reply", "complaint": "", "messages": [],
    "reply": "ReadTimeout: \x07", "tokens_in": 0, "tokens_out": 0, "tokens_cached": 0,
    "cached": False, "cost_usd": None, "latency": 1.5, "key": "", "reply_of": None,
    "assumed_tokens": 1200, "assumed_usd": 0.0125,
}  # fmt: skip


def test_what_a_lost_reply_may_have_cost_is_said() -> None:
    out = io.StringIO()
    Console(file=out, width=100).print(explain.render([CALL]))
    text = " ".join(out.getvalue().split())
    assert "Pop[b], round 2: page 1, attempt 1: transport, no reply" in text
    assert "reply lost, 1,200 tokens, 0.012500 USD assumed" in text
    assert "no key: not used again" in text
    assert "\x07" not in text


def test_messages_that_are_no_list_are_shown_as_they_are() -> None:
    assert explain.messages_of("not JSON") == [{"role": "prompt", "content": "not JSON"}]
    assert explain.messages_of("") == []
    assert explain.asked_again("[]") is None


def test_a_plain_call_and_a_known_one_need_no_line() -> None:
    call = Call(0, 1, "page", 1, OK, "", "[]", "{}", 1, 1, 0.1)
    assert explain.line(call) is None
    assert explain.line(Call(**{**call.__dict__, "attempt": 2, "cached": True})) is None
    late = explain.line(Call(**{**call.__dict__, "attempt": 3}))
    assert late == "page 1, attempt 3: ok after 3 attempts"
    long = explain.line(Call(**{**call.__dict__, "outcome": "broken", "reply": "x\n" * 900}))
    assert long is not None
    assert len(long) == 200
    assert "\n" not in long
