"""What the page of a run says, as plain values, and report.html, which is that page alone.

The viewer shows the same values in the same template, page.html.j2, in a page of its own.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..storage.plain import plain
from ..storage.queries import Run
from . import canary, grounding, health, protocol, sentences, slices
from .comparing import comparison_groups, metric_order, row_texts, verdict_matrix
from .figures import Drawing
from .frames import Frames
from .several import components, feedback_table, rounds_table
from .style import Pen, readable
from .tables import estimates
from .templating import self_contained
from .wording import DASH, Wording, clean, duration, half_width, missing, money, number, wording

HERE = Path(__file__).parent
"""Where the templates and style sheets are."""
_DARK = "#14181D"

MAIN = ("recall", "ndcg", "p_view", "n_like", "p_like", "n_exit", "s_sat")
"""What the dual table shows first; the other metrics follow below it."""


def render(
    summary: Mapping[str, Any],
    frames: Frames,
    drawings: Sequence[Drawing],
    pens: Mapping[str, Pen],
    leaders: Mapping[str, str | None],
) -> str:
    """The whole page; the same input gives the same text."""
    css = _style(pens)
    shown = content(summary, frames.run, frames.arms, leaders, sections(drawings, _embedded))
    told = facts(summary, frames.run, len(frames.agents), frames.round)
    return self_contained(HERE, "report.html.j2", css, **shown, facts=told)


def content(
    summary: Mapping[str, Any],
    run: Run,
    arms: pd.DataFrame,
    leaders: Mapping[str, str | None],
    figures: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What page.html.j2 shows. ``run``, ``arms``: of a family, its first member's, whose
    behaviour the ``figures`` (as from :func:`sections`) are of."""
    main, more = dual_columns(summary)
    order = metric_order(summary, [*main, *more])
    groups = comparison_groups(summary, order)
    first = [name for name in order if name in main or order.index(name) < _special(summary)]
    at = sentences.level(summary)
    return {
        "run": run,
        "name": summary["run"]["name"],
        "status": summary["run"],
        "tones": tones(arms["arm"].astype(str)),
        "tables": [
            {"columns": columns, "rows": _dual_rows(summary, columns, leaders)}
            for columns in (main, more)
            if columns
        ],
        "control": summary.get("control") or "",
        "compared": bool(groups),
        "unit": summary["unit"],
        "panel": health.lines(summary),
        "overall": health.overall(summary),
        "headlines": [
            {**row_texts(row), "sentence": told} for row, told in sentences.headlines(summary)
        ],
        "primary": sentences.primary_metric(summary),
        "notes": list(sentences.notes(summary.get("comparisons", []), at)),
        "matrix": verdict_matrix(summary, order),
        "groups": [group for group in groups if group["metric"] in first],
        "more_groups": [group for group in groups if group["metric"] not in first],
        "ratios": [group for group in groups if any(row["ratio"] for row in group["rows"])],
        "components": components(summary),
        "slices": slices.table(summary),
        "rounds": rounds_table(summary, main),
        "feedback": feedback_table(summary),
        "grounding": grounding.tables(summary),
        "level": at,
        "intervals": sentences.interval_name(summary.get("comparisons", []), at),
        "about": sentences.about(summary.get("comparisons", []), "control", at),
        "sections": figures,
        "sessions": _sessions(summary),
        "called": any(
            e["usage"]["calls"] or e["usage"]["cached"] for e in summary["arms"].values()
        ),
        "protocol": [*canary.lines(summary), *protocol.lines(run)],
        "response": protocol.response_note(run.scenario),
        "fits": _fits(arms),
        "settings": _yaml(summary["scenario"]),
        "versions": run.versions,
        "metrics": [(name, wording(name)) for name in metric_names(summary)],
    }


def tones(arms: Iterable[str]) -> dict[str, str]:
    """By arm the class that :func:`arm_colours` gives its colours to."""
    return {arm: f"a{i}" for i, arm in enumerate(arms)}


def _special(summary: Mapping[str, Any]) -> int:
    """How many metrics are the primary one or a guardrail."""
    rows = summary.get("comparisons", [])
    return len({row["metric"] for row in rows if row["role"] != "secondary"})


def metric_names(summary: Mapping[str, Any]) -> list[str]:
    """Every metric that any arm has, offline ones first, in the summary's order."""
    parts = [entry[part] for part in ("offline", "simulated") for entry in summary["arms"].values()]
    return list(dict.fromkeys(name for part in parts for name in part))


