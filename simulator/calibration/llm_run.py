"""Settings under which the behavioural model answers a published run's pages as its language
model did. Every part is a likelihood of what the published agents did on their own pages,
given what the model knows of agent and item (docs/calibration.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, logit, ndtri

from agents.interface import Floats
from agents.response.behavioural import Behavioural

from ..fidelity.slates import Slates
from ..world import World
from . import opinion
from .fitting import FREE, POSITIVE, yes_no
from .known import Known, apart, known, triple

Settings = dict[str, Any]

INTEREST_SLOPE = 1.702
"""Makes interest the logistic twin of the chance to fit, whose luck has spread 1 (Camilli 1994):
|logistic(1.702 x) - Phi(x)| < .01. Nothing in the run tells how sure an agent was."""

HOW = (
    "fitting: probit on taste, quality, familiarity, their distance from the page's mean, the "
    "first slot, diversity; watching what fits: logit on slot, what was watched above, diversity, "
    "activity; ratings: interval likelihood; leaving: share by page and activity, half a case "
    "added; satisfaction: least squares on what was watched, by activity"
)


def fit(world: World, model: Behavioural, slates: Slates) -> Settings:
    """The fitted settings; the taste weights are the model's own."""
    pairs = known(world, model, slates.row[:, None, None], np.maximum(slates.item, 0))
    fitting, appeal = _fitting(pairs, slates)
    given = slates.there & ~np.isnan(slates.rating)
    rating = slates.rating[given].astype(np.float64)
    p = model.parameters
    return {
        **{n: getattr(p, n) for n in ("genre_weight", "era_weight", "text_weight")},
        **{n: getattr(p, n) for n in ("rating_weight", "collaborative", "rating_neighbours")},
        **fitting,
        **_watching(pairs, slates),
        **opinion.fit(pairs.at(given), rating, world.catalogue),
        **_leaving(pairs, slates),
        **_satisfaction(pairs, slates, appeal),
    }


def _fitting(pairs: Known, slates: Slates) -> tuple[Settings, Floats]:
    """Whether an item fits; also the known appeal (N, P, k) that was found."""
    there = slates.there
    appeal = pairs.appeal
    mean = (appeal * there[..., None]).sum(axis=2) / np.maximum(there.sum(axis=2), 1)[..., None]
    above = appeal - mean[:, :, None]
    first = np.zeros(there.shape)
    first[:, :, 0] = 1.0
    diversity = apart(pairs.diversity)

    def predictor(where: Any) -> Any:
        x, dx, one, levels = appeal[where], above[where], first[where], diversity[where]
        return lambda b: (x + b[3] * dx) @ b[:3] + b[4] + b[5] * one + levels @ b[6:8]

    start = [0.2, 0.2, 0.2, 0.5, 0.0, 1.0, 0.0, 0.0]
    bounds = [*[POSITIVE] * 4, *[FREE] * 4]
    b = yes_no(predictor(there), slates.aligned[there], start, bounds, "probit")
    settings = {
        **dict(
            zip(("taste", "quality", "familiarity", "contrast"), map(float, b[:4]), strict=True)
        ),
        "appeal_level": float(b[4]),
        "top_slot": float(b[5]),
        "ease": triple(b[6:8]),
        "idiosyncrasy": 1.0,
        "watch_slope": INTEREST_SLOPE,
    }
    return settings, np.asarray(predictor(Ellipsis)(b))


def _watching(pairs: Known, slates: Slates) -> Settings:
    """What is watched of what fits, from the top slot down."""
    fits = slates.there & slates.aligned
    slot = np.log2(np.arange(fits.shape[2]) + 2.0)
    loss = np.broadcast_to(slot - slot.mean(), fits.shape)[fits]
    above: Floats = (np.cumsum(slates.watched, axis=2) - slates.watched)[fits]
    seen = np.stack([above == 1, above == 2, above >= 3], axis=-1).astype(np.float64)
    open_, eager = apart(pairs.diversity)[fits], apart(pairs.activity)[fits]
    b = yes_no(
        lambda b: b[0] - b[1] * loss - seen @ b[2:5] + open_ @ b[5:7] + eager @ b[7:9],
        slates.watched[fits],
        [2.0, 1.0, *[0.0] * 7],
        [FREE, POSITIVE, *[FREE] * 7],
        "logit",
    )
    return {
        "fitting_only": True,
        "watch_level": float(b[0]),
        "slot_effect": float(b[1]),
        "satiety": tuple(map(float, b[2:5])),
        "openness": triple(b[5:7]),
        "eagerness": triple(b[7:9]),
    }


def _leaving(pairs: Known, slates: Slates) -> Settings:
    """By page and activity; the last page, which ends every session, tells nothing."""
    level = pairs.activity[:, 0, 0]
    rows = []
    for one in (1, 2, 3):
        last = slates.exit_page[level == one]
        pages = range(1, slates.pages)
        share = [((last == page).sum() + 0.5) / ((last >= page).sum() + 1) for page in pages]
        rows.append(tuple(float(logit(value)) for value in share))
    return {"leaving": tuple(rows), "exit_satisfaction": 0.0}


def _satisfaction(pairs: Known, slates: Slates, appeal: Floats) -> Settings:
    """Moves by ``pace`` with each page towards what was watched on it; the pace is the one that
    leaves least unexplained. Where an answer is missing the agent is left out."""
    match = (_interest(appeal, slates) * slates.watched).sum(axis=2) / slates.item.shape[2]
    there = ~np.isnan(slates.satisfaction)
    level, last = pairs.activity[there, 0, 0], slates.exit_page[there]
    said, match = slates.satisfaction[there], match[there]
    middle = float(match[match > 0].mean())
    best: tuple[float, float, Floats] | None = None
    for pace in np.arange(0.2, 1.0001, 0.05):
        after = last[:, None] - np.arange(1, match.shape[1] + 1)
        weight = np.where(after >= 0, pace * (1 - pace) ** np.maximum(after, 0), 0.0)
        moved = (weight * (match - middle)).sum(axis=1)
        design = np.column_stack([np.ones(len(said)), moved, apart(level)])
        b = np.linalg.lstsq(design, said, rcond=None)[0]
        left = float(((said - design @ b) ** 2).mean())
        if best is None or left < best[0]:
            best = left, float(pace), b
    assert best is not None
    left, pace, b = best
    return {
        "satisfaction_start": float(b[0]),
        "satisfaction_level": float(b[0]),
        "satisfaction_middle": middle,
        "satisfaction_gain": float(max(b[1], 0.0)),
        "satisfaction_watched": 1.0,
        "satisfaction_pace": pace,
        "contentment": triple(b[2:4]),
        # A whole number is a rounded one, which adds a variance of 1/12 of its own.
        "mood": float(np.sqrt(max(left - 1 / 12, 0.0))),
    }


def _interest(appeal: Floats, slates: Slates) -> Floats:
    """(N, P, k) the mean interest in an item of this known appeal, given whether it fitted."""
    luck = ndtri((np.arange(200) + 0.5) / 200)
    whole = appeal[..., None] + luck
    chosen = (whole >= 0) == slates.aligned[..., None]
    total = (expit(INTEREST_SLOPE * whole) * chosen).sum(axis=-1)
    return np.asarray(total / np.maximum(chosen.sum(axis=-1), 1))
