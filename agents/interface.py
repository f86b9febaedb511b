"""The agents' side of the seam: an audience, pages shown to it, and its answers.

Everything is columnar: a batch of B agents who each look at one page of k items. A
response model (embedded and vectorised, or a chat model) turns pages into answers; the
simulator decides what is shown and writes down what happened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

NO_ITEM = -1
"""Pads a page with fewer than k items."""

OK = "ok"
"""The outcome of an answer that can be used; any other outcome is missing data."""


class AgentError(Exception):
    """An agent cannot be made or asked as configured; the text says what to change."""


class BudgetReached(AgentError):
    """The next call could pass a cap; nothing was sent, and what is finished is kept."""


class Stopped(AgentError):
    """No more questions are asked, as the run was told to stop."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """What an agent may know of the n_items items.

    ``shown_rating`` (n_items,) is the rating displayed beside an item (the mean of the
    training ratings, NaN where there is none), ``popularity`` (n_items,) its number of
    training interactions, ``rating_scale`` the lowest and highest rating. ``embedding``
    (n_items, D): the texts as vectors of unit length; None: agents that need some embed the
    texts themselves.
    """

    title: tuple[str, ...]
    text: tuple[str, ...]
    genres: tuple[tuple[str, ...], ...]
    year: tuple[int, ...]
    shown_rating: FloatArray
    popularity: IntArray
    rating_scale: tuple[float, float] = (1.0, 5.0)
    embedding: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.title)


@dataclass(frozen=True, eq=False)
class RatedHistory:
    """What N users did before the simulation (training part only), ragged.

    User n has ``item[indptr[n]:indptr[n + 1]]`` with ``rating`` beside it (NaN where the
    data has no ratings).
    """

    indptr: IntArray
    item: IntArray
    rating: FloatArray

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def rows(self, index: IntArray) -> RatedHistory:
        """The histories of the chosen users, in the order of ``index``."""
        lengths = np.diff(self.indptr)[index]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(indptr[-1], dtype=np.int64) - np.repeat(indptr[:-1], lengths)
        at = np.repeat(self.indptr[index], lengths) + within
        return RatedHistory(indptr, self.item[at], self.rating[at])


@dataclass(frozen=True, eq=False)
class Profiles:
    """The profile module's result for N agents.

    Levels are 1..3 (evidence: activity 3 = most ratings; diversity 3 = most genres;
    conformity 1 = conforms most); ``*_value`` are the raw figures behind them.
    """

    activity: npt.NDArray[np.int8]
    diversity: npt.NDArray[np.int8]
    conformity: npt.NDArray[np.int8]
    activity_value: Floats
    diversity_value: Floats
    conformity_value: Floats
    tastes: tuple[tuple[str, ...], ...]
    persona: tuple[str, ...]

    def rows(self, index: IntArray) -> Profiles:
        """The profiles of the chosen agents, in the order of ``index``."""
        chosen = index.tolist()
        return Profiles(
            activity=self.activity[index],
            diversity=self.diversity[index],
            conformity=self.conformity[index],
            activity_value=self.activity_value[index],
            diversity_value=self.diversity_value[index],
            conformity_value=self.conformity_value[index],
            tastes=tuple(self.tastes[row] for row in chosen),
            persona=tuple(self.persona[row] for row in chosen),
        )


@dataclass(frozen=True, eq=False)
class Audience:
    """N agents: ``agent`` (N,) their numbers (the user's number in the data set, so that
    an agent keeps its luck when the population grows), their profiles and histories.

    ``population``: what everybody in the data did before the simulation (training part only),
    whether an agent or not; None where only the agents' own histories are known.

    ``recognised``: of each agent, items its user truly rated and that are held out, with these
    ratings; an agent who is shown one answers from its rating. None: nothing is recognised."""

    agent: IntArray
    profiles: Profiles
    history: RatedHistory
    population: RatedHistory | None = None
    recognised: RatedHistory | None = None

    def __len__(self) -> int:
        return len(self.agent)

    def rows(self, index: IntArray) -> Audience:
        """The chosen agents, in the order of ``index``."""
        return replace(
            self,
            agent=self.agent[index],
            profiles=self.profiles.rows(index),
            history=self.history.rows(index),
            recognised=None if self.recognised is None else self.recognised.rows(index),
        )


class Luck(Protocol):
    """Uniform draws keyed by identity, never by arm, so every arm meets the same luck."""

    @property
    def draw(self) -> str:
        """Names the draw of chance, "" for the first one. Under another one whoever has a
        chance of its own, a chat model, is asked anew."""

    def uniform(self, purpose: str, *keys: npt.ArrayLike) -> Floats:
        """Draws in (0, 1), one for each element of the broadcast integer ``keys``."""


@dataclass(frozen=True, eq=False)
class Page:
    """One page for each of B agents.

    ``row`` (B,) positions in the audience, ``item`` (B, k) what is shown from the top
    slot down (:data:`NO_ITEM` pads), ``number`` the page's number from 1, ``round`` the
    round's from 1.
    """

    row: IntArray
    item: IntArray
    number: int
    round: int

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, eq=False)
class Answers:
    """What B agents did with one page. Rows whose ``outcome`` is not ok are missing data:
    their other columns hold NaN or False and must not be read as behaviour.

    ``interest`` (B, k) in 0..1; ``aligned`` (B, k): fits my taste; ``watched`` (B, k);
    ``rating`` (B, k), NaN where not watched; ``satisfaction`` (B,) 1..10 so far;
    ``fatigue`` (B,) 0..1; ``leave`` (B,); ``reason`` (B,) why it stays or leaves;
    ``item_reason``/``item_feeling`` (B, k) strings, or None where the model writes none.
    """

    interest: FloatArray
    aligned: BoolArray
    watched: BoolArray
    rating: FloatArray
    satisfaction: FloatArray
    fatigue: FloatArray
    leave: BoolArray
    reason: Sequence[str]
    outcome: Sequence[str]
    item_reason: Sequence[Sequence[str]] | None = None
    item_feeling: Sequence[Sequence[str]] | None = None
    feeling: Sequence[str] | None = None


@dataclass(frozen=True, eq=False)
class Interviews:
    """Exit interviews of B agents: ``satisfaction`` (B,) 1..10 (NaN if the interview
    failed), ``return_intent`` (B,) 0..1 how likely it comes back, a reason, an outcome."""

    satisfaction: FloatArray
    return_intent: FloatArray
    reason: Sequence[str]
    outcome: Sequence[str]


@dataclass(frozen=True)
class MemoryEntry:
    """One thing an agent noted: ``kind`` factual, emotional or reflection."""

    row: int
    page: int
    kind: str
    text: str
    importance: float


@dataclass(frozen=True)
class Call:
    """One request to a chat model, as it is stored: nothing secret, everything replayable.

    ``key`` is the content address of the question the request belongs to, "" where its
    reply must not be used again. ``tokens_cached`` of ``tokens_in`` came from the
    provider's prompt cache. ``assumed_*`` is what a request whose reply was lost (a
    time-out, a cut body) may have cost: it counts against the budget and nowhere else.
    ``cached``: the reply was there already, so that nothing was sent and nothing is owed.
    """

    row: int
    page: int
    kind: str
    attempt: int
    outcome: str
    prompt_hash: str
    messages: str
    reply: str
    tokens_in: int
    tokens_out: int
    latency: float
    cached: bool = False
    cost_usd: float | None = None
    key: str = ""
    tokens_cached: int = 0
    assumed_tokens: int = 0
    assumed_usd: float = 0.0


class Place(NamedTuple):
    """Which arm's sessions of which round a call belongs to."""

    arm_id: int
    round: int


