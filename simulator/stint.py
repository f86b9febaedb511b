"""One stint of a run: the schedule, and the status it ends with.

Order of everything (the whole schedule stands in :meth:`Stint.play` and what it calls):

    for each round
        for each arm     fit on training data (plus feedback of earlier rounds) or load the
                         checkpoint, score offline
        for each arm     one Mesa model: every agent's session, page by page; arms whose
                         agents are a chat model are played side by side
        merge            what agents did becomes training data, in arm order, if asked for

With ``evaluation.stop: anytime`` there is one round, in which agents come in batches, each to
every arm, until the primary metric is decided (:meth:`Stint._until_decided`).

A run that was stopped is resumed by running it again over what it left: everything but the
model's replies is a function of scenario and seed, and those are taken from the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from agents.interface import AgentError, BudgetReached, Place, Spent, Usage
from recommenders.interface import Recommender, RecommenderError

from . import columns, recording
from .arms import ArmState, add, fit, offline, remember
from .errors import AuditionError, BudgetError, InputError
from .evaluation import anytime
from .evaluation.comparison import Comparison
from .model import Audition
from .progress import Progress
from .storage.store import Store
from .world import World

IntArray = npt.NDArray[np.int64]

_NOTED_EVERY = 30.0
"""Seconds between two notes of how long a run has taken: what a kill can lose of it."""


@dataclass(eq=False)
class Stint:
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
    """What the profiles took that were written for this run, and the family's other runs."""
    family: str | None = None
    """The family it belongs to, which is what is resumed."""

    _started: float = field(default_factory=time.monotonic)
    _noted: float = field(default_factory=time.monotonic)

    def play(self) -> str:
        # One thread: sums then have one order, so that a result does not depend on how many
        # cores there are; and for matrices of this size a second thread gains next to
        # nothing on an idle machine and costs a lot on a busy one.
        torch.set_num_threads(1)
        name, scenario = self.store.run_name(self.run_id), self.world.scenario
        with self._ended_with_a_status(name):
            self.store.add_items(self.run_id, columns.items(self.world))
            arms = [
                ArmState.begin(self.world, spec, position)
                for position, spec in enumerate(scenario.arms)
            ]
            if scenario.evaluation.stop == "anytime":
                self._until_decided(arms)
            else:
                self._come(np.arange(len(self.world.audience)))
                for round_ in range(1, scenario.rounds + 1):
                    self._round(arms, round_)
            for arm in arms:
                self.store.end_arm(arm.arm_id, simulate_seconds=arm.seconds)
            self.store.settle_calls(self.run_id)
        self.progress.say(f"simulated in {time.monotonic() - self._started:.1f} s")
        return name

    def _used(self) -> Spent:
        """Before this stint."""
        return self.before + (self.spent or Spent())

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
            self.progress.say(f"to go on: {self._again(name)}")
            raise
        except BudgetReached as error:
            self._end("budget", str(error))
            raise BudgetError(f"{failure} stopped: {error} ({self._again(name)})") from None
        except BudgetError as error:
            self._end("budget", str(error))
            raise
        except BaseException as error:
            self._end("failed", f"{type(error).__name__}: {error}")
            if isinstance(error, AgentError) and self.replayed is not None:
                raise InputError(f"{self.replayed.file}: {error}") from None
            if isinstance(error, AgentError | RecommenderError):
                raise AuditionError(
                    f"{failure} failed: {error} (then: {self._again(name)})"
                ) from None
            raise
        self._end("finished")

    def _again(self, name: str) -> str:
        return f"audition resume {self.family or name}"

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
        if now - self._noted > _NOTED_EVERY:
            self.store.add_seconds(self.run_id, now - self._noted)
            self._noted = now
        cap = self.world.scenario.budget.minutes
        used = (now - self._started + self._used().seconds) / 60
        if cap is not None and used > cap:
            name = self.store.run_name(self.run_id)
            raise BudgetError(
                f"{self.world.file}: run {name} stopped: budget: minutes: {used:.1f} of {cap:g} "
                f"used; what is finished is kept: raise the cap and resume ({self._again(name)})"
            )

    def _come(self, row: IntArray) -> None:
        self.store.add_agents(self.run_id, columns.people(self.world, row))

    def _round(self, arms: list[ArmState], round_: int) -> None:
        world, models = self.world, []
        for arm in arms:
            model = self._open(arm, round_)
            models.append(model)
            if not model.concurrent:
                self._play_alone(arm, model)
                self._end_arm(arm, model)
        if any(model.concurrent for model in models):
            self._play_together(arms, models, self._end_arm)
        if round_ < world.scenario.rounds:
            for arm, model in zip(arms, models, strict=True):
                remember(world, arm, model.sessions)

    def _until_decided(self, arms: list[ArmState]) -> None:
        """One round, to which agents come in batches; each is played to its end in every arm.
        The last batch is that after which no arm is inconclusive, or the last there is."""
        world, evaluation = self.world, self.world.scenario.evaluation
        coming, every = world.coming, evaluation.look_every
        batches = [coming[start : start + every] for start in range(0, len(coming), every)]
        catalogue, name = world.catalogue, self.store.run_name(self.run_id)
        watch = anytime.Watch(self.store, name, catalogue.genres, catalogue.rating_scale)
        models = [self._open(arm, 1, batches[0]) for arm in arms]
        for number, batch in enumerate(batches):
            self._come(batch)
            if number:
                for model in models:
                    model.admit(batch)
            for arm, model in zip(arms, models, strict=True):
                if not model.concurrent:
                    self._play_alone(arm, model)
            if any(model.concurrent for model in models):
                self._play_together(arms, models)
            found = watch.look(world.audience.agent[batch])
            came = min((number + 1) * every, len(coming))
            over = came == len(coming) or (bool(found) and anytime.decided(found))
            (self.progress.say if over else self.progress.now_and_then)(_seen(came, found))
            if over:
                break
        for arm, model in zip(arms, models, strict=True):
            self._end_arm(arm, model)

    def _open(self, arm: ArmState, round_: int, first: IntArray | None = None) -> Audition:
        """The arm, trained, scored offline and ready to play; ``first`` are the rows of the
        audience that come at first, if not all do."""
        self._check_time()
        world = self.world
        trained = fit(world, arm, self.checkpoints, self.progress)
        if round_ == 1:
            arm.arm_id = add(self.store, self.run_id, world, arm, trained)
        self.store.add_offline(arm.arm_id, round_, offline(world, arm, trained))
        self._load_recorded(arm, round_)
        return self._model(arm, trained, round_, first)

    def _load_recorded(self, arm: ArmState, round_: int) -> None:
        if self.replayed is not None:
            calls = self.replayed.for_arm(arm.spec.name, round_)
            self.store.load_calls(Place(arm.arm_id, round_), calls)

    # -- playing -------------------------------------------------------------------------------

    def _model(
        self, arm: ArmState, trained: Recommender, round_: int, first: IntArray | None
    ) -> Audition:
        world, luck = self.world, self.world.luck.varied(arm.spec.luck)
        return Audition(
            world,
            trained,
            arm.arm_id,
            world.response.visit(arm.visitors, world.catalogue, luck, round_),
            self.store,
            round_=round_,
            known=arm.known,
            histories=arm.histories,
            order=arm.spec.order,
            luck=luck,
            dilute=arm.spec.dilute,
            first=first,
        )

    def _play_alone(self, arm: ArmState, model: Audition) -> None:
        started, total = time.perf_counter(), len(model.agents)
        with self.progress.task(f"{arm.spec.name}: browsing{self._in_round(model)}", total) as task:

            def on_step(active: int) -> None:
                self._check_time()
                pages = _pace([model], model.seconds + time.perf_counter() - started)
                task.update(f"{active} browsing, {pages}", total - active)

            model.play(on_step)
        model.seconds += time.perf_counter() - started

    def _play_together(
        self,
        arms: list[ArmState],
        models: list[Audition],
        on_end: Callable[[ArmState, Audition], None] = lambda arm, model: None,
    ) -> None:
        """Play all arms' sessions side by side; nobody waits for anybody but for what comes
        after them all. ``on_end`` hears of each arm that is done."""
        started, response = time.perf_counter(), self.world.response
        total = sum(len(model.agents) for model in models)
        before = max(model.seconds for model in models)
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
                        model.settle()
                        model.seconds += time.perf_counter() - started
                        on_end(arm, model)
                        del under_way[arm]
                active = sum(len(model.agents) for model in models)
                task.update(
                    f"{_pace(models, before + time.perf_counter() - started)}, "
                    f"{_usage(response.usage())}, "
                    f"{_eta(total - active, total, started)}",
                    total - active,
                )

    def _in_round(self, model: Audition) -> str:
        return f", round {model.round}" if self.world.scenario.rounds > 1 else ""

    def _end_arm(self, arm: ArmState, model: Audition) -> None:
        """Nobody else comes to the arm in this round."""
        model.end()
        arm.seconds += model.seconds
        came, watched = model.sessions.came.sum(), model.sessions.watched.sum()
        pages = _pace([model], model.seconds)
        self.progress.say(f"{arm.spec.name}: {came} agents, {pages}, {watched:,} watched")


def _seen(came: int, found: Sequence[Comparison]) -> str:
    """One look, in one line."""
    if not found:
        return f"{came} agents came; too few to look"
    arms = (
        f"{one.arm} {one.difference:+.3g} ({one.low:.3g} to {one.high:.3g}), {one.verdict}"
        for one in found
    )
    return f"{came} agents came; {found[0].metric} against {found[0].control}: {'; '.join(arms)}"


def _pace(models: Sequence[Audition], seconds: float) -> str:
    turned = sum(int(model.sessions.pages.sum()) for model in models)
    return f"{turned:,} pages, {turned / seconds:,.0f} pages/s"


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
