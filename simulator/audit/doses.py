"""Dose-response and extremes: less of a good ranking must be worth less, knowing everything
must be best and knowing nothing worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..evaluation.compare import holm
from ..evaluation.intervals import Floats, mean_interval
from ..evaluation.simulated import METRICS
from ..report.wording import number, signed
from .control import (
    Control,
    Panel,
    Row,
    State,
    between,
    direction,
    margin,
    measured,
    negligible,
)

DOSES, EXTREMES = "dose-response", "extremes"
_DOSES = "Does the audience like a good ranking less the more of it is random?"
EXTREMES_ASKED = "Is the true ranking above all arms, and a random one below all?"


def doses(
    panel: Panel, primary: str, arms: Sequence[tuple[float, str]], confidence: float
) -> Control:
    """``arms``: (share of random items, arm), by rising share."""
    share = np.array([dose for dose, _ in arms])
    names = [name for _, name in arms]
    if (why := panel.unusable(primary, *names)) is not None:
        return Control(DOSES, _DOSES, "cannot tell", why)
    values = panel.values(primary, *names)
    level = [mean_interval(values[:, i], confidence) for i in range(len(arms))]
    least = margin(values)
    found = {
        "of": names[0],
        "metric": primary,
        "margin": least,
        "doses": [
            {"dose": dose, "mean": mean.mean, "low": mean.low, "high": mean.high}
            for dose, mean in zip(share.tolist(), level, strict=True)
        ],
    }
    trend = measured(f"{primary}: change from 0 to 100 % random", slopes(share, values), confidence)
    steps = [
        measured(
            f"{primary}: {100 * share[i]:g} to {100 * share[i + 1]:g} % random",
            values[:, i + 1] - values[:, i],
            confidence,
        )
        for i in range(len(arms) - 1)
    ]
    rows = [trend, *steps, *_other_trends(panel, primary, share, names, confidence)]
    state, how = _judged(trend, steps, direction(primary), 1 - confidence, least)
    first, last = (number(level[end].mean, 2) for end in (0, -1))
    said = (
        f"{primary} of {names[0]} goes from {first} to {last} "
        f"(trend {signed(trend.value, 2)}, {between(trend)}){how}."
    )
    return Control(DOSES, _DOSES, state, said, tuple(rows), found)


def _judged(
    trend: Row, steps: Sequence[Row], up: int, alpha: float, least: float
) -> tuple[State, str]:
    """The state, and what to say of the trend. Fails where it rises, or is nothing that
    matters, or a step rises, beyond chance (steps corrected for their number)."""
    corrected = holm([step.p for step in steps])
    rises = [up * step.value > 0 for step in steps]
    names = [step.what.partition(": ")[2] for step in steps]
    clear = [n for n, up_, p in zip(names, rises, corrected, strict=True) if up_ and p < alpha]
    beyond_chance = trend.low > 0 or trend.high < 0
    if negligible(trend, least):
        return "fail", f"; a difference that matters, {least:.2f}, would have been seen"
    if beyond_chance and up * trend.value > 0:
        return "fail", "; it gets better"
    if clear:
        return "fail", f"; but from {', '.join(clear)} it gets better"
    if not beyond_chance:
        return "cannot tell", "; too few agents to tell a fall from none"
    if any(rises):
        which = [name for name, up_ in zip(names, rises, strict=True) if up_]
        return "pass", f"; from {', '.join(which)} it does not fall, within chance"
    return "pass", ", falling at every step"


def slopes(share: Floats, values: Floats) -> Floats:
    """(n,) least-squares slope of each agent's (n, doses) values on the share.

    >>> slopes(np.array([0.0, 0.5, 1.0]), np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 1.0]])).tolist()
    [-2.0, 0.0]
    """
    centred = share - share.mean()
    return np.asarray(values @ centred / (centred @ centred))


def extremes(
    panel: Panel,
    truth: Panel,
    primary: str,
    oracle: str,
    random: str,
    arms: Sequence[str],
    confidence: float,
) -> Control:
    """``arms``: the scenario's, but for the two. One is only expected above the random arm
    where its ``truth`` (metric ``quality``) is, beyond doubt."""
    if (why := panel.unusable(primary, oracle, random, *arms)) is not None:
        return Control(EXTREMES, EXTREMES_ASKED, "cannot tell", why)
    whole = measured(
        f"{primary}: {oracle} over {random}", panel.gain(primary, oracle, random), confidence
    )
    above = [arm for arm in arms if _truly_above(truth, oracle, arm, confidence)]
    below = [arm for arm in arms if _truly_above(truth, arm, random, confidence)]
    pairs = [*((oracle, arm) for arm in above), *((arm, random) for arm in below)]
    rows = [
        measured(f"{primary}: {a} over {b}", panel.gain(primary, a, b), confidence)
        for a, b in pairs
    ]
    least = margin(panel.values(primary, oracle, random))
    found: dict[str, Any] = {"oracle": oracle, "random": random, "margin": least}
    found["pairs"] = [list(pair) for pair in pairs]
    state, how = _placed(whole, rows, 1 - confidence, least)
    gain = f"{signed(whole.value, 2)} {primary} over {random} ({between(whole)})"
    said = f"{oracle} gains {gain}{how}"
    if state == "pass":
        said += _tested(len(pairs), oracle, above, random, below)
    return Control(EXTREMES, EXTREMES_ASKED, state, f"{said}.", (whole, *rows), found)


def _placed(whole: Row, rows: Sequence[Row], alpha: float, least: float) -> tuple[State, str]:
    """The state, and what to say unless all is well; of ``rows``, those that stand the wrong
    way round are corrected for their number."""
    if negligible(whole, least):
        return "fail", f"; a difference that matters, {least:.2f}, would have been seen"
    corrected = holm([row.p for row in (whole, *rows)])
    wrong = [
        row.what
        for row, p in zip((whole, *rows), corrected, strict=True)
        if row.value < 0 and p < alpha
    ]
    if wrong:
        return "fail", f"; in the wrong order: {', '.join(wrong)}"
    open_ = [row.what for row in (whole, *rows) if not row.low > 0]
    if open_:
        return "cannot tell", f"; not told apart: {', '.join(open_)}"
    return "pass", ""


def _tested(
    count: int, oracle: str, above: Sequence[str], random: str, below: Sequence[str]
) -> str:
    """Which pairs besides the oracle and the random arm stand in their true order."""
    groups = [f"{oracle} over {', '.join(above)}"] if above else []
    groups += [f"{', '.join(below)} over {random}"] if below else []
    if not groups:
        return "; no other pair is truly apart"
    pairs = "pair that is" if count == 1 else "pairs that are"
    return f"; beyond doubt as well the {count} other {pairs} truly apart: {'; '.join(groups)}"


def _truly_above(truth: Panel, one: str, other: str, confidence: float) -> bool:
    both = truth.values("quality", one, other)
    return mean_interval(both[:, 0] - both[:, 1], confidence).low > 0


def _other_trends(
    panel: Panel, primary: str, share: Floats, names: Sequence[str], confidence: float
) -> list[Row]:
    return [
        measured(
            f"{metric}: change from 0 to 100 % random",
            slopes(share, panel.values(metric, *names)),
            confidence,
        )
        for metric in METRICS
        if metric != primary and panel.unusable(metric, *names) is None
    ]
