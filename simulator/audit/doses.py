"""Dose-response and extremes: less of a good ranking must be worth less, knowing everything
must be best and knowing nothing worst."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..evaluation.compare import holm
from ..evaluation.intervals import Floats, mean_interval
from ..evaluation.simulated import METRICS
from ..report.wording import number, signed
from .control import Control, Panel, Row, State, between, direction, measured

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
    found = {
        "of": names[0],
        "metric": primary,
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
    state, how = _judged(trend, steps, direction(primary), 1 - confidence)
    first, last = (number(level[end].mean, 2) for end in (0, -1))
    said = (
        f"{primary} of {names[0]} goes from {first} to {last} "
        f"(trend {signed(trend.value, 2)}, {between(trend)}){how}."
    )
    return Control(DOSES, _DOSES, state, said, tuple(rows), found)


def _judged(trend: Row, steps: Sequence[Row], up: int, alpha: float) -> tuple[State, str]:
    """The state, and what to say of the trend. A step counts as rising if it does so beyond
    chance, corrected for their number."""
    corrected = holm([step.p for step in steps])
    rises = [up * step.value > 0 for step in steps]
    names = [step.what.partition(": ")[2] for step in steps]
    clear = [n for n, up_, p in zip(names, rises, corrected, strict=True) if up_ and p < alpha]
    if up * trend.value >= 0 or not trend.p < alpha:
        return "fail", "; no fall beyond chance"
    if clear:
        return "fail", f"; but from {', '.join(clear)} it gets better"
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
    pairs = [(oracle, arm) for arm in arms if _truly_above(truth, oracle, arm, confidence)]
    pairs += [(arm, random) for arm in arms if _truly_above(truth, arm, random, confidence)]
    rows = [
        measured(f"{primary}: {a} over {b}", panel.gain(primary, a, b), confidence)
        for a, b in pairs
    ]
    wrong = [row.what for row in rows if row.high < 0]
    open_ = [row.what for row in rows if row.low <= 0 <= row.high]
    found = {"oracle": oracle, "random": random}
    said = f"{oracle} gains {signed(whole.value, 2)} {primary} over {random} ({between(whole)})"
    rows.insert(0, whole)
    if whole.low <= 0 or wrong:
        which = f"in the wrong order: {', '.join(wrong)}" if wrong else "the two are not told apart"
        said = f"{said}; {which}."
        return Control(EXTREMES, EXTREMES_ASKED, "fail", said, tuple(rows), found)
    if open_:
        said = f"{said}; not told apart: {', '.join(open_)}."
        return Control(EXTREMES, EXTREMES_ASKED, "cannot tell", said, tuple(rows), found)
    said = f"{said}; the {len(arms)} other arms stand between them, each beyond doubt."
    return Control(EXTREMES, EXTREMES_ASKED, "pass", said, tuple(rows), found)


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
