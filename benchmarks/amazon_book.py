"""RLMRec's graph models on RLMRec's own split of Amazon-Book, under RLMRec's masks.

    python -m benchmarks.amazon_book --data DIR [--methods gccf,sgl] [--seeds 3] [--epochs N]
        [--results FILE]

``DIR`` holds trn_mat.pkl, val_mat.pkl and tst_mat.pkl (scipy COO matrices). All items are
ranked; at validation and at the test only the user's training items are masked, so that
validation items compete at the test. Recall and NDCG at 5, 10 and 20 are means over the
users with test items. The epoch is chosen by validation NDCG@20 (RLMRec: Recall@20).
``--epochs`` cuts training short, to see what an epoch costs. With ``--results`` every fit is a
line of JSON in that file as soon as it is over, and what stands there is not fitted again.
Peak memory is the process's: for one method's, run it alone.
"""

from __future__ import annotations

import argparse
import io
import pickle
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy._core.multiarray import _reconstruct

from benchmarks.kept import Kept
from benchmarks.targets import plain_items
from recommenders import registry
from recommenders.interface import Histories, Interactions, Query, Recommender
from recommenders.ranking import hits, ndcg, recall, recommend

CUTOFFS = (5, 10, 20)
METHODS: Mapping[str, str] = {
    "gccf": "gccf",
    "lightgcn-rlmrec": "recommenders.graph_models.lightgcn:SumLightGCN",
    "sgl": "sgl",
    "simgcl": "simgcl",
    "dccf": "dccf",
    "autocf": "autocf",
}
PUBLISHED: Mapping[str, tuple[float, float]] = {
    "gccf": (0.1343, 0.0807),
    "lightgcn-rlmrec": (0.1411, 0.0856),
    "sgl": (0.1473, 0.0913),
    "simgcl": (0.1512, 0.0919),
    "dccf": (0.1517, 0.0934),
    "autocf": (0.1536, 0.0984),
}
"""Recall@20 and NDCG@20 of the base rows in RLMRec's table."""

ADMITTED: Mapping[tuple[str, str], Any] = {
    ("scipy.sparse._coo", "coo_matrix"): sp.coo_matrix,
    ("scipy.sparse.coo", "coo_matrix"): sp.coo_matrix,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
"""All that such a pickle needs; anything else in it is refused, never imported."""


class _Matrices(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a matrix") from None


def read_matrix(content: bytes) -> sp.coo_matrix:
    """The scipy COO matrix of a pickle, admitting nothing else."""
    found = _Matrices(io.BytesIO(content)).load()
    if not isinstance(found, sp.coo_matrix):
        raise pickle.UnpicklingError(f"found a {type(found).__name__}; allowed: a COO matrix")
    return found


def read_split(folder: Path) -> tuple[Interactions, Interactions, Interactions]:
    """Train, valid and test with common numbers; values are read as seen or not."""
    parts = []
    for name in ("trn_mat", "val_mat", "tst_mat"):
        matrix = read_matrix((folder / f"{name}.pkl").read_bytes())
        there = matrix.data != 0
        user, item = matrix.row[there].astype(np.int64), matrix.col[there].astype(np.int64)
        parts.append(Interactions(user, item, *matrix.shape))
    train, valid, test = parts
    return train, valid, test


def on_test(recommender: Recommender, train: Interactions, test: Interactions) -> np.ndarray:
    """(2, 3): mean recall and NDCG at each cutoff, with the training items masked only."""
    known, truth = train.matrix, test.matrix
    n_truth = np.diff(truth.indptr)
    users = np.flatnonzero(n_truth)
    histories = Histories(known.indptr.astype(np.int64), known.indices.astype(np.int64))
    query = Query(np.arange(train.n_users, dtype=np.int64), histories).rows(users)
    hit = hits(recommend(recommender, query, max(CUTOFFS), known[users]), truth[users])
    return np.array(
        [
            [measure(hit[:, :k], n_truth[users]).mean() for k in CUTOFFS]
            for measure in (recall, ndcg)
        ]
    )


def one_seed(
    name: str,
    settings: Mapping[str, Any],
    split: tuple[Interactions, Interactions, Interactions],
    seed: int,
) -> dict[str, Any]:
    """Fit and test once: a line of the results."""
    train, valid, test = split
    recommender = registry.create(METHODS[name], settings)
    wall, cpu = time.perf_counter(), time.process_time()
    recommender.fit(
        train,
        plain_items(train.n_items),
        valid=valid,
        rng=np.random.default_rng(seed),
        progress=lambda line: print(f"    {line}", flush=True),
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    report, peak = recommender.report, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = on_test(recommender, train, test)
    return {
        "method": name,
        "seed": seed,
        "settings": dict(recommender.settings),
        "recall": found[0].round(6).tolist(),
        "ndcg": found[1].round(6).tolist(),
        "valid_ndcg": report["valid_ndcg"],
        "epochs": report["epochs"],
        "best_epoch": report["best_epoch"],
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "peak_mib": round(peak / 1024),
        "threads": torch.get_num_threads(),
    }


def told(one: Mapping[str, Any]) -> str:
    """One fit in a line."""
    return (
        f"  seed {one['seed']}: {line(measures(one))}  {one['epochs']} epochs "
        f"(best {one['best_epoch']}), {one['wall_s']:.0f} s wall, {one['cpu_s']:.0f} s CPU, "
        f"{one['cpu_s'] / one['epochs']:.2f} CPU s an epoch with validation, "
        f"peak {one['peak_mib']} MiB"
    )


def measures(one: Mapping[str, Any]) -> np.ndarray:
    """(2, 3): recall and NDCG at each cutoff."""
    return np.array([one["recall"], one["ndcg"]])


def line(found: np.ndarray) -> str:
    """Both measures at all cutoffs, in words."""
    return "  ".join(
        f"{name}@{'/'.join(map(str, CUTOFFS))} {' '.join(f'{value:.4f}' for value in row)}"
        for name, row in zip(("recall", "ndcg"), found, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the three matrices")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--epochs", type=int, help="at most so many")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, help="a file of JSON lines to go on with")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    split = read_split(asked.data)
    train, valid, test = split
    print(
        f"{train.n_users} users, {train.n_items} items; train {len(train)}, valid {len(valid)}, "
        f"test {len(test)} pairs; {asked.threads} thread(s)."
    )
    settings = {} if asked.epochs is None else {"epochs": asked.epochs}
    kept = Kept(asked.results)
    for name in asked.methods.split(","):
        print(name)
        found = []
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
            filled = registry.create(METHODS[name], settings).settings
            one = kept.find(method=name, seed=seed, settings=filled)
            if one is None:
                one = kept.add(one_seed(name, settings, split, seed))
            print(told(one), flush=True)
            found.append(measures(one))
        mean = np.mean(found, axis=0)
        wanted = PUBLISHED[name]
        print(f"  mean of {asked.seeds}: {line(mean)}")
        print(
            f"  @20 over the published {wanted[0]:.4f} / {wanted[1]:.4f}: "
            f"{mean[0, 2] / wanted[0]:.3f} / {mean[1, 2] / wanted[1]:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
