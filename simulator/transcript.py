"""One agent's whole visit, read from the store: who it is, what it saw, did and said.

:func:`transcript` gives plain data (``--json``), :func:`render` the same for a terminal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from agents import memory
from agents.interface import OK, MemoryEntry
from agents.persona import ACTIVITY, CONFORMITY, DIVERSITY

from .errors import InputError
from .evaluation import grounding
from .storage import queries
from .storage import visits as looking
from .storage.plain import plain
from .storage.store import Store
from .storage.visits import Row
from .transcript_text import render

__all__ = ["only", "render", "transcript"]

Rows = Sequence[Row]


def transcript(
    store: Store,
    run_name: str | None,
    agent: int,
    arm: str | None = None,
    *,
    round_: int | None = None,
) -> dict[str, Any]:
    """Everything one agent met in a run, in one arm or (None) in all of them, in one round
    or (None) in all.

    Keys: run, agent (profile), visits: one for each arm and round, with its pages, exit
    and interview. Numbers that do not exist are None. InputError, naming what there is,
    for an unknown run, agent or arm.
    """
    run = queries.run(store, run_name)
    profile = _profile(looking.agent(store, run, agent))
    found = looking.visits(store, run, agent, arm, round_)  # refuses an unknown arm
    pages = _by_visit(found.pages)
    others = [_by_visit(rows) for rows in (found.exposures, found.memories, found.sessions)]
    visits = []
    for (name, number), seen in pages.items():
        parts = [seen, *(rows.get((name, number), []) for rows in others)]
        recognises = grounding.told_by(run, name)
        imported = "imported" in run.scenario
        visit = _visit(*parts, items=found.items, imported=imported, recognises=recognises)
        visits.append({"arm": name, "round": number, **visit})
    response = run.scenario.get("agents", {}).get("response", {})
    document = {
        "run": {
            "name": run.name,
            "status": run.status,
            "seed": run.seed,
            "response": response,
            "grounding": run.scenario.get("grounding", "none"),
        },
        "agent": profile,
        "visits": visits,
    }
    return dict(plain(document))


def only(document: dict[str, Any], page: int) -> dict[str, Any]:
    """A transcript with one page of its visits; those that did not come so far are left out.
    InputError, naming the pages there are, where none did."""
    visits = [
        {**visit, "pages": pages}
        for visit in document["visits"]
        if (pages := [one for one in visit["pages"] if one["page"] == page])
    ]
    if not visits:
        seen = max(
            (one["page"] for visit in document["visits"] for one in visit["pages"]), default=0
        )
        raise InputError(
            f"agent {document['agent']['agent']}",
            key="page",
            found=str(page),
            allowed=f"1 to {seen}" if seen else "it has seen no page",
        )
    return {**document, "visits": visits}


def _profile(row: Row) -> dict[str, Any]:
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
    pages: Rows,
    exposures: Rows,
    memories: Rows,
    sessions: Rows,
    *,
    items: Mapping[int, Row],
    imported: bool,
    recognises: bool | None,
) -> dict[str, Any]:
    shown, noted = _by_page(exposures), _by_page(memories)
    # An agent whose model writes no memories is read from what its pages hold; what an
    # imported one remembered is not known.
    writes = imported or len(memories) > 0
    return {
        "pages": [
            _page(
                page,
                [_item(row, items, recognises) for row in shown.get(page["page"], [])],
                _memories(noted.get(page["page"], [])) if writes else None,
            )
            for page in pages
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


def _memories(rows: Rows) -> list[dict[str, Any]]:
    return [
        {"kind": row["kind"], "text": row["text"], "importance": _number(row["importance"])}
        for row in rows
    ]


def _item(row: Row, items: Mapping[int, Row], recognises: bool | None) -> dict[str, Any]:
    about = items.get(row["item"], {})
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
        "recognised": _flag(row["relevant"]) if recognises else recognises,
        "utility": _number(row["utility"]),
        "interest": _number(row["interest"]),
        "aligned": _flag(row["aligned"]),
        "watched": _flag(row["watched"]),
        "rating": _number(row["rating"]),
        "reason": row["reason"] or "",
        "feeling": row["feeling"] or "",
    }


def _exit(sessions: Rows) -> dict[str, Any] | None:
    """How the visit ended; None while it has not."""
    for row in sessions:
        page = _number(row["exit_page"])
        return {
            "page": None if page is None else int(page),
            "reason": row["exit_reason"] or "",
            "stopped_by_limit": _flag(row["censored"]),
            "outcome": row["outcome"],
        }
    return None


def _interview(sessions: Rows) -> dict[str, Any] | None:
    for row in sessions:
        if not isinstance(row["interview_outcome"], str):
            return None
        return {
            "outcome": row["interview_outcome"],
            "satisfaction": _number(row["satisfaction"]),
            "return_intent": _number(row["return_intent"]),
            "reason": row["interview_reason"] or "",
        }
    return None


def _by_visit(rows: Rows) -> dict[tuple[str, int], list[Row]]:
    """Rows by (arm, round), in their order."""
    out: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        out.setdefault((row["arm"], row["round"]), []).append(row)
    return out


def _by_page(rows: Rows) -> dict[int, list[Row]]:
    out: dict[int, list[Row]] = {}
    for row in rows:
        out.setdefault(row["page"], []).append(row)
    return out


def _number(value: Any) -> float | None:
    """A number, or None for NaN and NULL."""
    return None if value is None or math.isnan(value) else float(value)


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(value)
