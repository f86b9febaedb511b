"""How a run was measured, in words that its own settings fill in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..storage.queries import Run
from . import grounding
from .wording import clean


def response_name(scenario: Mapping[str, Any]) -> str:
    """The response model by name, a chat model by its own; and what else it answers from."""
    spec, beside = _response(scenario), grounding.beside(scenario)
    if spec.get("model") == "chat":
        return clean(f"{spec.get('name', 'a chat model')} (chat model){beside}")
    return clean(f"{spec.get('model', 'behavioural')} model{beside}")


def response_note(scenario: Mapping[str, Any]) -> str:
    """Who answered for the agents, in a sentence, or two where they recognise items."""
    said = f" {grounding.MEANING}" if grounding.beside(scenario) else ""
    return _who_answered(scenario) + said


def _who_answered(scenario: Mapping[str, Any]) -> str:
    spec = _response(scenario)
    kind = spec.get("model", "behavioural")
    if kind == "behavioural":
        return (
            "Agents answered by the behavioural model: their choices were computed from their "
            "profiles and histories; no LLM was asked."
        )
    if kind == "chat":
        provider = f" ({clean(spec['provider'])})" if spec.get("provider") else ""
        name = clean(spec.get("name", "a chat model"))
        return (
            f"Agents answered by the chat model {name}{provider}; another model may "
            "behave differently."
        )
    return f"Agents answered by the response model {clean(kind)}."


def lines(run: Run) -> list[tuple[str, str]]:
    """(what, how) for everything a reader needs to repeat or doubt the figures."""
    scenario, dataset = run.scenario, run.dataset
    evaluation = scenario.get("evaluation", {})
    if "imported" in scenario:
        return _imported(scenario)
    cutoff = evaluation.get("cutoff", 20)
    return [
        ("Split", _split(scenario, dataset)),
        (
            "Offline",
            f"All-ranking: every item of the catalogue is ranked for every user with test items, "
            f"with the user's train and validation items masked; the first {cutoff} are held "
            "against the test items. Early stopping, where a recommender has it, looked at "
            "validation items only. Intervals are over users.",
        ),
        ("Shown to agents", _shown(scenario)),
        (
            "Luck",
            f"Seed {run.seed}. Every draw is keyed by seed, agent, round, page and purpose and "
            "never by arm, so each agent meets every arm with the same luck and differences are "
            "paired.",
        ),
        (
            "Missing data",
            "A reply that failed is counted as missing and never turned into a skip, a zero or "
            "a default; metrics are over the agents who answered.",
        ),
        ("Several tests", _correction(evaluation)),
    ]


def _imported(scenario: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known of a run that others made and published."""
    told = scenario["imported"]
    return [
        ("Imported", clean(f"From {told['from']}: {told['what']}. {told['source']}.")),
        ("Prompts", clean(f"{told['prompts']}.")),
        ("Luck", clean(f"Seed {told['seed']}.")),
        (
            "Missing data",
            "A reply whose decisions are not certain is counted as missing and never turned into "
            "a skip, a zero or a default; metrics are over the other sessions.",
        ),
    ]


def _split(scenario: Mapping[str, Any], dataset: Mapping[str, Any]) -> str:
    how = scenario.get("dataset", {}).get("split")
    if isinstance(how, Mapping):
        told = ", ".join(f"{clean(key)} {clean(value)}" for key, value in how.items())
    else:
        told = clean(how) if how else "the data set's default"
    parts = [
        f"{dataset[part]:,} {part}"
        for part in ("train", "valid", "test")
        if isinstance(dataset.get(part), int)
    ]
    return f"{told} ({' / '.join(parts)} interactions)." if parts else f"{told}."


def _shown(scenario: Mapping[str, Any]) -> str:
    session = scenario.get("session", {})
    hidden = " and ".join(clean(part) for part in session.get("hide", ["train"]))
    order = (
        "in the order of the ranking"
        if session.get("order", "ranked") == "ranked"
        else "in an order shuffled for each agent"
    )
    never = f"Items of the user's {hidden} part and items" if hidden else "Items"
    return f"{never} already shown in the visit are never shown; the others stand {order}."


def _correction(evaluation: Mapping[str, Any]) -> str:
    how = {
        "holm": "adjusted by Holm's method",
        "max-t": "adjusted by the largest of all statistics under random signs (max-T)",
    }.get(evaluation.get("correction", "holm"), "not adjusted for their number")
    primary = clean(evaluation.get("primary", "s_sat"))
    guardrails = ", ".join(clean(name) for name in evaluation.get("guardrails") or {})
    own = f" Guardrails ({guardrails}) have to hold each at its own level." if guardrails else ""
    return (
        f"The primary metric ({primary}) is tested apart, over its arms only; all other metrics "
        f"and arms together. p values are {how}.{own}"
    )


def _response(scenario: Mapping[str, Any]) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = scenario.get("agents", {}).get("response", {})
    return spec
