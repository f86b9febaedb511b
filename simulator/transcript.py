"""One agent's whole visit, read from the store: who it is, what it saw, did and said.

:func:`transcript` gives plain data (``--json``), :func:`render` the same for a terminal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from agents import memory
from agents.interface import OK, MemoryEntry
from agents.persona import ACTIVITY, CONFORMITY, DIVERSITY

from .errors import InputError
from .storage import queries
from .storage.plain import plain
from .storage.store import Store
from .transcript_text import render

__all__ = ["render", "transcript"]


def transcript(
    store: Store, run_name: str | None, agent: int, arm: str | None = None
) -> dict[str, Any]:
    """Everything one agent met in a run, in one arm or (None) in all of them.

    Keys: run, agent (profile), visits: one for each arm and round, with its pages, exit
    and interview. Numbers that do not exist are None. InputError, naming what there is,
    for an unknown run, agent or arm.
    """
    run = queries.run(store, run_name)
    profile = _profile(store, run.name, agent)
    pages = queries.pages(store, run.name, arm=arm, agent=agent)  # refuses an unknown arm
    exposures = queries.exposures(store, run.name, arm=arm, agent=agent)
    memories = queries.memories(store, run.name, arm=arm, agent=agent)
    sessions = queries.sessions(store, run.name)
    sessions = sessions[sessions["agent"] == agent]
    items = queries.items(store, run.name)
    items = items[items["item"].isin(exposures["item"])].set_index("item")
    keys = pages[["arm", "round"]].drop_duplicates()
    visits = []
    for name, round_ in zip(keys["arm"], keys["round"], strict=True):
        parts = [
            frame[(frame["arm"] == name) & (frame["round"] == round_)]
            for frame in (pages, exposures, memories, sessions)
        ]
        visit = _visit(*parts, items=items, imported="imported" in run.scenario)
        visits.append({"arm": str(name), "round": int(round_), **visit})
    response = run.scenario.get("agents", {}).get("response", {})
    document = {
        "run": {"name": run.name, "status": run.status, "seed": run.seed, "response": response},
        "agent": profile,
        "visits": visits,
    }
    return dict(plain(document))


def _profile(store: Store, run_name: str, agent: int) -> dict[str, Any]:
    known = queries.agents(store, run_name)
    found = known[known["agent"] == agent]
    if found.empty:
        numbers = known["agent"].tolist()
        few = ", ".join(str(n) for n in numbers[:8]) + (", ..." if len(numbers) > 8 else "")
        raise InputError(
            run_name,
            key="agent",
            found=str(agent),
            allowed=f"one of its {len(numbers):,} agents: {few}" if numbers else "it has no agents",
        )
    row = found.iloc[0]
    words = {"activity": ACTIVITY, "diversity": DIVERSITY, "conformity": CONFORMITY}
    return {
        "agent": int(row["agent"]),
        "user_id": row["user_id"],
        "traits": {
            name: {
                "level": _number(row[name]),
                "value": _number(row[f"{name}_value"]),
                "words": text.get(int(row[name]), "") if _number(row[name]) is not None else "",
            }
            for name, text in words.items()
        },
        "tastes": list(row["tastes"]),
        "persona": row["persona"] or "",
    }


def _visit(
    pages: pd.DataFrame,
    exposures: pd.DataFrame,
    memories: pd.DataFrame,
    sessions: pd.DataFrame,
    *,
    items: pd.DataFrame,
    imported: bool,
) -> dict[str, Any]:
    shown, noted = dict(iter(exposures.groupby("page"))), dict(iter(memories.groupby("page")))
    # An agent whose model writes no memories is read from what its pages hold; what an
    # imported one remembered is not known.
    writes = imported or len(memories) > 0
    return {
        "pages": [
            _page(
                page,
                [_item(row, items) for row in _records(shown.get(page["page"]))],
                _memories(noted.get(page["page"])) if writes else None,
            )
            for page in _records(pages)
        ],
        "exit": _exit(sessions),
        "interview": _interview(sessions),
    }


def _page(
    page: Mapping[str, Any], items: list[dict[str, Any]], noted: list[dict[str, Any]] | None
) -> dict[str, Any]:
    ok = page["outcome"] == OK
    out = {
        "page": int(page["page"]),
        "outcome": page["outcome"],
        "items": items,
        "satisfaction": _number(page["satisfaction"]),
        "fatigue": _number(page["fatigue"]),
        "leave": bool(page["leave"]) if ok else None,
        "reason": page["reason"] or "",
        "feeling": page["feeling"] or "",
    }
    out["memories"] = noted if noted is not None else _rendered(out) if ok else []
    return out


def _rendered(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a page leaves in memory, worded as a chat agent's memory would."""
    items, number = page["items"], page["page"]
    entries = [
        memory.factual(
            0,
            number,
            [item["title"] for item in items],
            [bool(item["watched"]) for item in items],
            [math.nan if item["rating"] is None else item["rating"] for item in items],
        )
    ]
    if page["satisfaction"] is not None and page["fatigue"] is not None:
        felt = (page["satisfaction"], page["fatigue"], page["reason"], page["feeling"])
        entries.append(memory.emotional(0, number, *felt))
    return [_entry(entry) for entry in entries]


def _entry(entry: MemoryEntry) -> dict[str, Any]:
    return {"kind": entry.kind, "text": entry.text, "importance": entry.importance}


def _memories(frame: pd.DataFrame | None) -> list[dict[str, Any]]:
    return [
        {"kind": row["kind"], "text": row["text"], "importance": _number(row["importance"])}
        for row in _records(frame)
    ]


def _item(row: Mapping[str, Any], items: pd.DataFrame) -> dict[str, Any]:
    about = items.loc[row["item"]] if row["item"] in items.index else {}
    year = _number(about.get("year"))
    return {
        "slot": int(row["slot"]),
        "rank": int(row["rank"]),
        "item": int(row["item"]),
        "item_id": about.get("item_id", ""),
        "title": about.get("title", ""),
        "genres": list(about.get("genres") or []),
        "year": int(year) if year else None,
        "shown_rating": _number(about.get("shown_rating")),
        "relevant": _flag(row["relevant"]),
        "utility": _number(row["utility"]),
        "interest": _number(row["interest"]),
        "aligned": _flag(row["aligned"]),
        "watched": _flag(row["watched"]),
        "rating": _number(row["rating"]),
        "reason": row["reason"] or "",
        "feeling": row["feeling"] or "",
    }


def _exit(sessions: pd.DataFrame) -> dict[str, Any] | None:
    """How the visit ended; None while it has not."""
    for row in _records(sessions):
        page = _number(row["exit_page"])
        return {
            "page": None if page is None else int(page),
            "reason": row["exit_reason"] or "",
            "stopped_by_limit": _flag(row["censored"]),
            "outcome": row["outcome"],
        }
    return None


def _interview(sessions: pd.DataFrame) -> dict[str, Any] | None:
    for row in _records(sessions):
        if not isinstance(row["interview_outcome"], str):
            return None
        return {
            "outcome": row["interview_outcome"],
            "satisfaction": _number(row["satisfaction"]),
            "return_intent": _number(row["return_intent"]),
            "reason": row["interview_reason"] or "",
        }
    return None


def _records(frame: pd.DataFrame | None) -> Sequence[Mapping[str, Any]]:
    if frame is None:
        return []
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _number(value: Any) -> float | None:
    """A number, or None for NaN, NULL and pandas' NA."""
    return None if value is None or pd.isna(value) else float(value)


def _flag(value: Any) -> bool | None:
    return None if value is None or pd.isna(value) else bool(value)
