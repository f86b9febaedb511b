"""Agents that are a chat model: the response model with its settings.

Any LangChain chat model answers, OpenAI-compatible servers by their address. What is asked
in which order belongs to a protocol (:mod:`.protocol_page`, :mod:`.protocol_agent4rec`),
how it is carried to the :mod:`.gateway`, how sessions run side by side to :mod:`.visit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from ..interface import (
    AgentError,
    Audience,
    Catalogue,
    Luck,
    ResponseModel,
    Services,
    Usage,
)
from .budget import Budget
from .endpoint import Endpoint
from .gateway import Gateway, Policy
from .limits import Limits
from .opened import Opened
from .prices import Price, price_of
from .protocol_page import Interview, PageProtocol, Reflect
from .question import Structured
from .scripted import SCRIPTED, Scene, Script, ScriptedWire, script
from .session import SessionProtocol
from .visit import ChatVisit
from .wire import LocalWire, Wire

Protocol = Literal["page", "agent4rec"]


class Chat(ResponseModel):
    """A chat model plays each agent: any LangChain provider, or a server by its base_url."""

    def __init__(
        self,
        name: str,
        *,
        provider: str = "openai",
        base_url: str | None = None,
        api_key_env: str | None = None,
        temperature: Annotated[float | None, Field(ge=0, le=2)] = 0.2,
        max_tokens: Annotated[int | None, Field(ge=1, le=1_000_000)] = None,
        timeout: Annotated[float, Field(ge=0.01, le=3600)] = 60.0,
        deadline: Annotated[float, Field(ge=0.01, le=86400)] = 600.0,
        attempts: Annotated[int, Field(ge=1, le=10)] = 3,
        concurrency: Annotated[int, Field(ge=1, le=4096)] = 16,
        requests_per_minute: Annotated[float | None, Field(gt=0)] = None,
        tokens_per_minute: Annotated[float | None, Field(gt=0)] = None,
        processes: Annotated[int, Field(ge=0, le=64)] = 0,
        structured: Structured = "auto",
        protocol: Protocol = "page",
        interview: Interview = "together",
        retrieve: Annotated[int, Field(ge=0, le=100)] = 5,
        reflect_every: Annotated[int, Field(ge=0, le=100)] = 2,
        reflection: Reflect = "summary",
        replicate: Annotated[int, Field(ge=0)] = 0,
        prices: dict[str, Any] | None = None,
    ) -> None:
        """Settings are documented in docs/chat.md. Raises AgentError for settings that do
        not go together; nothing is imported or asked yet."""
        if not name.strip():
            raise AgentError("chat: name: empty; allowed: the name of a model")
        _one_of("structured", structured, get_args(Structured))
        _one_of("protocol", protocol, get_args(Protocol))
        self.endpoint = Endpoint(provider, name, base_url, temperature, api_key_env, max_tokens)
        if structured in ("schema", "object") and not self.endpoint.compatible:
            raise AgentError(
                f"chat: structured: {structured} needs provider openai; allowed: auto, json"
            )
        self.price = price_of(provider, name, base_url, prices)
        self.script: Script | None = None
        if provider == SCRIPTED:
            _no_address(base_url=base_url, api_key_env=api_key_env, processes=processes)
            self.script = script(name)
            self.price = self.price or Price(0.0, 0.0)
        self.policy = Policy(timeout, deadline, attempts, structured, replicate)
        self._limits = partial(Limits, concurrency, requests_per_minute, tokens_per_minute)
        self._concurrency, self._processes = concurrency, processes
        self._protocol_name, self.max_tokens = protocol, max_tokens
        self._interview, self._reflection = interview, reflection
        self._retrieve, self._reflect_every = retrieve, reflect_every
        self._opened: Opened | None = None

    def ready(self) -> None:
        """Raises AgentError where the key is missing, or a script cannot be read."""
        self.endpoint.check_key()
        if self.script is not None:
            self.script.open()

    def visit(self, audience: Audience, catalogue: Catalogue, luck: Luck, round_: int) -> ChatVisit:
        """Open sessions. The only luck a chat agent has is the model's own: under another
        draw than the first it is asked anew."""
        scene = None
        if self.script is not None:
            scene = Scene(self.script, audience, catalogue, luck, round_)
        return ChatVisit(self, audience, catalogue, scene, luck.draw)

    def check_recognition(self) -> None:
        """Raises AgentError with the original protocol: its prompts stay as published."""
        if self._protocol_name == "agent4rec":
            raise AgentError("the prompts of protocol agent4rec are the published ones")

    def protocol(self, catalogue: Catalogue, *, recognises: bool = False) -> SessionProtocol:
        """In which calls an agent is played. ``recognises``: some pages hold items that the
        agent's user rated; the prompts then say so. Raises AgentError where they cannot."""
        if recognises:
            self.check_recognition()
        if self._protocol_name == "agent4rec":
            from .protocol_agent4rec import Agent4RecProtocol

            return Agent4RecProtocol(
                retrieve=self._retrieve,
                reflect_every=self._reflect_every,
                max_tokens=self.max_tokens,
                rating_scale=catalogue.rating_scale,
            )
        return PageProtocol(
            retrieve=self._retrieve,
            reflect_every=self._reflect_every,
            reflection=self._reflection,
            interview=self._interview,
            max_tokens=self.max_tokens,
            rating_scale=catalogue.rating_scale,
            recognises=recognises,
        )

    def wire(self) -> Wire:
        """A way to the endpoint, not open yet."""
        if self.script is not None:
            return ScriptedWire(self.endpoint, self.script)
        if self._processes:
            from .wire_pool import ProcessWires

            return ProcessWires(self.endpoint, self._processes)
        return LocalWire(self.endpoint)

    # -- for one run ---------------------------------------------------------------------

    def open(self, services: Services) -> None:
        """Raises AgentError for a cap that cannot be kept."""
        budget = partial(Budget, services.caps, services.spent, self.price)
        self._opened = Opened(
            lambda: Gateway(
                self.endpoint,
                self.wire(),
                self.policy,
                self._limits(),
                budget(model=self.endpoint.where),
                services.ledger,
            ),
            doors=2 * self._concurrency,
            patience=self.policy.timeout,
        )

    @property
    def opened(self) -> Opened:
        if self._opened is None:
            raise RuntimeError("the chat model was not opened for a run")
        return self._opened

    @property
    def is_open(self) -> bool:
        return self._opened is not None

    def wait(self, seconds: float) -> None:
        self.opened.wait(seconds)

    def drain(self) -> None:
        if self._opened is not None:
            self._opened.drain()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def usage(self) -> Usage:
        return Usage() if self._opened is None else self._opened.gateway.usage()


def _no_address(**settings: Any) -> None:
    for name, value in settings.items():
        if value:
            raise AgentError(
                f"chat: {name}: found {value!r}; allowed: nothing, as provider scripted asks "
                "no server"
            )


def _one_of(setting: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise AgentError(f"chat: {setting}: found {value!r}; allowed: {', '.join(known)}")
