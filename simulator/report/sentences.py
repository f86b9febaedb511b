"""What a comparison says, in plain sentences: also what it could not have seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .findings import verdict_kind
from .wording import clean, missing, number, probability, signed, wording

Row = Mapping[str, Any]

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
    """The primary metric's rows, or all, each with a sentence or two on its arm."""
    return [
        (row, sentence(row, level(summary)))
        for row in summary["comparisons"]
        if every or row["role"] == "primary"
    ]


def sentence(row: Row, at: str) -> str:
    """What the row says of its arm, numbers included; ``at``: the intervals' confidence."""
    words, arm, control = wording(row["metric"]), clean(row["arm"]), clean(row["control"])
    kind = verdict_kind(str(row["verdict"]))
    found = f"{signed(row['difference'], words.digits)} ({_interval(row, at)})"
    if kind == "withheld":
        return f"No verdict on {arm}: {clean(_reason(row))}. {_observed(row)}"
    if kind == "same":
        margin = number(row["margin"], words.digits)
        return (
            f"{arm} is as good as {control} in {words.short}, give or take {margin}: the "
            f"difference is {found}."
        )
    if kind == "unclear":
        return (
            f"This run cannot tell {arm} from {control} in {words.short}: the difference is "
            f"{found}. {could_have_seen(row)}"
        )
    return (
        f"{arm} is {kind} than {control} in {words.short}: {found}, "
        f"adjusted p {probability(row['p_adjusted'])}."
    )


def could_have_seen(row: Row) -> str:
    """What would have been noticed with this many units, and how many notice half of it; by
    one test, not corrected for others.

    >>> row = {"metric": "s_sat", "unit": "agent", "n": 200, "minimum_detectable": 0.15}
    >>> could_have_seen(row | {"needed": 790})
    '200 agents could have seen 0.15 (4 times in 5 by a single test); 790 agents would see 0.07.'
    """
    detectable, digits = row["minimum_detectable"], wording(row["metric"]).digits
    if missing(detectable):
        return "How much it could have seen is not known."
    units = f"{row['unit']}s"
    seen = number(detectable, digits)
    text = f"{row['n']:,} {units} could have seen {seen} (4 times in 5 by a single test)"
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
        yield (
            "Covariates",
            f"{clean(row['arm'])}, {wording(row['metric']).short}: "
            f"{signed(adjusted['difference'], digits)} ({_interval(adjusted, at, digits)}) once "
            f"adjusted for what was known of agents before; {adjusted['variance_kept']:.0%} of "
            "the variance is left.",
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
