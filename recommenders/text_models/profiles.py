"""Profiles as a training step needs them: one table without those that are not there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..interface import FloatArray, RecommenderError, Texts


class Profiles(NamedTuple):
    """The n profiles there are, of N nodes (users first, then items); constants in training.

    ``vectors`` (n, D), users' before items'; ``nodes`` (n,) whose they are, rising; ``row``
    (N,) where a node's stands, -1 where it has none; ``n_users`` how many are users'.
    """

    vectors: Tensor
    nodes: Tensor
    row: Tensor
    n_users: int

    @classmethod
    def of(cls, texts: Texts, device: torch.device) -> Profiles:
        """Those of ``texts`` that are not all zeros; its arrays are not shared."""
        of_users, of_items = (side.any(axis=1) for side in (texts.users, texts.items))
        vectors = np.concatenate([texts.users[of_users], texts.items[of_items]])
        there = np.concatenate([of_users, of_items])
        nodes = np.flatnonzero(there)
        row = np.where(there, np.cumsum(there) - 1, -1)

        def on_device(array: npt.NDArray[Any]) -> Tensor:
            return torch.from_numpy(array).to(device)

        n_users = int(of_users.sum())
        return cls(on_device(vectors), on_device(nodes), on_device(row), n_users)

    @property
    def users(self) -> Tensor:
        """(n_users, D): the users' profiles."""
        return self.vectors[: self.n_users]

    def among(self, index: Tensor) -> Tensor:
        """The node numbers of ``index`` (B,) that have a profile, repeats and all."""
        return index[self.row[index] >= 0]


def shuffled(texts: Texts, rng: np.random.Generator) -> Texts:
    """The same profiles with other owners: nobody keeps its own, users' stay among users.

    On each side the profiles go round one random cycle of those who have one; who has none
    still has none. Raises RecommenderError where a side has a single profile.
    """
    return Texts(_passed_on(texts.items, "items", rng), _passed_on(texts.users, "users", rng))


def _passed_on(vectors: FloatArray, side: str, rng: np.random.Generator) -> FloatArray:
    order = rng.permutation(np.flatnonzero(vectors.any(axis=1)))
    if len(order) == 1:
        raise RecommenderError(
            f"profiles: found 'shuffled' with 1 profile of {side}; allowed: 'own', or none or "
            "at least 2 of them"
        )
    out = vectors.copy()
    out[order] = vectors[np.roll(order, 1)]
    return out
