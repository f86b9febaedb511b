"""Profiles that recommenders read, in a chat model's words, after RLMRec (Ren et al., WWW 2024,
section 3.3): of an item, what kinds of people would enjoy it; of a user, what kinds of items it
enjoys, from some that it chose and *their* profiles. Only the summarization is a profile; the
reasoning asked for beside it is kept with the reply.

The published prompts are theirs and ask for the same two fields; ours are shorter, and a
user's rating stands where theirs have its review.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import model_validator

from . import prompting
from .chat import Chat
from .question import Question
from .schema import Scale, Strict, reader, reply_schema
from .scripted import Portrait

ITEM, USER = "item_profile", "user_profile"
"""Kinds of question; the number of the item or the user stands where others have an agent."""

ITEM_WORDS, USER_WORDS, REASONS = 200, 100, 200
GRACE = 1.5
"""A text is taken up to so many times the words that were asked for: models do not count well."""

ITEM_TOKENS, USER_TOKENS = 1024, 768
TEXT_CAP, ATTRIBUTES, ATTRIBUTE_CAP, PROFILE_CAP = 1000, 10, 120, 2000
NONE = frozenset({"", "none", "null", "n/a"})
"""What stands for no profile, whatever its case and its quotes."""


class ItemReply(Strict):
    """RLMRec's two fields, about an item."""

    words: ClassVar[int] = ITEM_WORDS

    summarization: str
    reasoning: str

    @model_validator(mode="after")
    def _short(self) -> Self:
        for name, most in (("summarization", self.words), ("reasoning", REASONS)):
            found = len(getattr(self, name).split())
            if found > GRACE * most:
                raise ValueError(f"{name}: {found} words; {most} at most")
        return self


class UserReply(ItemReply):
    """The same, about a user."""

    words: ClassVar[int] = USER_WORDS


@dataclass(frozen=True)
class Described:
    """What is known of an item; ``year`` 0 and empty texts where nothing is."""

    title: str = ""
    genres: tuple[str, ...] = ()
    year: int = 0
    text: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chosen:
    """An item that a user chose: its ``profile``, and the user's ``rating`` or NaN."""

    title: str
    profile: str
    rating: float = float("nan")


def item_question(chat: Chat, row: int, item: int, known: Described, own: str) -> Question[str]:
    """What is asked about one item, "" being no profile; ``own`` is what a script that needs no
    model says."""
    line = prompting.as_json(_told(known))
    return Question(
        row=row,
        agent=item,
        page=0,
        kind=ITEM,
        messages=(
            _message("system", "item.j2", words=ITEM_WORDS, reasons=REASONS),
            _message("user", "item_data.j2", line=line),
        ),
        schema=reply_schema(ItemReply),
        read=_read(ItemReply),
        max_tokens=chat.max_tokens or ITEM_TOKENS,
        beside=_beside(chat, own, ITEM_WORDS),
    )


def user_question(
    chat: Chat, row: int, user: int, chosen: Sequence[Chosen], scale: Scale, own: str
) -> Question[str]:
    """What is asked about one user, as :func:`item_question`; ``scale`` of the ratings."""
    rated = not np.isnan([one.rating for one in chosen]).all()
    lines = [prompting.as_json(_chosen(one)) for one in chosen]
    told = {"words": USER_WORDS, "reasons": REASONS}
    return Question(
        row=row,
        agent=user,
        page=0,
        kind=USER,
        messages=(
            _message(
                "system", "user.j2", scale=prompting.numbers(scale) if rated else None, **told
            ),
            _message("user", "user_data.j2", lines=lines),
        ),
        schema=reply_schema(UserReply),
        read=_read(UserReply),
        max_tokens=chat.max_tokens or USER_TOKENS,
        beside=_beside(chat, own, USER_WORDS),
    )


def _message(role: str, template: str, **values: Any) -> dict[str, str]:
    # In a folder of their own: the version of the others is part of the address of every reply
    # of an agent, and a template's words are part of its own questions' anyway.
    return {"role": role, "content": prompting.render(f"profiles/{template}", **values)}


def _told(known: Described) -> dict[str, Any]:
    """Cleaned and shortened, without what is not known."""
    told = {
        "title": prompting.plain(known.title, prompting.TITLE_CAP),
        "genres": [prompting.plain(genre, prompting.GENRE_CAP) for genre in known.genres],
        "year": max(known.year, 0),
        "about": prompting.plain(known.text, TEXT_CAP),
    }
    for name, value in list(known.attributes.items())[:ATTRIBUTES]:
        if named := prompting.plain(name, prompting.GENRE_CAP):
            told.setdefault(named, prompting.plain(value, ATTRIBUTE_CAP))
    return {name: value for name, value in told.items() if value}


def _chosen(one: Chosen) -> dict[str, Any]:
    told: dict[str, Any] = {"title": prompting.plain(one.title, prompting.TITLE_CAP)}
    if not np.isnan(one.rating):
        told["rating"] = int(one.rating) if float(one.rating).is_integer() else one.rating
    told["description"] = prompting.plain(one.profile, PROFILE_CAP)
    return {name: value for name, value in told.items() if value != ""}


def _read(model: type[ItemReply]) -> Callable[[str], str]:
    read = reader(model)
    return lambda text: _kept(read(text).summarization)


def _kept(said: str) -> str:
    """One line, cleaned; "" for what says that there is none."""
    line = prompting.plain(said, PROFILE_CAP)
    return "" if line.strip(" .\"'").lower() in NONE else line


def _beside(chat: Chat, own: str, words: int) -> Portrait | None:
    if chat.script is None:
        return None
    said = " ".join(own.split()[:words]) or "None"
    return Portrait(chat.script, {"summarization": said, "reasoning": "It is what is known."})
