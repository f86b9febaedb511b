"""Swapped tastes: agents with somebody else's profile must lose what the personalised arm
gives to their own."""

from __future__ import annotations

from ..evaluation.simulated import METRICS
from ..report.wording import signed
from .control import Control, Panel, Row, between, direction, measured

NAME = "swapped tastes"
_QUESTION = "Is the gain of the personalised arm lost on agents with somebody else's tastes?"

MOST = 0.5
"""Of the gain must go, beyond doubt."""


def swapped(
    panel: Panel,
    primary: str,
    personal: tuple[str, str],
    popular: tuple[str, str],
    confidence: float,
) -> Control:
    """``personal`` and ``popular``: the arm with own tastes, and with swapped ones.

    With own and swapped tastes each agent has a gain of the personalised arm over the popular
    one; what is tested is their difference, agent by agent.
    """
    arms = (*personal, *popular)
    found: dict[str, object] = {"personal": personal[0], "popular": popular[0]}
    if (why := panel.unusable(primary, *arms)) is not None:
        return Control(NAME, _QUESTION, "cannot tell", why, found=found)
    own, others, gone, beyond = _gains(panel, primary, personal, popular, confidence)
    rows = [own, others, gone, beyond]
    for metric in METRICS:
        if metric != primary and panel.unusable(metric, *arms) is None:
            rows += _gains(panel, metric, personal, popular, confidence)
    said = (
        f"{personal[0]} gains {signed(own.value, 2)} {primary} over {popular[0]} ({between(own)})"
    )
    if not own.low > 0:
        said = f"{said}: there is no clear gain to lose."
        return Control(NAME, _QUESTION, "cannot tell", said, tuple(rows), found)
    share = gone.value / own.value
    found["share_lost"] = share
    said = (
        f"{said}, with swapped tastes {signed(others.value, 2)}: {100 * share:.0f} % of the gain "
        f"is lost ({signed(gone.value, 2)}, {between(gone)})"
    )
    if beyond.low > 0:
        return Control(NAME, _QUESTION, "pass", f"{said}.", tuple(rows), found)
    if beyond.high < 0:
        said = f"{said}; the audience does not need its own tastes to prefer the personalised arm."
        return Control(NAME, _QUESTION, "fail", said, tuple(rows), found)
    said = f"{said}; too few agents to tell whether more than half of it is."
    return Control(NAME, _QUESTION, "cannot tell", said, tuple(rows), found)


def _gains(
    panel: Panel,
    metric: str,
    personal: tuple[str, str],
    popular: tuple[str, str],
    confidence: float,
) -> list[Row]:
    """The last one is above zero where the share lost is above :data:`MOST` (Fieller 1954:
    the same test, without the interval of a ratio)."""
    values = direction(metric) * panel.values(metric, *personal, *popular)
    own, others = values[:, 0] - values[:, 2], values[:, 1] - values[:, 3]
    return [
        measured(f"{metric}: gain with own tastes", own, confidence),
        measured(f"{metric}: gain with swapped tastes", others, confidence),
        measured(f"{metric}: gain lost", own - others, confidence),
        measured(f"{metric}: lost beyond half of it", own - others - MOST * own, confidence),
    ]
