"""Families of runs: a scenario in several worlds, or with several replicates of its agents.

Each member is an ordinary run, named after its place: NAME.w2 (a world), NAME.r3 (a
replicate), NAME.w2.r3 (both). Members are played one after the other; what stops one stops
the family, and to resume the family goes on with that member and those that are missing.

A **world** is the whole experiment under another seed: other users are drawn for the
audience, the split, the training and all chance are other ones. With the source
``synthetic`` the films and people themselves are others too, as they come from the seed,
unless ``dataset.world_seed`` fixes them. Worlds are therefore independent of each other,
whatever couples the agents within one.

A **replicate** keeps the seed, and with it people and trained recommenders, and meets
another draw of chance (``luck``). Tastes that a chat model wrote are those of the world's
first replicate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.interface import Spent

from . import profiles, run
from .errors import InputError
from .progress import Progress
from .scenario import Scenario, changed
from .storage import families, queries
from .storage.queries import Run
from .storage.store import Store


@dataclass(frozen=True)
class Member:
    """One run of a family: its place (from 1), what its name and its recording end with, and
    its scenario, which is one of a single run."""

    world: int
    replicate: int
    suffix: str
    scenario: Scenario


def is_family(scenario: Scenario) -> bool:
    """Whether it takes more than one run."""
    return scenario.worlds > 1 or scenario.agents.replicates > 1


def members(scenario: Scenario) -> list[Member]:
    """The runs a scenario takes, in the order in which they are played.

    World w has the seed ``seed + w - 1``, replicate r the draw ``luck + r - 1``. Raises
    InputError where a seed or a draw would be out of range.
    """
    out = []
    for world in range(1, scenario.worlds + 1):
        for replicate in range(1, scenario.agents.replicates + 1):
            suffix = f".w{world}" if scenario.worlds > 1 else ""
            suffix += f".r{replicate}" if scenario.agents.replicates > 1 else ""
            out.append(Member(world, replicate, suffix, _of(scenario, world, replicate, suffix)))
    return out


def _of(scenario: Scenario, world: int, replicate: int, suffix: str) -> Scenario:
    files = {name: getattr(scenario, name) for name in ("record", "replay")}
    changes = {
        "seed": scenario.seed + world - 1,
        "luck": scenario.luck + replicate - 1,
        "worlds": 1,
        **{name: file and _member_file(file, suffix) for name, file in files.items()},
    }
    resolved = scenario.resolved() | changes
    resolved["agents"]["replicates"] = 1
    return changed(resolved, (), f"scenario {scenario.name}{suffix}")


def _member_file(file: str, suffix: str) -> str:
    """The recording of one member.

    >>> _member_file("calls/tiny.jsonl.gz", ".w2.r1").replace("\\\\", "/")
    'calls/tiny.w2.r1.jsonl.gz'
    """
    path = Path(file)
    ending = path.suffix
    if ending == ".gz":
        ending = path.with_suffix("").suffix + ending
    return str(path.with_name(f"{path.name.removesuffix(ending)}{suffix}{ending}"))


def play(
    scenario: Scenario,
    file: str,
    store: Store,
    *,
    name: str | None = None,
    checkpoints: Path,
    progress: Progress,
    on_member: Callable[[str], None] = lambda _: None,
) -> str:
    """Run a scenario into the store: one run, or a family of them. Returns the name of the
    run, or of the family; ``on_member`` hears of each member that is finished."""
    places = members(scenario)
    wanted = name or scenario.name
    if _unfinished(store, wanted):
        progress.say(f"{wanted} is not finished: audition resume {wanted}")
    if len(places) == 1:
        return run.execute(
            scenario, file, store, name=name, checkpoints=checkpoints, progress=progress
        )
    family = store.begin_family(
        name=wanted,
        members=[member.suffix for member in places],
        scenario=scenario.resolved(),
        scenario_file=file,
        versions=run.versions(),
        identity=run.identity(scenario),
    )
    with store.lock_run(family):
        playing = _Playing(family, places, file, store, checkpoints, progress, on_member)
        return playing.play()


def _unfinished(store: Store, name: str) -> bool:
    """Whether there is a family of that name of which runs are stopped or missing."""
    there = families.find(store, name)
    if there is None:
        return False
    done = sum(one.status == "finished" for one in queries.family(store, name))
    return done < int(there.scenario["worlds"]) * int(there.scenario["agents"]["replicates"])


def resume(
    name: str,
    store: Store,
    *,
    overrides: Sequence[str] = (),
    checkpoints: Path,
    progress: Progress,
    on_member: Callable[[str], None] = lambda _: None,
) -> str:
    """Go on with a run, or with a family: its stopped member, then those that are missing.
    ``overrides`` may change what changes no answer. Raises as :func:`simulator.run.resume`,
    and for a member, which its family goes on with."""
    family = families.find(store, name)
    if family is None:
        if (of := queries.run(store, name).family) is not None:
            raise InputError(f"run {name}", found=f"a member of {of}", fix=f"audition resume {of}")
        return run.resume(
            name, store, overrides=overrides, checkpoints=checkpoints, progress=progress
        )
    with store.lock_run(name):
        scenario = changed(family.scenario, overrides, f"family {name}")
        run.check_same(name, family.versions, family.identity, scenario)
        for one in queries.family(store, name):
            run.check_prices(store, one.name, scenario)
        playing = _Playing(
            name,
            members(scenario),
            family.scenario_file,
            store,
            checkpoints,
            progress,
            on_member,
        )
        return playing.play()


def scenario_file(store: Store, name: str) -> str:
    """The file that a run or a family was read from. Raises InputError for neither."""
    family = families.find(store, name)
    return queries.run(store, name).scenario_file if family is None else family.scenario_file


@dataclass(frozen=True)
class _Playing:
    """A family, from its beginning or from where it was stopped."""

    family: str
    places: Sequence[Member]
    file: str
    store: Store
    checkpoints: Path
    progress: Progress
    on_member: Callable[[str], None]

    def play(self) -> str:
        for member in self.places:
            with self.progress.within(self._title(member)):
                self._play(member)
            self.on_member(self.family + member.suffix)
        return self.family

    def _play(self, member: Member) -> None:
        name = self.family + member.suffix
        there = {one.name: one for one in queries.family(self.store, self.family)}
        place = run.Member(
            self.family,
            member.world,
            member.replicate,
            self._spent([one for one in there.values() if one.name != name]),
            self._same_people(member),
        )
        if name in there:
            run.resume(
                name,
                self.store,
                scenario=member.scenario,
                checkpoints=self.checkpoints,
                progress=self.progress,
                member=place,
            )
        else:
            run.execute(
                member.scenario,
                self.file,
                self.store,
                name=name,
                checkpoints=self.checkpoints,
                progress=self.progress,
                member=place,
            )

    def _title(self, member: Member) -> str:
        """Of what is said of a member."""
        last = self.places[-1]
        parts = [("world", member.world, last.world)]
        parts.append(("replicate", member.replicate, last.replicate))
        return ", ".join(f"{what} {now} of {n}" for what, now, n in parts if n > 1)

    def _same_people(self, member: Member) -> str | None:
        """The run of the same world that was played first."""
        if member.replicate == 1:
            return None
        first = (one for one in self.places if one.world == member.world)
        return self.family + next(first).suffix

    def _spent(self, others: Sequence[Run]) -> Spent:
        """What they used of the family's budget."""
        used = Spent()
        for one in others:
            used += profiles.spent_on(one.dataset) + queries.spent(self.store, one.name)
        return used
