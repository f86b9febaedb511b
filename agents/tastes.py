"""Tastes derived from a user's own rated items, as a few first-person sentences.

What stands out is measured against everybody: a genre or decade by its share of the
history over its share of the population's interactions, and by how the user's ratings
there differ from the shown ratings; a theme word by its TF-IDF weight in the user's
items over its weight in the catalogue. All figures are smoothed towards "nothing
special", so that short histories claim little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from .embedding import word_weights
from .features import (
    decade_matrix,
    genre_matrix,
    history_matrix,
    row_mean,
    shown_or_middle,
)
from .interface import Catalogue, Floats, RatedHistory

SMOOTHING = 5.0
"""Ratings' worth of "like everybody" mixed into every share and mean."""

STANDS_OUT = 1.25
"""Lift from which a genre or decade is called a preference; its inverse is an avoidance."""

RATED_APART = 0.15
"""Rating points above or below the shown ratings from which a genre is called liked or not."""

LEAST = 3
"""Ratings (own, or expected of an average user for an avoidance) below which nothing is said."""

THEME_STANDS_OUT = 0.6
"""(weight - expected) / sqrt(expected + 1) from which a word is called a theme."""

LABEL_LENGTH = 40

NOTHING = "I have no strong preferences yet."
"""What is said of somebody of whom nothing stands out."""

_CHUNK = 1024


@dataclass(frozen=True)
class _Standing:
    """How each of N users stands to each of m labels (genres or decades); all (N, m)."""

    names: list[str]
    count: Floats
    expected: Floats
    lift: Floats
    apart: Floats

    def pick(self, score: Floats, least: float, most: int) -> list[str]:
        """Names by descending ``score`` (m,) of at least ``least``; NaN is never picked."""
        order = np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")
        return [self.names[c] for c in order if score[c] >= least][:most]


def derive_tastes(history: RatedHistory, catalogue: Catalogue) -> tuple[tuple[str, ...], ...]:
    """Up to six sentences for each of the N users; one honest sentence for an empty history.

    Sentences hold genre names, decades and single words, never titles or running text of
    items, so nothing written in a catalogue can pose as part of a persona.
    """
    genre = _standing(history, catalogue, genre_matrix(catalogue))
    decade = _standing(history, catalogue, decade_matrix(catalogue))
    themes = _themes(history, catalogue)
    return tuple(_sentences(genre, decade, themes[n], n) for n in range(len(history)))


def _sentences(genre: _Standing, decade: _Standing, themes: list[str], n: int) -> tuple[str, ...]:
    enough = np.where(genre.count[n] >= LEAST, 1.0, np.nan)
    expected = np.where(genre.expected[n] >= LEAST, 1.0, np.nan)
    apart = genre.apart[n] * enough
    fine = np.where(apart > -2 * RATED_APART, genre.lift[n], np.nan)
    chosen = genre.pick(fine, STANDS_OUT, 3)
    liked = genre.pick(apart, RATED_APART, 2)
    disliked = genre.pick(-apart, RATED_APART, 2)
    disliked = [name for name in disliked if name not in chosen]
    avoided = genre.pick(expected / genre.lift[n], STANDS_OUT**2, 2)
    avoided = [name for name in avoided if name not in disliked]
    era_lift = np.where(decade.count[n] >= LEAST, decade.lift[n], np.nan)
    eras = sorted(decade.pick(era_lift, STANDS_OUT, 2))
    lines = (
        ("I am drawn to {}, more than most people are.", chosen),
        ("I rate {} higher than others do.", liked),
        ("I have a soft spot for the {}.", eras),
        ("Stories with themes such as {} appeal to me.", themes),
        ("I am often let down by {}.", disliked),
        ("I seldom choose {}.", avoided),
    )
    said = tuple(text.format(_and(names)) for text, names in lines if names)
    return said or (NOTHING,)


def _standing(
    history: RatedHistory, catalogue: Catalogue, labelled: tuple[sp.csr_array, tuple[str, ...]]
) -> _Standing:
    labels, names = labelled
    popularity = catalogue.popularity.astype(np.float64)
    base = labels.T @ popularity / max(float(popularity.sum()), 1.0)
    count = (history_matrix(history, len(catalogue)) @ labels).toarray()
    expected = np.diff(history.indptr)[:, None] * base
    prior = SMOOTHING * np.maximum(base, 1e-9)
    apart = (_rated_apart(history, catalogue) @ labels).toarray() / (count + SMOOTHING)
    return _Standing(
        names=["".join(c for c in name if c.isprintable())[:LABEL_LENGTH] for name in names],
        count=count,
        expected=expected,
        lift=(count + prior) / (expected + prior),
        apart=apart,
    )


