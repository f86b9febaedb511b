"""Figures of a fidelity document, drawn from it alone: where a picture says more than rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..report import style
from ..report.figures.drawing import Drawing, dodge, finish
from ..report.placing import label_ends
from ..report.style import Pen

Measure = Mapping[str, Any]
OURS = Pen("these agents", style.PALETTE[0], style.readable(style.PALETTE[0]), "o")
TRUTH = style.PALETTE[1]
_QUIET = ("#8A939E", "#B07A4F", "#7C9A7E")
"""Of trivial users, whose lines are beside the point."""


def draw(document: Mapping[str, Any]) -> list[Drawing]:
    """Those for which there are numbers; ``section`` is the test's name."""
    with style.look():
        return [
            *_taste(document),
            *_marks(document, "ratings", "people", "their users"),
            *_slots(document),
            *_exits(document),
            *_calibration(document),
            *_marks(document, "llm run", "published", "published agents"),
        ]


def _of(document: Mapping[str, Any], test: str, name: str) -> list[Measure]:
    return [
        one
        for one in document["measures"]
        if (one["test"], one["name"]) == (test, name) and one["value"] is not None
    ]


def _level(document: Mapping[str, Any]) -> str:
    return f"{100 * document['confidence']:g} % interval"


def _note(document: Mapping[str, Any], rows: Sequence[Measure]) -> str:
    """Cells do not always have the same agents."""
    counts = sorted({one["n"] for one in rows})
    agents = " to ".join(f"{n:,}" for n in dict.fromkeys((counts[0], counts[-1])))
    return f"Mean and {_level(document)}; {agents} agents"


def _taste(document: Mapping[str, Any]) -> Iterator[Drawing]:
    rows = _of(document, "taste", "f1")
    for draw in ("even", "by popularity"):
        some = [one for one in rows if one["case"].partition(", ")[2] == draw]
        if len(some) < 2:
            continue
        cases = [one["case"].partition(", ")[0] for one in some]
        others = [b["name"] for b in some[0]["baselines"]]
        pens = [OURS, *(_trivial(n, name) for n, name in enumerate(others))]
        words = "drawn evenly" if draw == "even" else "drawn by popularity"
        fig, ax = style.panel(
            f"Own items told from others {words}",
            _note(document, some),
            labels_right=[pen.name for pen in pens],
        )
        lines = [[one["value"] for one in some]]
        lines += [[one["baselines"][n]["value"] for one in some] for n in range(len(others))]
        at = list(range(len(some)))
        _bars(ax, at, some, OURS)
        for pen, line in reversed(list(zip(pens, lines, strict=True))):
            _line(ax, at, line, pen, quiet=pen is not OURS)
        ax.set_xticks(at, cases)
        ax.set_ylim(0, 1)
        ax.set_xlabel("own items : others, of 20 on a page")
        ax.set_ylabel("F1")
        style.only_y_grid(ax)
        label_ends(ax, pens, [at[-1]] * len(pens), [line[-1] for line in lines])
        caption = (
            "Each agent is shown its user's held-out items among others its user never met, luck "
            "aside. Beside it: trivial users fitted on the training part alone."
        )
        yield finish(fig, f"taste_{draw.replace(' ', '_')}", "taste", f"F1, {words}", caption)


def _trivial(n: int, name: str) -> Pen:
    colour = _QUIET[n % len(_QUIET)]
    return Pen(name, colour, style.readable(colour), style.MARKERS[1 + n % 5])


def _line(
    ax: Axes, x: Sequence[float], y: Sequence[float | None], pen: Pen, *, quiet: bool
) -> None:
    known = [(a, b) for a, b in zip(x, y, strict=True) if b is not None]
    ax.plot(
        [a for a, _ in known],
        [b for _, b in known],
        color=pen.colour,
        marker=pen.marker,
        ms=4 if quiet else 6,
        lw=1.2 if quiet else 2.0,
        ls="--" if quiet else "-",
        mec="white",
        mew=0.8,
    )


def _bars(ax: Axes, x: Sequence[float], rows: Sequence[Mapping[str, Any]], pen: Pen) -> None:
    known = [(a, r) for a, r in zip(x, rows, strict=True) if r["low"] is not None]
    ax.vlines(
        [a for a, _ in known],
        [r["low"] for _, r in known],
        [r["high"] for _, r in known],
        color=pen.colour,
        lw=1.6,
        alpha=0.75,
    )


