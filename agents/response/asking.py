"""Questions that belong to no visit, put to a chat model side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..interface import OK, Services, Usage
from .chat import Chat
from .question import Question
from .visit import NOWHERE

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Replies(Generic[T]):
    """What N questions got: the values, None where there is none that can be used; the
    outcomes; and what it took."""

    value: tuple[T | None, ...]
    outcome: tuple[str, ...]
    usage: Usage

    @property
    def failures(self) -> Counter[str]:
        """How many ended in each outcome that is not ok."""
        return Counter(outcome for outcome in self.outcome if outcome != OK)


def ask_all(
    chat: Chat,
    n: int,
    question: Callable[[int], Question[T]],
    services: Services,
    on_done: Callable[[int], None],
) -> Replies[T]:
    """Ask ``question(0)`` to ``question(n - 1)``, each made when its turn comes near;
    ``on_done`` hears how many are done. Opens and closes the model. Raises AgentError as
    asking does; what was answered by then is kept."""
    value: list[T | None] = [None] * n
    outcome = [""] * n
    chat.open(services)
    try:
        opened = chat.opened

        async def ask(row: int) -> None:
            reply = await opened.gateway.ask(NOWHERE, question(row))
            value[row], outcome[row] = reply.value, reply.outcome

        for row in range(n):
            opened.play(lambda row=row: ask(row))  # type: ignore[misc]
        while not opened.stage.wait_idle(0.2):
            on_done(sum(map(bool, outcome)))
        if opened.failure is not None:
            raise opened.failure
        on_done(n)
        return Replies(tuple(value), tuple(outcome), chat.usage())
    finally:
        chat.drain()
        chat.close()
