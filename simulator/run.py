"""One run from start to finish: train the arms, play the rounds, keep the log.

Order of everything (the whole schedule stands here):

    for each round
        for each arm     fit on training data (plus feedback of earlier rounds) or load the
                         checkpoint, score offline
        for each arm     one Mesa model: every agent's session, page by page
        merge            what agents did becomes training data, in arm order, if asked for
"""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch

from agents.interface import NO_ITEM, AgentError
from recommenders import checkpoint
from recommenders.interface import (
    Histories,
    Interactions,
    Query,
    Recommender,
    RecommenderError,
)
from recommenders.ranking import recommend

from . import __version__
from .errors import AuditionError
from .evaluation.offline import offline_metrics
from .model import Audition, Sessions
from .progress import Progress
from .randomness import stream
from .scenario import ArmSpec, Scenario
from .storage.store import Store
from .world import World, build, marked, recommender, with_feedback

_PACKAGES = ("numpy", "scipy", "torch", "mesa", "pandas", "sqlalchemy", "scikit-learn")

IntArray = npt.NDArray[np.int64]


@dataclass(eq=False)
class _ArmState:
    """One arm's own copy of the world: what its agents did there so far."""

    spec: ArmSpec
    position: int
    train: Interactions
    histories: Histories
    known: sp.csr_array
    arm_id: int = -1
    seconds_to_fit: float = 0.0
    seconds: float = 0.0


def execute(
    scenario: Scenario,
    file: str,
    store: Store,
    *,
    name: str | None,
    checkpoints: Path,
    progress: Progress,
) -> str:
    """Run a scenario into the store; returns the run's name. The run's row always ends
    with a status: finished, failed, or interrupted."""
    started = time.perf_counter()
    # One thread: sums then have one order, so that a result does not depend on how many
    # cores there are; and for matrices of this size a second thread gains next to nothing
    # on an idle machine and costs a lot on a busy one.
    torch.set_num_threads(1)
    world = build(scenario, file)
    progress.say(_audience_line(world))
    run_id = store.begin_run(
        name=name or scenario.name,
        seed=scenario.seed,
        scenario=scenario.resolved(),
        scenario_file=file,
        versions=versions(),
        dataset=_dataset_facts(world),
    )
    try:
        _write_world(store, run_id, world)
        arms = [
            _ArmState(spec, position, world.split.train, world.histories(), world.known)
            for position, spec in enumerate(scenario.arms)
        ]
        for round_ in range(1, scenario.rounds + 1):
            _round(world, store, run_id, arms, round_, checkpoints, progress)
        for arm in arms:
            store.end_arm(arm.arm_id, simulate_seconds=arm.seconds)
    except KeyboardInterrupt:
        store.end_run(run_id, status="interrupted")
        raise
    except BaseException as error:
        store.end_run(run_id, status="failed", error=f"{type(error).__name__}: {error}")
        if isinstance(error, AgentError | RecommenderError):
            raise AuditionError(f"{file}: run {store.run_name(run_id)} failed: {error}") from None
        raise
    store.end_run(run_id, status="finished")
    progress.say(f"simulated in {time.perf_counter() - started:.1f} s")
    return store.run_name(run_id)