def dual_columns(summary: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The metrics of the dual table, and the others."""
    names = metric_names(summary)
    by_stem = {stem: [n for n in names if n.partition("@")[0] == stem] for stem in MAIN}
    main = [name for stem in MAIN for name in by_stem[stem]]
    return main, [name for name in names if name not in main]


def _dual_rows(
    summary: Mapping[str, Any], columns: Sequence[str], leaders: Mapping[str, str | None]
) -> list[dict[str, Any]]:
    rows = []
    for arm, entry in summary["arms"].items():
        both = {**estimates(entry, "offline"), **estimates(entry, "simulated")}
        cells = [_cell(both.get(name), wording(name)) for name in columns]
        for name, cell in zip(columns, cells, strict=True):
            cell["leads"] = leaders.get(name) == arm
        rows.append({"arm": arm, "cells": cells})
    return rows


def _cell(found: Mapping[str, Any] | None, words: Wording) -> dict[str, Any]:
    if found is None:
        return {"mean": DASH, "half": "", "n": None, "interval": ""}
    half = half_width(found)
    return {
        "mean": number(found["mean"], words.digits),
        "half": "" if missing(half) else f"±\u2009{number(half, words.digits)}",
        "n": found["n"],
        "interval": ""
        if missing(half)
        else f"{number(found['low'], words.digits)} to {number(found['high'], words.digits)}",
    }


def facts(summary: Mapping[str, Any], run: Run, agents: int, round_: int) -> list[tuple[str, str]]:
    """The run at a glance: label and value. Of ``summary`` only ``run`` is needed and, of a
    family, ``members``, ``worlds`` and ``replicates``; ``round_``: the last one played."""
    dataset = run.dataset
    session = run.scenario.get("session", {})
    size = ", ".join(
        f"{dataset[key]:,} {key}"
        for key in ("users", "items", "interactions")
        if isinstance(dataset.get(key), int)
    )
    pages = f"up to {session['max_pages']} pages of {session['page_size']}" if session else DASH
    out = [
        ("data set", f"{dataset.get('name', DASH)}: {size}" if size else DASH),
        ("audience", f"{agents:,} agents, the same for every arm"),
        ("a visit", f"{pages}, {session.get('order', 'ranked')} order"),
        ("answers by", protocol.response_name(run.scenario)),
        ("seed", str(run.seed)),
        ("status", summary["run"]["status"]),
    ]
    rounds = int(run.scenario.get("rounds", 1))
    if rounds > 1:
        out.insert(3, ("rounds", f"{round_} of {rounds}; figures and verdicts: the last"))
    if "members" in summary:
        kinds = [("worlds", summary["worlds"]), ("replicates", summary["replicates"])]
        several = ", ".join(f"{n} {what}" for what, n in kinds if n > 1) or "one run so far"
        told = f"{several}; figures of behaviour: {summary['members'][0]['name']}"
        out.insert(3, ("runs", clean(told)))
    return out


def sections(drawings: Sequence[Drawing], source: Callable[[Drawing], str]) -> list[dict[str, Any]]:
    """Figures by the section they stand in; ``source``: where a page finds the image."""
    out: dict[str, list[dict[str, str]]] = {}
    for drawing in drawings:
        shown = {"title": drawing.title, "caption": drawing.caption, "source": source(drawing)}
        out.setdefault(drawing.section, []).append(shown)
    return [{"title": title, "figures": figures} for title, figures in out.items()]


def _embedded(drawing: Drawing) -> str:
    return f"data:image/png;base64,{base64.b64encode(drawing.image).decode('ascii')}"


def _sessions(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Per arm: sessions, those that failed, what failed, what it cost."""
    rows = []
    for arm, entry in summary["arms"].items():
        usage, seconds, failures = entry["usage"], entry["seconds"], entry["failures"]
        failed = sum(n for kind, n in failures.items() if not kind.startswith("interview: "))
        rows.append(
            {
                "arm": arm,
                "sessions": f"{entry['sessions']:,}",
                "failed": failed,
                "failures": ", ".join(f"{clean(k)}: {v:,}" for k, v in failures.items()),
                "limit": _share(entry["censored"], entry["sessions"] - failed),
                "calls": f"{usage['calls']:,}",
                "cached": f"{usage['cached']:,}",
                "tokens": f"{usage['tokens_in'] + usage['tokens_out']:,}",
                "cost": money(usage),
                "train": duration(seconds["train"]),
                "simulate": duration(seconds["simulate"]),
            }
        )
    return rows


def _share(count: int, n: int) -> str:
    return f"{100 * count / n:.0f}\u2009%" if n else DASH


def _fits(arms: pd.DataFrame) -> list[dict[str, Any]]:
    """Each arm's recommender, its settings as resolved, and what its training reported."""
    return [
        {
            "arm": str(row["arm"]),
            "recommender": row["recommender"],
            "settings": _pairs(row["settings"]),
            "report": _pairs(row["fit_report"]),
        }
        for row in arms.to_dict("records")
    ]


def _pairs(values: Any) -> str:
    def shown(value: Any) -> str:
        return f"{value:.5g}" if isinstance(value, float) else clean(value)

    plain_values = [(k, v) for k, v in dict(values or {}).items() if not isinstance(v, list | dict)]
    return ", ".join(f"{clean(k)} {shown(v)}" for k, v in plain_values) or DASH


def _yaml(scenario: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML  # a tenth of a second, needed here alone

    writer = YAML()
    writer.default_flow_style = False
    writer.width = 96
    out = io.StringIO()
    writer.dump(plain(scenario), out)
    return "\n".join(clean(line) for line in out.getvalue().rstrip("\n").split("\n"))


def _style(pens: Mapping[str, Pen]) -> str:
    """The style sheet of a page that stands alone."""
    css = [(HERE / name).read_text(encoding="utf-8") for name in ("page.css", "parts.css")]
    light, dark = arm_colours(pens)
    return "\n".join([*css, *light, "@media(prefers-color-scheme:dark){", *dark, "}"])


def arm_colours(pens: Mapping[str, Pen]) -> tuple[list[str], list[str]]:
    """A rule an arm: its colour and its shade for text, on light paper and on dark."""
    light = [f".a{i}{{--c:{p.colour};--t:{p.ink}}}" for i, p in enumerate(pens.values())]
    dark = [
        f".a{i}{{--c:{readable(p.colour, _DARK)};--t:{readable(p.colour, _DARK)}}}"
        for i, p in enumerate(pens.values())
    ]
    return light, dark
