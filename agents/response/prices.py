"""What a model charges, and what a reply has cost.

Money is counted in whole picodollars (:data:`UNIT` to the dollar), rounded up, so that sums
are exact and a cap is never passed by rounding.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ..interface import AgentError
from .endpoint import OPENAI, OPENAI_URL

UNIT = 10**12
"""Picodollars in a dollar; a price per million tokens is a million of them per token."""

AS_OF = "2025-08"
"""The month of the list prices below: as known to us then, to be checked before use."""

FIX = (
    "give prices: {input: USD, output: USD} per million tokens beside the model's name "
    "(0 for a server of your own)"
)


@dataclass(frozen=True)
class Usage:
    """Tokens of one request as the server tells them; ``cached`` of ``tokens_in`` came from
    its prompt cache. A server's nonsense is bent into range: nothing negative, no more
    cached than read."""

    tokens_in: int
    tokens_out: int
    tokens_cached: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens_in", max(self.tokens_in, 0))
        object.__setattr__(self, "tokens_out", max(self.tokens_out, 0))
        cached = min(max(self.tokens_cached, 0), self.tokens_in)
        object.__setattr__(self, "tokens_cached", cached)

    @property
    def total(self) -> int:
        return self.tokens_in + self.tokens_out

    @property
    def told(self) -> bool:
        """The server said anything at all: no request is read without a token."""
        return self.total > 0


@dataclass(frozen=True)
class Price:
    """USD per million tokens; ``cached_input`` None: cached tokens cost like others."""

    input: float
    output: float
    cached_input: float | None = None

    def cost(self, usage: Usage) -> float:
        """USD.

        >>> Price(2.5, 10.0, 1.25).cost(Usage(1_000_000, 100_000, tokens_cached=200_000))
        3.25
        """
        return self.units(usage) / UNIT

    def units(self, usage: Usage) -> int:
        """Picodollars, exactly."""
        cached = self.input if self.cached_input is None else self.cached_input
        return (
            (usage.tokens_in - usage.tokens_cached) * _per_token(self.input)
            + usage.tokens_cached * _per_token(cached)
            + usage.tokens_out * _per_token(self.output)
        )

    def most(self, tokens_in: int, tokens_out: int) -> int:
        """Picodollars that so many tokens cost at most, whatever of them is cached."""
        cached = 0 if self.cached_input is None else self.cached_input
        dearest = max(_per_token(self.input), _per_token(cached))
        return tokens_in * dearest + tokens_out * _per_token(self.output)


@lru_cache(maxsize=64)
def _per_token(per_million: float) -> int:
    return math.ceil(Decimal(repr(per_million)) * (UNIT // 10**6))


OPENAI_PRICES: Mapping[str, Price] = {
    "gpt-3.5-turbo": Price(0.50, 1.50),
    "gpt-3.5-turbo-0125": Price(0.50, 1.50),
    "gpt-4o": Price(2.50, 10.00, 1.25),
    "gpt-4o-2024-05-13": Price(5.00, 15.00),
    "gpt-4o-mini": Price(0.15, 0.60, 0.075),
    "gpt-4.1": Price(2.00, 8.00, 0.50),
    "gpt-4.1-mini": Price(0.40, 1.60, 0.10),
    "gpt-4.1-nano": Price(0.10, 0.40, 0.025),
    "gpt-5": Price(1.25, 10.00, 0.125),
    "gpt-5-mini": Price(0.25, 2.00, 0.025),
    "gpt-5-nano": Price(0.05, 0.40, 0.005),
    "o3": Price(2.00, 8.00, 0.50),
    "o3-mini": Price(1.10, 4.40, 0.55),
    "o4-mini": Price(1.10, 4.40, 0.275),
}
"""List prices (:data:`AS_OF`) at OpenAI's own address, by model; a scenario overrides them."""

_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def price_of(
    provider: str, name: str, base_url: str | None, given: Mapping[str, Any] | None = None
) -> Price | None:
    """The price of a model: as ``given`` (the setting ``prices``), else the list price of
    the model or of the one it is a dated version of, else None.

    A list price holds at the provider's own address only: what a model of the same name
    costs at another ``base_url`` (the one really used) is not known unless given. Raises
    AgentError for a ``given`` that cannot be read.

    >>> price_of("openai", "gpt-4o-mini-2024-07-18", None)
    Price(input=0.15, output=0.6, cached_input=0.075)
    >>> price_of("openai", "gpt-4o-mini", "http://127.0.0.1:8000/v1") is None
    True
    """
    if given is not None:
        return _given(given)
    own = base_url is None or urlsplit(base_url).hostname == urlsplit(OPENAI_URL).hostname
    if provider != OPENAI or not own:
        return None
    return OPENAI_PRICES.get(name) or OPENAI_PRICES.get(_DATED.sub("", name))


_KEYS = ("input", "output", "cached_input")


def _given(given: Mapping[str, Any]) -> Price:
    if not isinstance(given, Mapping):
        raise AgentError(f"chat: prices: found {given!r}; allowed: {FIX}")
    for key in given:
        if key not in _KEYS:
            raise AgentError(f"chat: prices: unknown key {key!r}; allowed: {', '.join(_KEYS)}")
    for key in _KEYS[:2]:
        if given.get(key) is None:
            raise AgentError(f"chat: prices: {key} is missing; {FIX}")
    for key, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and 0 <= value <= 1e9):
            raise AgentError(
                f"chat: prices: {key}: found {value!r}; allowed: USD per million tokens, 0 to 1e9"
            )
    cached = given.get("cached_input")
    return Price(
        float(given["input"]), float(given["output"]), None if cached is None else float(cached)
    )
