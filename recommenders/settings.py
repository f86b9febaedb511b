"""A method's settings: read from its constructor, checked by their annotations.

The type is checked here, the range by the constructor itself, through :func:`require`.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from .interface import RecommenderError


@dataclass(frozen=True)
class Setting:
    """One keyword argument of a constructor.

    ``type`` says in words what it takes, ``annotation`` in Python; ``default`` means
    nothing where ``required``.
    """

    name: str
    type: str
    default: Any
    required: bool
    annotation: Any


def require(ok: bool, setting: str, found: object, allowed: str) -> None:
    """Refuse a value out of range: a constructor's way to check its settings.

    >>> require(-1 > 0, "l2", -1, "a number above 0")
    Traceback (most recent call last):
    recommenders.interface.RecommenderError: l2: found -1; allowed: a number above 0
    """
    if not ok:
        raise RecommenderError(f"{setting}: found {found!r}; allowed: {allowed}")


def suggestion(word: str, known: Sequence[str]) -> str:
    """'' or a hint at the known word that was probably meant."""
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def read(method: type) -> tuple[Setting, ...]:
    """The settings a class takes, in the order its constructor names them."""
    hints = get_type_hints(getattr(method, "__init__"))  # noqa: B009 - mypy calls the plain form unsound
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    out = []
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind not in named:
            continue
        hint = hints.get(parameter.name, Any)
        required = parameter.default is inspect.Parameter.empty
        default = None if required else parameter.default
        out.append(Setting(parameter.name, in_words(hint), default, required, hint))
    return tuple(out)


def fill(known: Sequence[Setting], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given settings, checked, with defaults filled in, in the constructor's order."""
    names = [setting.name for setting in known]
    for name in given:
        if name not in names:
            allowed = ", ".join(names) if names else "no settings at all"
            hint = suggestion(str(name), names)
            raise RecommenderError(f"{name}: found an unknown setting; allowed: {allowed}{hint}")
    out = {}
    for setting in known:
        if setting.name in given:
            out[setting.name] = conform(setting, given[setting.name])
        elif setting.required:
            raise RecommenderError(f"{setting.name}: found nothing; allowed: {setting.type}")
        else:
            out[setting.name] = setting.default
    return out


def conform(setting: Setting, value: Any) -> Any:
    """The value in the annotated type: an int becomes a float, a list a tuple, where wanted.

    A mapping becomes a plain dict.
    """
    try:
        return _cast(value, setting.annotation)
    except TypeError:
        raise RecommenderError(
            f"{setting.name}: found {value!r}; allowed: {setting.type}"
        ) from None


def _cast(value: Any, hint: Any) -> Any:
    """The value as the hint wants it; TypeError where it does not fit."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _cast_to_one_of(value, inner)
    if origin is Literal:
        if any(type(value) is type(one) and value == one for one in inner):
            return value
    elif origin in (tuple, list, Sequence):
        if isinstance(value, list | tuple):
            return tuple(_cast(one, inner[0]) for one in value)
    elif origin in (dict, Mapping):
        if isinstance(value, Mapping):
            return {_cast(key, inner[0]): _cast(one, inner[1]) for key, one in value.items()}
    elif hint is float:
        if type(value) in (int, float) and math.isfinite(value):
            return float(value)
    elif type(value) is hint:  # a bool is no int
        return value
    raise TypeError


def _cast_to_one_of(value: Any, hints: Sequence[Any]) -> Any:
    """The value as the first hint that takes it; its own type goes first (int | float)."""
    for hint in sorted(hints, key=lambda hint: hint is not type(value)):
        try:
            return _cast(value, hint)
        except TypeError:
            continue
    raise TypeError


def in_words(hint: Any) -> str:
    """What a setting takes, for people.

    >>> in_words(tuple[float, ...] | None)
    'a list (each a number), or nothing'
    """
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return ", or ".join(in_words(one) for one in inner)
    if origin is Literal:
        return "one of " + ", ".join(str(one) for one in inner)
    if origin in (tuple, list, Sequence):
        return f"a list (each {in_words(inner[0])})"
    if origin in (dict, Mapping):
        return f"a mapping ({in_words(inner[0])} to {in_words(inner[1])})"
    if hint is types.NoneType:
        return "nothing"
    return words.get(hint, "anything" if hint is Any else str(getattr(hint, "__name__", hint)))
