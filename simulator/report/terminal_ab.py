"""A comparison on a terminal: health first, then what is found, then what could have been.

Tables stay within 110 columns, so that a log file or a pipe holds them whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from . import grounding, health, sentences, two_audiences
from .comparing import metric_order, row_texts
from .slices import table as slice_rows
from .wording import clean, wording

Row = Mapping[str, Any]

MAIN = ("p_view", "n_like", "p_like", "n_exit", "s_sat")
"""Shown beside the primary metric and guardrails where no metric is asked for."""

_STATES = {"ok": "green", "attention": "yellow", "stop": "red"}
_KINDS = {"better": "green", "worse": "yellow", "withheld": "red"}


def blocks(document: Mapping[str, Any], *, every: bool) -> Iterator[RenderableType]:
    """What ``audition compare`` prints, in order; ``every`` metric, or the main ones."""
    run, at = document["run"], sentences.level(document)
    head = Text(clean(run["name"]), style="bold")
    control = clean(document["control"])
    head.append(f"  arms against {control}; {_what(document)}", style="not bold")
    yield head
    for line in grounding.lines(document):
        yield Text(line)
    yield from health_panel(document)
    for row, sentence in sentences.headlines(document, every=every):
        kind = row_texts(row)["kind"]
        yield Text(f"{row_texts(row)['symbol']} {sentence}", style=_KINDS.get(kind, ""))
    shown, left = _shown(document, every)
    yield differences(shown, control, at)
    yield sensitivity(shown)
    if any(row["ratio"] for row in shown):
        yield ratios(shown)
    for title, text in sentences.notes(shown, at):
        yield Text(f"{title}: {text}")
    if "two_audiences" in document:
        names = list(dict.fromkeys(row["metric"] for row in shown))
        yield from two_audiences.blocks(document["two_audiences"], names, at)
    if "slices" in document:
        yield slices(document)
    if left:
        yield Text(f"More metrics: --metric {', --metric '.join(left)}", style="dim")


def health_panel(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    """A line a check, the worst first."""
    state, sentence = health.overall(document)
    yield Text(f"Health: {sentence}", style=_STATES[state])
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in health.lines(document):
        style = _STATES[line["state"]]
        table.add_row(Text(line["symbol"], style=style), line["title"], Text(line["text"]))
    yield Padding(table, (0, 0, 1, 0))


def differences(rows: Sequence[Row], control: str, at: str) -> Table:
    """Control's mean, arm's mean, difference, interval, adjusted p, verdict."""
    table = _table(sentences.about(rows, control, at))
    table.add_column("arm", max_width=16)
    table.add_column("metric", max_width=14)
    for heading in ("control", "arm", "difference", "interval", "adj. p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")

    def cells(texts: Mapping[str, Any]) -> list[str | Text]:
        verdict = f"{texts['symbol']} {clean(texts['verdict'])}"
        verdict += f"\n{texts['guardrail']}" * bool(texts["guardrail"])
        keys = ("control_mean", "mean", "difference", "interval", "p")
        return [*(texts[k] for k in keys), Text(verdict, style=_KINDS.get(texts["kind"], ""))]

    return _filled(table, rows, cells)


def sensitivity(rows: Sequence[Row]) -> Table:
    """What this run could have seen, and what it would take to see half of it."""
    unit = f"{rows[0]['unit']}s"
    half = f"{unit} that would find half of it"
    if any(row["interval"] == "anytime" for row in rows):
        half = f"at the last look; how many more {unit} half of it takes: audition plan"
    table = _table(
        f"smallest difference found 4 times in 5 by a single test; {half}; two groups: how many "
        f"times the {unit} without pairing"
    )
    table.add_column("arm", max_width=16)
    table.add_column("metric", max_width=14)
    for heading in ("detectable", "pairs", "for half of it", "correlation", "two groups"):
        table.add_column(heading, justify="right", no_wrap=True)
    adjusted = any(row["adjusted"] for row in rows)
    if adjusted:
        table.add_column("with covariates", justify="right", no_wrap=True)

    def cells(texts: Mapping[str, Any]) -> list[str | Text]:
        keys = ("detectable", "n", "needed", "correlation", "narrower")
        beside = texts["adjusted"]
        last = [f"{beside['kept']} of variance" if beside else ""] if adjusted else []
        return [*(texts[key] for key in keys), *last]

    return _filled(table, rows, cells)


def ratios(rows: Sequence[Row]) -> Table:
    """Ratios of sums over all agents beside the means of the agents' own ratios."""
    table = _table("sum over sum of all agents (delta method), beside the mean of agents' ratios")
    table.add_column("arm", max_width=16)
    table.add_column("ratio of sums", max_width=14)
    for heading in ("control", "arm", "difference", "interval", "p", "by agent"):
        table.add_column(heading, justify="right", no_wrap=True)

    def cells(texts: Mapping[str, Any]) -> list[str | Text]:
        keys = ("control", "arm", "difference", "interval", "p")
        return [*(texts["ratio"][key] for key in keys), texts["difference"]]

    return _filled(table, [row for row in rows if row["ratio"]], cells)


def slices(document: Mapping[str, Any]) -> RenderableType:
    """Parts of the audience; exploratory."""
    found = slice_rows(document)
    if not found:
        return Text("Slices: none can be compared.")
    table = _table("exploratory: chosen by nobody beforehand; false discoveries held to the level")
    for heading in ("slice", "arm"):
        table.add_column(heading, max_width=30)
    for heading in ("agents", "difference", "interval", "adj. p"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found:
        table.add_row(
            Text(row["slice"]), Text(clean(row["arm"])),
            row["n"], row["difference"], row["interval"], row["p"],
        )  # fmt: skip
    return table


def _filled(
    table: Table, rows: Sequence[Row], cells: Callable[[Mapping[str, Any]], list[str | Text]]
) -> Table:
    """A line a row, arms set apart; a metric's role beside its name."""
    before = None
    for row in rows:
        if before not in (None, row["arm"]):
            table.add_section()
        name = Text(wording(row["metric"]).short)
        if row["role"] != "secondary":
            name.append(f"\n{row['role']}", style="dim")
        arm = Text(clean(row["arm"]) if before != row["arm"] else "")
        table.add_row(arm, name, *cells(row_texts(row)))
        before = row["arm"]
    return table


def _shown(document: Mapping[str, Any], every: bool) -> tuple[list[Row], list[str]]:
    """The rows to print, and the names of the metrics that are left out."""
    rows = document["comparisons"]
    names = list(dict.fromkeys(row["metric"] for row in rows))
    special = {row["metric"] for row in rows if row["role"] != "secondary"}
    chosen = names if every else [name for name in names if name in special or name in MAIN]
    order = metric_order(document, chosen)
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    kept = [row for row in rows if row["metric"] in order]
    kept.sort(key=lambda row: (arms.index(row["arm"]), order.index(row["metric"])))
    return kept, [name for name in names if name not in chosen]


def _what(document: Mapping[str, Any]) -> str:
    parts = [f"round {document['round']}"] if document["round"] > 1 else []
    if document["worlds"] > 1:
        parts.append(f"{document['worlds']} worlds")
    if document["replicates"] > 1:
        parts.append(f"{document['replicates']} replicates")
    parts.append(f"begun {document['run']['created_at'].replace('T', ' ')[:16]}")
    return clean(", ".join(parts) + grounding.beside(document["scenario"]))


def _table(caption: str) -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        caption=Text(caption, style="dim"),
        caption_justify="left",
        header_style="bold",
        pad_edge=False,
        padding=(0, 1),
    )
