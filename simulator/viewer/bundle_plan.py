"""Which pages of the viewer a copy holds, and which file each of them is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

LEFT_OUT = "left-out.html"

SHEETS = 40
"""Of the table of sessions, for all arms and for each."""

VIEWS = 60
"""Of what moved a metric."""

_FIXED = {
    "": "index.html",
    "notes": "notes.html",
    "movers": "movers.html",
    **{file: file for file in ("style.css", "summary.json", "notes.csv", "notes.json")},
}


@dataclass
class Plan:
    """``arms`` in the scenario's order; ``agents``: those whose pages are there; ``calls``:
    whether prompts and replies are."""

    run: str
    arms: Sequence[str]
    control: str
    agents: set[int]
    calls: bool
    _views: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The address of the run's page."""
        return f"/runs/{quote(self.run, safe='')}"

    def file(self, path: str, query: Mapping[str, object]) -> str | None:
        """The file of an address; None where the copy does not hold it."""
        if path != self.root and not path.startswith(f"{self.root}/"):
            return None
        asked = {key: str(value) for key, value in query.items() if value not in (None, "")}
        part = path[len(self.root) + 1 :]
        if part in _FIXED and not asked:
            return _FIXED[part]
        if re.fullmatch(r"figures/\w+\.png", part):
            return part
        if part == "agents":
            return self._sheet(asked)
        if part == "movers":
            return self._view(asked)
        found = re.fullmatch(r"agents/(\d+)(?:/(\w+(?:\.txt)?))?", part)
        if found is None or int(found[1]) not in self.agents:
            return None
        name = self._of_agent(found[2] or "", asked)
        return name and f"agents/{found[1]}/{name}"

    def sheets_left(self, missed: Iterable[str]) -> int:
        """How many sheets of the table were asked for that are not there."""
        return sum(1 for one in missed if re.search(r"/agents\?(?:[^#]*&)?sheet=\d+$", one))

    def _sheet(self, asked: Mapping[str, str]) -> str | None:
        if not asked.keys() <= {"arm", "sheet"}:
            return None
        arm, sheet = asked.get("arm"), asked.get("sheet", "1")
        if (arm is not None and arm not in self.arms) or int(sheet) > SHEETS:
            return None
        of_arm = "" if arm is None else f"-a{self.arms.index(arm)}"
        return f"agents{of_arm}{'' if sheet == '1' else f'-{sheet}'}.html"

    def _view(self, asked: Mapping[str, str]) -> str | None:
        key = urlencode(sorted(asked.items()))
        if key not in self._views and len(self._views) < VIEWS:
            digest = hashlib.sha256(key.encode()).hexdigest()[:10]
            self._views[key] = f"movers-{digest}.html"
        return self._views.get(key)

    def _of_agent(self, part: str, asked: Mapping[str, str]) -> str | None:
        round_ = asked.get("round", "1")
        if part == "" and not asked:
            return "index.html"
        if part == "" and asked.keys() <= {"arm", "round"} and asked.get("arm") in self.arms:
            return f"a{self.arms.index(asked['arm'])}-r{round_}.html"
        if part == "pair" and {"a", "b"} <= asked.keys() <= {"a", "b", "round"}:
            both = [asked["a"], asked["b"]]
            if self.control in both and set(both) <= set(self.arms):
                a, b = (self.arms.index(arm) for arm in both)
                return f"pair-a{a}-a{b}-r{round_}.html"
        if part in ("calls", "calls.txt") and self.calls:
            digest = hashlib.sha256(urlencode(sorted(asked.items())).encode()).hexdigest()[:10]
            return f"calls-{digest}{'.txt' if part.endswith('txt') else '.html'}"
        return None
