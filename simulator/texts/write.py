"""Profiles for recommenders in a chat model's words: of items first, then of users, who are told
of by items they chose and those items' profiles.

Everything is asked before any arm is trained. A user's items are drawn from the training data
alone, and an item's profile is written from what the data says of it: nothing held out is told.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from agents.interface import RatedHistory, Spent
from agents.response import summaries
from agents.response.asking import ask_all
from agents.response.chat import Chat
from agents.response.question import Question
from agents.response.summaries import Chosen, Described

from ..data.dataset import Dataset
from ..profiles import because, lent, stopped
from ..progress import Progress
from ..randomness import stream
from ..storage.store import Store
from ..world import World, rated_history
from .own import titled
from .wanted import ready, writer, written

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Profiles:
    """What was written, by ``item`` and ``user`` and their numbers, "" where the model knew
    nothing to say; who could not be written about, by outcome; and what it took."""

    written: dict[str, dict[int, str]] = field(default_factory=dict)
    failures: dict[str, Counter[str]] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)


def write(
    world: World,
    items: Sequence[str],
    users: Sequence[str],
    store: Store,
    progress: Progress,
    used: Spent | None = None,
    say: Callable[[str], None] | None = None,
) -> Profiles:
    """Let the scenario's chat model write what it asks for and is not known yet; ``items``
    (n_items,) and ``users`` (n_users,) are the texts there are without it; ``say`` (``progress``
    by default) hears what became of each sort.

    Raises InputError where the model cannot be used, AuditionError or BudgetError where asking
    was stopped: what is written by then is kept, and is not asked again.
    """
    ready(world)
    desk = _Desk(world, writer(world), store, progress, used or Spent(), say or progress.say)
    if "items" in written(world.scenario):
        desk.items(items)
    if "users" in written(world.scenario):
        desk.users(applied(items, desk.done.get("item", {})), users)
    return Profiles(desk.done, desk.failures, desk.spent)


@dataclass(eq=False)
class _Desk:
    """Where profiles are written, one sort after the other."""

    world: World
    chat: Chat
    store: Store
    progress: Progress
    used: Spent
    say: Callable[[str], None]
    done: dict[str, dict[int, str]] = field(default_factory=dict)
    failures: dict[str, Counter[str]] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)

    def items(self, own: Sequence[str]) -> None:
        """Those that the data says anything of."""
        chat, data = self.chat, self.world.dataset
        there = [item for item, text in enumerate(own) if text]

        def question(row: int) -> Question[str]:
            item = there[row]
            return summaries.item_question(chat, row, item, described(data, item), own[item])

        self._ask("item", there, question)

    def users(self, profiles: Sequence[str], own: Sequence[str]) -> None:
        """Those with training items of which there is anything to say."""
        chat, data = self.chat, self.world.dataset
        told = {user: of for user, of in sampled(self.world, profiles) if of}
        there = list(told)

        def question(row: int) -> Question[str]:
            user = there[row]
            chosen, scale = told[user], data.rating_scale
            return summaries.user_question(chat, row, user, chosen, scale, own[user])

        self._ask("user", there, question)

    def _ask(
        self, about: str, there: Sequence[int], question: Callable[[int], Question[str]]
    ) -> None:
        started, n = time.monotonic(), len(there)
        services = lent(
            self.world, self.store, np.asarray(there, dtype=np.int64), self.used + self.spent
        )
        with (
            stopped(self.world.file, f"texts: {about}s"),
            self.progress.task(f"texts: {about}s", n) as task,
        ):
            found = ask_all(
                self.chat,
                n,
                question,
                services,
                lambda done: task.update(f"{done} of {n} asked", done),
            )
        rows = zip(there, found.value, strict=True)
        self.done[about] = {number: text for number, text in rows if text is not None}
        self.failures[about] = found.failures
        usage = found.usage
        self.spent += Spent(usage.usd or 0.0, usage.tokens, time.monotonic() - started)
        derived = sum(found.failures.values())
        line = f"texts: {about}s: {n - derived:,} written ({usage.cached:,} known), "
        line += (
            f"{derived:,} as the data has them{because(found.failures)}; {usage.tokens:,} tokens"
        )
        self.say(line + ("" if usage.usd is None else f", {usage.usd:.4f} USD"))


def described(dataset: Dataset, item: int) -> Described:
    """What a model is told of an item."""
    items = dataset.items
    return Described(
        title=titled(dataset, item),
        genres=items.genres[item],
        year=items.year[item],
        text=items.text[item],
        attributes={name: values[item] for name, values in items.attributes.items()},
    )


def sampled(
    world: World, profiles: Sequence[str], users: Sequence[int] | None = None
) -> Iterator[tuple[int, list[Chosen]]]:
    """Each user with training data (or of ``users``) with some of its items, oldest first: a draw
    of its own that depends on no other user. Items of which nothing is known are left out."""
    train, data = world.split.train, world.dataset
    history = rated_history(train)
    for user in np.unique(train.user).tolist() if users is None else users:
        item, rating = _drawn(world, history, user)
        chosen = (
            Chosen(titled(data, i), profiles[i], r)
            for i, r in zip(item.tolist(), rating.tolist(), strict=True)
        )
        yield user, [one for one in chosen if one.title or one.profile]


def _drawn(
    world: World, history: RatedHistory, user: int
) -> tuple[IntArray, npt.NDArray[np.float32]]:
    start, end = int(history.indptr[user]), int(history.indptr[user + 1])
    rng = stream(world.scenario.seed, "profiles", user)
    drawn = rng.permutation(end - start)[: world.scenario.texts.sample]
    place = start + np.sort(drawn)
    return history.item[place], history.rating[place]


def applied(own: Sequence[str], written_: Mapping[int, str]) -> list[str]:
    """The texts, written ones in place of others."""
    return [written_.get(number, text) for number, text in enumerate(own)]
