"""``audition view`` as a process of its own: asked over one kept connection, its memory read
from /proc."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Answer:
    """``seconds``: from asking to the last byte."""

    status: int
    body: bytes
    seconds: float


@dataclass
class Viewer:
    """One that runs. ``peaks``: MiB by process, of those that were there when it was looked."""

    process: subprocess.Popen[str]
    port: int
    peaks: dict[int, float] = field(default_factory=dict)
    _connection: http.client.HTTPConnection | None = None

    def ask(self, path: str, **headers: str) -> Answer:
        """The same connection again and again, as a browser's."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        started = time.perf_counter()
        try:
            response = self._got(path, headers)
        except (http.client.RemoteDisconnected, ConnectionError):  # it was idle for too long
            self._connection.close()
            response = self._got(path, headers)
        body = response.read()
        return Answer(response.status, body, time.perf_counter() - started)

    def _got(self, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        assert self._connection is not None
        self._connection.request("GET", path, headers=headers)
        return self._connection.getresponse()

    def cpu(self) -> float:
        """Seconds of CPU that the pages' process has had; what works in the background is
        another one."""
        text = (_PROC / str(self.process.pid) / "stat").read_text()
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def look(self) -> dict[int, float]:
        """The peak of each process of the viewer by now, in MiB (VmHWM)."""
        for pid in family(self.process.pid):
            peak = _status(pid).get("VmHWM", "0 kB")
            self.peaks[pid] = max(self.peaks.get(pid, 0.0), int(peak.split()[0]) / 1024)
        return self.peaks

    def memory(self) -> str:
        """The pages' process first, then what works in the background."""
        peaks = self.look()
        pages = peaks[self.process.pid]
        behind = max((mib for pid, mib in peaks.items() if pid != self.process.pid), default=0.0)
        return f"{pages:,.0f} MiB pages, {behind:,.0f} MiB background"


@contextmanager
def viewer(store: str) -> Iterator[Viewer]:
    """Ends with the block, by the interrupt that Ctrl-C sends."""
    command = [sys.executable, "-m", "simulator", "view", "--store", store, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        if not said.startswith("Viewer: http://"):
            raise RuntimeError(f"the viewer did not start: {said!r}")
        yield Viewer(process, int(said.rsplit(":", 1)[1].rstrip("/\n")))
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def family(pid: int) -> list[int]:
    """A process and all that came of it."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            parent = _status(int(folder.name)).get("PPid", "0")
            children.setdefault(int(parent), []).append(int(folder.name))
    out, left = [], [pid]
    while left:
        out.append(left.pop())
        left += children.get(out[-1], [])
    return out


def _status(pid: int) -> dict[str, str]:
    """Of a process that is gone nothing."""
    try:
        text = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return {}
    parts = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in parts}
