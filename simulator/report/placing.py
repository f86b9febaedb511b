"""Where direct labels go so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from .style import Pen, text_width

Floats = npt.NDArray[np.float64]
_POINT = 1 / 72
_PASSES = 3


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> Floats:
    """Positions near the ``wanted`` ones, at least ``gap`` apart, within low..high where
    they fit; order is kept. Least squares by pooling neighbours (isotonic regression).

    >>> spread([1.0, 1.0, 5.0], 1.0, 0.0, 10.0).tolist()
    [0.5, 1.5, 5.0]
    """
    values = np.asarray(wanted, np.float64)
    order = np.argsort(values, kind="stable")
    offset = gap * np.arange(len(values))
    blocks: list[list[float]] = []  # [sum, count] of neighbours that touch
    for value in values[order] - offset:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    flat = np.concatenate([np.full(int(n), s / n) for s, n in blocks] or [np.empty(0)])
    room = max(high - low - gap * max(len(values) - 1, 0), 0.0)
    out = np.empty(len(values))
    out[order] = np.clip(flat, low, low + room) + offset
    return out


def label_ends(ax: Axes, pens: Sequence[Pen], x: Sequence[float], y: Sequence[float]) -> None:
    """Name each line at its right end, with a thin connector to where it ends."""
    known = [i for i, value in enumerate(y) if np.isfinite(value)]
    height = ax.get_window_extent().height / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    low, high = ax.get_ylim()
    inch = (high - low) / height
    at = spread([y[i] for i in known], 0.165 * inch, low + 0.06 * inch, high - 0.06 * inch)
    right = ax.get_xlim()[1]
    for i, place in zip(known, at, strict=True):
        pen = pens[i]
        ax.annotate(
            pen.name,
            xy=(x[i], y[i]),
            xytext=(right, place),
            va="center",
            color=pen.ink,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": pen.colour,
                "lw": 0.7,
                "alpha": 0.6,
                "shrinkA": 0,
                "shrinkB": 4,
                "relpos": (0, 0.5),
            },
        )


@dataclass(frozen=True)
class Point:
    """A point with its interval's arms, in data units."""

    pen: Pen
    x: float
    y: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float


def label_points(ax: Axes, points: Sequence[Point]) -> None:
    """Name each point beside it, where the name covers neither a point, nor an interval,
    nor another name; the least bad place where there is no free one."""
    inches = _in_inches(ax, points)
    dpi = ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    frame: Floats = np.asarray(ax.get_window_extent().extents, np.float64) / dpi
    covered = np.concatenate([_boxes(row) for row in inches])
    # The most crowded choose first; then each may choose again, knowing the others.
    crowd = [float(np.sort(np.hypot(*(inches[:, :2] - p[:2]).T))[1:3].sum()) for p in inches]
    order = [int(i) for i in np.argsort(crowd, kind="stable")]
    chosen: dict[int, tuple[int, Floats]] = {}
    for i in order * _PASSES:
        names = [box for k, (_, box) in chosen.items() if k != i]
        taken = np.vstack([covered, *names])
        chosen[i] = _choose(points[i].pen.name, inches, i, taken, frame)
    for i, (away, box) in chosen.items():
        _write(ax, points[i], inches[i], box, connect=away > 1)


def _choose(name: str, inches: Floats, i: int, taken: Floats, frame: Floats) -> tuple[int, Floats]:
    """The least bad place for a point's name, and how many steps it is away."""
    width, height = text_width([name]) + 2 * _POINT, 11 * _POINT
    away, boxes = _options(inches[i], width, height)
    covered = _overlap(boxes, taken).sum(axis=1)
    outside = width * height - _overlap(boxes, frame[None])[:, 0]
    own, others = inches[i, :2], np.delete(inches[:, :2], i, axis=0)
    badness = 100 * (covered + 2 * outside) + 0.02 * away + _mistakable(boxes, own, others)
    best = int(np.argmin(badness))
    return int(away[best]), boxes[best]


def _in_inches(ax: Axes, points: Sequence[Point]) -> Floats:
    """(n, 6): x, y, x_low, x_high, y_low, y_high of each point, in inches on the page."""
    dpi = ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    ax.autoscale_view()  # limits are otherwise settled only when it is drawn
    corners = [[(p.x, p.y), (p.x_low, p.y_low), (p.x_high, p.y_high)] for p in points]
    at = ax.transData.transform(np.array(corners, np.float64).reshape(-1, 2)) / dpi
    at = at.reshape(-1, 3, 2)
    out: Floats = np.concatenate([at[:, 0], at[:, 1:, 0], at[:, 1:, 1]], axis=1)
    return out


def _boxes(row: Floats) -> Floats:
    """(3, 4) left, low, right, high of what a point covers: itself, its interval's arms."""
    x, y, x_low, x_high, y_low, y_high = row
    r, thin = 4.5 * _POINT, 1.0 * _POINT
    return np.array(
        [
            [x - r, y - r, x + r, y + r],
            [x_low, y - thin, x_high, y + thin],
            [x - thin, y_low, x + thin, y_high],
        ]
    )


def _options(row: Floats, width: float, height: float) -> tuple[Floats, Floats]:
    """Places around a point, near ones first: beside it, and above and below it with the
    name slid along. How many steps each is away (m,), and the boxes (m, 4)."""
    x, y = row[0], row[1]
    away, corners = [], []
    for steps in range(1, 7):
        reach = steps * 6 * _POINT
        beside = [(x + reach, y + up * reach * 0.7 - height / 2) for up in (1, -1, 0)]
        beside += [(left - 2 * reach - width, low) for left, low in beside]
        levels = (y + reach * 0.8, y - reach * 0.8 - height)
        slid = [(x - part * width, low) for low in levels for part in (0.5, 0.25, 0.75, 0.0, 1.0)]
        corners += [*beside, *slid]
        away += [float(steps)] * (len(beside) + len(slid))
    at = np.array(corners)
    return np.array(away), np.hstack([at, at + np.array([width, height])])


def _overlap(a: Floats, b: Floats) -> Floats:
    """(m, n) square inches that boxes (m, 4) and (n, 4) share."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    out: Floats = np.clip(high - low, 0, None).prod(axis=2)
    return out


def _mistakable(boxes: Floats, own: Floats, others: Floats) -> Floats:
    """(m,) a charge where a name stands clearly nearer to another point than to its own."""
    if not len(others):
        return np.zeros(len(boxes))

    def gap(at: Floats) -> Floats:
        nearest = np.clip(at[None], boxes[:, None, :2], boxes[:, None, 2:])
        out: Floats = np.linalg.norm(at[None] - nearest, axis=2).min(axis=1)
        return out

    return np.where(gap(others) < 0.75 * gap(own[None]), 5.0, 0.0)


def _write(ax: Axes, point: Point, row: Floats, box: Floats, *, connect: bool) -> None:
    left, low, right, high = box
    offset = ((left - row[0]) * 72, ((low + high) / 2 - row[1]) * 72)
    line = {"arrowstyle": "-", "color": point.pen.colour, "lw": 0.7, "alpha": 0.6, "shrinkA": 0}
    across = float(np.clip((row[0] - left) / (right - left), 0, 1))
    up = 0.0 if low > row[1] else 1.0 if high < row[1] else 0.5
    ax.annotate(
        point.pen.name,
        xy=(point.x, point.y),
        xytext=offset,
        textcoords="offset points",
        va="center",
        color=point.pen.ink,
        arrowprops={**line, "relpos": (across, up)} if connect else None,
    )
