"""Ratings: opinions around a shown rating, fitted by the intervals that marks stand for.

    rating ~ Normal(mean shown + w (shown - mean shown) + (1 - pull) (g generosity + lift
                    + taste liking),  (1 - pull) spread),    pull by level of conformity

The level that conforms least has pull 0; only ratios are identified. What a rating owes to the
luck of appeal (``rating_appeal``) is part of the spread: the data do not tell it apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.features import shown_or_middle
from agents.interface import Catalogue, Floats
from agents.response.behavioural import rating_step

from .fitting import FREE, Bound, mark_shares, marks
from .known import Known

Settings = dict[str, Any]
_BOUNDS: tuple[Bound, ...] = ((0, 1), (0, 1), FREE, (0, 4), (0.01, 1), (0.01, 1), (0.05, 4))


def fit(known: Known, rating: Floats, catalogue: Catalogue) -> Settings:
    """From ratings (n,) of what the pairs ``known`` (n,) are."""
    scale = catalogue.rating_scale

    def opinions(parameters: Floats) -> tuple[Floats, Floats]:
        return _opinions(parameters, known, catalogue)

    start = [0.8, 0.5, 0.2, 0.1, 0.8, 0.9, 0.8]
    found = marks(opinions, rating, scale, rating_step(scale), start, _BOUNDS)
    weight, generous, lift, taste, first, second, spread = (float(value) for value in found)
    return {
        "shown_weight": weight,
        "generosity_weight": generous,
        "rating_lift": lift,
        "rating_taste": taste,
        "rating_appeal": 0.0,
        "rating_spread": spread,
        "conformity_pull": (1 - first, 1 - second, 0.0),
    }


def shares(settings: Settings, known: Known, catalogue: Catalogue) -> tuple[Floats, Floats]:
    """The marks (m,), and the chance (n, m) of each for the pairs under fitted settings."""
    pull = settings["conformity_pull"]
    names = ("shown_weight", "generosity_weight", "rating_lift", "rating_taste")
    parameters = [settings[name] for name in names]
    parameters += [1 - pull[0], 1 - pull[1], settings["rating_spread"]]
    mean, spread = _opinions(np.array(parameters), known, catalogue)
    return mark_shares(mean, spread, catalogue.rating_scale, rating_step(catalogue.rating_scale))


def _opinions(parameters: Floats, known: Known, catalogue: Catalogue) -> tuple[Floats, Floats]:
    weight, generous, lift, taste, first, second, spread = parameters
    low, high = catalogue.rating_scale
    point = (high - low) / 4.0
    middle = shown_or_middle(catalogue).mean()
    own = np.array([first, second, 1.0])[known.conformity - 1]
    opinion = generous * known.generosity + point * (lift + taste * known.liking)
    mean = middle + weight * (known.shown - middle) + own * opinion
    return np.asarray(mean), np.asarray(own * point * spread)
