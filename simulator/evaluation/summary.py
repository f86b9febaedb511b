"""One run as one document: summary.json.

The document is versioned by ``schema`` and described by ``summary.schema.json`` beside
this file. Everything in it is read from the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from ..storage import queries
from ..storage.plain import plain
from ..storage.queries import Run
from ..storage.store import Store
from . import canary
from .compare import compare
from .intervals import mean_interval
from .offline import described
from .simulated import METRICS, Log, failures, values

SCHEMA = "audition.summary/1"


def summarise(store: Store, run_name: str | None = None) -> dict[str, Any]:
    """The document of a run (the latest when None), ready for ``json.dumps``.

    ``arms`` and ``comparisons`` are those of the last round that was played; where there
    are several, ``rounds`` holds those of each. NaN is null. Raises InputError for an
    unknown run.
    """
    run = queries.run(store, run_name)
    arms = queries.arms(store, run.name)
    by_round = _rounds(store, run, arms)
    last = by_round[max(by_round)]
    usage = _usage(queries.usage(store, run.name))
    document = {
        "schema": SCHEMA,
        "run": _run(run),
        "scenario": run.scenario,
        "versions": run.versions,
        "dataset": run.dataset,
        "control": _control(arms),
        "round": max(by_round),
        "arms": {
            row["arm"]: {
                **last["arms"][row["arm"]],
                "usage": usage.get(row["arm"], dict(_NO_USAGE)),
                "seconds": {"train": row["train_seconds"], "simulate": row["simulate_seconds"]},
            }
            for row in arms.to_dict("records")
        },
        "comparisons": last["comparisons"],
    }
    if len(by_round) > 1:
        document["rounds"] = by_round
    if "canary" in run.dataset:
        document["canary"] = _canary(store, run)
    return dict(plain(document))


def log(store: Store, run_name: str | None = None) -> Log:
    """What the metrics of a run are computed from."""
    run = queries.run(store, run_name)
    items = queries.items(store, run.name)
    genres: list[tuple[str, ...]] = [()] * (int(items["item"].max()) + 1 if len(items) else 0)
    for item, names in zip(items["item"], items["genres"], strict=True):
        genres[item] = tuple(names)
    low, high = run.dataset.get("rating_scale", (1.0, 5.0))
    return Log(
        sessions=queries.sessions(store, run.name),
        exposures=queries.exposures(store, run.name, columns=["item", "watched", "rating"]),
        genres=tuple(genres),
        rating_scale=(float(low), float(high)),
    )


def _canary(store: Store, run: Run) -> dict[str, Any]:
    """What was planted, and how much it shifted what agents did."""
    planted = run.dataset["canary"]["items"]
    found = canary.shifts(
        queries.exposures(store, run.name, columns=["item", "watched"]),
        queries.pages(store, run.name),
        planted,
        _evaluation(run)["confidence"],
    )
    text = run.scenario["dataset"]["canary"]["text"]
    return {"text": text, "items": len(planted), "shifts": [asdict(shift) for shift in found]}


def _rounds(store: Store, run: Run, arms: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """By round: arms (offline, simulated, failures) and comparisons."""
    read = log(store, run.name)
    measured, offline = values(read), queries.offline(store, run.name)
    played = {*read.sessions["round"], *offline["round"]} or {1}
    out = {}
    for number in sorted(int(r) for r in played):
        sessions = read.sessions[read.sessions["round"] == number]
        now = measured[measured["round"] == number]
        listed = offline[offline["round"] == number]
        out[number] = {
            "arms": {
                arm: _arm(run, *(frame[frame["arm"] == arm] for frame in (listed, now, sessions)))
                for arm in arms["arm"]
            },
            "comparisons": _comparisons(run, arms, now, number),
        }
    return out


def _arm(
    run: Run, offline: pd.DataFrame, measured: pd.DataFrame, sessions: pd.DataFrame
) -> dict[str, Any]:
    rows = sorted(offline.to_dict("records"), key=lambda row: _place(row["metric"]))
    confidence = _evaluation(run)["confidence"]
    return {
        "offline": {row["metric"]: row["mean"] for row in rows},
        "offline_intervals": {
            row["metric"]: {key: row[key] for key in ("low", "high", "n")} for row in rows
        },
        "simulated": {name: asdict(mean_interval(measured[name], confidence)) for name in METRICS},
        "sessions": len(sessions),
        "censored": int(sessions["censored"].sum()),
        "failures": failures(sessions),
    }


def _place(metric: str) -> tuple[int, str]:
    """Offline metrics in the order of their registry, others behind."""
    names = [name.partition("@")[0] for name, _ in described()]
    stem = metric.partition("@")[0]
    return names.index(stem) if stem in names else len(names), metric


def _comparisons(
    run: Run, arms: pd.DataFrame, measured: pd.DataFrame, number: int
) -> list[dict[str, Any]]:
    control, evaluation = _control(arms), _evaluation(run)
    if control is None or len(arms) < 2:
        return []
    found = compare(
        measured,
        control,
        confidence=evaluation["confidence"],
        correction=evaluation["correction"],
        refitted=number > 1 and run.scenario.get("feedback", "none") != "none",
    )
    return [asdict(comparison) for comparison in found]


def _control(arms: pd.DataFrame) -> str | None:
    chosen = arms.loc[arms["is_control"], "arm"]
    return str(chosen.iloc[0]) if len(chosen) else None


def _evaluation(run: Run) -> dict[str, Any]:
    given: Mapping[str, Any] = run.scenario.get("evaluation") or {}
    return {"confidence": 0.95, "correction": "holm", **given}


def _run(run: Run) -> dict[str, Any]:
    shown = ("name", "status", "seed", "scenario_file", "created_at", "finished_at", "error")
    return {name: getattr(run, name) for name in shown}


_NO_USAGE: dict[str, Any] = {
    "calls": 0,
    "tokens_in": 0,
    "tokens_out": 0,
    "cost_usd": 0.0,
    "cached": 0,
}


def _usage(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {row["arm"]: {n: row[n] for n in _NO_USAGE} for row in frame.to_dict("records")}
