"""The tables of taste, ratings and memory in docs/fidelity.md, from real data.

    AUDITION_DATA=... python -m benchmarks.fidelity_tables taste|ratings|memory [--scenario FILE]
        [--part valid|test|both] [--agents FIRST:LAST] [--set name=value ...]

Agents are positions in the audience, the last one not included. Without ``--set`` the
scenario's own response model is measured; ``--set preset=movielens-people`` names a preset.
Memory is asked on what the scenario lets agents meet, whatever ``--part`` says.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from agents.interface import ResponseModel
from agents.registry import create
from simulator.fidelity import memory, ratings, recall, slates, taste
from simulator.fidelity.measures import Baseline, Measure
from simulator.scenario import load
from simulator.world import World, build

SCENARIO = Path(__file__).parents[1] / "scenarios" / "agent4rec.yaml"
PARTS: dict[str, tuple[taste.Part, ...]] = {
    "valid": ("valid",),
    "test": ("test",),
    "both": ("valid", "test"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("taste", "ratings", "memory"))
    parser.add_argument("--scenario", type=Path, default=SCENARIO)
    parser.add_argument("--part", choices=tuple(PARTS), default="test")
    parser.add_argument("--agents", default=":")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args(arguments)
    given = dict(text.split("=", 1) for text in options.set)
    settings = {name: YAML(typ="safe").load(value) for name, value in given.items()}
    world = build(load(options.scenario), str(options.scenario))
    first, last = (int(end) if end else None for end in options.agents.split(":"))
    rows = np.arange(len(world.audience), dtype=np.int64)[first:last]
    world = replace(world, audience=world.audience.rows(rows))
    model = create("behavioural", settings) if settings else world.response
    for one in measured(options.what, world, model, PARTS[options.part]):
        print(row(one))


def measured(
    what: str, world: World, model: ResponseModel, parts: tuple[taste.Part, ...]
) -> Iterator[Measure]:
    if what == "memory":
        folder = slates.folder(world)
        published = None if folder is None else slates.read(folder, world)
        yield from memory.measure(world, published, model)
        yield from recall.measure(world, model)
    else:
        of = taste.measure if what == "taste" else ratings.measure
        yield from of(world, model, parts=parts)


def row(measure: Measure) -> str:
    """One line of a Markdown table: test, case, figure, value, interval, agents, baselines."""
    beside = " | ".join(_beside(one) for one in measure.baselines)
    span = f"{measure.low:.3f} to {measure.high:.3f}"
    cells = (measure.test, measure.case, measure.name, f"{measure.value:.3f}", span)
    return f"| {' | '.join(cells)} | {measure.n} | {beside} |"


def _beside(one: Baseline) -> str:
    span = "" if np.isnan(one.low) else f" ({one.low:.3f} to {one.high:.3f})"
    return f"{one.name} {one.value:.3f}{span}"


if __name__ == "__main__":
    main()
