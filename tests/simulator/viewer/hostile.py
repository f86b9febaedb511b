"""A store whose every text wants to be more than text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from agents.interface import OK, Answers, Call, Interviews, MemoryEntry
from simulator.evaluation.study import read
from simulator.report.wording import clean
from simulator.storage import person_notes
from simulator.storage.store import Store
from simulator.viewer import summaries
from simulator.viewer.index import Index

RUN = 'a"><evil-run x=1>&;?#'
ARMS = ('A"><evil-arm x=1>', "javascript:alert(1)", "=1+1 \u202e{{7*7}}")
AGENTS = np.array([3, 5, 8])
LONG = 1_000_000
"""Characters of the long texts."""

STARTS = ("", "=", "+", "-", "@", "\t=", "javascript:alert(1) ", "data:text/html,")


def text(where: str, start: int = 0) -> str:
    """What breaks out of an element, an attribute, a script, a template, a statement, a
    spreadsheet's cell, a line or a direction, if anything can."""
    return (
        f"{STARTS[start % len(STARTS)]}<script>evil()</script><evil-{where} x=1>"
        f"\" evil-{where}=\"1' evil-{where}='1 onload=evil() `--></textarea></title></style>"
        "{{7*7}}{% raw %}${7*7}<%= 7*7 %>'); DROP TABLE runs;-- http://evil.example/ "
        "//evil.example [x](javascript:evil()) ![x](http://evil.example/i.png) &lt;b&gt; "
        "\x1b[31m\x07\u202egnp.\u2066\u200b\ufeff\ud7ff\u0085\u2028end"
    )


