"""What a comparison says, in plain sentences: also what it could not have seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .findings import verdict_kind
from .wording import clean, missing, number, probability, signed, wording

Row = Mapping[str, Any]

ADJUSTED = "adjusted for what was known of agents before"

MUCH_KEPT = 0.95
"""Share of the variance from which covariates are said to bring nothing."""


def primary_metric(summary: Mapping[str, Any]) -> str | None:
    """The metric that the run is decided by, where it was compared."""
    return next((r["metric"] for r in summary["comparisons"] if r["role"] == "primary"), None)


def level(summary: Mapping[str, Any]) -> str:
    """
    >>> level({"scenario": {"evaluation": {"confidence": 0.9}}})
    '90 %'
    """
    evaluation = summary["scenario"].get("evaluation") or {}
    return f"{100 * evaluation.get('confidence', 0.95):g} %"


def headlines(summary: Mapping[str, Any], *, every: bool = False) -> list[tuple[Row, str]]:
    """The primary metric's rows, or all, each with a sentence or two on its arm; of the primary
    metric also which of the arm's guardrails (``guardrails``, where a document holds not all
    comparisons) do not hold."""
    guarded: Sequence[Row] = summary.get("guardrails", summary["comparisons"])
    return [
        (
            row,
            sentence(
                row,
                level(summary),
                [one for one in guarded if one["arm"] == row["arm"] and row["role"] == "primary"],
            ),
        )
        for row in summary["comparisons"]
        if every or row["role"] == "primary"
    ]


def sentence(row: Row, at: str, guarded: Sequence[Row] = ()) -> str:
    """What the row says of its arm, numbers included; ``at``: the intervals' confidence;
    ``guarded``: the arm's other rows, of whose guardrails it says which do not hold."""
    words, arm, control = wording(row["metric"]), clean(row["arm"]), clean(row["control"])
    kind = verdict_kind(str(row["verdict"]))
    found = f"{signed(row['difference'], words.digits)} ({_interval(row, at)}{_by_known(row)})"
    unheld = _unheld(guarded)
    but, also = (f", but {unheld}", f" Also, {unheld}.") if unheld else ("", "")
    if kind == "withheld":
        return f"No verdict on {arm}: {clean(_reason(row))}. {_observed(row)}{also}"
    if kind == "same":
        margin = number(row["margin"], words.digits)
        return (
            f"{arm} is as good as {control} in {words.short}, give or take {margin}{but}: the "
            f"difference is {found}."
        )
    if kind == "unclear":
        return (
            f"This run cannot tell {arm} from {control} in {words.short}: the difference is "
            f"{found}{_corrected(row)}. {could_have_seen(row)}{also}"
        )
    if kind == "worse":
        but = f", and {unheld}" if unheld else ""
    return (
        f"{arm} is {kind} than {control} in {words.short}{but}: {found}, "
        f"adjusted p {probability(row['p_adjusted'])}."
    )


def _by_known(row: Row) -> str:
    """That the difference is adjusted by covariates, and what it is without them."""
    if row["estimate"] != "adjusted":
        return ""
    plain = signed(row["mean"] - row["control_mean"], wording(row["metric"]).digits)
    return f", {ADJUSTED}; plain {plain}"


def _corrected(row: Row) -> str:
    """Why there is no verdict though the interval, which is not corrected, leaves zero out."""
    if missing(row["low"]) or missing(row["high"]) or row["low"] <= 0 <= row["high"]:
        return ""
    p = probability(row["p_adjusted"])
    if row["tests"] == 1:
        return f", but p is {p}"
    return f", but after correction over {row['tests']} comparisons adjusted p is {p}"


def _unheld(rows: Sequence[Row]) -> str:
    """Which guardrails are broken, or not shown to hold, and why; empty where all hold."""
    told = []
    for row in rows:
        guardrail = row["guardrail"]
        if guardrail is None or guardrail["holds"]:
            continue
        state, _, reason = clean(guardrail["text"]).partition(": ")
        said = "is broken" if state == "broken" else "is not shown to hold"
        name = wording(row["metric"]).short
        told.append(f"its guardrail {name} {said} ({reason or state})")
    return " and ".join(told)


def about(rows: Sequence[Row], control: str, at: str) -> str:
    """What a table of differences holds; ``rows``: one or more."""
    given = [row for row in rows if not missing(row["low"])]
    if not given:
        return f"arm minus {control}; no interval is given"
    text = f"arm minus {control}, paired by {rows[0]['unit']}; {interval_name(given, at)}s"
    return f"{text}, {ADJUSTED}" if any(row["estimate"] == "adjusted" for row in given) else text


