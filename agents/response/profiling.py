"""Profiles in a chat model's words: what each user likes, from the items it has rated.

One question a user, through the same gateway as everything else. Who cannot be written
about keeps the derived tastes; the outcome says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ..interface import OK, Audience, Catalogue, Services, Usage
from . import prompting
from .chat import Chat
from .question import Question
from .schema import Strict, reader, reply_schema
from .scripted import Portrait
from .visit import NOWHERE

RATED = 30
"""Items a model is shown of a history, the newest ones."""

SENTENCES, SENTENCE_CAP = 5, 200
MAX_TOKENS = 512
KIND = "profile"

Sentence = Annotated[str, Field(pattern=r"\S")]


class TastesReply(Strict):
    """A user's tastes, one sentence each."""

    tastes: tuple[Sentence, ...] = Field(min_length=1, max_length=SENTENCES, strict=False)


@dataclass(frozen=True, eq=False)
class Written:
    """Tastes of N agents, None where there are none that can be used; the outcomes; and
    what it took."""

    tastes: tuple[tuple[str, ...] | None, ...]
    outcome: tuple[str, ...]
    usage: Usage

    @property
    def failures(self) -> Counter[str]:
        """How many ended in each outcome that is not ok."""
        return Counter(outcome for outcome in self.outcome if outcome != OK)


def question(
    chat: Chat, audience: Audience, catalogue: Catalogue, row: int
) -> Question[TastesReply]:
    """What is asked about one user."""
    history = audience.history
    mine = slice(int(history.indptr[row]), int(history.indptr[row + 1]))
    item, rating = history.item[mine][-RATED:], history.rating[mine][-RATED:]
    lines = [
        prompting.as_json(_rated(catalogue, i, r))
        for i, r in zip(item.tolist(), rating.tolist(), strict=True)
    ]
    scale = None if np.isnan(rating).all() else prompting.numbers(catalogue.rating_scale)
    text = prompting.render("profile.j2", lines=lines, scale=scale)
    script = chat.script
    return Question(
        row=row,
        agent=int(audience.agent[row]),
        page=0,
        kind=KIND,
        messages=({"role": "user", "content": text},),
        schema=reply_schema(TastesReply),
        read=reader(TastesReply),
        max_tokens=chat.max_tokens or MAX_TOKENS,
        beside=None if script is None else Portrait(script, audience.profiles.tastes[row]),
    )


def write(
    chat: Chat,
    audience: Audience,
    catalogue: Catalogue,
    services: Services,
    on_done: Callable[[int], None],
) -> Written:
    """Ask about every agent of the audience; ``on_done`` hears how many are done. Opens and
    closes the model. Raises AgentError as asking does; what was answered by then is kept."""
    n = len(audience)
    tastes: list[tuple[str, ...] | None] = [None] * n
    outcome = [""] * n
    chat.open(services)
    try:
        opened = chat.opened

        async def ask(row: int) -> None:
            reply = await opened.gateway.ask(NOWHERE, question(chat, audience, catalogue, row))
            outcome[row] = reply.outcome
            if reply.value is not None:
                tastes[row] = _kept(reply.value.tastes)

        for row in range(n):
            opened.play(lambda row=row: ask(row))  # type: ignore[misc]
        while not opened.stage.wait_idle(0.2):
            on_done(sum(map(bool, outcome)))
        if opened.failure is not None:
            raise opened.failure
        on_done(n)
        return Written(tuple(tastes), tuple(outcome), chat.usage())
    finally:
        chat.drain()
        chat.close()


def _rated(catalogue: Catalogue, item: int, rating: float) -> dict[str, Any]:
    shown: dict[str, Any] = {"title": prompting.titled(catalogue, item)}
    if kinds := prompting.genres(catalogue, item):
        shown["genres"] = kinds
    if not np.isnan(rating):
        shown["rating"] = int(rating) if float(rating).is_integer() else rating
    return shown


def _kept(said: Sequence[str]) -> tuple[str, ...]:
    """One line each, cleaned and shortened; what has nothing visible in it is left out."""
    lines = [prompting.plain(sentence, SENTENCE_CAP) for sentence in said]
    return tuple(line for line in lines if line)
