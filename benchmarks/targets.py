"""Offline quality on Agent4Rec's split, epoch and settings chosen on validation.

    python -m benchmarks.targets --data DIR [--seeds 3] [--methods mf,multvae,lightgcn]

``DIR`` holds train.txt, valid.txt and test.txt (a line: user item item ...). Every item is
ranked; at validation the user's training items are masked, at the test those and the
validation items; nothing of the test is known in training. Recall@20 and NDCG@20 are means
over the users with test items, then over seeds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recommenders import registry
from recommenders.interface import Histories, Interactions, Items, Query, Recommender
from recommenders.ranking import hits, ndcg, recall, recommend

CUTOFF = 20
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "ease": {"l2_grid": [50, 100, 200, 300, 500, 700, 1000, 2000]}
}
"""Where a method's defaults leave the tuning to the data set."""

TARGETS: Mapping[str, tuple[float, float]] = {
    "mf": (0.150, 0.358),
    "multvae": (0.161, 0.349),
    "lightgcn": (0.176, 0.394),
    "ease": (0.158, 0.372),
}
"""Recall and NDCG to reach: the rows of the Agent4Rec paper, rounded down."""

METHODS = ("popularity", "ease", "mf", "multvae", "lightgcn")


def read_pairs(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """User and item numbers of a file whose lines are: user item item ..."""
    rows = [np.array(line.split(), dtype=np.int64) for line in path.read_text().splitlines()]
    user = np.repeat([row[0] for row in rows], [len(row) - 1 for row in rows])
    return user, np.concatenate([row[1:] for row in rows])


def read_split(folder: Path) -> tuple[Interactions, Interactions, Interactions]:
    """Train, valid and test with common numbers."""
    parts = [read_pairs(folder / f"{name}.txt") for name in ("train", "valid", "test")]
    n_users = 1 + max(int(user.max()) for user, _ in parts)
    n_items = 1 + max(int(item.max()) for _, item in parts)
    train, valid, test = (Interactions(user, item, n_users, n_items) for user, item in parts)
    return train, valid, test


def plain_items(n: int) -> Items:
    """Items known by number alone."""
    return Items(tuple(map(str, range(n))), ("",) * n, ((),) * n, (0,) * n)


def on_test(
    recommender: Recommender, train: Interactions, valid: Interactions, test: Interactions
) -> tuple[float, float]:
    """Mean Recall@20 and NDCG@20 with train and valid masked; histories are the training rows."""
    known, truth = train.matrix, test.matrix
    n_truth = np.diff(truth.indptr)
    users = np.flatnonzero(n_truth)
    histories = Histories(known.indptr.astype(np.int64), known.indices.astype(np.int64))
    query = Query(np.arange(train.n_users, dtype=np.int64), histories).rows(users)
    shown = recommend(recommender, query, CUTOFF, (known + valid.matrix)[users])
    hit = hits(shown, truth[users])
    return float(recall(hit, n_truth[users]).mean()), float(ndcg(hit, n_truth[users]).mean())


def one_seed(
    name: str, split: tuple[Interactions, Interactions, Interactions], seed: int
) -> tuple[float, float]:
    """Fit and test once, printing a line."""
    train, valid, test = split
    recommender = registry.create(name, SETTINGS.get(name, {}))
    wall, cpu = time.perf_counter(), time.process_time()
    recommender.fit(train, plain_items(train.n_items), valid=valid, rng=np.random.default_rng(seed))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    found = on_test(recommender, train, valid, test)
    chosen = {
        key: recommender.report[key]
        for key in ("best_epoch", "l2", "valid_ndcg")
        if recommender.report.get(key) is not None
    }
    about = ", ".join(
        f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in chosen.items()
    )
    print(
        f"  seed {seed}: recall {found[0]:.4f}  ndcg {found[1]:.4f}"
        f"  fit {wall:.1f} s wall, {cpu:.1f} s CPU  {about}",
        flush=True,
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of train.txt, valid.txt, test.txt"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", default=",".join(METHODS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    split = read_split(asked.data)
    train, valid, test = split
    print(
        f"{train.n_users} users, {train.n_items} items; train {len(train)}, valid {len(valid)}, "
        f"test {len(test)} pairs. All items ranked; masked: train at validation, train and valid "
        f"at test; epoch and ridge chosen on validation NDCG@{CUTOFF}; one thread."
    )
    for name in asked.methods.split(","):
        print(name)
        found = np.array([one_seed(name, split, seed) for seed in range(asked.seeds)])
        mean = found.mean(axis=0)
        line = f"  mean of {asked.seeds}: recall {mean[0]:.4f}  ndcg {mean[1]:.4f}"
        if name in TARGETS:
            low = TARGETS[name]
            reached = mean[0] >= low[0] and mean[1] >= low[1]
            line += f"  (wanted {low[0]:.3f} / {low[1]:.3f}: {'reached' if reached else 'MISSED'})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
