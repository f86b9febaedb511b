"""Writing the synthetic world's films: unique titles and plot lines that carry the factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommenders.interface import IntArray, Items

from .film_words import (
    FIRST_NAMES,
    NAME_HEADS,
    NAME_MIDDLES,
    PERSON_TAILS,
    PLACE_TAILS,
    THEMES,
    TONES,
    Theme,
    Tone,
)

_TITLES = (
    "The {adjective} {noun} of {place}",
    "{first} {person} and the {noun}",
    "The {noun} at {place}",
    "{place} {noun}",
    "{article} {adjective} {noun} for {person}",
    "The Last {noun} in {place}",
    "{person}'s {adjective} {noun}",
    "{adjective} {noun}, {adjective_2} {place}",
    "{first} {person}: {noun}",
    "Return to {place}",
)


@dataclass(frozen=True, eq=False)
class Factors:
    """What n films are about: ``theme``/``second``/``tone`` (n,) row numbers of the word
    tables, ``year`` (n,), and ``genres``, one to three names a film."""

    theme: IntArray
    second: IntArray
    tone: IntArray
    year: IntArray
    genres: tuple[tuple[str, ...], ...]


def write(factors: Factors, rng: np.random.Generator) -> Items:
    """The catalogue of these films; every title is unique."""
    n = len(factors.theme)
    draws = rng.integers(0, 2**31, size=(n, 12))
    titles: list[str] = []
    texts: list[str] = []
    taken: set[str] = set()
    for row, draw in enumerate(draws.tolist()):
        theme, tone = THEMES[factors.theme[row]], TONES[factors.tone[row]]
        title = _title(theme, tone, draw, 0)
        attempt = 0
        while title in taken:
            attempt += 1
            title = _title(theme, tone, draw, attempt)
        taken.add(title)
        titles.append(title)
        texts.append(_plot(theme, THEMES[factors.second[row]], tone, draw))
    return Items(tuple(titles), tuple(texts), factors.genres, tuple(factors.year.tolist()))


def _pick(words: tuple[str, ...] | list[str], number: int) -> str:
    return words[number % len(words)]


def _place(number: int) -> str:
    head, rest = divmod(number, len(NAME_MIDDLES) * len(PLACE_TAILS))
    middle, tail = divmod(rest, len(PLACE_TAILS))
    return _pick(NAME_HEADS, head) + NAME_MIDDLES[middle] + PLACE_TAILS[tail]


def _title(theme: Theme, tone: Tone, draw: list[int], attempt: int) -> str:
    form, noun, adjective, place, head, tail, first = draw[:7]
    # Another place and another surname at each attempt, so the search must end.
    word = _pick(tone.title, adjective)
    return _pick(_TITLES, form).format(
        article="An" if word[0] in "AEIOU" else "A",
        noun=_pick(theme.nouns, noun),
        adjective=word,
        adjective_2=_pick(tone.title, adjective + 1 + noun % (len(tone.title) - 1)),
        place=_place(place + attempt),
        person=_pick(NAME_HEADS, head + attempt) + _pick(PERSON_TAILS, tail + attempt // 7),
        first=_pick(FIRST_NAMES, first + attempt // 5),
    )


def _plot(theme: Theme, second: Theme, tone: Tone, draw: list[int]) -> str:
    person, adjective, deed, snag, line = draw[7:]
    who = f"{_pick(tone.person, adjective)} {_pick(theme.people, person)}"
    article = "An" if who[0] in "aeiou" or who.startswith("honest") else "A"
    where = _place(draw[3])
    return (
        f"{article} {who} {_pick(theme.deeds, deed)} {where}, {_pick(second.snags, snag)}. "
        f"{_pick(tone.lines, line)}"
    )
