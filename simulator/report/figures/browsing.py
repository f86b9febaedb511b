"""How long agents browse, and which slots they watch."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.ticker import MaxNLocator, PercentFormatter

from .. import style
from ..placing import label_ends
from .drawing import Drawing, Subject, dodge, finish, interval_line

SECTION = "While they browse"


def draw(subject: Subject) -> Iterator[Drawing]:
    if len(subject.tables["exits"]):
        yield _exit_curve(subject)
    if len(subject.tables["slots"]):
        yield _watch_rate(subject)


def _exit_curve(subject: Subject) -> Drawing:
    best = subject.leader("n_exit")
    title = f"{best.name} keeps agents longest" if best else "How long agents keep browsing"
    pens = list(subject.pens.values())
    note = f"Bands: {subject.level} intervals; {subject.agents:,} agents an arm"
    fig, ax = style.panel(title, note, labels_right=[pen.name for pen in pens])
    last = int(subject.tables["exits"]["page"].max())
    ends = []
    for arm, pen in subject.pens.items():
        rows = subject.rows("exits", arm)
        ax.fill_between(rows["page"], rows["low"], rows["high"], color=pen.colour, alpha=0.11, lw=0)
        marker = pen.marker if last <= 12 else ""
        still = rows["still_browsing"]
        ax.plot(rows["page"], still, color=pen.colour, marker=marker, ms=5, mec="white", mew=0.8)
        ends.append(float(still.iloc[-1]) if len(rows) else float("nan"))
    ax.set_xlim(0, last * 1.03)
    ax.set_ylim(0, 1.03)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel("pages seen")
    ax.set_ylabel("agents still browsing")
    style.only_y_grid(ax)
    label_ends(ax, pens, [last] * len(pens), ends)
    caption = (
        "The share of agents who have not yet left after so many pages; a steep fall is a page "
        "after which many left, and who remains at the right end was stopped by the page limit."
    )
    return finish(fig, "exit_curve", SECTION, title, caption)


def _watch_rate(subject: Subject) -> Drawing:
    table = subject.tables["slots"]
    slots = sorted(int(slot) for slot in table["slot"].unique())
    title = _slot_title(subject, slots)
    pens = list(subject.pens.values())
    fig, ax = style.panel(title, subject.note, labels_right=[pen.name for pen in pens])
    ends, at = [], []
    for i, (arm, pen) in enumerate(subject.pens.items()):
        rows, shift = subject.rows("slots", arm), dodge(i, len(pens), 0.24)
        interval_line(ax, pen, rows, "slot", "watch_rate", shift)
        ends.append(float(rows["watch_rate"].iloc[-1]) if len(rows) else float("nan"))
        at.append(slots[-1] + shift)
    ax.set_xlim(slots[0] - 0.3, slots[-1] + 0.3)
    ax.set_ylim(0, min(1.03, float(table["high"].fillna(table["watch_rate"]).max()) * 1.1 + 0.01))
    style.watched_by_slot(ax)
    label_ends(ax, pens, at, ends)
    caption = (
        "How often an item was watched by where it stood on the page; a line that falls from "
        "left to right mixes better ranking at the top with attention that fades down the page."
    )
    return finish(fig, "watch_rate_by_slot", SECTION, title, caption)


def _slot_title(subject: Subject, slots: list[int]) -> str:
    """Claims a slot effect only where every arm's intervals of both ends lie apart."""
    table = subject.tables["slots"]
    top = table[table["slot"] == slots[0]].set_index("arm")
    end = table[table["slot"] == slots[-1]].set_index("arm")
    if len(slots) > 1 and len(top) == len(end) and bool((top["low"] > end["high"]).all()):
        return "The top slot is watched more than the last, in every arm"
    return "How often each slot is watched"
