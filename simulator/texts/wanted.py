"""Whether a scenario's arms read profiles, and whether what it says of them can be."""

from __future__ import annotations

from recommenders import registry
from recommenders.interface import RecommenderError, TextRecommender

from .. import oracle
from ..embeddings.choose import create
from ..embeddings.interface import TextEmbedding
from ..errors import InputError
from ..scenario import ArmSpec, Scenario

EMBEDDING = "texts.embedding"


def readers(scenario: Scenario, file: str) -> list[str]:
    """The arms, by name, whose recommenders read profiles. Raises InputError for a recommender
    that there is not."""
    return [arm.name for arm in scenario.arms if _reads(arm, file)]


def _reads(arm: ArmSpec, file: str) -> bool:
    if arm.recommender == oracle.NAME:
        return False
    try:
        return issubclass(registry.find(arm.recommender), TextRecommender)
    except RecommenderError as error:
        raise InputError(f"{file}: arms ({arm.name}): {error}") from None


def check(scenario: Scenario, file: str) -> None:
    """InputError for settings that cannot be, whether or not an arm reads profiles."""
    embedding(scenario, file)


def embedding(scenario: Scenario, file: str) -> TextEmbedding:
    """Of the scenario's ``texts.embedding``; nothing is asked yet."""
    spec = scenario.texts.embedding
    return create(spec.provider, spec.options, file, EMBEDDING)
