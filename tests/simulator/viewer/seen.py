"""A store with one small run in which every answer is known: for the pages of one agent.

Agents 5, 6 and 9 visit arms ``One`` and ``Two``. Agent 5 sees two pages in each, of two items:

    page 1: items 0, 1 in both; it watches item 0 in both, rates it 4 in One and 5 in Two
    page 2: items 2, 3 in One; items 3, 4 in Two

Agent 6 gets no usable answer on page 1 of One. Agent 9 says a megabyte of what it feels, leaves
One by its own will on page 1 and is not done in Two.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.interface import OK, Answers, Call, Interviews, MemoryEntry
from simulator.storage.store import Store

HOSTILE = "<script>alert(1)</script> [x](javascript:alert(1)) '; DROP TABLE runs; -- \x1b[31m"
LONG = "word\tand\n<b>bold</b> " * 60_000
AGENTS = (5, 6, 9)
ITEMS = (HOSTILE, "Second", "Third", "Fourth", "Fifth")


def write(store: Store) -> str:
    """Write the run ``seen``; returns its name."""
    run = store.begin_run(
        name="seen",
        seed=1,
        scenario={"agents": {"response": {"model": "chat", "name": "a <model>"}}},
        scenario_file="seen.yaml",
        dataset={"rating_scale": [1, 5]},
    )
    n = len(ITEMS)
    store.add_items(
        run,
        {
            "item": list(range(n)),
            "item_id": [f"i{i}" for i in range(n)],
            "title": list(ITEMS),
            "genres": [["Drama", HOSTILE], ["Comedy"], [], [], []],
            "year": [1999, 0, 2001, 2002, 2003],
            "text": [""] * n,
            "popularity": [1] * n,
            "shown_rating": [3.5] * n,
        },
    )
    levels = ("activity", "diversity", "conformity")
    traits: dict[str, Any] = {
        name: [2] * 3 for level in levels for name in (level, f"{level}_value")
    }
    people: dict[str, Any] = {"user_id": [HOSTILE, "u6", "u9"], "tastes": [[HOSTILE], [], []]}
    store.add_agents(run, {"agent": list(AGENTS), **traits, **people, "persona": [HOSTILE, "", ""]})
    for position, name in enumerate(("One", "Two")):
        arm = store.add_arm(
            run,
            position=position,
            name=name,
            recommender="mf",
            settings={},
            is_control=not position,
        )
        _pages(store, arm, two=bool(position))
    return "seen"


def _pages(store: Store, arm: int, *, two: bool) -> None:
    agents = np.array([5, 9] if two else AGENTS)
    outcome = [OK, OK] if two else [OK, "invalid", OK]
    leave = [False, False] if two else [False, False, True]
    said = _answers(outcome, leave, rating=5.0 if two else 4.0)
    _add(store, arm, 1, agents, [[0, 1]] * len(agents), said, _calls(two))
    seen = [[3, 4]] if two else [[2, 3]]
    _add(store, arm, 2, np.array([5]), seen, _answers([OK], [True], rating=3.0), [])
    ended = [5] if two else list(AGENTS)
    store.add_sessions(
        arm,
        1,
        {
            "agent": ended,
            "exit_page": [2, 1, 1][: len(ended)],
            "shown": [4, 0, 2][: len(ended)],
            "watched": [2, 0, 1][: len(ended)],
            "liked": [1, 0, 1][: len(ended)],
            "exit_reason": ["had enough", "", HOSTILE][: len(ended)],
            "censored": [False] * len(ended),
            "outcome": [OK, "invalid", OK][: len(ended)],
        },
    )
    told = Interviews(
        satisfaction=np.array([8.0 if two else 6.0], np.float32),
        return_intent=np.array([0.5], np.float32),
        reason=[HOSTILE],
        outcome=[OK],
    )
    store.add_interviews(arm, 1, np.array([5]), told)


def _add(
    store: Store,
    arm: int,
    page: int,
    agents: Any,
    items: Sequence[Sequence[int]],
    said: Answers,
    calls: Sequence[Call],
) -> None:
    remembered = [MemoryEntry(0, page, "factual", f"Page {page}: {HOSTILE}", 0.4)]
    item = np.array(items)
    store.add_pages(
        arm,
        1,
        page,
        agent=agents,
        item=item,
        rank=np.tile(np.arange(1, 3), (len(agents), 1)),
        answers=said,
        relevant=item == 1,
        memories=remembered,
        calls=calls,
        agent_of_row=agents,
    )


def _answers(outcome: list[str], leave: list[bool], rating: float) -> Answers:
    n = len(outcome)
    return Answers(
        interest=np.tile(np.array([[0.75, 0.25]], np.float32), (n, 1)),
        aligned=np.tile([[True, False]], (n, 1)),
        watched=np.tile([[True, False]], (n, 1)),
        rating=np.tile(np.array([[rating, np.nan]], np.float32), (n, 1)),
        satisfaction=np.full(n, 7.0, np.float32),
        fatigue=np.full(n, 0.2, np.float32),
        leave=np.array(leave),
        reason=[HOSTILE] * n,
        outcome=outcome,
        item_reason=[[HOSTILE, "plain"]] * n,
        item_feeling=[["two\nlines", ""]] * n,
        feeling=["at ease", *["no answer"] * (n - 2), LONG][:n],
    )


def _calls(two: bool) -> list[Call]:
    """Of agent 5: in One a refused reply, then a long one; in Two a known one."""
    asked = json.dumps([{"role": "system", "content": HOSTILE}, {"role": "user", "content": "Q"}])
    again = json.dumps(
        [
            *json.loads(asked),
            {"role": "assistant", "content": "no"},
            {"role": "user", "content": "That cannot be used: no JSON\nmore"},
        ]
    )
    if two:
        return [_call(1, OK, asked, LONG, cached=True, cost_usd=0.0)]
    return [
        _call(1, "invalid", asked, HOSTILE, latency=1.5),
        _call(2, "repaired", again, LONG, latency=0.25, cost_usd=0.0012),
    ]


def _call(attempt: int, outcome: str, messages: str, reply: str, **more: Any) -> Call:
    return Call(
        *(0, 1, "page", attempt, outcome, "h", messages, reply),
        **{"tokens_in": 100, "tokens_out": 20, "latency": 0.0, "key": "k", **more},
    )
