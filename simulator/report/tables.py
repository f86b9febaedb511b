"""The tidy tables behind the figures, also written as tables/*.csv.

Sessions and pages whose outcome is not ok are missing data and count nowhere here; how
many there are stands in the summary's ``failures``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agents.interface import OK

from ..storage.export import csv_safe
from . import intervals
from .files import atomically

TRAITS = {
    "activity": "exit_page",
    "diversity": "share_watched",
    "conformity": "rating_gap",
}
"""Each trait and the behaviour it is held against."""


def dual(summary: Mapping[str, Any]) -> pd.DataFrame:
    """One row an arm and metric: arm, part (offline, simulated), metric, mean, low, high, n."""
    rows = [
        {"arm": arm, "part": part, "metric": metric, **value}
        for arm, entry in summary["arms"].items()
        for part in ("offline", "simulated")
        for metric, value in estimates(entry, part).items()
    ]
    return pd.DataFrame(rows, columns=["arm", "part", "metric", "mean", "low", "high", "n"])


def estimates(arm: Mapping[str, Any], part: str) -> dict[str, dict[str, Any]]:
    """The metrics of an arm's entry in the summary, each as mean, low, high, n."""
    if part == "simulated":
        return {metric: dict(value) for metric, value in arm["simulated"].items()}
    intervals_of = arm["offline_intervals"]
    return {
        metric: {"mean": mean, **intervals_of.get(metric, {"low": None, "high": None, "n": None})}
        for metric, mean in arm["offline"].items()
    }


def comparisons(summary: Mapping[str, Any]) -> pd.DataFrame:
    """The summary's comparisons, one row each; what stands beside them in columns such as
    ratio_difference."""
    rows = [_flat(row) for row in summary.get("comparisons", [])]
    own = [
        *("metric", "control", "arm", "role", "unit", "control_mean", "mean"),
        *("difference", "low", "high", "interval", "estimate", "p", "p_adjusted", "tests"),
        *("verdict", "minimum_detectable", "needed", "margin", "n", "missing", "correlation"),
        *("standard_error", "standard_error_unpaired"),
    ]
    beside = {
        "guardrail": ("margin", "holds", "text"),
        "ratio": ("control", "arm", "difference", "low", "high", "p"),
        "adjusted": ("difference", "low", "high", "p", "variance_kept"),
        "bounds": ("low", "high"),
    }
    further = [f"{name}_{key}" for name, keys in beside.items() for key in keys]
    frame = pd.DataFrame(rows, columns=[*own, *further])
    words = {"metric", "control", "arm", "role", "unit", "interval", "estimate", "verdict"}
    words |= {"guardrail_holds", "guardrail_text"}
    return frame.astype({name: "float64" for name in frame if name not in words})


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            out |= {f"{name}_{key}": entry for key, entry in value.items()}
        else:
            out[name] = value
    return out


