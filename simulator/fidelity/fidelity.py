"""``audition fidelity``: every measure that a scenario's data allow, and why the others cannot be
taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from agents.interface import ResponseModel

from .. import __version__
from ..audit.rehearsal import embedded
from ..calibration.fitted import unseen
from ..progress import Progress
from ..world import World
from . import llm_run, memory, ratings, recall, sessions, slates, slots, taste, traits
from .measures import Measure
from .slates import Slates

NO_RELEVANCE = (
    "nothing is held out that an agent may be shown (dataset.split, session.hide), so that nobody "
    "knows which of its items are relevant"
)
CHAT = (
    "the audience asks a chat model, and this measure asks it some twenty times over; take a "
    "scenario with model: behavioural"
)
NO_RUN = (
    "the data set has no published run of language-model agents beside it "
    "(exposures.csv.gz and sessions.csv of source agent4rec)"
)
NO_RATINGS = "the data have no held-out ratings"


@dataclass(frozen=True, eq=False)
class Found:
    """``measures`` by test, in order; ``missing`` why a test could not be made; ``tables`` what
    is told by rows instead."""

    measures: list[Measure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    tables: dict[str, list[dict[str, float | str]]] = field(default_factory=dict)


def fidelity(world: World, progress: Progress) -> dict[str, Any]:
    """The whole document, of the agents that the audience's preset was not fitted on. Numbers
    that do not exist are None. Raises InputError where no such agent is left."""
    others = unseen(world)
    world = others.world
    if others.remark:
        progress.say(others.remark)
    found = Found()
    model = world.response
    folder = slates.folder(world)
    published = None if folder is None else slates.read(folder, world)
    cheap = embedded(world)
    for name, (why, test) in _tests(world, model, published, cheap).items():
        if why is not None:
            found.missing[name] = why
            continue
        progress.say(f"fidelity: {name}")
        taken = list(test(found))
        found.measures.extend(taken)
        if not taken:
            found.missing[name] = NO_RATINGS if name == "ratings" else "no agent has the items"
    scenario = world.scenario.model_dump(mode="json")
    document = {
        "scenario": scenario,
        "scenario_file": world.file,
        "version": __version__,
        "dataset": {"name": world.dataset.name, "items": world.dataset.n_items},
        "agents": len(world.audience),
        "left_out": {"agents": others.left_out, "remark": others.remark},
        "confidence": world.scenario.evaluation.confidence,
        "measures": [one.document() for one in found.measures],
        "missing": found.missing,
        "tables": found.tables,
    }
    cleaned: dict[str, Any] = _plain(document)
    return cleaned


Test = Callable[[Found], Iterable[Measure]]


def _tests(
    world: World, model: ResponseModel, published: Slates | None, cheap: bool
) -> Mapping[str, tuple[str | None, Test]]:
    """By name: why it cannot be made (None: it can), and how it is."""
    held = len(world.split.valid) + len(world.split.test)
    dear = None if cheap else CHAT
    nobody_knows = None if world.relevant is not None else NO_RELEVANCE
    relevance = dear or nobody_knows

    def against(found: Found) -> Iterable[Measure]:
        assert published is not None
        compared = llm_run.compare(world, published, model)
        found.tables["calibration"] = compared.calibration
        found.tables["exit hazards"] = compared.hazards
        return compared.measures

    def of(function: Callable[..., Iterable[Measure]], *given: Any) -> Test:
        called = partial(function, world, *given)
        return lambda _: called()

    nothing_held = None if held else "nothing is held out (dataset.split)"
    return {
        "taste": (dear or nothing_held, of(taste.measure, model)),
        "ratings": (dear or nothing_held, of(ratings.measure, model)),
        "traits": (relevance, of(traits.measure, model)),
        "slots": (relevance, of(slots.measure, model)),
        "sessions": (relevance, of(sessions.measure, published, model)),
        "memory": (relevance, of(memory.measure, published, model)),
        "retrieval": (nobody_knows, of(recall.measure, model if cheap else None)),
        "llm run": (dear or (None if published is not None else NO_RUN), against),
    }


def _plain(value: Any) -> Any:
    """Nothing that JSON has no word for."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
