"""One run from start to finish: train the arms, play the rounds, keep the log.

Order of everything (the whole schedule stands here):

    for each round
        for each arm     fit on training data (plus feedback of earlier rounds) or load the
                         checkpoint, score offline
        for each arm     one Mesa model: every agent's session, page by page; arms whose
                         agents are a chat model are played side by side
        merge            what agents did becomes training data, in arm order, if asked for

A run that was stopped is resumed by running it again over what it left: everything but the
model's replies is a function of scenario and seed, and those are taken from the log.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch

from agents.interface import (
    NO_ITEM,
    AgentError,
    BudgetReached,
    Caps,
    Ledger,
    Place,
    Services,
    Spent,
    Usage,
)
from recommenders import checkpoint
from recommenders.interface import (
    Histories,
    Interactions,
    Query,
    Recommender,
    RecommenderError,
)
from recommenders.ranking import recommend

from . import __version__, profiles, recording
from .errors import AuditionError, BudgetError, InputError
from .evaluation.offline import offline_metrics
from .explain import ToldLedger
from .model import Audition, Sessions
from .progress import Progress
from .randomness import stream
from .scenario import ArmSpec, Scenario, changed
from .storage import queries
from .storage.ledger import StoreLedger
from .storage.store import Store
from .world import World, build, marked, recommender, with_feedback

_PACKAGES = ("numpy", "scipy", "torch", "mesa", "pandas", "sqlalchemy", "scikit-learn")
_NO_TIMES_KEPT = 30.0
"""Seconds between two notes of how long a run has taken: what a kill can lose of it."""

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
    with a status: finished, failed, interrupted, or budget."""
    replayed = _recording(scenario)
    world = build(scenario, file)
    if replayed is None:
        _ready(world)
    progress.say(_audience_line(world))
    settled = profiles.settle(world, store, progress, _recorded_tastes(replayed, world))
    world = settled.world
    with _opened(world, store, progress, replayed=replayed, used=settled.spent):
        run_id = store.begin_run(
            name=name or scenario.name,
            seed=scenario.seed,
            scenario=scenario.resolved(),
            scenario_file=file,
            versions=versions(),
            dataset=_dataset_facts(world) | settled.facts,
            identity=identity(scenario),
        )
        with store.lock_run(store.run_name(run_id)):
            return _Run(
                world, store, run_id, checkpoints, progress, replayed=replayed, before=settled.spent
            ).play()


def resume(
    run_name: str,
    store: Store,
    *,
    overrides: Sequence[str] = (),
    checkpoints: Path,
    progress: Progress,
) -> str:
    """Go on where a run was stopped; a finished run is left as it is. ``overrides`` may
    change what changes no answer: the budget, time-outs, rates.

    Raises InputError where another process holds the run, or the code is another one.
    """
    name = queries.run(store, run_name).name
    with store.lock_run(name):
        run = queries.run(store, name)
        if run.status == "finished":
            progress.say(f"{name} is finished; nothing to do")
            return name
        made_by = run.versions.get("audition")
        if made_by != __version__:
            raise InputError(
                f"run {name}",
                found=f"a run of audition {made_by}",
                allowed=f"one of {__version__}, which is installed",
                fix="resume it with that version, or run the scenario anew",
            )
        scenario = changed(run.scenario, overrides, f"run {name}")
        if run.identity != identity(scenario):
            raise InputError(
                "--set",
                found="a setting that changes what agents see or do",
                allowed="budget.*, and time-outs, rates, attempts, concurrency or processes "
                "of agents.response",
                fix="run the changed scenario as a new run; known replies cost nothing",
            )
        replayed = _recording(scenario)
        world = build(scenario, run.scenario_file)
        if replayed is None:
            _ready(world)
        progress.say(f"resuming {name}: {_audience_line(world)}")
        kept = _kept_tastes(store, name, world) or _recorded_tastes(replayed, world)
        settled = profiles.settle(world, store, progress, kept)
        world, spent = settled.world, queries.spent(store, name)
        before = _sum(profiles.spent_on(run.dataset), settled.spent)
        used = _sum(before, spent)
        with _opened(world, store, progress, replayed=replayed, used=used, resumed=True):
            store.resume_run(run.id)
            return _Run(world, store, run.id, checkpoints, progress, replayed, spent, before).play()


