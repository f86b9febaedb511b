"""Requests over a wire to a test server."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from agents.response.endpoint import Endpoint
from agents.response.question import Message
from agents.response.wire import Fault, LocalWire, Outgoing, Received, Wire

from .server import Answer, Reply, Request, Server
from .world import KEY

KEY_VARIABLE = "TEST_WIRE_KEY"
ECHO = f"You sent Bearer {KEY} to us."
FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}},
}


def endpoint(url: str) -> Endpoint:
    return Endpoint("openai", "scripted", url, 0.2, KEY_VARIABLE)


def out(text: str = "hello", timeout: float = 20.0, **changed: Any) -> Outgoing:
    messages: tuple[Message, ...] = (
        {"role": "system", "content": "You are Ann."},
        {"role": "user", "content": text},
    )
    return replace(Outgoing(messages, 50, FORMAT, timeout), **changed)


def over(wire: Wire, *asked: Outgoing) -> list[Received]:
    """What comes back, one request after the other."""

    async def run() -> list[Received]:
        await wire.open()
        try:
            return [await wire.send(one) for one in asked]
        finally:
            await wire.close()

    return asyncio.run(run())


def answered(answer: Reply | Answer, asked: Outgoing | None = None) -> Received:
    with Server((lambda _: answer) if isinstance(answer, Reply) else answer) as server:
        return over(LocalWire(endpoint(server.base_url)), asked or out())[0]


def lost(reply: Reply) -> Fault:
    fault = answered(reply).fault
    assert fault is not None
    return fault


def header(request: Request, name: str) -> str | None:
    return {known.lower(): value for known, value in request.headers.items()}.get(name)
