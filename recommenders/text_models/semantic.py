"""Profiles alone: whose item's profile is most like the user's."""

from __future__ import annotations

from typing import Self

import numpy as np

from ..factors import Factors
from ..interface import Interactions, Items, Progress, TextRecommender, Texts, checked_texts


class Semantic(Factors, TextRecommender):
    """The cosine of a user's profile and an item's; nothing is learned.

    The baseline "semantic embeddings only" of RLMRec (Ren et al. 2024). Who has no profile, or
    no training item, gets popularity; an item without a profile scores 0.
    """

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
        texts: Texts | None = None,
    ) -> Self:
        found = checked_texts(texts, train)
        self._meet(train)
        there = found.users.any(axis=1)
        self.known &= there
        self.user_factors, self.item_factors = found.users.copy(), found.items.copy()
        with_profile = {"users": int(there.sum()), "items": int(found.items.any(axis=1).sum())}
        self.report = {"with_profile": with_profile}
        return self
