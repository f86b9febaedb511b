"""A run, or a family of runs: whether it can be believed, what it says, how it was made."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from anyio import sleep, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup
from sse_starlette import EventSourceResponse, ServerSentEvent

from ..evaluation.study import Study, read
from ..report import page
from ..report.wording import DASH, duration
from ..storage import person_notes, queries, tables
from . import exports, live, summaries
from .answers import download
from .view import NotThere, View, cut

router = APIRouter()

TICK = 1.0
"""Seconds between two looks at whether there is something new to tell."""

SETTINGS = 40_000
"""Characters of a scenario on the page; summary.json has it whole."""

_REPORT = Path(page.__file__).parent


@router.get("/runs/{run}", response_class=HTMLResponse)
def overview(request: Request, run: str) -> HTMLResponse:
    view: View = request.app.state.view
    return HTMLResponse(view.render("run.html.j2", context(view, run)))


@router.get("/runs/{run}/summary", response_class=HTMLResponse)
def summary(request: Request, run: str) -> HTMLResponse:
    """The part of the page that takes its time, asked for again until it is there."""
    view: View = request.app.state.view
    return HTMLResponse(_report(view, read(view.store, run)))


@router.get("/runs/{run}/summary.json")
def document(request: Request, run: str) -> Response:
    view: View = request.app.state.view
    found = summaries.made(view, read(view.store, run)).summary
    if found is None:
        raise NotThere("The summary is being worked out. Try again in a moment.")
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    return download(f"{text}\n", f"{run}-summary.json", "application/json")


@router.get("/runs/{run}/figures/{name}.png")
def figure(request: Request, run: str, name: str) -> Response:
    view: View = request.app.state.view
    image = summaries.figure(view, read(view.store, run), name)
    if image is None:
        raise NotThere("There is no such figure.")
    return Response(image, media_type="image/png")


@router.get("/runs/{run}/style.css")
def style(request: Request, run: str) -> Response:
    view: View = request.app.state.view
    return Response(style_sheet(view, read(view.store, run)), media_type="text/css")


@router.get("/runs/{run}/export/{frame}.csv")
def export(request: Request, run: str, frame: str) -> Response:
    view: View = request.app.state.view
    return exports.csv(view, queries.run(view.store, run).name, frame)


@router.get("/runs/{run}/events")
async def events(request: Request, run: str) -> Response:
    """What a running run has reached, whenever that has changed, until it has ended."""
    view: View = request.app.state.view
    await to_thread.run_sync(queries.run, view.store, run)
    return EventSourceResponse(_told(view, run), ping=15)


async def _told(view: View, run: str) -> AsyncIterator[ServerSentEvent]:
    before = ""
    while True:
        now, text = await to_thread.run_sync(_progress, view, run)
        if text != before:
            yield ServerSentEvent(text, event="progress")
            before = text
        if not now.running:
            yield ServerSentEvent("ended", event="ended")
            return
        await sleep(TICK)


def _progress(view: View, run: str) -> tuple[live.Now, str]:
    now = view.feeds.now(queries.run(view.store, run))
    return now, view.render("live.html.j2", {"now": shown_progress(now)})


def context(view: View, name: str) -> dict[str, Any]:
    """What run.html.j2 shows of a run or family. InputError where there is none."""
    study = read(view.store, name)
    first, runs = study.first, study.members
    gone = live.stopped(view.store, study)
    running = study.status == "running" and not gone
    last = next((one for one in runs if one.status == "running"), None)
    now = view.feeds.now(last) if running and last is not None else None
    family = first.family or (study.name if study.family else None)
    return {
        "run": {"name": study.name, "status": "stopped" if gone else study.status},
        "here": "overview",
        "whole": study.family,
        "created": min(one.created_at for one in runs),
        "ended": None if running else max((one.finished_at or "" for one in runs), default=""),
        "error": next((one.error for one in runs if one.error), ""),
        "resume": family or study.name,
        "facts": _facts(view, study, running=running),
        "family": family,
        "members": _members(view, family, study.name),
        "playing": last.name if running and last is not None else "",
        "now": None if now is None else shown_progress(now),
        "arms": study.arms,
        "counted": person_notes.counts(view.store, study.name),
        "exports": list(exports.FRAMES) if not study.family else [],
        "report": None if running else Markup(_report(view, study)),
    }


def _facts(view: View, study: Study, *, running: bool) -> list[tuple[str, str]]:
    """The run at a glance; nothing of it has to be worked out."""
    known: dict[str, Any] = {"run": {"status": study.status}}
    if study.family:
        known["members"] = [{"name": run.name} for run in study.members]
        known |= {"worlds": study.worlds, "replicates": study.replicates}
    rounds = int(study.first.scenario.get("rounds") or 1)
    told = dict(page.facts(known, study.first, agents(view, study), rounds))
    del told["status"]
    if rounds > 1:
        told["rounds"] = str(rounds)
    if "imported" in study.scenario:
        told["seed"] = str(study.scenario["imported"].get("seed", DASH))
    took = sum(run.spent_seconds for run in study.members)
    return [*told.items(), *([("took", duration(took))] if took and not running else [])]


def agents(view: View, study: Study) -> int:
    """How many a run has; counted once where it has ended, as they are many."""
    at, run = summaries.stamp(study), study.first
    kept = view.index.document(run.name, "agents", at) if run.finished_at else None
    if kept is not None:
        return int(kept)
    t = tables.agents
    query = sa.select(sa.func.count()).select_from(t).where(t.c.run_id == run.id)
    with view.store.engine.connect() as connection:
        found = int(connection.execute(query).scalar_one())
    if run.finished_at:
        view.index.keep(run.name, "agents", at, str(found).encode())
    return found


def _members(view: View, family: str | None, here: str) -> list[dict[str, Any]]:
    """The runs of the family, in order."""
    if family is None:
        return []
    return [
        {
            "name": run.name,
            "status": run.status,
            "seed": run.seed,
            "world": run.world,
            "replicate": run.replicate,
            "here": run.name == here,
        }
        for run in queries.family(view.store, family)
    ]


def shown_progress(now: live.Now) -> dict[str, Any]:
    """Progress as text, also what is not known."""
    return {
        "running": now.running,
        "alive": now.alive,
        "status": now.status,
        "arms": now.arms,
        "of": now.of,
        "waiting": now.waiting,
        "done": now.done,
        "total": now.total,
        "pages": now.pages,
        "failed": now.failed,
        "calls": now.calls,
        "tokens": now.tokens,
        "cost": DASH if now.cost is None else f"${now.cost:,.2f}",
        "counting": now.counting,
        "pace": DASH
        if now.pace is None
        else f"{now.pace:,.1f}"
        if now.pace < 10
        else f"{now.pace:,.0f}",
        "left": "not known yet" if now.left is None else f"about {duration(now.left)}",
    }


def _report(view: View, study: Study) -> str:
    """What the run says, or that it is being worked out, or why it says nothing."""
    shown: dict[str, Any] = {"run": {"name": study.name}, "stage": "empty", "error": ""}
    if not study.arms or not _measured(view, study):
        return view.render("run_report.html.j2", shown)
    made = summaries.made(view, study)
    if made.summary is not None and not made.error:
        return _finished(view, study.name, summaries.stamp(study), made.figures is not None)
    if made.summary is not None:
        return _there(view, study, made)
    shown |= {"stage": "failed" if made.error else "waiting", "error": made.error}
    return view.render("run_report.html.j2", shown)


@lru_cache(maxsize=32)
def _finished(view: View, name: str, at: str, drawn: bool) -> str:
    """The report as of the stamp ``at``, with its figures or without: the same as long as
    nothing of it changes."""
    study = read(view.store, name)
    return _there(view, study, summaries.made(view, study))


def _there(view: View, study: Study, made: summaries.Made) -> str:
    assert made.summary is not None
    figures = [
        {**one, "source": view.links.run(study.name, f"figures/{one['name']}.png")}
        for one in made.figures or ()
    ]
    arms = queries.arms(view.store, study.first.name)
    content = page.content(made.summary, study.first, arms, made.leaders, _by_section(figures))
    shown = {
        "stage": "there",
        "error": made.error,
        "drawing": made.figures is None,
        "calls": [_call(row) for row in made.calls],
        "single": len(study.arms) == 1,
        "run": {"name": study.name, "scenario_file": study.first.scenario_file},
    }
    content["settings"] = cut(content["settings"], SETTINGS)
    return view.render("run_report.html.j2", {**content, **shown})


def _measured(view: View, study: Study) -> bool:
    """Whether anything came of it: a session or an offline metric."""
    ids = [run.id for run in study.members]
    of_runs = sa.select(tables.arms.c.id).where(tables.arms.c.run_id.in_(ids))
    with view.store.engine.connect() as connection:
        return any(
            connection.execute(
                sa.select(table.c.arm_id).where(table.c.arm_id.in_(of_runs)).limit(1)
            ).first()
            for table in (tables.sessions, tables.offline)
        )


def _by_section(figures: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    out: dict[str, list[dict[str, str]]] = {}
    for one in figures:
        out.setdefault(one["section"], []).append(one)
    return [{"title": title, "figures": of_it} for title, of_it in out.items()]


def _call(row: dict[str, Any]) -> dict[str, Any]:
    cost, tokens = row["cost_usd"], row["tokens"]
    return {
        **row,
        "tokens": tokens or None,
        "cost": DASH if cost is None or not tokens else f"${cost:,.4f}",
    }


def style_sheet(view: View, study: Study) -> str:
    """A report's style for what stands in ``.report``, and each arm's colours on any page."""
    light, dark = summaries.colours(view, study)
    parts = (_REPORT / "parts.css").read_text(encoding="utf-8")
    return "\n".join(
        [
            f".report{{\n{parts}}}",
            *light,
            "@media(prefers-color-scheme:dark){",
            *(f":root:not([data-theme=light]) {rule}" for rule in dark),
            "}",
            *(f":root[data-theme=dark] {rule}" for rule in dark),
        ]
    )
