"""What takes seconds is done in the background: one task at a time, in a process of its own,
so that pages keep answering meanwhile. What a task finds it leaves in the index.

A task is named "module:function" and is called with the store, the index and plain arguments.
The process is started by the first task and ends with the viewer; whoever is stopped halfway
is asked again by the next page that wants it.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import queue
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from ..storage.store import Store
from .index import Index

log = logging.getLogger(__name__)

AGAIN = 30.0
"""Seconds after which what failed may be tried again."""

CLOSED = "the viewer has ended"


@dataclass(frozen=True)
class Job:
    """``since``: by the monotonic clock; ``error``: why it failed."""

    state: Literal["waiting", "running", "failed"]
    since: float
    error: str = ""


@dataclass
class _Child:
    process: BaseProcess
    pipe: Connection


class Work:
    """The tasks of one store. A store in memory is of this process alone: its tasks run in a
    thread."""

    def __init__(self, store: Store, index: Index) -> None:
        self._store, self._index = store, index
        self._elsewhere = store.engine.url.database not in (None, "", ":memory:")
        self._jobs: dict[str, Job] = {}
        self._done: dict[str, float] = {}
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[str, str, tuple[Any, ...]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._child: _Child | None = None
        self._closed = False

    def ask(self, key: str, task: str, *arguments: Any, pause: float = 0.0) -> None:
        """Let ``task`` be done, unless what goes by that ``key`` waits, runs or just failed, or
        was done less than ``pause`` seconds ago."""
        with self._lock:
            if time.monotonic() - self._done.get(key, -math.inf) < pause:
                return
            job = self._jobs.get(key)
            if self._closed:
                self._jobs[key] = Job("failed", time.monotonic(), CLOSED)
                return
            if job and (job.state != "failed" or time.monotonic() - job.since < AGAIN):
                return
            self._jobs[key] = Job("waiting", time.monotonic())
            self._queue.put((key, task, arguments))
            if self._thread is None:
                self._thread = threading.Thread(target=self._go, daemon=True, name="background")
                self._thread.start()

    def job(self, key: str) -> Job | None:
        """How it stands; None where nothing was asked, or it is done."""
        with self._lock:
            return self._jobs.get(key)

    def close(self) -> None:
        """End the process, whatever it does, and start no other; what waits has failed, so that
        nobody waits for it."""
        with self._lock:
            self._closed = True
            for key, job in self._jobs.items():
                if job.state == "waiting":
                    self._jobs[key] = Job("failed", time.monotonic(), CLOSED)
            if self._child is not None:
                self._child.process.kill()
                self._child.process.join()

    def _go(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # inherited: Ctrl-C is not for a process that begins
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        while True:
            key, task, arguments = self._queue.get()
            with self._lock:
                if self._closed:
                    return
                self._jobs[key] = Job("running", time.monotonic())
            error = self._do(task, arguments)
            if error and not self._closed:
                log.warning("%s failed: %s", key, error)
            with self._lock:
                if error:
                    self._jobs[key] = Job("failed", time.monotonic(), error)
                else:
                    del self._jobs[key]
                    self._done[key] = time.monotonic()

    def _do(self, task: str, arguments: tuple[Any, ...]) -> str:
        """Why it failed; "" where it did not."""
        if not self._elsewhere:
            return _told(self._store, self._index, task, arguments)
        try:
            pipe = self._started().pipe
            pipe.send((task, arguments))
            return str(pipe.recv())
        except (EOFError, OSError):
            self._child = None
            return "its process ended"

    def _started(self) -> _Child:
        with self._lock:
            if self._closed:
                raise OSError(CLOSED)
            return self._running()

    def _running(self) -> _Child:
        if self._child is None or not self._child.process.is_alive():
            context = get_context("spawn")
            mine, its = context.Pipe()
            where = self._store.engine.url.render_as_string(hide_password=False)
            process = context.Process(
                target=_serve, args=(its, where, str(self._index.file)), daemon=True
            )
            process.start()
            its.close()
            self._child = _Child(process, mine)
        return self._child


def _serve(pipe: Connection, where: str, index: str) -> None:
    """The process: behind pages and runs in line for the processor, ended by its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True, name="parent").start()
    with suppress(OSError):
        os.nice(10)
    with Store.open(where, create=False) as store:
        kept = Index(Path(index))
        with suppress(EOFError):
            while True:
                task, arguments = pipe.recv()
                pipe.send(_told(store, kept, task, arguments))


def _end_with_parent() -> None:
    """A viewer that is killed ends nothing itself; half a task is of no use to anybody."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(0)


def _told(store: Store, index: Index, task: str, arguments: tuple[Any, ...]) -> str:
    module, _, name = task.partition(":")
    try:
        getattr(importlib.import_module(module), name)(store, index, *arguments)
    except Exception as error:  # it is told on the page, and the next task goes on
        log.exception("%s", task, exc_info=error)
        return f"{type(error).__name__}: {error}"
    return ""
