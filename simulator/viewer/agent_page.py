"""One agent: who it is, and its visit to one arm page by page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from agents.interface import OK
from agents.response.question import REPAIRED

from ..errors import InputError
from ..storage import person_notes, queries, visits
from ..transcript import transcript
from ..transcript_calls import calls_of
from ..transcript_markdown import markdown
from .answers import LARGEST, Number, download
from .view import NotThere, View

router = APIRouter()

Round = Annotated[int | None, Query(alias="round", ge=1, le=LARGEST)]

SPARK_WIDTH, SPARK_HEIGHT, SPARK_EDGE = 240, 44, 6


@router.get("/runs/{run}/agents/{agent}", response_class=HTMLResponse)
def page(
    request: Request, run: str, agent: Number, arm: str | None = None, round_: Round = None
) -> HTMLResponse:
    view: View = request.app.state.view
    return HTMLResponse(view.render("agent.html.j2", context(view, run, agent, arm, round_)))


@router.get("/runs/{run}/agents/{agent}/transcript.json")
def as_json(request: Request, run: str, agent: Number, arm: str | None = None) -> Response:
    """The same bytes as ``audition transcript --json``."""
    document = transcript(request.app.state.view.store, run, agent, arm or None)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return download(text, f"{run}-agent-{agent}.json", "application/json")


@router.get("/runs/{run}/agents/{agent}/transcript.md")
def as_markdown(request: Request, run: str, agent: Number, arm: str | None = None) -> Response:
    document = transcript(request.app.state.view.store, run, agent, arm or None)
    return download(markdown(document), f"{run}-agent-{agent}.md", "text/markdown")


def context(
    view: View, run_name: str, agent: int, arm: str | None = None, round_: int | None = None
) -> dict[str, Any]:
    """What agent.html.j2 shows: the visit to ``arm`` in that round, else the first there is."""
    run = queries.run(view.store, run_name)
    person = visits.agent(view.store, run, agent)  # refuses an unknown one
    begun = visits.begun(view.store, run, agent)
    arms = list(queries.arms(view.store, run.name)["arm"])
    chosen = which(begun, arms, arm, round_, run.name, agent)
    out: dict[str, Any] = {
        "run": {"name": run.name, "status": run.status},
        "here": "agents",
        "agent": agent,
        "arm": chosen[0] if chosen else "",
        "round": chosen[1] if chosen else 1,
        "imported": run.scenario.get("imported"),
        "tabs": _tabs(begun, visits.sessions(view.store, run, agent), chosen),
        "visit": None,
        "before": None,
        "after": None,
    }
    if chosen is None:
        document = transcript(view.store, run.name, person["agent"])
        return {**out, "who": document["agent"], "asked": document["run"]}
    document = transcript(view.store, run.name, agent, chosen[0], round_=chosen[1])
    before, after = visits.beside(view.store, run, agent, *chosen)
    calls = calls_of(view.store, run.name, agent, chosen[0], round=chosen[1])
    (visit,) = document["visits"]
    out |= {"before": before, "after": after, "visit": told(visit, calls)}
    out["noted"] = person_notes.by_page(view.store, run.name, agent)
    return {**out, "who": document["agent"], "asked": document["run"]}


def which(
    begun: Sequence[tuple[str, int]],
    arms: Sequence[str],
    arm: str | None,
    round_: int | None,
    run: str,
    agent: int,
) -> tuple[str, int] | None:
    """The visit that an address means; None where there is none yet. InputError for an arm that
    the run does not have, NotThere for a visit that was not made."""
    if arm and arm not in arms:
        raise InputError(run, key="arm", found=repr(arm), allowed=", ".join(arms))
    fits = [one for one in begun if (not arm or one[0] == arm) and round_ in (None, one[1])]
    if not fits and (arm or round_):
        where = (f" to {arm}" if arm else "") + (f" in round {round_}" if round_ else "")
        raise NotThere(f"Agent {agent} of {run} has made no visit{where} yet.")
    return fits[0] if fits else None


def _tabs(
    begun: Sequence[tuple[str, int]],
    sessions: Sequence[Mapping[str, Any]],
    chosen: tuple[str, int] | None,
) -> list[dict[str, Any]]:
    """One for each arm (with the chosen round where the agent was there), then the rounds."""
    ended = {(row["arm"], row["round"]): row for row in sessions}
    return [
        {
            "arm": arm,
            "round": round_,
            "here": (arm, round_) == chosen,
            "session": ended.get((arm, round_)),
            "ok": (arm, round_) in ended and ended[arm, round_]["outcome"] == OK,
        }
        for arm, round_ in begun
    ]


def told(visit: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A visit with what its pages are read by: its calls, the memory so far, which columns hold
    anything, and two small figures."""
    pages, known = [], 0
    for page in visit["pages"]:
        known += len(page["memories"])
        made = [call for call in calls if call["page"] == page["page"] and not _after(call)]
        pages.append(
            {**page, "ok": page["outcome"] == OK, "known": known, "calls": summed(made)}
            | {"watched": sum(item["watched"] is True for item in page["items"])}
        )
    items = [item for page in pages if page["ok"] for item in page["items"]]
    rated = [item["rating"] for item in items if item["rating"] is not None]
    return {
        **visit,
        "pages": pages,
        "columns": {
            name: any(item[name] is not None for item in items)
            for name in ("interest", "aligned", "utility")
        },
        "shown": len(items),
        "watched": sum(item["watched"] is True for item in items),
        "rated": len(rated),
        "rating": sum(rated) / len(rated) if rated else None,
        "memories": known,
        "satisfaction": spark([page["satisfaction"] for page in pages], 1, 10),
        "fatigue": spark([page["fatigue"] for page in pages], 0, 1),
        "calls": summed([call for call in calls if _after(call)]),
    }


