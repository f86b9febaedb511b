"""The look shared by every figure: one panel an image, quiet axes, one colour an arm.

Figures are made with matplotlib's object-oriented interface on the Agg canvas. Inside
:func:`look` nothing of a person's own matplotlib settings counts, so the same data gives
the same bytes.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import cycle

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import MaxNLocator, PercentFormatter

from .wording import clean

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito (2008): told apart by colour-blind readers too (tests/simulator/report)."""

GREY = "#5A6069"
"""The random baseline: what every other arm is looked at against."""

MARKERS = "osD^vPX"
INK, SOFT, GRID, PAPER = "#1B1F24", "#59616B", "#E4E7EB", "#FFFFFF"
WIDTH, HEIGHT, DPI = 5.2, 4.0, 200
"""Inches and dots per inch: at 10 points readable on a phone's width and in two columns."""

LONGEST_NAME = 22
FONT = "DejaVu Sans"  # comes with matplotlib, so it is there everywhere

_LOOK = {
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.family": FONT,
    "font.size": 10,
    "axes.edgecolor": "#9AA3AD",
    "axes.linewidth": 0.8,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": "#9AA3AD",
    "ytick.color": "#9AA3AD",
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "text.color": INK,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
}


@dataclass(frozen=True)
class Pen:
    """How one arm is drawn: ``name`` as figures print it, a colour, its darker shade for
    text, a marker."""

    name: str
    colour: str
    ink: str
    marker: str


def pens(arms: Mapping[str, str]) -> dict[str, Pen]:
    """A pen for each arm (name -> recommender), fixed by its place in the scenario."""
    colours = cycle(PALETTE)
    out: dict[str, Pen] = {}
    grey_is_free = True
    for name, recommender in arms.items():
        if recommender == "random" and grey_is_free:
            colour, grey_is_free = GREY, False
        else:
            colour = next(colours)
        marker = MARKERS[len(out) % len(MARKERS)]
        out[name] = Pen(printable(name), colour, readable(colour), marker)
    return out


def readable(colour: str, paper: str = PAPER) -> str:
    """The colour, moved away from ``paper`` until text in it has a contrast of 4.5 to 1."""
    rgb, goal = np.array(to_rgb(colour)), np.full(3, 0.0 if _luminance(paper) > 0.18 else 1.0)
    mixed = (to_hex(rgb + share * (goal - rgb)) for share in np.linspace(0, 1, 41))
    return next(shade for shade in mixed if contrast(shade, paper) >= 4.5)


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two colours, 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


def printable(text: str, longest: int = LONGEST_NAME) -> str:
    """A name as the figures' font can print it, cut to a length that leaves room for data."""
    known = _glyphs()
    out = "".join(c if ord(c) in known else "□" for c in clean(text))
    if len(out) <= longest:
        return out
    tail = longest // 3  # names often differ at their end
    return f"{out[: longest - tail - 1].rstrip()}…{out[-tail:].lstrip()}"


@cache
def _glyphs() -> frozenset[int]:
    font = FT2Font(font_manager.findfont(FONT))
    return frozenset(font.get_charmap())


@contextmanager
def look() -> Iterator[None]:
    """Draw figures inside this."""
    with matplotlib.style.context(["default", _LOOK]):
        yield


def panel(
    title: str,
    note: str,
    *,
    labels_right: Sequence[str] = (),
    labels_left: Sequence[str] = (),
    height: float = HEIGHT,
) -> tuple[Figure, Axes]:
    """An empty panel: the finding as title, a grey note below it, and room at the side
    for direct labels."""
    fig = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(fig)
    heading = textwrap.fill(title, 48)
    remark = textwrap.fill(note, 64)
    lines_1, lines_2 = heading.count("\n") + 1, remark.count("\n") + 1
    top = 1 - 0.09 / height
    fig.text(0.025, top, heading, va="top", size=12, weight="bold", linespacing=1.25)
    top -= (0.22 * lines_1 + 0.03) / height
    fig.text(0.025, top, remark, va="top", size=10, color=SOFT, linespacing=1.25)
    top -= (0.19 * lines_2 + 0.16) / height
    right = 1 - (0.14 + text_width(labels_right) + (0.24 if labels_right else 0)) / WIDTH
    left = (max(0.76, text_width(labels_left) + 0.24)) / WIDTH
    bottom = 0.56 / height
    ax = fig.add_axes((left, bottom, right - left, top - bottom))
    ax.tick_params(pad=4)
    ax.yaxis.set_label_coords(0.23 / WIDTH, (top + bottom) / 2, transform=fig.transFigure)
    return fig, ax


def text_width(texts: Sequence[str], size: float = 10) -> float:
    """Inches the widest of these takes."""
    return max((_advance(text, size) for text in texts), default=0.0)


@cache
def _advance(text: str, size: float) -> float:
    font = FT2Font(font_manager.findfont(FONT))
    font.set_size(size, 72)
    font.set_text(text, 0)
    width: float = font.get_width_height()[0]
    return width / 64 / 72


def png(fig: Figure) -> bytes:
    """The figure as PNG, the same bytes for the same figure."""
    out = io.BytesIO()
    fig.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    return out.getvalue()


def only_y_grid(ax: Axes) -> None:
    ax.grid(visible=False, axis="x")


def watched_by_slot(ax: Axes) -> None:
    """Axes of a share watched, 0 to 1, against the slot on the page."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel("slot on the page, from the top")
    ax.set_ylabel("watched, of those shown")
    only_y_grid(ax)


def version() -> str:
    """The matplotlib these figures were drawn with."""
    return str(mpl.__version__)
