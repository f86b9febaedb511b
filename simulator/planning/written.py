"""What it takes to have the profiles written that recommenders read (docs/profiles.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.response import summaries
from agents.response.chat import Chat
from agents.response.question import Question

from ..randomness import stream
from ..texts import own
from ..texts.wanted import readers, writer, written
from ..texts.write import described, sampled
from ..world import World
from .parts import Figures, Part, Size, whole
from .questions import SAMPLE, Amount, Asked, Steps, seconds, weighed

SAID = 0.5
"""Words of a reply of those that were asked for at most."""


@dataclass(frozen=True)
class Writing:
    """Questions of a model, each sort with how many there are in a world; ``once``: those about
    items are the same in every world, and known after the first. ``latency`` of a call."""

    chat: Chat
    items: tuple[list[Asked], int]
    users: tuple[list[Asked], int]
    once: bool
    latency: float

    def _parts(self, of: Size) -> list[Part]:
        (items, n_items), (users, n_users) = self.items, self.users
        share = 1 / of.worlds if self.once else 1.0
        of_item, of_user = (summaries.ITEM, 0), (summaries.USER, 0)
        return [
            Part(items, Steps({of_item: share}, {of_item: 1.0}), n_items * of.worlds),
            Part(users, Steps({of_user: 1.0}, {of_user: 1.0}), n_users * of.worlds),
        ]

    def totals(self, of: Size) -> Figures:
        """As :class:`.spending.Spending` has them; replicates read what the first one does."""
        nothing, parts = Amount(0, 0, 0), self._parts(of)
        expected = sum((part.expected() for part in parts), nothing)
        most = sum((part.most() for part in parts), nothing)
        # Users wait for items.
        in_turn = of.worlds * sum(bool(n) for _, n in (self.items, self.users))
        took, bound_by = seconds(expected, self.chat.settings, self.latency, in_turn)
        price = self.chat.price
        return {
            "calls": whole(expected.calls, most.calls),
            "tokens": {
                "prompt": whole(expected.prompt, most.prompt),
                "reply": whole(expected.reply, most.reply),
            },
            "usd": {"expected": expected.cost(price), "most": most.cost(price)},
            "seconds": {"expected": round(took, 1), "bound_by": bound_by},
        }

    def kinds(self, of: Size) -> Figures:
        """Calls and mean tokens of each kind of question."""
        return {kind: each for part in self._parts(of) for kind, each in part.kinds().items()}

    @property
    def assumptions(self) -> list[str]:
        return [
            f"profiles of all items and users, as nothing were known yet; replies of {SAID:g} of "
            "the words that are asked for at most"
        ]


def measured(world: World, latency: float) -> Writing | None:
    """From a seeded sample of items and users; None where nobody is asked about either."""
    asked = written(world.scenario)
    if not asked or not readers(world.scenario, world.file):
        return None
    chat, texts = writer(world), own.item_texts(world.dataset)
    items = [item for item, text in enumerate(texts) if text]
    users = np.unique(world.split.train.user).tolist()
    of_items, of_users = list[Asked](), list[Asked]()
    if "items" in asked:
        of_items = [_of_item(world, chat, item) for item in _some(world, items)]
        texts = [_filler(summaries.ITEM_WORDS) if text else "" for text in texts]
    if "users" in asked:
        of_users = _of_users(world, chat, texts, _some(world, users), longest="items" in asked)
    return Writing(
        chat,
        (of_items, len(items) if of_items else 0),
        (of_users, len(users) if of_users else 0),
        once=world.dataset.utility is None,  # a synthetic world's items come from its seed
        latency=latency,
    )


def added(agents: Figures, texts: Figures) -> Figures:
    """The totals of both, one after the other."""
    longer = max((agents, texts), key=lambda one: one["seconds"]["expected"])
    took = agents["seconds"]["expected"] + texts["seconds"]["expected"]
    return {
        "calls": _sum(agents["calls"], texts["calls"]),
        "tokens": {
            part: _sum(agents["tokens"][part], texts["tokens"][part])
            for part in ("prompt", "reply")
        },
        "usd": _sum(agents["usd"], texts["usd"]),
        "seconds": {"expected": round(took, 1), "bound_by": longer["seconds"]["bound_by"]},
    }


def _sum(one: Figures, other: Figures) -> Figures:
    """None where either is not known."""
    return {
        key: None if one[key] is None or other[key] is None else one[key] + other[key]
        for key in one
    }


def _some(world: World, numbers: Sequence[int]) -> list[int]:
    order = stream(world.scenario.seed, "plan").permutation(len(numbers))[:SAMPLE]
    return [numbers[place] for place in order.tolist()]


def _of_item(world: World, chat: Chat, item: int) -> Asked:
    question = summaries.item_question(chat, 0, item, described(world.dataset, item), "")
    return _weighed(chat, question, summaries.ITEM_WORDS)


def _of_users(
    world: World, chat: Chat, texts: Sequence[str], users: Sequence[int], *, longest: bool
) -> list[Asked]:
    """``longest``: a profile of an item may be as long as one is taken."""
    out, scale = list[Asked](), world.dataset.rating_scale
    for user, chosen in sampled(world, texts, users):
        question = summaries.user_question(chat, 0, user, chosen, scale, "")
        asked = _weighed(chat, question, summaries.USER_WORDS)
        if longest:
            most = "x" * summaries.PROFILE_CAP
            chosen = [replace(one, profile=most) for one in chosen]
            question = summaries.user_question(chat, 0, user, chosen, scale, "")
            bound = _weighed(chat, question, summaries.USER_WORDS).prompt_bound
            asked = replace(asked, prompt_bound=bound)
        out.append(asked)
    return out


def _weighed(chat: Chat, question: Question[str], words: int) -> Asked:
    schema_sent = chat.endpoint.compatible and chat.settings["structured"] != "json"
    said = {"summarization": _filler(words), "reasoning": _filler(summaries.REASONS)}
    return weighed(question, json.dumps(said), schema_sent=schema_sent)


def _filler(words: int) -> str:
    """A text of the words that are expected where so many are asked for at most."""
    return " ".join(["people"] * round(SAID * words))
