"""The simulation as it ran: one step is one page for everybody still there."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.ticker import MaxNLocator

from .. import style
from ..placing import label_ends
from .drawing import Drawing, Subject, finish

SECTION = "The simulation, step by step"

_PANELS = {
    "active": (
        "agents still browsing",
        "Agents still browsing after each step",
        "How many agents were left after each step of the simulation; one step is one page for "
        "everybody still there, and after the last one nobody is.",
    ),
    "satisfaction": (
        "satisfaction so far, 1 to 10",
        "Satisfaction at each step",
        "Mean satisfaction of those who still browse: it can rise because agents grow happier or "
        "because the unhappy have left.",
    ),
}


def draw(subject: Subject) -> Iterator[Drawing]:
    table = subject.tables["steps"]
    for column in _PANELS:
        if table[column].notna().any():
            yield _panel(subject, column)


def _panel(subject: Subject, column: str) -> Drawing:
    axis, title, caption = _PANELS[column]
    pens = list(subject.pens.values())
    fig, ax = style.panel(
        title, "As logged while it ran, no intervals", labels_right=[pen.name for pen in pens]
    )
    last = int(subject.tables["steps"]["step"].max())
    ends, at = [], []
    for arm, pen in subject.pens.items():
        rows = subject.rows("steps", arm).dropna(subset=[column])
        marker = pen.marker if last <= 12 else ""
        ax.plot(
            rows["step"], rows[column], color=pen.colour, marker=marker, ms=5, mec="white", mew=0.8
        )
        ends.append(float(rows[column].iloc[-1]) if len(rows) else float("nan"))
        at.append(float(rows["step"].iloc[-1]) if len(rows) else float(last))
    ax.margins(x=0.04, y=0.1)
    if column == "active":
        ax.set_ylim(0, None)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("step")
    ax.set_ylabel(axis)
    style.only_y_grid(ax)
    label_ends(ax, pens, at, ends)
    return finish(fig, f"steps_{column}", SECTION, title, caption)
