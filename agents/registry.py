"""The response models by name; adding one is one file and one line here.

Outside code joins by ``"package.module:Class"``, a subclass of ``ResponseModel`` whose
settings are the keyword arguments of its constructor.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from .interface import AgentError, ResponseModel

NAMES: Mapping[str, str] = {
    "behavioural": "agents.response.behavioural:Behavioural",
    "chat": "agents.response.chat:Chat",
}
"""Registered name -> class path; a class is imported only when it is asked for."""


@dataclass(frozen=True)
class Spec:
    """One response model: its one-line doc and each setting's type and default."""

    name: str
    doc: str
    types: Mapping[str, Any]
    defaults: Mapping[str, Any]
    """A setting that is missing here has no default and must be given."""


def specs() -> tuple[Spec, ...]:
    """What is registered, in order; imports every class."""
    return tuple(spec(name) for name in NAMES)


def spec(name_or_path: str) -> Spec:
    """The settings of one response model; AgentError if there is no such model."""
    model = _load(name_or_path)
    types: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for parameter in inspect.signature(model, eval_str=True).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        annotated = parameter.annotation is not parameter.empty
        types[parameter.name] = parameter.annotation if annotated else Any
        if parameter.default is not parameter.empty:
            defaults[parameter.name] = parameter.default
    doc = (inspect.getdoc(model) or "").partition("\n")[0]
    return Spec(name_or_path, doc, types, defaults)


def create(name_or_path: str, settings: Mapping[str, Any] | None = None) -> ResponseModel:
    """A response model with these settings; its ``settings`` hold the defaults too.

    Raises :class:`AgentError` in one line for an unknown model or setting, a missing one,
    or a value of the wrong type; a value out of range is refused by the model itself.
    """
    given = dict(settings or {})
    known = spec(name_or_path)
    for name in given:
        if name not in known.types:
            raise AgentError(_unknown_setting(name, known))
    missing = sorted(set(known.types) - set(known.defaults) - set(given))
    if missing:
        raise AgentError(f"{name_or_path}: setting {missing[0]} is needed")
    checked = {
        name: _checked(name_or_path, name, value, known.types[name])
        for name, value in given.items()
    }
    model = _load(name_or_path)(**checked)
    model.settings = {**known.defaults, **checked}
    return model


def _checked(model: str, name: str, value: Any, wanted: Any) -> Any:
    # Files know lists only; strictness is for everything else ("3" is no number).
    value = tuple(value) if isinstance(value, list) else value
    try:
        return TypeAdapter(wanted, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise AgentError(f"{model}: {name}: found {value!r}; {why}") from None


def _unknown_setting(name: str, known: Spec) -> str:
    close = difflib.get_close_matches(name, known.types, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    allowed = ", ".join(sorted(known.types)) or "none"
    return f"{known.name}: unknown setting {name}{hint}; known: {allowed}"


def _load(name_or_path: str) -> type[ResponseModel]:
    path = NAMES.get(name_or_path, name_or_path)
    module_name, colon, class_name = path.partition(":")
    if not (colon and module_name and class_name):
        raise AgentError(
            f"unknown response model {name_or_path!r}; known: {', '.join(NAMES)}, "
            'or "package.module:Class"'
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise AgentError(f"response model {path!r}: no module named {error.name!r}") from error
    found = getattr(module, class_name, None)
    if not (inspect.isclass(found) and issubclass(found, ResponseModel)):
        raise AgentError(f"{path!r} is not a subclass of agents.interface.ResponseModel")
    return found
