"""The dual table of feedback: offline and simulated metrics after refits on what agents did."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from .. import style
from ..placing import label_ends
from ..style import Pen
from ..wording import wording
from .drawing import Drawing, Subject, dodge, finish

SECTION = "After learning from the audience"


def draw(subject: Subject) -> Iterator[Drawing]:
    """A panel a metric of the dual table."""
    table = subject.tables.get("feedback")
    if table is None or table.empty:
        return
    for metric in dict.fromkeys(table["metric"]):
        here = table[(table["metric"] == metric) & table["mean"].notna()]
        if len(here):
            yield _panel(subject, str(metric), here)


def _panel(subject: Subject, metric: str, here: pd.DataFrame) -> Drawing:
    rows = [row for row in ROWS if (here["row"] == row).any()]
    groups = list(dict.fromkeys(here["recommender"]))
    pens = [_pen(subject, group, here) for group in groups]
    words = wording(metric)
    title = f"{words.short} before and after refits"
    over = f"{here['n'].max():,} worlds" if subject.unit == "world" else "one world"
    note = f"Mean and {subject.level} interval; {over}"
    fig, ax = style.panel(title, note, labels_right=[pen.name for pen in pens])
    ends, at = [], []
    for i, (group, pen) in enumerate(zip(groups, pens, strict=True)):
        mine = (
            here[here["recommender"] == group].set_index("row").reindex(rows).dropna(subset="mean")
        )
        x = [rows.index(row) + dodge(i, len(groups), 0.24) for row in mine.index]
        low, high = mine["low"].fillna(mine["mean"]), mine["high"].fillna(mine["mean"])
        ax.vlines(x, low, high, color=pen.colour, lw=1.2, alpha=0.75)
        ax.plot(x, mine["mean"], color=pen.colour, marker=pen.marker, ms=5.5, mec="white", mew=0.8)
        ends.append(float(mine["mean"].iloc[-1]))
        at.append(float(x[-1]))
    ax.set_xlim(-0.3, len(rows) - 0.7)
    ax.set_xticks(range(len(rows)), rows)
    ax.margins(y=0.12)
    ax.set_ylabel(words.label)
    style.only_y_grid(ax)
    label_ends(ax, pens, at, ends)
    caption = (
        f"{words.short} of each recommender as it was (Origin) and after it was refitted on what "
        "its agents did not watch (+ Unviewed) or did watch (+ Viewed); the intervals are of each "
        "mean, the table beside has those of the differences."
    )
    return finish(fig, f"feedback_{metric.partition('@')[0]}", SECTION, title, caption)


def _pen(subject: Subject, group: str, here: pd.DataFrame) -> Pen:
    """The recommender's own name in the colour of its first arm."""
    arm = str(here.loc[here["recommender"] == group, "arm"].iloc[0])
    pen = subject.pens[arm]
    return Pen(style.printable(group), pen.colour, pen.ink, pen.marker)


ROWS = ("Origin", "+ Unviewed", "+ Viewed", "+ Liked")
"""From left to right."""
