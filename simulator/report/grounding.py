"""Grounding in words: named wherever a result shows, and how much of a result rests on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .wording import DASH, clean, half_width, missing, number, signed, wording

_MEANING = (
    "n agent recognised the items its user truly rated in the held-out part and answered those "
    "from that rating; recommenders never saw these ratings."
)
MEANING = f"Grounding: held_out: a{_MEANING}"

_NOT_ALONE = "a sum, not what either would be alone"

_OFF = "--set grounding=none"


def beside(scenario: Mapping[str, Any]) -> str:
    """What stands behind the name of who answers; "" without the option.

    >>> beside({"grounding": "held_out"}), beside({"grounding": "none"}), beside({})
    (', grounding: held_out', '', '')
    """
    option = scenario.get("grounding") or "none"
    return "" if option == "none" else clean(f", grounding: {option}")


def lines(summary: Mapping[str, Any]) -> list[str]:
    """For a terminal: what was recognised in each arm, and what it made of the differences in
    the share watched. Empty without the option."""
    found = summary.get("grounding")
    if found is None:
        return []
    rates = [
        f"{clean(arm)} {_percent(rate['shown'])} ({_percent(rate['liked'])})"
        if rate
        else f"{clean(arm)} not known (swapped tastes)"
        for arm, rate in found["arms"].items()
    ]
    out = [
        f"Grounding: {found['option']}: answered from held-out ratings, {_at_most(found)}of what "
        f"was shown (of what was liked): {', '.join(rates)}."
    ]
    words = wording("p_view")
    splits = [
        f"{clean(row['arm'])} {signed(row['difference'], words.digits)} = "
        f"{signed(row['recognised']['difference'], words.digits)} among recognised items, "
        f"{signed(row['own']['difference'], words.digits)} among others"
        for row in found["splits"]
        if row["metric"] == "p_view"
    ]
    told = f"{words.short}: {'; '.join(splits)} ({_NOT_ALONE}). " if splits else ""
    return [*out, f"{told}{_unsplit(found)}"]


def tables(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """For the page: ``rates`` a row an arm, ``groups`` of splits a metric, and ``notes``."""
    found = summary.get("grounding")
    if found is None:
        return None
    groups: dict[str, list[dict[str, str]]] = {}
    for row in found["splits"]:
        groups.setdefault(wording(row["metric"]).short, []).append(_split(row))
    return {
        "option": found["option"],
        "meaning": f"A{_MEANING}",
        "rates": [(arm, _rates(rate)) for arm, rate in found["arms"].items()],
        "groups": list(groups.items()),
        "unsplit": _unsplit(found),
        "notes": [] if found["exact"] else [_AT_MOST],
    }


_AT_MOST = (
    "Some held-out items have no rating and are not recognised; the log does not tell them "
    "apart, so shares and recognised parts hold them too."
)


def _at_most(found: Mapping[str, Any]) -> str:
    return "" if found["exact"] else "at most "


def _unsplit(found: Mapping[str, Any]) -> str:
    names = ", ".join(wording(name).short for name in found["not_split"])
    return f"{names} cannot be split so: {_OFF} shows every verdict without it."


def _rates(rate: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """Shares of what was shown, watched and liked."""
    if rate is None:
        return [{"mean": "not known", "half": ""}] * 3
    return [
        {"mean": _percent(rate[name]), "half": _half(rate[name])}
        for name in ("shown", "watched", "liked")
    ]


def _split(row: Mapping[str, Any]) -> dict[str, str]:
    digits = wording(row["metric"]).digits
    out = {"arm": row["arm"], "difference": signed(row["difference"], digits), "n": f"{row['n']:,}"}
    for part in ("recognised", "own"):
        of = row[part]
        out[part] = signed(of["difference"], digits)
        known = not missing(of["low"]) and not missing(of["high"])
        ends = f"{signed(of['low'], digits)} to {signed(of['high'], digits)}"
        out[f"{part}_interval"] = ends if known else DASH
    return out


def _percent(found: Mapping[str, Any]) -> str:
    return DASH if missing(found["mean"]) else f"{number(100 * found['mean'], 1)} %"


def _half(found: Mapping[str, Any]) -> str:
    half = half_width(found)
    return "" if missing(half) else f"±\u2009{number(100 * half, 1)}"
