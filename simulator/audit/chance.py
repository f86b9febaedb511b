"""A/A: an arm against itself. The same chance must give the same log; another draw of chance
must look like a difference as seldom as the test promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import special

from agents.interface import OK

from ..evaluation.intervals import Floats
from ..evaluation.simulated import METRICS
from .control import Control, Panel, Row, measured

SAME, OTHER = "A/A, same draw", "A/A, other draws"
_SAME = "Does the same arm under another name give exactly the same?"
_OTHER = "How often does an arm seem to differ from itself under another draw of chance?"

INSIDE = 0.99
"""Of the binomial: an audit in a hundred fails this control by chance alone."""


def same_draw(panel: Panel, log: Mapping[str, pd.DataFrame], one: str, again: str) -> Control:
    """``log``: sessions and exposures of the store, arms by name."""
    parts = {name: unlike(frame, one, again) for name, frame in log.items()}
    apart = {metric: _apart(panel, metric, one, again) for metric in METRICS}
    rows = [Row(f"largest difference in {metric}", largest) for metric, largest in apart.items()]
    rows += [Row(f"{name} that differ", float(count)) for name, count in parts.items()]
    found = {"arms": [one, again], "differing": parts}
    failed = _failed(log["sessions"], one, again)
    if failed and not parts["sessions"]:
        rows.append(Row("sessions that failed in both", float(failed)))
    if any(parts.values()) or any(apart.values()):
        worst = ", ".join(f"{count:,} {name}" for name, count in parts.items())
        said = f"{one} and the same arm again differ in {worst}: differences are not paired."
        return Control(SAME, _SAME, "fail", said, tuple(rows), found)
    said = f"{one} and the same arm again: every difference is exactly zero, the logs are the same."
    return Control(SAME, _SAME, "pass", said, tuple(rows), found)


def unlike(frame: pd.DataFrame, one: str, again: str) -> int:
    """How many rows of a log one arm has that the other has not, or has otherwise."""
    a, b = (
        frame[frame["arm"] == arm].drop(columns="arm").reset_index(drop=True)
        for arm in (one, again)
    )
    if len(a) != len(b):
        return max(len(a), len(b))
    # NaN is NaN: what both lack is no difference.
    alike = (a == b).to_numpy(dtype=bool, na_value=False) | (a.isna() & b.isna()).to_numpy()
    return int((~alike.all(axis=1)).sum())


def other_draws(
    p_values: Mapping[str, Sequence[float]], primary: str, confidence: float
) -> Control:
    """``p_values`` by metric, of repeats of a comparison without a true difference."""
    alpha = 1 - confidence
    rates = {metric: _rate(metric, np.asarray(p), alpha) for metric, p in p_values.items()}
    rows = tuple(row for metric, row in rates.items() if row.n)
    row = rates[primary]
    rejected = {each.what: each.value for each in rows}
    found = {"repeats": row.n, "alpha": alpha, "rejected": rejected}
    if not row.n:
        return Control(OTHER, _OTHER, "cannot tell", f"{primary} has no values.", rows, found)
    few, most = bounds(row.n, alpha)
    found |= {"few": few / row.n, "most": most / row.n}
    if bool((np.asarray(p_values[primary]) == 1.0).all()):
        said = f"{primary} does not depend on chance: all {row.n} repeats differ by exactly zero."
        return Control(OTHER, _OTHER, "pass", said, rows, found)
    count = round(row.value * row.n)
    said = (
        f"{primary} seemed to differ in {count} of {row.n} repeats ({100 * row.value:.1f} %) where "
        f"nothing does; a test at {100 * alpha:g} % does so in {most} at most"
    )
    if count > most:
        return Control(OTHER, _OTHER, "fail", f"{said}.", rows, found)
    if count < few:
        said = f"{said}, and seldom in less than {few}: it is cautious here, and misses more"
    return Control(OTHER, _OTHER, "pass", f"{said}.", rows, found)


def one_other_draw(panel: Panel, primary: str, one: str, other: str, confidence: float) -> Control:
    """Where every draw costs calls: one pair of draws, and no rate."""
    found = {"arms": [one, other]}
    if (why := panel.unusable(primary, one, other)) is not None:
        return Control(OTHER, _OTHER, "cannot tell", why, found=found, required=False)
    rows = tuple(
        measured(metric, panel.gain(metric, other, one), confidence)
        for metric in METRICS
        if len(panel.values(metric, one, other)) > 1
    )
    p = next(row.p for row in rows if row.what == primary)
    said = (
        f"One repeat: p = {p:.3f} for {primary}. The rate was not measured: 200 repeats would "
        "cost 400 times the calls of one arm."
    )
    return Control(OTHER, _OTHER, "cannot tell", said, rows, found, required=False)


def bounds(n: int, alpha: float) -> tuple[int, int]:
    """The counts of rejections such that ``n`` tests at level ``alpha`` give less than the
    first, and more than the second, with a probability of 1 - :data:`INSIDE` each at most
    (exact binomial, one-sided).

    >>> bounds(200, 0.05)
    (4, 18)
    """
    below = special.bdtr(np.arange(n + 1, dtype=np.float64), n, alpha)
    return int(np.searchsorted(below, 1 - INSIDE, "right")), int(np.searchsorted(below, INSIDE))


def _rate(metric: str, p: Floats, alpha: float) -> Row:
    known = p[~np.isnan(p)]
    n, count = len(known), int((known < alpha).sum())
    if not n:
        return Row(metric, np.nan)
    # Clopper and Pearson (1934), 95 %.
    low = float(special.betaincinv(count, n - count + 1, 0.025)) if count else 0.0
    high = float(special.betaincinv(count + 1, n - count, 0.975)) if count < n else 1.0
    return Row(metric, count / n, low, high, n=n)


def _apart(panel: Panel, metric: str, one: str, again: str) -> float:
    """The largest difference of any agent; infinite where only one arm has a value."""
    frame = panel.by_metric[metric]
    if not (frame[one].isna() == frame[again].isna()).all():
        return float("inf")
    both = panel.values(metric, one, again)
    return float(np.abs(both[:, 0] - both[:, 1]).max(initial=0.0))


def _failed(sessions: pd.DataFrame, one: str, again: str) -> int:
    rows = sessions[sessions["arm"].isin([one, again])]
    return int((rows["outcome"] != OK).sum())
