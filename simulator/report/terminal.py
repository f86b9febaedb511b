"""The same figures on a terminal, as rich renderables that stay plain where it is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from . import canary, grounding, sentences
from .comparing import SYMBOLS, row_texts
from .findings import verdict_kind
from .tables import estimates
from .wording import (
    DASH,
    clean,
    duration,
    half_width,
    missing,
    money,
    number,
    probability,
    signed,
    wording,
)

_SHOWN = ("recall", "ndcg", "p_view", "n_like", "p_like", "n_exit", "s_sat")
_STYLES = {"better": "green", "worse": "yellow", "withheld": "red"}


def dual_table(summary: Mapping[str, Any]) -> Table:
    """Arms as rows; offline recall and nDCG, simulated metrics with half their interval.

    Reads well from 80 columns on: an interval stands below its mean.
    """
    table = _table(_caption(summary))
    table.add_column("arm", no_wrap=False, max_width=18)
    metrics = _metrics(summary)
    for metric in metrics:
        table.add_column(wording(metric).short, justify="right", no_wrap=True)
    for arm, entry in summary["arms"].items():
        both = {**estimates(entry, "offline"), **estimates(entry, "simulated")}
        cells = [_estimate(both.get(metric), wording(metric).digits) for metric in metrics]
        name = Text(clean(arm))
        if arm == summary.get("control"):
            name.append("\ncontrol", style="dim")
        table.add_row(name, *cells)
    return table


def comparisons_table(summary: Mapping[str, Any]) -> RenderableType:
    """Every verdict on the main metrics, one line each; then what failed."""
    table = _table(_about_verdicts(summary))
    for heading in ("arm", "metric"):
        table.add_column(heading, max_width=18)
    for heading in ("difference", "interval", "adj. p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    before = None
    for row in summary["comparisons"]:
        if row["metric"] not in _SHOWN and row["role"] == "secondary":
            continue
        words = wording(row["metric"])
        if before not in (None, row["arm"]):
            table.add_section()
        kind, guardrail = verdict_kind(row["verdict"]), row_texts(row)["guardrail"]
        verdict = f"{SYMBOLS[kind]} {clean(row['verdict'])}" + f"\n{guardrail}" * bool(guardrail)
        table.add_row(
            Text(clean(row["arm"]) if before != row["arm"] else ""),
            words.short,
            signed(row["difference"], words.digits),
            _interval(row, words.digits),
            probability(row["p_adjusted"]),
            Text(verdict, style=_STYLES.get(kind, "")),
        )
        before = row["arm"]
    told = [Text(line) for line in grounding.lines(summary)]
    below = [*_guardrails(summary), failures_line(summary), *told]
    return Group(table, *below) if table.row_count else Group(*below)


def _guardrails(summary: Mapping[str, Any]) -> Iterator[Text]:
    """A line each: whether it holds."""
    for row in summary["comparisons"]:
        for title, text in sentences.guardrail_lines([row]):
            yield Text(f"{title}: {text}", style="" if row["guardrail"]["holds"] else "red")


def failures_line(summary: Mapping[str, Any]) -> Text:
    """One line: what failed in which arm, or that nothing did."""
    told = [
        f"{clean(arm)}: " + ", ".join(f"{n} {clean(kind)}" for kind, n in failures.items())
        for arm, entry in summary["arms"].items()
        if (failures := {kind: n for kind, n in entry["failures"].items() if n})
    ]
    if not told:
        return Text("Failures: none", style="dim")
    return Text(f"Failures (missing data, not behaviour): {'; '.join(told)}", style="red")


def runs_table(frame: pd.DataFrame) -> RenderableType:
    """The runs of a store (``storage.queries.runs``), the latest last."""
    if frame.empty:
        return Text("No runs yet: audition run quickstart")
    table = _table(None)
    families = frame["family"].fillna("") if "family" in frame else pd.Series("", frame.index)
    with_family = bool((families != "").any())
    headings = ("run", *(["family"] if with_family else []))
    for heading in (*headings, "status", "seed", "agents", "arms", "begun"):
        table.add_column(heading, justify="right" if heading in ("seed", "agents") else "left")
    for row, family in zip(frame.to_dict("records"), families, strict=True):
        table.add_row(
            Text(clean(row["name"]), style="bold"),
            *([Text(clean(family))] if with_family else []),
            Text(row["status"], style="" if row["status"] == "finished" else "yellow"),
            str(row["seed"]),
            f"{row['agents']:,}",
            Text(clean(", ".join(row["arms"]))),
            str(row["created_at"]).replace("T", " ")[:16],
        )
    return table


def run_page(summary: Mapping[str, Any]) -> Iterator[RenderableType]:
    """One run: what it was, its tables, failures and cost."""
    run, dataset = summary["run"], summary["dataset"]
    head = Text(clean(run["name"]), style="bold")
    head.append(f"  {run['status']}, seed {run['seed']}", style="not bold")
    if run.get("error"):
        head.append(f"\n{clean(run['error'])}", style="red")
    head.append("\n" + _size(summary, dataset), style="not bold")
    yield head
    if summary["arms"]:
        yield dual_table(summary)
        yield comparisons_table(summary)
        for what, told in canary.lines(summary):
            yield Text(f"{what}: {told}")
        yield _usage_table(summary)


def _size(summary: Mapping[str, Any], dataset: Mapping[str, Any]) -> str:
    sizes = [
        f"{dataset[key]:,} {key}"
        for key in ("users", "items", "interactions")
        if isinstance(dataset.get(key), int)
    ]
    scenario = summary["scenario"]
    asked = scenario.get("agents", {})
    model = asked.get("response", {}).get("model", DASH) + grounding.beside(scenario)
    return clean(
        f"{dataset.get('name', DASH)}: {', '.join(sizes)}; {asked.get('count', DASH)} agents, "
        f"answers by {model}; begun {summary['run']['created_at']}"
    )


def _usage_table(summary: Mapping[str, Any]) -> Table:
    table = _table(None)
    table.add_column("arm", max_width=18)
    called = any(e["usage"]["calls"] or e["usage"]["cached"] for e in summary["arms"].values())
    spent = ("calls", "cached", "tokens", "cost") if called else ()
    for heading in ("sessions", *spent, "training", "simulation"):
        table.add_column(heading, justify="right")
    for arm, entry in summary["arms"].items():
        usage, seconds = entry["usage"], entry["seconds"]
        cost = (
            f"{usage['calls']:,}",
            f"{usage['cached']:,}",
            f"{usage['tokens_in'] + usage['tokens_out']:,}",
            money(usage),
        )
        table.add_row(
            Text(clean(arm)),
            f"{entry['sessions']:,}",
            *(cost if called else ()),
            duration(seconds["train"]),
            duration(seconds["simulate"]),
        )
    return table


def _metrics(summary: Mapping[str, Any]) -> list[str]:
    """The shown metrics that some arm has, by the order of ``_SHOWN``."""
    names = {
        n for entry in summary["arms"].values() for n in (*entry["offline"], *entry["simulated"])
    }
    found = [(stem, n) for stem in _SHOWN for n in sorted(names) if n.partition("@")[0] == stem]
    return [name for _, name in found]


def _estimate(found: Mapping[str, Any] | None, digits: int) -> Text:
    if found is None:
        return Text(DASH)
    out = Text(number(found["mean"], digits))
    half = half_width(found)
    if not missing(half):
        out.append(f"\n±{number(half, digits)}", style="dim")
    return out


def _interval(row: Mapping[str, Any], digits: int) -> str:
    if missing(row["low"]) or missing(row["high"]):
        return DASH
    return f"{signed(row['low'], digits)} to {signed(row['high'], digits)}"


def _confidence(summary: Mapping[str, Any]) -> str:
    evaluation = summary["scenario"].get("evaluation", {})
    return f"{100 * evaluation.get('confidence', 0.95):g} %"


def _caption(summary: Mapping[str, Any]) -> str:
    over = "both by world" if summary["unit"] == "world" else "offline by user, simulated by agent"
    return f"± half of the {_confidence(summary)} interval; {over}"


def _about_verdicts(summary: Mapping[str, Any]) -> str:
    control = clean(summary.get("control") or DASH)
    return sentences.about(summary["comparisons"], control, _confidence(summary))


def _table(caption: str | None) -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        caption=Text(caption, style="dim") if caption else None,
        caption_justify="left",
        header_style="bold",
        pad_edge=False,
        padding=(0, 1),
    )
