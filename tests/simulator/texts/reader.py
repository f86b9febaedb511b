"""A recommender that reads profiles, joined by package.module:Class: their cosine is the score."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from recommenders.interface import (
    UNKNOWN_USER,
    FloatArray,
    Interactions,
    Items,
    Progress,
    Query,
    State,
    TextRecommender,
    Texts,
    checked_texts,
)


class Cosine(TextRecommender):
    """Ranks by what the two profiles have in common, then by the item's number."""

    seen: ClassVar[list[Texts]] = []

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
        read = checked_texts(texts, train)
        type(self).seen.append(read)
        self._score = (read.users @ read.items.T).astype(np.float32)
        return self

    def scores(self, query: Query) -> FloatArray:
        out = self._score[query.users]
        out[query.users == UNKNOWN_USER] = 0.0
        return np.asarray(out, dtype=np.float32)

    def state(self) -> State:
        return {"score": self._score}

    def load_state(self, state: State) -> Self:
        self._score = np.asarray(state["score"], dtype=np.float32)
        return self
