"""Where every page of the viewer is. Templates ask here, so that a bundle of files can have
places of its own."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

STATIC = "/static"


class Links:
    """Addresses within a running viewer. A value of None or "" in a query is left out."""

    live = True
    """Whether somebody answers: forms, live progress and search are there."""

    calls = True
    """Whether prompts and replies are there."""

    control = ""
    """Beside which arm alone others are shown; "" where it may be any."""

    def at(self, path: str, query: Mapping[str, object]) -> str:
        """What every address but a static file's is made by."""
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return f"{path}?{urlencode(given, doseq=True)}" if given else path

    def left_out(self) -> str:
        """What a copy does not hold; of a running viewer, nothing."""
        return self.runs()

    def static(self, file: str) -> str:
        return f"{STATIC}/{file}"

    def runs(self) -> str:
        return "/"

    def runs_table(self, seen: str) -> str:
        """The table of runs alone, if it is not as it was ``seen``."""
        return self.at("/partial/runs", {"seen": seen})

    def run(self, run: str, part: str = "", **query: object) -> str:
        """A page of a run: "" its overview; ``agents``, ``movers``, ``notes``, ..."""
        return self.at(f"/runs/{quote(run, safe='')}" + (f"/{part}" if part else ""), query)

    def agent(self, run: str, agent: int, part: str = "", **query: object) -> str:
        """One agent; ``part``: ``pair``, ``notes``, ``calls/7``, ``transcript.json``, ..."""
        return self.run(run, f"agents/{agent}" + (f"/{part}" if part else ""), **query)

    def page(self, run: str, agent: int, arm: str, round_: int, page: int) -> str:
        """One page of one visit."""
        return f"{self.agent(run, agent, arm=arm, round=round_)}#page-{page}"

    def note(self, run: str, note: int, part: str = "") -> str:
        """One note; ``part``: ``delete``."""
        return self.run(run, f"notes/{note}" + (f"/{part}" if part else ""))
