"""What figures are drawn from, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..style import Pen, png


@dataclass(frozen=True)
class Drawing:
    """A finished figure: ``name`` of its file, ``title`` (the finding, where the intervals
    support one), ``caption`` how to read it, ``image`` PNG."""

    name: str
    section: str
    title: str
    caption: str
    image: bytes


@dataclass(frozen=True, eq=False)
class Subject:
    """A run as figures see it: the tidy ``tables``, a pen an arm, and for each simulated
    metric the arm that leads it beyond doubt (or None); ``unit`` is what was compared."""

    tables: Mapping[str, pd.DataFrame]
    pens: Mapping[str, Pen]
    leaders: Mapping[str, str | None]
    confidence: float
    agents: int
    unit: str = "agent"

    @property
    def level(self) -> str:
        return f"{self.confidence * 100:g} %"

    @property
    def note(self) -> str:
        """What points and bars stand for, said once the same way."""
        return f"Mean and {self.level} interval by agent; {self.agents:,} agents an arm"

    def leader(self, metric: str) -> Pen | None:
        name = self.leaders.get(metric)
        return self.pens.get(name) if name is not None else None

    def rows(self, table: str, arm: str) -> pd.DataFrame:
        frame = self.tables[table]
        return frame[frame["arm"] == arm]


def dodge(index: int, count: int, width: float) -> float:
    """A sideways shift so that the intervals of ``count`` arms do not cover each other."""
    return 0.0 if count < 2 else width * (index / (count - 1) - 0.5)


def interval_line(ax: Axes, pen: Pen, frame: pd.DataFrame, x: str, y: str, shift: float) -> None:
    """A line of means with markers, each with its interval as a thin bar."""
    at = frame[x] + shift
    ax.vlines(at, frame["low"], frame["high"], color=pen.colour, lw=1.2, alpha=0.75)
    size = 5 if len(frame) <= 12 else 0
    ax.plot(at, frame[y], color=pen.colour, marker=pen.marker, ms=size, mec="white", mew=0.8)


def finish(fig: Figure, name: str, section: str, title: str, caption: str) -> Drawing:
    return Drawing(name, section, title, caption, png(fig))
