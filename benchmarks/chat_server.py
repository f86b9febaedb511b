"""A cheap stand-in for a chat endpoint, to measure clients against: OpenAI's chat
completions with valid replies to pages and interviews, after a fixed or heavy-tailed delay.

    python -m benchmarks.chat_server --port 8130 --latency 0.5 --tail

No language model is behind it and nothing is checked: every item of a page gets the same
interest, the first is watched. It costs well under 0.3 ms of CPU a request and runs in a
process of its own, so that the client alone is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import random
import re
from collections.abc import Sequence
from functools import lru_cache

from aiohttp import web

SIGMA = 0.8
"""Spread of the heavy tail: its median is 0.73 of the mean, 1 in 100 takes 4.7 times it."""

_HANDLE = re.compile(rb'\{\\"id\\":\s?\\"(\w+)\\"')
_TOKENS_PER_BYTE = 0.25


def completion(body: bytes) -> bytes:
    """The reply to one request, made from the handles on its page."""
    asked = body.rpartition(b"<page>")
    handles = tuple(_HANDLE.findall(asked[2])) if asked[1] else ()
    content, tokens = _content(handles, b'{\\"reflection\\"' in body)
    prompt = int(len(body) * _TOKENS_PER_BYTE)
    return content % (prompt, prompt + tokens)


@lru_cache(maxsize=256)
def _content(handles: tuple[bytes, ...], reflection: bool) -> tuple[bytes, int]:
    """A completion with places for the tokens of the prompt and of both together, and the
    tokens of the reply."""
    if handles:
        text = json.dumps(_page([handle.decode() for handle in handles]))
    elif reflection:
        text = json.dumps({"reflection": "There is little new here for me."})
    else:
        text = json.dumps({"reason": "It was all right.", "satisfaction": 6, "return_intent": 5})
    tokens = int(len(text) * _TOKENS_PER_BYTE)
    whole = {
        "id": "benchmark",
        "object": "chat.completion",
        "created": 0,
        "model": "benchmark",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": -1, "completion_tokens": tokens, "total_tokens": -2},
    }
    made = json.dumps(whole).replace("%", "%%").replace(": -1", ": %d").replace(": -2", ": %d")
    return made.encode(), tokens


def _page(handles: Sequence[str]) -> dict[str, object]:
    judged = {"reason": "a genre I like", "interest": 6, "aligned": True}
    return {
        "items": dict.fromkeys(handles, judged),
        "watched": [{"id": handles[0], "rating": 4, "feeling": "as I hoped"}],
        "feeling": "content",
        "satisfaction": 6,
        "fatigue": 2,
        "reason": "there may be more for me",
        "leave": False,
        "exit": None,
    }


async def serve(port: int, latency: float, *, tail: bool, seed: int = 0) -> None:
    """Answer on loopback until cancelled; ``latency`` is the mean delay in seconds."""
    draw = random.Random(seed)
    mu = math.log(latency) - SIGMA**2 / 2 if latency > 0 else 0.0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        body = completion(await request.read())
        if latency > 0:
            await asyncio.sleep(draw.lognormvariate(mu, SIGMA) if tail else latency)
        return web.Response(body=body, content_type="application/json")

    runner = web.ServerRunner(web.Server(answer, access_log=None, keepalive_timeout=600))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
        print(f"http://127.0.0.1:{port}/v1", flush=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description="A cheap chat endpoint without a model.")
    parser.add_argument("--port", type=int, default=8130)
    parser.add_argument("--latency", type=float, default=0.5, help="mean seconds to a reply")
    parser.add_argument("--tail", action="store_true", help="lognormal delays, same mean")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.port, given.latency, tail=given.tail))


if __name__ == "__main__":
    main()