def _marks(document: Mapping[str, Any], test: str, truth: str, whose: str) -> Iterator[Drawing]:
    rows = [one for one in _of(document, test, "share") if one["baselines"]]
    if len(rows) < 2:
        return
    labels = [one["case"].rpartition(" ")[2] for one in rows]
    note = f"Ratings of {rows[0]['n']:,} agents"
    fig, ax = style.panel("How often each rating is given", note)
    at = range(len(rows))
    ours = [one["value"] for one in rows]
    theirs = [one["baselines"][0]["value"] for one in rows]
    ax.bar([x - 0.2 for x in at], ours, 0.38, color=OURS.colour, label=OURS.name)
    ax.bar([x + 0.2 for x in at], theirs, 0.38, color=TRUTH, label=whose)
    ax.set_xticks(list(at), labels)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel("rating")
    ax.set_ylabel("share of all ratings")
    ax.legend(frameon=False, loc="upper left")
    style.only_y_grid(ax)
    caption = "The users' own held-out items, rated by each and by the agent that stands for it."
    if test != "ratings":
        caption = "The published agents' own pages: ratings of what was watched there."
    yield finish(fig, f"ratings_{truth}", test, "How often each rating is given", caption)


def _slots(document: Mapping[str, Any]) -> Iterator[Drawing]:
    orders: dict[str, list[Measure]] = {}
    for one in _of(document, "slots", "watch rate"):
        orders.setdefault(one["case"].partition(", ")[0], []).append(one)
    if not orders:
        return
    pens = list(style.pens(dict.fromkeys(orders, "")).values())
    note = _note(document, [one for rows in orders.values() for one in rows])
    names = [pen.name for pen in pens]
    fig, ax = style.panel("Watched by slot", note, labels_right=names)
    ends, at = [], []
    for i, (pen, rows) in enumerate(zip(pens, orders.values(), strict=True)):
        x = [1 + place + dodge(i, len(pens), 0.2) for place in range(len(rows))]
        _bars(ax, x, rows, pen)
        _line(ax, x, [one["value"] for one in rows], pen, quiet=False)
        ends.append(rows[-1]["value"])
        at.append(x[-1])
    ax.set_xlim(0.7, max(map(len, orders.values())) + 0.3)
    ax.set_ylim(0, 1.03)
    style.watched_by_slot(ax)
    label_ends(ax, pens, at, ends)
    caption = (
        "The same items with the most popular on top, in the reverse of it, and shuffled. Under "
        "shuffled order any slope is owed to position alone."
    )
    yield finish(fig, "slots", "slots", "Watched by slot", caption)


def _exits(document: Mapping[str, Any]) -> Iterator[Drawing]:
    rows = _of(document, "llm run", "exit hazard")
    if len(rows) < 2:
        return
    theirs = [one["baselines"][0] for one in rows]
    pens = [OURS, Pen("published", TRUTH, style.readable(TRUTH), "s")]
    fig, ax = style.panel(
        "Leaving, page by page",
        f"Of those on the page; {_level(document)} of the published share",
        labels_right=[pen.name for pen in pens],
    )
    at = list(range(1, len(rows) + 1))
    _bars(ax, at, theirs, pens[1])
    lines = [[one["value"] for one in rows], [one["value"] for one in theirs]]
    for pen, line in zip(pens, lines, strict=True):
        _line(ax, at, line, pen, quiet=False)
    ax.set_ylim(0, 1.0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel("page")
    ax.set_ylabel("leave after it")
    style.only_y_grid(ax)
    label_ends(ax, pens, [at[-1]] * 2, [line[-1] for line in lines])
    caption = (
        "The chance to leave after each page that a published agent saw, and how many of the "
        "published agents left there. The last page ends every session and is not shown."
    )
    yield finish(fig, "exits", "llm run", "Leaving, page by page", caption)


def _calibration(document: Mapping[str, Any]) -> Iterator[Drawing]:
    rows = document["tables"].get("calibration", [])
    kinds = list(dict.fromkeys(row["what"] for row in rows))
    if not kinds:
        return
    pens = list(style.pens(dict.fromkeys(kinds, "")).values())
    fig, ax = style.panel(
        "Chance said, and how often it happened",
        "Items by tenth of the chance said; area: how many",
    )
    ax.plot([0, 1], [0, 1], color="#9AA3AD", lw=1, ls="--")
    most = max(row["n"] for row in rows)
    for pen, kind in zip(pens, kinds, strict=True):
        some = [row for row in rows if row["what"] == kind]
        ax.scatter(
            [row["said"] for row in some],
            [row["happened"] for row in some],
            s=[12 + 160 * row["n"] / most for row in some],
            color=pen.colour,
            marker=pen.marker,
            alpha=0.85,
            edgecolors="white",
            label=pen.name,
        )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlim(-0.03, 1.03)
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel("chance that these agents would")
    ax.set_ylabel("published agents who did")
    legend = ax.legend(frameon=False, loc="upper left")
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_sizes([40])  # type: ignore[attr-defined]
    caption = (
        "On the dashed line what is said comes true: of items with a chance of 70 % the published "
        "agents took 70 %."
    )
    yield finish(fig, "calibration", "llm run", "Chance said and happened", caption)
