"""An audit's arms: the scenario's own, and the control arms beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..evaluation.simulated import METRICS
from ..oracle import NAME as ORACLE
from ..scenario import ArmSpec, Order, Scenario, changed

NOT_LEARNED = ("random", "popularity", ORACLE)
"""Recommenders that know nothing of an agent's tastes, or everything."""

DOSES = (0.0, 0.25, 0.5, 0.75, 1.0)
ON_SLOTS = 0.5
"""Share of random items on the pages that position is measured on: within one good list all
items are about as good as each other, and there is little merit to hold against position."""

_ORDERS: tuple[Order, ...] = ("ranked", "reversed", "shuffled")
_LONGEST = 36


@dataclass(frozen=True)
class Design:
    """The audit's scenario, and which of its arms plays which part (all by name).

    ``same``: an arm twice, and under another draw of chance. ``personal`` and ``popular``,
    each with its copy before swapped tastes. ``orders``: one arm in every order of slots.
    ``doses``: share of random items -> arm. ``oracle`` is None, and ``ladder`` (arms of known
    quality) and ``candidates`` (those of them that could be shipped) are empty, where the
    data does not know the truth.
    """

    scenario: Scenario
    same: tuple[str, str, str]
    personal: tuple[str, str]
    popular: tuple[str, str]
    orders: Mapping[Order, str]
    doses: tuple[tuple[float, str], ...]
    random: str
    oracle: str | None
    ladder: tuple[str, ...]
    candidates: tuple[str, ...]


def basis(scenario: Scenario, file: str) -> Scenario:
    """The scenario's first round, with the arms that controls are made from: a random one, a
    popular one and a learned one are added where it has none. Raises InputError."""
    _check(scenario, file)
    arms = [arm.model_dump(mode="json") for arm in scenario.arms]
    for recommender, there in (
        ("random", _plain(scenario.arms, "random")),
        ("popularity", _plain(scenario.arms, "popularity")),
        ("mf", learned(scenario)),
    ):
        if not there:
            arms.append({"name": _free(arms, recommender), "recommender": recommender})
    plain = scenario.resolved() | {
        "name": f"{scenario.name[:74]}-audit",
        "arms": [arm | {"feedback": None} for arm in arms],
        "rounds": 1,
        "feedback": "none",
        "worlds": 1,
    }
    plain["agents"]["replicates"] = 1
    plain["evaluation"]["stop"] = "fixed"
    return changed(plain, [], file)


def learned(scenario: Scenario) -> list[str]:
    """Arms of recommenders that learn an agent's tastes, as they are."""
    return [a.name for a in scenario.arms if a.recommender not in NOT_LEARNED and _bare(a)]


def design(base: Scenario, best: str, file: str, *, truth_known: bool) -> Design:
    """Every control's arms beside those of ``base`` (see :func:`basis`); ``best`` of the
    learned ones is what is personal."""
    arms = {arm.name: arm.model_dump(mode="json") for arm in base.arms}
    own = [arm.name for arm in base.arms if _bare(arm)]
    random = _plain(base.arms, "random")[0]
    popular = _plain(base.arms, "popularity")[0]

    def vary(name: str, words: str, **variant: Any) -> str:
        new = _free(list(arms.values()), f"{name[:_LONGEST]}, {words}")
        arms[new] = arms[name] | {"name": new} | variant
        return new

    def diluted(name: str, doses: Sequence[float]) -> list[tuple[float, str]]:
        return [(d, vary(name, f"{100 * d:g} % random", dilute=d) if d else name) for d in doses]

    control = base.control
    same = (
        control,
        vary(control, "again"),
        vary(control, "other draw", luck=arms[control]["luck"] + 1),
    )
    personal, liked = (
        (name, vary(name, "swapped tastes", tastes="swapped")) for name in (best, popular)
    )
    orders = {
        order: vary(best, f"mixed, {order}", order=order, dilute=ON_SLOTS) for order in _ORDERS
    }
    oracle: str | None = None
    ladder: tuple[str, ...] = ()
    if truth_known:
        oracle = next(iter(_plain(base.arms, ORACLE)), None)
        if oracle is None:
            oracle = _free(list(arms.values()), "oracle")
            arms[oracle] = {**_like(arms[best]), "name": oracle, "recommender": ORACLE}
    doses = tuple(diluted(oracle or best, DOSES))
    if oracle is not None:
        worse = [name for _, name in diluted(best, DOSES[1:-1])]
        known = [oracle, *(name for dose, name in doses if 0 < dose < 1), *worse]
        ladder = tuple(dict.fromkeys([*own, *known]))
    return Design(
        scenario=changed(base.resolved() | {"arms": list(arms.values())}, [], file),
        same=same,
        personal=personal,
        popular=liked,
        orders=orders,
        doses=doses,
        random=random,
        oracle=oracle,
        ladder=ladder,
        candidates=tuple(name for name in own if name != oracle) if oracle else (),
    )


def _check(scenario: Scenario, file: str) -> None:
    primary = scenario.evaluation.primary
    if primary in METRICS and METRICS[primary].better == 0:
        allowed = ", ".join(name for name, metric in METRICS.items() if metric.better)
        raise InputError(file, key="evaluation.primary", found=primary, allowed=allowed)
    if scenario.agents.count < 2:
        raise InputError(
            file, key="agents.count", found=str(scenario.agents.count), allowed="2 or more"
        )
    if scenario.replay is not None:
        raise InputError(
            file,
            key="replay",
            found=scenario.replay,
            allowed="null: no recording of the scenario holds an audit's control arms",
            fix="an audit asks only what no run in its store has asked",
        )


def _bare(arm: ArmSpec) -> bool:
    """The arm differs from the others in its recommender only."""
    return arm.order is None and arm.tastes == "own" and not arm.luck and not arm.dilute


def _plain(arms: Sequence[ArmSpec], recommender: str) -> list[str]:
    return [arm.name for arm in arms if arm.recommender == recommender and _bare(arm)]


def _like(arm: Mapping[str, Any]) -> dict[str, Any]:
    """The keys every arm has, without the settings of its recommender."""
    return {key: arm[key] for key in ArmSpec.model_fields}


def _free(arms: Sequence[Mapping[str, Any]], wanted: str) -> str:
    """The name, with a number where an arm has it already."""
    taken, name, number = {arm["name"] for arm in arms}, wanted, 2
    while name in taken:
        name, number = f"{wanted} ({number})", number + 1
    return name
