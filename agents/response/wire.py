"""Carries one request to a chat model and brings back what came of it.

A wire knows nothing of questions, retries or budgets. It never raises for what an endpoint
does: whatever goes wrong there is a :class:`Fault` in what it hands back.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .endpoint import Endpoint
from .faults import Fault as Fault
from .faults import fault
from .question import Message, Question

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatResult


@dataclass(frozen=True)
class Outgoing:
    """One request. ``response_format`` as OpenAI takes it; ``timeout`` in seconds."""

    messages: tuple[Message, ...]
    max_tokens: int | None
    response_format: dict[str, Any] | None
    timeout: float


@dataclass(frozen=True)
class Received:
    """What came back: a reply, or with ``fault`` none.

    ``text`` and ``refusal`` are redacted; ``finish`` is the provider's word for how the
    reply ended, in lower case, "" where it has none. Tokens are what the server counted, 0
    where it tells none; ``tokens_cached`` of ``tokens_in`` came from its prompt cache.
    ``latency`` in seconds.
    """

    text: str
    finish: str
    refusal: str | None
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    latency: float
    fault: Fault | None = None


class Wire(Protocol):
    """A way to one endpoint, used from one event loop."""

    async def open(self) -> None:
        """Get ready; AgentError where the model cannot be made as configured."""

    async def send(self, out: Outgoing, question: Question[Any] | None = None) -> Received:
        """Ask once; cancelling it gives the request up. ``question`` is what the request is
        about, for a wire that plays the model itself."""

    async def close(self) -> None:
        """Give up connections. Nothing may be on its way."""


class LocalWire:
    """Sends from this process, through one LangChain model object."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._resources = AsyncExitStack()
        self._model: BaseChatModel | None = None

    async def open(self) -> None:
        # LangChain warns when a server refuses response_format; the gateway deals with that.
        warnings.filterwarnings("ignore", message=".*structured output")
        self._model = await self._resources.enter_async_context(self._endpoint.open())

    async def close(self) -> None:
        self._model = None
        await self._resources.aclose()

    async def send(self, out: Outgoing, question: Question[Any] | None = None) -> Received:
        from langsmith import tracing_context

        assert self._model is not None, "the wire is not open"
        extra = self._endpoint.body(out.max_tokens, out.response_format)
        started = time.perf_counter()
        try:
            # Prompts go to the endpoint and nowhere else, whatever the environment says.
            with tracing_context(enabled=False, parent=False):
                async with asyncio.timeout(out.timeout) as limit:
                    # What every LangChain model implements, without the layer of callbacks
                    # and of LangChain's own cache around it.
                    result = await self._model._agenerate(_messages(out.messages), **extra)
            return _read(result, self._endpoint.redact, time.perf_counter() - started)
        except Exception as error:  # noqa: BLE001 providers raise what they like
            if isinstance(error, TimeoutError) and limit.expired():
                lost = Fault(None, "", f"TimeoutError: no reply within {out.timeout:g} s")
            else:
                lost = fault(error, self._endpoint.redact)
            return failed(lost, time.perf_counter() - started)


def failed(lost: Fault, latency: float) -> Received:
    """What a request that brought no reply brings back."""
    return Received("", "", None, 0, 0, 0, latency, lost)


def _messages(messages: Sequence[Message]) -> list[BaseMessage]:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    return [kinds[message["role"]](message["content"]) for message in messages]


def _read(result: ChatResult, redact: Callable[[str], str], latency: float) -> Received:
    """Text, usage and ending of a reply, wherever the provider's package puts them."""
    generation = result.generations[0]
    message: Any = generation.message
    about = {**message.response_metadata, **(generation.generation_info or {})}
    ending = about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")
    usage = message.usage_metadata or {}
    details = usage.get("input_token_details") or {}
    refusal = message.additional_kwargs.get("refusal")
    return Received(
        text=redact(str(message.text)),
        finish=str(ending).lower() if ending else "",
        refusal=redact(str(refusal)) if refusal else None,
        tokens_in=_count(usage.get("input_tokens")),
        tokens_out=_count(usage.get("output_tokens")),
        # Named after the service tier too, as in priority_cache_read.
        tokens_cached=sum(_count(n) for name, n in details.items() if name.endswith("cache_read")),
        latency=latency,
    )


def _count(told: Any) -> int:
    return told if isinstance(told, int) and told > 0 else 0
