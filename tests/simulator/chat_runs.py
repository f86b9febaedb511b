"""Tiny runs of chat agents against the scripted server, for tests of whole runs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pandas as pd

from simulator.storage import queries
from simulator.storage.export import export
from simulator.storage.store import Store
from tests.agents.chat.server import Reply, Request, Server, rules

from .command import Done, audition

SCENARIO = """
name: tiny
seed: 5
dataset: {{source: synthetic, users: 60, items: 80, interactions: 12}}
agents:
  count: 8
  response: {{model: chat, name: scripted, base_url: "{url}", max_tokens: 400}}
session: {{page_size: 4, max_pages: 3}}
arms:
  - {{name: Pop, recommender: popularity}}
  - {{name: Again, recommender: popularity}}
  - {{name: Random, recommender: random}}
control: Pop
"""
"""Two arms show the same, so that their agents share every reply."""

HEEDS_CTRL_C = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from simulator.cli import main; main()"
)
"""The command. What a shell starts in the background is told to ignore Ctrl-C, and so are the
processes of tests that run there."""


def with_tastes(request: Request) -> Reply:
    """By the rules, and the taste of a person as the last item it rated has it."""
    if len(request.messages) > 1:
        return rules(request)
    rated = json.loads(request.system.partition("<rated>")[2].strip().splitlines()[-2])
    return Reply({"tastes": [f"I like {', '.join(rated.get('genres', ['films']))}."]})


@dataclass(frozen=True)
class Runs:
    """The scenario for one server, and a folder with a store of its runs."""

    folder: Path
    url: str

    @classmethod
    def of(cls, folder: Path, server: Server) -> Runs:
        folder.mkdir(exist_ok=True)
        text = SCENARIO.format(url=server.base_url)
        (folder / "tiny.yaml").write_text(text, encoding="utf-8")
        return cls(folder, server.base_url)

    def run(self, *arguments: object) -> Done:
        return self._done("run", self.folder / "tiny.yaml", *arguments)

    def resume(self, name: str = "tiny", *arguments: object) -> Done:
        return self._done("resume", name, *arguments)

    def _done(self, *arguments: object) -> Done:
        with mock.patch("simulator.commands.running.report"):  # takes longer than all the rest
            return audition(*arguments, *self.places)

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """``audition ARGUMENTS`` as a process of its own; ``run`` is followed by the scenario."""
        command = [sys.executable, "-c", HEEDS_CTRL_C, *arguments]
        if arguments[0] == "run":
            command.insert(4, str(self.folder / "tiny.yaml"))
        return subprocess.Popen(
            [*command, *self.places],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    @property
    def places(self) -> tuple[str, ...]:
        return ("--store", str(self.folder / "s.db"), "--out", str(self.folder))

    def store(self) -> Store:
        return Store.open(self.folder / "s.db", create=False)

    def status(self, name: str = "tiny") -> str:
        with self.store() as store:
            return queries.run(store, name).status

    def calls(self, name: str = "tiny") -> pd.DataFrame:
        with self.store() as store:
            return queries.calls(store, name)

    def agents(self, name: str = "tiny") -> pd.DataFrame:
        with self.store() as store:
            return queries.agents(store, name)

    def sent(self, name: str = "tiny") -> int:
        """Calls of a run that were sent."""
        return int((~self.calls(name)["cached"]).sum())

    def exported(self, name: str = "tiny", *, timings: bool = False) -> dict[str, bytes]:
        """The exported files by name."""
        with self.store() as store:
            files = export(store, name, self.folder / f"export-{name}", "csv")
        return {f.name: f.read_bytes() for f in files if timings or f.stem != "timings"}
