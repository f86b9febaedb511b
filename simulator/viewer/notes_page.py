"""Notes: what people found believable and what not, and the forms to say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import pandas as pd
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ..errors import AuditionError, InputError
from ..storage import person_notes, queries
from ..storage.export import csv_safe
from ..storage.person_notes import BELIEVABLE, NOT_BELIEVABLE, Note, Seen
from ..storage.plain import to_json
from .answers import Number, download, wants_part
from .forms import Form
from .view import View

router = APIRouter()

SHEET = 100
"""Notes on one sheet of the list."""

CHOICES = {"": None, "believable": BELIEVABLE, "not": NOT_BELIEVABLE}
"""What the list can be narrowed to, as it stands in the address."""


@router.get("/runs/{run}/notes", response_class=HTMLResponse)
def notes(request: Request, run: str, verdict: str = "", sheet: str = "1") -> HTMLResponse:
    view: View = request.app.state.view
    number = int(sheet) if re.fullmatch("[0-9]{1,6}", sheet) else 1
    return HTMLResponse(view.render("notes.html.j2", context(view, run, verdict, number)))


@router.get("/runs/{run}/notes.csv")
def as_csv(request: Request, run: str) -> Response:
    return download(csv(request.app.state.view, run), f"{run}-notes.csv", "text/csv")


@router.get("/runs/{run}/notes.json")
def as_json(request: Request, run: str) -> Response:
    return download(json(request.app.state.view, run), f"{run}-notes.json", "application/json")


@router.post("/runs/{run}/agents/{agent}/notes")
def add(request: Request, run: str, agent: Number, form: Form) -> Response:
    view: View = request.app.state.view
    seen = Seen(form.get("arm", ""), _number(form, "round"), agent, _number(form, "page"))
    person_notes.check(view.store, run, seen)
    try:
        person_notes.add(view.store, run, seen, **_told(form))
    except AuditionError as error:
        return _answer(request, run, seen, error, form)
    return _answer(request, run, seen)


@router.post("/runs/{run}/notes/{note}")
def change(request: Request, run: str, note: Number, form: Form) -> Response:
    view: View = request.app.state.view
    found = person_notes.find(view.store, run, note)
    try:
        person_notes.change(view.store, run, note, **_told(form))
    except AuditionError as error:
        return _answer(request, found.run, found.seen, error, form, note)
    return _answer(request, found.run, found.seen)


@router.post("/runs/{run}/notes/{note}/delete")
def delete(request: Request, run: str, note: Number, form: Form) -> Response:
    view: View = request.app.state.view
    found = person_notes.find(view.store, run, note)
    try:
        person_notes.delete(view.store, run, note)
    except AuditionError as error:
        return _answer(request, found.run, found.seen, error, note=note)
    return _answer(request, found.run, found.seen)


def context(
    view: View, run: str, choice: str = "", sheet: int = 1, size: int | None = SHEET
) -> dict[str, Any]:
    """What notes.html.j2 shows of a run or family: one ``sheet`` (1..) of ``size`` notes, all
    where it is None. An unknown ``choice`` is none, a sheet beyond the last is the last."""
    counts = person_notes.counts(view.store, run)
    chosen = choice if choice in CHOICES else ""
    by_choice = {"": counts.notes, "believable": counts.believable, "not": counts.not_believable}
    there = by_choice[chosen]
    sheets = 1 if size is None else max(1, -(-there // size))
    sheet = min(max(sheet, 1), sheets)
    found = person_notes.listed(
        view.store,
        run,
        verdict=CHOICES[chosen],
        limit=size,
        offset=0 if size is None else (sheet - 1) * size,
    )
    return {
        "run": _headed(view, run),
        "here": "notes",
        "counts": counts,
        "choices": [
            ("", "All", counts.notes),
            ("believable", "Believable", counts.believable),
            ("not", "Not believable", counts.not_believable),
        ],
        "chosen": chosen,
        "notes": found,
        "sheet": sheet,
        "sheets": sheets,
        "several": any(note.run != run for note in found),
    }


def csv(view: View, run: str) -> str:
    """A table, the latest note first; no cell that a spreadsheet would run."""
    frame = pd.DataFrame(_rows(view, run), columns=[f.name for f in fields(Note)])
    return csv_safe(frame).to_csv(index=False, lineterminator="\n")


def json(view: View, run: str) -> str:
    """A list of notes, the latest first."""
    return f"{to_json(_rows(view, run))}\n"


def _rows(view: View, run: str) -> list[dict[str, Any]]:
    return [asdict(note) for note in person_notes.listed(view.store, run)]


def _headed(view: View, run: str) -> dict[str, Any]:
    """What run_base.html.j2 asks of a run; a family has no state of its own."""
    if queries.family(view.store, run):
        return {"name": run, "status": ""}
    found = queries.run(view.store, run)
    return {"name": found.name, "status": found.status}


def _told(form: Mapping[str, str]) -> dict[str, str]:
    """What a person fills in."""
    return {key: form.get(key, "") for key in ("verdict", "text", "author")}


def _number(form: Mapping[str, str], key: str) -> int:
    text = form.get(key, "")
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else 0


def _answer(
    request: Request,
    run: str,
    seen: Seen,
    error: AuditionError | None = None,
    form: Mapping[str, str] | None = None,
    note: int | None = None,
) -> Response:
    """After a form: the page's notes anew where a script asked, else the page itself. After
    a mistake also the form, filled as it was, and what was wrong with it."""
    view: View = request.app.state.view
    scripted = wants_part(request)
    if error is None and not scripted:
        return RedirectResponse(
            view.links.page(run, seen.agent, seen.arm, seen.round, seen.page), 303
        )
    values = {
        "run": _headed(view, run),
        "here": "notes",
        **asdict(seen),
        "notes": person_notes.of_page(view.store, run, seen),
        "saved": error is None,
        "problem": "" if error is None else str(error),
        "draft": _told(form or {}),
        "changing": note,
    }
    if scripted:
        return HTMLResponse(view.render("notes_block.html.j2", values))
    status = 422 if isinstance(error, InputError) else 503
    return HTMLResponse(view.render("note.html.j2", values), status)
