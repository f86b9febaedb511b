"""A small audience and catalogue for the tests of chat agents."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agents.interface import (
    NO_ITEM,
    Audience,
    Catalogue,
    Page,
    Profiles,
    RatedHistory,
    Visit,
)
from agents.registry import create

from .server import Server

GENRES = ("Drama", "Comedy", "Horror", "Western")
KEY = "sk-test-0123456789abcdefKEY"


class NoLuck:
    """A chat agent draws nothing."""

    draw = ""

    def uniform(self, purpose: str, *keys: npt.ArrayLike) -> npt.NDArray[np.float64]:
        raise AssertionError(f"drew {purpose}")


def catalogue(n: int = 40, **changed: Any) -> Catalogue:
    columns: dict[str, Any] = {
        "title": tuple(f"Film {i}" for i in range(n)),
        "text": tuple(f"Plot number {i}." for i in range(n)),
        "genres": tuple((GENRES[i % 4], GENRES[(i // 4) % 4]) for i in range(n)),
        "year": tuple(1950 + i for i in range(n)),
        "shown_rating": (1 + (np.arange(n) % 9) / 2).astype(np.float32),
        "popularity": np.arange(n, dtype=np.int64),
    }
    return Catalogue(**(columns | changed))


def audience(n: int) -> Audience:
    level, value = np.full(n, 2, np.int8), np.ones(n)
    tastes = tuple(
        (f"I love {GENRES[i % 4]}.", f"I avoid {GENRES[(i + 1) % 4]}.") for i in range(n)
    )
    persona = tuple("\n".join((f"I am viewer {i}.", *lines)) for i, lines in enumerate(tastes))
    profiles = Profiles(level, level, level, value, value, value, tastes, persona)
    nothing = RatedHistory(
        np.zeros(n + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    )
    return Audience(np.arange(100, 100 + n), profiles, nothing)


def page(n: int, number: int = 1, k: int = 4, size: int = 40) -> Page:
    """Page ``number`` for agents 0..n-1, each with other items."""
    item = (np.arange(n)[:, None] * 3 + np.arange(k) + (number - 1) * k) % size
    return Page(np.arange(n), item.astype(np.int64), number, 1)


def visit(server: Server, n: int = 1, shown: Catalogue | None = None, **settings: Any) -> Visit:
    """Sessions of n agents who ask this server; ``timeout`` short, as tests are."""
    given: dict[str, Any] = {"name": "scripted", "base_url": server.base_url, "timeout": 20.0}
    model = create("chat", given | settings)
    return model.visit(audience(n), shown or catalogue(), NoLuck(), 1)


def padded(items: list[int], k: int) -> Page:
    line = np.array([items + [NO_ITEM] * (k - len(items))], np.int64)
    return Page(np.array([0]), line, 1, 1)