def long(where: str) -> str:
    return (text(where) + " long ") * (LONG // len(text(where) + " long "))


def write(store: Store, name: str = RUN, *, size: str = "short", ended: bool = True) -> str:
    """A run of three agents and three arms, a few pages each; ``size`` long: of every kind
    of text one has 1 MB. Returns its name."""
    said: set[str] = set()

    def say(where: str) -> str:
        if size != "long" or where in said:
            return text(where)
        said.add(where)  # once is enough
        return long(where)

    run = store.begin_run(
        name=name,
        seed=7,
        scenario=_scenario(say),
        scenario_file=text("file"),
        versions={"audition": text("version"), text("package"): "1"},
        dataset={"name": text("dataset"), "users": 3, "items": 6, "rating_scale": [1, 5]},
    )
    count = range(6)
    store.add_items(
        run,
        {
            "item": count,
            "item_id": [text("id", n) for n in count],
            "title": [say("title") if n == 1 else text("title", n) for n in count],
            "genres": [[text("genre", n), say("genres")] for n in count],
            "year": [1990 + n for n in count],
            "text": [say("text") for n in count],
            "shown_rating": np.full(6, 3.5, np.float32),
            "popularity": count,
        },
    )
    level = np.array([1, 2, 3], np.int8)
    traits: dict[str, Any] = dict.fromkeys(("activity", "diversity", "conformity"), level) | {
        f"{name}_value": level * 10.0 for name in ("activity", "diversity", "conformity")
    }
    store.add_agents(
        run,
        {
            "agent": AGENTS,
            "user_id": [say("user") if n == 1 else text("user", n) for n in range(3)],
            **traits,
            "tastes": [[say("taste"), text("tastes", n)] for n in range(3)],
            "persona": [say("persona")] * 3,
        },
    )
    for position, arm in enumerate(ARMS):
        arm_id = store.add_arm(
            run,
            position=position,
            name=arm,
            recommender=("random", "mf", "lightgcn")[position],
            settings={text("key"): text("setting")},
            is_control=position == 0,
            fit_report={text("report"): text("said")},
            train_seconds=0.5,
        )
        _play(store, arm_id, say, position)
    if ended:
        store.end_run(run, status="failed", error=say("error"))
    written = store.run_name(run)
    for verdict in person_notes.VERDICTS:
        person_notes.add(
            store,
            written,
            person_notes.Seen(ARMS[0], 1, 3, 1),
            verdict=verdict,
            text=text("note", len(verdict)),
            author="<evil-author x=1>",
        )
    return written


def _scenario(say: Any) -> dict[str, Any]:
    return {
        "name": text("name"),
        "seed": 7,
        "description": say("description"),
        "dataset": {"source": text("source")},
        "agents": {"count": 3, "response": {"model": text("model"), "prompt": text("setup")}},
        "session": {"page_size": 2, "max_pages": 2, "order": text("order"), "hide": ["train"]},
        "arms": [{"name": name, "recommender": "random"} for name in ARMS],
        "control": ARMS[0],
        "rounds": 1,
        "evaluation": {"cutoff": 20, "confidence": 0.95, "correction": "holm"},
    }


def _play(store: Store, arm_id: int, say: Any, position: int) -> None:
    """The first page for all, of whom 5 fails; the second for 3 and 8."""
    for page, who in ((1, AGENTS), (2, AGENTS[[0, 2]])):
        n = len(who)
        watched = np.array([[1, 0]] * n, np.bool_)
        watched[0, 1] = position > 0
        outcome = [OK, "invalid", OK] if page == 1 else [OK] * n
        answers = Answers(
            interest=np.full((n, 2), 0.5, np.float32),
            aligned=watched.copy(),
            watched=watched,
            rating=np.where(watched, 4.0, np.nan).astype(np.float32),
            satisfaction=np.full(n, 6 - position, np.float32),
            fatigue=np.full(n, 0.25, np.float32),
            leave=np.full(n, page == 2),
            reason=[say("reason")] * n,
            outcome=outcome,
            feeling=[text("feeling", page)] * n,
            item_reason=[[say("item"), text("itemreason", page)]] * n,
            item_feeling=[[text("itemfeeling"), ""]] * n,
        )
        store.add_pages(
            arm_id,
            1,
            page,
            agent=who,
            item=np.array([[(page + position) % 6, (page + 3) % 6]] * n),
            rank=np.array([[2 * page - 1, 2 * page]] * n),
            answers=answers,
            memories=[MemoryEntry(0, page, text("kind")[:40], say("memory"), 0.5)],
            calls=[_call(row, page, outcome[row], say) for row in range(n)],
            agent_of_row=who,
        )
    left = AGENTS[[0, 2]]
    store.add_interviews(
        arm_id,
        1,
        left,
        Interviews(
            np.array([8, 3], np.float32),
            np.array([0.75, 0.1], np.float32),
            [say("interview"), text("interview", 1)],
            [OK, OK],
        ),
        calls=[_call(0, 2, OK, say, kind="interview")],
        agent_of_row=left,
    )
    store.add_sessions(
        arm_id,
        1,
        {
            "agent": AGENTS,
            "exit_page": np.array([2, 1, 2]),
            "shown": np.array([4, 2, 4]),
            "watched": np.array([2, 0, 1]),
            "liked": np.array([2, 0, 0]),
            "exit_reason": [text("exit", n) for n in range(3)],
            "censored": np.array([False, False, True]),
            "outcome": [OK, "invalid", OK],
        },
    )
    store.add_steps(arm_id, 1, {"step": [1, 2], "active": [3, 2], "exits": [1, 2]})
    store.add_offline(
        arm_id,
        1,
        [
            {"metric": "recall@20", "mean": 0.5, "low": 0.4, "high": 0.6, "n": 9},
            {"metric": text("metric")[:200], "mean": 0.9, "low": None, "high": None, "n": 9},
        ],
    )
    store.end_arm(arm_id, simulate_seconds=1.0)


def _call(row: int, page: int, outcome: str, say: Any, **changes: Any) -> Call:
    base: dict[str, Any] = {
        "row": row,
        "page": page,
        "kind": "page",
        "attempt": 1,
        "outcome": outcome,
        "prompt_hash": text("hash")[:40],
        "messages": _messages(say),
        "reply": say("reply"),
        "tokens_in": 100,
        "tokens_out": 10,
        "latency": 0.25,
        "cost_usd": 0.001,
    }
    return Call(**{**base, **changes})


def _messages(say: Any) -> str:
    return json.dumps(
        [
            {"role": "system", "content": text("system")},
            {"role": text("role"), "content": say("prompt")},
        ]
    )


def without_figures(store: Store, index: Index, run: str) -> None:
    """The summary is worked out; of the figures, which take long to draw, there is one."""
    at = summaries.stamp(read(store, run))
    told = {"name": "forest", "section": "Verdicts", "title": clean(text("title"))}
    drawn = [{**told, "caption": clean(text("caption"))}]
    index.keep(run, "figure/forest", at, b"\x89PNG")
    index.keep(run, summaries.FIGURES, at, json.dumps(drawn).encode())
    summaries.make(store, index, run)
