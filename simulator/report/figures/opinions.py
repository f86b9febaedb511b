"""What agents said: satisfaction in the exit interview, and ratings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes

from .. import style
from ..style import Pen
from ..wording import number
from .drawing import Drawing, Subject, finish

SECTION = "What they thought"

_USUAL = {"satisfaction": (1, 10), "rating": (1, 5)}
"""The ends of the scales, drawn even where nobody used them."""


def draw(subject: Subject) -> Iterator[Drawing]:
    if len(subject.tables["satisfaction"]):
        best = subject.leader("s_sat")
        title = f"{best.name} satisfies agents most" if best else "Satisfaction at the exit"
        yield _rows_of_bars(subject, "satisfaction", "s_sat", title)
    if len(subject.tables["ratings"]):
        best = subject.leader("mean_rating")
        title = f"{best.name} is rated highest" if best else "Ratings of what they watched"
        yield _rows_of_bars(subject, "ratings", "mean_rating", title)


def _rows_of_bars(subject: Subject, table: str, metric: str, title: str) -> Drawing:
    """A row of bars an arm on a shared axis; a line marks the mean and its interval."""
    frame = subject.tables[table]
    value = str(frame.columns[1])
    scale_ends = _USUAL[value]
    pens = list(subject.pens.items())
    note = f"Bars: share of answers. Line: mean and {subject.level} interval by agent"
    height = max(style.HEIGHT, 1.25 + 0.55 * len(pens))
    labels = [pen.name for _, pen in pens]
    fig, ax = style.panel(title, note, labels_left=labels, labels_right=["0.00"], height=height)
    scale = 0.76 / float(frame["share"].max())
    answers = sorted(frame[value].unique())
    width = 0.86 * min((b - a for a, b in pairwise(answers)), default=1.0)
    first, last = min(scale_ends[0], answers[0]), max(scale_ends[1], answers[-1])
    ax.set_xlim(first - 0.7, last + 0.7)
    ax.set_ylim(-(len(pens) - 1) - 0.12, 1.0)
    for row, (arm, pen) in enumerate(pens):
        bars = subject.rows(table, arm)
        ax.bar(bars[value], bars["share"] * scale, width, -row, color=pen.colour, alpha=0.42)
        _mean(ax, subject.rows("dual", arm), metric, pen, -row)
        ax.axhline(-row, color=style.GRID, lw=0.8, zorder=0.5)
        left = ax.get_xlim()[0]
        ax.text(left, -row + 0.12, f"{pen.name} ", ha="right", va="bottom", color=pen.ink)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False)
    if last - first <= 10:
        ax.set_xticks(range(int(first), int(last) + 1))
    ax.set_xlabel(f"{value} given")
    ax.text(last + 0.7, 0.98, "mean", va="top", color=style.SOFT)
    caption = (
        f"How often each {value} was given, an arm a row (all bars share one scale); the "
        "upright line is the mean, its shade the interval."
    )
    return finish(fig, table, SECTION, title, caption)


def _mean(ax: Axes, dual: pd.DataFrame, metric: str, pen: Pen, base: float) -> None:
    found = dual[dual["metric"] == metric]
    if found.empty or pd.isna(found["mean"].iloc[0]):
        return
    mean, low, high = (found[c].iloc[0] for c in ("mean", "low", "high"))
    if not pd.isna(low) and not pd.isna(high):
        ax.fill_betweenx([base, base + 0.86], low, high, color=pen.ink, alpha=0.3, lw=0)
    ax.vlines(mean, base, base + 0.86, color=pen.ink, lw=1.6)
    right = ax.get_xlim()[1]
    ax.text(right, base + 0.12, number(mean, 2), va="bottom", color=pen.ink)
