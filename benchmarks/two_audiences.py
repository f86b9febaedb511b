"""How right and how useful prediction-powered estimates are (docs/two-audiences.md).

    python -m benchmarks.two_audiences known [--repeats N] [--rho R]
    AUDITION_DATA=... python -m benchmarks.two_audiences chatgpt [--set KEY=VALUE ...]
        [--agents all|tune|check] [--draws N] [--checkpoints DIR]
    AUDITION_DATA=... python -m benchmarks.two_audiences sessions [--set KEY=VALUE ...]
        [--repeats N] [--draws N] [--checkpoints DIR]

``known``: experiments with a known truth, drawn with a given correlation and shape: how often
the interval of each method holds it, and how many expensive agents alone would do as well.

``chatgpt``: Agent4Rec's published gpt-3.5 agents on LightGCN as the expensive audience; the
behavioural model as the same users before our LightGCN as the cheap one, one visit or the mean
of several (a cheap agent may come as often as one likes). Of each metric: the correlation by
agent, what that is worth by theory for 100 agents of 1,000, and what it was worth in repeated
draws of 100 of the published agents, measured against the mean of all of them. Then the
ceiling: one visit of the behavioural model, foretold by the mean of its own other visits.

``sessions``: how often intervals hold a known truth where the values are those of sessions and not
of a formula. Expensive: the published gpt-3.5 agents (levels), and the preset gpt-3.5-agent4rec
(levels and differences), one visit an agent; cheap: the behavioural model of ``--set``, the mean
of its visits. Agents are drawn with replacement, so that the truth is the mean of the whole table.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from recommenders import checkpoint
from recommenders.interface import Recommender
from simulator.evaluation.prediction_powered import Combined, combine, variance_factor
from simulator.evaluation.study import read
from simulator.importing import agent4rec
from simulator.randomness import stream
from simulator.scenario import load
from simulator.storage.store import Store
from simulator.world import World, build, recommender

from .draws import Draws, simulate
from .error_experiments import Rate

Floats = npt.NDArray[np.float64]

SHAPES = ("normal", "skewed", "rare", "curved")
METRICS = ("p_view", "n_like", "p_like", "n_exit", "s_sat", "mean_rating", "genre_entropy")
ARMS = "arms=[{name: Pop, recommender: popularity}, {name: LightGCN, recommender: lightgcn}]"
TUNED_ON = 500
"""Published agents that presets are fitted on; the others check them."""
FEW, MANY = 100, 1000
_LARGE = 1_000_000
"""Agents from whom a shape's correlation is known."""


def audiences(
    rng: np.random.Generator, shape: str, n: int, everybody: int, rho: float
) -> tuple[Floats, Floats]:
    """(N,) expensive (NaN behind n) and (N,) cheap values of mean 0 and correlation ``rho``.

    ``skewed``: exponential, ``rare``: -1, 0 or 1, one agent in five not 0 (``rho`` is that of
    the normal variables that were cut), ``curved``: what f does not explain is its square.
    """
    f, other = rng.normal(size=(2, everybody))
    left = np.sqrt(1 - rho**2)
    if shape == "skewed":
        f, other = rng.exponential(size=(2, everybody)) - 1
    y = rho * f + left * ((f**2 - 1) / np.sqrt(2) if shape == "curved" else other)
    if shape == "rare":
        bound = special.ndtri(0.9)
        y, f = (np.sign(x) * (np.abs(x) > bound) for x in (y, f))
    y[n:] = np.nan
    return y, f


def plug_in(y: Floats, f: Floats) -> tuple[float, float]:
    """The interval as published (PPI++): plain residuals and the normal distribution."""
    n, everybody = int((~np.isnan(y)).sum()), len(f)
    own, theirs = f[:n], f[n:]
    covariance = np.cov(y[:n], own)
    slope = 0.0 if covariance[1, 1] == 0 else float(covariance[0, 1] / covariance[1, 1])
    weight = slope * (1 - n / everybody)
    estimate = weight * theirs.mean() + (y[:n] - weight * own).mean()
    error = np.sqrt((y[:n] - weight * own).var() / n + weight**2 * theirs.var() / len(theirs))
    half = special.ndtri(0.975) * error
    return float(estimate - half), float(estimate + half)


@dataclass(frozen=True)
class Cell:
    """``ours``, ``published``, ``alone``: how often each interval held the truth; ``worth``:
    the expensive agents that would be as narrow alone, over n (by squared mean widths);
    ``theory`` the same in large samples."""

    ours: Rate
    published: Rate
    alone: Rate
    worth: float
    theory: float


