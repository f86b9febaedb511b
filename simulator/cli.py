"""The command ``audition``: its commands, joined, and how a mistake ends.

Exit codes: 0 done, 1 the run failed, 2 usage or bad input, 3 stopped by a budget,
130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import typer

from .commands import judging, looking, running
from .errors import AuditionError

INTERRUPTED = 130

# The exception above typer.BadParameter that every usage error is; typer exports no name for it.
_USAGE: Any = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="audition",
    help="Recommenders audition before a simulated audience before they go live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: Mapping[str, Callable[..., None]] = {
    "run": running.run,
    "resume": running.resume,
    "validate": running.validate,
    "audit": judging.audit,
    "fidelity": judging.fidelity,
    "calibrate": judging.calibrate,
    "plan": judging.plan,
    "profiles": running.profiles,
    "list": looking.list_,
    "runs": looking.runs,
    "show": looking.show,
    "compare": judging.compare,
    "transcript": looking.transcript,
    "view": looking.view,
    "export": looking.export,
}
"""By name, in the order of ``audition --help``."""

for name, command in COMMANDS.items():
    app.command(name=name)(command)

imports = typer.Typer(help="Runs that others published, as runs here.")
app.add_typer(imports, name="import")
imports.command(name="agent4rec")(running.import_agent4rec)


@imports.callback()
def _imports() -> None:
    """Keeps the format a word of its own while there is only one."""


def main() -> None:
    """Entry point: a user's mistake is one line on stderr, never a traceback."""
    code = 0
    try:
        # Without standalone mode the code of typer.Exit comes back as the return value; for
        # Ctrl-C that is 130.
        code = app(standalone_mode=False) or 0
    except AuditionError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _USAGE as error:
        if not sys.argv[1:]:
            error.show()
        else:
            print(f"error: {error.format_message()} (audition --help)", file=sys.stderr)
        code = 2
    if code == INTERRUPTED:
        print("interrupted; the pages that were finished are in the store", file=sys.stderr)
    sys.exit(code)
