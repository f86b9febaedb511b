"""llama-cpp-python's own server on loopback, with the tiny model converted for it.

    python -m tests.llm.server DATA/tiny-llm [--port 8080]

serves until it is interrupted; .llm-venv must be there (benchmarks/llm_env.sh).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .gguf import convert

PYTHON = "AUDITION_LLM_PYTHON"
"""Names the environment's Python that has llama-cpp-python; ``make test-llm`` sets it."""

CONTEXT = 4096
"""Positions: a page's prompt is 1,000 to 2,000 pieces of 512 words, a reply some 500, and a
repair turn holds both. The model learned on 512 positions, which are stretched over these:
it writes even less sense than it could."""

LEARNED = 512
START_SECONDS = 120.0


@dataclass(frozen=True)
class Build:
    """What is needed: a Python with llama-cpp-python, and the converted model."""

    python: str
    model: Path


@contextmanager
def serving(build: Build, log: Path, port: int | None = None) -> Iterator[str]:
    """The server's ``base_url``; what the server prints goes to ``log``."""
    port = _free_port(port or 0)
    settings = {
        "model": build.model,
        "model_alias": "stories260K",
        "host": "127.0.0.1",
        "port": port,
        "n_ctx": CONTEXT,
        "rope_scaling_type": 1,  # linear
        "rope_freq_scale": LEARNED / CONTEXT,
        "n_threads": 1,
        "n_threads_batch": 1,
        "logits_all": False,
        "chat_format": "chatml",
        "seed": 7,
        "verbose": False,
    }
    options = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
    command = [build.python, "-m", "llama_cpp.server", *options]
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=_environment())
        try:
            url = f"http://127.0.0.1:{port}/v1"
            _wait(url, server, log)
            yield url
        finally:
            server.terminate()
            server.wait(timeout=30)


def story(build: Build, prompt: str, tokens: int) -> str:
    """What the model writes on from ``prompt`` where it always takes the likeliest word,
    with the positions it learned."""
    script = (
        "import sys, llama_cpp\n"
        f"model = llama_cpp.Llama(sys.argv[1], n_ctx={LEARNED}, n_threads=1, verbose=False)\n"
        "told = model(sys.argv[2], max_tokens=int(sys.argv[3]), temperature=0.0)\n"
        "sys.stdout.write(told['choices'][0]['text'])\n"
    )
    done = subprocess.run(
        [build.python, "-c", script, str(build.model), prompt, str(tokens)],
        capture_output=True,
        text=True,
        check=True,
        env=_environment(),
    )
    return done.stdout


def _environment() -> dict[str, str]:
    """Without what belongs to the environment of the tests."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/models", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")


def _free_port(port: int) -> int:
    """``port`` itself, or any for 0. OSError where it is taken: another server would answer
    in place of the one that cannot start."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        free: int = listener.getsockname()[1]
        return free


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder with stories260K.bin and tok512.bin")
    parser.add_argument("--port", type=int, default=8080)
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server ends with it
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "stories260K.gguf"
        convert(told.data / "stories260K.bin", told.data / "tok512.bin", model)
        python = os.environ.get(PYTHON, ".llm-venv/bin/python")
        with serving(Build(python, model), Path(folder) / "server.log", told.port) as url:
            print(url, flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()


if __name__ == "__main__":
    main()
