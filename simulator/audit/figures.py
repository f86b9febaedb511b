"""Three figures of an audit, drawn from its document alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.ticker import PercentFormatter

from ..report import style
from ..report.figures.drawing import Drawing, dodge, finish
from ..report.placing import label_ends
from ..report.wording import wording
from . import doses, slots, truth


def draw(document: Mapping[str, Any]) -> list[Drawing]:
    """Those for which the audit has numbers; ``section`` is the control's name."""
    found = {control["name"]: control["found"] for control in document["controls"]}
    with style.look():
        return [
            *_dose(found.get(doses.DOSES, {}), document),
            *_slots(found.get(slots.NAME, {}), document),
            *_truth(found.get(truth.NAME, {})),
        ]


def _note(document: Mapping[str, Any]) -> str:
    level = f"{100 * document['confidence']:g} %"
    return f"Mean and {level} interval by agent; {document['agents']:,} agents an arm"


def _dose(found: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Drawing]:
    points = [point for point in found.get("doses", ()) if point["mean"] is not None]
    if len(points) < 2:
        return
    words = wording(found["metric"])
    fig, ax = style.panel(f"{words.short} by share of random items", _note(document))
    at = [point["dose"] for point in points]
    if all(point["low"] is not None for point in points):
        low, high = ([point[end] for point in points] for end in ("low", "high"))
        ax.vlines(at, low, high, color=style.PALETTE[0], lw=1.4, alpha=0.75)
    means = [point["mean"] for point in points]
    ax.plot(at, means, "o-", color=style.PALETTE[0], ms=6, mec="white", mew=1)
    ax.set_xticks(at)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.margins(x=0.06, y=0.16)
    ax.set_xlabel(f"random items in the lists of {style.printable(found['of'])}")
    ax.set_ylabel(words.label)
    style.only_y_grid(ax)
    caption = (
        f"{words.meaning} The same agents meet the same ranking with more and more of its places "
        "given to random items; an audience that sees quality falls from left to right."
    )
    yield finish(fig, "dose_response", doses.DOSES, f"{words.short} by dose", caption)


def _slots(found: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Drawing]:
    rates = {order: rows for order, rows in found.get("rates", {}).items() if rows}
    if not rates:
        return
    pens = list(style.pens(dict.fromkeys(rates, "")).values())
    names = [pen.name for pen in pens]
    fig, ax = style.panel("Watched by slot, in three orders", _note(document), labels_right=names)
    ends, at = [], []
    for i, (pen, rows) in enumerate(zip(pens, rates.values(), strict=True)):
        x = [row["slot"] + dodge(i, len(pens), 0.2) for row in rows]
        known = [(a, r) for a, r in zip(x, rows, strict=True) if r["low"] is not None]
        ax.vlines(
            [a for a, _ in known],
            [r["low"] for _, r in known],
            [r["high"] for _, r in known],
            color=pen.colour,
            lw=1.2,
            alpha=0.75,
        )
        means = [row["mean"] for row in rows]
        ax.plot(x, means, color=pen.colour, marker=pen.marker, ms=5, mec="white", mew=0.8)
        ends.append(means[-1])
        at.append(x[-1])
    last = max(row["slot"] for rows in rates.values() for row in rows)
    ax.set_xlim(0.7, last + 0.3)
    ax.set_ylim(0, 1.03)
    style.watched_by_slot(ax)
    label_ends(ax, pens, at, ends)
    caption = (
        "The same items in the recommender's order, in the reverse of it, and shuffled. Under "
        "shuffled order any slope is owed to position alone."
    )
    yield finish(fig, "slots", slots.NAME, "Watched by slot", caption)


def _truth(found: Mapping[str, Any]) -> Iterator[Drawing]:
    arms = [arm for arm in found.get("arms", ()) if arm[found["metric"]] is not None]
    if len(arms) < 2:
        return
    words = wording(found["metric"])
    tau = found["tau"][found["metric"]]
    note = "All arms are alike to the audience"
    if tau[0] is not None:
        note = f"Kendall's tau {tau[0]:.2f}, {tau[1]:.2f} to {tau[2]:.2f}"
    pens = style.pens({arm["arm"]: "" for arm in arms})
    names = [pen.name for pen in pens.values()]
    fig, ax = style.panel("Simulated against true quality", note, labels_right=names)
    for arm in arms:
        pen = pens[arm["arm"]]
        ax.plot(
            arm["quality"], arm[found["metric"]], pen.marker, color=pen.colour, ms=7, mec="white"
        )
    ax.margins(x=0.06, y=0.1)
    ax.set_xlabel("true utility of the items the arm would show")
    ax.set_ylabel(f"{words.label}, simulated")
    at = [arm["quality"] for arm in arms]
    label_ends(ax, list(pens.values()), at, [arm[found["metric"]] for arm in arms])
    caption = (
        "Each point is an arm of known quality: what its items are truly worth to these agents, "
        f"and {words.label} in the simulation. A rising line is agreement."
    )
    yield finish(fig, "truth", truth.NAME, "Simulated against true quality", caption)
