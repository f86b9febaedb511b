"""The agents of a run: every finished session, filtered, sorted, searched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from ..evaluation.simulated import METRICS
from ..storage.export import csv_safe
from ..storage.queries import Run
from . import session_index, session_words
from .agents_filter import COLUMNS, LEVELS, SHEET, TITLES, Asked, Chosen, choose, parse, relaxed
from .answers import file_name, wants_part
from .session_batches import TRAITS
from .session_table import Table, people, reasons, table, titles, which
from .view import NotThere, View

router = APIRouter()

CSV_ROWS = 200_000
"""Sessions in one file at most."""

_CHUNK = 5_000
SUGGESTED = 12


@router.get("/runs/{run}/agents", response_class=HTMLResponse)
def agents(request: Request, run: str) -> HTMLResponse:
    """The page; for a script that changes the table in place, the table alone."""
    view: View = request.app.state.view
    asked = parse(request.query_params)
    shown = context(view, run, asked)
    headers = {"Vary": "HX-Request"}
    if not wants_part(request):
        return HTMLResponse(view.render("agents.html.j2", shown), headers=headers)
    if request.query_params.get("wait") and shown["every"]:  # the form can be filled now
        return HTMLResponse("", headers=headers | {"HX-Refresh": "true"})
    headers["HX-Push-Url"] = view.links.run(run, "agents", **asked.query(sheet=shown["sheet"]))
    return HTMLResponse(view.render("agents_table.html.j2", shown), headers=headers)


@router.get("/runs/{run}/agents.csv")
def as_csv(request: Request, run: str) -> StreamingResponse:
    """The sessions asked for, in the order asked for."""
    view: View = request.app.state.view
    known, _ = which(view, run)
    found = table(view, known)
    if found is None:
        raise NotThere("The sessions of this run are being read. Try again in a moment.")
    rows = choose(found, parse(request.query_params)).rows[:CSV_ROWS]
    named = file_name(f"{known.name}-agents.csv")
    headers = {"Content-Disposition": f'attachment; filename="{named}"'}
    return StreamingResponse(_csv(found, rows), 200, headers, "text/csv; charset=utf-8")


@router.get("/runs/{run}/titles", response_class=HTMLResponse)
def suggestions(request: Request, run: str, item: str = "") -> HTMLResponse:
    """Titles that have the text in them, to choose from while typing."""
    view: View = request.app.state.view
    known, _ = which(view, run)
    wanted = item.strip().casefold()[:200]
    found = [title for title in titles(view, known).values() if wanted in title.casefold()]
    found = sorted(dict.fromkeys(found), key=lambda t: (not t.casefold().startswith(wanted), t))
    shown = {"titles": found[:SUGGESTED] if wanted else []}
    return HTMLResponse(view.render("titles.html.j2", shown))


def context(view: View, name: str, asked: Asked) -> dict[str, Any]:
    """What agents.html.j2 shows. InputError where there is no run or family of that name."""
    run, family = which(view, name)
    out: dict[str, Any] = {
        "run": {"name": name, "status": run.status},
        "here": "agents",
        "member": run.name,
        "family": family,
        "asked": asked,
        "columns": {},
        "rows": [],
        "total": 0,
        "every": 0,
        "ended": 0,
        "sheet": 1,
        "sheets": 1,
        "first": 0,
        "relax": [],
        "items": [],
        "levels": LEVELS,
        "reading": "",
        "choices": {"arms": [], "rounds": [], "outcomes": [], "traits": {}, "noted": 0},
        "searchable": session_index.searchable(view.index),
        "csv_rows": CSV_ROWS,
    }
    found = table(view, run)
    out["reading"] = reading(view, run, found)
    return out if found is None else out | _shown(view, found, asked)


def reading(view: View, run: Run, found: Table | None) -> str:
    """ "": all sessions are there that have ended; else why not."""
    job = view.work.job(session_index.job(run))
    if job is not None and job.state == "failed":
        return f"failed: {job.error}"
    if found is None:
        return "begun"
    if found.size < found.standing.total or (job is not None and not found.size):
        return "goes on"
    return ""


def _shown(view: View, found: Table, asked: Asked) -> dict[str, Any]:
    chosen = choose(found, asked)
    total = len(chosen.rows)
    sheets = max(1, -(-total // SHEET))
    sheet = min(asked.sheet, sheets)
    first = (sheet - 1) * SHEET
    rows = chosen.rows[first : first + SHEET]
    known = titles(view, found.run)
    return {
        "columns": _columns(found),
        "rows": _rows(view, found, asked, chosen, [int(row) for row in rows]),
        "total": total,
        "every": found.size,
        "ended": max(found.standing.total, found.size),
        "sheet": sheet,
        "sheets": sheets,
        "first": first,
        "relax": [] if total else _relax(asked, chosen),
        "items": [known.get(item, f"#{item}") for item in chosen.items],
        "many_items": len(chosen.items) >= TITLES,
        "choices": {
            "arms": list(found.arms),
            "rounds": found.rounds,
            "noted": int(found.noted.sum()),
            "outcomes": sorted(found.outcomes),
            "traits": {
                trait: [level for level in found.levels(trait) if level] for trait in TRAITS
            },
        },
    }


def _columns(found: Table) -> dict[str, str]:
    """What a sheet shows: no round where there is one, no arm, no trait that is not known."""
    left = {"shown"}
    if len(found.rounds) < 2:
        left.add("round")
    if len(found.arms) < 2:
        left.add("arm")
    left |= {trait for trait in TRAITS if not found.column(trait).any()}
    return {name: title for name, title in COLUMNS.items() if name not in left}


def _rows(
    view: View, found: Table, asked: Asked, chosen: Chosen, rows: Sequence[int]
) -> list[dict[str, Any]]:
    columns = {name: found.column(name)[rows].tolist() for name in (*COLUMNS, "censored")
               if name != "arm"}  # fmt: skip
    arms = list(found.arms)
    arm_ids = found.column("arm_id")[rows].tolist()
    places = list(zip(arm_ids, columns["round"], columns["agent"], strict=True))
    why = reasons(view, places)
    users = people(view, found.run, columns["agent"])
    hits = {}
    if chosen.hits is not None:
        index, visits = view.index, found.standing.id
        hits = session_words.shown(index, visits, asked.q, chosen.hits, rows)
    out = []
    for i, row in enumerate(rows):
        one: dict[str, Any] = {name: values[i] for name, values in columns.items()}
        for name in ("satisfaction", "return_intent"):
            one[name] = None if np.isnan(one[name]) else one[name]
        one |= {
            "arm": arms[int(found.arm[row])],
            "pen": int(found.arm[row]),
            "user": users.get(one["agent"], ""),
            "outcome": found.outcomes[one["outcome"]],
            "why": why.get(places[i], ""),
            "hit": hits.get(row),
            "noted": bool(found.noted[row]),
        }
        out.append(one)
    return out


def _relax(asked: Asked, chosen: Chosen) -> list[dict[str, Any]]:
    """What of the question to let go where nobody meets all of it."""
    nothing, sort = Asked(), asked.sort
    return [
        {
            "text": one.text,
            "count": count,
            "without": asked.query(**{name: getattr(nothing, name) for name in one.names}),
            "alone": int(one.mask.sum()),
            "only": nothing.query(sort=sort, **{name: getattr(asked, name) for name in one.names}),
        }
        for one, count in relaxed(chosen)
    ]


def _csv(found: Table, rows: Any) -> Iterator[str]:
    names = {arm: name for name, arm in found.arms.items()}
    for start in range(0, max(len(rows), 1), _CHUNK):
        some = rows[start : start + _CHUNK]
        kept = (*TRAITS, "exit_page", "shown", "watched", "liked", "censored", "outcome")
        frame = pd.DataFrame(
            {
                "arm": [names[int(arm)] for arm in found.column("arm_id")[some]],
                **{name: found.column(name)[some] for name in ("round", "agent")},
                **{name: found.column(name)[some] for name in (*kept, *METRICS)},
            }
        )
        frame["outcome"] = [found.outcomes[code] for code in frame["outcome"]]
        users = people(found.view, found.run, frame["agent"].tolist())
        frame.insert(3, "user_id", [users.get(agent, "") for agent in frame["agent"]])
        text: str = csv_safe(frame).to_csv(index=False, header=start == 0, lineterminator="\n")
        yield text
