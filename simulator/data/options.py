"""What a scenario's ``dataset`` block may say, and the one place that checks it."""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError


@dataclass(frozen=True)
class Option:
    """One option: its default, what is allowed (in words and as a test), and what it does."""

    default: Any
    allowed: str
    accepts: Callable[[Any], bool]
    doc: str


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(default: int | None, low: int, high: int, doc: str) -> Option:
    """A whole number in low..high; null is accepted where it is the default."""
    return Option(
        default,
        f"a whole number from {low:,} to {high:,}",
        lambda value: (
            (default is None and value is None) or (_is_whole(value) and low <= value <= high)
        ),
        doc,
    )


def number(default: float, low: float, high: float, doc: str) -> Option:
    """A finite number in low..high."""
    return Option(
        default,
        f"a number from {low:g} to {high:g}",
        lambda value: _is_number(value) and low <= value <= high,
        doc,
    )


def text(default: str | None, doc: str) -> Option:
    """A text that is not empty; null is accepted where it is the default."""
    return Option(
        default,
        "a text that is not empty",
        lambda value: (
            (default is None and value is None) or (isinstance(value, str) and value != "")
        ),
        doc,
    )


def flag(default: bool, doc: str) -> Option:
    """True or false."""
    return Option(default, "true or false", lambda value: isinstance(value, bool), doc)


def encoding(default: str | None, doc: str) -> Option:
    """The name of a text encoding that Python knows."""

    def accepts(value: object) -> bool:
        if not isinstance(value, str):
            return default is None and value is None
        try:
            codecs.lookup(value)
        except LookupError:
            return False
        return True

    return Option(default, "a text encoding such as utf-8 or latin-1", accepts, doc)


def separator(default: str | None, doc: str) -> Option:
    """One character, or ``::``."""
    return Option(
        default,
        "one character such as ',' or '\\t', or '::'",
        lambda value: (
            (default is None and value is None)
            or (isinstance(value, str) and (len(value) == 1 or value == "::"))
        ),
        doc,
    )


def scale(doc: str) -> Option:
    """``[lowest, highest]`` rating, or null."""

    def accepts(value: object) -> bool:
        return value is None or (
            isinstance(value, list | tuple)
            and len(value) == 2
            and all(_is_number(end) for end in value)
            and value[0] < value[1]
        )

    return Option(None, "[lowest, highest], two numbers, the lower first", accepts, doc)


def block(doc: str) -> Option:
    """A mapping whose keys the reader checks with :func:`resolve`; null for none."""
    return Option(
        None,
        "a mapping of keys to values",
        lambda value: value is None or isinstance(value, Mapping),
        doc,
    )


def near(word: object, known: Iterable[str]) -> str | None:
    """``did you mean 'x'?`` where something known is close enough, else None."""
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else None


def resolve(
    given: Mapping[str, Any], known: Mapping[str, Option], *, file: object, key: str = "dataset"
) -> dict[str, Any]:
    """Every known option with the value given or its default.

    Raises InputError on an unknown option or a value that is not allowed.
    """
    for name in given:
        if name not in known:
            raise InputError(
                file,
                key=f"{key}.{name}",
                found="an unknown option",
                allowed=", ".join(sorted(known)) or "no options",
                fix=near(name, known),
            )
    for name, value in given.items():
        if not known[name].accepts(value):
            raise InputError(
                file, key=f"{key}.{name}", found=repr(value), allowed=known[name].allowed
            )
    return {name: given.get(name, option.default) for name, option in known.items()}


@dataclass(frozen=True)
class Request:
    """What a reader is asked for: a source, where it lies, and its checked options.

    ``scenario`` names the file that options came from, for errors; ``seed`` serves sources
    that generate data.
    """

    source: str
    path: Path | None
    options: Mapping[str, Any]
    seed: int = 0
    scenario: object = "scenario"

    @property
    def rating_scale(self) -> tuple[float, float] | None:
        """The option of that name, for sources that have it."""
        given = self.options["rating_scale"]
        return None if given is None else (float(given[0]), float(given[1]))

    @property
    def place(self) -> Path:
        """The path of a source that lies on disk; ``readers.find`` has put it there."""
        if self.path is None:
            raise ValueError(f"{self.source} was asked for without a path")
        return self.path

    def refuse(self, option: str, **said: str | None) -> InputError:
        """An error about one option of this request; the caller raises it."""
        return InputError(self.scenario, key=f"dataset.{option}", **said)  # type: ignore[arg-type]
