"""An audit: one ordinary run in the store, whose arms are the scenario's and the controls',
then every control read from it. Only the repeats of the A/A control are played in memory."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from recommenders.interface import Recommender

from .. import begun_with
from ..arms import ArmState, fit, offline
from ..embeddings import settle as embeddings
from ..evaluation.simulated import values
from ..evaluation.study import log
from ..progress import Progress
from ..run import execute, identity, resume
from ..scenario import Scenario
from ..storage import queries
from ..storage.plain import plain
from ..storage.store import Store
from ..texts import settle as texts
from ..world import World, build
from . import chance, doses, rehearsal, slots, tastes, truth
from .control import Control, Panel
from .design import Design, basis, design, learned

SCHEMA = "audition.audit/1"

TRUSTED = "can be trusted for this question"


@dataclass(eq=False)
class _Arms:
    """The world of an audit and its recommenders, trained once."""

    world: World
    by_name: Mapping[str, tuple[ArmState, Recommender]]

    def of(self, names: Sequence[str]) -> dict[str, tuple[ArmState, Recommender]]:
        return {name: self.by_name[name] for name in names}


def audit(
    scenario: Scenario,
    file: str,
    store: Store,
    *,
    checkpoints: Path,
    progress: Progress,
    repeats: int = 200,
) -> dict[str, Any]:
    """The audit's document (:data:`SCHEMA`), NaN as null. Raises InputError."""
    started = time.monotonic()
    # As in a run: sums have one order, whatever the number of cores.
    torch.set_num_threads(1)
    base = basis(scenario, file)
    world = build(base, file)
    known = world.dataset.utility is not None
    read = texts.settle(world, store, progress)
    plan = design(base, _best(read.world, checkpoints, progress), file, truth_known=known)
    name = _played(plan.scenario, file, store, checkpoints, progress, read)
    # The audience that was played; what its run embedded is known.
    quiet = Progress(quiet=True)
    settled = embeddings.settle(build(plan.scenario, file), store, quiet)
    there = begun_with.texts(None, store, name)
    arms = _trained(texts.settle(settled, store, quiet, kept=there).world, checkpoints)
    panel = Panel.of(values(log(store, name)))
    found = [
        *_against_itself(plan, panel, store, name, arms, repeats, progress),
        *_negative_and_positive(plan, panel, store, name),
        *_truth(plan, panel, arms),
    ]
    return _document(plan, store, name, found, time.monotonic() - started)


def _best(world: World, checkpoints: Path, progress: Progress) -> str:
    """Of the learned arms, the first one that leads in NDCG offline."""
    ranked = []
    for position, spec in enumerate(world.scenario.arms):
        if spec.name in learned(world.scenario):
            arm = ArmState.begin(world, spec, position)
            trained = fit(world, arm, checkpoints, progress)
            rows = offline(world, arm, trained)
            score = next((row["mean"] for row in rows if row["metric"].startswith("ndcg")), 0.0)
            ranked.append((-score, position, spec.name))
    return min(ranked)[2]


def _played(
    scenario: Scenario,
    file: str,
    store: Store,
    checkpoints: Path,
    progress: Progress,
    read: texts.Settled,
) -> str:
    """The audit's run: one of this very audit that is there goes on, if it was stopped, and
    is read again, if it was finished."""
    there = _begun(store, scenario)
    if there is not None:
        return resume(there, store, scenario=scenario, checkpoints=checkpoints, progress=progress)
    return execute(
        scenario, file, store, name=None, checkpoints=checkpoints, progress=progress, read=read
    )


def _begun(store: Store, scenario: Scenario) -> str | None:
    """The latest run of this very audit: same scenario, seed and code."""
    runs = queries.runs(store)
    of_name = [n for n in runs["name"] if n == scenario.name or n.startswith(f"{scenario.name}-")]
    for name in reversed(of_name):
        run = queries.run(store, name)
        if run.identity == identity(scenario):
            return str(name)
    return None


