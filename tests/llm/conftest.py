"""The tiny model behind its server, once for all tests here."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .gguf import convert
from .server import PYTHON, Build, serving


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Skips where the data or llama-cpp-python is missing."""
    if not os.environ.get("AUDITION_DATA"):
        pytest.skip("AUDITION_DATA names no folder with the data sets")
    folder = Path(os.environ["AUDITION_DATA"]) / "tiny-llm"
    model, tokenizer = folder / "stories260K.bin", folder / "tok512.bin"
    for path in (model, tokenizer):
        if not path.exists():
            pytest.skip(f"AUDITION_DATA holds no tiny-llm/{path.name}")
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} names no Python with llama-cpp-python: say make test-llm")
    found = subprocess.run([python, "-c", "import llama_cpp.server"], capture_output=True)
    if found.returncode:
        pytest.skip(f"{python} has no llama-cpp-python with its server: say make test-llm")
    out = tmp_path_factory.mktemp("tiny-llm") / "stories260K.gguf"
    convert(model, tokenizer, out)
    return Build(python, out)


@pytest.fixture(scope="session")
def base_url(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The running server."""
    with serving(build, tmp_path_factory.mktemp("server") / "server.log") as url:
        yield url
