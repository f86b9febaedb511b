"""The audience's tastes in a chat model's words (``agents.profiles: chat``).

They are written before a run begins and are part of its world: a run keeps the tastes it
was played with, so that a resumed one goes on with the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.interface import AgentError, BudgetReached, Caps, Services, Spent
from agents.response import profiling
from agents.response.chat import Chat

from .errors import AuditionError, BudgetError, InputError
from .progress import Progress
from .storage.profile_ledger import ProfileLedger
from .storage.store import Store
from .world import World, plain_catalogue, profiles_of

IntArray = npt.NDArray[np.int64]

Tastes = Sequence[Sequence[str] | None]
"""By audience row; None where there are none but the derived ones."""


@dataclass(frozen=True, eq=False)
class Result:
    """The world with the written tastes, and what became of them, in one line and in
    figures (for the facts of a run). ``spent`` is what asking took."""

    world: World
    line: str
    facts: dict[str, Any]
    spent: Spent


def settle(
    world: World, store: Store, progress: Progress, kept: Tastes | None, used: Spent | None = None
) -> Result:
    """The world a run is played in: as it is, with the tastes ``kept`` of an earlier stint or
    a recording, or with those that are written now, of a budget of which ``used`` is gone;
    raises as :func:`write`."""
    agents = world.scenario.agents
    if agents.profiles == "derived":
        return Result(world, "", {}, Spent())
    if kept is not None:
        return Result(with_tastes(world, kept), "", {}, Spent())
    if isinstance(world.response, Chat):
        result = write(world, store, progress, used)
    else:
        n = len(world.audience)
        line = f"profiles: 0 written, {n} derived, as {agents.response.model} is no chat model"
        facts = _facts(n, n, {"no model": n}, Spent())
        result = Result(world, line, facts, Spent())
    progress.say(result.line)
    return result


def write(world: World, store: Store, progress: Progress, used: Spent | None = None) -> Result:
    """Let the scenario's chat model write what is not known yet.

    Raises InputError where the agents are no chat model, AuditionError or BudgetError where
    asking was stopped: what is written by then is kept, and is not asked again.
    """
    chat, started = _chat(world), time.monotonic()
    audience = world.audience
    services = lent(world, store, audience.agent, used)
    with stopped(world.file, "profiles"), progress.task("profiles", len(audience)) as task:
        written = profiling.write(
            chat,
            audience,
            plain_catalogue(world),
            services,
            lambda done: task.update(f"{done} of {len(audience)} asked", done),
        )
    usage, failures = written.usage, written.failures
    derived = sum(failures.values())
    line = f"profiles: {len(audience) - derived} written ({usage.cached} known), "
    line += f"{derived} derived{because(failures)}; {usage.tokens:,} tokens"
    line += "" if usage.usd is None else f", {usage.usd:.4f} USD"
    spent = Spent(usage.usd or 0.0, usage.tokens, time.monotonic() - started)
    facts = _facts(len(audience), derived, failures, spent)
    return Result(with_tastes(world, written.value), line, facts, spent)


def lent(world: World, store: Store, number: IntArray, used: Spent | None) -> Services:
    """For questions about agents, users or items of these numbers, under the scenario's caps."""
    budget = world.scenario.budget
    caps = Caps(budget.usd, budget.tokens, budget.minutes)
    return Services(ProfileLedger(store, number), caps, used or Spent())


@contextmanager
def stopped(file: str, what: str) -> Iterator[None]:
    """What stops asking as BudgetError or AuditionError: what is written by then is kept."""
    again = "what is written is kept: the same command goes on"
    try:
        yield
    except BudgetReached as error:
        raise BudgetError(f"{file}: {what}: stopped: {error} ({again})") from None
    except AgentError as error:
        raise AuditionError(f"{file}: {what}: {error} ({again})") from None


def spent_on(dataset: Mapping[str, Any]) -> Spent:
    """What the profiles of a run took, of agents and for recommenders, from the run's facts."""
    used = Spent()
    for name in ("profiles", "texts"):
        facts = dataset.get(name) or {}
        used += Spent(facts.get("usd", 0.0), facts.get("tokens", 0), facts.get("seconds", 0.0))
    return used


def _facts(n: int, derived: int, failures: Mapping[str, int], spent: Spent) -> dict[str, Any]:
    facts = {"written": n - derived, "derived": derived, "failures": dict(sorted(failures.items()))}
    return {"profiles": facts | asdict(spent)}


def with_tastes(world: World, tastes: Tastes) -> World:
    """The world with these tastes in personas and profiles; None keeps what was there."""
    old = world.audience.profiles.tastes
    new = tuple(
        before if told is None else tuple(told) for told, before in zip(tastes, old, strict=True)
    )
    profiles = profiles_of(world, new)
    return replace(world, audience=replace(world.audience, profiles=profiles))


def _chat(world: World) -> Chat:
    if isinstance(world.response, Chat):
        try:
            world.response.ready()
        except AgentError as error:
            raise InputError(f"{world.file}: agents.response: {error}") from None
        return world.response
    raise InputError(
        world.file,
        key="agents.profiles",
        found=f"chat with agents.response.model {world.scenario.agents.response.model}",
        allowed="derived, as there is no chat model to write them",
    )


def because(failures: Mapping[str, int]) -> str:
    """Outcomes and how many there were of each, in brackets."""
    told = ", ".join(f"{outcome} {n}" for outcome, n in sorted(failures.items()))
    return f" ({told})" if told else ""
