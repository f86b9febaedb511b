"""A small invented run, column for column as the store's queries give it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

ARMS = {
    "Random": "random",
    "Popularity": "popularity",
    "MF": "mf",
    "MultVAE": "multvae",
    "LightGCN": "lightgcn",
}
APPEAL = (0.0, 0.25, 0.55, 0.5, 0.75)
PAGES, SLOTS, ITEMS = 5, 4, 60


@dataclass(frozen=True)
class Sample:
    """Frames of one run; ``arms`` maps a name to its recommender."""

    arms: dict[str, str]
    agents: pd.DataFrame
    items: pd.DataFrame
    sessions: pd.DataFrame
    pages: pd.DataFrame
    exposures: pd.DataFrame
    steps: pd.DataFrame


def make(n: int = 120, arms: dict[str, str] | None = None, seed: int = 3) -> Sample:
    """Agents who watch more where the arm appeals more and the slot is higher."""
    rng = np.random.default_rng(seed)
    arms = ARMS if arms is None else arms
    level = {name: rng.integers(1, 4, n) for name in ("activity", "diversity", "conformity")}
    agents = pd.DataFrame({"agent": np.arange(n), **level})
    shown = np.round(rng.normal(3.6, 0.4, ITEMS).clip(1, 5), 2)
    items = pd.DataFrame({"item": np.arange(ITEMS), "shown_rating": shown})
    parts = [_arm(rng, name, APPEAL[i % 5], agents, shown) for i, name in enumerate(arms)]
    pages, exposures, sessions, steps = (pd.concat(p, ignore_index=True) for p in zip(*parts, strict=True))
    return Sample(arms, agents, items, sessions, pages, exposures, steps)


def _arm(
    rng: np.random.Generator, name: str, appeal: float, agents: pd.DataFrame, shown: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    n = len(agents)
    mood = rng.normal(0, 0.6, n)
    stay = 0.45 + 0.12 * agents["activity"].to_numpy() + 0.12 * appeal
    leaves = rng.random((n, PAGES)) > stay[:, None].clip(0, 0.97)
    exit_page = np.where(leaves.any(1), leaves.argmax(1) + 1, PAGES)
    happy = (3.2 + 3.4 * appeal + mood + 0.4 * agents["activity"].to_numpy()).clip(1, 10)
    agent, page = np.nonzero(np.arange(PAGES) < exit_page[:, None])
    satisfaction = (happy[agent] + rng.normal(0, 0.3, len(agent)) - 0.1 * page).clip(1, 10)
    pages = pd.DataFrame(
        {"arm": name, "round": 1, "agent": agent, "page": page + 1, "satisfaction": satisfaction}
    ).assign(outcome="ok")
    at, slot = np.repeat(np.arange(len(agent)), SLOTS), np.tile(np.arange(SLOTS), len(agent))
    who = agent[at]
    item = rng.integers(0, ITEMS, len(at))
    diversity = agents["diversity"].to_numpy()[who]
    watched = rng.random(len(at)) < (0.28 + 0.3 * appeal + 0.04 * diversity - 0.07 * slot)
    gap = rng.normal(0, 0.3 + 0.2 * agents["conformity"].to_numpy()[who])
    rating = (shown[item] + 0.4 * appeal - 0.2 + gap).clip(1, 5).round()
    exposures = pd.DataFrame(
        {"arm": name, "round": 1, "agent": who, "page": page[at] + 1, "slot": slot + 1}
    ).assign(item=item, relevant=rng.random(len(at)) < 0.2 + 0.2 * appeal, watched=watched)
    exposures["rating"] = np.where(watched, rating, np.nan)
    sessions = _sessions(name, exposures, exit_page, leaves.any(1), happy)
    return pages, exposures, sessions, _steps(name, pages, exposures)


def _sessions(
    name: str, exposures: pd.DataFrame, exit_page: np.ndarray, left: np.ndarray, happy: np.ndarray
) -> pd.DataFrame:
    by = exposures.groupby("agent")
    return pd.DataFrame(
        {
            "arm": name,
            "round": 1,
            "agent": np.arange(len(exit_page)),
            "exit_page": exit_page,
            "shown": by.size(),
            "watched": by["watched"].sum(),
            "liked": by["rating"].apply(lambda r: int((r >= 4).sum())),
            "n_rated": by["rating"].count(),
            "rating_sum": by["rating"].sum(),
            "satisfaction": happy.round(),
            "return_intent": happy / 10,
            "censored": ~left,
            "outcome": "ok",
        }
    )


def _steps(name: str, pages: pd.DataFrame, exposures: pd.DataFrame) -> pd.DataFrame:
    by = pages.groupby("page")
    active = by.size()
    return pd.DataFrame(
        {
            "arm": name,
            "round": 1,
            "step": active.index,
            "active": active.to_numpy(),
            "exits": -active.diff(-1).fillna(0).to_numpy(),
            "watch_rate": exposures.groupby("page")["watched"].mean().to_numpy(),
            "satisfaction": by["satisfaction"].mean().to_numpy(),
        }
    )