class Ledger(Protocol):
    """Where the calls of a run are kept. Used from one thread that is not the main one."""

    closed: bool
    """Nothing may be asked: what is not in the log is an error (a replay)."""

    def logged(self, place: Place, row: int, page: int, kind: str) -> Sequence[Call]:
        """The attempts this question has had in this run, in order; usually none."""

    def known(self, key: str) -> Call | None:
        """The usable reply some run of this store got to the same question."""

    def write(self, calls: Sequence[tuple[Place, Call]]) -> None:
        """Keep calls; they outlive the process when this returns."""


@dataclass(frozen=True)
class Spent:
    """What a run has used so far."""

    usd: float = 0.0
    tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.usd + other.usd, self.tokens + other.tokens, self.seconds + other.seconds)


@dataclass(frozen=True)
class Usage:
    """Calls made, taken from the store instead, and failed; what they came to (``usd``
    None where a price is not known); requests under way; seconds the endpoint pauses."""

    calls: int = 0
    cached: int = 0
    failed: int = 0
    tokens: int = 0
    usd: float | None = None
    in_flight: int = 0
    paused: float = 0.0


@dataclass(frozen=True)
class Caps:
    """What a run may spend at most; None is no cap."""

    usd: float | None = None
    tokens: int | None = None
    minutes: float | None = None