def interval_name(rows: Sequence[Row], at: str) -> str:
    """
    >>> interval_name([{"interval": "anytime"}], "95 %"), interval_name([], "90 %")
    ('95 % anytime interval', '90 % interval')
    """
    return f"{at} {'anytime ' if any(row['interval'] == 'anytime' for row in rows) else ''}interval"


def could_have_seen(row: Row) -> str:
    """What would have been noticed with this many units, and how many notice half of it; by
    one test, not corrected for others. Of an anytime interval the latter is not known.

    >>> row = {"metric": "s_sat", "unit": "agent", "n": 200, "minimum_detectable": 0.15}
    >>> could_have_seen(row | {"needed": 790, "interval": "t"})
    '200 agents could have seen 0.15 (4 times in 5 by a single test); 790 agents would see 0.07.'
    """
    detectable, digits = row["minimum_detectable"], wording(row["metric"]).digits
    if missing(detectable):
        return "How much it could have seen is not known."
    units = f"{row['unit']}s"
    seen = number(detectable, digits)
    text = f"{row['n']:,} {units} could have seen {seen} (4 times in 5 by a single test"
    if row["interval"] == "anytime":
        return f"{text}, at the last look); how many more {units} it takes: audition plan."
    text += ")"
    if row["needed"] is None:
        return f"{text}."
    return f"{text}; {row['needed']:,} {units} would see {number(detectable / 2, digits)}."


def notes(rows: Sequence[Row], at: str) -> Iterator[tuple[str, str]]:
    """(title, text) of what stands beside the verdicts: guardrails, ratios of sums that say
    otherwise, what covariates bring."""
    yield from guardrail_lines(rows)
    for row in rows:
        ratio = row["ratio"]
        if ratio and _disagrees(row, ratio):
            yield (
                "Ratio of sums",
                f"{clean(row['arm'])}, {wording(row['metric']).short}: over all agents' sums "
                f"{signed(ratio['difference'], 3)} ({_interval(ratio, at, 3)}), by {row['unit']} "
                f"{signed(row['difference'], 3)}; in sums, agents who saw more count more.",
            )
    yield from _covariates(rows, at)


def _covariates(rows: Sequence[Row], at: str) -> Iterator[tuple[str, str]]:
    """Of the primary metric: each arm where they bring something, else that they do not."""
    known = [
        row
        for row in rows
        if row["role"] == "primary"
        and row["adjusted"]
        and not missing(row["adjusted"]["variance_kept"])
    ]
    telling = [row for row in known if row["adjusted"]["variance_kept"] < MUCH_KEPT]
    if known and not telling:
        metric = wording(known[0]["metric"]).short
        least = min(row["adjusted"]["variance_kept"] for row in known)
        yield (
            "Covariates",
            f"what was known of agents before says nothing of their differences in {metric} "
            f"({min(least, 1.0):.0%} or more of the variance is left).",
        )
    for row in telling:
        adjusted, digits = row["adjusted"], wording(row["metric"]).digits
        found = f"{signed(adjusted['difference'], digits)} ({_interval(adjusted, at, digits)})"
        plain = signed(row["mean"] - row["control_mean"], digits)
        yield (
            "Covariates",
            f"{clean(row['arm'])}, {wording(row['metric']).short}: {found} once {ADJUSTED}, "
            f"{plain} without; {adjusted['variance_kept']:.0%} of the variance is left.",
        )


def guardrail_lines(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """(title, text) of each guardrail: holds, does not hold, or cannot be said."""
    for row in rows:
        guardrail, words = row["guardrail"], wording(row["metric"])
        if guardrail is None:
            continue
        yield "Guardrail", f"{clean(row['arm'])}, {words.short}: {clean(guardrail['text'])}."


def _disagrees(row: Row, ratio: Mapping[str, Any]) -> bool:
    """Whether one of the two finds a difference where the other does not, or the other way."""

    def side(found: Mapping[str, Any]) -> int:
        if missing(found["low"]) or missing(found["high"]):
            return 0
        return int(found["low"] > 0) - int(found["high"] < 0)

    return side(row) != side(ratio)


def _reason(row: Row) -> str:
    return str(row["verdict"]).partition(":")[2].strip() or str(row["verdict"])


def _observed(row: Row) -> str:
    if missing(row["difference"]):
        return "No difference was observed."
    words = wording(row["metric"])
    return f"Observed in {words.short}: {signed(row['difference'], words.digits)}."


def _interval(found: Mapping[str, Any], at: str, digits: int | None = None) -> str:
    places = wording(found["metric"]).digits if digits is None else digits
    kind = "anytime interval" if found.get("interval") == "anytime" else "interval"
    return f"{at} {kind} {_range(found, places)}"


def _range(found: Mapping[str, Any], digits: int) -> str:
    if missing(found["low"]) or missing(found["high"]):
        return "unknown"
    return f"{signed(found['low'], digits)} to {signed(found['high'], digits)}"
