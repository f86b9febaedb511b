"""Offline metric against simulated metric, one point an arm."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from .. import style
from ..placing import Point, label_points
from ..wording import wording
from .drawing import Drawing, Subject, finish

OFFLINE = ("ndcg", "recall")
SIMULATED = ("s_sat", "p_view")
SECTION = "Offline against simulated"


def draw(subject: Subject) -> Iterator[Drawing]:
    """One panel for each pair of metrics that some arm has."""
    table = subject.tables["dual"]
    offline = table.loc[table["part"] == "offline", "metric"].unique()
    for simulated in SIMULATED:
        for stem in OFFLINE:
            for metric in offline:
                if str(metric).partition("@")[0] == stem:
                    yield from _panel(subject, str(metric), simulated)


def _panel(subject: Subject, offline: str, simulated: str) -> Iterator[Drawing]:
    points = _points(subject, offline, simulated)
    if not points:
        return
    across, up = wording(offline), wording(simulated)
    title = _title(subject, offline, simulated)
    note = f"{subject.level} intervals, offline by user and simulated by agent"
    fig, ax = style.panel(title, note)
    for point in points:
        colour = point.pen.colour
        ax.hlines(point.y, point.x_low, point.x_high, color=colour, lw=1.4, alpha=0.6)
        ax.vlines(point.x, point.y_low, point.y_high, color=colour, lw=1.4, alpha=0.6)
        ax.plot(point.x, point.y, point.pen.marker, color=colour, ms=7.5, mec="white", mew=1)
    ax.margins(x=0.14, y=0.2)
    ax.set_xlabel(f"{across.label}, offline")
    ax.set_ylabel(f"{up.label}, simulated")
    label_points(ax, points)
    name = f"dual_{offline.partition('@')[0]}_{simulated}"
    caption = (
        f"Each point is an arm: further right is better {across.short} on held-out data, "
        f"further up is a higher {up.label} before the audience; arms that stand in another order "
        "upwards than to the right are ones that offline evaluation alone would have misjudged."
    )
    yield finish(fig, name, SECTION, title, caption)


def _points(subject: Subject, offline: str, simulated: str) -> list[Point]:
    """Arms that have both metrics; an end of an interval that is missing is the mean."""
    table = subject.tables["dual"].set_index(["arm", "metric"])[["mean", "low", "high"]]
    table = table.apply(pd.to_numeric).astype("float64")
    ends = table.assign(
        low=table["low"].fillna(table["mean"]), high=table["high"].fillna(table["mean"])
    )
    found = ends.dropna().to_dict("index")
    out = []
    for arm, pen in subject.pens.items():
        x, y = found.get((arm, offline)), found.get((arm, simulated))
        if x and y:
            out.append(Point(pen, x["mean"], y["mean"], x["low"], x["high"], y["low"], y["high"]))
    return out


def _title(subject: Subject, offline: str, simulated: str) -> str:
    best, favourite = subject.leader(offline), subject.leader(simulated)
    wins = {"s_sat": "satisfies agents most", "p_view": "is watched most"}[simulated]
    metric = wording(offline).short
    if best and best is favourite:
        return f"{best.name} leads in {metric} and {wins}"
    if best and favourite:
        return f"{best.name} leads in {metric}, but {favourite.name} {wins}"
    return f"{metric} against simulated {'satisfaction' if simulated == 's_sat' else 'watching'}"
