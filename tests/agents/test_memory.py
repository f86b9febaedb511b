from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.interface import MemoryEntry
from agents.memory import (
    EMOTIONAL,
    FACTUAL,
    REFLECTION,
    Memory,
    Weights,
    emotional,
    factual,
    plain_summary,
)

WORDS = ("ghost", "sheriff", "wedding", "ocean", "train")

entries = st.lists(
    st.builds(
        MemoryEntry,
        row=st.just(0),
        page=st.integers(1, 9),
        kind=st.sampled_from((FACTUAL, EMOTIONAL, REFLECTION)),
        text=st.lists(st.sampled_from(WORDS), min_size=0, max_size=4).map(" ".join),
        importance=st.floats(0, 1),
    ),
    max_size=12,
)


def noted(*texts: str, page: int = 1, importance: float = 0.5) -> Memory:
    memory = Memory()
    for text in texts:
        memory.add(MemoryEntry(0, page, FACTUAL, text, importance))
    return memory


@given(entries, st.sampled_from(WORDS), st.integers(0, 15))
def test_retrieval_is_the_top_of_one_ordering(
    noted_before: list[MemoryEntry], cue: str, k: int
) -> None:
    memory = Memory()
    for entry in noted_before:
        memory.add(entry)
    found = memory.retrieve(cue, k)
    assert len(found) == min(k, len(noted_before))
    assert found == memory.retrieve(cue, len(noted_before))[:k]
    score = dict(zip(map(id, memory.entries), memory.scores(cue), strict=True))
    values = [score[id(entry)] for entry in found]
    assert values == sorted(values, reverse=True)
    rest = [score[id(e)] for e in memory.entries if not any(e is f for f in found)]
    assert not values or max(rest, default=-math.inf) <= values[-1]


@given(entries, st.sampled_from(WORDS))
def test_scores_stay_within_the_weights(noted_before: list[MemoryEntry], cue: str) -> None:
    memory = Memory(Weights(relevance=2.0, recency=0.5, importance=1.0))
    for entry in noted_before:
        memory.add(entry)
    scores = memory.scores(cue)
    assert ((scores >= 0) & (scores <= 3.5 + 1e-6)).all()


def test_the_relevant_entry_is_found() -> None:
    memory = noted("a ghost in the cellar", "a wedding at sea", "a train to the north")
    assert [entry.text for entry in memory.retrieve("wedding", 1)] == ["a wedding at sea"]


def test_the_recent_entry_wins_among_equals() -> None:
    memory = Memory()
    for page in (3, 1, 2):
        memory.add(MemoryEntry(0, page, FACTUAL, "ghost", 0.5))
    assert [entry.page for entry in memory.retrieve("ghost", 3)] == [3, 2, 1]


def test_the_important_entry_wins_among_equals() -> None:
    memory = Memory()
    for importance in (0.2, 0.9, 0.5):
        memory.add(MemoryEntry(0, 1, FACTUAL, "ghost", importance))
    assert [entry.importance for entry in memory.retrieve("ghost", 3)] == [0.9, 0.5, 0.2]


def test_of_full_equals_the_later_noted_comes_first() -> None:
    memory = noted("ghost", "ghost")
    first, second = memory.entries
    assert memory.retrieve("ghost", 2)[0] is second
    assert memory.retrieve("ghost", 2)[1] is first


def test_weights_decide() -> None:
    memory = Memory(Weights(relevance=0.0, recency=0.0))
    memory.add(MemoryEntry(0, 1, FACTUAL, "ghost", 0.9))
    memory.add(MemoryEntry(0, 5, FACTUAL, "wedding", 0.1))
    assert memory.retrieve("wedding", 1)[0].text == "ghost"


def test_relevance_may_come_from_elsewhere() -> None:
    def longest(cue: str, texts: Sequence[str]) -> np.ndarray:
        return np.array([len(text) / 100 for text in texts])

    memory = Memory(relevance_of=longest)
    for text in ("ghost", "a long way to nowhere"):
        memory.add(MemoryEntry(0, 1, FACTUAL, text, 0.5))
    assert memory.retrieve("ghost", 1)[0].text == "a long way to nowhere"


@pytest.mark.parametrize("cue", ["", "!?", "ghost"])
def test_no_words_are_no_error(cue: str) -> None:
    assert Memory().retrieve(cue, 3) == []
    assert len(noted("", "…").retrieve(cue, 3)) == 2


def test_a_reflection_covers_what_came_since_the_last() -> None:
    seen: list[list[str]] = []

    def summarise(entries: Sequence[MemoryEntry]) -> str:
        seen.append([entry.text for entry in entries])
        return f"reflection {len(seen)}"

    memory = noted("ghost", "wedding")
    first = memory.reflect(0, 1, summarise)
    memory.add(MemoryEntry(0, 2, FACTUAL, "train", 0.5))
    memory.reflect(0, 2, summarise)
    assert seen == [["ghost", "wedding"], ["reflection 1", "train"]]
    assert (first.kind, first.page, first.text) == (REFLECTION, 1, "reflection 1")
    assert [entry.kind for entry in memory.entries].count(REFLECTION) == 2


def test_a_reflection_needs_no_model() -> None:
    memory = Memory()
    assert memory.reflect(4, 1).text == "Nothing has happened yet."
    for importance, text in ((0.1, "ghost"), (0.9, "wedding"), (0.8, "train"), (0.7, "ocean")):
        memory.add(MemoryEntry(4, 2, FACTUAL, text, importance))
    text = memory.reflect(4, 2).text
    assert "wedding" in text
    assert "ghost" not in text
    assert len(plain_summary([MemoryEntry(0, 1, FACTUAL, "x" * 5000, 1.0)])) <= 600


def test_factual_entries_tell_what_was_watched_and_passed_over() -> None:
    entry = factual(7, 2, ["Ghost", "Wedding", "Train"], [True, False, True], [4.0, np.nan, np.nan])
    assert entry.text == "Page 2: I watched Ghost (rated 4); Train; passed over Wedding."
    assert (entry.row, entry.page, entry.kind) == (7, 2, FACTUAL)
    nothing = factual(7, 2, ["Ghost"], [False], [np.nan])
    assert nothing.text == "Page 2: I watched nothing; passed over Ghost."
    assert nothing.importance < entry.importance <= 1.0
    with pytest.raises(ValueError, match="zip"):
        factual(7, 2, ["Ghost"], [False, True], [np.nan])


def test_emotional_entries_weigh_by_how_strong_the_feeling_is() -> None:
    strong, mild = emotional(1, 1, 9.6, 0.1), emotional(1, 1, 5.4, 0.5)
    assert strong.importance > mild.importance
    text = emotional(1, 3, 2.2, 0.9, reason="too little here suits my taste", feeling="Bored.").text
    assert text == ("Page 3: satisfaction 2 of 10, tired. Bored. too little here suits my taste.")
