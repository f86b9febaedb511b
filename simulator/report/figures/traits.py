"""Whether traits drive the behaviour they should."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.ticker import PercentFormatter

from .. import style
from ..placing import label_ends
from .drawing import Drawing, Subject, dodge, finish, interval_line

SECTION = "Traits and behaviour"

_PANELS = {
    "activity": (
        "exit page",
        "Exit page by activity",
        "More active agents stay longer, in every arm",
        ("low\nactivity", "middle", "high\nactivity"),
        "Agents who rated more in the data (right) should look at more pages.",
    ),
    "diversity": (
        "watched, of those shown",
        "Watching by diversity",
        "Agents of wide taste watch more, in every arm",
        ("few\ngenres", "middle", "many\ngenres"),
        "Agents whose history spans more genres (right) should find more to watch.",
    ),
    "conformity": (
        "distance from shown rating",
        "Rating distance by conformity",
        "Agents who conform less rate further off, in every arm",
        ("conforms\nmost", "middle", "conforms\nleast"),
        "Agents who differ more from the crowd in the data (right) should rate further from "
        "the rating shown beside an item.",
    ),
}


def draw(subject: Subject) -> Iterator[Drawing]:
    table = subject.tables["traits"]
    for trait in _PANELS:
        if table.loc[table["trait"] == trait, "mean"].notna().any():
            yield _panel(subject, trait)


def _panel(subject: Subject, trait: str) -> Drawing:
    axis, neutral, finding, levels, caption = _PANELS[trait]
    title = finding if _rises(subject, trait) else neutral
    pens = list(subject.pens.values())
    fig, ax = style.panel(title, subject.note, labels_right=[pen.name for pen in pens])
    ends, at = [], []
    for i, (arm, pen) in enumerate(subject.pens.items()):
        rows = subject.rows("traits", arm)
        rows = rows[rows["trait"] == trait].dropna(subset=["mean"])
        shift = dodge(i, len(pens), 0.24)
        interval_line(ax, pen, rows, "level", "mean", shift)
        ends.append(float(rows["mean"].iloc[-1]) if len(rows) else float("nan"))
        at.append((int(rows["level"].iloc[-1]) if len(rows) else 3) + shift)
    ax.set_xlim(0.7, 3.3)
    ax.set_xticks([1, 2, 3], levels)
    if trait == "diversity":
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.margins(y=0.12)
    ax.set_ylabel(axis)
    style.only_y_grid(ax)
    label_ends(ax, pens, at, ends)
    return finish(fig, f"trait_{trait}", SECTION, title, caption)


def _rises(subject: Subject, trait: str) -> bool:
    """Whether in every arm the highest level lies above the lowest, intervals apart."""
    table = subject.tables["traits"]
    of_trait = table[table["trait"] == trait]
    low = of_trait[of_trait["level"] == 1].set_index("arm")["high"]
    high = of_trait[of_trait["level"] == 3].set_index("arm")["low"]
    return len(low) == len(high) == len(subject.pens) and bool((high > low).all())