def _rated_apart(history: RatedHistory, catalogue: Catalogue) -> sp.csr_array:
    """(N, n_items) own rating minus shown rating, minus the user's mean of that."""
    shown = shown_or_middle(catalogue)
    apart = history.rating.astype(np.float64) - shown[history.item]
    row = np.repeat(np.arange(len(history)), np.diff(history.indptr))
    known = ~np.isnan(apart)
    count = np.bincount(row[known], minlength=len(history))
    total = np.bincount(row[known], weights=apart[known], minlength=len(history))
    own = total / np.maximum(count, 1)
    return history_matrix(history, len(catalogue), np.where(known, apart - own[row], 0.0))


def _themes(history: RatedHistory, catalogue: Catalogue, most: int = 4) -> list[list[str]]:
    """Distinctive words of each user's items; words that name a genre say nothing new."""
    weights, words = word_weights(catalogue.text)
    if not words:
        return [[] for _ in range(len(history))]
    genre_words = {part for names in catalogue.genres for name in names for part in _parts(name)}
    usable = np.array([not (_parts(word) & genre_words) for word in words])
    popularity = catalogue.popularity.astype(np.float64)
    base = weights.T @ popularity / max(float(popularity.sum()), 1.0)
    # 1 where unrated or rated as shown; an item rated two points below it no longer counts.
    apart = history.rating.astype(np.float64) - shown_or_middle(catalogue)[history.item]
    liking = np.clip(1.0 + np.nan_to_num(apart) / 2, 0.0, 2.0)
    own = history_matrix(history, len(catalogue), liking)
    out: list[list[str]] = []
    for start in range(0, len(history), _CHUNK):
        block = own[start : start + _CHUNK]
        expected = np.asarray(block.sum(axis=1)).ravel()[:, None] * base
        excess = ((block @ weights).toarray() - expected) / np.sqrt(expected + 1.0)
        # A theme needs several of the user's own items.
        excess[(block.sign() @ weights.sign()).toarray() < LEAST] = -np.inf
        excess[:, ~usable] = -np.inf
        best = np.argsort(-excess, axis=1, kind="stable")[:, :most]
        out.extend(
            [words[w] for w in row if line[w] > THEME_STANDS_OUT]
            for row, line in zip(best, excess, strict=True)
        )
    return out


def rating_habits(history: RatedHistory, catalogue: Catalogue) -> tuple[str, ...]:
    """One sentence a user on how it rates against the shown ratings; "" without ratings."""
    low, high = catalogue.rating_scale
    shown = shown_or_middle(catalogue)[history.item]
    rating = history.rating.astype(np.float64)
    known = (~np.isnan(rating)).astype(np.float64)
    n_items = len(catalogue)
    total = history_matrix(history, n_items, known).sum(axis=1)
    count = np.asarray(total, dtype=np.float64).ravel()

    def mean(values: Floats) -> Floats:
        return row_mean(history_matrix(history, n_items, np.nan_to_num(values) * known), count)

    average, apart = mean(rating), mean(rating - shown)
    top = mean(np.where(rating >= high, 1.0, 0.0))
    bottom = mean(np.where(rating <= low + (high - low) / 4, 1.0, 0.0))
    out = []
    for n in range(len(history)):
        if not count[n]:
            out.append("")
            continue
        manner = "much like most people"
        if abs(apart[n]) > (high - low) / 16:
            manner = "more generously than most" if apart[n] > 0 else "more strictly than most"
        extremes = f"I give the top mark to {top[n]:.0%} of things and a low one to {bottom[n]:.0%}"
        out.append(
            f"I rate {manner}: {average[n]:.1f} on average on a scale "
            f"from {low:g} to {high:g}. {extremes}."
        )
    return tuple(out)


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _parts(name: str) -> set[str]:
    return {"".join(filter(str.isalnum, part)).rstrip("s") for part in name.lower().split()}
