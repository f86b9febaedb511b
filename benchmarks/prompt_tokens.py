"""Tokens and calls a page of both protocols, on the pages that Agent4Rec published.

    AUDITION_DATA=... python -m benchmarks.prompt_tokens [--agents N] [--bpe FILE]

Agents 0 to 699 of the published run (gpt-3.5-turbo on LightGCN) meet the pages they met
there, as the personas they were. Nothing is asked of a model: each reply is made from the
published decisions and reasons and read by the protocol as any reply is.

What is counted, for both protocols alike: the text of all messages and of the reply, each
message 4 tokens more and each request 3, by ``agents.response.tokens.estimate`` or by a
byte-pair vocabulary in tiktoken's format (``--bpe``, e.g. cl100k_base.tiktoken); exit
interviews and reflections too, all divided by the number of pages. A JSON schema that goes
with a request is not part of its messages; what it adds where a provider bills it stands apart.

Replies of the default protocol: the published texts, cut to the words that our rules ask
for (7, in the exit interview 25); a text that was not published or cannot be found has
that many words too. Interest, satisfaction and fatigue are numbers that fit the published
decision. An agent leaves by itself where the published one stopped before page 5, which
was the last; everybody else is interviewed by a call of its own. Replies of the original
protocol: the published ones as they stand, a well-formed one where one cannot be read, and
40 words for a reflection, none of which was published.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agents.interface import OK
from agents.response import tokens
from agents.response.agent4rec_text import read_exit, read_interview, read_page
from agents.response.protocol_agent4rec import Agent4RecProtocol
from agents.response.protocol_page import PageProtocol
from agents.response.question import Question, Reply, T
from agents.response.schema import AnswerError
from agents.response.session import Person, SessionProtocol
from simulator.scenario import load
from simulator.world import World, build

SCENARIO = Path(__file__).parents[1] / "scenarios" / "agent4rec.yaml"
ORIGINAL = 2135
"""Tokens a page in the published run, both calls, reflections and interviews (evidence: its
own log of usage); 2.7 calls a page."""
ORIGINAL_CALLS = 2.7
LAST_PAGE = 5
SHORT, LONG, REFLECTION = 7, 25, 40
FILLER = ("what", "this", "person", "has", "to", "say", "about", "it") * 5

PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
"""How text is split before bytes are paired (GPT-2's rule; later ones differ little)."""

Count = Callable[[str], int]


@dataclass(frozen=True)
class Published:
    """One agent's run: rows of the exposures and raw replies, page by page."""

    pages: dict[int, pd.DataFrame]
    texts: dict[tuple[int, str], str]
    satisfaction: float

    @property
    def leaves(self) -> int:
        """The page after which it stopped by itself; 0 where the last page stopped it."""
        last = max(self.pages)
        return last if last < LAST_PAGE else 0


@dataclass
class Tally:
    """What was asked and answered under one protocol."""

    count: Count
    pages: int = 0
    calls: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    unread: int = 0

    def add(self, question: Question[Any], reply: str) -> None:
        system, user = (message["content"] for message in question.messages)
        self.calls[question.kind] = self.calls.get(question.kind, 0) + 1
        rules = system.rpartition("<person>\n")[0]
        self._add("rules", self.count(rules))
        self._add("persona", self.count(system) - self.count(rules))
        items = user.partition("<page>")[2]
        self._add("page", self.count(items))
        self._add("memory and question", self.count(user) - self.count(items))
        self._add("frame", 3 + 4 * len(question.messages))
        self._add("reply", self.count(reply))
        if question.schema is not None:
            self._add("schema", self.count(json.dumps(question.schema, separators=(",", ":"))))

    def _add(self, part: str, n: int) -> None:
        self.parts[part] = self.parts.get(part, 0) + n

    def a_page(self, *parts: str) -> float:
        return sum(self.parts.get(part, 0) for part in parts) / self.pages


PROMPT = ("rules", "persona", "page", "memory and question", "frame")


def read_published(folder: Path) -> dict[int, Published]:
    """By agent."""
    seen = pd.read_csv(folder / "exposures.csv.gz")
    sessions = pd.read_csv(folder / "sessions.csv")
    texts: dict[int, dict[tuple[int, str], str]] = {}
    with gzip.open(folder / "responses.jsonl.gz", "rt", encoding="utf-8") as lines:
        for said in map(json.loads, lines):
            texts.setdefault(said["user"], {})[said["page"], said["kind"]] = said["text"]
    score = dict(zip(sessions["user"].tolist(), sessions["satisfaction"].tolist(), strict=True))
    pages: dict[int, dict[int, pd.DataFrame]] = {}
    for user, number in seen[["user", "page"]].drop_duplicates().to_numpy().tolist():
        rows = seen[(seen["user"] == user) & (seen["page"] == number)]
        pages.setdefault(user, {})[number] = rows.sort_values("slot")
    return {user: Published(shown, texts[user], score[user]) for user, shown in pages.items()}


def cut(text: str, words: int) -> str:
    """At most so many words; where there is no text, as many that say nothing."""
    return " ".join(text.split()[:words]) or " ".join(FILLER[:words])


def titles(world: World, page: pd.DataFrame) -> list[str]:
    shown = world.catalogue
    return [f"{shown.title[i]} ({shown.year[i]})" for i in page["item"].tolist()]


def default_reply(world: World, run: Published, number: int) -> dict[str, Any]:
    """One page in our format, from what was published of it."""
    page = run.pages[number]
    told = read_page(run.texts.get((number, "page"), ""), titles(world, page))
    left = read_exit(run.texts.get((number, "exit"), ""))
    items, watched = {}, []
    columns = (page[name].tolist() for name in ("aligned", "watched", "rating"))
    for place, (aligned, seen, rated) in enumerate(zip(*columns, strict=True)):
        handle, slot = str(place + 1), told.slots[place]
        items[handle] = {
            "reason": cut(slot.reason, SHORT),
            "interest": 7 if aligned else 3,
            "aligned": bool(aligned),
        }
        if seen:
            rating = int(rated) if not np.isnan(rated) else 4
            watched.append({"id": handle, "rating": rating, "feeling": cut(slot.feeling, SHORT)})
    leave = number == run.leaves
    return {
        "items": items,
        "watched": watched,
        "feeling": cut(left.feeling, SHORT),
        "satisfaction": 4 if left.positive is False else 6,
        "fatigue": min(2 * number, 10),
        "reason": cut(left.reason, SHORT),
        "leave": leave,
        "exit": default_interview(run, number) if leave else None,
    }


def default_interview(run: Published, number: int) -> dict[str, Any]:
    said = read_interview(run.texts.get((number, "interview"), ""))
    score = int(run.satisfaction) if not np.isnan(run.satisfaction) else 5
    return {"reason": cut(said.reason, LONG), "satisfaction": score, "return_intent": score}


def our_answer(world: World, run: Published, question: Question[Any]) -> list[str]:
    """The reply to a question of the default protocol."""
    if question.kind == "page":
        said = default_reply(world, run, question.page)
    else:
        said = default_interview(run, question.page)
    return [json.dumps(said, ensure_ascii=False, separators=(",", ":"))]


def their_answer(world: World, run: Published, question: Question[Any]) -> list[str]:
    """The published reply, then a well-formed one in its place."""
    if question.kind == "reflection":
        return [" ".join(FILLER[:REFLECTION])]
    published = [run.texts[key] for key in [(question.page, question.kind)] if key in run.texts]
    return [*published, _well_formed(world, run, question)]


def _well_formed(world: World, run: Published, question: Question[Any]) -> str:
    why = cut("", SHORT)
    if question.kind == "interview":
        return f"RATING: 5\nREASON: {why}"
    if question.kind == "exit":
        return f"POSITIVE: {why}\nFATIGUE LEVEL: low\nDECISION: [NEXT]; REASON: {why}"
    page = run.pages[question.page]
    names = titles(world, page)
    chosen = [n for n, seen in zip(names, page["watched"].tolist(), strict=True) if seen]
    judged = [f"MOVIE: {n}; ALIGN: {'yes' if n in chosen else 'no'}; REASON: {why}" for n in names]
    rated = [f"MOVIE: {n}; RATING: 4; FEELING: {why}" for n in chosen]
    watch = f"NUM: {len(chosen)}; WATCH: {', '.join(chosen) or 'none'}; REASON: {why}"
    return "\n".join([*judged, watch, *rated])


Answer = Callable[[World, Published, Question[Any]], list[str]]


async def play(
    world: World,
    runs: dict[int, Published],
    protocol: SessionProtocol,
    answer: Answer,
    tally: Tally,
) -> None:
    """Every agent's published pages through a protocol."""
    for user, run in runs.items():
        person = Person(user, user, world.audience.profiles, world.catalogue)

        async def ask(question: Question[T], run: Published = run) -> Reply[T]:
            for text in answer(world, run, question):
                try:
                    value = question.read(text)
                except AnswerError:
                    tally.unread += 1
                    continue
                tally.add(question, text)
                return Reply(value, OK, ())
            raise AssertionError(f"agent {question.row}, page {question.page}: {question.kind}")

        interviewed = False
        for number, page in run.pages.items():
            turn = await protocol.page(person, number, page["item"].tolist(), ask)
            tally.pages += 1
            interviewed = turn.exit is not None
        if not interviewed:
            await protocol.interview(person, ask)


def seconds_a_page(world: World, runs: dict[int, Published], protocol: SessionProtocol) -> float:
    """CPU time for building prompts alone: replies are made beforehand."""
    replies = {
        (user, number): json.dumps(default_reply(world, run, number))
        for user, run in runs.items()
        for number in run.pages
    }
    spent = began = 0.0

    async def ask(question: Question[T]) -> Reply[T]:
        nonlocal spent
        spent += time.process_time() - began
        return Reply(question.read(replies[question.row, question.page]), OK, ())

    async def through() -> None:
        nonlocal began
        for user, run in runs.items():
            person = Person(user, user, world.audience.profiles, world.catalogue)
            for number, page in run.pages.items():
                items = page["item"].tolist()
                began = time.process_time()
                await protocol.page(person, number, items, ask)

    asyncio.run(through())
    return spent / len(replies)


def report(name: str, tally: Tally) -> None:
    prompt, reply = tally.a_page(*PROMPT), tally.a_page("reply")
    calls = sum(tally.calls.values()) / tally.pages
    kinds = ", ".join(f"{n} {kind}" for kind, n in tally.calls.items())
    print(f"\n{name}: {tally.pages} pages, {calls:.2f} calls a page ({kinds})")
    print("  " + ", ".join(f"{part} {tally.a_page(part):.0f}" for part in PROMPT))
    share = (prompt + reply) / ORIGINAL
    print(
        f"  prompt {prompt:.0f} + reply {reply:.0f} = {prompt + reply:.0f} tokens a page, ", end=""
    )
    print(f"{share:.1%} of {ORIGINAL}")
    rules, stable = tally.a_page("rules"), tally.a_page("rules", "persona")
    print(f"  stable prefix: rules {rules / prompt:.0%}, with persona {stable / prompt:.0%}")
    if "schema" in tally.parts:
        print(f"  a schema, where it is billed: {tally.a_page('schema'):.0f} more")
    if tally.unread:
        print(f"  {tally.unread} published replies that cannot be read were replaced")


def counter(bpe: Path | None) -> Count:
    if bpe is None:
        return tokens.estimate
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe

    encoding = tiktoken.Encoding(
        bpe.stem,
        pat_str=PATTERN,
        mergeable_ranks=load_tiktoken_bpe(str(bpe)),
        special_tokens={},
    )
    return lambda text: len(encoding.encode_ordinary(text))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Tokens a page of both protocols.")
    parser.add_argument("--agents", type=int, default=700)
    parser.add_argument("--bpe", type=Path)
    options = parser.parse_args(arguments)
    folder = Path(os.environ["AUDITION_DATA"]) / "agent4rec"
    runs = dict(list(read_published(folder).items())[: options.agents])
    world = build(load(SCENARIO), str(SCENARIO))
    count = counter(options.bpe)

    def ours() -> PageProtocol:
        return PageProtocol(
            retrieve=5,
            reflect_every=2,
            reflection="summary",
            interview="together",
            max_tokens=None,
            rating_scale=world.catalogue.rating_scale,
        )

    theirs = Agent4RecProtocol(
        retrieve=5, reflect_every=2, max_tokens=None, rating_scale=world.catalogue.rating_scale
    )
    print(f"counted with {options.bpe.name if options.bpe else 'tokens.estimate'}; ", end="")
    print(f"the original: {ORIGINAL} tokens, {ORIGINAL_CALLS} calls a page, as published")
    for name, protocol, answer in (
        ("protocol page", ours(), our_answer),
        ("protocol agent4rec", theirs, their_answer),
    ):
        tally = Tally(count)
        asyncio.run(play(world, runs, protocol, answer, tally))
        report(name, tally)
    print(f"\nbuilding a page's prompt: CPU {1000 * seconds_a_page(world, runs, ours()):.3f} ms")


if __name__ == "__main__":
    main()