def rounds(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Every round's estimates where there are several: round, then as :func:`dual`."""
    parts = [dual(found).assign(round=int(number)) for number, found in summary["rounds"].items()]
    out = pd.concat(parts, ignore_index=True)
    return out[["round", *out.columns.drop("round")]]


def feedback(summary: Mapping[str, Any]) -> pd.DataFrame:
    """The dual table of feedback: recommender, row, arm, round, metric, mean, low, high, n, and
    the same of the differences to the rows Origin and + Unviewed."""
    rows = []
    for row in summary["feedback"]:
        key = {name: row[name] for name in ("recommender", "row", "arm", "round")}
        for metric, found in row["metrics"].items():
            over = {
                f"{name}_{part}": value
                for name in ("over_origin", "over_unviewed")
                for part, value in (row[name].get(metric) or _NOTHING).items()
            }
            rows.append({**key, "metric": metric, **found, **over})
    return pd.DataFrame(rows)


_NOTHING: dict[str, None] = {"mean": None, "low": None, "high": None, "n": None}


def exits(sessions: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Share of agents still browsing after each page; page 0 is the start.

    Columns: arm, page, agents, left (of their own will, on this page), still_browsing,
    low, high. Agents stopped by the page limit count as still browsing.
    """
    known = ok_sessions(sessions)
    agents = known.groupby("arm", sort=False)["agent"].size()
    left = known[~known["censored"].astype(bool)]
    last = int(known["exit_page"].max()) if len(known) else 0
    counts = left.groupby(["arm", "exit_page"]).size()
    grid = pd.MultiIndex.from_product([agents.index, range(last + 1)], names=["arm", "page"])
    out = counts.reindex(grid, fill_value=0).rename("left").reset_index()
    out["agents"] = out["arm"].map(agents).astype(np.int64)
    still = out["agents"] - out.groupby("arm", sort=False)["left"].cumsum()
    out["still_browsing"] = still / out["agents"]
    out["low"], out["high"] = intervals.share(still, out["agents"], confidence)
    start = out["page"] == 0  # known, not estimated
    out.loc[start, "low"] = out.loc[start, "high"] = out.loc[start, "still_browsing"]
    return out[["arm", "page", "agents", "left", "still_browsing", "low", "high"]]


def slots(exposures: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Watch rate by slot as shown: arm, slot, shown, watch_rate, low, high, n, relevant_share.

    ``relevant_share`` is the held-out evidence's own share, NaN where unknown.
    """
    counts = exposures.assign(
        watched=exposures["watched"].astype(np.float64),
        relevant=exposures["relevant"].astype(np.float64),
    )
    by_agent = counts.groupby(["arm", "slot", "agent"], sort=True)["watched"].agg(["sum", "size"])
    rate = intervals.ratio_by(by_agent.reset_index(), ["arm", "slot"], "sum", "size", confidence)
    relevant = counts.groupby(["arm", "slot"], sort=True)["relevant"].mean()
    out = rate.merge(relevant.rename("relevant_share").reset_index(), on=["arm", "slot"])
    out = out.rename(columns={"size": "shown", "mean": "watch_rate"})
    return out[["arm", "slot", "shown", "watch_rate", "low", "high", "n", "relevant_share"]]


def answers(frame: pd.DataFrame, value: str) -> pd.DataFrame:
    """How often each answer was given: arm, ``value``, count, share of the arm's answers."""
    known = frame.dropna(subset=[value])
    rounded = known.assign(**{value: _to_grid(known[value])})
    out = rounded.groupby(["arm", value], sort=True).size().rename("count").reset_index()
    out["share"] = out["count"] / out.groupby("arm")["count"].transform("sum")
    return out


def _to_grid(values: pd.Series[Any]) -> pd.Series[Any]:
    """Whole numbers; halves where at least a tenth of the answers are such (half stars)."""
    halves = (values * 2).round() / 2
    is_half = (values % 1).sub(0.5).abs() < 1e-6
    return halves if len(values) and float(is_half.mean()) > 0.1 else values.round()


def traits(
    agents: pd.DataFrame,
    sessions: pd.DataFrame,
    exposures: pd.DataFrame,
    items: pd.DataFrame,
    confidence: float,
) -> pd.DataFrame:
    """Each trait's levels against the behaviour it should drive.

    Columns: trait, level (1..3), arm, behaviour, mean, low, high, n. Behaviours: exit_page,
    share_watched (watched over shown), rating_gap (mean distance of the agent's rating from
    the rating shown beside the item).
    """
    known = ok_sessions(sessions)
    shown = known["shown"].astype(np.float64)
    known = known.assign(share_watched=known["watched"] / shown.where(shown > 0))
    known = known.merge(_rating_gap(exposures, items), on=["arm", "agent"], how="left")
    known = known.merge(agents[["agent", *TRAITS]], on="agent")
    parts = [
        intervals.mean_by(known, ["arm", trait], behaviour, confidence)
        .rename(columns={trait: "level"})
        .assign(trait=trait, behaviour=behaviour)
        for trait, behaviour in TRAITS.items()
    ]
    columns = ["trait", "level", "arm", "behaviour", "mean", "low", "high", "n"]
    return pd.concat(parts, ignore_index=True)[columns]


def _rating_gap(exposures: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Per arm and agent, the mean of abs(rating - shown rating)."""
    rated = exposures.dropna(subset=["rating"])
    shown = rated["item"].map(items.set_index("item")["shown_rating"]).astype(np.float64)
    gap = rated.assign(rating_gap=(rated["rating"] - shown).abs())
    return gap.groupby(["arm", "agent"], sort=True)["rating_gap"].mean().reset_index()


def usable(exposures: pd.DataFrame, pages: pd.DataFrame) -> pd.DataFrame:
    """The exposures on pages that were answered."""
    failed = pages.loc[pages["outcome"] != OK, ["arm", "agent", "page"]]
    if failed.empty:
        return exposures
    keys = ["arm", "agent", "page"]
    marked = exposures.merge(failed.assign(_failed=True), on=keys, how="left")
    return marked[marked["_failed"].isna()].drop(columns="_failed")


def ok_sessions(sessions: pd.DataFrame) -> pd.DataFrame:
    """The sessions that can be read as behaviour."""
    return sessions[sessions["outcome"] == OK]


def write_csv(tables: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write each table to ``folder``/NAME.csv. Text that a spreadsheet would run as a
    formula is put behind an apostrophe."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in tables.items():
        text = csv_safe(table).to_csv(index=False, lineterminator="\n")
        written.append(atomically(folder / f"{name}.csv", text.encode()))
    return written
