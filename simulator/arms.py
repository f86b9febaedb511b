"""One arm of a run: what it learns from, how it is trained and scored offline, and what it
remembers of a round."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from agents.interface import NO_ITEM, Audience
from recommenders import checkpoint
from recommenders.interface import Histories, Interactions, Query, Recommender, TextRecommender

from .dilution import lists
from .evaluation.offline import offline_metrics
from .grounding import for_early_stopping
from .model import Sessions
from .oracle import Oracle
from .progress import Progress
from .randomness import stream
from .scenario import ArmSpec
from .storage.store import Store
from .world import World, marked, recommender, with_feedback, without


@dataclass(eq=False)
class ArmState:
    """One arm's own copy of the world: what its agents did there so far."""

    spec: ArmSpec
    position: int
    visitors: Audience
    """As whom its agents visit."""
    train: Interactions
    histories: Histories
    known: sp.csr_array
    shown: sp.csr_array
    """(n_users, n_items) what each user was shown in the rounds that are over."""
    arm_id: int = -1
    seconds_to_fit: float = 0.0
    seconds: float = 0.0

    @classmethod
    def begin(cls, world: World, spec: ArmSpec, position: int) -> ArmState:
        """Before the first round."""
        return cls(
            spec=spec,
            position=position,
            visitors=world.visitors(spec.tastes),
            train=world.split.train,
            histories=world.histories(),
            known=world.known,
            shown=sp.csr_array(world.known.shape, dtype=np.float32),  # type: ignore[arg-type]
        )


def fit(world: World, arm: ArmState, checkpoints: Path, progress: Progress) -> Recommender:
    """Train the arm's recommender, or load its checkpoint."""
    scenario = world.scenario
    valid = for_early_stopping(scenario, world.split.valid)
    fresh = recommender(arm.spec, arm.position, world.file, world.dataset)
    if isinstance(fresh, Oracle):
        return fresh  # it has learned nothing that could be kept
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
        world.texts if isinstance(fresh, TextRecommender) else None,
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
            texts=world.texts,
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


def offline(world: World, arm: ArmState, trained: Recommender) -> list[dict[str, Any]]:
    """All-ranking over every user with test items.

    A query's history is what the recommender learned from: the training items, and the arm's
    feedback. Masked are training and validation items and whatever the user's agent was shown
    in earlier rounds: an item that was learned from as feedback is none to recommend. It is
    masked whether or not this arm learned from it, so that arms that differ in feedback are
    ranked over the same items after the round that they share. Test items never are masked.
    """
    split, scenario = world.split, world.scenario
    users = np.unique(split.test.user)
    if not len(users):
        return []
    history, truth = arm.train.matrix[users], split.test.matrix[users]
    masked = (split.train.matrix[users] + split.valid.matrix[users] + arm.shown[users]).tocsr()
    query = Query(
        users, Histories(history.indptr.astype(np.int64), history.indices.astype(np.int64))
    )
    cutoff = scenario.evaluation.cutoff
    ranked = lists(
        trained,
        query,
        cutoff,
        without(masked, truth),
        dilute=arm.spec.dilute,
        seed=scenario.seed,
    )
    return offline_metrics(
        ranked,
        truth,
        split.train.popularity,
        n_users=len(np.unique(split.train.user)),
        cutoff=cutoff,
        confidence=scenario.evaluation.confidence,
    )


def remember(world: World, arm: ArmState, sessions: Sessions) -> None:
    """After a round: watched items become the agent's history and are known; feedback, if
    the arm's refit is to learn from it, becomes training data.

    No validation or test item of a user becomes that user's training data, whatever its agent
    did with it, and no pair that is training data already.
    """
    agent = world.audience.agent
    there = sessions.shown != NO_ITEM
    # Of a page whose answer failed it is not known what was left unwatched.
    answered = np.repeat(sessions.turned, world.scenario.session.page_size, axis=1)
    row, column = np.nonzero(there)
    arm.shown = marked(arm.shown, agent[row], sessions.shown[row, column])
    row, column = np.nonzero(sessions.watched)
    item = sessions.shown[row, column]
    arm.histories = arm.histories.appended(row, item)
    arm.known = marked(arm.known, agent[row], item)
    chosen = {
        "none": np.zeros_like(there),
        "viewed": sessions.watched,
        "unviewed": there & answered & ~sessions.watched,
        "liked": sessions.liked,
    }[world.scenario.feedback_of(arm.spec)]
    row, column = np.nonzero(chosen)
    user, item = agent[row], sessions.shown[row, column]
    taken = [_pairs(part) for part in (arm.train, world.split.valid, world.split.test)]
    new = ~np.isin(user * arm.train.n_items + item, np.concatenate(taken))
    arm.train = with_feedback(arm.train, user[new], item[new])


def _pairs(events: Interactions) -> npt.NDArray[np.int64]:
    """(n,) one number for each (user, item)."""
    return events.user * events.n_items + events.item
