"""The runs of a store: state, arms, agents, cost, when."""

from __future__ import annotations

from typing import Any

import pandas as pd
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from ..report.wording import DASH
from ..storage import queries
from .view import View

router = APIRouter()


@router.get("/", response_class=HTMLResponse)
def runs(request: Request) -> HTMLResponse:
    view: View = request.app.state.view
    return HTMLResponse(view.render("runs.html.j2", context(view)))


@router.get("/partial/runs", response_class=HTMLResponse)
def table(request: Request) -> HTMLResponse:
    """The table alone, asked for again and again while something runs."""
    view: View = request.app.state.view
    return HTMLResponse(view.render("runs_table.html.j2", context(view)))


def context(view: View) -> dict[str, Any]:
    """What runs.html.j2 shows: the latest run first."""
    frame = queries.runs(view.store)
    cost = queries.cost_by_run(view.store)
    rows = [
        _row({str(k): v for k, v in row.items()}, cost.get(str(row["name"])))
        for row in frame.iloc[::-1].to_dict("records")
    ]
    return {"runs": rows, "running": any(row["status"] == "running" for row in rows)}


def _row(run: dict[str, Any], cost: tuple[int, float | None] | None) -> dict[str, Any]:
    calls, usd = cost or (0, 0.0)
    family = run["family"]
    return {
        "name": run["name"],
        "status": run["status"],
        "error": run["error"] or "",
        "arms": run["arms"],
        "agents": run["agents"],
        "seed": run["seed"],
        "family": "" if family is None or pd.isna(family) else family,
        "scenario": run["scenario_file"],
        "created": run["created_at"],
        "calls": calls,
        "cost": DASH if usd is None else ("" if not calls else f"${usd:,.2f}"),
    }
