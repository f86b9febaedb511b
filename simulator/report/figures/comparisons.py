"""Arms against the control: every difference, how small a one could have been seen, and what
single agents did under both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ...evaluation.power import detectable
from .. import style
from ..comparing import SYMBOLS
from ..findings import verdict_kind
from ..placing import label_ends
from ..sentences import ADJUSTED
from ..style import Pen
from ..wording import signed, wording
from .drawing import Drawing, Subject, finish

Record = dict[str, Any]
Floats = npt.NDArray[np.float64]

SECTION = "Arms against the control"

MAIN = ("p_view", "n_like", "p_like", "n_exit", "s_sat")
"""Drawn beside the primary metric and the guardrails."""

MOST_ROWS = 40
"""Of the forest plot; above that the primary metric and the guardrails alone."""

MOST_PAIRED = 4
"""Arms whose agents are drawn one by one: those that differ most from the control."""


def draw(subject: Subject) -> Iterator[Drawing]:
    table = subject.tables["comparisons"]
    known = table.dropna(subset=["low", "high"])
    rows = _chosen(known)
    if len(rows):
        yield _forest(subject, rows)
    primary = known[known["role"] == "primary"]
    # The width of an anytime interval follows what was planned, so no curve by number holds.
    fixed = primary[(primary["minimum_detectable"] > 0) & (primary["interval"] != "anytime")]
    if len(fixed):
        yield _power(subject, fixed)
    if "looks" in subject.tables and len(subject.tables["looks"]):
        yield _looks(subject, primary)
    if len(table[table["role"] == "primary"]):
        yield from _paired(subject, table[table["role"] == "primary"])


def _chosen(known: pd.DataFrame) -> pd.DataFrame:
    """The primary metric first, guardrails, then the main ones."""
    special = known[known["role"] != "secondary"]
    rest = known[(known["role"] == "secondary") & known["metric"].isin(MAIN)]
    both = pd.concat([special.sort_values("role", key=lambda r: r != "primary"), rest])
    return both if len(both) <= MOST_ROWS else special.head(MOST_ROWS)


def _forest(subject: Subject, rows: pd.DataFrame) -> Drawing:
    """Each metric on a scale of its own, zero in the middle; shaded: its margin."""
    metrics = list(dict.fromkeys(rows["metric"]))
    labels = [subject.pens[arm].name for arm in dict.fromkeys(rows["arm"])]
    role = dict(zip(rows["metric"], rows["role"], strict=True))
    headings = {
        metric: wording(metric).short
        + ("" if role[metric] == "secondary" else f" ({role[metric]})")
        for metric in metrics
    }
    texts = [signed(row["difference"], wording(row["metric"]).digits) for row in _records(rows)]
    title = f"Differences from {subject.pens[rows['control'].iloc[0]].name}"
    anytime = "anytime " if (rows["interval"] == "anytime").any() else ""
    note = (
        f"Mean and {subject.level} {anytime}interval, paired by {rows['unit'].iloc[0]}. "
        "Shaded: the margin"
    )
    lines = len(rows) + 1.3 * len(metrics)
    fig, ax = style.panel(
        title,
        note,
        labels_left=[*labels, *(f"{heading} " for heading in headings.values())],
        labels_right=[f"▲ {text}" for text in texts],
        height=max(style.HEIGHT, 1.5 + 0.2 * lines),
    )
    y = 0.0
    for metric in metrics:
        y -= 1.0
        _left(ax, y, headings[metric], style.INK)
        own = rows[rows["metric"] == metric]
        reach = float(own[["low", "high"]].abs().to_numpy().max()) or 1.0
        zone = min(float(own["margin"].max()) / reach, 1.05)
        if zone > 0:
            ax.fill_between(
                [-zone, zone], y - 0.5, y - len(own) - 0.5, color=style.GRID, lw=0, zorder=0
            )
        for row in _records(own):
            y -= 1.0
            _bar(ax, y, row, subject.pens[row["arm"]], reach)
        y -= 0.3
    ax.axvline(0, color=style.SOFT, lw=0.9, zorder=1)
    ax.set_ylim(y - 0.2, -0.4)
    ax.set_xlim(-1.08, 1.08)
    ax.set_xticks([-1.0, 0.0, 1.0], ["less", "no difference", "more"])
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False)
    caption = (
        "Every difference with its interval; each metric has its own scale, and the numbers at "
        "the right are in its own units. An interval inside the shaded zone (the margin) shows "
        "that nothing that matters changed; one that crosses both zero and the zone's edge shows "
        "neither that nor a difference."
    )
    if (rows["estimate"] == "adjusted").any():
        caption += f" Differences are {ADJUSTED}."
    return finish(fig, "forest", SECTION, title, caption)


def _bar(ax: Axes, y: float, row: Record, pen: Pen, reach: float) -> None:
    low, point, high = (row[key] / reach for key in ("low", "difference", "high"))
    ax.hlines(y, low, high, color=pen.colour, lw=1.8)
    ax.plot(point, y, pen.marker, color=pen.colour, ms=6, mec="white", mew=0.8)
    _left(ax, y, pen.name, pen.ink)
    symbol = SYMBOLS[verdict_kind(str(row["verdict"]))]
    text = signed(row["difference"], wording(row["metric"]).digits)
    ax.annotate(
        f"{symbol} {text}", (1, y), xycoords=("axes fraction", "data"), xytext=(6, 0),
        textcoords="offset points", va="center", color=pen.ink, annotation_clip=False,
    )  # fmt: skip


def _left(ax: Axes, y: float, text: str, colour: str) -> None:
    bold = colour == style.INK
    ax.annotate(
        text, (0, y), xycoords=("axes fraction", "data"), xytext=(-6, 0),
        textcoords="offset points", ha="right", va="center",
        color=colour, weight="bold" if bold else "normal", annotation_clip=False,
    )  # fmt: skip


def _power(subject: Subject, primary: pd.DataFrame) -> Drawing:
    """The smallest difference that one test finds 4 times in 5, by the number of units."""
    metric, unit = str(primary["metric"].iloc[0]), str(primary["unit"].iloc[0])
    n = int(primary["n"].max())
    words = wording(metric)
    title = f"What {n:,} {unit}s could see, and what more would"
    pens = [subject.pens[row["arm"]] for row in _records(primary)]
    note = f"Found 4 times in 5 by a single {subject.level} test, in {words.short}. Ring: this run"
    fig, ax = style.panel(title, note, labels_right=[pen.name for pen in pens])
    sizes = np.unique(np.geomspace(max(min(n, 3), n // 5), 10 * n, 28).astype(int))
    effect = np.array([detectable(int(size), confidence=subject.confidence) for size in sizes])
    ends = []
    for row, pen in zip(_records(primary), pens, strict=True):
        own = float(row["minimum_detectable"])
        spread = own / detectable(int(row["n"]), confidence=subject.confidence)
        ax.plot(sizes, effect * spread, color=pen.colour)
        ax.plot(row["n"], own, "o", color="white", mec=pen.colour, mew=1.6, ms=7, zorder=3)
        ends.append(float(effect[-1] * spread))
    ax.set_xscale("log")
    ax.set_xlim(sizes[0], sizes[-1])
    ax.set_ylim(0, None)
    ticks = _round_sizes(int(sizes[0]), int(sizes[-1]))
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel(f"{unit}s in every arm")
    ax.set_ylabel(f"detectable difference, {words.label}")
    label_ends(ax, pens, [float(sizes[-1])] * len(pens), ends)
    caption = (
        f"How small a true difference in {words.short} is found 4 times in 5 by a single test "
        f"(not corrected for others), by the number of {unit}s. A verdict “inconclusive” rules out "
        "only what lies above the curve."
    )
    if unit == "agent":
        caption += (
            " Roughly, from a few dozen agents on, four times the agents see half the difference."
        )
    return finish(fig, "power", SECTION, title, caption)


def _round_sizes(low: int, high: int) -> list[int]:
    """1, 2, 5, 10, 20, ... from low to high, thinned to six at most."""
    steps = [m * 10**e for e in range(9) for m in (1, 2, 5)]
    found = [step for step in steps if low <= step <= high]
    return found[:: 1 + (len(found) - 1) // 6]


def _looks(subject: Subject, primary: pd.DataFrame) -> Drawing:
    """The confidence sequence of the primary metric as agents came."""
    table = subject.tables["looks"]
    arms = [arm for arm in subject.pens if (table["arm"] == arm).any()]
    pens = [subject.pens[arm] for arm in arms]
    metric = str(primary["metric"].iloc[0]) if len(primary) else "difference"
    title = "The primary metric, look by look"
    note = f"Intervals that hold at all looks at once, at {subject.level}. Dot: decided"
    fig, ax = style.panel(title, note, labels_right=[pen.name for pen in pens])
    ends, at = [], []
    for arm, pen in zip(arms, pens, strict=True):
        rows = table[table["arm"] == arm]
        ax.fill_between(rows["came"], rows["low"], rows["high"], color=pen.colour, alpha=0.13, lw=0)
        ax.plot(rows["came"], rows["difference"], color=pen.colour)
        decided = rows[decided_at(rows["verdict"])].head(1)
        at_look = (decided["came"], decided["difference"])
        ax.plot(*at_look, "o", color=pen.colour, mec="white", ms=8, zorder=3)
        ends.append(float(rows["difference"].iloc[-1]))
        at.append(float(rows["came"].iloc[-1]))
    ax.axhline(0, color=style.SOFT, lw=0.8)
    ax.margins(x=0.02)
    ax.set_xlabel("agents who had come")
    ax.set_ylabel(f"difference, {wording(metric).label}")
    label_ends(ax, pens, at, ends)
    caption = (
        "The difference after each batch of agents; however often one looks, a band misses the "
        "truth no more often than the level says. Bands are those of a single comparison; with "
        "several arms, verdicts are corrected for all of them, so an arm may be decided later than "
        "its band leaves zero. Dot: the look from which the arm's verdict stood."
    )
    return finish(fig, "looks", SECTION, title, caption)


def decided_at(verdicts: pd.Series) -> npt.NDArray[np.bool_]:
    """Of one arm's looks in order, those from the one on after which there was a verdict at
    each.

    >>> decided_at(pd.Series(["better", "inconclusive", "better", "better"]))
    array([False, False,  True,  True])
    """
    is_open = verdicts.astype(str).str.startswith(("inconclusive", "withheld")).to_numpy(bool)
    return ~np.logical_or.accumulate(is_open[::-1])[::-1]


def _paired(subject: Subject, primary: pd.DataFrame) -> Iterator[Drawing]:
    """A panel an arm: each unit's value under the control and under the arm."""
    metric = str(primary["metric"].iloc[0])
    units = subject.tables["units"]
    wide = units.pivot(index="unit", columns="arm", values=metric)
    control = str(primary["control"].iloc[0])
    ranked = primary.assign(size=primary["difference"].abs()).sort_values("size", ascending=False)
    chosen = set(ranked["arm"].head(MOST_PAIRED))
    for place, arm in enumerate(arm for arm in primary["arm"] if arm in chosen):
        both = wide.reindex(columns=[control, arm]).dropna().to_numpy(dtype=np.float64)
        if len(both) > 1:
            yield _scatter(subject, both, control, arm, metric, place + 1)


