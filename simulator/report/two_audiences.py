"""A run sharpened by one of more, cheaper agents, on a terminal: what both together say, and
how much of it rests on the cheap ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .comparing import SYMBOLS, interval
from .findings import verdict_kind
from .wording import DASH, clean, missing, number, probability, signed, wording

Row = Mapping[str, Any]

LITTLE = 0.3
"""Correlation below which a cheap audience is said to be of little use: it explains less than
a tenth of the variance."""


def blocks(found: Mapping[str, Any], metrics: Sequence[str], at: str) -> Iterator[RenderableType]:
    """The section ``two_audiences`` of the document, of these ``metrics``; ``at``: the
    intervals' confidence."""
    agents, models = found["agents"], found["models"]
    rows = ordered(found, metrics)
    yield Text.assemble(
        ("Two audiences: ", "bold"),
        f"with the {agents['cheap']:,} agents ({clean(models['cheap'])}) of "
        f"{clean(found['with'])}, of whom {agents['both']:,} are users that the "
        f"{clean(models['expensive'])} agents play too",
    )
    for row in rows:
        if row["role"] == "primary":
            yield Text(f"{_symbol(row)} {sentence(row, at)}")
    if agents["unmatched"]:
        yield Text(f"{agents['unmatched']:,} agents are not in {clean(found['with'])}: left out")
    yield _verdicts(rows, at)
    yield _reliance(rows)


def ordered(found: Mapping[str, Any], metrics: Sequence[str]) -> list[Row]:
    """The rows of these ``metrics``, in this order, arm by arm."""
    order = {metric: place for place, metric in enumerate(metrics)}
    arms = list(dict.fromkeys(row["arm"] for row in found["comparisons"]))
    return sorted(
        (row for row in found["comparisons"] if row["metric"] in order),
        key=lambda row: (arms.index(row["arm"]), order[row["metric"]]),
    )


def sentence(row: Row, at: str) -> str:
    """What one arm's primary metric comes to, and on what it rests."""
    words, arm, verdict = wording(row["metric"]), clean(row["arm"]), clean(row["verdict"])
    if missing(row["low"]):
        return f"{arm} in {words.short}: {verdict}."
    said = (
        f"{arm} in {words.short}: {verdict}, {signed(row['difference'], words.digits)} "
        f"({at}: {interval(row, words.digits)})."
    )
    if missing(row["correlation"]):
        return f"{said} The cheap audience does not vary and adds nothing."
    rho = f"correlation {number(row['correlation'], 2)}"
    if row["agents_saved"] is None or row["agents_saved"] <= 0:
        return f"{said} The cheap audience adds nothing ({rho})."
    calls = _and_calls(row)
    little = "Little is gained: " if abs(row["correlation"]) < LITTLE else ""
    return (
        f"{said} {little}{row['n']:,} agents count as {row['effective']:,}, which saves "
        f"{row['agents_saved']:,}{calls}; {row['rests']:.0%} of it rests on the cheap audience "
        f"({rho}, weight {number(row['weight'], 2)})."
    )


def _and_calls(row: Row) -> str:
    if row["calls_saved"] is None:
        return ""
    usd = "" if missing(row["usd_saved"]) else f", {row['usd_saved']:,.2f} USD"
    return f" agents, {row['calls_saved']:,} calls{usd}"


def _verdicts(rows: Sequence[Row], at: str) -> Table:
    table = _table(
        f"differences from the control by these agents alone, and by both; {at} intervals"
    )
    table.add_column("arm", max_width=14)
    table.add_column("metric", max_width=13)
    for heading in ("alone", "alone, interval", "both", "both, interval", "adj. p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for arm, row, digits in _named(rows):
        table.add_row(
            arm, wording(row["metric"]).short,
            signed(row["alone"]["difference"], digits), interval(row["alone"], digits),
            signed(row["difference"], digits), interval(row, digits),
            probability(row["p_adjusted"]), Text(f"{_symbol(row)} {clean(row['verdict'])}"),
        )  # fmt: skip
    return table


def _reliance(rows: Sequence[Row]) -> Table:
    table = _table(
        "count as: agents that would do alone as well; rests on cheap: the share of these that the "
        "cheap ones stand for"
    )
    table.add_column("arm", max_width=14)
    table.add_column("metric", max_width=13)
    headings = ("agents", "cheap", "cheap says", "correlation", "weight", "count as", "saved")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    calls = any(row["calls_saved"] is not None for row in rows)
    for heading in ("calls", "rests on cheap") if calls else ("rests on cheap",):
        table.add_column(heading, justify="right", no_wrap=True)
    for arm, row, digits in _named(rows):
        table.add_row(
            arm, wording(row["metric"]).short, f"{row['n']:,}", f"{row['everybody']:,}",
            signed(row["cheap"], digits), number(row["correlation"], 2), number(row["weight"], 2),
            _count(row["effective"]), _count(row["agents_saved"]),
            *([_count(row["calls_saved"])] if calls else []),
            DASH if missing(row["rests"]) else f"{row['rests']:.0%}",
        )  # fmt: skip
    return table


def _named(rows: Sequence[Row]) -> Iterator[tuple[Text, Row, int]]:
    """Each row with its arm's name, said once, and the digits of its metric."""
    before = None
    for row in rows:
        yield Text("" if row["arm"] == before else clean(row["arm"])), row, _digits(row)
        before = row["arm"]


def _digits(row: Row) -> int:
    return wording(row["metric"]).digits


def _symbol(row: Row) -> str:
    return SYMBOLS[verdict_kind(str(row["verdict"]))]


def _count(value: int | None) -> str:
    return DASH if value is None else f"{value:,}".replace("-", "−")


def _table(caption: str) -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        caption=Text(caption, style="dim"),
        caption_justify="left",
        header_style="bold",
        pad_edge=False,
        padding=(0, 1),
    )
