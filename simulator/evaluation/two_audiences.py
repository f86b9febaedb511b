"""Two audiences, one verdict: a run of few expensive agents and one of many cheap ones, of the
same scenario with another response model, as one answer for each metric and arm.

What is estimated is what the expensive audience would say; the cheap one only makes it less
uncertain, as far as the two agree agent by agent on the differences between the arms
(:mod:`.prediction_powered`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .common_agents import Common, check, match
from .intervals import Floats
from .multiplicity import holm
from .paired import Estimated
from .prediction_powered import FEWEST, Combined, combine
from .simulated import METRICS
from .study import Study
from .verdicts import MOST_MISSING, verdict


@dataclass(frozen=True)
class Row:
    """One metric of one arm against the control. ``low``..``high`` is the interval of
    ``difference``, from both audiences; ``alone`` is that of the ``n`` expensive agents who
    have a cheap counterpart, ``cheap`` the difference in all ``everybody`` cheap ones.

    ``weight`` and ``correlation`` as in :class:`.prediction_powered.Combined`. ``effective``:
    expensive agents whose own interval would be as narrow; ``rests``: the share of these that
    the cheap audience stands for, 0 to 1; ``agents_saved`` = effective - n (negative where
    the cheap audience is of no use), ``calls_saved`` and ``usd_saved`` at what an agent took
    in these two arms, None where it took no calls or the price is unknown.
    """

    metric: str
    control: str
    arm: str
    role: str
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float
    verdict: str
    n: int
    everybody: int
    alone: Estimated
    cheap: float
    weight: float
    correlation: float
    standard_error: float
    effective: int | None
    rests: float
    agents_saved: int | None
    calls_saved: int | None
    usd_saved: float | None


def document(
    study: Study,
    cheap: Study,
    comparisons: Sequence[Mapping[str, Any]],
    round_: int,
    usage: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """``comparisons``: every one of ``study``'s ``round_``, as its summary has them; ``usage``
    by arm. Raises InputError where the runs are not of one experiment, share fewer than
    :data:`FEWEST` agents, or ``cheap`` has no agents of its own."""
    check(study, cheap)
    found = match(study, cheap, round_)
    agents = len(study.people)
    rows = [_row(found, row, usage, agents, study.confidence) for row in comparisons]
    return {
        "with": cheap.name,
        "models": {"expensive": _model(study), "cheap": _model(cheap)},
        "agents": {
            "expensive": agents,
            "cheap": found.cheap.units,
            "both": found.both,
            "unmatched": found.unmatched,
        },
        "comparisons": [asdict(row) for row in _judged(rows, comparisons, study)],
    }


def _row(
    found: Common,
    comparison: Mapping[str, Any],
    usage: Mapping[str, Mapping[str, Any]],
    agents: int,
    confidence: float,
) -> Row:
    control, arm, metric = (comparison[key] for key in ("control", "arm", "metric"))
    y, f = found.differences(control, arm, metric)
    both = ~np.isnan(y) & ~np.isnan(f)
    result = combine(y, f, confidence) if both.sum() >= FEWEST else _nothing(both, f)
    saved = None if result.effective is None else result.effective - result.n
    calls, usd = _saved(saved, [usage[name] for name in (control, arm)], agents)
    return Row(
        metric=metric,
        control=control,
        arm=arm,
        role=comparison["role"],
        **asdict(result.estimated),
        p_adjusted=np.nan,
        verdict=_withheld(comparison, y, f, found.both) or "",
        n=result.n,
        everybody=result.everybody,
        alone=result.alone,
        cheap=result.cheap,
        weight=result.weight,
        correlation=result.correlation,
        standard_error=result.standard_error,
        effective=result.effective,
        rests=np.nan if not result.effective else max(0.0, 1 - result.n / result.effective),
        agents_saved=saved,
        calls_saved=calls,
        usd_saved=usd,
    )


def _nothing(both: Any, f: Floats) -> Combined:
    none = Estimated(np.nan, np.nan, np.nan, np.nan)
    n, everybody = int(both.sum()), int((~np.isnan(f)).sum())
    return Combined(none, none, np.nan, n, everybody, np.nan, np.nan, np.nan, None)


def _withheld(comparison: Mapping[str, Any], y: Floats, f: Floats, both: int) -> str | None:
    """Why no verdict may be given: for the run's own reason, or for who lacks a value."""
    own = str(comparison["verdict"])
    if own.startswith("withheld"):
        return own
    share = float(np.isnan(f).mean())
    if share > MOST_MISSING:
        return f"withheld: undefined for {share:.1%} of the cheap agents"
    n = int((~np.isnan(y) & ~np.isnan(f)).sum())
    if n < (1 - MOST_MISSING) * both or n < FEWEST:
        return f"withheld: {n:,} of {both:,} agents have a value in both audiences"
    return None


def _saved(
    agents_saved: int | None, usage: Sequence[Mapping[str, Any]], agents: int
) -> tuple[int | None, float | None]:
    """Calls and US dollars, at what one of ``agents`` took in these arms. Replies that were
    known already would have had to be asked of other agents."""
    sent = sum(one["calls"] for one in usage)
    asked = sent + sum(one["cached"] for one in usage)
    if agents_saved is None or not asked:
        return None, None
    calls = agents_saved * asked / agents
    costs = [one["cost_usd"] for one in usage]
    known = sent > 0 and all(cost is not None and not np.isnan(cost) for cost in costs)
    return round(calls), calls * sum(costs) / sent if known else None


def _judged(
    rows: Sequence[Row], comparisons: Sequence[Mapping[str, Any]], study: Study
) -> list[Row]:
    """With p values corrected as the run's own are (by Holm where it asks for max-T, which
    permutes one audience), and verdicts by the same margins."""
    p = np.full(len(rows), np.nan)
    for primary in (True, False):
        places = [i for i, row in enumerate(rows) if (row.role == "primary") == primary]
        own = [rows[i].p for i in places]
        p[places] = own if study.evaluation["correction"] == "none" else holm(own)
    out = []
    for row, own_p, comparison in zip(rows, p.tolist(), comparisons, strict=True):
        said = Estimated(row.difference, row.low, row.high, row.p)
        better = int(np.sign(METRICS[row.metric].better))
        words = row.verdict or verdict(said, own_p, comparison["margin"], better, study.confidence)
        out.append(replace(row, p_adjusted=own_p, verdict=words))
    return out


def _model(study: Study) -> str:
    """What a reader knows the audience by."""
    response = (study.scenario.get("agents") or {}).get("response") or {}
    return str(response.get("name") or response.get("model") or "unknown")
