"""Whether a comparison can be believed, before what it says: one line a check.

Each line has a state: ``ok``; ``attention``, something a reader has to know; ``stop``,
something because of which no verdict should be acted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from agents.interface import OK

from .compare import MOST_MISSING, Comparison
from .missing import mcnemar
from .study import Study

State = Literal["ok", "attention", "stop"]

ALERT = 0.001
"""McNemar's p below which arms lose, or cut off, agents unequally. So small because it is
looked at in every run, and a false alarm would be learned to be ignored."""

MOST_CENSORED = 0.2
"""Share of sessions cut off by the page limit above which lengths of visits are in doubt."""


@dataclass(frozen=True)
class Check:
    """``text``: one plain sentence or two; ``arms``: the numbers behind it, by arm."""

    name: str
    title: str
    state: State
    text: str
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def panel(
    study: Study,
    round_: int,
    comparisons: Sequence[Comparison],
    control: str | None,
    usage: Mapping[str, Mapping[str, Any]],
    audit: Mapping[str, Any] | None,
) -> list[Check]:
    """The checks of one round, in the order in which they are read.

    ``usage`` by arm: calls and cached; ``audit``: what ``audit.state`` found of this audience,
    None where no A/A control of it was run.
    """
    now = study.sessions[study.sessions["round"] == round_]
    values = study.values[study.values["round"] == round_]
    primary = [row for row in comparisons if row.role == "primary"]
    checks = [*_status(study), *_independence(study, round_), *_words(study)]
    if primary and control is not None:
        checks.append(_missing(values, primary, control))
    checks.append(_failed(now))
    checks.append(_censored(now, control))
    checks.append(_cache(usage))
    checks.append(_audit(study, audit))
    if primary:
        checks.append(_correlation(primary))
    return checks


def worst(checks: Sequence[Check]) -> State:
    """The state of the panel as a whole."""
    states = {check.state for check in checks}
    return "stop" if "stop" in states else "attention" if "attention" in states else "ok"


def _status(study: Study) -> list[Check]:
    if study.status == "finished" and len(study.members) == _asked(study):
        return []
    done = sum(run.status == "finished" for run in study.members)
    text = f"The run is not finished (status: {study.status}): this is what its log holds so far."
    if study.family:
        text = (
            f"{done} of {_asked(study)} runs of the family are finished: what follows is of "
            "what is there so far."
        )
    return [Check("status", "Finished", "attention", text)]


def _asked(study: Study) -> int:
    """How many runs the scenario means."""
    if not study.family:
        return 1
    replicates = (study.scenario.get("agents") or {}).get("replicates") or 1
    return int(study.scenario.get("worlds") or 1) * int(replicates)


def _independence(study: Study, round_: int) -> list[Check]:
    if study.unit == "world":
        several = f"{study.worlds} seeded world" + "s" * (study.worlds != 1)
        what = f"The unit of analysis is the world: {several}, paired by seed."
        if study.worlds < 2:
            return [Check("unit", "Independence", "stop", f"{what} One is too few to compare.")]
        return [Check("unit", "Independence", "ok", what)]
    if study.coupled(round_):
        text = (
            "Arms learned from these agents, so agents are not independent and no verdict by "
            "agent is given: run several seeded worlds (worlds: 5)."
        )
        return [Check("unit", "Independence", "stop", text)]
    text = "The unit of analysis is the agent: nothing that one agent does reaches another."
    return [Check("unit", "Independence", "ok", text)]


def _words(study: Study) -> list[Check]:
    """Arms that rank by the words that the agents judge items by, too."""
    found = study.first.dataset.get("texts")
    if not found:
        return []
    arms = {arm: {"dimensions": found["dimensions"]} for arm in found["arms"]}
    named = list(arms)
    one = len(named) == 1
    who = named[0] if one else f"{', '.join(named[:-1])} and {named[-1]}"
    text = (
        f"{who} {'reads' if one else 'read'} what items and users say, and so do the agents: an "
        "audience favours who reads the page that it reads. Believe a gain more where offline "
        "metrics gain too, and not where an arm with shuffled profiles gains as much "
        "(docs/profiles.md)."
    )
    return [Check("words", "Same words", "attention", text, arms)]


def _missing(values: pd.DataFrame, primary: Sequence[Comparison], control: str) -> Check:
    """Pairs of sessions without a value of the primary metric, by arm."""
    metric = primary[0].metric
    gone = _wide(values, values[metric].isna(), [control, *(row.arm for row in primary)])
    gone = gone != 0  # a session that is not there is lost, too
    arms = {}
    for row in primary:
        lost, lost_there = gone[row.arm], gone[control]
        p = mcnemar(int((lost & ~lost_there).sum()), int((~lost & lost_there).sum()))
        share = float((lost | lost_there).mean()) if len(gone) else 1.0
        bounds = (row.bounds.low, row.bounds.high) if row.bounds else (np.nan, np.nan)
        arms[row.arm] = {"share": share, "p": p, "low": bounds[0], "high": bounds[1]}
    worst_arm = max(arms, key=lambda arm: arms[arm]["share"])
    unequal = [arm for arm, found in arms.items() if found["p"] < ALERT]
    share = arms[worst_arm]["share"]
    if share == 0:
        return Check("missing", "Missing pairs", "ok", f"No pair lacks {metric}.", arms)
    text = f"{_percent(share)} of the pairs of {worst_arm} lack {metric}"
    if not np.isnan(arms[worst_arm]["low"]):
        text += (
            f"; had those been the worst or the best possible, its difference would lie between "
            f"{arms[worst_arm]['low']:+.3g} and {arms[worst_arm]['high']:+.3g}"
        )
    text += "."
    if unequal:
        named = ", ".join(f"{arm} (p {_p(arms[arm]['p'])})" for arm in unequal)
        text += f" More are lost on one side than by chance: {named}; who is left may differ."
    state: State = "stop" if unequal or share > MOST_MISSING else "attention"
    return Check("missing", "Missing pairs", state, text, arms)


def _failed(sessions: pd.DataFrame) -> Check:
    """Replies that stayed without a usable answer, by arm."""
    outcome = sessions["outcome"] != OK
    asked = sessions["interview_outcome"].notna() & ~outcome
    interview = asked & (sessions["interview_outcome"] != OK)
    arms = {
        str(arm): {
            "sessions": int(outcome[here].sum()),
            "interviews": int(interview[here].sum()),
            "share": float((outcome | interview)[here].mean()),
        }
        for arm, here in sessions.groupby("arm", observed=True).groups.items()
    }
    most = max((found["share"] for found in arms.values()), default=0.0)
    if most == 0:
        return Check("failed", "Failed replies", "ok", "Every reply could be used.", arms)
    told = "; ".join(
        f"{arm} {found['sessions']:,} sessions, {found['interviews']:,} interviews "
        f"({_percent(found['share'])})"
        for arm, found in arms.items()
        if found["share"]
    )
    text = f"Lost for want of a usable reply: {told}. They are missing data."
    if most > MOST_MISSING:
        text += f" Above {MOST_MISSING:.0%} no verdict is given."
    return Check(
        "failed", "Failed replies", "stop" if most > MOST_MISSING else "attention", text, arms
    )


def _censored(sessions: pd.DataFrame, control: str | None) -> Check:
    """Sessions that the page limit ended, by arm; unequal by McNemar against the control."""
    known = sessions[sessions["outcome"] == OK]
    names = [str(arm) for arm in sessions["arm"].cat.categories]
    cut = _wide(known, known["censored"], names)
    beside = cut[control] if control in cut else cut.max(axis=1)
    arms = {}
    for arm in names:
        p = mcnemar(int((cut[arm] > beside).sum()), int((cut[arm] < beside).sum()))
        share = float(cut[arm].mean()) if cut[arm].notna().any() else 0.0
        arms[arm] = {"share": share, "p": p if control in cut else 1.0}
    shares = [found["share"] for found in arms.values()]
    most = max(shares, default=0.0)
    unequal = [arm for arm, found in arms.items() if found["p"] < ALERT]
    if most == 0:
        text = "No session was cut off by the page limit."
        return Check("censored", "Page limit", "ok", text, arms)
    told = ", ".join(f"{arm} {found['share']:.0%}" for arm, found in arms.items())
    text = f"Cut off by the page limit: {told} of the sessions."
    if most > MOST_CENSORED or unequal:
        text += (
            " How long those visits would have gone on is not known, so lengths and counts of "
            "visits are too small; raise session.max_pages."
        )
    if unequal:
        text += f" Unequally against the control: {', '.join(unequal)}."
    state: State = "attention" if most > MOST_CENSORED or unequal else "ok"
    return Check("censored", "Page limit", state, text, arms)


def _cache(usage: Mapping[str, Mapping[str, Any]]) -> Check:
    """How many replies were known already."""
    arms = {
        arm: {
            "calls": int(found["calls"]),
            "cached": int(found["cached"]),
            "share": found["cached"] / max(found["calls"] + found["cached"], 1),
        }
        for arm, found in usage.items()
    }
    cached = sum(found["cached"] for found in arms.values())
    total = cached + sum(found["calls"] for found in arms.values())
    if not total:
        return Check("cache", "Known replies", "ok", "No chat model was asked.", arms)
    told = ", ".join(f"{arm} {found['share']:.0%}" for arm, found in arms.items())
    text = f"{cached:,} of {total:,} replies were known already and cost nothing ({told})."
    return Check("cache", "Known replies", "ok", text, arms)


def _audit(study: Study, audit: Mapping[str, Any] | None) -> Check:
    """Whether the same arm twice under the same luck gave the same."""
    name, title = "audit", "A/A control"
    if audit is None and "imported" in study.scenario:
        return Check(name, title, "attention", "Not possible: this run was imported, not played.")
    if audit is None:
        text = f"Not run for this audience: audition audit {study.first.scenario_file}"
        return Check(name, title, "attention", f"{text}, with the same --set as this run")
    met = f"{audit['agents']:,} agents met the same arm twice (run {audit['run']})"
    if audit["identical"]:
        text = (
            f"Passed: {met}, under the same luck, and did the same. That audit's other controls "
            "stand on its own page."
        )
        return Check(name, title, "ok", text)
    differing = ", ".join(f"{n:,} {what}" for what, n in audit["differing"].items() if n)
    text = (
        f"Failed: {met}, under the same luck, but {differing} differ: something else than the "
        "arm decides what agents do."
    )
    return Check(name, title, "stop", text)


def _correlation(primary: Sequence[Comparison]) -> Check:
    """What pairing brings on the primary metric."""
    unit = f"{primary[0].unit}s"
    arms = {
        row.arm: {"correlation": row.correlation, "saved": _times_fewer(row)} for row in primary
    }
    known = {arm: f for arm, f in arms.items() if not np.isnan(f["correlation"])}
    if not known:
        text = "Too little was seen to say how alike an agent behaves in two arms."
        return Check("correlation", "Pairs", "ok", text, arms)
    lowest = min(known, key=lambda arm: known[arm]["correlation"])
    found = known[lowest]
    text = f"{primary[0].metric} correlates {found['correlation']:.2f} between {lowest} and control"
    if found["correlation"] > 0:
        text += " (the lowest)" if len(known) > 1 else ""
        if not np.isnan(found["saved"]):
            text += f": two groups would need {found['saved']:.1f} times the {unit}"
        text += "."
        return Check("correlation", "Pairs", "ok", text, arms)
    text += f": pairing brings nothing there, two groups of {unit} would show as much."
    return Check("correlation", "Pairs", "attention", text, arms)


def _times_fewer(row: Comparison) -> float:
    """Variance of the difference of two groups over that of pairs."""
    if not row.standard_error:
        return np.nan
    return float((row.standard_error_unpaired / row.standard_error) ** 2)


def _wide(frame: pd.DataFrame, flags: pd.Series, arms: Sequence[str]) -> pd.DataFrame:
    """(world, replicate, agent) by arm: the flag, NaN where there is no session."""
    keyed = frame[["arm", "world", "replicate", "agent"]].astype({"arm": str})
    keyed["flag"] = flags.to_numpy(dtype=np.float64)
    wide = keyed.pivot(index=["world", "replicate", "agent"], columns="arm", values="flag")
    return wide.reindex(columns=list(arms))


def _percent(share: float) -> str:
    """
    >>> _percent(0.031), _percent(0.0004)
    ('3.1 %', '< 0.1 %')
    """
    return "< 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
