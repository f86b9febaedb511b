"""Files that are either whole or not there."""

from __future__ import annotations

import os
from pathlib import Path


def atomically(path: Path, content: bytes) -> Path:
    """Write ``content`` beside ``path``, then put it in its place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
