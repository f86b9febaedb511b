"""Agent4Rec's dual table: offline metrics after a refit on what agents did, and what agents do
before the refitted recommender.

    python -m benchmarks.feedback_table [--data FOLDER] [--seeds 5] [--agents 1000]

Each recommender is three arms (no feedback, unviewed, viewed) of one scenario with two rounds:
the first round is the same for all three, the second differs by training alone, and is what
the table shows. One run a seed, which decides training and luck; the split is the data's own.
Differences are paired by seed, with Student's t.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agents.interface import OK
from simulator.data.readers import ENVIRONMENT
from simulator.evaluation.intervals import mean_interval
from simulator.progress import Progress
from simulator.run import execute
from simulator.scenario import Scenario
from simulator.storage import queries
from simulator.storage.store import Store

RECOMMENDERS = {"MF": "mf", "MultVAE": "multvae", "LightGCN": "lightgcn"}
VARIANTS = {"Origin": "none", "+ Unviewed": "unviewed", "+ Viewed": "viewed"}
METRICS = ("recall@20", "ndcg@20", "n_exit", "s_sat")


def scenario(data: str, seed: int, agents: int) -> Scenario:
    """Three arms a recommender, in Agent4Rec's setting."""
    arms = [
        {"name": f"{name} {variant}", "recommender": recommender, "feedback": feedback}
        for name, recommender in RECOMMENDERS.items()
        for variant, feedback in VARIANTS.items()
    ]
    document: dict[str, Any] = {
        "name": f"feedback-{seed}",
        "seed": seed,
        "dataset": {"source": "agent4rec", "path": data, "split": "given"},
        "agents": {"count": agents},
        "session": {"hide": ["train", "test"]},
        "rounds": 2,
        "arms": arms,
    }
    return Scenario.model_validate(document)


def measured(store: Store, name: str) -> pd.DataFrame:
    """The second round: one row an arm, :data:`METRICS` beside each other."""
    offline = queries.offline(store, name)
    offline = offline[offline["round"] == 2].pivot(index="arm", columns="metric", values="mean")
    sessions = queries.sessions(store, name)
    sessions = sessions[(sessions["round"] == 2) & (sessions["outcome"] == OK)]
    of_arm = sessions.groupby("arm")
    offline["n_exit"] = of_arm["exit_page"].mean()
    offline["s_sat"] = of_arm["satisfaction"].mean()
    return offline[list(METRICS)]


def learned(store: Store, name: str) -> pd.DataFrame:
    """What a refit of each recommender had to learn from, counted over the first round."""
    shown = queries.exposures(store, name)
    rows = {}
    for recommender in RECOMMENDERS:
        first = shown[(shown["round"] == 1) & (shown["arm"] == f"{recommender} Origin")]
        new = first[~first["relevant"]]  # validation items are never learned from
        rows[recommender] = {
            "shown": len(first),
            "viewed": int(new["watched"].sum()),
            "unviewed": int((~new["watched"]).sum()),
            "viewed, but held out": int((first["relevant"] & first["watched"]).sum()),
            "held out among viewed": first[first["watched"]]["relevant"].mean(),
            "held out among unviewed": first[~first["watched"]]["relevant"].mean(),
        }
    return pd.DataFrame(rows).T


def difference(by_seed: Mapping[int, pd.DataFrame], arm: str, base: str, metric: str) -> str:
    """Mean over seeds of the paired difference, with its 95 % interval."""
    found = [float(f[metric][arm]) - float(f[metric][base]) for f in by_seed.values()]
    told = mean_interval(found, 0.95)
    return f"{told.mean:+.4f} [{told.low:+.4f}, {told.high:+.4f}]"


def table(by_seed: Mapping[int, pd.DataFrame]) -> str:
    """Means over seeds, and the differences that matter, as Markdown."""
    mean = pd.concat(list(by_seed.values())).groupby(level=0).mean()
    lines = [f"| | {' | '.join(METRICS)} |", "|---|" + "---|" * len(METRICS)]
    for name in RECOMMENDERS:
        for variant in VARIANTS:
            told = [f"{float(mean[metric][f'{name} {variant}']):.4f}" for metric in METRICS]
            lines.append(f"| {name} {variant} | {' | '.join(told)} |")
        for one, other in (("+ Viewed", "+ Unviewed"), ("+ Viewed", "Origin")):
            pair = f"{name} {one}", f"{name} {other}"
            told = [difference(by_seed, *pair, metric) for metric in METRICS]
            lines.append(f"| {one} less {other} | {' | '.join(told)} |")
    return "\n".join(lines)


def main() -> None:
    """Run and print."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--data", default=os.environ.get(ENVIRONMENT, ""))
    ask.add_argument("--seeds", type=int, default=5)
    ask.add_argument("--agents", type=int, default=1000)
    told = ask.parse_args()
    by_seed: dict[int, pd.DataFrame] = {}
    counts: list[pd.DataFrame] = []
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "s.db") as store:
        for seed in range(7, 7 + told.seeds):
            name = execute(
                scenario(told.data, seed, told.agents),
                "feedback_table",
                store,
                name=None,
                checkpoints=Path(folder) / "checkpoints",
                progress=Progress(),
            )
            by_seed[seed] = measured(store, name)
            counts.append(learned(store, name))
            print(f"\n{len(by_seed)} seeds\n{table(by_seed)}\n", flush=True)
    total = np.mean([frame.to_numpy(dtype=float) for frame in counts], axis=0)
    print(pd.DataFrame(total, counts[0].index, counts[0].columns).round(3).to_string())


if __name__ == "__main__":
    main()