@dataclass(frozen=True, eq=False)
class Services:
    """What the simulator lends to a response model for one run."""

    ledger: Ledger
    caps: Caps = Caps()
    spent: Spent = Spent()


@dataclass
class Notes:
    """What a visit wrote beside its answers, handed over once and then emptied."""

    memories: list[MemoryEntry] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Collected:
    """What has become ready in a visit: pages with their answers, interviews with the rows
    they belong to, each with the notes made on the way."""

    pages: Sequence[tuple[Page, Answers, Notes]] = ()
    interviews: Sequence[tuple[IntArray, Interviews, Notes]] = ()


class Visit(ABC):
    """One arm's sessions of one round: holds what each agent remembers of this visit."""

    @abstractmethod
    def turn(self, page: Page) -> Answers:
        """Show one page to each agent in it; B answers in the same order."""

    @abstractmethod
    def interview(self, row: IntArray) -> Interviews:
        """Ask the agents at these audience rows, who have left, how it was."""

    def notes(self) -> Notes:
        """Memories and calls since the last time this was asked."""
        return Notes()


class ConcurrentVisit(Visit):
    """A visit whose agents do not wait for each other: pages and interviews are handed in
    and collected, in whatever order they become ready. What comes of a page depends on
    that agent's own session only, never on the order."""

    @abstractmethod
    def begin(self, place: Place) -> None:
        """Say under which arm and round calls are kept; it changes no answer."""

    @abstractmethod
    def submit(self, page: Page) -> None:
        """Show one page to each agent in it; answers come by :meth:`collect`."""

    @abstractmethod
    def leave(self, row: IntArray) -> None:
        """These agents have left; their interviews come by :meth:`collect`."""

    @abstractmethod
    def collect(self) -> Collected:
        """What became ready since the last time. Raises AgentError where no more can come
        (:class:`BudgetReached`, :class:`Stopped`, or what stopped the endpoint)."""


class ResponseModel(ABC):
    """How agents decide. Settings are keyword arguments of the constructor."""

    settings: Mapping[str, Any]

    @classmethod
    def expand(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as given, and what one of them, such as the name of a preset, stands
        for; called before defaults are filled in. Raises AgentError."""
        return dict(settings)

    @abstractmethod
    def visit(self, audience: Audience, catalogue: Catalogue, luck: Luck, round_: int) -> Visit:
        """Open sessions for the whole audience; called once for each arm and round."""

    def check_recognition(self) -> None:
        """Raises AgentError, saying why, where agents of this model would not answer recognised
        items (:attr:`Audience.recognised`) from their ratings; by default none would."""
        raise AgentError("this response model does not answer from its users' own ratings")

    def ready(self) -> None:  # noqa: B027 most models need nothing
        """Raises AgentError where something is missing that asking needs, such as a key."""

    def open(self, services: Services) -> None:  # noqa: B027 nothing to open is a fine default
        """Get ready for one run: called once, before the first visit."""

    def wait(self, seconds: float) -> None:  # noqa: B027 only concurrent visits are waited for
        """Block until a concurrent visit has something to collect, or that long."""

    def drain(self) -> None:  # noqa: B027 as above
        """Ask nothing more; returns when every request under way has ended and is kept."""

    def close(self) -> None:  # noqa: B027 as above
        """Let go of everything :meth:`open` took; also after a failure."""

    def usage(self) -> Usage:
        """What was asked since :meth:`open`, for progress."""
        return Usage()
