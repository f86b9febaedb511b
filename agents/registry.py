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
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from .interface import AgentError, ResponseModel

NAMES: Mapping[str, str] = {
    "behavioural": "agents.response.behavioural:Behavioural",
    "chat": "agents.response.chat:Chat",
}
"""Registered name -> class path; a class is imported only when it is asked for."""


@dataclass(frozen=True)
class Setting:
    """One keyword argument of a constructor; ``default`` means nothing where ``required``.

    ``annotation`` is what a value is checked by, its range too where it carries one
    (``Annotated`` with pydantic's ``Field``); a text in ``Annotated`` is the ``doc``.
    """

    name: str
    type: str
    default: Any
    required: bool
    annotation: Any
    doc: str


@dataclass(frozen=True)
class Spec:
    """What ``audition list response-models`` tells of one response model."""

    name: str
    doc: str
    settings: tuple[Setting, ...]


def specs() -> tuple[Spec, ...]:
    """What is registered, in order; imports every class."""
    return tuple(spec(name) for name in NAMES)


def spec(name_or_path: str) -> Spec:
    """One response model's description; AgentError if there is no such model."""
    model = find(name_or_path)
    doc = (inspect.getdoc(model) or "").partition("\n")[0]
    parameters = inspect.signature(model, eval_str=True).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    settings = tuple(_setting(one) for one in parameters if one.kind not in variadic)
    return Spec(name_or_path, doc, settings)


def create(name_or_path: str, settings: Mapping[str, Any] | None = None) -> ResponseModel:
    """A response model with these settings; its ``settings`` hold the defaults too.

    Raises :class:`AgentError` in one line for an unknown model or setting, a missing one,
    or a value of the wrong type or out of range.
    """
    given = find(name_or_path).expand(settings or {})
    known = {setting.name: setting for setting in spec(name_or_path).settings}
    for name in given:
        if name not in known:
            raise AgentError(f"{name_or_path}: {_unknown_setting(str(name), list(known))}")
    filled = {}
    for setting in known.values():
        if setting.name in given:
            filled[setting.name] = _checked(name_or_path, setting, given[setting.name])
        elif setting.required:
            raise AgentError(f"{name_or_path}: {setting.name}: found nothing; needs {setting.type}")
        else:
            filled[setting.name] = setting.default
    model = find(name_or_path)(**filled)
    model.settings = filled
    return model


def _setting(parameter: inspect.Parameter) -> Setting:
    required = parameter.default is inspect.Parameter.empty
    wanted = Any if parameter.annotation is inspect.Parameter.empty else parameter.annotation
    notes = get_args(wanted)[1:] if get_origin(wanted) is Annotated else ()
    docs = next((note for note in notes if isinstance(note, str)), "")
    default = None if required else parameter.default
    return Setting(parameter.name, _words(wanted), default, required, wanted, docs)


def _words(wanted: Any) -> str:
    """A type for people, ranges left to the error message."""
    if get_origin(wanted) is Annotated:
        return _words(get_args(wanted)[0])
    if get_origin(wanted) is Literal:
        return f"one of {', '.join(map(str, get_args(wanted)))}"
    if wanted is Ellipsis:
        return "..."
    if get_origin(wanted) is tuple:
        return f"({', '.join(_words(one) for one in get_args(wanted))})"
    return wanted.__name__ if type(wanted) is type else str(wanted)


def _checked(model: str, setting: Setting, value: Any) -> Any:
    # Files know lists only; strictness is for everything else ("3" is no number).
    value = _tuples(value)
    config = ConfigDict(strict=True, allow_inf_nan=False)
    try:
        return TypeAdapter(setting.annotation, config=config).validate_python(value)
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise AgentError(f"{model}: {setting.name}: found {value!r}; {why}") from None


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _unknown_setting(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{name}: found an unknown setting; allowed: {', '.join(known) or 'none'}{hint}"


def find(name_or_path: str) -> type[ResponseModel]:
    """The class behind a registered name or a "package.module:Class" path."""
    path = NAMES.get(name_or_path, name_or_path)
    module_name, colon, class_name = path.partition(":")
    if not (colon and module_name and class_name):
        raise AgentError(
            f"unknown response model {name_or_path!r}; known: {', '.join(NAMES)}, "
            'or "package.module:Class"'
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise AgentError(f"response model {path!r} cannot be imported: {error}") from error
    found = getattr(module, class_name, None)
    if not (inspect.isclass(found) and issubclass(found, ResponseModel)):
        raise AgentError(f"{path!r} is not a subclass of agents.interface.ResponseModel")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise AgentError(f"{path!r} lacks {missing}")
    return found
