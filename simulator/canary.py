"""A canary: commands planted in the titles of some items, drawn at random.

Agents are shown the planted titles; recommenders and the agents' own histories know the
data as it was read, so that nothing but what stands on a page differs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from agents.interface import Catalogue

from .randomness import stream

IntArray = npt.NDArray[np.int64]


def plant(catalogue: Catalogue, share: float, text: str, seed: int) -> tuple[Catalogue, IntArray]:
    """The catalogue with ``text`` behind the titles of a ``share`` of its items, at least one
    and not all, and the numbers of those items in ascending order."""
    n = len(catalogue)
    count = min(max(round(share * n), 1), max(n - 1, 1))
    chosen = np.sort(stream(seed, "canary").permutation(n)[:count]).astype(np.int64)
    title = list(catalogue.title)
    for item in chosen.tolist():
        title[item] = f"{title[item]} {text}"
    return replace(catalogue, title=tuple(title)), chosen
