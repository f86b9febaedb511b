"""What a wire makes of an endpoint that misbehaves. Real HTTP."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import pytest

from agents.response.faults import UNSUPPORTED, classify, fatal
from agents.response.question import BROKEN, CONTEXT, FILTERED, REJECTED, TRANSPORT
from agents.response.wire import Fault, LocalWire, Received

from .server import Reply
from .wires import ECHO, KEY_VARIABLE, answered, endpoint, lost, out, over
from .world import KEY


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


QUOTA = {"code": "insufficient_quota", "message": "no money"}
LENGTH = {"code": "context_length_exceeded", "message": "too long"}
STATUS: dict[str, tuple[Reply, str, str | None]] = {
    "408": (Reply(status=408), TRANSPORT, None),
    "409": (Reply(status=409), TRANSPORT, None),
    "425": (Reply(status=425), TRANSPORT, None),
    "429": (Reply(status=429), TRANSPORT, None),
    "500": (Reply(status=500), TRANSPORT, None),
    "503": (Reply(status=503, raw=b"<html>busy</html>"), TRANSPORT, None),
    "529": (Reply(status=529), TRANSPORT, None),
    "quota": (Reply(status=429, error=QUOTA), TRANSPORT, "no quota left"),
    "402": (Reply(status=402), REJECTED, "no quota left"),
    "401": (Reply(status=401, error={"message": ECHO}), REJECTED, f"the key in {KEY_VARIABLE}"),
    "403": (Reply(status=403), REJECTED, f"the key in {KEY_VARIABLE}"),
    "404": (Reply(status=404), REJECTED, "check name and base_url"),
    "308": (
        Reply(status=308, raw=b"", headers={"location": "http://127.0.0.1:9/v1"}),
        TRANSPORT,
        "another address",
    ),
    "context": (Reply(status=400, error=LENGTH), CONTEXT, None),
    "filter": (Reply(status=400, error={"code": "content_filter"}), FILTERED, None),
    "format": (Reply(status=400, error={"message": "no response_format"}), UNSUPPORTED, None),
    "400": (Reply(status=400), REJECTED, None),
    "422": (Reply(status=422), REJECTED, None),
    "setting": (
        Reply(status=400, error={"code": "unsupported_value", "message": "temperature"}),
        REJECTED,
        "does not take a setting",
    ),
}


@pytest.mark.parametrize("name", STATUS)
def test_an_error_reply_is_a_fault_that_was_not_billed(name: str) -> None:
    reply, outcome, stop = STATUS[name]
    fault = lost(reply)
    assert fault.status == reply.status
    assert fault.text.startswith(f"HTTP {reply.status}: ")
    assert not fault.sent
    assert not fault.unreachable
    assert classify(fault, with_format=True) == outcome
    assert (fatal(fault, "model 'm'", KEY_VARIABLE) is None) == (stop is None)
    assert (stop or "") in (fatal(fault, "model 'm'", KEY_VARIABLE) or "")


def test_a_refused_format_is_only_that_where_one_was_sent() -> None:
    fault = Fault(400, "", "HTTP 400: no response_format", sent=False)
    assert classify(fault, with_format=False) == REJECTED


@pytest.mark.parametrize(
    "raw",
    [
        b"<html><body>welcome</body></html>",
        b"",
        b'"text"',
        b"[]",
        b"{}",
        b'{"choices": null}',
        b'{"choices": []}',
        b'{"choices": [null]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": "text"}]}',
        b'{"error": {"message": "overloaded"}}',
        b'{"choices": [{"message": {"role": "assistant", "content": 7}}]}',
        b'{"choices": [{"message": {"role": "assistant", "content": "hi"}}], "usage": [1]}',
    ],
)
def test_what_is_no_completion_is_a_fault_and_never_an_exception(raw: bytes) -> None:
    fault = lost(Reply(raw=raw))
    assert (fault.status, fault.sent, fault.unreachable) == (None, True, False)
    assert fault.text.startswith("broken reply: ")
    assert classify(fault, with_format=True) == BROKEN
    assert fatal(fault, "model 'm'", None) is None


def test_no_secret_comes_back() -> None:
    text = f"{ECHO} Or sk-live-abcdef123456? \x00 \ud800"
    got = answered(Reply(text))
    assert got.text == "You sent Bearer [redacted] to us. Or [redacted]? \ufffd \ufffd"
    declined = answered(Reply(None, refusal=ECHO))
    broken = lost(Reply(raw=ECHO.encode()))
    error = lost(Reply(status=500, error={"message": "x" * 1990 + KEY, "code": KEY}))
    assert KEY not in f"{declined} {broken} {error}"
    assert KEY[:12] not in f"{declined} {broken} {error}"
    assert len(error.text) <= 2000


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "7", "retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": formatdate(0, usegmt=True)}, 0.0),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert lost(Reply(status=429, headers=headers)).retry_after == seconds


def test_a_server_may_name_the_time_to_come_back() -> None:
    date = formatdate(time.time() + 1000, usegmt=True)
    wait = lost(Reply(status=503, headers={"Retry-After": date})).retry_after
    assert wait is not None
    assert 800 < wait <= 1000


def test_a_reply_that_takes_too_long_is_given_up() -> None:
    got = answered(Reply("late", delay=0.5), out(timeout=0.05))
    assert got.fault == Fault(None, "", "TimeoutError: no reply within 0.05 s", sent=True)
    assert got.latency >= 0.05


def test_where_nothing_listens_nothing_was_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    fault = over(LocalWire(endpoint(f"http://127.0.0.1:{port}/v1")), out())[0].fault
    assert fault is not None
    assert (fault.status, fault.unreachable, fault.sent) == (None, True, False)
    assert fault.text.startswith("ConnectionRefusedError: ")


def test_a_host_that_does_not_exist_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    fault = over(LocalWire(endpoint("http://nowhere.test/v1")), out())[0].fault
    assert fault is not None
    assert (fault.unreachable, fault.sent) == (True, False)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b'HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{"choices"',
        b"gibberish\r\n\r\n",
    ],
    ids=["closed", "head cut", "body cut", "not HTTP"],
)
def test_a_connection_that_breaks_may_have_been_billed(sent: bytes) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        writer.close()

    fault = asyncio.run(_of_raw_server(broken)).fault
    assert fault is not None
    assert (fault.status, fault.sent, fault.unreachable) == (None, True, False)
    assert not fault.text.startswith("broken reply")
    assert classify(fault, with_format=True) == TRANSPORT


async def _of_raw_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> Received:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wire = LocalWire(endpoint(f"http://127.0.0.1:{port}/v1"))
    async with server:
        await wire.open()
        try:
            return await wire.send(out())
        finally:
            await wire.close()
