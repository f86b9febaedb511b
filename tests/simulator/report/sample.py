"""A small invented run, written through the store as the simulation writes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.interface import OK, Answers, Interviews
from simulator.storage.store import Store

ARMS = {"Random": "random", "MF": "mf", "LightGCN": "lightgcn"}
APPEAL = {"random": 0.0, "mf": 0.5, "lightgcn": 0.9}
PAGES, SLOTS, ITEMS = 4, 3, 40

Floats = npt.NDArray[np.float64]


@dataclass
class Sample:
    """What to invent. ``failed`` agents get no usable answer on page 1 of every arm."""

    agents: int = 60
    arms: Mapping[str, str] = field(default_factory=lambda: dict(ARMS))
    seed: int = 3
    failed: tuple[int, ...] = ()
    title: str = "Item"
    response: Mapping[str, Any] = field(default_factory=lambda: {"model": "behavioural"})
    offline: bool = True
    status: str = "finished"
    scenario: Mapping[str, Any] = field(default_factory=dict)
    member: Mapping[str, Any] = field(default_factory=lambda: {"name": "try"})
    rounds: int = 1


def write(store: Store, sample: Sample | None = None) -> str:
    """Write the run; returns its name. Agents are numbered 10, 11, ..."""
    sample = sample or Sample()
    rng = np.random.default_rng(sample.seed)
    n = sample.agents
    control = list(sample.arms)[min(1, len(sample.arms) - 1)]
    run = store.begin_run(
        **sample.member,
        seed=sample.seed,
        scenario=scenario_of(sample, control),
        scenario_file="try.yaml",
        versions={"audition": "0.1.0", "numpy": "2.4.0"},
        dataset={"name": "invented", "users": n, "items": ITEMS, "interactions": 4321}
        | {"train": 3000, "valid": 600, "test": 721, "rating_scale": [1, 5]},
    )
    shown = rng.normal(3.6, 0.4, ITEMS).clip(1, 5).round(2)
    level = {name: rng.integers(1, 4, n) for name in ("activity", "diversity", "conformity")}
    _add_world(store, run, sample, shown, level)
    for position, (name, recommender) in enumerate(sample.arms.items()):
        arm = store.add_arm(
            run,
            position=position,
            name=name,
            recommender=recommender,
            settings={"factors": 8},
            is_control=name == control,
            fit_report={"epochs": 5},
            train_seconds=1.5,
        )
        appeal = APPEAL[recommender]
        for round_ in range(1, sample.rounds + 1):
            if sample.offline:
                _add_offline(store, arm, round_, appeal + 0.05 * (round_ - 1))
            _browse(store, arm, round_, sample, appeal, shown, level, rng)
        store.end_arm(arm, simulate_seconds=0.2)
    store.end_run(run, status=sample.status)  # type: ignore[arg-type]
    return store.run_name(run)


def scenario_of(sample: Sample, control: str) -> dict[str, Any]:
    return {
        "name": "try",
        "seed": sample.seed,
        "dataset": {"source": "invented", "split": {"train": 0.6, "valid": 0.2, "test": 0.2}},
        "agents": {"count": sample.agents, "response": dict(sample.response)},
        "session": {"page_size": SLOTS, "max_pages": PAGES, "order": "ranked", "hide": ["train"]},
        "arms": [{"name": name, "recommender": kind} for name, kind in sample.arms.items()],
        "control": control,
        "rounds": 1,
        "feedback": "none",
        "evaluation": {"cutoff": 20, "confidence": 0.95, "correction": "holm"},
        **sample.scenario,
    }


def write_family(store: Store, worlds: int, replicates: int, **changes: Any) -> str:
    """A family ``many`` of runs that differ by seed alone; returns its name."""
    both = dict(changes.pop("scenario", {}))
    asked = {**both, "worlds": worlds}
    whole = scenario_of(Sample(**changes, scenario=asked), "MF")
    whole["agents"]["replicates"] = replicates
    places = [(w, r) for w in range(1, worlds + 1) for r in range(1, replicates + 1)]
    family = store.begin_family(
        name="many",
        members=[f".w{w}.r{r}" for w, r in places],
        scenario=whole,
        scenario_file="try.yaml",
        versions={"audition": "0.1.0"},
        identity="many",
    )
    for place, (world, replicate) in enumerate(places):
        member: dict[str, Any] = {"name": f"{family}.w{world}.r{replicate}", "family": family}
        member |= {"world": world, "replicate": replicate}
        write(store, Sample(**changes, scenario=both, member=member, seed=20 + place))
    return family


def _add_world(
    store: Store, run: int, sample: Sample, shown: Floats, level: Mapping[str, Any]
) -> None:
    n = sample.agents
    store.add_items(
        run,
        {
            "item": range(ITEMS),
            "item_id": [f"i{i}" for i in range(ITEMS)],
            "title": [f"{sample.title} {i}" for i in range(ITEMS)],
            "genres": [["Drama", "Comedy"] if i % 2 else ["Horror"] for i in range(ITEMS)],
            "year": [1990 + i for i in range(ITEMS)],
            "text": [""] * ITEMS,
            "shown_rating": shown,
            "popularity": range(ITEMS),
        },
    )
    values = {f"{name}_value": level[name] * 10.0 for name in level}
    store.add_agents(
        run,
        {"agent": range(10, n + 10), "user_id": [f"u{i}" for i in range(n)], **level, **values}
        | {"tastes": [["I like Drama."]] * n, "persona": ["I am somebody."] * n},
    )


def _add_offline(store: Store, arm: int, round_: int, appeal: float) -> None:
    """Coverage has no interval, MRR does not exist."""
    mean = 0.02 + 0.4 * appeal
    rows: list[dict[str, Any]] = [
        {"metric": name, "mean": mean, "low": mean - 0.01, "high": mean + 0.01, "n": 50}
        for name in ("recall@20", "ndcg@20")
    ]
    gone: dict[str, Any] = {"low": None, "high": None, "n": 50}
    rows += [
        {"metric": "coverage@20", "mean": 0.4, **gone},
        {"metric": "mrr@20", "mean": None, **gone},
    ]
    store.add_offline(arm, round_, rows)


def _browse(
    store: Store,
    arm: int,
    round_: int,
    sample: Sample,
    appeal: float,
    shown: Floats,
    level: Mapping[str, npt.NDArray[Any]],
    rng: np.random.Generator,
) -> None:
    """Agents watch more where the arm appeals more, higher slots more than lower ones."""
    n = sample.agents
    happy = (2.5 + 5 * appeal + rng.normal(0, 0.8, n)).clip(1, 10)
    stay = 0.4 + 0.15 * level["activity"] + 0.2 * appeal
    here, failed = np.arange(n), np.zeros(n, dtype=bool)
    exit_page, censored = np.zeros(n, dtype=int), np.zeros(n, dtype=bool)
    watched, liked, seen = (np.zeros(n, dtype=int) for _ in range(3))
    active = []
    for page in range(1, PAGES + 1):
        item = rng.integers(0, ITEMS, (len(here), SLOTS))
        chance = (
            0.35 + 0.4 * appeal + 0.05 * level["diversity"][here, None] - 0.2 * np.arange(SLOTS)
        )
        took = rng.random(item.shape) < chance
        gap = rng.normal(0, 0.3 + 0.3 * level["conformity"][here, None], item.shape)
        rating = np.where(took, (shown[item] + gap).clip(1, 5).round(), np.nan)
        bad = np.isin(here, sample.failed) & (page == 1)
        leave = (rng.random(len(here)) > stay[here]) & ~bad
        answers = Answers(
            interest=rng.random(item.shape).astype(np.float32),
            aligned=took,
            watched=took,
            rating=rating.astype(np.float32),
            satisfaction=happy[here].astype(np.float32),
            fatigue=np.full(len(here), 0.1 * page, dtype=np.float32),
            leave=leave,
            reason=["enough for today" if gone else "still curious" for gone in leave],
            outcome=["invalid" if b else OK for b in bad],
        )
        store.add_pages(
            arm,
            round_,
            page,
            agent=here + 10,
            item=item,
            rank=np.tile(np.arange(1, SLOTS + 1), (len(here), 1)) + SLOTS * (page - 1),
            answers=answers,
            relevant=rng.random(item.shape) < 0.3,
        )
        exit_page[here], failed[here[bad]] = page, True
        seen[here] += SLOTS
        watched[here] += np.where(bad, 0, took.sum(axis=1))
        liked[here] += np.where(bad, 0, (rating >= 4).sum(axis=1))
        here = here[~leave & ~bad]
        active.append(len(here) if page < PAGES else 0)
        censored[here] = page == PAGES
    _end(store, arm, round_, happy, failed, active, rng)
    columns: dict[str, Any] = {
        "agent": range(10, n + 10),
        "exit_page": exit_page,
        "shown": seen,
        "watched": watched,
        "liked": liked,
        "censored": censored,
        "exit_reason": ["page limit" if c else "enough for today" for c in censored],
        "outcome": ["invalid" if f else OK for f in failed],
    }
    store.add_sessions(arm, round_, columns)


def _end(
    store: Store,
    arm: int,
    round_: int,
    happy: Floats,
    failed: npt.NDArray[np.bool_],
    active: list[int],
    rng: np.random.Generator,
) -> None:
    came = np.flatnonzero(~failed)
    said = Interviews(
        satisfaction=happy[came].round().astype(np.float32),
        return_intent=rng.random(len(came)).astype(np.float32),
        reason=["it suited me"] * len(came),
        outcome=[OK] * len(came),
    )
    store.add_interviews(arm, round_, came + 10, said)
    steps = {"step": range(1, PAGES + 1), "active": active, "exits": [0] * PAGES}
    store.add_steps(
        arm, round_, {**steps, "watch_rate": [0.5] * PAGES, "satisfaction": [5.0, 5.5, 5.2, 5.1]}
    )
