"""One arm of a run: what it learns from, how it is trained and scored offline, and what it
remembers of a round."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from agents.interface import NO_ITEM
from recommenders import checkpoint
from recommenders.interface import Histories, Interactions, Query, Recommender
from recommenders.ranking import recommend

from .evaluation.offline import offline_metrics
from .model import Sessions
from .progress import Progress
from .randomness import stream
from .scenario import ArmSpec
from .storage.store import Store
from .world import World, marked, recommender, with_feedback


@dataclass(eq=False)
class ArmState:
    """One arm's own copy of the world: what its agents did there so far."""

    spec: ArmSpec
    position: int
    train: Interactions
    histories: Histories
    known: sp.csr_array
    arm_id: int = -1
    seconds_to_fit: float = 0.0
    seconds: float = 0.0


def fit(world: World, arm: ArmState, checkpoints: Path, progress: Progress) -> Recommender:
    """Train the arm's recommender, or load its checkpoint."""
    scenario, valid = world.scenario, world.split.valid
    fresh = recommender(arm.spec, arm.position, world.file)
    # Keyed neither by the arm, as the same recommender under two names is the same, nor
    # by the round: what a refit changes is then owed to its data alone.
    rng = stream(scenario.seed, "train", 1)
    key = checkpoint.key(
        arm.train,
        valid,
        world.dataset.items,
        arm.spec.recommender,
        fresh.settings,
        scenario.seed,
    )
    started = time.perf_counter()
    with progress.task(f"{arm.spec.name}: training", None) as task:
        trained, loaded = checkpoint.fit_or_load(
            fresh,
            checkpoints,
            key,
            train=arm.train,
            items=world.dataset.items,
            valid=valid,
            rng=rng,
            progress=task.update,
        )
    seconds = arm.seconds_to_fit = time.perf_counter() - started
    how = "loaded from its checkpoint" if loaded else _how_trained(trained)
    progress.say(f"{arm.spec.name}: {how} ({seconds:.1f} s)")
    return trained


def add(store: Store, run_id: int, world: World, arm: ArmState, trained: Recommender) -> int:
    """Write the arm's facts; its id in the store."""
    return store.add_arm(
        run_id,
        position=arm.position,
        name=arm.spec.name,
        recommender=arm.spec.recommender,
        settings=dict(trained.settings),
        is_control=arm.spec.name == world.scenario.control,
        fit_report=dict(trained.report),
        # Of the fit itself, also where a checkpoint spared this run the training.
        train_seconds=float(trained.report.get("seconds", arm.seconds_to_fit)),
    )


def _how_trained(trained: Recommender) -> str:
    report = trained.report
    if "best_epoch" in report:
        return f"trained, best of {report.get('epochs', '?')} epochs: {report['best_epoch']}"
    return "trained"


def offline(world: World, trained: Recommender) -> list[dict[str, Any]]:
    """All-ranking over every user with test items; train and validation items masked."""
    split, scenario = world.split, world.scenario
    users = np.unique(split.test.user)
    if not len(users):
        return []
    history = split.train.matrix[users]
    masked = (history + split.valid.matrix[users]).tocsr()
    query = Query(
        users, Histories(history.indptr.astype(np.int64), history.indices.astype(np.int64))
    )
    cutoff = scenario.evaluation.cutoff
    ranked = recommend(trained, query, cutoff, masked)
    return offline_metrics(
        ranked,
        split.test.matrix[users],
        split.train.popularity,
        n_users=len(np.unique(split.train.user)),
        cutoff=cutoff,
        confidence=scenario.evaluation.confidence,
    )


def remember(world: World, arm: ArmState, sessions: Sessions) -> None:
    """After a round: watched items become the agent's history and are known; feedback, if
    the scenario asks for it, becomes training data."""
    agent = world.audience.agent
    row, column = np.nonzero(sessions.watched)
    item = sessions.shown[row, column]
    arm.histories = arm.histories.appended(row, item)
    arm.known = marked(arm.known, agent[row], item)
    feedback = world.scenario.feedback
    if feedback == "none":
        return
    chosen = sessions.watched if feedback == "viewed" else sessions.liked
    if feedback == "unviewed":
        chosen = (sessions.shown != NO_ITEM) & ~sessions.watched
    row, column = np.nonzero(chosen)
    arm.train = with_feedback(arm.train, agent[row], sessions.shown[row, column])
