"""A run's calls as a file, from which it can be replayed without a network.

JSON lines: first the head (:class:`_Head`), what was run and how many calls follow; then one
call a line (:class:`_Line`) in the order of arm, round, agent, page, kind and attempt. Two
recordings of the same replies differ in ``latency`` only.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from io import BufferedIOBase
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.interface import Call

from .errors import InputError
from .storage import queries, run_texts
from .storage.plain import to_json
from .storage.run_texts import Written
from .storage.store import Store

FORMAT = "audition.recording/1"

_GZIP = b"\x1f\x8b"
_LONGEST_SHOWN = 60

Whole = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class _Head(_Strict):
    """``calls`` lines follow; ``identity`` is what a resume compares, "" if unknown;
    ``tastes`` by agent, and ``texts`` of items and users, where a model wrote them."""

    format: Literal["audition.recording/1"]
    run: str
    seed: int
    identity: str
    scenario_file: str
    scenario: dict[str, Any]
    versions: dict[str, str]
    arms: tuple[str, ...]
    calls: Whole
    tastes: dict[str, tuple[str, ...]] = {}
    texts: dict[Literal["item", "user"], dict[int, str]] = {}


class _Line(_Strict):
    """A call and where it was made; ``latency`` in seconds."""

    arm: str
    round: Annotated[int, Field(ge=1)]
    agent: Whole
    page: Whole
    kind: str
    attempt: Whole
    outcome: str
    prompt_hash: str
    messages: str
    reply: str
    tokens_in: Whole
    tokens_out: Whole
    latency: float | None
    cached: bool
    cost_usd: float | None
    key: str
    tokens_cached: Whole
    assumed_tokens: Whole
    assumed_usd: float


@dataclass(frozen=True, eq=False)
class Recording:
    """What was run, and its calls by (arm, round) and agent."""

    file: str
    run: str
    seed: int
    identity: str
    scenario: Mapping[str, Any]
    arms: tuple[str, ...]
    calls: Mapping[tuple[str, int], Mapping[int, list[Call]]]
    tastes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By agent, where a model wrote them."""
    texts: Written = field(default_factory=dict)
    """What recommenders read of a model's words, by item and user."""

    def for_arm(self, name: str, round_: int) -> Mapping[int, list[Call]]:
        """The calls of an arm's sessions of a round by agent, in order; their ``row`` is -1.

        Raises InputError for an arm that was not recorded.
        """
        if name not in self.arms:
            raise InputError(
                self.file, key="arms", found=f"no arm {name!r}", allowed=", ".join(self.arms)
            )
        return self.calls.get((name, round_), {})


def record(store: Store, run_name: str | None, file: str | Path) -> int:
    """Write the calls of a run (the latest when None) to ``file``, gzipped if its name ends
    in .gz, whole or not at all; returns how many they are.

    Raises InputError for an unknown run or a place that cannot be written.
    """
    run = queries.run(store, run_name)
    arms = list(queries.arms(store, run.name)["arm"])
    path, frames = Path(file), [queries.calls(store, run.name, arm=arm) for arm in arms]
    head: dict[str, Any] = {"format": FORMAT, "run": run.name}
    for name in ("seed", "identity", "scenario_file", "scenario", "versions"):
        head[name] = getattr(run, name)
    head |= {"arms": arms, "calls": sum(len(frame) for frame in frames)}
    if run.scenario.get("agents", {}).get("profiles") == "chat":
        people = queries.agents(store, run.name)
        head["tastes"] = {str(a): list(t) for a, t in zip(people.agent, people.tastes, strict=True)}
    if written := run_texts.kept(store, run.id):
        head["texts"] = written
    try:
        with _beside(path) as out:
            out.write(f"{to_json(head)}\n".encode())
            for frame in frames:
                for row in frame.to_dict("records"):
                    out.write(f"{to_json(row)}\n".encode())
    except OSError as error:
        raise InputError(
            path, found=error.strerror or str(error), allowed="a file in a writable folder"
        ) from error
    return int(head["calls"])


@contextmanager
def _beside(path: Path) -> Iterator[BufferedIOBase]:
    """Written beside and then renamed: a reader never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as raw:
            if path.suffix == ".gz":  # without name and time: the same bytes for the same calls
                with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as out:
                    yield out
            else:
                yield raw
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(file: str | Path) -> Recording:
    """A recording, checked line by line; gzipped or not, whatever its name.

    Raises InputError with the line and the field of the first mistake.
    """
    lines = _lines(Path(file))
    head = _parsed(_Head, next(lines, b""), file, 1)
    calls: dict[tuple[str, int], dict[int, list[Call]]] = defaultdict(lambda: defaultdict(list))
    seen: set[tuple[object, ...]] = set()
    for number, text in enumerate(lines, 2):
        line = _parsed(_Line, text, file, number)
        if line.arm not in head.arms:
            raise InputError(
                file,
                line=number,
                key="arm",
                found=repr(line.arm),
                allowed=", ".join(head.arms),
            )
        place = (line.arm, line.round, line.agent, line.page, line.kind, line.attempt)
        if place in seen:
            said = "arm, round, agent, page, kind and attempt of an earlier line"
            raise InputError(file, line=number, found=said, allowed="each once")
        seen.add(place)
        calls[line.arm, line.round][line.agent].append(_call(line))
    if len(seen) != head.calls:
        raise InputError(
            file,
            found=f"{len(seen)} calls",
            allowed=f"{head.calls}, as its first line says",
            fix="the file is cut off or was changed: record the run again",
        )
    for of_agent in calls.values():
        for listed in of_agent.values():
            listed.sort(key=lambda call: (call.page, call.kind, call.attempt))
    names = ("run", "seed", "identity", "scenario", "arms", "tastes", "texts")
    kept = {name: getattr(head, name) for name in names}
    return Recording(file=str(file), calls=calls, **kept)


_FIELDS = [one.name for one in fields(Call) if one.name not in ("row", "latency")]


def _call(line: _Line) -> Call:
    latency = float("nan") if line.latency is None else line.latency
    return Call(row=-1, latency=latency, **{name: getattr(line, name) for name in _FIELDS})


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as raw:
            zipped = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) if zipped else raw as source:
                yield from source
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(path, found=f"a damaged file ({error})", fix="record again") from error
    except OSError as error:
        raise InputError(
            path, found=error.strerror or str(error), allowed="a recording that can be read"
        ) from error


Parsed = TypeVar("Parsed", bound=BaseModel)


def _parsed(model: type[Parsed], text: bytes, file: str | Path, number: int) -> Parsed:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or None
        found = None if first["type"] == "missing" else _short(first["input"])
        raise InputError(
            file, line=number, key=key, found=found, allowed=_allowed(first["type"], first["msg"])
        ) from None


def _short(value: object) -> str:
    text = ascii(value.decode("utf-8", "replace")) if isinstance(value, bytes) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _allowed(kind: str, message: str) -> str:
    said = {
        "missing": "a value, which is missing",
        "extra_forbidden": "no such field",
        "json_invalid": "one JSON object a line",
    }
    return said.get(kind, message[:1].lower() + message[1:])
