"""Whether a scenario's arms read profiles, who writes them, and whether what it says of that can
be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents import registry as agents_registry
from agents.interface import AgentError, ResponseModel
from agents.response.chat import Chat
from agents.response.scripted import SCRIPTED
from recommenders import registry
from recommenders.interface import RecommenderError, TextRecommender

from .. import oracle
from ..embeddings.choose import create
from ..embeddings.interface import TextEmbedding
from ..errors import InputError
from ..scenario import ArmSpec, Scenario

if TYPE_CHECKING:
    from ..world import World

EMBEDDING, CHAT = "texts.embedding", "texts.chat"


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


def written(scenario: Scenario) -> list[str]:
    """Whose profiles a chat model is to write: items, users, both or neither."""
    texts = scenario.texts
    return [n for n, how in (("items", texts.items), ("users", texts.users)) if how == "chat"]


def check(scenario: Scenario, response: ResponseModel, file: str) -> None:
    """InputError for settings that cannot be, whether or not an arm reads profiles."""
    embedding(scenario, file)
    if scenario.texts.chat is not None:
        _own_chat(scenario, file)
    elif (asked := written(scenario)) and not isinstance(response, Chat):
        raise InputError(
            file,
            key=f"texts.{asked[0]}",
            found="chat, without a chat model to write them",
            allowed="data",
            fix="give one: texts.chat: {name: gpt-4o-mini}",
        )


def embedding(scenario: Scenario, file: str) -> TextEmbedding:
    """Of the scenario's ``texts.embedding``; nothing is asked yet."""
    spec = scenario.texts.embedding
    return create(spec.provider, spec.options, file, EMBEDDING)


def writer(world: World) -> Chat:
    """The chat model that writes profiles, in a world that :func:`check` let pass."""
    if world.scenario.texts.chat is not None:
        return _own_chat(world.scenario, world.file)
    assert isinstance(world.response, Chat)
    return world.response


def ready(world: World) -> None:
    """Raises InputError where profiles are to be written and the model's key is missing."""
    if written(world.scenario) and readers(world.scenario, world.file):
        try:
            writer(world).ready()
        except AgentError as error:
            raise InputError(f"{world.file}: {where(world.scenario)}: {error}") from None


def where(scenario: Scenario) -> str:
    """The key that says who writes."""
    return "agents.response" if scenario.texts.chat is None else CHAT


def _own_chat(scenario: Scenario, file: str) -> Chat:
    from ..world import beside

    assert scenario.texts.chat is not None
    settings = scenario.texts.chat.options
    if settings.get("provider") == SCRIPTED:
        settings["name"] = beside(file, str(settings.get("name", "")))
    if "model" in settings:
        raise InputError(
            file, key=f"{CHAT}.model", found="a setting", allowed="none: it is a chat model"
        )
    try:
        found = agents_registry.create("chat", settings)
    except AgentError as error:
        raise InputError(f"{file}: {CHAT}: {error}") from None
    assert isinstance(found, Chat)
    return found