def _scatter(
    subject: Subject, both: Floats, control: str, arm: str, metric: str, place: int
) -> Drawing:
    pen, other, words = subject.pens[arm], subject.pens[control], wording(metric)
    unit = subject.unit
    higher, lower = int((both[:, 1] > both[:, 0]).sum()), int((both[:, 1] < both[:, 0]).sum())
    title = f"{pen.name} against {other.name}, {unit} by {unit}"
    same = len(both) - higher - lower
    note = f"{words.short}: {higher:,} {unit}s higher, {lower:,} lower, {same:,} the same"
    fig, ax = style.panel(title, note)
    values, counts = np.unique(both, axis=0, return_counts=True)
    size = (
        16.0 + 300.0 * (counts / counts.max()) if counts.max() > 1 else np.full(len(values), 36.0)
    )
    ax.scatter(values[:, 0], values[:, 1], s=size, color=pen.colour, alpha=0.45, lw=0.6, ec="white")
    low, high = float(both.min()), float(both.max())
    pad = 0.06 * (high - low or 1.0)
    ends = [low - pad, high + pad]
    ax.plot(ends, ends, color=style.SOFT, lw=1, zorder=0.5)
    means = both.mean(axis=0)
    ax.plot(*means, pen.marker, color=pen.ink, ms=9, mec="white", mew=1.4)
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    whole = bool((both == np.rint(both)).all())
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=whole))
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=whole))
    ax.set_xlabel(f"{words.label} under {other.name}")
    ax.set_ylabel(f"{words.label} under {pen.name}")
    caption = (
        f"Each {unit}'s {words.label} under both arms; where several have the same values the "
        f"disc is larger. On the line nothing changed, above it {pen.name} gave more; the dark "
        "marker is the mean."
    )
    return finish(fig, f"paired_{place}", SECTION, title, caption)


def _records(frame: pd.DataFrame) -> list[Record]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
