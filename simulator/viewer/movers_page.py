"""What moved a metric: from the difference of two arms to the agents that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from agents.interface import OK

from ..evaluation.intervals import Floats
from ..evaluation.paired import estimate
from ..evaluation.simulated import METRICS
from ..evaluation.study import Study, read
from ..report.comparing import interval, row_texts
from ..report.sentences import level
from ..report.wording import number, signed, wording
from . import summaries
from .agents_filter import SHEET, whole
from .agents_page import reading
from .session_index import Rows
from .session_pairs import LISTS, Bar, Pairs, distribution, listed, pairs
from .session_table import Table, table, which
from .view import View

router = APIRouter()

WIDTH, HEIGHT = 640, 130
"""Of the drawing, in its own units."""

WIDEST = 40
"""A bar, in the same units."""


@dataclass(frozen=True)
class Asked:
    """What the address says; "" and None leave the choice to the page."""

    metric: str = ""
    a: str = ""
    b: str = ""
    round: int | None = None
    list: str = "losses"
    sheet: int = 1


def parse(given: Mapping[str, str]) -> Asked:
    """What is not known is left to the page."""
    names = {name: given.get(name, "")[:500] for name in ("metric", "a", "b")}
    chosen = given.get("list", "")
    return Asked(
        **names,
        round=whole(given.get("round", "")),
        list=chosen if chosen in LISTS else LISTS[0],
        sheet=whole(given.get("sheet", "")) or 1,
    )


@router.get("/runs/{run}/movers", response_class=HTMLResponse)
def movers(request: Request, run: str) -> HTMLResponse:
    view: View = request.app.state.view
    return HTMLResponse(
        view.render("movers.html.j2", context(view, run, parse(request.query_params)))
    )


def context(view: View, name: str, asked: Asked) -> dict[str, Any]:
    """What movers.html.j2 shows. InputError where there is no run or family of that name."""
    run, family = which(view, name)
    found = table(view, run)
    out: dict[str, Any] = {
        "run": {"name": name, "status": run.status},
        "here": "movers",
        "member": run.name,
        "family": family,
        "reading": reading(view, run, found),
        "arms": [],
        "every": 0 if found is None else found.size,
        "ended": 0 if found is None else max(found.standing.total, found.size),
    }
    if found is None or not found.size:
        return out
    study = read(view.store, run.name)
    arms = [arm for arm, number in found.arms.items() if (found.column("arm_id") == number).any()]
    out["arms"] = arms
    return out if len(arms) < 2 else out | _compared(view, study, found, arms, asked)


def _compared(
    view: View, study: Study, found: Table, arms: Sequence[str], asked: Asked
) -> dict[str, Any]:
    metrics = [name for name in METRICS if not np.isnan(found.column(name)).all()]
    primary = str(study.evaluation["primary"])
    metric = next((m for m in (asked.metric, primary, *metrics) if m in metrics), "s_sat")
    a = next(arm for arm in (asked.a, study.control or "", *arms) if arm in arms)
    b = next(arm for arm in (asked.b, *arms) if arm in arms and arm != a)
    round_ = asked.round if asked.round in found.rounds else found.rounds[-1]
    two = pairs(found, metric, a, b, round_)
    lists = {name: listed(found, two, name) for name in LISTS}
    chosen = lists[asked.list]
    sheets = max(1, -(-len(chosen) // SHEET))
    sheet = min(asked.sheet, sheets)
    first = (sheet - 1) * SHEET
    query: dict[str, Any] = {"metric": metric, "a": a, "b": b}
    query |= {"round": round_ if len(found.rounds) > 1 else ""}
    return {
        "metric": metric,
        "metrics": metrics,
        "words": wording(metric),
        "better": METRICS[metric].better,
        "a": a,
        "b": b,
        "pens": {arm: list(found.arms).index(arm) for arm in arms},
        "round": round_,
        "rounds": found.rounds,
        "query": query,
        "list": asked.list,
        "counts": {name: len(places) for name, places in lists.items()},
        "result": _result(view, study, two, a, b, round_),
        "drawing": _drawing(two.difference, metric),
        "rows": _rows(found, two, chosen[first : first + SHEET]),
        "total": len(chosen),
        "sheet": sheet,
        "sheets": sheets,
        "first": first,
    }


def _result(view: View, study: Study, two: Pairs, a: str, b: str, round_: int) -> dict[str, Any]:
    """The difference as the A/B table has it; where that has none, or is not worked out yet, the
    mean over the pairs with Student's interval, and no verdict."""
    made = summaries.made(view, study)
    digits = wording(two.metric).digits
    known = ~np.isnan(two.difference)
    for row in _comparisons(made.summary, round_):
        if (row["metric"], row["control"], row["arm"]) == (two.metric, a, b):
            assert made.summary is not None
            return {**row_texts(row), "from_table": True, "why": "", "level": level(made.summary)}
    alone = _alone(two.difference[known], study.confidence, study.coupled(round_))
    why = "The verdict follows when the run's summary has been worked out."
    if made.summary is not None:
        control = made.summary["control"]
        why = f"The A/B table compares with {control}; this is one interval by itself."
    elif made.error:
        why = "The run's summary could not be worked out."
    return {
        "from_table": False,
        "why": why,
        "level": f"{study.confidence:.0%}",
        "control_mean": number(float(two.of_a[known].mean()) if known.any() else None, digits),
        "mean": number(float(two.of_b[known].mean()) if known.any() else None, digits),
        "difference": signed(alone["difference"], digits),
        "interval": interval(alone, digits),
        "n": f"{int(known.sum()):,}",
    }


