"""RLMRec where profiles are known to carry the tastes: a planted world.

    python -m benchmarks.planted_profiles [--seeds 3] [--backbones gccf,lightgcn]
        [--parts sparse,dense,cold]

Users and items have random directions in a space of 4 dimensions. A user has the items whose
cosine, six times, plus Gumbel noise is largest; a random part of them is held out. A profile is
a random projection of the owner's direction to 16 dimensions with noise of .3 its length.

``sparse``: 4 training items a user, ``dense``: 20. Mean NDCG@10 of the held-out items, all items
but the training ones ranked. ``cold``: 8 a user, but a fifth of the items has no training
interaction; these alone are ranked against each other, and what is printed is the probability
that an item the user has comes before one it has not (.5 is chance), the mean over users.
Settings are those of :data:`COMMON` for every backbone and variant; none was tuned to any method.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from recommenders import checkpoint, registry
from recommenders.interface import (
    FloatArray,
    Histories,
    IntArray,
    Interactions,
    Items,
    Query,
    Recommender,
    Texts,
)
from recommenders.ranking import validation_ndcg

BACKBONES = ("gccf", "lightgcn", "sgl", "simgcl", "dccf", "autocf")
COMMON: Mapping[str, Any] = {
    "dim": 16,
    "layers": 2,
    "l2": 1e-7,
    "learning_rate": 0.01,
    "batch_size": 256,
    "epochs_without_validation": 60,
}
OWN: Mapping[str, Mapping[str, Any]] = {"autocf": {"seeds": 10}}
"""A world of 500 nodes would be hidden whole by the 100 seeds of larger ones."""

WAYS: Mapping[str, Mapping[str, Any]] = {
    "backbone": {"weight": 0.0},
    "con": {"weight": 0.1},
    "con, shuffled": {"weight": 0.1, "profiles": "shuffled"},
    "gen": {"variant": "gen", "weight": 1.0},
    "gen, shuffled": {"variant": "gen", "weight": 1.0, "profiles": "shuffled"},
}
WITHOUT_BACKBONE = ("semantic", "popularity")


class Planted(NamedTuple):
    """A world: what may be learned from, what is held out, and the profiles."""

    train: Interactions
    held_out: Interactions
    texts: Texts

    @property
    def items(self) -> Items:
        n = self.train.n_items
        return Items(tuple(f"Item {i}" for i in range(n)), ("",) * n, ((),) * n, (0,) * n)


def planted(
    seed: int,
    *,
    per_user: int,
    n_users: int = 300,
    n_items: int = 200,
    n_held: int = 6,
    n_cold: int = 0,
) -> Planted:
    """``per_user`` training items a user; the last ``n_cold`` items are only held out."""
    rng = np.random.default_rng(seed)
    users, items = (_unit(rng.normal(size=(n, 4))) for n in (n_users, n_items))
    mixing = rng.normal(size=(4, 16))
    luck = rng.gumbel(size=(n_users, n_items))
    had = np.argsort(-(6.0 * users @ items.T + luck), axis=1)[:, : per_user + n_held]
    had = rng.permuted(had, axis=1)
    learned = np.zeros_like(had, dtype=bool)
    learned[:, :per_user] = True
    learned &= had < n_items - n_cold
    train, held_out = (_chosen(had, part, n_items) for part in (learned, ~learned))
    return Planted(train, held_out, Texts(*(_told(side, mixing, rng) for side in (items, users))))


def _chosen(had: IntArray, part: np.ndarray, n_items: int) -> Interactions:
    user = np.nonzero(part)[0].astype(np.int64)
    return Interactions(user, had[part].astype(np.int64), len(had), n_items)


def _unit(vectors: np.ndarray) -> np.ndarray:
    out: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return out


def _told(directions: np.ndarray, mixing: np.ndarray, rng: np.random.Generator) -> FloatArray:
    told = _unit(directions @ mixing)
    noise = rng.normal(scale=0.3 / np.sqrt(told.shape[1]), size=told.shape)
    return _unit(told + noise).astype(np.float32)


def fitted(name: str, settings: Mapping[str, Any], world: Planted, seed: int) -> Recommender:
    recommender = registry.create(name, settings)
    rng = np.random.default_rng(seed)
    checkpoint.fit(recommender, world.train, world.items, rng=rng, texts=world.texts)
    return recommender


def held_out_ndcg(recommender: Recommender, world: Planted) -> float:
    return validation_ndcg(recommender, world.train, world.held_out, 10)


def among_cold(recommender: Recommender, world: Planted) -> float:
    """Mean probability that a cold item the user has scores above one it has not."""
    train = world.train
    cold = np.flatnonzero(train.popularity == 0)
    matrix = train.matrix
    query = Query(
        np.arange(train.n_users, dtype=np.int64),
        Histories(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)),
    )
    scores = recommender.scores(query)[:, cold]
    true = world.held_out.matrix.toarray()[:, cold] > 0
    values = []
    for row, has in zip(scores, true, strict=True):
        if has.any() and not has.all():
            lead = row[has][:, None] - row[~has]
            values.append((lead > 0).mean() + 0.5 * (lead == 0).mean())
    return float(np.mean(values))


class Part(NamedTuple):
    """A question: the world's settings, and what is measured in it."""

    world: Mapping[str, Any]
    measure: Callable[[Recommender, Planted], float]


PARTS: Mapping[str, Part] = {
    "sparse": Part({"per_user": 4}, held_out_ndcg),
    "dense": Part({"per_user": 20}, held_out_ndcg),
    "cold": Part({"per_user": 8, "n_held": 10, "n_cold": 40}, among_cold),
}


def cell(name: str, settings: Mapping[str, Any], part: Part, seeds: int) -> str:
    """Mean over the worlds and, in brackets, the smallest and the largest."""
    found = []
    for seed in range(seeds):
        world = planted(seed, **part.world)
        found.append(part.measure(fitted(name, settings, world, seed), world))
    return f"{np.mean(found):.3f} ({min(found):.3f} to {max(found):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--parts", default=",".join(PARTS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for key in asked.parts.split(","):
        print(key, flush=True)
        for name in WITHOUT_BACKBONE:
            print(f"  {name}: {cell(name, {}, PARTS[key], asked.seeds)}", flush=True)
        for backbone in asked.backbones.split(","):
            common = {**COMMON, **OWN.get(backbone, {})}
            for way, settings in WAYS.items():
                given = {"backbone": backbone, "backbone_settings": common, **settings}
                found = cell("rlmrec", given, PARTS[key], asked.seeds)
                print(f"  {backbone}, {way}: {found}", flush=True)


if __name__ == "__main__":
    main()
