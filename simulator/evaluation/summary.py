"""One run, or a family of runs, as one document: summary.json.

The document is versioned by ``schema`` and described by ``summary.schema.json`` beside
this file. Everything in it is read from the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from ..errors import InputError
from ..storage import queries
from ..storage.plain import plain
from ..storage.store import Store
from . import anytime, canary, feedback, grounding, health
from .compare import Comparison, compare
from .components import components
from .intervals import mean_interval
from .offline import described
from .simulated import METRICS, failures
from .slices import Slice, slices
from .study import Study, per_unit, read

SCHEMA = "audition.summary/1"


def summarise(
    store: Store, run_name: str | None = None, *, control: str | None = None
) -> dict[str, Any]:
    """The document of a run or family (the latest when None), ready for ``json.dumps``.

    ``arms`` and ``comparisons`` are those of the last round that was played; where there
    are several, ``rounds`` holds those of each. NaN is null. ``control``: instead of the
    scenario's. Raises InputError for an unknown run or control.
    """
    return document(read(store, run_name), control=control)


def document(study: Study, *, control: str | None = None) -> dict[str, Any]:
    """:func:`summarise` of what was read."""
    against = _control(study, control)
    by_round = {number: _round(study, number, against) for number in _played(study)}
    last = max(by_round)
    arms, comparisons = by_round[last]
    usage, seconds = _usage(study), _seconds(study)
    out: dict[str, Any] = {
        "schema": SCHEMA,
        "run": _run(study),
        "scenario": study.scenario,
        "versions": study.first.versions,
        "dataset": study.first.dataset,
        "control": against,
        "round": last,
        "unit": study.unit,
        "worlds": study.worlds,
        "replicates": study.replicates,
        "arms": {
            arm: {
                **arms[arm],
                "usage": usage.get(arm, dict(_NO_USAGE)),
                "seconds": seconds[arm],
            }
            for arm in study.arms
        },
        "comparisons": [asdict(row) for row in comparisons],
        "health": [
            asdict(check)
            for check in health.panel(study, last, comparisons, against, usage, _audit(study))
        ],
    }
    if comparisons and against is not None:
        measured = study.values[study.values["round"] == last]
        out["slices"] = [asdict(part) for part in sliced(study, against, last)]
        if study.replicates > 1:
            out["components"] = [asdict(split) for split in components(measured, against)]
        if study.evaluation["stop"] == "anytime":
            out["looks"] = anytime.looks(study).to_dict("records")
    if study.family:
        out["members"] = [_member(run) for run in study.members]
    if len(by_round) > 1:
        out["rounds"] = {
            number: {"arms": of_arms, "comparisons": [asdict(row) for row in rows]}
            for number, (of_arms, rows) in by_round.items()
        }
    dual = feedback.table(study, sorted(by_round))
    if dual:
        out["feedback"] = [asdict(row) for row in dual]
    rests = grounding.rests(study, last, against)
    if rests is not None:
        out["grounding"] = asdict(rests)
    if "canary" in study.first.dataset:
        out["canary"] = _canary(study)
    return dict(plain(out))


def _control(study: Study, chosen: str | None) -> str | None:
    if chosen is not None and chosen not in study.arms:
        raise InputError(
            f"run {study.name}", key="control", found=repr(chosen), allowed=", ".join(study.arms)
        )
    return study.control if chosen is None else chosen


def _played(study: Study) -> list[int]:
    played = {*study.sessions["round"], *study.offline["round"]} or {1}
    return sorted(int(number) for number in played)


def _round(
    study: Study, number: int, control: str | None
) -> tuple[dict[str, dict[str, Any]], list[Comparison]]:
    """Arms (offline, simulated, failures) and comparisons of one round."""
    measured = study.values[study.values["round"] == number]
    sessions = study.sessions[study.sessions["round"] == number]
    offline = study.offline[study.offline["round"] == number]
    units = per_unit(measured, study.unit)
    arms = {
        arm: _arm(study, *(f[f["arm"] == arm] for f in (offline, units, sessions)))
        for arm in study.arms
    }
    return arms, comparisons(study, measured, control, number)


def _arm(
    study: Study, offline: pd.DataFrame, units: pd.DataFrame, sessions: pd.DataFrame
) -> dict[str, Any]:
    found = _offline(study, offline)
    confidence = study.confidence
    return {
        "offline": {metric: row["mean"] for metric, row in found.items()},
        "offline_intervals": {
            metric: {key: row[key] for key in ("low", "high", "n")} for metric, row in found.items()
        },
        "simulated": {name: asdict(mean_interval(units[name], confidence)) for name in METRICS},
        "sessions": len(sessions),
        "censored": int(sessions["censored"].sum()),
        "failures": failures(sessions),
    }


def _offline(study: Study, rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """By metric: mean, low, high, n; over users in one world, over worlds where there are
    several."""
    out = {}
    for metric in sorted(rows["metric"].unique(), key=_place):
        here = rows[rows["metric"] == metric]
        if study.unit == "world":
            out[metric] = asdict(mean_interval(here["mean"].astype("float64"), study.confidence))
        else:
            out[metric] = dict(here[["mean", "low", "high", "n"]].to_dict("records")[0])
    return out


def _place(metric: str) -> tuple[int, str]:
    """Offline metrics in the order of their registry, others behind."""
    names = [name.partition("@")[0] for name, _ in described()]
    stem = metric.partition("@")[0]
    return names.index(stem) if stem in names else len(names), metric


def comparisons(
    study: Study, measured: pd.DataFrame, control: str | None, number: int
) -> list[Comparison]:
    """The arms of one round against ``control``, by what the scenario's evaluation says."""
    if control is None or len(study.arms) < 2:
        return []
    said, known = study.evaluation, study.covariates
    early = said["stop"] == "anytime"
    if early and known is not None:
        known = known[known["agent"].isin(measured["agent"])]  # who came, as in each look
    return compare(
        measured,
        control,
        confidence=study.confidence,
        correction=said["correction"],
        unit=study.unit,
        refitted=study.coupled(number),
        primary=said["primary"],
        guardrails=said["guardrails"],
        margins=said["margins"],
        interval="anytime" if early else said["interval"],
        planned=int(study.scenario["agents"]["count"]) if early else None,
        adjust=said["adjust"] and known is not None,
        parts=study.parts[study.parts["round"] == number],
        covariates=known,
        population=study.population,
        seed=study.first.seed,
    )


