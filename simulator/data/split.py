"""Parting interactions into train, valid and test; every rule without a loop over users.

Each rule puts the interactions in some order and names two boundaries on it; what lies
before the first is train, between them valid, after the second test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recommenders.interface import IntArray, Interactions

from ..errors import InputError
from ..randomness import stream
from .dataset import Dataset, Split
from .options import Option, near, number, resolve

DEFAULT_SHARES = {"train": 0.6, "valid": 0.2, "test": 0.2}


def _choice(*allowed: str, doc: str) -> Option:
    return Option(allowed[0], ", ".join(allowed), lambda value: value in allowed, doc)


_UNSEEN = _choice(
    "drop", "keep", doc="what becomes of valid and test interactions whose item train lacks"
)
_SHARES = {
    part: number(0.0, 0.0, 1.0, f"share of the interactions for {part}")
    for part in ("train", "valid", "test")
}
KINDS: dict[str, Mapping[str, Option]] = {
    "random": {**_SHARES, "unseen": _UNSEEN},
    "temporal": {
        **_SHARES,
        "scope": _choice("user", "global", doc="cut each user's time line, or one for all"),
        "unseen": _UNSEEN,
    },
    "leave_one_out": {
        "order": _choice("time", "random", doc="leave out the last two, or any two"),
        "unseen": _UNSEEN,
    },
    "given": {},
}
"""The kinds of split and their options."""


@dataclass(frozen=True)
class Plan:
    """A checked split: its kind and its options with defaults filled in."""

    kind: str
    options: Mapping[str, Any]


def check(spec: str | Mapping[str, Any] | None, *, scenario: object = "scenario") -> Plan | None:
    """What a scenario's ``dataset.split`` asks for; None leaves it to the data.

    ``given``, ``leave_one_out`` and so on by name, or a mapping with ``kind`` (default
    random) and its options. Raises InputError.
    """
    if spec is None:
        return None
    given = {"kind": spec} if isinstance(spec, str) else dict(spec)
    kind = given.pop("kind", "random")
    if kind not in KINDS:
        raise InputError(
            scenario,
            key="dataset.split.kind",
            found=repr(kind),
            allowed=", ".join(KINDS),
            fix=near(kind, KINDS),
        )
    known = KINDS[kind]
    if "train" in known and not any(part in given for part in _SHARES):
        given = {**DEFAULT_SHARES, **given}
    options = resolve(given, known, file=scenario, key="dataset.split")
    if "train" in known:
        _check_shares(options, scenario)
    return Plan(kind, options)


def split(
    dataset: Dataset,
    spec: str | Mapping[str, Any] | None,
    seed: int,
    *,
    scenario: object = "scenario",
) -> Split:
    """The data set's interactions in three disjoint parts.

    ``spec`` None takes the split the data came with and otherwise random shares of
    ``DEFAULT_SHARES``. Random choices depend on the seed and on the (user, item) pairs, not
    on the order of rows in a file. Raises InputError.
    """
    plan = check(spec, scenario=scenario)
    if plan is None and dataset.split is not None:
        return dataset.split
    plan = plan or Plan("random", {**DEFAULT_SHARES, "unseen": "drop"})
    if plan.kind == "given":
        if dataset.split is None:
            raise _refuse(scenario, "kind", "'given'", f"another kind: {dataset.name} has no split")
        return dataset.split
    events = dataset.interactions
    if _needs_time(plan) and events.timestamp is None:
        raise _refuse(
            scenario,
            "kind",
            f"{plan.kind!r} by time",
            f"a split without time: {dataset.name} has no timestamps",
            fix="order: random" if plan.kind == "leave_one_out" else "kind: random",
        )
    part = _parts(events, plan, _luck(events, seed))
    if plan.options["unseen"] == "drop":
        part = _drop_unseen(events, part)
    _check_filled(plan, part, scenario)
    return Split(*(take(events, part == wanted) for wanted in range(3)))


def _refuse(
    scenario: object, key: str, found: str, allowed: str, fix: str | None = None
) -> InputError:
    return InputError(scenario, key=f"dataset.split.{key}", found=found, allowed=allowed, fix=fix)


def _check_shares(options: Mapping[str, Any], scenario: object) -> None:
    shares = {part: options[part] for part in _SHARES}
    said = ", ".join(f"{part}: {share:g}" for part, share in shares.items())
    total = sum(shares.values())
    if abs(total - 1) > 1e-6:
        raise InputError(
            scenario,
            key="dataset.split",
            found=f"{{{said}}}, which sum to {total:g}",
            allowed="shares that sum to 1",
        )
    if shares["train"] <= 0:
        raise _refuse(scenario, "train", f"{shares['train']:g}", "a share above 0")


def _needs_time(plan: Plan) -> bool:
    return plan.kind == "temporal" or plan.options.get("order") == "time"


def _luck(events: Interactions, seed: int) -> npt.NDArray[np.float64]:
    """(n,) a draw for each interaction, dealt out in the order of (user, item)."""
    draws = stream(seed, "split").random(len(events))
    out = np.empty_like(draws)
    out[np.lexsort((events.item, events.user))] = draws
    return out


def _parts(events: Interactions, plan: Plan, luck: npt.NDArray[np.float64]) -> npt.NDArray[np.int8]:
    """(n,) 0 train, 1 valid, 2 test, -1 left out."""
    first = events.timestamp if _needs_time(plan) and events.timestamp is not None else luck
    if plan.options.get("scope") == "global":
        order = np.lexsort((luck, first))
        cuts = _boundaries(np.array([len(events)]), plan)
        part = _label(order, np.zeros(len(events), np.int64), np.array([len(events)]), *cuts)
        return _drop_strangers(events, part)
    order = np.lexsort((luck, first, events.user))
    counts = np.bincount(events.user, minlength=events.n_users)
    return _label(order, events.user, counts, *_boundaries(counts, plan))


def _boundaries(counts: IntArray, plan: Plan) -> tuple[IntArray, IntArray]:
    """Where train and valid end in groups of these sizes; train keeps at least one.

    Boundaries are rounded cumulatively, so each part is within one of its share.
    """
    if plan.kind == "leave_one_out":  # of two, one is tested; of one, none
        return np.maximum(counts - 2, np.minimum(counts, 1)), np.maximum(counts - 1, 1)
    train, valid = plan.options["train"], plan.options["valid"]
    half = 0.5 + 1e-9  # 0.4 + 0.3 is a little less than 0.7; both round as if exact
    first = np.maximum(np.floor(train * counts + half), np.minimum(counts, 1)).astype(np.int64)
    second = np.floor((train + valid) * counts + half).astype(np.int64)
    return first, np.maximum(first, second)


def _label(
    order: IntArray, group: IntArray, counts: IntArray, first: IntArray, second: IntArray
) -> npt.NDArray[np.int8]:
    """(n,) each interaction's part from its place in its group's order."""
    grouped = group[order]
    starts = np.cumsum(counts) - counts
    place = np.arange(len(order)) - starts[grouped]
    part = np.empty(len(order), dtype=np.int8)
    part[order] = (place >= first[grouped]).astype(np.int8) + (place >= second[grouped])
    return part


def _drop_strangers(events: Interactions, part: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Users whose time begins after the training time have no history to test."""
    known = np.zeros(events.n_users, dtype=bool)
    known[events.user[part == 0]] = True
    return np.where(known[events.user], part, -1).astype(np.int8)


def _drop_unseen(events: Interactions, part: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    trained = np.zeros(events.n_items, dtype=bool)
    trained[events.item[part == 0]] = True
    return np.where(trained[events.item], part, -1).astype(np.int8)


def _check_filled(plan: Plan, part: npt.NDArray[np.int8], scenario: object) -> None:
    for number_, name in enumerate(_SHARES):
        if (plan.options.get(name, 1.0) > 0) and not (part == number_).any():
            raise InputError(
                scenario,
                key="dataset.split",
                found=f"an empty {name} part of {len(part):,} interactions",
                allowed="parts that hold something",
                fix="a larger share, more data, or a share of 0",
            )


def take(events: Interactions, rows: npt.NDArray[np.bool_]) -> Interactions:
    return Interactions(
        user=events.user[rows],
        item=events.item[rows],
        n_users=events.n_users,
        n_items=events.n_items,
        rating=None if events.rating is None else events.rating[rows],
        timestamp=None if events.timestamp is None else events.timestamp[rows],
    )
