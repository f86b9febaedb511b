"""Run the command ``audition`` inside the test's process, as a user would from a shell."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

from simulator.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def audition(*arguments: object) -> Done:
    """``audition ARGUMENTS``; a traceback would be an exception here."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["audition", *map(str, arguments)]
    code: object = 0
    with (
        mock.patch.object(sys, "argv", argv),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    return Done(int(str(code or 0)), out.getvalue(), err.getvalue())