def sliced(
    study: Study, control: str, number: int, metrics: Sequence[str] | None = None
) -> list[Slice]:
    """Exploratory: one round's arms in parts of the audience; of the primary metric when
    ``metrics`` is None."""
    chosen = metrics or [study.evaluation["primary"]]
    return slices(
        study.values[study.values["round"] == number],
        control,
        study.people,
        confidence=study.confidence,
        unit=study.unit,
        refitted=study.coupled(number),
        metrics={name: METRICS[name] for name in chosen if name in METRICS},
    )


def _canary(study: Study) -> dict[str, Any]:
    """What was planted, and how much it shifted what agents did; of the first member."""
    planted = study.first.dataset["canary"]["items"]
    found = canary.shifts(
        queries.exposures(study.store, study.first.name, columns=["item", "watched"]),
        queries.pages(study.store, study.first.name),
        planted,
        study.confidence,
    )
    text = study.first.scenario["dataset"]["canary"]["text"]
    return {"text": text, "items": len(planted), "shifts": [asdict(shift) for shift in found]}


def _audit(study: Study) -> dict[str, Any] | None:
    """What the latest A/A control of this audience found; None where none was run."""
    from ..audit.state import state  # it reads studies too

    return state(study.store, study.first)


def _run(study: Study) -> dict[str, Any]:
    """Of a family: from its first run's begin to its last run's end."""
    first, runs = study.first, study.members
    ends = [run.finished_at for run in runs]
    over = study.status == "finished" and all(ends)
    return {
        "name": study.name,
        "status": study.status,
        "seed": first.seed,
        "scenario_file": first.scenario_file,
        "created_at": min(run.created_at for run in runs),
        "finished_at": max(str(end) for end in ends) if over else None,
        "error": next((run.error for run in runs if run.error), None),
    }


def _member(run: queries.Run) -> dict[str, Any]:
    shown = ("name", "status", "seed", "world", "replicate", "created_at", "finished_at")
    return {name: getattr(run, name) for name in shown}


_NO_USAGE: dict[str, Any] = {
    "calls": 0,
    "tokens_in": 0,
    "tokens_out": 0,
    "cost_usd": 0.0,
    "cached": 0,
}


def _usage(study: Study) -> dict[str, dict[str, Any]]:
    """By arm, all members together; a cost that is unknown anywhere is unknown."""
    out: dict[str, dict[str, Any]] = {}
    for run in study.members:
        for row in queries.usage(study.store, run.name).to_dict("records"):
            before = out.get(row["arm"], _NO_USAGE)
            out[row["arm"]] = {name: before[name] + row[name] for name in _NO_USAGE}
    return out


def _seconds(study: Study) -> dict[str, dict[str, float | None]]:
    """By arm, all members together; None where nothing was noted."""
    rows = [row for frame in study.arms_of.values() for row in frame.to_dict("records")]

    def total(arm: str, column: str) -> float | None:
        noted = [row[column] for row in rows if row["arm"] == arm and pd.notna(row[column])]
        return float(sum(noted)) if noted else None

    return {
        arm: {"train": total(arm, "train_seconds"), "simulate": total(arm, "simulate_seconds")}
        for arm in study.arms
    }
