"""The memory module: what an agent noted, and how it finds it again.

Retrieval follows Generative Agents (Park et al., UIST 2023, section 4.1): a weighted sum
of relevance to the cue, recency (exponential decay) and importance. Entries are factual
(what was shown, watched, rated), emotional (how it felt), or a reflection on earlier
ones. The builder functions :func:`factual`, :func:`emotional` and :func:`reflection`
word an entry the same way for every response model: a chat agent adds them as it goes;
for a behavioural agent, which writes none, a transcript renders them from the stored page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .embedding import relevance
from .interface import MemoryEntry

FACTUAL, EMOTIONAL, REFLECTION = "factual", "emotional", "reflection"

Relevance = Callable[[str, Sequence[str]], npt.NDArray[np.floating]]
"""(cue, texts) -> one figure in 0..1 a text; TF-IDF by default, an embedding by choice."""

Summarise = Callable[[Sequence[MemoryEntry]], str]


@dataclass(frozen=True)
class Weights:
    """How retrieval weighs its three parts, each in 0..1 before weighing.

    ``decay`` is what one page leaves of recency; all weights equal as in the paper.
    """

    relevance: float = 1.0
    recency: float = 1.0
    importance: float = 1.0
    decay: float = 0.8


class Memory:
    """One agent's entries in the order they were noted."""

    def __init__(self, weights: Weights | None = None, relevance_of: Relevance = relevance) -> None:
        self._weights = weights or Weights()
        self._relevance = relevance_of
        self._entries: list[MemoryEntry] = []

    @property
    def entries(self) -> tuple[MemoryEntry, ...]:
        return tuple(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: MemoryEntry) -> None:
        self._entries.append(entry)

    def scores(self, cue: str) -> npt.NDArray[np.float64]:
        """(n_entries,) retrieval scores; recency counts from the latest page noted."""
        if not self._entries:
            return np.zeros(0)
        page = np.array([entry.page for entry in self._entries])
        importance = np.array([entry.importance for entry in self._entries])
        fit = np.asarray(self._relevance(cue, [entry.text for entry in self._entries]))
        w = self._weights
        return np.asarray(
            w.relevance * fit.astype(np.float64)
            + w.recency * w.decay ** (page.max() - page)
            + w.importance * np.clip(importance, 0.0, 1.0)
        )

    def retrieve(self, cue: str, k: int) -> list[MemoryEntry]:
        """The k entries of highest score, best first; of equals, the one noted later."""
        if k <= 0:
            return []
        order = np.lexsort((-np.arange(len(self)), -self.scores(cue)))
        return [self._entries[n] for n in order[:k]]

    def reflect(self, row: int, page: int, summarise: Summarise | None = None) -> MemoryEntry:
        """Note a reflection on everything since the last one, and return it.

        ``summarise`` turns the entries into text (a chat model's reply); without it the
        text is :func:`plain_summary`. Reflections themselves are carried into the next.
        """
        last = max((n for n, e in enumerate(self._entries) if e.kind == REFLECTION), default=0)
        entry = reflection(row, page, (summarise or plain_summary)(self._entries[last:]))
        self.add(entry)
        return entry


def factual(
    row: int,
    page: int,
    titles: Sequence[str],
    watched: Iterable[bool],
    rating: Iterable[float],
) -> MemoryEntry:
    """What happened on a page: the shown titles from the top slot down, whether each was
    watched, and its rating (NaN where not watched). Importance: the share watched, .2 to 1.
    """
    seen, passed = [], []
    for title, yes, score in zip(titles, watched, rating, strict=True):
        if not yes:
            passed.append(title)
        else:
            seen.append(title if math.isnan(score) else f"{title} (rated {score:g})")
    parts = [f"I watched {_list(seen)}" if seen else "I watched nothing"]
    if passed:
        parts.append(f"passed over {_list(passed)}")
    importance = 0.2 + 0.8 * len(seen) / max(len(titles), 1)
    return MemoryEntry(row, page, FACTUAL, f"Page {page}: {'; '.join(parts)}.", importance)


def emotional(
    row: int,
    page: int,
    satisfaction: float,
    fatigue: float,
    reason: str = "",
    feeling: str = "",
) -> MemoryEntry:
    """How a page left the agent: ``satisfaction`` 1..10 so far, ``fatigue`` 0..1, why it
    stayed or left, and its own words where it has any. Importance: how far satisfaction
    lies from the middle, in 0..1.
    """
    tired = "fresh" if fatigue < 1 / 3 else "a little tired" if fatigue < 2 / 3 else "tired"
    text = f"Page {page}: satisfaction {satisfaction:.0f} of 10, {tired}."
    own = [part.strip().rstrip(".") for part in (feeling, reason) if part.strip()]
    if own:
        text += f" {'. '.join(own)}."
    importance = min(abs(satisfaction - 5.5) / 4.5, 1.0)
    return MemoryEntry(row, page, EMOTIONAL, text, importance)


def reflection(row: int, page: int, text: str, importance: float = 0.8) -> MemoryEntry:
    """A conclusion drawn from earlier entries."""
    return MemoryEntry(row, page, REFLECTION, text, importance)


def plain_summary(entries: Sequence[MemoryEntry], longest: int = 600) -> str:
    """The entries' gist without a model: the most important ones, in the order noted."""
    if not entries:
        return "Nothing has happened yet."
    ranked = sorted(range(len(entries)), key=lambda n: (-entries[n].importance, -n))[:3]
    text = " ".join(entries[n].text for n in sorted(ranked))
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _list(titles: Sequence[str]) -> str:
    return "; ".join(titles) if len(titles) < 3 else ", ".join(titles)
