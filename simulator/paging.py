"""What is longer than a screen goes through the user's pager, at a terminal and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rich.console import Console, RenderableType

PLAIN_WIDTH = 110
"""Columns where the output is no terminal."""

_LESS = "FRX"
"""Of ``less``, where a person has said nothing else: less than a screen is just printed,
colours are kept, and what was read stays on the screen. As git does."""


def show(parts: Sequence[RenderableType], *, pager: bool) -> None:
    """Print; with ``pager`` and at a terminal through ``PAGER``, by default ``less``."""
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else PLAIN_WIDTH)
    if not (pager and terminal):
        for part in parts:
            console.print(part)
        return
    os.environ.setdefault("LESS", _LESS)
    with console.pager(styles=True):
        for part in parts:
            console.print(part)
