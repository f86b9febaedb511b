"""Retrieval: does an agent's memory find the entry that matters?

An agent plays a session on designed pages and notes each page as a chat agent would, what
happened and how it felt (``agents.memory``; reflections repeat these notes and are left out). Then
it is cued

- with a title that it saw: the note on that page is the one that matters;
- with an item that no page held, of the very genres of one that it watched: the note on that
  page (others with such items count as misses).

Beside it, for the same cues: relevance rescaled (0 to 1 from the least to the most relevant note,
as Generative Agents do), relevance alone, the latest notes, and notes at random (the exact
expectation). No model is asked anything: only the embedded model's answers fill the notes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from agents.embedding import relevance
from agents.interface import (
    NO_ITEM,
    BoolArray,
    Catalogue,
    FloatArray,
    Floats,
    IntArray,
    Page,
    ResponseModel,
)
from agents.memory import FACTUAL, Memory, Weights, emotional, factual
from agents.registry import create

from ..evaluation.intervals import mean_interval
from ..randomness import stream
from ..world import World
from . import replies, sessions
from .measures import Measure, baseline, estimated

TEST = "retrieval"
MOST = 300
"""Agents that are cued; drawn at random."""
LONGER = (10, 20)
WAYS = ("as it is", "relevance rescaled", "relevance alone", "latest", "at random")
CUES = ("a title it saw", "an item alike in genre to one it watched")
ALONE = Weights(recency=0.0, importance=0.0)


@dataclass(frozen=True)
class Cue:
    """``text`` that ought to bring back the note on ``page``."""

    text: str
    page: int


def measure(world: World, model: ResponseModel | None = None) -> Iterator[Measure]:
    """Needs held-out items that may be shown (``world.relevant``). ``model`` gives the answers
    that are noted; the behavioural model with its defaults where it is a chat model's audience."""
    kept = world.scenario.agents.memory.retrieve
    for pages in dict.fromkeys((world.scenario.session.max_pages, *LONGER)):
        found = ranks(world, pages, model)
        for cue, by_way in found.items():
            yield from _told(world, f"{cue}, {pages} pages", by_way, 2 * pages, kept)


def ranks(
    world: World, pages: int, model: ResponseModel | None = None
) -> dict[str, dict[str, Floats]]:
    """By cue and way of finding (not ``at random``): the place, from 1, of the note that matters
    among an agent's 2 x ``pages`` notes; (n,) an entry for each agent that can be cued."""
    out: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    rng = stream(world.scenario.seed, "fidelity", "retrieval", pages)
    for row, notes, seen, watched in _sessions(world, pages, model):
        for name, cue in zip(CUES, _cues(world.catalogue, row, seen, watched, rng), strict=True):
            if cue is None:
                continue
            target = _target(notes["as it is"], cue)
            for way, memory in notes.items():
                out[name][way].append(place(memory, cue.text, target))
            out[name]["latest"].append(float(len(notes["as it is"]) - target))
    return {name: {way: np.array(v) for way, v in ways.items()} for name, ways in out.items()}


def place(memory: Memory, cue: str, target: int) -> float:
    """The place, from 1, of entry number ``target`` when all entries are retrieved."""
    wanted = memory.entries[target]
    order = memory.retrieve(cue, len(memory))
    return float(next(n for n, entry in enumerate(order, start=1) if entry is wanted))


def rescaled(cue: str, texts: Sequence[str]) -> Floats:
    """(n_texts,) relevance, 0 of the least and 1 of the most relevant; 0 where all are alike."""
    fit = _known(cue, texts).astype(np.float64)
    fit -= fit.min()
    return np.asarray(fit / fit.max() if fit.max() > 0 else fit)


def _known(cue: str, texts: Sequence[str]) -> FloatArray:
    """:func:`relevance`, once for all ways of finding that ask for it in turn."""
    return _once(cue, tuple(texts))


@lru_cache(maxsize=1)
def _once(cue: str, texts: tuple[str, ...]) -> FloatArray:
    fit = relevance(cue, texts)
    fit.setflags(write=False)  # as others are given the same one
    return fit


def at_random(entries: int, k: int) -> tuple[float, float]:
    """Of a random order: the chance that one entry is among the first ``k``, and its mean
    reciprocal rank.

    >>> at_random(4, 1), round(at_random(4, 1)[1], 6) == round((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4, 6)
    ((0.25, 0.5208333333333333), True)
    """
    harmonic = sum(1.0 / n for n in range(1, entries + 1))
    return min(k, entries) / entries, harmonic / entries


