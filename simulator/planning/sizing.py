"""How many agents a wanted difference takes, from the spread that a pilot or a stored run
shows.

The spread of paired differences is all that is taken from the pilot: never the difference
it happened to find, which in a small run says next to nothing and, where it was noticed
because it was large, is too large (Gelman and Carlin, "Beyond power calculations", 2014).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special

from ..errors import InputError
from ..evaluation.components import Split
from ..evaluation.power import Groups, detectable, needed
from ..evaluation.sequential import tuning
from ..evaluation.study import Study
from ..evaluation.units import Sessions, Unit, sessions
from ..scenario import Scenario
from .spread import Within, agents_per_world, spread
from .wanted import Corrected, Wanted

STANDARD = (0.1, 0.2, 0.3, 0.5)
"""Differences in standard deviations of paired differences: what Cohen (1988) calls small is
0.2, medium 0.5."""


@dataclass(frozen=True)
class Sized:
    """One arm against the control. ``units``: pairs in the pilot; standard deviations of
    the planned run's paired differences and of two groups of as many; ``detectable``: the
    true difference that the planned size finds; ``needed``: units that find the wanted one,
    ``needed_unpaired`` in each of two groups, None where no number of them is known to;
    ``agents_per_world`` for which all this holds, None where agents are units; ``advice``
    where the data set has not enough."""

    arm: str
    control: str
    units: int
    sd: float
    sd_unpaired: float
    correlation: float
    detectable: float
    needed: int | None
    needed_unpaired: int | None
    agents_per_world: float | None
    advice: str | None = None


@dataclass(frozen=True)
class _Aim:
    """``confidence`` of a single test; ``within`` and ``planned``: what units of the scenario
    are, and how many; ``users`` who can be agents, None for worlds."""

    wanted: Wanted
    confidence: float
    within: Within
    planned: int
    users: int | None

    def units(self, sd: float, groups: Groups = 1) -> int | None:
        """That find the wanted difference; None where it was not said."""
        if self.wanted.difference is None:
            return None
        if sd == 0:
            return 2
        return needed(self.wanted.difference / sd, self.wanted.power, self.confidence, groups)


def size(
    scenario: Scenario,
    wanted: Wanted,
    users: int,
    study: Study | None,
    cost: Callable[[int], Mapping[str, Any]],
) -> dict[str, Any]:
    """As plain data; ``users`` of the data set can be agents, ``cost`` is that of a run of so
    many units. Raises InputError where ``study`` says nothing about this scenario."""
    unit: Unit = "world" if scenario.worlds > 1 else "agent"
    planned = scenario.worlds if unit == "world" else scenario.agents.count
    corrected = Corrected.of(scenario, wanted.metric)
    within = Within(unit, scenario.agents.count, scenario.agents.replicates)
    aim = _Aim(wanted, corrected.confidence, within, planned, None if unit == "world" else users)
    document: dict[str, Any] = {
        "metric": wanted.metric,
        "unit": unit,
        "difference": wanted.difference,
        "power": wanted.power,
        "confidence": scenario.evaluation.confidence,
        "tests": corrected.tests,
        "level": corrected.text,
        "planned": planned,
        "users": users,
        "standardised": [
            {"effect": effect, "units": needed(effect, wanted.power, corrected.confidence)}
            for effect in STANDARD
        ],
        "pilot": None,
        "arms": [],
        "notes": [],
    }
    if study is None:
        return document
    found = _sessions(study, scenario, wanted.metric, unit)
    arms = [arm.name for arm in scenario.arms if arm.name != scenario.control]
    sized = [_arm(found, scenario.control, arm, aim) for arm in arms if arm in found.columns]
    return document | {
        "pilot": {"run": study.name, "status": study.status, "replicates": study.replicates},
        "arms": [asdict(one) | {"cost": _cost(one, aim, cost)} for one in sized],
        "notes": [*_notes(study, scenario, corrected), *_worlds(study, found, within, sized)],
    }


def _notes(study: Study, scenario: Scenario, corrected: Corrected) -> list[str]:
    """What is to be known of the figures."""
    out = []
    if study.status != "finished":
        out.append(
            f"{study.name} is not finished ({study.status}): arms it has not played yet lack"
        )
    if study.replicates == 1 and scenario.agents.replicates > 1:
        out.append(
            f"agents of {study.name} came once: with {scenario.agents.replicates} replicates "
            "they vary less, and fewer are needed than is said"
        )
    if scenario.evaluation.stop == "anytime":
        out.append(
            "figures are those of a test at the end; an interval that may be looked at any time "
            f"is {_wider(corrected.confidence):.2f} times as wide at the planned size"
        )
    return out


def _worlds(study: Study, found: Sessions, planned: Within, sized: Sequence[Sized]) -> list[str]:
    """What is to be known where worlds are not as large as those of the pilot."""
    if planned.unit == "agent":
        return []
    out = []
    if 1 < study.replicates != planned.replicates:
        out.append(
            f"figures hold for agents with {study.replicates} replicates, as in {study.name}"
        )
    seen = float(agents_per_world(found).mean())
    held = {one.agents_per_world for one in sized}
    if held - {planned.agents}:
        out.append(
            f"figures hold for worlds of {_agents(seen)}, as in {study.name}; how they change "
            f"with {planned.agents:,} is told by a pilot with more agents a world"
        )
    elif seen != planned.agents:
        out.append(
            f"{study.name} has worlds of {_agents(seen)}; figures are for worlds of "
            f"{planned.agents:,}, by the variances between worlds and within them, of which "
            f"{found.units} worlds tell the first only roughly"
        )
    return out


def _agents(n: float) -> str:
    """
    >>> _agents(1), _agents(39.5)
    ('1 agent', '39.5 agents')
    """
    return f"{n:,.4g} agent{'s' * (n != 1)}"


def _wider(confidence: float) -> float:
    """The confidence sequence over the interval of a fixed, large size, where it is narrowest."""
    n = 1_000_000
    x = n * tuning(n, 1 - confidence) ** 2
    half = np.sqrt(2 * (x + 1) / x * (0.5 * np.log1p(x) - np.log(1 - confidence)))
    return float(half / special.ndtri((1 + confidence) / 2))


def _sessions(study: Study, scenario: Scenario, metric: str, unit: Unit) -> Sessions:
    """The last round of the pilot. Raises InputError where it is of another kind."""
    where, values = f"run {study.name}", study.values
    names = [arm.name for arm in scenario.arms]
    if scenario.control not in study.arms or len(set(names) & set(study.arms)) < 2:
        raise InputError(
            where,
            found=f"arms {', '.join(study.arms)}",
            allowed=f"the scenario's control, {scenario.control}, and one more of its arms",
        )
    asked, known = scenario.grounding, str(study.scenario.get("grounding") or "none")
    if asked != known:
        raise InputError(
            where,
            key="grounding",
            found=known,
            allowed=f"{asked}, as in the scenario: agents vary otherwise with it",
            fix=f"--set grounding={known}",
        )
    if study.unit != unit:
        kinds = {"agent": "one world", "world": "several worlds"}
        raise InputError(
            where, found=f"a run of {kinds[study.unit]}", allowed=f"one of {kinds[unit]}"
        )
    last = int(values["round"].max()) if len(values) else 1
    if unit == "agent" and study.coupled(last):
        raise InputError(
            where,
            found="arms that learned from these agents, who then are no independent units",
            allowed="a run of several worlds",
            fix="--set worlds=5",
        )
    return sessions(values[values["round"] == last], [metric], unit)


def _arm(found: Sessions, control: str, arm: str, aim: _Aim) -> Sized:
    seen = spread(found, control, arm, aim.wanted.metric, aim.confidence, aim.within)
    wanted = aim.units(seen.sd)
    return Sized(
        arm=arm,
        control=control,
        units=seen.units,
        sd=seen.sd,
        sd_unpaired=seen.sd_unpaired,
        correlation=seen.correlation,
        detectable=detectable(aim.planned, aim.wanted.power, aim.confidence) * seen.sd,
        needed=wanted,
        needed_unpaired=aim.units(seen.sd_unpaired, groups=2),
        agents_per_world=seen.agents,
        advice=_advice(aim, wanted, seen.replicates),
    )


def _advice(aim: _Aim, wanted: int | None, part: Split | None) -> str | None:
    """What to do where the data set has fewer users than are needed."""
    if aim.users is None or aim.wanted.difference is None:
        return None
    if wanted is not None and wanted <= aim.users:
        return None
    lead = f"the data set has {aim.users:,} users"
    if part is None:
        return (
            f"{lead}; whether replicates can take the place of agents is told by a pilot with "
            "--set agents.replicates=3"
        )
    # The variance of one agent's mean with which all users would do.
    enough = (aim.wanted.difference / detectable(aim.users, aim.wanted.power, aim.confidence)) ** 2
    if enough <= part.between:
        return (
            f"{lead}, and no number of replicates is enough: agents differ too much from each "
            f"other (variance {part.between:.3g}, of replicates {part.within:.3g})"
        )
    replicates = int(np.ceil(part.within / (enough - part.between)))
    return f"{lead}; all of them with agents.replicates: {replicates} are enough"


def _cost(
    one: Sized, aim: _Aim, cost: Callable[[int], Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Of a run of the size needed; None where there is none, or no such audience."""
    if one.needed is None or (aim.users is not None and one.needed > aim.users):
        return None
    return cost(one.needed)
