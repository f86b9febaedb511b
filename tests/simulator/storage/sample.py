"""A small run written through the store's own methods, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.interface import NO_ITEM, OK, Answers, Call, Interviews, MemoryEntry
from simulator.storage.store import Store

AGENTS = np.array([3, 5, 8])
ITEMS = 6


def answers(
    watched: Sequence[Sequence[int]],
    rating: Sequence[Sequence[float]] | None = None,
    outcome: Sequence[str] | None = None,
    **changes: Any,
) -> Answers:
    """Answers of B agents from what they watched (0 or 1) and, if given, how they rated."""
    seen: npt.NDArray[np.bool_] = np.array(watched, dtype=np.bool_)
    n = len(seen)
    stars = np.where(seen, 4.0, np.nan) if rating is None else np.array(rating)
    base: dict[str, Any] = {
        "interest": np.full(seen.shape, 0.5, np.float32),
        "aligned": seen.copy(),
        "watched": seen,
        "rating": stars.astype(np.float32),
        "satisfaction": np.full(n, 6, np.float32),
        "fatigue": np.full(n, 0.25, np.float32),
        "leave": np.zeros(n, np.bool_),
        "reason": ["more to see"] * n,
        "outcome": list(outcome or [OK] * n),
    }
    return Answers(**{**base, **changes})


def begin(store: Store, name: str = "try", **changes: Any) -> int:
    """A run with an audience of three and a catalogue of six."""
    base: dict[str, Any] = {
        "name": name,
        "seed": 7,
        "scenario": {"name": name, "evaluation": {"confidence": 0.95}},
        "scenario_file": "try.yaml",
        "versions": {"audition": "0"},
        "dataset": {"name": "tiny", "users": 9, "items": ITEMS, "rating_scale": [1, 5]},
    }
    run_id = store.begin_run(**{**base, **changes})
    store.add_items(
        run_id,
        {
            "item": range(ITEMS),
            "item_id": [f"i{n}" for n in range(ITEMS)],
            "title": ["=SUM(A1)", "Alien", "Ünder", "+1", "-", "@home"],
            "genres": [["Horror", "Sci-Fi"], ["Horror"], [], ["Drama"], ["Drama"], ["Comedy"]],
            "year": [1999, 1979, 0, 2001, 2002, 2003],
            "text": [""] * ITEMS,
            "shown_rating": np.array([3.5, np.nan, 4, 4, 4, 4], np.float32),
            "popularity": np.arange(ITEMS),
        },
    )
    n = len(AGENTS)
    store.add_agents(
        run_id,
        {
            "agent": AGENTS,
            "user_id": [f"u{a}" for a in AGENTS],
            "activity": np.array([1, 2, 3], np.int8),
            "diversity": np.array([3, 2, 1], np.int8),
            "conformity": np.ones(n, np.int8),
            "activity_value": np.array([10.0, 20.0, np.nan]),
            "tastes": [["old films"], [], ["horror", "plots"]],
            "persona": [f"person {a}" for a in AGENTS],
        },
    )
    return run_id


def add_arm(store: Store, run_id: int, position: int, name: str, **changes: Any) -> int:
    base: dict[str, Any] = {
        "position": position,
        "name": name,
        "recommender": "popularity",
        "settings": {"k": position},
        "is_control": position == 0,
        "train_seconds": 0.5,
    }
    return store.add_arm(run_id, **{**base, **changes})


def play(store: Store, arm_id: int, round_: int = 1) -> None:
    """Two pages of two: all three agents see the first, 3 and 8 the second; 5's first page
    fails, and so its session."""
    store.add_pages(
        arm_id,
        round_,
        1,
        agent=AGENTS,
        item=np.array([[0, 1], [1, 2], [5, NO_ITEM]]),
        rank=np.array([[1, 2], [1, 2], [1, 2]]),
        answers=answers(
            [[1, 0], [1, 1], [1, 0]],
            [[5, np.nan], [2, 2], [3, np.nan]],
            [OK, "invalid", OK],
            item_reason=[["like it", ""], ["", ""], ["why not", "never shown"]],
        ),
        relevant=np.array([[1, 0], [0, 0], [1, 0]], np.bool_),
        memories=[
            MemoryEntry(0, 1, "factual", "saw =SUM", 0.5),
            MemoryEntry(0, 1, "emotional", "fine", 0.4),
            MemoryEntry(2, 1, "factual", "saw home", 0.3),
        ],
        calls=[call(0), call(1, outcome="invalid", attempt=1), call(1, outcome="invalid")],
        agent_of_row=AGENTS,
    )
    store.add_pages(
        arm_id,
        round_,
        2,
        agent=AGENTS[[0, 2]],
        item=np.array([[1, 3], [4, 0]]),
        rank=np.array([[4, 3], [3, 4]]),
        answers=answers([[0, 1], [0, 0]], [[np.nan, 4], [np.nan, np.nan]]),
    )
    store.add_interviews(
        arm_id,
        round_,
        AGENTS[[0, 2]],
        Interviews(
            np.array([8, np.nan], np.float32),
            np.array([0.75, np.nan], np.float32),
            ["good", ""],
            [OK, "transport"],
        ),
        memories=[MemoryEntry(0, 1, "reflection", "a good evening", 1.0)],
        calls=[call(0, kind="interview", cached=True, cost_usd=None)],
        agent_of_row=AGENTS,
    )
    store.add_sessions(
        arm_id,
        round_,
        {
            "agent": AGENTS,
            "exit_page": np.array([2, 1, 2]),
            "shown": np.array([4, 2, 3]),
            "watched": np.array([2, 0, 1]),
            "liked": np.array([2, 0, 0]),
            "exit_reason": ["enough", "failed", "page limit"],
            "censored": np.array([False, False, True]),
            "outcome": [OK, "invalid", OK],
        },
    )  # fmt: skip
    store.add_steps(
        arm_id,
        round_,
        {"step": [1, 2], "active": [3, 2], "exits": [1, 2], "watch_rate": [0.5, float("nan")]},
    )
    store.add_offline(
        arm_id,
        round_,
        [
            {"metric": "recall@20", "mean": 0.5, "low": 0.4, "high": 0.6, "n": 9},
            {"metric": "coverage@20", "mean": 0.9, "low": float("nan"), "high": None, "n": 9},
        ],
    )


def call(row: int, **changes: Any) -> Call:
    base: dict[str, Any] = {
        "row": row,
        "page": 1,
        "kind": "page",
        "attempt": 0,
        "outcome": OK,
        "prompt_hash": "abc",
        "messages": "[]",
        "reply": "{}",
        "tokens_in": 100,
        "tokens_out": 10,
        "latency": 0.25,
        "cost_usd": 0.001,
    }
    return Call(**{**base, **changes})


def whole_run(store: Store, name: str = "try") -> str:
    """Two arms, added in another order than the scenario's."""
    run_id = begin(store, name)
    second = add_arm(store, run_id, 1, "B")
    first = add_arm(store, run_id, 0, "A")
    for arm_id in (second, first):
        play(store, arm_id)
        store.end_arm(arm_id, simulate_seconds=1.5)
    store.end_run(run_id, status="finished")
    return store.run_name(run_id)