def _after(call: Mapping[str, Any]) -> bool:
    """Whether a call belongs to the end of the visit and not to a page."""
    return bool(call["kind"] == "interview")


def summed(calls: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Calls in the order made, page first, and what they came to; None where there are none."""
    if not calls:
        return None
    first = {"page": 0, "exit": 1}
    costs = [call["cost_usd"] for call in calls if not call["cached"]]
    return {
        "each": sorted(calls, key=lambda c: (first.get(c["kind"], 2), c["kind"], c["attempt"])),
        "tokens_in": sum(call["tokens_in"] for call in calls),
        "tokens_out": sum(call["tokens_out"] for call in calls),
        "cached": sum(bool(call["cached"]) for call in calls),
        "cost": None if None in costs else sum(costs),
        "failed": sum(bool(call["complaint"] or call["outcome"] not in USABLE) for call in calls),
    }


USABLE = frozenset({OK, REPAIRED})


def spark(values: Sequence[float | None], low: float, high: float) -> dict[str, Any] | None:
    """A line over pages in a box of SPARK_WIDTH x SPARK_HEIGHT: its stretches (a gap where a
    page has no value) and dots; None where no page has one."""
    if all(value is None for value in values):
        return None
    wide = (SPARK_WIDTH - 2 * SPARK_EDGE) / max(len(values) - 1, 1)
    tall = SPARK_HEIGHT - 2 * SPARK_EDGE
    stretches: list[list[str]] = [[]]
    dots = []
    for place, value in enumerate(values):
        if value is None:
            stretches.append([])
            continue
        share = min(max((value - low) / (high - low), 0), 1)
        x = SPARK_EDGE + place * wide
        y = SPARK_HEIGHT - SPARK_EDGE - share * tall
        dots.append({"x": f"{x:.1f}", "y": f"{y:.1f}", "value": value})
        stretches[-1].append(f"{x:.1f},{y:.1f}")
    return {
        "width": SPARK_WIDTH,
        "height": SPARK_HEIGHT,
        "lines": [" ".join(points) for points in stretches if len(points) > 1],
        "dots": dots,
        "first": dots[0]["value"],
        "last": dots[-1]["value"],
    }
