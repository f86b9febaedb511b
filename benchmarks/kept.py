"""What a long benchmark has measured by now: lines of JSON in a file, to go on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Kept:
    """``file`` None keeps nothing beyond the process. Measurements are never written over."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        there = file is not None and file.exists()
        lines = file.read_text(encoding="utf-8").splitlines() if file and there else []
        self.all: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def find(self, **what: Any) -> dict[str, Any] | None:
        """The first measurement of which all that is given is true."""
        wanted = json.loads(json.dumps(what, default=dict))
        for one in self.all:
            if all(one.get(key) == value for key, value in wanted.items()):
                return one
        return None

    def add(self, one: Mapping[str, Any]) -> dict[str, Any]:
        """Keep it; returns it as it will be read back."""
        line = json.dumps(one, default=dict)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        back: dict[str, Any] = json.loads(line)
        self.all.append(back)
        return back
