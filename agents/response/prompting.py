"""Prompts: templates in files, filled with data that cannot leave its frame.

Titles, item texts and memories come from outside, so they are never template source and
never bare text: they go in as JSON, cleaned and shortened, between tags that JSON written
here cannot close (``<`` and ``>`` are escaped). The stable part comes first (rules,
persona), then memory, then the page, so that a provider's prompt cache hits.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jinja2 import FileSystemLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..interface import Catalogue
from .question import Message
from .recognised import words
from .schema import Scale, handles

TITLE_CAP, TEXT_CAP, GENRE_CAP, GENRES = 120, 100, 40, 6
MEMORY_CAP, PERSONA_CAP, LINE_CAP = 240, 2000, 300
SAID_CAP = 400
"""The longest reason or feeling of a reply that is kept outside the raw reply."""
RECOGNISED = (
    'An item with "known" is one the person has seen and rated, as it says: interest and aligned '
    "follow that rating alone, and if they watch it, they rate it the same."
)
"""A rule more where agents recognise items. Not in a template: their version is part of every
reply's address, and prompts without this rule are what they were."""
KEPT_PERSONAS = 16384
"""Rendered system messages kept for the next call of the same agent."""

_JOINERS = "\u200c\u200d"
_INVISIBLE = re.compile("[\U000e0100-\U000e01ef]")


def plain(text: str, cap: int) -> str:
    """One line of visible text of at most ``cap`` characters.

    Control, bidi, tag and other invisible characters, lone surrogates and unassigned code
    points go; white space becomes single spaces. The joiners that scripts need stay.

    >>> plain("The\\u202e Thing\\x00\\n(1982)", 40)
    'The Thing (1982)'
    """
    # A text of megabytes is cut before it is looked at character by character.
    text = text[: 8 * cap + 64]
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    kept = text if text.isprintable() else "".join(_visible(char) for char in text)
    line = " ".join(kept.split())
    return line if len(line) <= cap else line[: cap - 1].rstrip() + "…"