def versions() -> dict[str, str]:
    """What the run was made with."""
    return {
        "audition": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def _round(
    world: World,
    store: Store,
    run_id: int,
    arms: list[_ArmState],
    round_: int,
    checkpoints: Path,
    progress: Progress,
) -> None:
    for arm in arms:
        trained = _fit(world, arm, round_, checkpoints, progress)
        if round_ == 1:
            arm.arm_id = _add_arm(store, run_id, world, arm, trained)
        store.add_offline(arm.arm_id, round_, _offline(world, trained))
        started = time.perf_counter()
        sessions = _play(world, store, arm, trained, round_, progress)
        arm.seconds += time.perf_counter() - started
        if round_ < world.scenario.rounds:
            _remember(world, arm, sessions)


def _fit(
    world: World,
    arm: _ArmState,
    round_: int,
    checkpoints: Path,
    progress: Progress,
) -> Recommender:
    """Train the arm's recommender, or load its checkpoint."""
    scenario, valid = world.scenario, world.split.valid
    fresh = recommender(arm.spec, arm.position, world.file)
    # The stream is not keyed by the arm: the same recommender under two names is the same.
    rng = stream(scenario.seed, "train", round_)
    key = checkpoint.key(
        arm.train, valid, world.dataset.items, arm.spec.recommender, fresh.settings, scenario.seed
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


def _how_trained(trained: Recommender) -> str:
    report = trained.report
    if "best_epoch" in report:
        return f"trained, best of {report.get('epochs', '?')} epochs: {report['best_epoch']}"
    return "trained"


def _offline(world: World, trained: Recommender) -> list[dict[str, Any]]:
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


def _play(
    world: World,
    store: Store,
    arm: _ArmState,
    trained: Recommender,
    round_: int,
    progress: Progress,
) -> Sessions:
    visit = world.response.visit(world.audience, world.catalogue, world.luck, round_)
    model = Audition(
        world,
        trained,
        arm.arm_id,
        visit,
        store,
        round_=round_,
        known=arm.known,
        histories=arm.histories,
    )
    total = len(world.audience)
    title = f"{arm.spec.name}: browsing" + (
        f", round {round_}" if world.scenario.rounds > 1 else ""
    )
    started = time.perf_counter()

    def pages() -> str:
        turned = int(model.sessions.pages.sum())
        return f"{turned:,} pages, {turned / (time.perf_counter() - started):,.0f} pages/s"

    with progress.task(title, total) as task:
        sessions = model.play(
            lambda active: task.update(
                f"{active} browsing, {pages()}", total - active
            )
        )
    progress.say(f"{arm.spec.name}: {total} agents, {pages()}, {sessions.watched.sum():,} watched")
    return sessions


def _remember(world: World, arm: _ArmState, sessions: Sessions) -> None:
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


def _add_arm(store: Store, run_id: int, world: World, arm: _ArmState, trained: Recommender) -> int:
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


def _write_world(store: Store, run_id: int, world: World) -> None:
    catalogue, profiles, dataset = world.catalogue, world.audience.profiles, world.dataset
    store.add_items(
        run_id,
        {
            "item": range(len(catalogue)),
            "item_id": dataset.item_ids,
            "title": catalogue.title,
            "genres": [list(genres) for genres in catalogue.genres],
            "year": catalogue.year,
            "text": catalogue.text,
            "shown_rating": catalogue.shown_rating,
            "popularity": catalogue.popularity,
        },
    )
    store.add_agents(
        run_id,
        {
            "agent": world.audience.agent,
            "user_id": [dataset.user_ids[user] for user in world.audience.agent.tolist()],
            "activity": profiles.activity,
            "diversity": profiles.diversity,
            "conformity": profiles.conformity,
            "activity_value": profiles.activity_value,
            "diversity_value": profiles.diversity_value,
            "conformity_value": profiles.conformity_value,
            "tastes": [list(tastes) for tastes in profiles.tastes],
            "persona": profiles.persona,
        },
    )


def _dataset_facts(world: World) -> dict[str, Any]:
    dataset, split = world.dataset, world.split
    return {
        "name": dataset.name,
        "users": dataset.n_users,
        "items": dataset.n_items,
        "interactions": len(dataset.interactions),
        "train": len(split.train),
        "valid": len(split.valid),
        "test": len(split.test),
        "rating_scale": list(dataset.rating_scale),
        "notes": list(dataset.notes),
    }


def _audience_line(world: World) -> str:
    dataset = world.dataset
    return (
        f"{dataset.name}: {dataset.n_users:,} users, {dataset.n_items:,} items, "
        f"{len(dataset.interactions):,} interactions; {len(world.audience):,} agents, "
        f"{len(world.scenario.arms)} arms"
    )
