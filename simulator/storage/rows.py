"""A page's answers and notes, and calls, as columns of their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.interface import NO_ITEM, OK, Answers, Call, MemoryEntry

from . import bulk

IntArray = npt.NDArray[np.int64]


def page_columns(agent: IntArray, answers: Answers) -> dict[str, bulk.Values]:
    """The columns of ``pages``; numbers and flags of a failed answer are NULL."""
    ok = _ok(answers)
    return {
        "agent": agent,
        "satisfaction": _where(ok, answers.satisfaction),
        "fatigue": _where(ok, answers.fatigue),
        "leave": _where(ok, answers.leave),
        "reason": answers.reason,
        "feeling": answers.feeling,
        "outcome": answers.outcome,
    }


def exposure_columns(
    agent: IntArray,
    item: IntArray,
    rank: IntArray,
    answers: Answers,
    relevant: npt.NDArray[np.bool_] | None,
    utility: npt.NDArray[np.floating[Any]] | None,
) -> dict[str, Any]:
    """(B, k) arrays as columns of their B * k exposures, padded slots left out."""
    n_agents, k = item.shape
    ok = _ok(answers)
    slots = np.broadcast_to(np.arange(1, k + 1), item.shape)
    columns: dict[str, Any] = {
        "agent": np.repeat(agent, k),
        "slot": slots,
        "rank": rank,
        "item": item,
        "relevant": relevant,
        "utility": utility,
        "interest": _where(ok, answers.interest),
        "aligned": _where(ok, answers.aligned),
        "watched": _where(ok, answers.watched),
        "rating": _where(ok, answers.rating),
        "reason": _flat(answers.item_reason),
        "feeling": _flat(answers.item_feeling),
    }
    for name in ("relevant", "utility", "interest", "aligned", "watched", "rating", "rank"):
        if columns[name] is not None and columns[name].shape != (n_agents, k):
            raise ValueError(f"{name} is {columns[name].shape}, the page {(n_agents, k)}")
    flat = {n: v.ravel() if isinstance(v, np.ndarray) else v for n, v in columns.items()}
    shown = flat["item"] != NO_ITEM
    if shown.all():
        return flat
    keep = np.flatnonzero(shown)
    return {
        name: None
        if values is None
        else values[keep]
        if isinstance(values, np.ndarray)
        else [values[i] for i in keep]
        for name, values in flat.items()
    }


def _ok(answers: Answers) -> npt.NDArray[np.bool_] | None:
    """(B,) which answers can be used; None if all can, the usual case."""
    if all(outcome == OK for outcome in answers.outcome):
        return None
    return np.array([outcome == OK for outcome in answers.outcome])


def _where(ok: npt.NDArray[np.bool_] | None, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``values`` with None in the rows that are not ok."""
    if ok is None:
        return values
    out = values.astype(object)
    out[~ok] = None
    return out


def _flat(texts: Sequence[Sequence[str]] | None) -> list[str] | None:
    return None if texts is None else [text for row in texts for text in row]


def memory_columns(
    memories: Sequence[MemoryEntry], agent: Sequence[int], last: Mapping[tuple[int, int], int]
) -> dict[str, bulk.Values]:
    """The columns of ``memories``: numbered within each agent's page in the order noted,
    after the ``last`` position by (page, agent)."""
    columns = _by_field(memories, ("page", "kind", "text", "importance"))
    reached, positions = dict(last), []
    for key in zip(columns["page"], agent, strict=True):
        reached[key] = reached.get(key, 0) + 1
        positions.append(reached[key])
    return {"agent": agent, "position": positions, **columns}


USABLE = (OK, "repaired")
"""Outcomes of replies that may answer the same question again."""

CALL_FIELDS = tuple(name for name in Call.__dataclass_fields__ if name != "row")
"""The columns of ``calls`` that are fields of a call."""


def call_columns(calls: Sequence[Call], agent: bulk.Values) -> dict[str, bulk.Values]:
    """The columns of ``calls``, arm and round left out."""
    return {"agent": agent, **_by_field(calls, CALL_FIELDS)}


def _by_field(entries: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: [getattr(entry, name) for entry in entries] for name in names}