def _visible(char: str) -> str:
    category = unicodedata.category(char)
    if category in ("Zs", "Zl", "Zp") or char in "\t\n\r\v\f":
        return " "
    return "" if category[0] == "C" and char not in _JOINERS else char


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def as_json(value: Any) -> str:
    """JSON on one line that can close neither its own string nor a tag around it."""
    text = _ENCODER.encode(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(Path(__file__).parent / "prompts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # not HTML: data is made safe by as_json
        auto_reload=False,
    )
    environment.filters["as_json"] = as_json
    return environment


@lru_cache(maxsize=32)
def _template(name: str) -> Template:
    return _environment().get_template(name)


@lru_cache(maxsize=1)
def version() -> str:
    """Of all templates together: another one gives other prompts."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "prompts").glob("*.j2")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def render(template: str, **values: Any) -> str:
    """A template of ``prompts/`` filled in; a value it lacks is an error."""
    return _template(template).render(values).strip()


class Lines:
    """Items as JSON text, each made once: one object serves all agents of a run."""

    def __init__(self, describe: Callable[[Catalogue, int], Mapping[str, Any]]) -> None:
        self._describe = describe
        self._catalogue: Catalogue | None = None
        self._known: dict[int, str] = {}

    def of(self, catalogue: Catalogue, items: Sequence[int]) -> list[str]:
        """One JSON object an item."""
        if self._catalogue is not catalogue:
            self._catalogue, self._known = catalogue, {}
        known = self._known
        for item in items:
            if item not in known:
                known[item] = as_json(self._describe(catalogue, item))
        return [known[item] for item in items]


def led(key: str, value: str, rest: str) -> str:
    """The JSON object ``rest`` with another key in front."""
    return f"{{{as_json(key)}:{as_json(value)}{',' if rest != '{}' else ''}{rest[1:]}"


class Prompts:
    """The default protocol's messages. One object serves all agents of a run."""

    def __init__(self, scale: Scale, *, together: bool, recognises: bool = False) -> None:
        self._scale, self._together = numbers(scale), together
        self._ends, self._recognises = scale, recognises
        self._lines = Lines(described)
        self.system = lru_cache(maxsize=KEPT_PERSONAS)(self._system)

    def _system(self, persona: str) -> Message:
        """Rules, then who the agent is: the same for all its calls of a run."""
        who = joined(persona_lines(persona))
        text = render("system.j2", persona=who, scale=self._scale, together=self._together)
        if self._recognises:
            rules, person, rest = text.partition("\n\n<person>")
            text = f"{rules}\n{RECOGNISED}{person}{rest}"
        return {"role": "system", "content": text}

    def page(
        self,
        catalogue: Catalogue,
        items: Sequence[int],
        memories: Sequence[str],
        so_far: Mapping[str, Any],
        known: Mapping[int, float] = MappingProxyType({}),
    ) -> Message:
        """What it remembers, then the page: one JSON object an item, its handle first; of an
        item in ``known``, by number, next the rating that its user gave."""
        told = self._lines.of(catalogue, items)
        for slot, item in enumerate(items):
            if item in known:
                told[slot] = led("known", words(known[item], self._ends), told[slot])
        lines = [led("id", *pair) for pair in zip(handles(len(items)), told, strict=True)]
        text = render("page.j2", lines=lines, memories=memory_lines(memories), so_far=so_far)
        return {"role": "user", "content": text}


def persona_lines(persona: str) -> list[str]:
    """A persona's sentences, cleaned, without empty ones."""
    lines = [plain(line, LINE_CAP) for line in persona[:PERSONA_CAP].splitlines()]
    return [line for line in lines if line]


def interview(memories: Sequence[str], so_far: Mapping[str, Any]) -> Message:
    """What it remembers, then the questions on leaving."""
    text = render("interview.j2", memories=memory_lines(memories), so_far=so_far)
    return {"role": "user", "content": text}


def reflection(memories: Sequence[str], so_far: Mapping[str, Any]) -> Message:
    """What it remembers, to be drawn together."""
    text = render("reflection.j2", memories=memory_lines(memories), so_far=so_far)
    return {"role": "user", "content": text}


def repair(reply: str, complaint: str) -> list[Message]:
    """The refused answer, and what was wrong with it."""
    text = render("repair.j2", complaint=plain(complaint, 1000))
    return [{"role": "assistant", "content": reply}, {"role": "user", "content": text}]


def described(catalogue: Catalogue, item: int) -> dict[str, Any]:
    """What an agent sees of an item; what the catalogue does not know is left out."""
    shown: dict[str, Any] = {"title": titled(catalogue, item)}
    if kinds := genres(catalogue, item):
        shown["genres"] = kinds
    average = float(catalogue.shown_rating[item])
    if not np.isnan(average):
        shown["average_rating"] = round(average, 1)
    if text := plain(catalogue.text[item], TEXT_CAP):
        shown["about"] = text
    return shown


def titled(catalogue: Catalogue, item: int) -> str:
    """The title, with the year where there is one."""
    title = plain(catalogue.title[item], TITLE_CAP)
    return f"{title} ({catalogue.year[item]})" if catalogue.year[item] > 0 else title


def joined(sentences: Sequence[str]) -> str:
    """Sentences as one text: quoting each of them would cost tokens."""
    return " ".join(s if s.endswith((".", "!", "?", "…")) else f"{s}." for s in sentences)


def genres(catalogue: Catalogue, item: int) -> list[str]:
    """The first few genres, cleaned."""
    return [plain(genre, GENRE_CAP) for genre in catalogue.genres[item][:GENRES]]


def memory_lines(memories: Sequence[str]) -> list[str]:
    """Memories, cleaned and shortened."""
    return [plain(memory, MEMORY_CAP) for memory in memories]


def numbers(scale: Scale) -> tuple[str, str]:
    """The ends of the scale as they are written."""
    return f"{scale[0]:g}", f"{scale[1]:g}"
