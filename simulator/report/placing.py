"""Where direct labels go so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

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
    frame = ax.get_window_extent().transformed(
        ax.get_figure(root=True).dpi_scale_trans.inverted()  # type: ignore[union-attr]
    )
    covered = [box for row in inches for box in _boxes(row)]
    # The most crowded choose first; then each may choose again, knowing the others.
    crowd = [float(np.sort(np.hypot(*(inches[:, :2] - p[:2]).T))[1:3].sum()) for p in inches]
    order = [int(i) for i in np.argsort(crowd, kind="stable")]
    chosen: dict[int, tuple[int, Bbox]] = {}
    for i in order * _PASSES:
        names = [box for k, (_, box) in chosen.items() if k != i]
        chosen[i] = _choose(points[i].pen.name, inches, i, [*covered, *names], frame)
    for i, (away, box) in chosen.items():
        _write(ax, points[i], inches[i], box, connect=away > 1)


def _choose(
    name: str, inches: Floats, i: int, taken: Sequence[Bbox], frame: Bbox
) -> tuple[int, Bbox]:
    """The least bad place for a point's name, and how many steps it is away."""
    width, height = text_width([name]) + 2 * _POINT, 11 * _POINT
    own, others = inches[i, :2], np.delete(inches[:, :2], i, axis=0)

    def badness(option: tuple[int, Bbox]) -> float:
        away, box = option
        return _cost(box, taken, frame) + 0.02 * away + _mistakable(box, own, others)

    return min(_options(inches[i], width, height), key=badness)


def _in_inches(ax: Axes, points: Sequence[Point]) -> Floats:
    """(n, 6): x, y, x_low, x_high, y_low, y_high of each point, in inches on the page."""
    dpi = ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    ax.autoscale_view()  # limits are otherwise settled only when it is drawn
    corners = [[(p.x, p.y), (p.x_low, p.y_low), (p.x_high, p.y_high)] for p in points]
    at = ax.transData.transform(np.array(corners, np.float64).reshape(-1, 2)) / dpi
    at = at.reshape(-1, 3, 2)
    out: Floats = np.concatenate([at[:, 0], at[:, 1:, 0], at[:, 1:, 1]], axis=1)
    return out


def _boxes(row: Floats) -> list[Bbox]:
    """What a point covers: itself and both arms of its interval."""
    x, y, x_low, x_high, y_low, y_high = row
    r, thin = 4.5 * _POINT, 1.0 * _POINT
    return [
        Bbox.from_extents(x - r, y - r, x + r, y + r),
        Bbox.from_extents(x_low, y - thin, x_high, y + thin),
        Bbox.from_extents(x - thin, y_low, x + thin, y_high),
    ]


def _options(row: Floats, width: float, height: float) -> list[tuple[int, Bbox]]:
    """Places around a point, near ones first, each with how many steps it is away: beside
    it, and above and below it with the name slid along."""
    x, y = row[0], row[1]
    out = []
    for away in range(1, 7):
        reach = away * 6 * _POINT
        beside = [(x + reach, y + up * reach * 0.7 - height / 2) for up in (1, -1, 0)]
        beside += [(left - 2 * reach - width, low) for left, low in beside]
        levels = (y + reach * 0.8, y - reach * 0.8 - height)
        slid = [(x - part * width, low) for low in levels for part in (0.5, 0.25, 0.75, 0.0, 1.0)]
        out += [
            (away, Bbox.from_extents(left, low, left + width, low + height))
            for left, low in [*beside, *slid]
        ]
    return out


def _cost(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> float:
    """Square inches covered or outside the axes, heavily weighted."""
    covered = sum(_overlap(box, other) for other in taken)
    outside = box.width * box.height - _overlap(box, frame)
    return 100 * (covered + 2 * outside)


def _mistakable(box: Bbox, own: Floats, others: Floats) -> float:
    """A charge for a name that stands clearly nearer to another point than to its own."""
    if not len(others):
        return 0.0

    def gap(at: Floats) -> Floats:
        nearest = np.clip(at, [box.x0, box.y0], [box.x1, box.y1])
        out: Floats = np.hypot(*(at - nearest).T)
        return out

    return 5.0 if gap(others).min() < 0.75 * gap(own[None]).min() else 0.0


def _overlap(a: Bbox, b: Bbox) -> float:
    width: float = min(a.x1, b.x1) - max(a.x0, b.x0)
    height: float = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(width, 0.0) * max(height, 0.0)


def _write(ax: Axes, point: Point, row: Floats, box: Bbox, *, connect: bool) -> None:
    offset = ((box.x0 - row[0]) * 72, ((box.y0 + box.y1) / 2 - row[1]) * 72)
    line = {"arrowstyle": "-", "color": point.pen.colour, "lw": 0.7, "alpha": 0.6, "shrinkA": 0}
    across = float(np.clip((row[0] - box.x0) / box.width, 0, 1))
    up = 0.0 if box.y0 > row[1] else 1.0 if box.y1 < row[1] else 0.5
    ax.annotate(
        point.pen.name,
        xy=(point.x, point.y),
        xytext=offset,
        textcoords="offset points",
        va="center",
        color=point.pen.ink,
        arrowprops={**line, "relpos": (across, up)} if connect else None,
    )
