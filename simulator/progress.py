"""Progress on stderr: a live line on a terminal, plain lines now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

LOG_EVERY_SECONDS = 5.0


class Progress:
    """Says what the program is doing; ``quiet`` says nothing, ``verbose`` also which calls
    did not go well."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.live = not quiet and sys.stderr.isatty()
        self._started = time.monotonic()
        self._last_log = 0.0
        self._within = ""

    @contextmanager
    def within(self, title: str) -> Iterator[None]:
        """Everything that is said meanwhile begins with ``title``."""
        before, self._within = self._within, f"{self._within}{title}: "
        try:
            yield
        finally:
            self._within = before

    def say(self, text: str) -> None:
        """One line that stays."""
        if self.quiet:
            return
        seconds = time.monotonic() - self._started
        print(f"[{seconds:7.1f}s] {self._within}{text}", file=sys.stderr, flush=True)

    def now_and_then(self, text: str) -> None:
        """A line for a log, at most one every few seconds."""
        now = time.monotonic()
        if now - self._last_log >= LOG_EVERY_SECONDS:
            self._last_log = now
            self.say(text)

    @contextmanager
    def task(self, title: str, total: int | None) -> Iterator[Task]:
        """A bar on a terminal (or plain lines) for one piece of work."""
        self._last_log = time.monotonic()
        if not self.live:
            yield Task(self, title, total, None)
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            bars.add_task(f"{self._within}{title}", total=total, said="")
            yield Task(self, title, total, bars)


class Task:
    """One piece of work under way."""

    def __init__(
        self, progress: Progress, title: str, total: int | None, bars: Bars | None
    ) -> None:
        self._progress, self._title, self._total, self._bars = progress, title, total, bars

    def update(self, text: str, done: int | None = None) -> None:
        """What was reached by now; ``done`` of the total given at the start."""
        if self._bars is not None:
            task = self._bars.task_ids[0]
            self._bars.update(task, said=text, completed=done)
            return
        share = f" {done}/{self._total}" if done is not None and self._total else ""
        self._progress.now_and_then(f"{self._title}{share} {text}")
