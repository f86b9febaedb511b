"""The runs of a store: state, arms, agents, cost, when. A family of runs is one line, which
leads to its members."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from ..report.wording import DASH
from ..storage import queries, tables
from ..storage.plain import to_json
from . import live
from .view import View

router = APIRouter()


@router.get("/", response_class=HTMLResponse)
def runs(request: Request) -> HTMLResponse:
    view: View = request.app.state.view
    return HTMLResponse(view.render("runs.html.j2", context(view)))


@router.get("/partial/runs", response_class=HTMLResponse)
def table(request: Request, seen: str = "") -> Response:
    """The table alone, asked for again and again; nothing where it is as it was ``seen``."""
    view: View = request.app.state.view
    shown = context(view)
    if shown["seen"] == seen:
        return Response(status_code=204)
    return HTMLResponse(view.render("runs_table.html.j2", shown))


def context(view: View) -> dict[str, Any]:
    """What runs.html.j2 shows: what runs first, then the latest."""
    rows = [_row(view, run) for run in reversed(_runs(view))]
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(f"of {row['family']}" if row["family"] else row["name"], []).append(row)
    lines = [_line(members) for members in groups.values()]
    lines.sort(key=lambda line: line["status"] != "running")
    digest = hashlib.sha256(to_json(lines).encode()).hexdigest()[:16]
    running = any(line["status"] == "running" for line in lines)
    return {"runs": lines, "running": running, "seen": digest}


def _runs(view: View) -> list[dict[str, Any]]:
    """Every run's own row, the oldest first, and the names of its arms."""
    t, a = tables.runs.c, tables.arms.c
    columns = (t.id, t.name, t.status, t.seed, t.scenario_file, t.created_at, t.finished_at)
    query = sa.select(*columns, t.error, t.family, t.spent_seconds).order_by(t.id)
    named = sa.select(a.run_id, a.name).order_by(a.run_id, a.position)
    with view.store.engine.connect() as connection:
        found = [dict(row) for row in connection.execute(query).mappings()]
        arms: dict[int, list[str]] = {}
        for run_id, name in connection.execute(named):
            arms.setdefault(int(run_id), []).append(str(name))
    return [{**row, "arms": arms.get(int(row["id"]), [])} for row in found]


def _row(view: View, run: Mapping[str, Any]) -> dict[str, Any]:
    status = str(run["status"])
    if status == "running" and not live.alive(view.store, run["name"], run["created_at"]):
        status = "stopped"
    return {
        "name": run["name"],
        "status": status,
        "error": run["error"] or "",
        "arms": run["arms"],
        "seed": run["seed"],
        "family": run["family"] or "",
        "scenario": run["scenario_file"],
        "created": run["created_at"],
        **(_counted_live if status == "running" else _counted)(view, run),
    }


def _counted_live(view: View, run: Mapping[str, Any]) -> dict[str, Any]:
    """agents, calls and usd of a run that goes on."""
    now = view.feeds.now(queries.run(view.store, run["name"]))
    return {"agents": _agents(view, run["id"]), "calls": now.calls, "usd": now.cost}


def _counted(view: View, run: Mapping[str, Any]) -> dict[str, Any]:
    """The same of one that has ended, counted once, as there may be many of each."""
    ended = run["finished_at"]
    at = to_json([run["id"], run["status"], ended, run["spent_seconds"]])
    kept = view.index.document(run["name"], "counts", at) if ended else None
    if kept is not None:
        return dict(json.loads(kept))
    usage = queries.usage(view.store, run["name"])
    usd = None if usage["cost_usd"].isna().any() else float(usage["cost_usd"].sum())
    found = {"agents": _agents(view, run["id"]), "calls": int(usage["calls"].sum()), "usd": usd}
    if ended:
        view.index.keep(run["name"], "counts", at, to_json(found).encode())
    return found


def _agents(view: View, run_id: int) -> int:
    t = tables.agents
    query = sa.select(sa.func.count()).select_from(t).where(t.c.run_id == run_id)
    with view.store.engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def _line(members: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A run, or the family of these ``members``, the latest first."""
    latest, first = members[0], members[-1]
    usd = [row["usd"] for row in members]
    calls = sum(row["calls"] for row in members)
    cost = DASH if None in usd else f"${sum(usd):,.2f}" if calls else ""
    line = {**latest, "calls": calls, "cost": cost, "of": 0, "finished": 0}
    if not latest["family"]:
        return line
    states = [row["status"] for row in reversed(members)]
    return line | {
        "name": latest["family"],
        "status": next((state for state in states if state != "finished"), "finished"),
        "error": next((row["error"] for row in members if row["error"]), ""),
        "arms": first["arms"],
        "agents": first["agents"],
        "seed": first["seed"],
        "created": first["created"],
        "of": len(members),
        "finished": states.count("finished"),
    }
