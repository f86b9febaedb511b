"""The lower bound: a ranking drawn once for each user and then kept.

Scores redrawn at every call would let page 2 contradict page 1, so each is a pure
function of (seed, user, item), computed when it is asked for.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from .interface import (
    FloatArray,
    IntArray,
    Interactions,
    Items,
    Progress,
    Query,
    Recommender,
    State,
)

UIntArray = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BLOCK = 1 << 16  # numbers mixed at once, so that they stay in the processor's cache


def keyed_uniform(seed: int, users: IntArray, items: IntArray) -> FloatArray:
    """(B, I) float32 draws in [0, 1), each fixed by (seed, user, item) and nothing else."""
    origin = _mixed(np.array([seed], dtype=np.uint64) + _GOLDEN)
    by_user = _mixed(origin + users.astype(np.uint64) * _GOLDEN)
    by_item = _mixed(~origin + items.astype(np.uint64) * _GOLDEN)
    out = np.empty((len(users), len(items)), dtype=np.float32)
    step = max(1, _BLOCK // max(1, len(items)))
    for start in range(0, len(users), step):
        bits = _mixed(by_user[start : start + step, None] ^ by_item)
        bits >>= np.uint64(40)  # as many bits as a float32 holds exactly
        np.multiply(bits, 2.0**-24, out=out[start : start + step], casting="unsafe")
    return out


def _mixed(x: UIntArray) -> UIntArray:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014), in place."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x ^= x >> np.uint64(shift)
        x *= np.uint64(factor)
    x ^= x >> np.uint64(31)
    return x


class Random(Recommender):
    """A random order of the catalogue, drawn once for each user."""

    seed: int
    n_items: int

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        self.seed = int(rng.integers(2**63))
        self.n_items = train.n_items
        self.report = {}
        return self

    def scores(self, query: Query) -> FloatArray:
        """(B, n_items) in [0, 1); all strangers share one order."""
        return keyed_uniform(self.seed, query.users, np.arange(self.n_items, dtype=np.int64))

    def state(self) -> State:
        return {"seed": np.array(self.seed), "n_items": np.array(self.n_items)}

    def load_state(self, state: State) -> Self:
        self.seed, self.n_items = int(state["seed"]), int(state["n_items"])
        return self
