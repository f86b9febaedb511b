"""Named sets of behavioural settings that were fitted to data, each with how it was made.

A preset is a YAML file: ``settings``, and ``fit``, which says to what, how, on whom, and how
it scored on those it was not fitted on. Those that ship stand in ``fitted/``;
``audition calibrate`` writes further ones (docs/calibration.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..interface import AgentError

FOLDER = Path(__file__).parent / "fitted"


@dataclass(frozen=True)
class FittedAgents:
    """Whom a preset was fitted on: agents ``first`` to ``last`` (both counted) of the data set
    of this name and digest (``simulator.calibration.fitted.digest``)."""

    dataset: str
    digest: str
    first: int
    last: int


@dataclass(frozen=True)
class Preset:
    """``settings`` of the behavioural model; ``fit`` the provenance as the file has it;
    ``fitted`` None where the file does not say whom it was fitted on."""

    name: str
    settings: Mapping[str, Any]
    fit: Mapping[str, Any]
    fitted: FittedAgents | None = None


def names() -> tuple[str, ...]:
    """The presets that ship."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.yaml")))


def load(name: object) -> Preset:
    """The preset of that name, or in the file of that path (``.yaml``, from the present
    folder). Raises AgentError for an unknown name or a file that is none."""
    if not isinstance(name, str):
        raise AgentError(f"behavioural: preset: found {name!r}; needs a name or a file")
    own = name.endswith((".yaml", ".yml"))
    file = Path(name) if own else FOLDER / f"{name}.yaml"
    if not own and name not in names():
        raise AgentError(
            f"behavioural: preset: found {name!r}; known: {', '.join(names())}, "
            "or a .yaml file that audition calibrate wrote"
        )
    return _read(name, file)


@lru_cache(maxsize=16)
def _read(name: str, file: Path) -> Preset:
    try:
        found = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise AgentError(f"behavioural: preset: {file} cannot be read: {error}") from None
    except YAMLError as error:
        raise AgentError(f"behavioural: preset: {file} is no YAML: {error}") from None
    settings = found.get("settings") if isinstance(found, dict) else None
    if not isinstance(settings, dict) or "preset" in settings:
        raise AgentError(f"behavioural: preset: {file} has no settings of its own")
    fit = found.get("fit") or {}
    given = {str(key): _tuples(value) for key, value in settings.items()}
    return Preset(name, given, fit, _fitted(fit, file))


def _fitted(fit: object, file: Path) -> FittedAgents | None:
    said = fit.get("fitted_agents") if isinstance(fit, dict) else None
    if said is None:
        return None
    kinds = {"dataset": str, "digest": str, "first": int, "last": int}
    known = isinstance(said, dict) and set(said) == set(kinds)
    if not known or not all(type(said[key]) is kind for key, kind in kinds.items()):
        raise AgentError(
            f"behavioural: preset: {file}: fit.fitted_agents: found {said!r}; needs the texts "
            "dataset and digest and the whole numbers first and last"
        )
    return FittedAgents(**said)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