def cell(shape: str, n: int, everybody: int, rho: float, repeats: int) -> Cell:
    rng = stream(7, "two audiences", shape, n, everybody, str(rho))
    held: dict[str, list[bool]] = {"ours": [], "published": [], "alone": []}
    width: dict[str, float] = {"ours": 0.0, "alone": 0.0}
    for _ in range(repeats):
        y, f = audiences(rng, shape, n, everybody, rho)
        found: Combined = combine(y, f)
        for name, one in (("ours", found.estimated), ("alone", found.alone)):
            held[name].append(one.low <= 0 <= one.high)
            width[name] += one.high - one.low
        low, high = plug_in(y, f)
        held["published"].append(low <= 0 <= high)
    rates = {name: Rate.of(flags, 0.95) for name, flags in held.items()}
    worth = (width["alone"] / width["ours"]) ** 2
    y, f = audiences(rng, shape, _LARGE, _LARGE, rho)
    theory = 1 / variance_factor(_correlation(y, f), n / everybody)
    return Cell(**rates, worth=worth, theory=theory)


def known(repeats: int, only: float | None = None) -> None:
    band = Rate.of([True] * repeats, 0.95).band
    print(f"{repeats} experiments a line; band of an exact interval {band[0]:.3f} to {band[1]:.3f}")
    print("shape    rho    n     N    ours  published  alone  worth  theory")
    shapes = SHAPES if only is None else SHAPES[:1]
    for shape in shapes:
        rhos = (0.0, 0.3, 0.5, 0.8, 0.95) if shape == "normal" else (0.0, 0.8)
        for rho in rhos if only is None else (only,):
            for n, times in itertools.product((30, 50, 100), (5, 10, 20)):
                one = cell(shape, n, n * times, rho, repeats)
                print(
                    f"{shape:8} {rho:4} {n:4} {n * times:5}   {one.ours.share:.3f}   "
                    f"{one.published.share:.3f}    {one.alone.share:.3f}  {one.worth:5.2f}  "
                    f"{one.theory:5.2f}",
                    flush=True,
                )


def published() -> pd.DataFrame:
    """By agent: the published run's metrics; agents whose session failed left out."""
    folder = Path(os.environ["AUDITION_DATA"]) / "agent4rec"
    with Store.open("sqlite://") as store:
        values = read(store, agent4rec.import_run(folder, store)).values
    return values[~values["failed"]].set_index("agent")[list(METRICS)]


def cheap(overrides: Sequence[str], draws: int, folder: Path) -> dict[str, Draws]:
    """By arm: everybody's visit under each draw of luck."""
    scenario = load(Path("agent4rec"), [ARMS, "control=Pop", *overrides])
    world = build(scenario, "benchmark")
    return {
        arm.name: simulate(world, _trained(world, place, folder), range(draws))
        for place, arm in enumerate(scenario.arms)
    }


def _trained(world: World, place: int, folder: Path) -> Recommender:
    arm, seed = world.scenario.arms[place], world.scenario.seed
    train, valid, items = world.split.train, world.split.valid, world.dataset.items
    fresh = recommender(arm, place, "benchmark")
    key = checkpoint.key(train, valid, items, arm.recommender, fresh.settings, seed)
    rng = stream(seed, "train", 1)
    return checkpoint.fit_or_load(
        fresh, folder, key, train=train, items=items, valid=valid, rng=rng
    )[0]


def chatgpt(theirs: pd.DataFrame, ours: Draws, repeats: int) -> pd.DataFrame:
    """A row a metric; ``ours`` by agent number, in the order of all 1,000."""
    rows = {}
    for metric in METRICS:
        y = theirs[metric].dropna()
        visits = ours[metric][:, y.index.to_numpy()]
        mean = _mean(visits)
        rho = _correlation(y.to_numpy(), mean)
        worth = 1 / variance_factor(rho, FEW / MANY)
        rows[metric] = {
            "agents": len(y),
            "chatgpt": y.mean(),
            "behavioural": _mean(ours[metric]).mean(),
            "rho, one visit": _correlation(y.to_numpy(), visits[0]),
            "rho": rho,
            "100 count as": FEW * worth,
            "measured": FEW * _measured(y.to_numpy(), mean, repeats),
        }
    return pd.DataFrame(rows).T


def _measured(y: Floats, f: Floats, repeats: int) -> float:
    """Mean squared distance from the mean of all, of the plain mean of :data:`FEW` of them
    over that of the combined one; as if N were without limit, as both have the same truth."""
    known = ~np.isnan(f)
    y, f = y[known], f[known]
    rng, off = stream(7, "published agents"), np.zeros((repeats, 2))
    for repeat in range(repeats):
        some = np.full(len(y), np.nan)
        chosen = rng.permutation(len(y))[:FEW]
        some[chosen] = y[chosen]
        found = combine(some, f)
        off[repeat] = found.alone.difference - y.mean(), found.estimated.difference - y.mean()
    plain, both = np.square(off).mean(axis=0)
    return float(plain / both)


def ceilings(ours: dict[str, Draws]) -> pd.DataFrame:
    """One visit foretold by the mean of the same model's other visits: by metric, of LightGCN's
    level and of its difference from popularity."""
    pick: dict[str, Callable[[str], Floats]] = {
        "level": lambda metric: ours["LightGCN"][metric],
        "difference": lambda metric: ours["LightGCN"][metric] - ours["Pop"][metric],
    }
    rows = {}
    for metric in METRICS:
        row: dict[str, float] = {}
        for name, of in pick.items():
            visits = of(metric)
            rho = _correlation(visits[0], _mean(visits[1:]))
            row |= {f"rho, {name}": rho, f"100 count as, {name}": FEW / variance_factor(rho, 0.1)}
        rows[metric] = row
    return pd.DataFrame(rows).T


