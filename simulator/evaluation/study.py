"""What is evaluated together: one run, or all runs of a family, read from the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ..errors import InputError
from ..storage import families, known, queries
from ..storage.queries import Run
from ..storage.store import Store
from .covariates import TRAITS, traits
from .simulated import METRICS, Log, parts, values
from .units import Unit

PRIMARY = "s_sat"
"""The primary metric of a scenario that names none."""


@dataclass(frozen=True, eq=False)
class Study:
    """``members``: the runs, one or several of a family, in order of (world, replicate);
    ``scenario`` as resolved, of the whole; ``family``: whether ``name`` is a family's."""

    store: Store
    name: str
    scenario: dict[str, Any]
    members: tuple[Run, ...]
    family: bool

    @property
    def first(self) -> Run:
        return self.members[0]

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        """The scenario's section, with defaults where an old or imported run has none."""
        defaults: dict[str, Any] = {"confidence": 0.95, "primary": PRIMARY, "guardrails": {}}
        defaults |= {"margins": {}, "correction": "holm", "interval": "t", "adjust": False}
        defaults |= {"stop": "fixed", "look_every": 10}
        return {**defaults, **(self.scenario.get("evaluation") or {})}

    @property
    def confidence(self) -> float:
        return float(self.evaluation["confidence"])

    @property
    def worlds(self) -> int:
        """Different worlds that were begun."""
        return len({run.world for run in self.members})

    @property
    def replicates(self) -> int:
        return len({run.replicate for run in self.members})

    @property
    def unit(self) -> Unit:
        """Worlds where the scenario asks for several, however many were begun."""
        return "world" if int(self.scenario.get("worlds") or 1) > 1 else "agent"

    @property
    def status(self) -> str:
        """That of the first member that is not finished."""
        return next((run.status for run in self.members if run.status != "finished"), "finished")

    @cached_property
    def arms_of(self) -> dict[str, pd.DataFrame]:
        """By member: its arms as ``queries.arms`` gives them."""
        return {run.name: queries.arms(self.store, run.name) for run in self.members}

    @cached_property
    def arms(self) -> list[str]:
        """Names in the scenario's order; a run that has just begun may lack some."""
        names = (str(arm) for frame in self.arms_of.values() for arm in frame["arm"])
        return list(dict.fromkeys(names))

    @property
    def control(self) -> str | None:
        frame = self.arms_of[self.first.name]
        chosen = frame.loc[frame["is_control"], "arm"]
        return str(chosen.iloc[0]) if len(chosen) else None

    @cached_property
    def logs(self) -> dict[str, Log]:
        """By member: what its metrics are computed from."""
        return {run.name: log(self.store, run.name) for run in self.members}

    @cached_property
    def values(self) -> pd.DataFrame:
        """arm (ordered category), round, agent, failed, world, replicate, and a column a
        metric: a row for each session of every member, NaN where undefined."""
        return self._joined(
            values(self.logs[run.name]).assign(world=run.world, replicate=run.replicate)
            for run in self.members
        )

    @cached_property
    def parts(self) -> pd.DataFrame:
        """``simulated.parts`` of every member, with world and replicate."""
        return self._joined(
            parts(self.logs[run.name]).assign(world=run.world, replicate=run.replicate)
            for run in self.members
        )

    @cached_property
    def people(self) -> pd.DataFrame:
        """``queries.agents`` of each world's first member, with ``world``."""
        frames = [
            queries.agents(self.store, run.name).assign(world=run.world) for run in self.firsts
        ]
        return pd.concat(frames, ignore_index=True)

    @property
    def covariates(self) -> pd.DataFrame | None:
        """world, agent and the traits' own values, which were there before any arm; a row for
        each agent of the audience. None where none are known."""
        known = traits(self.people).dropna(axis=1, how="all")
        return known if len(known) and set(known) & set(TRAITS) else None

    @property
    def population(self) -> dict[str, float] | None:
        """The covariates' means over everybody an agent could have been drawn from; None in
        runs that did not keep them."""
        found: dict[str, float] | None = self.first.dataset.get("covariates")
        return found

    @cached_property
    def sessions(self) -> pd.DataFrame:
        """``queries.sessions`` of every member, with world and replicate."""
        return self._joined(
            self.logs[run.name].sessions.assign(world=run.world, replicate=run.replicate)
            for run in self.members
        )

    @cached_property
    def offline(self) -> pd.DataFrame:
        """``queries.offline`` of each world's first member (replicates train alike), with
        ``world``."""
        return self._joined(
            queries.offline(self.store, run.name).assign(world=run.world) for run in self.firsts
        )

    @property
    def firsts(self) -> list[Run]:
        """The first member of each world: replicates have its people and its training."""
        by_world = {run.world: run for run in reversed(self.members)}
        return [by_world[world] for world in sorted(by_world)]

    def _joined(self, frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
        out = pd.concat([frame.astype({"arm": str}) for frame in frames], ignore_index=True)
        return out.assign(arm=pd.Categorical(out["arm"], categories=self.arms, ordered=True))

    def learned(self, arm: str) -> bool:
        """Whether the arm's refits learned from its agents."""
        specs = {spec["name"]: spec for spec in self.scenario.get("arms", ())}
        own = specs.get(arm, {}).get("feedback")
        return bool((own or self.scenario.get("feedback") or "none") != "none")

    def coupled(self, round_: int) -> bool:
        """Whether agents of that round are not independent of each other: some arm was
        refitted on what they all did before."""
        return round_ > 1 and any(self.learned(arm) for arm in self.arms)


def read(store: Store, name: str | None = None) -> Study:
    """The run or family of that name; when None, the latest run, or the family it is of.

    InputError where there is none, or where no run of the family was begun.
    """
    if name is None:
        latest = queries.run(store)
        name = latest.family or latest.name
    family = families.find(store, name)
    if family is None:
        there = known.names(store)
        if name not in there:
            raise InputError(
                store.name,
                key="run",
                found=repr(name),
                allowed=", ".join(there) or "none there yet",
            )
        run = queries.run(store, name)
        return Study(store, run.name, run.scenario, (run,), family=False)
    members = tuple(queries.family(store, name))
    if not members:
        raise InputError(
            store.name, key="run", found=f"{name!r}, of which nothing was run yet",
            fix=f"audition resume {name}",
        )  # fmt: skip
    return Study(store, name, family.scenario, members, family=True)


def log(store: Store, run_name: str | None = None) -> Log:
    """What the metrics of one run are computed from."""
    run = queries.run(store, run_name)
    items = queries.items(store, run.name)
    genres: list[tuple[str, ...]] = [()] * (int(items["item"].max()) + 1 if len(items) else 0)
    for item, names in zip(items["item"], items["genres"], strict=True):
        genres[item] = tuple(names)
    low, high = run.dataset.get("rating_scale", (1.0, 5.0))
    return Log(
        sessions=queries.sessions(store, run.name),
        exposures=queries.exposures(store, run.name, columns=["item", "watched", "rating"]),
        genres=tuple(genres),
        rating_scale=(float(low), float(high)),
    )


def per_unit(
    measured: pd.DataFrame, unit: Unit, columns: Sequence[str] = tuple(METRICS)
) -> pd.DataFrame:
    """One row a unit and arm: arm, unit (agent or world), a column a metric.

    ``measured``: rows of :attr:`Study.values`, of one round, or with other ``columns``. An
    agent's value is its mean over replicates, a world's the mean over its agents; NaN only
    where nothing is defined.
    """
    by_agent = measured.groupby(["arm", "world", "agent"], observed=True)[list(columns)].mean()
    out = by_agent
    if unit == "world":
        out = by_agent.groupby(["arm", "world"], observed=True).mean()
    return (
        out.reset_index()
        .drop(columns=[] if unit == "world" else "world")
        .rename(columns={unit: "unit"})
    )
