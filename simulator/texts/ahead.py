"""Profiles that recommenders read, written ahead of any run (``audition profiles``)."""

from __future__ import annotations

from collections.abc import Callable

from agents.interface import Spent
from agents.response.chat import Chat

from ..errors import InputError
from ..progress import Progress
from ..storage.store import Store
from ..world import World
from . import own
from .wanted import readers, written
from .write import write as write_all


def asked(world: World) -> bool:
    """Whether the scenario has them written and an arm reads them. Raises InputError where there
    is nothing at all to write, agents' tastes included."""
    scenario = world.scenario
    wanted, read = written(scenario), readers(scenario, world.file)
    if wanted and read:
        return True
    if scenario.agents.profiles == "chat" or isinstance(world.response, Chat):
        return False
    if wanted:
        raise InputError(
            world.file,
            key=f"texts.{wanted[0]}",
            found="chat, and no arm reads profiles",
            allowed="chat with an arm that does, such as one of rlmrec",
        )
    raise InputError(
        world.file,
        key="agents.profiles",
        found="nothing that a chat model is to write",
        allowed="chat, with agents that are one; or chat in texts.items or texts.users",
    )


def write(world: World, store: Store, progress: Progress, say: Callable[[str], None]) -> Spent:
    """Write them; what it took. Raises as :func:`.write.write`."""
    items, users = own.item_texts(world.dataset), own.user_texts(world)
    return write_all(world, items, users, store, progress, say=say).spent
