"""What a wire brings back from a real HTTP server, in one process and in several."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from langsmith.utils import get_env_var

from agents.interface import AgentError
from agents.response import wire_pool
from agents.response.endpoint import Endpoint
from agents.response.faults import classify
from agents.response.question import TRANSPORT
from agents.response.wire import Fault, LocalWire, Received, Wire
from agents.response.wire_pool import ProcessWires

from .server import Reply, Request, Server
from .wires import ECHO, FORMAT, KEY_VARIABLE, answered, endpoint, header, out, over
from .world import KEY


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


# -- replies -------------------------------------------------------------------------------


def completion(message: Any, usage: Any, finish: str = "stop") -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()


USAGE = {
    "prompt_tokens": 90,
    "completion_tokens": 7,
    "total_tokens": 97,
    "prompt_tokens_details": {"cached_tokens": 64},
}


def test_text_ending_and_usage_are_read_also_when_it_was_cut_off() -> None:
    said = {"role": "assistant", "content": '{"a": "é"}'}
    got = answered(Reply(raw=completion(said, USAGE, "length")))
    assert replace(got, latency=0.0) == Received('{"a": "é"}', "length", None, 90, 7, 64, 0.0)
    assert got.latency > 0


@pytest.mark.parametrize("content", [None, ""])
def test_a_reply_without_text_is_a_reply(content: str | None) -> None:
    got = answered(Reply(content))
    assert (got.text, got.fault, got.refusal) == ("", None, None)


def test_a_refusal_is_told_apart() -> None:
    got = answered(Reply(None, refusal="I would rather not."))
    assert (got.text, got.refusal, got.fault) == ("", "I would rather not.", None)
    assert got.tokens_in > 0


def test_usage_that_is_not_told_counts_nothing() -> None:
    got = answered(Reply(raw=completion({"role": "assistant", "content": "hi"}, None)))
    assert (got.text, got.tokens_in, got.tokens_out, got.fault) == ("hi", 0, 0, None)


def test_json_is_read_whatever_it_is_called() -> None:
    with Server(lambda _: Reply("hi", headers={"content-type": "text/plain"})) as server:
        assert over(LocalWire(endpoint(server.base_url)), out())[0].text == "hi"


def test_the_request_is_the_one_langchain_sends_on_its_usual_road() -> None:
    from langchain.chat_models import init_chat_model

    with Server(lambda _: Reply("hi")) as server:
        bare = out(max_tokens=None, response_format=None)
        over(LocalWire(endpoint(server.base_url)), out(), bare)
        usual = init_chat_model(
            "scripted",
            model_provider="openai",
            base_url=server.base_url,
            api_key=KEY,
            temperature=0.2,
            max_retries=0,
        )

        async def ask() -> None:
            body = {"max_tokens": 50, "response_format": FORMAT}
            await usual.ainvoke(list(out().messages), extra_body=body)
            await usual.ainvoke(list(out().messages))
            await getattr(usual, "root_async_client").close()  # noqa: B009 ChatOpenAI's own

        asyncio.run(ask())
    ours, plain, usual_, usual_plain = server.requests
    assert (ours.body, plain.body) == (usual_.body, usual_plain.body)
    assert header(ours, "authorization") == header(usual_, "authorization") == f"Bearer {KEY}"


@contextmanager
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[Any]]:
    """Every address this process connects to."""
    reached: set[Any] = set()
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        reached.add(address)
        connect(self, address)

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", noted)
        yield reached


def test_nobody_but_the_endpoint_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: Reply("hi")) as server, Server(lambda _: Reply("no")) as other:
        for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2", "LANGSMITH_GATEWAY"):
            monkeypatch.setenv(name, "true")
        for name in ("LANGSMITH_ENDPOINT", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, other.base_url)
        monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_0123456789abcdef")
        monkeypatch.setenv("OPENAI_ORG_ID", "our-organisation")
        get_env_var.cache_clear()  # type: ignore[attr-defined]
        try:
            with connections(monkeypatch) as reached:
                got = over(LocalWire(endpoint(server.base_url)), out())[0]
        finally:
            get_env_var.cache_clear()  # type: ignore[attr-defined]
    assert got.text == "hi"
    assert {address[1] for address in reached} == {int(server.base_url[:-3].rpartition(":")[2])}
    assert not other.requests
    assert header(server.requests[0], "authorization") == f"Bearer {KEY}"
    assert header(server.requests[0], "openai-organization") is None


# -- giving up and processes ---------------------------------------------------------------


def named(request: Request) -> Reply:
    """Replies by name: the same for the same request, in whatever process."""
    replies = {
        "fine": Reply({"a": 1}),
        "cut": Reply("{", finish_reason="length"),
        "declined": Reply(None, refusal="no"),
        "busy": Reply(status=429, headers={"Retry-After": "2"}),
        "html": Reply(raw=b"<html>"),
        "echo": Reply(ECHO),
        "slow": Reply("late", delay=0.5),
    }
    return replies[request.messages[1]["content"]]


def test_processes_bring_back_what_one_does() -> None:
    asked = [out(name) for name in ("fine", "cut", "declined", "busy", "html", "echo")]
    asked.append(out("slow", timeout=0.05))
    with Server(named) as server:
        alone = over(LocalWire(endpoint(server.base_url)), *asked)
        pooled = over(ProcessWires(endpoint(server.base_url), 2), *asked)
    assert [replace(r, latency=0.0) for r in pooled] == [replace(r, latency=0.0) for r in alone]
    assert len(server.requests) == 2 * len(asked)
    assert {header(request, "authorization") for request in server.requests} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("processes", [0, 1])
def test_a_request_can_be_cancelled(processes: int) -> None:
    async def run(wire: Wire, server: Server) -> Received:
        await wire.open()
        try:
            task = asyncio.create_task(wire.send(out("slow")))
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await wire.send(out("fine"))
        finally:
            await wire.close()

    with Server(named) as server:
        there = endpoint(server.base_url)
        wire = ProcessWires(there, processes) if processes else LocalWire(there)
        assert asyncio.run(run(wire, server)).text == '{"a": 1}'


def test_a_process_that_dies_loses_what_it_held_and_is_replaced() -> None:
    async def run(server: Server) -> list[Received]:
        wires = ProcessWires(endpoint(server.base_url), 1)
        await wires.open()
        try:
            first = wires._children[0].process
            assert first is not None
            held = asyncio.create_task(wires.send(out("slow")))
            while not server.requests:
                await asyncio.sleep(0.01)
            first.kill()
            got = [await held, await wires.send(out("fine"))]
            second = wires._children[0].process
            assert second is not None
            assert second.pid != first.pid
            return got
        finally:
            await wires.close()

    with Server(named) as server:
        lost_, fine = asyncio.run(run(server))
    fault = Fault(None, "", "ProcessDied: the process that sent the request ended", sent=True)
    assert lost_.fault == fault
    assert classify(fault, with_format=True) == TRANSPORT
    assert (fine.text, fine.fault) == ('{"a": 1}', None)
    assert len(server.requests) == 2


def test_a_process_that_is_stuck_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_pool, "GRACE", 0.2)

    async def run(server: Server) -> list[Received]:
        wires = ProcessWires(endpoint(server.base_url), 1)
        await wires.open()
        try:
            process = wires._children[0].process
            assert process is not None
            process.send_signal(signal.SIGSTOP)
            stuck = await wires.send(out("fine", timeout=0.2))
            process.wait()
            # That it is gone may be noticed with the next request, which is then lost too.
            fine = await wires.send(out("fine"))
            return [stuck, fine if fine.fault is None else await wires.send(out("fine"))]
        finally:
            await wires.close()

    with Server(named) as server:
        stuck, fine = asyncio.run(run(server))
    assert stuck.fault is not None
    assert stuck.fault.sent
    assert fine.fault is None


def test_half_a_key_is_not_kept_where_a_broken_reply_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = "token9876543210abcdefgh"  # of no known form
    monkeypatch.setenv(KEY_VARIABLE, key)

    def echoes(request: Request) -> Reply:
        return Reply(raw=b"x" * 190 + key.encode() + b" is the key")

    with Server(echoes) as server:
        (broken,) = over(LocalWire(endpoint(server.base_url)), out())
    assert broken.fault is not None
    assert key[:8] not in broken.fault.text
    assert "is the key" in broken.fault.text


def test_a_model_that_cannot_be_made_says_so_from_a_process_too() -> None:
    wires = ProcessWires(Endpoint("nosuch", "m", None, None, None), 2)
    with pytest.raises(AgentError, match="Unsupported provider"):
        over(wires)