def _trained(world: World, checkpoints: Path) -> _Arms:
    quiet = Progress(quiet=True)
    out = {}
    for position, spec in enumerate(world.scenario.arms):
        arm = ArmState.begin(world, spec, position)
        out[spec.name] = arm, fit(world, arm, checkpoints, quiet)
    return _Arms(world, out)


def _against_itself(
    plan: Design,
    panel: Panel,
    store: Store,
    name: str,
    arms: _Arms,
    repeats: int,
    progress: Progress,
) -> list[Control]:
    chosen = plan.scenario.evaluation
    one, again, other = plan.same
    logs = {"sessions": queries.sessions(store, name), "exposures": queries.exposures(store, name)}
    same = chance.same_draw(panel, logs, one, again)
    if not rehearsal.embedded(arms.world):
        found = chance.one_other_draw(panel, chosen.primary, one, other, chosen.confidence)
        return [same, found]
    arm, trained = arms.by_name[one]
    with (
        rehearsal.opened(arms.world, store),
        progress.task(f"{one} against itself, {repeats} times", repeats) as task,
    ):
        p_values = rehearsal.false_alarms(
            arms.world, arm, trained, repeats, lambda done: task.update("repeats", done)
        )
    progress.say(f"{one} against itself: {repeats} repeats under other draws of chance")
    return [same, chance.other_draws(p_values, chosen.primary, chosen.confidence)]


def _negative_and_positive(plan: Design, panel: Panel, store: Store, name: str) -> list[Control]:
    chosen, seed = plan.scenario.evaluation, plan.scenario.seed
    seen = queries.exposures(store, name, columns=["watched", "relevant", "utility"])
    return [
        tastes.swapped(panel, chosen.primary, plan.personal, plan.popular, chosen.confidence),
        slots.slots(seen, plan.orders, chosen.confidence, seed),
        doses.doses(panel, chosen.primary, plan.doses, chosen.confidence),
    ]


def _truth(plan: Design, panel: Panel, arms: _Arms) -> list[Control]:
    chosen = plan.scenario.evaluation
    if plan.oracle is None:
        said = "Nobody knows the true utility of these items: ask this on a synthetic data set."
        return [
            Control(name, question, "cannot tell", said, required=False)
            for name, question in (
                (doses.EXTREMES, doses.EXTREMES_ASKED),
                (truth.NAME, truth.ASKED),
            )
        ]
    known = truth.standing(arms.world, arms.of(plan.ladder))
    others = [arm for arm in plan.candidates if arm != plan.random]
    return [
        doses.extremes(
            panel, known, chosen.primary, plan.oracle, plan.random, others, chosen.confidence
        ),
        truth.agreement(
            panel,
            known,
            chosen.primary,
            plan.candidates,
            chosen.confidence,
            plan.scenario.seed,
        ),
    ]


def verdict(controls: Sequence[Control]) -> str:
    """One failed control is enough to withdraw trust; a required one that cannot tell is
    enough to withhold it."""
    failed = [control.name for control in controls if control.state == "fail"]
    if failed:
        return f"cannot be trusted: {', '.join(failed)}"
    unclear = [c.name for c in controls if c.state == "cannot tell" and c.required]
    return f"cannot tell: {', '.join(unclear)}" if unclear else TRUSTED


def _document(
    plan: Design, store: Store, name: str, controls: Sequence[Control], seconds: float
) -> dict[str, Any]:
    run, scenario = queries.run(store, name), plan.scenario
    said = verdict(controls)
    document = {
        "schema": SCHEMA,
        "run": name,
        "scenario": scenario.resolved(),
        "scenario_file": run.scenario_file,
        "versions": run.versions,
        "dataset": run.dataset,
        "primary": scenario.evaluation.primary,
        "confidence": scenario.evaluation.confidence,
        "agents": scenario.agents.count,
        "arms": [arm.name for arm in scenario.arms],
        "verdict": said,
        "trusted": said == TRUSTED,
        "controls": [asdict(control) for control in controls],
        "seconds": seconds,
    }
    return dict(plain(document))
