"""Taste as vectors: what each agent's own history says of every item of the catalogue.

An item is a row of D features (its genres, its decade, its text embedding), centred over
the catalogue; an agent is two vectors over the same features, so that a taste match is
one inner product and nothing of size agents x items is ever held.

- ``choice``: what the agent picks more than everybody does. Genres and decades weigh by
  the logarithm of their share in the history over their share in all interactions
  (smoothed), text by the sum of the embeddings of past items less the average one; an
  item rated above its shown rating counts more, one rated far below counts against.
- ``liking``: what it rates higher than others do, among what it picks: the same
  features weighed by the rating's distance from the shown one. On held-out MovieLens
  ratings the two say different things (docs/agents.md).

Each part is scaled to unit standard deviation over the catalogue before it is weighed,
and so is the sum. Only the agent's own history enters, never other agents', unless a scenario
asks for collaborative neighbours (``Company``): then items are also alike where the same
people chose both, and an agent's own history is looked up in those likenesses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse as sp

from ..embedding import embed
from ..features import decade_matrix, genre_matrix, history_matrix, shown_or_middle
from ..interface import Catalogue, FloatArray, Floats, IntArray, RatedHistory
from ..neighbours import find

SMOOTHING = 5.0
"""Ratings' worth of "like everybody" mixed into shares and means; also the history length
at which a taste counts half."""

DIMENSIONS = 64

Embed = Callable[[Sequence[str]], FloatArray]


@dataclass(frozen=True, eq=False)
class Tastes:
    """``item`` (n_items, D), ``choice`` and ``liking`` (N, D), float32; ``generosity`` (N,)
    the agent's mean distance from the shown ratings, in rating points, float32."""

    item: FloatArray
    choice: FloatArray
    liking: FloatArray
    generosity: FloatArray

    def match(self, vector: FloatArray, item: IntArray) -> FloatArray:
        """(...,) standard scores for item numbers (...,) and agents' vectors (..., D)."""
        # A product and a sum over the last axis: unlike a matrix product its rounding
        # does not depend on who else is in the batch.
        return np.asarray((vector * self.item[item]).sum(axis=-1), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Company:
    """Whose histories say which items are neighbours (None: those of the agents themselves),
    and how much that weighs in choosing and in rating; with 0 and 0 it is not looked at."""

    population: RatedHistory | None = None
    choice: float = 0.0
    liking: float = 0.0


def learn(
    history: RatedHistory,
    catalogue: Catalogue,
    weights: tuple[float, ...],
    rating_weight: float,
    company: Company | None = None,
    embed_texts: Embed | None = None,
) -> Tastes:
    """The tastes of N users; ``weights`` of genre, decade and text. Items are embedded by
    ``embed_texts`` where it is given, else by the catalogue, else by TF-IDF and SVD."""
    n_items = len(catalogue)
    popularity = catalogue.popularity.astype(np.float64)
    everybody = popularity / max(float(popularity.sum()), 1.0)
    apart, generosity = _apart(history, catalogue)
    plain = history_matrix(history, n_items)
    counted = history_matrix(history, n_items, np.clip(1.0 + rating_weight * apart, -1.0, 3.0))
    rated = history_matrix(history, n_items, apart)
    items, choice, liking = [], [], []
    for labels, _ in (genre_matrix(catalogue), decade_matrix(catalogue)):
        items.append(_centred(_shares(labels)))
        choice.append(_log_lift(counted, labels, everybody))
        liking.append((rated @ labels).toarray() / ((plain @ labels).toarray() + SMOOTHING))
    text = _text_vectors(catalogue, embed_texts).astype(np.float64)
    items.append(_centred(text))
    choice.append(counted @ (text - everybody @ text))
    liking.append(rated @ text)
    # The three parts told held-out ratings equally well, so they weigh equally.
    of_liking: tuple[float, ...] = (1.0, 1.0, 1.0)
    if company is not None and (company.choice or company.liking):
        near = find(history if company.population is None else company.population, n_items)
        items.append(_centred(near.vector))
        choice.append(near.chosen(counted))
        liking.append(near.rated(rated))
        weights, of_liking = (*weights, company.choice), (*of_liking, company.liking)
    length = np.diff(history.indptr)
    confidence = length / (length + SMOOTHING)
    return Tastes(
        item=np.hstack(items).astype(np.float32),
        choice=_standard(choice, items, weights, confidence),
        liking=_standard(liking, items, of_liking, confidence),
        generosity=generosity.astype(np.float32),
    )


def _text_vectors(catalogue: Catalogue, embed_texts: Embed | None) -> FloatArray:
    if embed_texts is None and catalogue.embedding is not None:
        return catalogue.embedding
    return (embed_texts or _embed)(item_texts(catalogue))


def _embed(texts: Sequence[str]) -> FloatArray:
    return _embedded(tuple(texts))


@lru_cache(maxsize=1)
def _embedded(texts: tuple[str, ...]) -> FloatArray:
    """Of the last catalogue: every audience of a process usually meets the same one."""
    return embed(texts)


def _apart(history: RatedHistory, catalogue: Catalogue) -> tuple[Floats, Floats]:
    """Each rating's distance from the shown one less the user's own mean, 0 where unknown,
    and that mean, shrunk to 0 for few ratings."""
    away = history.rating.astype(np.float64) - shown_or_middle(catalogue)[history.item]
    row = np.repeat(np.arange(len(history)), np.diff(history.indptr))
    known = ~np.isnan(away)
    count = np.bincount(row[known], minlength=len(history))
    total = np.bincount(row[known], weights=away[known], minlength=len(history))
    mean = total / np.maximum(count, 1)
    return np.where(known, away - mean[row], 0.0), total / (count + SMOOTHING)


def _log_lift(counted: sp.csr_array, labels: sp.csr_array, everybody: Floats) -> Floats:
    """(N, m) log of a label's smoothed share in a history over its share for everybody."""
    base = np.maximum(labels.T @ everybody, 1e-6)
    seen = np.maximum((counted @ labels).toarray(), 0.0)
    total = np.maximum(np.asarray(counted.sum(axis=1)).ravel()[:, None], 0.0)
    return np.asarray(np.log((seen + SMOOTHING * base) / (total * base + SMOOTHING * base)))


def _shares(labels: sp.csr_array) -> Floats:
    """(n_items, m) labels as shares of their item, so that many genres are no advantage."""
    dense = labels.toarray()
    return np.asarray(dense / np.maximum(dense.sum(axis=1, keepdims=True), 1.0))


def _centred(features: Floats) -> Floats:
    if not len(features):
        return features
    return np.asarray(features - features.mean(axis=0))


def _standard(
    parts: Sequence[Floats], items: Sequence[Floats], weights: Sequence[float], confidence: Floats
) -> FloatArray:
    """(N, D) the parts side by side, weighed so that matches have unit spread over items."""
    scaled = [
        weight * part / _spread(part, features)
        for part, features, weight in zip(parts, items, weights, strict=True)
    ]
    whole = np.hstack(scaled)
    whole *= confidence[:, None] / _spread(whole, np.hstack(items))
    return np.asarray(whole, dtype=np.float32)


def _spread(vectors: Floats, features: Floats) -> Floats:
    """(N, 1) standard deviation over the items of each agent's match; 1 where it is 0."""
    covariance = features.T @ features / max(len(features), 1)
    variance = ((vectors @ covariance) * vectors).sum(axis=1, keepdims=True)
    return np.asarray(np.where(variance > 1e-12, np.sqrt(np.maximum(variance, 0.0)), 1.0))


def item_texts(catalogue: Catalogue) -> list[str]:
    """What is embedded of each item: title, text, genres."""
    return [
        " ".join([title, text, *genres])
        for title, text, genres in zip(
            catalogue.title, catalogue.text, catalogue.genres, strict=True
        )
    ]
