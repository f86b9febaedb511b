"""``audition plan``: what a scenario costs and finds as one document, and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from ..errors import InputError
from ..evaluation.study import Study
from ..report.grounding import beside as grounding_beside
from ..report.wording import duration
from ..run import identity
from ..scenario import Scenario
from ..storage import queries
from ..storage.store import Store
from ..world import World
from . import table as sizing_table
from .parts import Figures, Size
from .questions import BROWSED, Browsing
from .sizing import size
from .spending import PILOT, spending, visits
from .two_audiences import beside
from .wanted import Wanted


def plan(
    world: World,
    *,
    pages: float | None = None,
    latency: float = 2.0,
    store: Store | None = None,
    wanted: Wanted | None = None,
    study: Study | None = None,
    cheap: Study | None = None,
) -> Figures:
    """What the scenario asks, spends and takes, as plain data, all worlds and replicates
    together. ``pages`` expected of a session, ``latency`` seconds of a call; ``wanted``: what
    is to be found, sized by the spread in ``study``, also beside a run of a ``cheap`` audience.
    Raises InputError for pages out of range, agents of neither known kind, or a study of
    something else."""
    scenario, browsed = world.scenario, browsing(world.scenario, pages)
    spent = spending(world, browsed, latency)
    now = Size(len(world.audience), scenario.worlds)
    document: Figures = {
        "scenario": scenario.name,
        "model": scenario.agents.response.model,
        "grounding": scenario.grounding,
        "agents": len(world.audience),
        "arms": [arm.name for arm in scenario.arms],
        "rounds": scenario.rounds,
        "worlds": scenario.worlds,
        "replicates": scenario.agents.replicates,
        **visits(world, browsed, now),
        **spent.full(now),
    }
    if store is not None and "price" in document:
        document["kept"] = _kept(world, store)
    if study is not None:
        document["assumptions"] = [text for text in document["assumptions"] if text != PILOT]
    users = len(np.unique(world.split.train.user))

    def cost(units: int) -> Figures:
        of = Size(now.agents, units) if scenario.worlds > 1 else Size(units, 1)
        return spent.totals(of)

    asked = wanted or Wanted(scenario.evaluation.primary)
    sized = size(scenario, asked, users, study, cost)
    if study is not None and cheap is not None:
        sized |= {"two_audiences": beside(study, cheap, sized)}
    return document | {"size": sized}


def browsing(scenario: Scenario, pages: float | None) -> Browsing:
    """How long visits are. Raises InputError for pages out of range."""
    most = scenario.session.max_pages
    expected = BROWSED * most if pages is None else pages
    if not 1 <= expected <= most:
        raise InputError(
            "--pages", found=f"{expected:g}", allowed=f"1 to {most}, session.max_pages"
        )
    return Browsing(expected, most)


def _kept(world: World, store: Store) -> dict[str, Any]:
    """Replies that a run of the very same scenario left in the store."""
    return queries.kept_replies(store, identity(world.scenario))


def render(document: Mapping[str, Any]) -> RenderableType:
    """The document for a terminal."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    table.add_column(
        f"{document['scenario']}: {document['model']} agents{grounding_beside(document)}"
    )
    table.add_column("expected", justify="right")
    table.add_column("at most", justify="right")
    arms = ", ".join(document["arms"])
    table.add_row("agents", f"{document['agents']:,}", "")
    table.add_row(f"arms ({arms})", str(len(document["arms"])), "")
    for name in ("rounds", "worlds", "replicates"):
        if name == "rounds" or document[name] > 1:
            table.add_row(name, str(document[name]), "")
    for name in ("pages", "calls"):
        table.add_row(name, *_both(document[name]))
    for kind, figures in document.get("by_kind", {}).items():
        each = f"  {kind}: {figures['prompt']:,} + {figures['reply']:,} tokens each"
        table.add_row(each, f"{figures['calls']:,}", "")
    for part, name in (("prompt", "tokens of prompts"), ("reply", "tokens of replies")):
        table.add_row(name, *_both(document["tokens"][part]))
    table.add_row("cost, USD", *(_usd(document["usd"][key]) for key in ("expected", "most")))
    table.add_row("time", duration(document["seconds"]["expected"]), "")
    return Group(table, *_lines(document), *sizing_table.blocks(document["size"]))


def _lines(document: Mapping[str, Any]) -> list[str]:
    lines = [f"time is set by {document['seconds']['bound_by']}"]
    if "price" in document:
        lines.append(document["price"])
    for name, cap in document.get("budget", {}).items():
        if cap["cap"] is not None:
            lines.append(f"budget.{name} {cap['cap']:g}: {cap['means']}")
    if kept := document.get("kept"):
        lines.append(
            f"the store holds {kept['replies']:,} replies of {kept['runs']} runs of this "
            "scenario: they are not asked again"
        )
    return [*lines, *(f"- {text}" for text in document["assumptions"])]


def _both(figures: Mapping[str, int]) -> tuple[str, str]:
    return f"{figures['expected']:,}", f"{figures['most']:,}"


def _usd(cost: float | None) -> str:
    if cost is None:
        return "unknown"
    return f"{cost:,.4f}" if 0 < cost < 0.1 else f"{cost:,.2f}"
