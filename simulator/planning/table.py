"""``audition plan``: agents needed, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table

from ..report.wording import duration, number
from .two_audiences import lines


def blocks(size: Mapping[str, Any]) -> list[RenderableType]:
    """The document of :func:`simulator.planning.sizing.size`."""
    out: list[RenderableType] = [""]
    if size["pilot"] is None:
        return [*out, _standard_line(size)]
    out += [
        f"{size['metric']} against {size['arms'][0]['control']}, by the spread in "
        f"{size['pilot']['run']}, at {size['level']}:",
        _table(size),
    ]
    costs = [line for one in size["arms"] if (line := _cost_line(one, size["unit"]))]
    last = _standard_line(size) if size["difference"] is None else ""
    both = lines(size) if "two_audiences" in size else []
    return [*out, *costs, *_advice(size), *both, *size["notes"], *([last] if last else [])]


def _advice(size: Mapping[str, Any]) -> list[str]:
    """One line for all arms of which the same is to be said."""
    by_text: dict[str, list[str]] = {}
    for one in size["arms"]:
        if one["advice"]:
            by_text.setdefault(one["advice"], []).append(one["arm"])
    return [f"{', '.join(arms)}: {text}" for text, arms in by_text.items()]


def _standard_line(size: Mapping[str, Any]) -> str:
    pairs = ", ".join(f"{one['effect']:g}: {one['units']:,}" for one in size["standardised"])
    wanted = (
        f"{_plural(size)} for {size['power']:.0%} power at {size['level']}, by the difference in "
        f"standard deviations of paired differences: {pairs}"
    )
    if size["pilot"] is None and size["difference"] is not None:
        wanted += f"; a difference of {size['difference']:g} in {size['metric']} needs their spread"
    return wanted


def _table(size: Mapping[str, Any]) -> Table:
    difference, unit = size["difference"], size["unit"]
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    table.add_column("arm")
    headers = ["pairs", "sd, paired", "correlation", f"detectable with {size['planned']:,}"]
    if difference is not None:
        headers += [f"{unit}s for {difference:g}", "unpaired"]
    for header in headers:
        table.add_column(header, justify="right")
    for one in size["arms"]:
        row = [f"{one['units']:,}", f"{one['sd']:.3g}", number(one["correlation"], 2)]
        row.append(f"{one['detectable']:.3g}")
        if difference is not None:
            row += [_number(one["needed"]), _number(one["needed_unpaired"])]
        table.add_row(one["arm"], *row)
    return table


def _cost_line(one: Mapping[str, Any], unit: str) -> str | None:
    """What the size needed would cost."""
    if (cost := one["cost"]) is None:
        return None
    took = f"about {duration(cost['seconds']['expected'])}"
    if cost["calls"]["most"]:
        tokens = sum(part["expected"] for part in cost["tokens"].values())
        usd = cost["usd"]["expected"]
        money = "at an unknown price" if usd is None else f"{usd:,.2f} USD"
        took = f"{cost['calls']['expected']:,} calls, {tokens:,} tokens, {money}, {took}"
    return f"{one['arm']}: {one['needed']:,} {unit}s in all arms take {took}"


def _plural(size: Mapping[str, Any]) -> str:
    return f"{size['unit']}s"


def _number(n: int | None) -> str:
    return "unknown" if n is None else f"{n:,}"
