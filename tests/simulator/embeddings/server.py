"""A test server that speaks OpenAI's embeddings over real HTTP. No model is behind it: a
vector is drawn from the text's own hash. Faults can be put before it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

DIMENSIONS = 16


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return [float(x) for x in np.random.default_rng(seed).normal(size=dimensions)]


def reply(body: dict[str, Any]) -> dict[str, Any]:
    """As it should be, though listed backwards: clients go by ``index``."""
    texts, size = body["input"], body.get("dimensions", DIMENSIONS)
    rows = [
        {"object": "embedding", "index": n, "embedding": vector(text, size)}
        for n, text in enumerate(texts)
    ]
    used = sum(len(text) for text in texts) // 4
    usage = {"prompt_tokens": used, "total_tokens": used}
    return {"object": "list", "model": body["model"], "data": rows[::-1], "usage": usage}


class Sent:
    """``body`` a document or bytes as they are; ``cut``: only half of it comes."""

    def __init__(
        self, body: Any, status: int = 200, cut: bool = False, delay: float = 0.0, **headers: str
    ) -> None:
        self.body, self.status, self.cut, self.delay = body, status, cut, delay
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


Answer = Callable[[int, dict[str, Any]], Sent]
"""From the number of the request, from 1, and its body."""


def fine(number: int, body: dict[str, Any]) -> Sent:
    return Sent(reply(body))


class EmbeddingServer:
    """Serves on loopback while the context is open; keeps the bodies and keys it was sent."""

    def __init__(self, answer: Answer = fine) -> None:
        self.answer, self.bodies, self.keys = answer, list[dict[str, Any]](), list[str]()
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with owner._lock:
                    owner.bodies.append({"path": self.path, **body})
                    owner.keys.append(self.headers.get("authorization", ""))
                    number = len(owner.bodies)
                sent = owner.answer(number, body)
                time.sleep(sent.delay)
                told = sent.body if isinstance(sent.body, bytes) else json.dumps(sent.body).encode()
                self.send_response(sent.status)
                for name, value in sent.headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                self.wfile.write(told[: len(told) // 2] if sent.cut else told)
                self.close_connection = sent.cut

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def texts(self) -> list[str]:
        return [text for body in self.bodies for text in body["input"]]

    def __enter__(self) -> EmbeddingServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
