"""A pilot: the scenario with few agents, run to learn how much they vary."""

from __future__ import annotations

from pathlib import Path

from .. import family
from ..errors import InputError
from ..progress import Progress
from ..scenario import Scenario, changed
from ..storage.store import Store
from ..texts.wanted import written
from ..world import build
from .parts import Size
from .questions import Browsing
from .spending import spending


def run(
    scenario: Scenario,
    file: str,
    store: Store,
    agents: int,
    *,
    browsing: Browsing,
    latency: float,
    checkpoints: Path,
    progress: Progress,
) -> str:
    """Run it as NAME-pilot, an ordinary run (or family); returns the name it got.

    What a chat model is expected to cost is said before it is asked. Raises InputError for
    fewer than two agents, whose differences have no spread, as a run does, and for more than
    the scenario has.
    """
    most = scenario.agents.count
    least = 1 if scenario.worlds > 1 else 2
    if not least <= agents <= most:
        raise InputError(
            "--pilot", found=str(agents), allowed=f"{least} to {most}, agents.count of the scenario"
        )
    overrides = [f"agents.count={agents}", "evaluation.stop=fixed"]
    chosen = changed(scenario.resolved(), overrides, file)
    progress.say(_announcement(chosen, file, browsing, latency))
    name = f"{scenario.name}-pilot"
    return family.play(chosen, file, store, name=name, checkpoints=checkpoints, progress=progress)


def _announcement(scenario: Scenario, file: str, browsing: Browsing, latency: float) -> str:
    world = build(scenario, file)
    cost = spending(world, browsing, latency).totals(Size(scenario.agents.count, scenario.worlds))
    title = f"pilot of {scenario.agents.count:,} agents"
    if not cost["calls"]["most"]:
        return f"{title}: no calls, no cost"
    expected, at_most = cost["usd"]["expected"], cost["usd"]["most"]
    usd = "at an unknown price"
    if expected is not None:
        usd = f"{expected:,.2f} USD expected, {at_most:,.2f} USD at most"
    return f"{title}: about {cost['calls']['expected']:,} calls to {_model(scenario)}, {usd}"


def _model(scenario: Scenario) -> str:
    """Who is asked: the agents' model, and the one that writes what recommenders read."""
    response, writer = scenario.agents.response, scenario.texts.chat
    agents = response.options.get("name") if response.model == "chat" else None
    asked = [agents, writer.options.get("name") if writer and written(scenario) else None]
    return " and ".join(dict.fromkeys(str(name) for name in asked if name))
