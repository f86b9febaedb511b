"""A scripted model: the replies of a list, a function or the behavioural model, with no
server, no key and no price. Everything else is as with any other chat model: retries,
parsing, the log, the cache, the budget.

    NAME.jsonl                one reply a line, each used once (:mod:`.scripted_sources`)
    package.module:function   called for each request (:mod:`.scripted_sources`)
    behavioural               the embedded model decides (:mod:`.scripted_behavioural`)

A script that has nothing to say is an error that stops the run, never a made-up reply.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..interface import AgentError, Audience, Catalogue, IntArray, Luck
from .endpoint import Endpoint
from .faults import Fault
from .question import Message, Question
from .tokens import estimate, estimate_prompt
from .wire import Outgoing, Received, failed

SCRIPTED = "scripted"
"""The provider's name in a scenario."""

BEHAVIOURAL = "behavioural"
SOURCES = f'a file NAME.jsonl, "package.module:function" or {BEHAVIOURAL}'


@dataclass(frozen=True)
class Line:
    """What a script answers: a text and how it ended, a refusal, or a fault."""

    text: str = ""
    finish: str = "stop"
    refusal: str | None = None
    fault: Fault | None = None


class Script(ABC):
    """Where replies come from; serves one run, from one event loop."""

    @abstractmethod
    def open(self) -> None:
        """Get ready; a second time changes nothing. Raises AgentError where the script
        cannot be read."""

    @abstractmethod
    def line(self, question: Question[Any], messages: tuple[Message, ...]) -> Line:
        """The next reply to a question, whose ``messages`` may hold a repair turn. Raises
        AgentError where there is none."""

    @abstractmethod
    def address(self, question: Question[Any]) -> str:
        """What a reply depends on beside the prompt, so that no reply of another script is
        taken from the cache."""


@dataclass(eq=False)
class Scene:
    """One arm's sessions of one round: what a script knows beside a prompt."""

    script: Script
    audience: Audience
    catalogue: Catalogue
    luck: Luck
    round: int
    shown: dict[int, list[tuple[int, IntArray]]] = field(default_factory=dict)
    """By audience row: the pages so far, number and (k,) items, in the order shown."""

    def show(self, row: int, number: int, line: IntArray) -> None:
        """Note a page, before anything is asked about it."""
        self.shown.setdefault(row, []).append((number, line))

    def address(self, question: Question[Any]) -> str:
        return self.script.address(question)


@dataclass(frozen=True, eq=False)
class Portrait:
    """What a script knows of somebody, or something, whose profile is to be written: what it
    would be without a model, as the reply that says so."""

    script: Script
    reply: Mapping[str, Any]

    def address(self, question: Question[Any]) -> str:
        return self.script.address(question)


def script(source: str) -> Script:
    """The script a scenario names. Nothing is read yet; raises AgentError for a source that
    is none."""
    if source == BEHAVIOURAL:
        from .scripted_behavioural import BehaviouralScript

        return BehaviouralScript()
    from .scripted_sources import FunctionScript, ListScript

    if source.endswith(".jsonl"):
        return ListScript(Path(source).expanduser())
    module, colon, function = source.partition(":")
    if not (colon and module and function):
        raise AgentError(f"chat: name: found {source!r}; allowed with provider scripted: {SOURCES}")
    return FunctionScript(module, function)


class ScriptedWire:
    """A wire that plays the model itself. Tokens are counted by the rule of
    :mod:`.tokens`, and no time passes, so that two runs are the same to the bit."""

    def __init__(self, endpoint: Endpoint, script: Script) -> None:
        self._endpoint, self._script = endpoint, script

    async def open(self) -> None:
        self._script.open()

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def send(self, out: Outgoing, question: Question[Any] | None = None) -> Received:
        assert question is not None, "a scripted model needs the question"
        await asyncio.sleep(0)  # as a real request would, let the others have their turn
        line = self._script.line(question, out.messages)
        if line.fault is not None:
            return failed(line.fault, 0.0)
        refusal = line.refusal
        return Received(
            text=self._endpoint.redact(line.text),
            finish=line.finish,
            refusal=None if refusal is None else self._endpoint.redact(refusal),
            tokens_in=estimate_prompt(out.messages),
            tokens_out=estimate(line.text or refusal or ""),
            tokens_cached=0,
            latency=0.0,
        )


def asked(question: Question[Any]) -> str:
    """A question, as messages name it."""
    return f"agent {question.agent}, page {question.page}, {question.kind}"
