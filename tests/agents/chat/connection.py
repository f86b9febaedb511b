"""The scripted server's side of a connection: HTTP as it should be, and as it breaks."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from .server import Reply, Request, Server

Break = Literal[
    "closed",
    "reset",
    "reset after headers",
    "headers cut",
    "body cut",
    "hang",
    "drip",
    "length too long",
    "length too short",
]
"""closed, reset: before a byte of the reply (FIN or RST); hang: no reply ever; drip: a byte
now and then; length: the content-length is not that of the body."""

DRIP_SECONDS = 0.02
GONE_SECONDS = 30.0
"""How long a client that ought to give up is waited for."""


def listening(owner: Server, port: int) -> ThreadingHTTPServer:
    """A server on loopback that is not serving yet."""
    http = _Http(("127.0.0.1", port), _Handler)
    http.owner = owner
    return http


class _Http(ThreadingHTTPServer):
    daemon_threads = True  # a client may keep its connection open
    request_queue_size = 256
    owner: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error of the server's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def do_GET(self) -> None:
        models = {"object": "list", "data": [{"id": "scripted", "object": "model"}]}
        self._send(200, json.dumps(models).encode(), {})

    def do_POST(self) -> None:
        from .server import Reply

        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        owner = self.server.owner
        request = owner.note(self.path, dict(self.headers.items()), body)
        try:
            if self.path != "/v1/chat/completions":
                reply = Reply(status=404, error={"message": f"nothing at {self.path}"})
            else:
                reply = owner.answer(request)
            time.sleep(reply.delay)
            payload = _payload(owner, request, reply)
        finally:
            owner.done()
        if reply.breaks is None:
            self._send(reply.status, payload, reply.headers)
        else:
            with contextlib.suppress(OSError):  # the client gave up
                self._break(reply.breaks, payload)
            self.close_connection = True

    def _send(self, status: int, payload: bytes, headers: dict[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self._head(len(payload))
            self.wfile.write(payload)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client gave up waiting

    def _head(self, length: int) -> None:
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(length))
        self.end_headers()

    def _break(self, how: Break, payload: bytes) -> None:
        if how == "headers cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-le")
        elif how not in ("closed", "reset", "hang"):
            told = {"length too long": 100, "length too short": -(len(payload) // 2)}
            self.send_response(200)
            self._head(len(payload) + told.get(how, 0))
            self._break_body(how, payload)
        if how in ("hang", "length too long"):
            self.connection.settimeout(GONE_SECONDS)
            self.connection.recv(1)
        elif how.startswith("reset"):
            _reset(self.connection)

    def _break_body(self, how: Break, payload: bytes) -> None:
        if how == "drip":
            for byte in payload:
                self.wfile.write(bytes([byte]))
                time.sleep(DRIP_SECONDS)
        elif how == "length too short":
            self.wfile.write(payload[: len(payload) - len(payload) // 2])
        elif how == "length too long":
            self.wfile.write(payload)
        else:
            self.wfile.write(payload[: len(payload) // 2])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name
        """Say nothing."""


def _reset(connection: socket.socket) -> None:
    """Close with RST, whatever else refers to the socket."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())


def _payload(owner: Server, request: Request, reply: Reply) -> bytes:
    if reply.status >= 300:
        error = {"error": {"message": "scripted fault", **reply.error}}
        return reply.raw if reply.raw is not None else json.dumps(error).encode()
    text = json.dumps(reply.content) if isinstance(reply.content, dict) else reply.content
    prompt, completion = owner.charge(request, text or "")
    if reply.raw is not None:
        return reply.raw
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": reply.refusal}
    return json.dumps(
        {
            "id": f"scripted-{request.number}",
            "object": "chat.completion",
            "created": 0,
            "model": request.body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason}],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
        }
    ).encode()