def _comparisons(summary: Mapping[str, Any] | None, round_: int) -> Sequence[Mapping[str, Any]]:
    if summary is None:
        return []
    if summary["round"] == round_:
        return list(summary["comparisons"])
    return list(summary.get("rounds", {}).get(str(round_), {}).get("comparisons", []))


def _alone(differences: Floats, confidence: float, coupled: bool) -> dict[str, float | None]:
    if not len(differences):
        return {"difference": None, "low": None, "high": None}
    mean = float(differences.mean())
    if coupled or len(differences) < 2:  # agents that learned from each other have no interval
        return {"difference": mean, "low": None, "high": None}
    found = estimate(differences, confidence)
    return {"difference": found.difference, "low": found.low, "high": found.high}


def _rows(found: Table, two: Pairs, places: Rows) -> list[dict[str, Any]]:
    digits = wording(two.metric).digits
    out = []
    for place in places.tolist():
        sides = [
            _side(found, int(row), float(value), digits)
            for row, value in (
                (two.row_a[place], two.of_a[place]),
                (two.row_b[place], two.of_b[place]),
            )
        ]
        gap = float(two.difference[place])
        out.append(
            {
                "agent": int(two.agent[place]),
                "sides": sides,
                "difference": signed(gap, digits),
                "both": all(side["there"] for side in sides),
                "traits": [int(found.column(trait)[max(two.row_a[place], two.row_b[place])])
                           for trait in ("activity", "diversity", "conformity")],
            }
        )  # fmt: skip
    return out


def _side(found: Table, row: int, value: float, digits: int) -> dict[str, Any]:
    """One session beside the other: the metric's value, or why it has none."""
    if row < 0:
        return {"there": False, "value": "no session", "defined": False, "exit": "", "sat": None}
    outcome = found.outcomes[int(found.column("outcome")[row])]
    failed = bool(found.column("failed")[row])
    missing = f"failed: {outcome}" if failed else "undefined" if outcome == OK else outcome
    page = int(found.column("exit_page")[row])
    satisfaction = float(found.column("satisfaction")[row])
    return {
        "there": True,
        "value": missing if np.isnan(value) else number(value, digits),
        "defined": not np.isnan(value),
        "exit": f"{page}{' (limit)' if found.column('censored')[row] else ''}",
        "sat": None if np.isnan(satisfaction) else satisfaction,
    }


def _drawing(differences: Floats, metric: str) -> dict[str, Any] | None:
    """Bars, zero and mean, placed; None where there is no difference to draw."""
    bars = distribution(differences)
    if not bars:
        return None
    known = differences[~np.isnan(differences)]
    digits, better = wording(metric).digits, METRICS[metric].better or 1
    wide, most = WIDTH / len(bars), max(bar.count for bar in bars)
    middle = [(bar.low + bar.high) / 2 for bar in bars]
    step = middle[1] - middle[0] if len(bars) > 1 else 1.0

    def at(value: float) -> float:
        return (value - middle[0]) / step * wide + wide / 2

    return {
        "width": WIDTH,
        "height": HEIGHT,
        "bars": [_bar(bar, i, wide, most, better, digits) for i, bar in enumerate(bars)],
        "zero": f"{at(0.0):.1f}",
        "mean": f"{at(float(known.mean())):.1f}",
        "low": signed(middle[0], digits),
        "high": signed(middle[-1], digits),
        "counts": {
            "lower": f"{int((known < 0).sum()):,}",
            "same": f"{int((known == 0).sum()):,}",
            "higher": f"{int((known > 0).sum()):,}",
        },
    }


def _bar(bar: Bar, place: int, wide: float, most: int, better: int, digits: int) -> dict[str, str]:
    middle = (bar.low + bar.high) / 2
    broad = min(wide * 0.88, WIDEST)
    tall = bar.count / most * (HEIGHT - 6)
    tall = max(tall, 1.5) if bar.count else 0.0
    ends = (signed(bar.low, digits), signed(bar.high, digits))
    around = bar.low < 0 < bar.high or middle == 0
    return {
        "x": f"{place * wide + (wide - broad) / 2:.2f}",
        "y": f"{HEIGHT - tall:.2f}",
        "width": f"{broad:.2f}",
        "height": f"{tall:.2f}",
        "kind": "same" if around else "gain" if middle * better > 0 else "loss",
        "text": f"{ends[0] if bar.low == bar.high else f'{ends[0]} to {ends[1]}'}: {bar.count:,}",
    }
