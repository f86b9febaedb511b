"""What may be said of a difference, in words, or why nothing may."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .missing import Bools, mcnemar
from .paired import Estimated
from .units import Sessions

MOST_MISSING = 0.01
"""Above this share of failed sessions in either arm, or of pairs without a value, no
verdict is given: who is missing may differ from who is not."""

UNEQUAL = 0.001
"""Level of the test that both arms lose sessions equally: that of checks of sample ratio
mismatch, low because it is looked at in every experiment (Fabijan et al., KDD 2019)."""

COUPLED = "agents learned from each other's feedback, so they are not independent; set worlds: 5"


@dataclass(frozen=True)
class Guardrail:
    """``margin``: by how much the arm may be worse, in the metric's units; ``holds``: whether
    the interval's bad end is not as bad (non-inferior at one-sided alpha / 2); None where
    nothing may be said."""

    margin: float
    holds: bool | None
    text: str


def verdict(
    found: Estimated, p_adjusted: float, margin: float, better: int, confidence: float
) -> str:
    """``found``'s interval is for equivalence, ``p_adjusted`` for a difference. ``better``:
    1 where more is, -1 where less is, 0 where neither."""
    if p_adjusted < 1 - confidence:
        up = found.difference > 0
        if better == 0:
            return "higher" if up else "lower"
        return "better" if up == (better > 0) else "worse"
    if -margin <= found.low and found.high <= margin:
        return f"no difference larger than {margin:.3g}"
    return "inconclusive"


def guardrail(found: Estimated, margin: float, better: int, withheld: str | None) -> Guardrail:
    """Of a metric where neither direction is better, both are bad.

    >>> guardrail(Estimated(-0.1, -0.3, 0.1, 0.3), 0.5, 1, None).text
    'holds: at most 0.3 worse'
    >>> guardrail(Estimated(-0.1, -0.3, 0.1, 0.3), 0.2, 1, None).text
    'not shown: up to 0.3 worse is possible, allowed is 0.2'
    """
    if withheld is not None or np.isnan(found.low):
        return Guardrail(margin, None, withheld or "no interval yet")
    worst, best = {
        1: (-found.low, -found.high),
        -1: (found.high, found.low),
        0: (max(-found.low, found.high), max(found.low, -found.high)),
    }[better]
    if worst <= margin:
        return Guardrail(margin, True, f"holds: at most {max(0.0, worst):.3g} worse")
    if best > margin:
        return Guardrail(margin, False, f"broken: at least {best:.3g} worse, allowed {margin:.3g}")
    text = f"not shown: up to {worst:.3g} worse is possible, allowed is {margin:.3g}"
    return Guardrail(margin, False, text)


def withheld(found: Sessions, control: str, arm: str, metric: str, ratio: bool) -> str | None:
    """Why nothing may be said of this metric in these arms, or None. ``ratio``: whether a
    ratio of sums is there to look at instead."""
    return _losses(found, control, arm) or _gaps(found, control, arm, metric, ratio)


def _losses(found: Sessions, control: str, arm: str) -> str | None:
    """Sessions that failed, in either arm or in one more than in the other."""
    shares = [_share(found.failed[name], found.met[name]) for name in (control, arm)]
    if max(shares) > MOST_MISSING:
        return f"withheld: {max(shares):.1%} of an arm's sessions failed"
    both = found.met[control] & found.met[arm]
    lost, kept = (found.failed[name][both] for name in (arm, control))
    mine, its = int((lost & ~kept).sum()), int((kept & ~lost).sum())
    p = mcnemar(mine, its)
    if p >= UNEQUAL:
        return None
    return (
        f"withheld: the arms lose sessions unequally ({mine} only in {arm}, "
        f"{its} only in {control}, p = {p:.1g})"
    )


def _gaps(found: Sessions, control: str, arm: str, metric: str, ratio: bool) -> str | None:
    """Pairs without a value: sessions that one arm has not, or a metric that is undefined."""
    sides, possible = (control, arm), found.met[control] | found.met[arm]
    played = np.logical_and.reduce([found.met[side] & ~found.failed[side] for side in sides])
    value = np.logical_and.reduce([~np.isnan(found.column(side, metric)) for side in sides])
    unmet = _share(~played, possible)
    if unmet > MOST_MISSING:
        return f"withheld: {unmet:.1%} of the agents have no pair of sessions"
    undefined = _share(~value, possible)
    if undefined > MOST_MISSING:
        instead = "; see the ratio of sums" if ratio else ""
        return f"withheld: undefined for {undefined:.1%} of the agents{instead}"
    return None


def _share(which: Bools, among: Bools) -> float:
    return float(which[among].mean()) if among.any() else 0.0
