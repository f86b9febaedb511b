"""Prices, costs, and tokens counted without a tokenizer."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.interface import AgentError
from agents.response import prices, tokens
from agents.response.prices import OPENAI_PRICES, Price, Usage, price_of


def test_examples() -> None:
    for module in (prices, tokens):
        found = doctest.testmod(module)
        assert found.attempted > 0
        assert found.failed == 0


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-4o-2024-11-20", "gpt-4o"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
    ],
)
def test_a_dated_version_costs_what_its_model_costs_unless_it_is_listed(
    name: str, same: str
) -> None:
    assert price_of("openai", name, None) is OPENAI_PRICES[same]
    assert price_of("openai", name, "https://api.openai.com/v1") is OPENAI_PRICES[same]


@pytest.mark.parametrize(
    ("provider", "name", "base_url"),
    [
        ("openai", "gpt-4o-mini", "http://127.0.0.1:8000/v1"),
        ("openai", "gpt-4o-mini", "https://api.openai.com.example.org/v1"),
        ("openai", "gpt-4o-mini-fine-tuned", None),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::1", None),
        ("azure_openai", "gpt-4o-mini", None),
        ("openai", "llama3.1", None),
    ],
)
def test_a_price_is_never_guessed(provider: str, name: str, base_url: str | None) -> None:
    assert price_of(provider, name, base_url) is None
    assert price_of(provider, name, base_url, {"input": 0, "output": 0}) == Price(0.0, 0.0)


def test_given_prices_replace_the_list() -> None:
    given = {"input": 1, "output": 2.5, "cached_input": 0.5}
    assert price_of("openai", "gpt-4o", None, given) == Price(1.0, 2.5, 0.5)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"input": 1, "output": 1, "outptu": 1}, "unknown key 'outptu'; allowed: input, output"),
        ({"input": 1}, "output is missing"),
        ({"input": -1, "output": 1}, "input: found -1"),
        ({"input": float("nan"), "output": 1}, "input: found nan"),
        ({"input": 1, "output": float("inf")}, "output: found inf"),
        ({"input": 1, "output": "2"}, "output: found '2'"),
        ({"input": True, "output": 2}, "input: found True"),
        ("free", "found 'free'"),
    ],
)
def test_prices_that_cannot_be_read_are_refused_on_one_line(wrong: Any, text: str) -> None:
    with pytest.raises(AgentError) as caught:
        price_of("openai", "gpt-4o", None, wrong)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cached_tokens_have_their_price_or_the_usual_one() -> None:
    usage = Usage(1000, 100, tokens_cached=600)
    assert Price(2.0, 8.0, 0.5).cost(usage) == pytest.approx(400 * 2e-6 + 600 * 0.5e-6 + 100 * 8e-6)
    assert Price(2.0, 8.0).cost(usage) == pytest.approx(1000 * 2e-6 + 100 * 8e-6)


def test_usage_that_cannot_be_is_bent_into_range() -> None:
    assert Usage(10, -5, tokens_cached=99) == Usage(10, 0, tokens_cached=10)
    assert not Usage(0, 0).told


amounts = st.integers(0, 10**7)
rates = st.floats(0, 1000)


@given(rates, rates, st.none() | rates, amounts, amounts, amounts)
def test_the_worst_case_is_the_worst(
    i: float, o: float, c: float | None, tokens_in: int, tokens_out: int, cached: int
) -> None:
    price = Price(i, o, c)
    assert price.units(Usage(tokens_in, tokens_out, cached)) <= price.most(tokens_in, tokens_out)


@given(st.text(max_size=200))
def test_no_tokenizer_that_falls_back_to_bytes_counts_more_than_the_bound(text: str) -> None:
    messages = ({"role": "user", "content": text},)
    assert tokens.upper_bound(messages) >= len(text.encode("utf-8", "surrogatepass"))
    assert tokens.upper_bound(messages) >= tokens.estimate_prompt(messages)
    assert tokens.upper_bound(messages, {"type": "object"}) > tokens.upper_bound(messages)


def test_a_character_that_a_tokenizer_writes_out_counts_as_written_out() -> None:
    messages = ({"role": "user", "content": "\ufdfa" * 100},)
    assert tokens.upper_bound(messages) >= 100 * 33


EXAMPLE = (
    "You are a helpful, pattern-following assistant that translates corporate jargon into "
    "plain English.",
    "New synergies will help drive top-line growth.",
    "Things working well together will increase revenue.",
    "Let's circle back when we have more bandwidth to touch base on opportunities for "
    "increased leverage.",
    "Let's talk later when we're less busy about how to do better.",
    "This late pivot means we don't have time to boil the ocean for the client deliverable.",
)
"""OpenAI's example of counting tokens: published as 129 prompt tokens for gpt-4, 124 for
gpt-4o, of which 3 are the request's and 4 each message's; four carry a name."""


def test_the_rule_is_near_published_counts() -> None:
    names = 2 * (tokens.estimate("example_user") + 1 + tokens.estimate("example_assistant") + 1)
    prompt = tokens.estimate_prompt([{"role": "user", "content": text} for text in EXAMPLE])
    assert 124 * 0.9 <= prompt + names <= 129 * 1.1


@pytest.mark.parametrize(
    ("text", "published"),
    [("antidisestablishmentarianism", 6), ("お誕生日おめでとう", 9), ("tiktoken is great!", 6)],
)
def test_the_rule_is_within_half_on_odd_texts(text: str, published: int) -> None:
    assert published / 2 <= tokens.estimate(text) <= published * 1.5