@dataclass(frozen=True)
class Held:
    """How often each interval held the truth; ``worth``: the expensive agents that would be as
    narrow alone, over n (by squared mean widths), NaN where no agent differs from another."""

    ours: Rate
    alone: Rate
    worth: float
    rho: float


def held(y: Floats, f: Floats, n: int, everybody: int, repeats: int) -> Held:
    """Samples of ``everybody`` agents, the first ``n`` of them expensive, from a population of
    agents: ``y`` (draws, agents) visits of the expensive audience, of which an agent shows one at
    random, ``f`` (agents,) of the cheap one. Agents without a value are no part of it."""
    known = ~np.isnan(f) & ~np.isnan(y).any(axis=0)
    y, f = y[:, known], f[known]
    rng, truth = stream(7, "sessions", n, everybody), float(y.mean())
    flags: dict[str, list[bool]] = {"ours": [], "alone": []}
    width = {"ours": 0.0, "alone": 0.0}
    for _ in range(repeats):
        who = rng.integers(y.shape[1], size=everybody)
        some = np.full(everybody, np.nan)
        some[:n] = y[rng.integers(len(y), size=n), who[:n]]
        found = combine(some, f[who])
        for name, one in (("ours", found.estimated), ("alone", found.alone)):
            flags[name].append(bool(one.low <= truth <= one.high))
            width[name] += one.high - one.low
    rates = {name: Rate.of(each, 0.95) for name, each in flags.items()}
    rho = float(np.mean([_correlation(visit, f) for visit in y]))
    worth = (width["alone"] / width["ours"]) ** 2 if width["ours"] > 0 else np.nan
    return Held(**rates, worth=worth, rho=rho)


def sessions(overrides: Sequence[str], draws: int, repeats: int, folder: Path) -> pd.DataFrame:
    """A row for each audience, metric and size."""
    ours = cheap(overrides, draws, folder)
    preset = cheap(["agents.response.preset=gpt-3.5-agent4rec", "luck=1000"], draws, folder)
    real = published()
    rows = []
    for metric, what in itertools.product(METRICS, ("published", "level", "difference")):
        f = _mean(ours["LightGCN"][metric])
        y = preset["LightGCN"][metric]
        if what == "published":
            some = real[metric].dropna()
            y, f = some.to_numpy()[None], f[some.index.to_numpy()]
        elif what == "difference":
            y = y - preset["Pop"][metric]
            f = _mean(ours["LightGCN"][metric] - ours["Pop"][metric])
        for n in (30, FEW):
            found = held(y, f, n, MANY, repeats)
            rows.append(
                {
                    "metric": metric,
                    "expensive": what,
                    "n": n,
                    "held": found.ours.share,
                    "alone": found.alone.share,
                    "rho": found.rho,
                    "worth": found.worth,
                }
            )
    return pd.DataFrame(rows)


def _mean(visits: Floats) -> Floats:
    """(agents,) over those of (draws, agents) visits that have a value; NaN without any."""
    there = ~np.isnan(visits)
    total, count = np.where(there, visits, 0.0).sum(axis=0), there.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _correlation(y: Floats, f: Floats) -> float:
    """0 where one of them does not vary: it says nothing."""
    both = ~(np.isnan(y) | np.isnan(f))
    y, f = y[both], f[both]
    return float(np.corrcoef(y, f)[0, 1]) if np.ptp(y) * np.ptp(f) > 0 else 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("known", "chatgpt", "sessions"))
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--rho", type=float, help="only this correlation, of normal values")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--agents", choices=("all", "tune", "check"), default="all")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    options = parser.parse_args(arguments)
    if options.what == "known":
        known(options.repeats, options.rho)
        return
    pd.set_option("display.width", 160, "display.float_format", "{:.3f}".format)
    if options.what == "sessions":
        band = Rate.of([True] * options.repeats, 0.95).band
        print(f"{options.repeats} samples a line; band {band[0]:.3f} to {band[1]:.3f}")
        found = sessions(options.set, options.draws, options.repeats, options.checkpoints)
        print(found.to_string(index=False))
        return
    theirs = published()
    tuned = theirs.index < TUNED_ON
    theirs = {"all": theirs, "tune": theirs[tuned], "check": theirs[~tuned]}[options.agents]
    ours = cheap(options.set, options.draws, options.checkpoints)
    print(f"\n{len(theirs)} published agents, {options.draws} visits of each behavioural one")
    print(chatgpt(theirs, ours["LightGCN"], options.repeats).to_string())
    print("\nThe behavioural model foretold by itself")
    print(ceilings(ours).to_string())


if __name__ == "__main__":
    main()
