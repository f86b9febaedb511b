"""The items' texts as vectors, given to the agents of a world (``agents.embedding``).

A world is built without a store and without asking anybody; what plays agents lets its world
be settled first. The texts are those of the data, without a scenario's canary.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agents.response.chat import Chat
from agents.response.taste import item_texts

from ..errors import InputError
from ..progress import Progress
from ..scenario import Scenario
from ..storage.store import Store
from .builtin import TF_IDF
from .choose import create
from .interface import TextEmbedding
from .kept import embedded

if TYPE_CHECKING:
    from agents.interface import ResponseModel

    from ..world import World


def wanted(scenario: Scenario) -> bool:
    """Whether it is another embedding than the built-in one, with which agents embed their
    catalogue themselves."""
    spec = scenario.agents.embedding
    return spec.provider != TF_IDF or bool(spec.options)


def check(scenario: Scenario, response: ResponseModel, file: str) -> None:
    """InputError for settings that cannot be, or that would change nothing."""
    if not wanted(scenario):
        return
    _chosen(scenario, file)
    if isinstance(response, Chat) and response.script is None:
        raise InputError(
            file,
            key="agents.embedding",
            found="an embedding for agents that are a chat model",
            allowed=f"{TF_IDF}, as a chat model reads the texts themselves",
        )


def settle(world: World, store: Store, progress: Progress, *, closed: bool = False) -> World:
    """The world with embedded items, the same one where the built-in embedding is meant.
    ``closed``: nothing is sent, as in a replay. Raises InputError and AuditionError."""
    from ..world import plain_catalogue

    if not wanted(world.scenario):
        return world
    texts = item_texts(plain_catalogue(world))
    with closing(_chosen(world.scenario, world.file)) as embedding:
        result = embedded(embedding, texts, store, progress, closed=closed)
        counted = f", {embedding.tokens:,} tokens" if embedding.tokens else ""
    progress.say(
        f"embeddings: {result.found + result.sent:,} texts of {embedding.name}: "
        f"{result.found:,} known, {result.sent:,} sent{counted}"
    )
    return replace(world, catalogue=replace(world.catalogue, embedding=result.vectors))


def facts(world: World) -> dict[str, Any]:
    """For the facts of a run; nothing with the built-in embedding."""
    vectors = world.catalogue.embedding
    if vectors is None:
        return {}
    name = _chosen(world.scenario, world.file).name
    return {"embedding": {"name": name, "dimensions": int(vectors.shape[1])}}


def _chosen(scenario: Scenario, file: str) -> TextEmbedding:
    spec = scenario.agents.embedding
    return create(spec.provider, spec.options, file)
