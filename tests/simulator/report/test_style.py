"""Colours, names and places of labels."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from simulator.report import placing, style

# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
DEFICIENCIES = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def _lab(linear: np.ndarray) -> np.ndarray:
    xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ) @ np.clip(linear, 0, 1)
    ratio = xyz / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", DEFICIENCIES)
def test_colour_blind_readers_can_tell_arms_apart(kind: str) -> None:
    seen = []
    for colour in (*style.PALETTE, style.GREY):
        rgb = np.array(to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        seen.append(_lab(np.array(DEFICIENCIES[kind]) @ linear))
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 15


@pytest.mark.parametrize("paper", ["#FFFFFF", "#14181D"])
def test_names_in_an_arm_s_colour_can_be_read(paper: str) -> None:
    for colour in (*style.PALETTE, style.GREY):
        assert style.contrast(style.readable(colour, paper), paper) >= 4.5


def test_an_arm_keeps_its_colour_whatever_the_others_are_called() -> None:
    pens = style.pens({"R": "random", "A": "mf", "B": "lightgcn"})
    others = style.pens({"Baseline": "random", "X": "ease", "Y": "mf", "Z": "mf"})
    assert [p.colour for p in pens.values()] == [p.colour for p in others.values()][:3]
    assert pens["R"].colour == style.GREY
    many = style.pens({str(i): "mf" for i in range(30)})
    assert len({(p.colour, p.marker) for p in many.values()}) == 30


def test_printable_names_have_glyphs_and_keep_both_ends() -> None:
    assert style.printable("漢A\x00") == "□A�"
    first, second = (style.printable(f"a very long name of an arm, variant {v}") for v in "12")
    assert len(first) <= style.LONGEST_NAME
    assert first != second


def test_spread_keeps_order_gap_and_bounds() -> None:
    at = placing.spread([0.5, 0.5, 0.52, 0.9], 0.1, 0.0, 1.0)
    assert (np.diff(at) >= 0.1 - 1e-9).all()
    assert at[-1] == pytest.approx(0.9)
    low = placing.spread([0.0, 0.0, 0.0], 0.1, 0.0, 1.0)
    assert low.tolist() == pytest.approx([0.0, 0.1, 0.2])
    assert placing.spread([], 0.1, 0.0, 1.0).tolist() == []


def test_names_beside_points_do_not_cover_each_other() -> None:
    pens = list(style.pens({f"Recommender {i}": "mf" for i in range(5)}).values())
    x, y = [0.1, 0.46, 0.47, 0.48, 0.49], [3.0, 4.0, 4.02, 3.98, 4.01]
    points = [
        placing.Point(pen, a, b, a - 0.01, a + 0.01, b - 0.1, b + 0.1)
        for pen, a, b in zip(pens, x, y, strict=True)
    ]
    with style.look():
        fig, ax = style.panel("title", "note")
        for point in points:
            ax.plot(point.x, point.y, "o")
        ax.margins(0.2)
        placing.label_points(ax, points)
        style.png(fig)
        boxes = [Text.get_window_extent(name) for name in ax.texts]  # without connectors
    assert len(boxes) == 5
    for a, b in combinations(boxes, 2):
        assert not a.overlaps(b)
