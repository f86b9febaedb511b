"""Why a behavioural agent stays or leaves, in words."""

from __future__ import annotations

import numpy as np

from ..interface import BoolArray, Floats

STAYS = ("I am still finding things I like", "I hope the next page suits me better")
LEAVES = (
    "I have seen enough for now",
    "too little here suits my taste",
    "I found something and stop here",
    "there is nothing left to look at",
)


def reasons(
    any_item: BoolArray, pleased: BoolArray, fatigue: Floats, leave: BoolArray
) -> list[str]:
    """One a page, of B agents: whether it held any item, whether its agent is ``pleased``,
    its ``fatigue`` 0..1, and whether it leaves; (B,) each."""
    stays = np.where(pleased, STAYS[0], STAYS[1])
    leaves = np.select(
        [~any_item, fatigue >= 0.5, ~pleased], [LEAVES[3], LEAVES[0], LEAVES[1]], LEAVES[2]
    )
    told: list[str] = np.where(leave, leaves, stays).tolist()
    return told
