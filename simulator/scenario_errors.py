"""What pydantic found wrong in a scenario, as one line: file, key, found, allowed, fix."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .errors import InputError


def kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "mapping"
    if isinstance(value, list):
        return "list"
    return "text" if isinstance(value, str) else "plain value"


_ALLOWED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "bool_type": "true or false",
    "finite_number": "a finite number",
}


def explain(
    path: Path, lines: Mapping[str, Any], error: ValidationError, top: type[BaseModel]
) -> InputError:
    """The first problem in one line; the others are counted."""
    details = error.errors(include_url=False)
    # A typing union reports one error a branch; the shortest location is the field itself.
    first = details[0]
    location = [part for part in first["loc"] if not _is_branch(part)]
    allowed = _allowed(first)
    fix = None
    found = _shown(first["input"])
    if first["type"] == "missing":
        found, allowed = "nothing", "this key is required"
    elif first["type"] == "extra_forbidden":
        known = _known_keys(top, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        found, allowed = "an unknown key", ", ".join(known)
        fix = f"did you mean {close[0]}?" if close else None
    if len(details) > 1:
        more = len({tuple(d["loc"][:2]) for d in details[1:]} - {tuple(first["loc"][:2])})
        fix = (fix + " " if fix else "") + f"({more} more to mend)" if more else fix
    line = _line(lines, location)
    return InputError(path, key=_key(location), line=line, found=found, allowed=allowed, fix=fix)


def _is_branch(part: int | str) -> bool:
    return isinstance(part, str) and (part in {"str", "none"} or part.startswith("dict["))


def _allowed(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _ALLOWED:
        return _ALLOWED[kind]
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return "letters, digits, dot, dash, underscore (80 at most, first a letter or digit)"
    if kind == "too_short":
        return f"at least {context['min_length']} entry"
    bounds = {
        "greater_than_equal": ("ge", "at least"),
        "greater_than": ("gt", "more than"),
        "less_than_equal": ("le", "at most"),
        "less_than": ("lt", "less than"),
    }
    if kind in bounds:
        name, words = bounds[kind]
        return f"{words} {context[name]:g}"
    return detail["msg"]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _key(location: Sequence[int | str]) -> str:
    out = ""
    for part in location:
        out += f"[{part}]" if isinstance(part, int) else (f".{part}" if out else str(part))
    return out


def _line(node: Any, location: Sequence[int | str]) -> int | None:
    """The line (from 1) of the deepest part of the location that the file holds."""
    line = None
    for part in location:
        try:
            mark = node.lc.item(part) if isinstance(part, int) else node.lc.key(part)
            line = mark[0] + 1
            node = node[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def _known_keys(top: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The keys of the section at this location."""
    model: Any = top
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        inner = [a for a in get_args(annotation) if isinstance(a, type)] or [annotation]
        model = next((a for a in inner if issubclass(a, BaseModel)), top)
    return sorted(model.model_fields)
