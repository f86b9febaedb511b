"""Profiles in a chat model's words: what each user likes, from the items it has rated.

One question a user, through the same gateway as everything else. Who cannot be written
about keeps the derived tastes; the outcome says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ..interface import Audience, Catalogue, Services
from . import prompting
from .asking import Replies, ask_all
from .chat import Chat
from .question import Question
from .schema import Strict, reader, reply_schema
from .scripted import Portrait, Script

RATED = 30
"""Items a model is shown of a history, the newest ones."""

SENTENCES, SENTENCE_CAP = 5, 200
MAX_TOKENS = 512
KIND = "profile"

Sentence = Annotated[str, Field(pattern=r"\S")]


class TastesReply(Strict):
    """A user's tastes, one sentence each."""

    tastes: tuple[Sentence, ...] = Field(min_length=1, max_length=SENTENCES, strict=False)


def question(
    chat: Chat, audience: Audience, catalogue: Catalogue, row: int
) -> Question[tuple[str, ...]]:
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
    script, read = chat.script, reader(TastesReply)
    return Question(
        row=row,
        agent=int(audience.agent[row]),
        page=0,
        kind=KIND,
        messages=({"role": "user", "content": text},),
        schema=reply_schema(TastesReply),
        read=lambda text: _kept(read(text).tastes),
        max_tokens=chat.max_tokens or MAX_TOKENS,
        beside=None if script is None else portrait(script, audience.profiles.tastes[row]),
    )


def portrait(script: Script, tastes: Sequence[str]) -> Portrait:
    """What a script knows of a user: what it would say itself, the derived tastes."""
    known = tuple(tastes[:SENTENCES]) or ("I have no strong tastes.",)
    return Portrait(script, {"tastes": known})


def write(
    chat: Chat,
    audience: Audience,
    catalogue: Catalogue,
    services: Services,
    on_done: Callable[[int], None],
) -> Replies[tuple[str, ...]]:
    """The tastes of every agent of the audience, as :func:`.asking.ask_all`."""
    return ask_all(
        chat,
        len(audience),
        lambda row: question(chat, audience, catalogue, row),
        services,
        on_done,
    )


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
