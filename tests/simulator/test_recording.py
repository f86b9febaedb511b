"""A recording gives back every call, and a mistake in one is told by line and field."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agents.interface import Call, Place
from simulator import recording
from simulator.errors import InputError
from simulator.storage import queries
from simulator.storage.ledger import StoreLedger
from simulator.storage.store import Store

from .storage.sample import AGENTS, add_arm, begin, call

LOST = call(
    2, page=2, outcome="transport", tokens_in=0, tokens_out=0, cost_usd=None, assumed_tokens=7,
    assumed_usd=0.5, latency=3.5,
)  # fmt: skip
FULL = call(0, key="k", tokens_cached=64, reply='{"a": "é 🎬\\n"}', attempt=1)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        yield opened


def played(store: Store, name: str = "try") -> int:
    run_id = begin(store, name, identity="abc")
    a, b = (add_arm(store, run_id, position, "AB"[position]) for position in (0, 1))
    StoreLedger(store, AGENTS).write(
        [
            *((Place(b, 1), c) for c in (call(2, kind="interview"), LOST)),
            *((Place(a, 2), c) for c in (call(0, attempt=2), FULL, call(0, page=2, cached=True))),
            (Place(a, 1), call(1)),
        ]
    )
    return run_id


@pytest.mark.parametrize("name", ["run.jsonl", "deep/run.jsonl.gz"])
def test_what_was_recorded_can_be_loaded_into_another_store(
    store: Store, name: str, tmp_path: Path
) -> None:
    played(store)
    assert recording.record(store, None, tmp_path / name) == 6
    assert not list(tmp_path.rglob(".*"))
    kept = recording.read(tmp_path / name)
    assert (kept.run, kept.seed, kept.identity, kept.arms) == ("try", 7, "abc", ("A", "B"))
    assert kept.scenario["name"] == "try"
    with Store.open("sqlite://") as other:
        run_id = begin(other)
        for position, arm in enumerate(kept.arms):
            arm_id = add_arm(other, run_id, position, arm)
            for round_ in (1, 2, 1):
                other.load_calls(Place(arm_id, round_), kept.for_arm(arm, round_))
        pd.testing.assert_frame_equal(queries.calls(other), queries.calls(store))
        assert StoreLedger(other, AGENTS, closed=True).logged(Place(1, 2), 0, 1, "page") == [
            FULL,
            call(0, attempt=2),
        ]


def test_calls_come_by_agent_in_order(store: Store, tmp_path: Path) -> None:
    played(store)
    recording.record(store, "try", path := tmp_path / "run.jsonl")
    kept = recording.read(path)
    assert [(c.page, c.kind, c.attempt) for c in kept.for_arm("A", 2)[3]] == [
        (1, "page", 1),
        (1, "page", 2),
        (2, "page", 0),
    ]
    assert list(kept.for_arm("B", 1)) == [8]
    assert kept.for_arm("B", 9) == {}
    assert {c.row for of_agent in kept.for_arm("A", 2).values() for c in of_agent} == {-1}
    with pytest.raises(InputError, match="arms: found no arm 'C'; allowed: A, B"):
        kept.for_arm("C", 1)


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_the_same_calls_are_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    written = []
    for folder in "ab":
        with Store.open("sqlite://") as store:
            if folder == "b":
                begin(store, "earlier")
            played(store)
            recording.record(store, "try", tmp_path / folder / f"run.{suffix}")
            written.append((tmp_path / folder / f"run.{suffix}").read_bytes())
    assert written[0] == written[1]


def test_a_run_without_calls_is_a_head_alone(store: Store, tmp_path: Path) -> None:
    begin(store)
    assert recording.record(store, None, tmp_path / "run.jsonl") == 0
    assert recording.read(tmp_path / "run.jsonl").calls == {}


def test_a_wait_that_was_not_measured_stays_unknown(store: Store, tmp_path: Path) -> None:
    place = Place(add_arm(store, begin(store), 0, "A"), 1)
    StoreLedger(store, AGENTS).write([(place, call(0, latency=float("nan")))])
    recording.record(store, None, tmp_path / "run.jsonl")
    ((loaded,),) = recording.read(tmp_path / "run.jsonl").for_arm("A", 1).values()
    assert loaded.latency != loaded.latency


Lines = list[dict[str, Any]]


def changed(number: int, **values: Any) -> Callable[[Lines], object]:
    return lambda lines: lines[number].update(values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(0, format="audition.recording/9"), r":1: format: found 'audition.recording/9'"),
        (changed(0, seed="7"), r":1: seed: found '7'; allowed: input should be a valid integer"),
        (changed(0, arms=["A"]), r":6: arm: found 'B'; allowed: A$"),
        (changed(0, calls=7), "found 6 calls; allowed: 7, as its first line says; fix: the file"),
        (changed(2, agent=-1), r":3: agent: found -1; allowed: .* greater than or equal to 0"),
        (changed(2, page=1.5), r":3: page: found 1.5; allowed: .*integer"),
        (changed(2, round=0), r":3: round: found 0"),
        (changed(2, cached="no"), r":3: cached: found 'no'; allowed: .*boolean"),
        (changed(2, cost_usd="free"), r":3: cost_usd: found 'free'"),
        (changed(2, reply="x" * 500, messages=["x" * 500]), r":3: messages: found \['x{58}\.\.\.;"),
        (changed(2, colour="red"), r":3: colour: found 'red'; allowed: no such field"),
        (lambda lines: lines[2].pop("reply"), ":3: reply: allowed: a value, which is missing"),
        (lambda lines: lines.insert(3, lines[2]), ":4: found arm, round, .* of an earlier line"),
        (lambda lines: lines.pop(), "found 5 calls; allowed: 6"),
        (lambda lines: lines.clear(), ":1: found ''; allowed: one JSON object a line"),
    ],
)
def test_a_mistake_is_told_by_line_and_field(
    change: Callable[[Lines], object], said: str, store: Store, tmp_path: Path
) -> None:
    played(store)
    recording.record(store, None, path := tmp_path / "run.jsonl")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    change(lines)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    with pytest.raises(InputError, match=said) as told:
        recording.read(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"format": \n', r":1: found .*; allowed: one JSON object a line"),
        (b"[1]\n", r":1: found \[1\]; allowed: input should be an object"),
        (b"\xff\xfe{}\n", ":1: found .*; allowed: one JSON object a line"),
        (gzip.compress(b"{}" * 500, mtime=0)[:-9], "found a damaged file"),
        (b"\x1f\x8bnothing", "found a damaged file"),
    ],
)
def test_what_is_no_recording_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (path := tmp_path / "run.jsonl.gz").write_bytes(content)
    with pytest.raises(InputError, match=said):
        recording.read(path)


def test_places_that_cannot_be_used_are_refused(store: Store, tmp_path: Path) -> None:
    begin(store)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="allowed: a file in a writable folder"):
        recording.record(store, None, tmp_path / "file" / "run.jsonl")
    with pytest.raises(InputError, match="allowed: a recording that can be read"):
        recording.read(tmp_path / "missing.jsonl")
    with pytest.raises(InputError, match="allowed: a recording that can be read"):
        recording.read(tmp_path)


def test_every_field_of_a_call_is_recorded() -> None:
    assert set(Call.__dataclass_fields__) - {"row"} <= set(recording._Line.model_fields)
