"""What a run was begun with of a chat model's words: its agents' tastes, and the profiles that its
recommenders read. Who goes on with a run, replays it, or plays a replicate of it has the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .storage import queries, run_texts

if TYPE_CHECKING:
    from .profiles import Tastes
    from .recording import Recording
    from .storage.store import Store
    from .world import World


def recorded_tastes(replayed: Recording | None, world: World) -> Tastes | None:
    """As a recording has them."""
    if replayed is None:
        return None
    return [replayed.tastes.get(str(agent)) for agent in world.audience.agent.tolist()]


def tastes(store: Store, run: str | None, world: World) -> Tastes | None:
    """Those the run was played with, None for agents who had not come yet; None where it was
    stopped before anybody had, and without a run."""
    if run is None:
        return None
    people = queries.agents(store, run)
    known = dict(zip(people["agent"].tolist(), people["tastes"], strict=True))
    return [known.get(agent) for agent in world.audience.agent.tolist()] if known else None


def texts(replayed: Recording | None, store: Store, run: str | None) -> run_texts.Written | None:
    """As a recording has them, or else as the run has; None where they have to be written."""
    if replayed is not None:
        return replayed.texts
    return None if run is None else run_texts.kept(store, queries.run(store, run).id)
