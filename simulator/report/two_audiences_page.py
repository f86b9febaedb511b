"""A run sharpened by one of more, cheaper agents, as one self-contained page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from . import sentences, two_audiences
from .comparing import SYMBOLS, interval, metric_order
from .files import atomically
from .findings import verdict_kind
from .templating import self_contained
from .wording import DASH, missing, number, probability, signed, wording

_HERE = Path(__file__).parent
_SHEETS = ("page.css", "parts.css")
_MIDDLE, _REACH = 100.0, 94.0
"""Of a drawing 200 wide, whose middle is no difference."""

Row = Mapping[str, Any]


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """``document`` of ``audition compare --with``; its page stands in ``folder`` under the other
    run's name, whole or not at all. Returns the page."""
    name = f"with-{document['two_audiences']['with']}.html"
    return atomically(folder / name, page(document).encode())


def page(document: Mapping[str, Any]) -> str:
    """The whole page, of every metric of the document; the same document gives the same text."""
    found, at = document["two_audiences"], sentences.level(document)
    names = list(dict.fromkeys(row["metric"] for row in found["comparisons"]))
    rows = two_audiences.ordered(found, metric_order(document, names))
    style = "".join((_HERE / name).read_text(encoding="utf-8") for name in _SHEETS)
    return self_contained(
        _HERE,
        "two_audiences.html.j2",
        style,
        run=document["run"]["name"],
        control=document["control"],
        found=found,
        headlines=[
            {
                "kind": verdict_kind(str(row["verdict"])),
                "symbol": _symbol(row),
                "sentence": two_audiences.sentence(row, at),
            }
            for row in rows
            if row["role"] == "primary"
        ],
        groups=list(_groups(rows)),
        calls=any(row["calls_saved"] is not None for row in rows),
        level=at,
    )


def _groups(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """One group a metric, its arms on one scale."""
    by_metric = sorted(rows, key=lambda row: _place(rows, row["metric"]))
    for metric, some in groupby(by_metric, key=lambda row: row["metric"]):
        these = list(some)
        ends = [
            abs(one[end])
            for row in these
            for one in (row, row["alone"])
            for end in ("low", "high")
            if not missing(one[end])
        ]
        words, reach = wording(metric), max(ends, default=0.0) or 1.0
        yield {
            "short": words.short,
            "label": words.label,
            "role": these[0]["role"],
            "rows": [_texts(row, words.digits, reach) for row in these],
        }


def _place(rows: Sequence[Row], metric: str) -> int:
    return next(n for n, row in enumerate(rows) if row["metric"] == metric)


def _texts(row: Row, digits: int, reach: float) -> dict[str, Any]:
    return {
        "arm": row["arm"],
        "alone": signed(row["alone"]["difference"], digits),
        "alone_interval": interval(row["alone"], digits),
        "both": signed(row["difference"], digits),
        "both_interval": interval(row, digits),
        "p": probability(row["p_adjusted"]),
        "kind": verdict_kind(str(row["verdict"])),
        "symbol": _symbol(row),
        "verdict": row["verdict"],
        "drawn": [_drawn(one, reach) for one in (row["alone"], row)],
        "n": f"{row['n']:,}",
        "everybody": f"{row['everybody']:,}",
        "cheap": signed(row["cheap"], digits),
        "correlation": number(row["correlation"], 2),
        "weight": number(row["weight"], 2),
        "effective": _count(row["effective"]),
        "saved": _count(row["agents_saved"]),
        "calls": _count(row["calls_saved"]),
        "rests": DASH if missing(row["rests"]) else f"{row['rests']:.0%}",
    }


def _drawn(one: Row, reach: float) -> dict[str, str] | None:
    """Where an interval's ends and its middle lie; None where there is no interval."""
    if missing(one["low"]) or missing(one["high"]):
        return None
    ends = {"low": one["low"], "high": one["high"], "point": one["difference"]}
    return {name: f"{_MIDDLE + _REACH * value / reach:.1f}" for name, value in ends.items()}


def _symbol(row: Row) -> str:
    return SYMBOLS[verdict_kind(str(row["verdict"]))]


def _count(value: int | None) -> str:
    return DASH if value is None else f"{value:,}".replace("-", "−")
