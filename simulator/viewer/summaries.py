"""What a run amounts to, which takes seconds to work out: its summary and its figures, made once
in the background and kept in the index until the run goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .. import __version__
from ..evaluation.study import Study, read
from ..evaluation.summary import SCHEMA, document
from ..storage import queries, tables
from ..storage.plain import plain, to_json
from ..storage.store import Store
from .index import Index

if TYPE_CHECKING:
    from .view import View

SUMMARY, FIGURES, FIGURE = "summary", "figures", "figure/"
"""Kinds of documents; the last is followed by a figure's name."""


@dataclass(frozen=True)
class Made:
    """What is known so far. ``summary``: as ``summary.json``, None until it is there;
    ``leaders``: as :func:`simulator.report.findings.leaders`; ``calls``: by kind of question and
    outcome; ``figures``: name, section, title, caption of each, None until they are drawn;
    ``error``: why it could not be worked out, "" where nothing went wrong."""

    summary: dict[str, Any] | None
    leaders: dict[str, str | None]
    calls: list[dict[str, Any]]
    figures: list[dict[str, str]] | None
    error: str


def made(view: View, study: Study) -> Made:
    """What is there; what is not is asked for."""
    at, key = stamp(study), f"summary of {study.name}"
    kept = view.index.document(study.name, SUMMARY, at)
    drawn = view.index.document(study.name, FIGURES, at)
    error = ""
    if kept is None or drawn is None:
        view.work.ask(key, f"{__name__}:make", study.name)
        job = view.work.job(key)
        error = job.error if job is not None else ""
    found = {} if kept is None else json.loads(kept)
    return Made(
        summary=found.get("summary"),
        leaders=found.get("leaders", {}),
        calls=found.get("calls", []),
        figures=None if drawn is None else json.loads(drawn),
        error=error,
    )


def figure(view: View, study: Study, name: str) -> bytes | None:
    """A drawn figure as PNG."""
    return view.index.document(study.name, f"{FIGURE}{name}", stamp(study))


def stamp(study: Study) -> str:
    """Another one as soon as a summary would say something else: when a member ended or went
    on, when one that has not ended has another session, with another version of the code."""
    runs = [
        [run.id, run.created_at, run.finished_at, run.status, round(run.spent_seconds, 3)]
        + ([] if run.finished_at else [_sessions(study.store, run.id)])
        for run in study.members
    ]
    return to_json([SCHEMA, __version__, runs])


def _sessions(store: Store, run_id: int) -> int:
    of_run = sa.select(tables.arms.c.id).where(tables.arms.c.run_id == run_id)
    query = sa.select(sa.func.count()).where(tables.sessions.c.arm_id.in_(of_run))
    with store.engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def make(store: Store, index: Index, name: str) -> None:
    """The task: the summary first, as the page waits for it, then the figures."""
    study = read(store, name)
    at = stamp(study)
    kept = index.document(name, SUMMARY, at)
    if kept is None:
        found = _summarised(study)
        index.keep(name, SUMMARY, at, to_json(found).encode())
    else:
        found = json.loads(kept)
    if index.document(name, FIGURES, at) is None:
        _draw(index, study, at, found)


def _summarised(study: Study) -> dict[str, Any]:
    from ..report import findings, tables
    from ..report.write import unit_values

    summary = plain(document(study))
    units = unit_values(study, summary["round"])
    return {
        "summary": summary,
        "leaders": findings.leaders(study, summary, units, tables.dual(summary)),
        "calls": _calls(study),
    }


def _calls(study: Study) -> list[dict[str, Any]]:
    """Of all members' calls by kind of question and outcome: kind, outcome, calls, tokens,
    cost_usd (None where a price is not known)."""
    c, a = tables.calls.c, tables.arms.c
    of_runs = sa.select(a.id).where(a.run_id.in_([run.id for run in study.members]))
    tokens = c.tokens_in + c.tokens_out
    unpriced = sa.case((sa.and_(c.cost_usd.is_(None), tokens > 0, c.cached.is_(False)), 1), else_=0)
    sent = sa.case((c.cached, 0), else_=1)
    query = (
        sa.select(
            c.kind,
            c.outcome,
            sa.func.count().label("calls"),
            sa.func.sum(sent * tokens).label("tokens"),
            sa.func.sum(sent * sa.func.coalesce(c.cost_usd, 0.0)).label("cost_usd"),
            sa.func.sum(unpriced).label("unpriced"),
        )
        .where(c.arm_id.in_(of_runs))
        .group_by(c.kind, c.outcome)
        .order_by(c.kind, sa.func.count().desc(), c.outcome)
    )
    with study.store.engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    for row in rows:
        row["cost_usd"] = None if row.pop("unpriced") else row["cost_usd"]
    return rows


def _draw(index: Index, study: Study, at: str, found: dict[str, Any]) -> None:
    from ..report import frames as reading
    from ..report import style
    from ..report.figures import Subject, draw
    from ..report.write import tidy, unit_values

    summary = found["summary"]
    frames = reading.load(study.store, study.first.name)
    made = tidy(frames, summary, unit_values(study, summary["round"]))
    pens, agents = style.pens(frames.recommenders), len(frames.agents)
    subject = Subject(made, pens, found["leaders"], frames.confidence, agents, study.unit)
    drawings = draw(subject)
    for drawing in drawings:
        index.keep(study.name, f"{FIGURE}{drawing.name}", at, drawing.image)
    told = [
        {name: getattr(drawing, name) for name in ("name", "section", "title", "caption")}
        for drawing in drawings
    ]
    index.keep(study.name, FIGURES, at, to_json(told).encode())


def colours(view: View, study: Study) -> tuple[list[str], list[str]]:
    """The rules of each arm's colours, on light paper and on dark."""
    from ..report import page, style

    arms = queries.arms(view.store, study.first.name)
    return page.arm_colours(style.pens(dict(zip(arms["arm"], arms["recommender"], strict=True))))
