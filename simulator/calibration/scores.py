"""How fitted settings do on agents they were not fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.interface import IntArray
from agents.response.behavioural import Behavioural

from ..fidelity import llm_run as against
from ..fidelity import sessions
from ..fidelity.slates import Slates
from ..fidelity.telling_apart import auc
from ..world import World
from . import opinion
from .known import known
from .people import held_out

Scores = dict[str, dict[str, float]]


def llm_run(world: World, slates: Slates, settings: dict[str, Any]) -> Scores:
    """What ``fidelity.llm_run`` measures on these slates, each beside what the published agents
    did or what is trivial."""
    out = {}
    for measure in against.compare(world, slates, Behavioural(**settings)).measures:
        name = f"{measure.name}, {measure.case}" if measure.case else measure.name
        found = {"here": measure.value, "low": measure.low, "high": measure.high}
        found |= {other.name: other.value for other in measure.baselines}
        out[name] = {key: value for key, value in found.items() if not np.isnan(value)}
    return out


def ratings(world: World, rows: IntArray, settings: dict[str, Any]) -> Scores:
    """Choice and ratings of the held-out items of the agents at these rows of the audience."""
    model = Behavioural(**settings)
    pairs = held_out(world, rows)
    columns = known(world, model, pairs.row, pairs.item)
    p = model.parameters
    appeal = columns.appeal @ np.array([p.taste, p.quality, p.familiarity])
    even = np.ones(len(appeal))
    out: Scores = {
        "AUC, own items from others by popularity": {
            "here": auc(appeal, pairs.own, even),
            "popularity": auc(columns.familiarity, pairs.own, even),
        }
    }
    rated = ~np.isnan(pairs.rating)
    if rated.any():
        out |= _ratings(world, settings, columns.at(rated), pairs.rating[rated])
    if world.relevant is not None:
        # Slates hold the audience's rows in order, so that rows of both are the same.
        found = sessions.rise(world, sessions.designed(world).rows(rows), model)
        out["satisfaction by relevant share, designed slates"] = {
            "slope": found.slope,
            "low": found.low,
            "high": found.high,
            "explained": found.explained,
        }
    return out


def _ratings(world: World, settings: dict[str, Any], columns: Any, rating: Any) -> Scores:
    every, share = opinion.shares(settings, columns, world.catalogue)
    true = np.array([(rating == mark).mean() for mark in every])
    mean = share @ every
    spread = share @ every**2 - 2 * columns.shown * mean + columns.shown**2
    away = {
        f"squared distance from the shown rating, conformity {one}": {
            "here": float(spread[columns.conformity == one].mean()),
            "people": float(((rating - columns.shown)[columns.conformity == one] ** 2).mean()),
        }
        for one in (1, 2, 3)
        if (columns.conformity == one).any()
    }
    return {
        "total variation of ratings": {"here": float(np.abs(share.mean(axis=0) - true).sum() / 2)},
        "RMSE of the expected rating": {
            "here": float(np.sqrt(((mean - rating) ** 2).mean())),
            "shown rating": float(np.sqrt(((columns.shown - rating) ** 2).mean())),
        },
        **away,
    }