def _sum(one: Spent, other: Spent) -> Spent:
    return Spent(one.usd + other.usd, one.tokens + other.tokens, one.seconds + other.seconds)


def _recorded_tastes(replayed: recording.Recording | None, world: World) -> profiles.Tastes | None:
    if replayed is None:
        return None
    return [replayed.tastes.get(str(agent)) for agent in world.audience.agent.tolist()]


def _kept_tastes(store: Store, name: str, world: World) -> profiles.Tastes | None:
    """Those the run was begun with; None where it was stopped before it kept them."""
    people = queries.agents(store, name)
    tastes = dict(zip(people["agent"].tolist(), people["tastes"], strict=True))
    return [tastes[agent] for agent in world.audience.agent.tolist()] if tastes else None


def identity(scenario: Scenario) -> str:
    """Of everything that decides what a run's store holds: scenario, seed, code."""
    chosen = scenario.resolved()
    for key in ("name", "budget", "record", "replay"):
        del chosen[key]
    for key in _CHANGES_NO_ANSWER:
        chosen["agents"]["response"].pop(key, None)
    text = json.dumps([chosen, __version__], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


_CHANGES_NO_ANSWER = (
    "timeout",
    "deadline",
    "attempts",
    "concurrency",
    "requests_per_minute",
    "tokens_per_minute",
    "processes",
    "prices",
    "api_key_env",
)


def versions() -> dict[str, str]:
    """What the run was made with."""
    return {
        "audition": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def _ready(world: World) -> None:
    try:
        world.response.ready()
    except AgentError as error:
        raise InputError(f"{world.file}: agents.response: {error}") from None


def _recording(scenario: Scenario) -> recording.Recording | None:
    """What the scenario replays. Raises InputError where it cannot be of this scenario;
    what else differs is seen when a call is not there, or was asked otherwise."""
    if scenario.replay is None:
        return None
    replayed = recording.read(scenario.replay)
    if replayed.seed != scenario.seed:
        raise InputError(
            scenario.replay,
            key="seed",
            found=str(replayed.seed),
            allowed=f"{scenario.seed}, the scenario's",
            fix=f"--set seed={replayed.seed}",
        )
    for arm in scenario.arms:
        replayed.for_arm(arm.name, 1)
    return replayed


@contextmanager
def _opened(
    world: World,
    store: Store,
    progress: Progress,
    *,
    replayed: recording.Recording | None,
    used: Spent,
    resumed: bool = False,
) -> Iterator[None]:
    """The response model, open for one stint. Raises InputError for a cap that cannot be
    kept, before anything is written, trained or sent."""
    budget = world.scenario.budget
    ledger: Ledger = StoreLedger(
        store, world.audience.agent, resumed=resumed, closed=replayed is not None
    )
    if progress.verbose:
        ledger = ToldLedger(ledger, store, world.audience.agent, progress.say)
    # A replay sends nothing: what its calls have cost counts against no cap.
    caps = Caps() if replayed is not None else Caps(budget.usd, budget.tokens, budget.minutes)
    try:
        world.response.open(Services(ledger, caps, used))
    except AgentError as error:
        raise InputError(f"{world.file}: {error}") from None
    try:
        yield
    finally:
        world.response.close()


@dataclass(eq=False)
class _Run:
    """One stint of one run: from its beginning, or from where it was stopped."""

    world: World
    store: Store
    run_id: int
    checkpoints: Path
    progress: Progress
    replayed: recording.Recording | None = None
    spent: Spent | None = None
    """What earlier stints used; None in the first one."""
    before: Spent = field(default_factory=Spent)
    """What the profiles took that were written for this run."""

    _started: float = field(default_factory=time.monotonic)
    _noted: float = field(default_factory=time.monotonic)

    def play(self) -> str:
        # One thread: sums then have one order, so that a result does not depend on how many
        # cores there are; and for matrices of this size a second thread gains next to
        # nothing on an idle machine and costs a lot on a busy one.
        torch.set_num_threads(1)
        name, scenario = self.store.run_name(self.run_id), self.world.scenario
        with self._ended_with_a_status(name):
            _write_world(self.store, self.run_id, self.world)
            arms = [
                _ArmState(
                    spec, position, self.world.split.train, self.world.histories(), self.world.known
                )
                for position, spec in enumerate(scenario.arms)
            ]
            for round_ in range(1, scenario.rounds + 1):
                self._round(arms, round_)
            for arm in arms:
                self.store.end_arm(arm.arm_id, simulate_seconds=arm.seconds)
            self.store.settle_calls(self.run_id)
        self.progress.say(f"simulated in {time.monotonic() - self._started:.1f} s")
        return name

    def _used(self) -> Spent:
        """Before this stint."""
        return _sum(self.before, self.spent or Spent())

    @contextmanager
    def _ended_with_a_status(self, name: str) -> Iterator[None]:
        failure = f"{self.world.file}: run {name}"
        try:
            try:
                yield
            except BaseException as error:
                # Not in a finally: a second Ctrl-C, whenever it comes, is not to be waited on.
                if isinstance(error, KeyboardInterrupt):
                    self.progress.say(
                        "stopping; requests under way end first (Ctrl-C again: at once)"
                    )
                self._drain(name)
                raise
            self._drain(name)
        except KeyboardInterrupt:
            self._end("interrupted")
            self.progress.say(f"to go on: audition resume {name}")
            raise
        except BudgetReached as error:
            self._end("budget", str(error))
            raise BudgetError(f"{failure} stopped: {error} (audition resume {name})") from None
        except BudgetError as error:
            self._end("budget", str(error))
            raise
        except BaseException as error:
            self._end("failed", f"{type(error).__name__}: {error}")
            if isinstance(error, AgentError) and self.replayed is not None:
                raise InputError(f"{self.replayed.file}: {error}") from None
            if isinstance(error, AgentError | RecommenderError):
                raise AuditionError(
                    f"{failure} failed: {error} (then: audition resume {name})"
                ) from None
            raise
        self._end("finished")

    def _drain(self, name: str) -> None:
        """What is under way ends and is kept; then the calls are recorded, if asked for."""
        self.world.response.drain()
        if self.world.scenario.record is not None:
            recording.record(self.store, name, self.world.scenario.record)

    def _end(self, status: Any, error: str | None = None) -> None:
        seconds = time.monotonic() - self._noted
        self.store.end_run(self.run_id, status=status, error=error, seconds=seconds)

    def _check_time(self) -> None:
        """Note the time that has passed, and stop at the cap. A chat model's own requests
        are cut off at the cap by its budget."""
        now = time.monotonic()
        if now - self._noted > _NO_TIMES_KEPT:
            self.store.add_seconds(self.run_id, now - self._noted)
            self._noted = now
        cap = self.world.scenario.budget.minutes
        used = (now - self._started + self._used().seconds) / 60
        if cap is not None and used > cap:
            name = self.store.run_name(self.run_id)
            raise BudgetError(
                f"{self.world.file}: run {name} stopped: budget: minutes: {used:.1f} of {cap:g} "
                f"used; what is finished is kept: raise the cap and resume (audition resume {name})"
            )

    def _round(self, arms: list[_ArmState], round_: int) -> None:
        world, models = self.world, []
        for arm in arms:
            self._check_time()
            trained = self._fit(arm)
            if round_ == 1:
                arm.arm_id = self._add_arm(arm, trained)
            self.store.add_offline(arm.arm_id, round_, _offline(world, trained))
            self._load_recorded(arm, round_)
            model = self._model(arm, trained, round_)
            models.append(model)
            if not model.concurrent:
                self._play_alone(arm, model)
        if any(model.concurrent for model in models):
            self._play_together(arms, models)
        if round_ < world.scenario.rounds:
            for arm, model in zip(arms, models, strict=True):
                _remember(world, arm, model.sessions)

    def _load_recorded(self, arm: _ArmState, round_: int) -> None:
        if self.replayed is not None:
            calls = self.replayed.for_arm(arm.spec.name, round_)
            self.store.load_calls(Place(arm.arm_id, round_), calls)

    def _fit(self, arm: _ArmState) -> Recommender:
        """Train the arm's recommender, or load its checkpoint."""
        world, scenario, valid = self.world, self.world.scenario, self.world.split.valid
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
        with self.progress.task(f"{arm.spec.name}: training", None) as task:
            trained, loaded = checkpoint.fit_or_load(
                fresh,
                self.checkpoints,
                key,
                train=arm.train,
                items=world.dataset.items,
                valid=valid,
                rng=rng,
                progress=task.update,
            )
        seconds = arm.seconds_to_fit = time.perf_counter() - started
        how = "loaded from its checkpoint" if loaded else _how_trained(trained)
        self.progress.say(f"{arm.spec.name}: {how} ({seconds:.1f} s)")
        return trained

    def _add_arm(self, arm: _ArmState, trained: Recommender) -> int:
        return self.store.add_arm(
            self.run_id,
            position=arm.position,
            name=arm.spec.name,
            recommender=arm.spec.recommender,
            settings=dict(trained.settings),
            is_control=arm.spec.name == self.world.scenario.control,
            fit_report=dict(trained.report),
            # Of the fit itself, also where a checkpoint spared this run the training.
            train_seconds=float(trained.report.get("seconds", arm.seconds_to_fit)),
        )

    # -- playing -------------------------------------------------------------------------------

    def _model(self, arm: _ArmState, trained: Recommender, round_: int) -> Audition:
        world = self.world
        return Audition(
            world,
            trained,
            arm.arm_id,
            world.response.visit(world.audience, world.catalogue, world.luck, round_),
            self.store,
            round_=round_,
            known=arm.known,
            histories=arm.histories,
        )

    def _play_alone(self, arm: _ArmState, model: Audition) -> None:
        started, total = time.perf_counter(), len(self.world.audience)
        with self.progress.task(f"{arm.spec.name}: browsing{self._in_round(model)}", total) as task:

            def on_step(active: int) -> None:
                self._check_time()
                pages = _pace([model], started)
                task.update(f"{active} browsing, {pages}", total - active)

            model.play(on_step)
        arm.seconds += time.perf_counter() - started
        self._tell(arm, model, _pace([model], started))

    def _play_together(self, arms: list[_ArmState], models: list[Audition]) -> None:
        """Play all arms' sessions side by side; nobody waits for anybody but the merge at
        the end of the round."""
        started, response = time.perf_counter(), self.world.response
        total = len(models) * len(self.world.audience)
        title = f"{len(models)} arms: browsing{self._in_round(models[0])}"
        with self.progress.task(title, total) as task:
            for model in models:
                model.begin()
            under_way = dict(zip(arms, models, strict=True))
            while under_way:
                response.wait(1.0)
                self._check_time()
                for arm, model in list(under_way.items()):
                    model.step()
                    if not model.open:
                        model.end()
                        arm.seconds += time.perf_counter() - started
                        self._tell(arm, model, _pace([model], started))
                        del under_way[arm]
                active = sum(len(model.agents) for model in models)
                task.update(
                    f"{_pace(models, started)}, {_usage(response.usage())}, "
                    f"{_eta(total - active, total, started)}",
                    total - active,
                )

    def _in_round(self, model: Audition) -> str:
        return f", round {model.round}" if self.world.scenario.rounds > 1 else ""

    def _tell(self, arm: _ArmState, model: Audition, pages: str) -> None:
        total, watched = len(self.world.audience), model.sessions.watched.sum()
        self.progress.say(f"{arm.spec.name}: {total} agents, {pages}, {watched:,} watched")


def _pace(models: Sequence[Audition], started: float) -> str:
    turned = sum(int(model.sessions.pages.sum()) for model in models)
    return f"{turned:,} pages, {turned / (time.perf_counter() - started):,.0f} pages/s"


def _usage(used: Usage) -> str:
    cost = "" if used.usd is None else f", {used.usd:.4f} USD"
    known = f", {used.cached:,} known" if used.cached else ""
    failed = f", {used.failed:,} failed" if used.failed else ""
    paused = f", endpoint pauses {used.paused:.0f} s" if used.paused > 0 else ""
    return (
        f"{used.calls:,} calls ({used.in_flight} in flight{known}{failed}), "
        f"{used.tokens:,} tokens{cost}{paused}"
    )


def _eta(done: int, total: int, started: float) -> str:
    if not done:
        return "time left not known yet"
    return f"about {(time.perf_counter() - started) * (total - done) / done:,.0f} s left"


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
    canary = world.scenario.dataset.canary
    planted = {} if canary is None else {"canary": {"items": world.planted.tolist()}}
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
        **planted,
    }


def _audience_line(world: World) -> str:
    dataset = world.dataset
    return (
        f"{dataset.name}: {dataset.n_users:,} users, {dataset.n_items:,} items, "
        f"{len(dataset.interactions):,} interactions; {len(world.audience):,} agents, "
        f"{len(world.scenario.arms)} arms"
    )
