"""What an audit says of another run's audience, found in the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..evaluation.simulated import METRICS, values
from ..evaluation.study import log
from ..storage import queries
from ..storage.queries import Run
from ..storage.store import Store
from .chance import unlike

_SAME = ("dataset", "session", "seed", "luck")


def state(store: Store, run: Run) -> dict[str, Any] | None:
    """The latest finished run of the same audience in which an arm was played twice under
    the same draw, measured again from its log; None where there is none.

    ``run``: its name; ``arms``: the two; ``agents``; ``differing``: sessions and exposures
    that are not the same in both; ``largest``: the largest difference of any metric;
    ``identical``: nothing differs.
    """
    wanted = _audience(run.scenario)
    finished = queries.runs(store).query("status == 'finished'")
    for name in reversed(finished["name"].tolist()):
        other = queries.run(store, name)
        if _audience(other.scenario) != wanted:
            continue
        pair = _pair(other.scenario)
        if pair is not None:
            return _measured(store, name, pair)
    return None


def _measured(store: Store, name: str, pair: tuple[str, str]) -> dict[str, Any]:
    sessions = queries.sessions(store, name)
    shown = queries.exposures(store, name)
    differing = {
        "sessions": unlike(sessions, *pair),
        "exposures": unlike(shown, *pair),
    }
    measured = values(log(store, name))
    one, again = (
        measured[measured["arm"] == arm].set_index(["round", "agent"])[list(METRICS)]
        for arm in pair
    )
    largest = float((one - again).abs().max().max())
    return {
        "run": name,
        "arms": list(pair),
        "agents": int(sessions["agent"].nunique()),
        "differing": differing,
        "largest": 0.0 if largest != largest else largest,  # all undefined in both
        "identical": not any(differing.values()),
    }


def _audience(scenario: Mapping[str, Any]) -> str:
    """What must be the same for an audit to speak of a run: its agents, and what they meet."""
    agents = {key: v for key, v in scenario.get("agents", {}).items() if key != "replicates"}
    chosen = {key: scenario.get(key) for key in _SAME} | {"agents": agents}
    chosen["grounding"] = scenario.get("grounding", "none")
    return json.dumps(chosen, sort_keys=True)


def _pair(scenario: Mapping[str, Any]) -> tuple[str, str] | None:
    """Two arms that differ in nothing but their names."""
    seen: dict[str, str] = {}
    for arm in scenario.get("arms", ()):
        rest = json.dumps({k: v for k, v in arm.items() if k != "name"}, sort_keys=True)
        if rest in seen:
            return seen[rest], str(arm["name"])
        seen[rest] = str(arm["name"])
    return None