def _sessions(
    world: World, pages: int, model: ResponseModel | None
) -> Iterator[tuple[int, dict[str, Memory], IntArray, BoolArray]]:
    """Of each cued agent: its row, its memory by way of finding, the items (P, k) it was shown
    and which of them it watched."""
    spec = world.scenario.session.model_copy(update={"max_pages": pages})
    longer = replace(world, scenario=world.scenario.model_copy(update={"session": spec}))
    slates = sessions.designed(longer)
    embedded = model or (create("behavioural", {}) if _chat(world) else world.response)
    visit = replies.opened(world, embedded, world.luck.varied(0))
    answers = [
        replies.turn(visit, Page(slates.row, slates.item[:, n], n + 1, 1)) for n in range(pages)
    ]
    rng = stream(world.scenario.seed, "fidelity", "retrieval")
    for row in np.sort(rng.permutation(len(slates))[:MOST]).tolist():
        notes = {
            "as it is": Memory(relevance_of=_known),
            "relevance rescaled": Memory(relevance_of=rescaled),
            "relevance alone": Memory(ALONE, _known),
        }
        for n, said in enumerate(answers):
            there = slates.item[row, n] != NO_ITEM
            titles = [world.catalogue.title[i] for i in slates.item[row, n][there].tolist()]
            what = factual(row, n + 1, titles, said.watched[row][there], said.rating[row][there])
            felt = emotional(
                row, n + 1, said.satisfaction[row], said.fatigue[row], said.reason[row]
            )
            for memory in notes.values():
                memory.add(what)
                memory.add(felt)
        watched = np.stack([said.watched[row] for said in answers])
        yield row, notes, slates.item[row], watched


def _chat(world: World) -> bool:
    return world.scenario.agents.response.model == "chat"


def _cues(
    catalogue: Catalogue,
    row: int,
    seen: IntArray,
    watched: BoolArray,
    rng: np.random.Generator,
) -> tuple[Cue | None, Cue | None]:
    """One of each kind, drawn at random; None where the agent's session holds none."""
    there = np.argwhere(seen != NO_ITEM)
    title = None
    if len(there):
        page, slot = rng.choice(there)
        title = Cue(catalogue.title[seen[page, slot]], int(page) + 1)
    alike = None
    for page, slot in rng.permutation(np.argwhere(watched & (seen != NO_ITEM))).tolist():
        genres = catalogue.genres[seen[page, slot]]
        same = [i for i, other in enumerate(catalogue.genres) if other == genres]
        fresh = np.setdiff1d(same, seen)
        if genres and len(fresh):
            item = int(rng.choice(fresh))
            alike = Cue(f"{catalogue.title[item]} {' '.join(genres)}", page + 1)
            break
    return title, alike


def _target(memory: Memory, cue: Cue) -> int:
    """The number of the note on what happened on the cue's page."""
    return next(
        n
        for n, entry in enumerate(memory.entries)
        if entry.page == cue.page and entry.kind == FACTUAL
    )


def _told(
    world: World, case: str, by_way: dict[str, Floats], entries: int, kept: int
) -> Iterator[Measure]:
    confidence = world.scenario.evaluation.confidence
    share, reciprocal = at_random(entries, kept)
    note = f"{entries} notes; what is drawn at random is the exact expectation"
    note += "; pages answered by the behavioural model, nobody asked" if _chat(world) else ""
    first = {way: (rank <= kept).astype(np.float64) for way, rank in by_way.items()}
    rank_of = {way: 1.0 / rank for way, rank in by_way.items()}
    for name, values, chance in (
        (f"found among the first {kept}", first, share),
        ("mean reciprocal rank", rank_of, reciprocal),
    ):
        found = {way: mean_interval(value, confidence) for way, value in values.items()}
        beside = [baseline(way, found[way]) for way in WAYS[1:-1]]
        by_chance = replace(found["as it is"], mean=chance, low=np.nan, high=np.nan)
        beside.append(baseline(WAYS[-1], by_chance))
        yield estimated(
            TEST, name, found["as it is"], case=case, better=1, baselines=beside, note=note
        )
