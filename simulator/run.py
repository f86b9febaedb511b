"""Runs: begun, resumed, known again. The schedule of one stands in :mod:`.stint`; a scenario
in several worlds or replicates is a :mod:`.family` of runs."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from agents.interface import (
    AgentError,
    Caps,
    Ledger,
    Services,
    Spent,
)

from . import __version__, begun_with, grounding, profiles, recording
from .embeddings import settle as embeddings
from .errors import InputError
from .evaluation.covariates import means_of
from .explain import ToldLedger
from .progress import Progress
from .scenario import Scenario, TextsSpec, changed
from .stint import Stint
from .storage import queries
from .storage.ledger import StoreLedger
from .storage.store import Store
from .texts import settle as texts
from .world import World, build, trait_values

_PACKAGES = ("numpy", "scipy", "torch", "mesa", "pandas", "sqlalchemy", "scikit-learn")

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Member:
    """Which family a run belongs to, and where it stands in it; ``spent`` is what the other
    members used of the budget, ``tastes_of`` the run whose audience is the same one, and whose
    recommenders read the same."""

    family: str
    world: int
    replicate: int
    spent: Spent = field(default_factory=Spent)
    tastes_of: str | None = None


def execute(
    scenario: Scenario,
    file: str,
    store: Store,
    *,
    name: str | None,
    checkpoints: Path,
    progress: Progress,
    member: Member | None = None,
    read: texts.Settled | None = None,
) -> str:
    """Run a scenario of one world and one replicate into the store; returns the run's name.
    The run's row always ends with a status: finished, failed, interrupted, or budget. ``read``:
    what its recommenders read, where that was settled before."""
    if scenario.worlds > 1 or scenario.agents.replicates > 1:
        raise ValueError("several worlds or replicates are played by simulator.family.play")
    replayed = _recording(scenario)
    world = build(scenario, file)
    if replayed is None:
        _ready(world)
    progress.say(_audience_line(world))
    world = embeddings.settle(world, store, progress, closed=replayed is not None)
    others = Spent() if member is None else member.spent
    same = None if member is None else member.tastes_of
    if read is None:
        known = begun_with.texts(replayed, store, same)
        closed = replayed is not None
        read = texts.settle(world, store, progress, kept=known, used=others, closed=closed)
    world, before = replace(world, texts=read.world.texts), others + read.spent
    recorded = begun_with.recorded_tastes(replayed, world)
    kept = recorded or begun_with.tastes(store, same, world)
    settled = profiles.settle(world, store, progress, kept, before)
    world, before = settled.world, before + settled.spent
    with _opened(world, store, progress, replayed=replayed, used=before):
        run_id = store.begin_run(
            name=name or scenario.name,
            seed=scenario.seed,
            scenario=scenario.resolved(),
            scenario_file=file,
            versions=versions(),
            dataset=_dataset_facts(world) | settled.facts | read.facts,
            identity=identity(scenario),
            texts=read.written,
            **_place(member),
        )
        with store.lock_run(store.run_name(run_id)):
            return Stint(
                *(world, store, run_id, checkpoints, progress, replayed),
                before=before,
                family=None if member is None else member.family,
            ).play()


def resume(
    run_name: str,
    store: Store,
    *,
    overrides: Sequence[str] = (),
    checkpoints: Path,
    progress: Progress,
    scenario: Scenario | None = None,
    member: Member | None = None,
) -> str:
    """Go on where a run was stopped; a finished run is left as it is. ``overrides`` (or a
    ``scenario`` given instead) may change what changes no answer: the budget, time-outs,
    rates.

    Raises InputError where another process holds the run, or the code is another one.
    """
    name = queries.run(store, run_name).name
    with store.lock_run(name):
        run = queries.run(store, name)
        if run.status == "finished":
            progress.say(f"{name} is finished; nothing to do")
            return name
        scenario = scenario or changed(run.scenario, overrides, f"run {name}")
        check_same(name, run.versions, run.identity, scenario)
        check_prices(store, name, scenario)
        replayed = _recording(scenario)
        world = build(scenario, run.scenario_file)
        if replayed is None:
            _ready(world)
        progress.say(f"resuming {name}: {_audience_line(world)}")
        world = embeddings.settle(world, store, progress, closed=replayed is not None)
        others = Spent() if member is None else member.spent
        # Also where nobody could be written about: asked anew, what is trained would not fit.
        there = begun_with.texts(None, store, name)
        closed = replayed is not None
        world = texts.settle(world, store, progress, kept=there, closed=closed).world
        kept = begun_with.tastes(store, name, world)
        everybody_came = kept is not None and None not in kept
        known = kept if everybody_came else begun_with.recorded_tastes(replayed, world)
        same = None if member is None else member.tastes_of
        known = known or begun_with.tastes(store, same, world)
        settled = profiles.settle(world, store, progress, known, others)
        world, spent = settled.world, queries.spent(store, name)
        if scenario.agents.profiles == "chat" and kept is not None and not everybody_came:
            world = profiles.with_tastes(world, kept)
        before = others + profiles.spent_on(run.dataset) + settled.spent
        used = before + spent
        with _opened(world, store, progress, replayed=replayed, used=used, resumed=True):
            store.resume_run(run.id)
            return Stint(
                world, store, run.id, checkpoints, progress, replayed, spent, before, run.family
            ).play()


def check_same(name: str, versions: Mapping[str, str], identity_: str, scenario: Scenario) -> None:
    """Raises InputError where what is stored under ``name`` was made by other code, or
    ``scenario`` would go on with it otherwise than it was begun."""
    made_by = versions.get("audition")
    if made_by != __version__:
        raise InputError(
            f"run {name}",
            found=f"a run of audition {made_by}",
            allowed=f"one of {__version__}, which is installed",
            fix="resume it with that version, or run the scenario anew",
        )
    if identity_ != identity(scenario):
        raise InputError(
            "--set",
            found="a setting that changes what agents see or do",
            allowed="budget.*, and time-outs, rates, concurrency or processes of agents.response",
            fix="run the changed scenario as a new run; known replies cost nothing",
        )


def check_prices(store: Store, name: str, scenario: Scenario) -> None:
    """A cap on money over all stints needs the price of all stints."""
    cap = scenario.budget.usd
    if cap is not None and queries.usage(store, name)["cost_usd"].isna().any():
        raise InputError(
            f"run {name}",
            key="budget.usd",
            found=f"{cap:g}",
            allowed="null, as earlier calls of the run were made at an unknown price",
            fix="set a cap on tokens instead",
        )


def _place(member: Member | None) -> dict[str, Any]:
    if member is None:
        return {}
    return {"family": member.family, "world": member.world, "replicate": member.replicate}


def identity(scenario: Scenario) -> str:
    """Of everything that decides what a run's store holds: scenario, seed, code."""
    chosen = scenario.resolved()
    for key in ("name", "budget", "record", "replay"):
        del chosen[key]
    if chosen["grounding"] == "none":  # as runs were before there was the option
        del chosen["grounding"]
    if not embeddings.wanted(scenario):
        del chosen["agents"]["embedding"]
    if scenario.texts == TextsSpec():  # likewise
        del chosen["texts"]
    for section in (chosen["agents"], chosen.get("texts", {})):
        for key in ("batch", "timeout", "attempts", "api_key_env"):
            section.get("embedding", {}).pop(key, None)
    for key in _CHANGES_NO_ANSWER:
        chosen["agents"]["response"].pop(key, None)
        ((chosen.get("texts") or {}).get("chat") or {}).pop(key, None)
    text = json.dumps([chosen, __version__], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


_CHANGES_NO_ANSWER = (
    "timeout",
    "deadline",
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
    recorded = _untold(replayed.scenario)
    for key, value in _untold(scenario.resolved()).items():
        if value != recorded.get(key, 0):
            raise InputError(
                scenario.replay,
                key=key,
                found=str(recorded.get(key, 0)),
                allowed=f"{value}, the scenario's",
                fix=f"--set {key}={recorded.get(key, 0)}",
            )
    return replayed


def _untold(resolved: Mapping[str, Any]) -> dict[str, int | str]:
    """What no prompt tells, or not every one, by the key that sets it: which draw of chance, the
    scenario's and each arm's, whether agents recognise held-out items, and who wrote what
    recommenders read."""
    of_arms = {f"arms.{arm['name']}.luck": arm.get("luck", 0) for arm in resolved.get("arms", ())}
    grounded = resolved.get("grounding") or "none"
    wrote = resolved.get("texts") or {}
    written = {f"texts.{name}": wrote.get(name, "data") for name in ("items", "users")}
    return {"luck": resolved.get("luck", 0), "grounding": grounded, **written, **of_arms}


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
        "covariates": means_of(pd.DataFrame(trait_values(world)).add_suffix("_value")),
        "notes": list(dataset.notes),
        **planted,
        **grounding.facts(world),
        **embeddings.facts(world),
    }


def _audience_line(world: World) -> str:
    dataset = world.dataset
    return (
        f"{dataset.name}: {dataset.n_users:,} users, {dataset.n_items:,} items, "
        f"{len(dataset.interactions):,} interactions; {len(world.audience):,} agents, "
        f"{len(world.scenario.arms)} arms"
    )
