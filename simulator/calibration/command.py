"""``audition calibrate``: what the command does, its options aside."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ruamel.yaml import YAML

from agents.response.behavioural import Behavioural

from .. import __version__
from ..errors import InputError
from ..fidelity import slates as published
from ..progress import Progress
from ..world import World
from . import llm_run, people, scores
from .fitted import check_base, provenance

Target = Literal["llm-run", "ratings"]
FITTED = {"llm-run": 5 / 7, "ratings": 1 / 2}
"""The share of the agents, in the order of their numbers, that settings are fitted on: of the 700
of Agent4Rec's run, 0 to 499."""


@dataclass(frozen=True)
class Calibrated:
    """``settings`` of the behavioural model; ``fit`` says how they came to be."""

    settings: dict[str, Any]
    fit: dict[str, Any]


def calibrate(
    world: World, to: Target, progress: Progress, share: float | None = None
) -> Calibrated:
    """Fit on the first ``share`` of the agents, score on the others.

    Raises InputError where the response model is another, or the data lack what is needed.
    """
    model = world.response
    if not isinstance(model, Behavioural):
        raise InputError(
            world.file,
            key="agents.response.model",
            found=type(model).__name__,
            allowed="behavioural: its settings are what is fitted",
        )
    share = FITTED[to] if share is None else share
    how = llm_run.HOW if to == "llm-run" else people.HOW
    fitting = _llm_run if to == "llm-run" else _ratings
    settings, rows, found = fitting(world, model, share, progress)
    fit = {
        "to": to,
        "data": world.dataset.name,
        "how": how,
        "fitted_on": _whom(world, rows[0]),
        "fitted_agents": provenance(world, rows[0]),
        "scored_on": _whom(world, rows[1]),
        "seed": world.scenario.seed,
        "version": __version__,
        "held_out_scores": found,
    }
    return Calibrated(settings, fit)


def run(world: World, to: Target, out: Path, progress: Progress, share: float | None) -> str:
    """Calibrate, write the preset, and say what was written. Raises InputError."""
    if not out.parent.is_dir():
        raise InputError("--out", found=str(out), allowed="a file in a folder that is there")
    found = calibrate(world, to, progress, share)
    write(found, out)
    lines = [f"{to}: fitted on {found.fit['fitted_on']}, scored on {found.fit['scored_on']}"]
    lines += [
        f"  {name}: {_words(values)}" for name, values in found.fit["held_out_scores"].items()
    ]
    lines.append(f"Preset: {out} (response: {{model: behavioural, preset: {out}}})")
    return "\n".join(lines)


def write(found: Calibrated, file: Path) -> None:
    """As a preset file (agents/response/presets.py). Raises InputError."""
    yaml = YAML()
    yaml.width = 100
    text = io.StringIO()
    yaml.dump({"fit": _plain(found.fit), "settings": _plain(found.settings)}, text)
    try:
        file.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        found_ = f"{file} ({error.strerror})"
        raise InputError("--out", found=found_, allowed="a file to write") from None


def _llm_run(world: World, model: Behavioural, share: float, progress: Progress) -> Any:
    folder = published.folder(world)
    if folder is None:
        raise InputError(
            world.file,
            key="dataset.source",
            found=f"{world.scenario.dataset.source}, with no published run",
            allowed=f"agent4rec with {' and '.join(published.FILES)} beside its files",
        )
    slates = published.read(folder, world)
    first = _first(len(slates), share, world)
    check_base(world, slates.row[first:])
    progress.say(f"calibrate: fitting to {first} agents of the published run")
    settings = llm_run.fit(world, model, slates.rows(np.arange(len(slates)) < first))
    progress.say("calibrate: scoring on the others")
    rest = slates.rows(np.arange(len(slates)) >= first)
    found = scores.llm_run(world, rest, settings)
    return settings, (slates.row[:first], slates.row[first:]), found


def _ratings(world: World, model: Behavioural, share: float, progress: Progress) -> Any:
    rows = np.arange(len(world.audience), dtype=np.int64)
    first = _first(len(rows), share, world)
    check_base(world, rows[first:])
    progress.say(f"calibrate: fitting to the held-out items of {first} agents")
    settings = people.fit(world, model, rows[:first])
    progress.say("calibrate: scoring on the others")
    return settings, (rows[:first], rows[first:]), scores.ratings(world, rows[first:], settings)


def _first(n: int, share: float, world: World) -> int:
    first = round(share * n)
    if not 0 < first < n:
        raise InputError(
            world.file,
            key="agents.count",
            found=f"{n} agents, {first} of them to fit on",
            allowed="enough that some are fitted on and some are not",
        )
    return first


def _whom(world: World, rows: Any) -> str:
    numbers = world.audience.agent[rows]
    return f"{len(numbers)} agents, numbers {numbers.min()} to {numbers.max()}"


def _words(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def _plain(value: Any) -> Any:
    """For YAML: lists, and numbers with four significant digits after rounding."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return value
