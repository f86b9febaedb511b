"""summary.json: what it says, and that it keeps to its schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.evaluation import summary as module
from simulator.evaluation.simulated import METRICS
from simulator.evaluation.summary import summarise
from simulator.storage.store import Store
from tests.simulator.storage.sample import add_arm, begin, play, whole_run

SCHEMA = json.loads(Path(module.__file__).with_name("summary.schema.json").read_text("utf-8"))
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
KNOWN = {
    *("$schema", "$defs", "$ref", "title", "description", "type", "const", "enum", "pattern"),
    *("properties", "required", "additionalProperties", "items"),
}


def faults(value: Any, schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """Where a value departs from the part of JSON Schema that the file uses."""
    assert schema.keys() <= KNOWN, schema.keys() - KNOWN
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    wanted = schema.get("type", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    allowed = tuple(kind for name in wanted for kind in TYPES[name])
    if wanted and (not isinstance(value, allowed) or isinstance(value, bool)):
        yield f"{at}: {value!r} is no {wanted}"
        return
    if value != schema.get("const", value) or value not in schema.get("enum", [value]):
        yield f"{at}: {value!r}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value!r} does not match"
    if isinstance(value, list):
        for place, entry in enumerate(value):
            yield from faults(entry, schema.get("items", {}), f"{at}[{place}]")
    if isinstance(value, dict):
        yield from (f"{at}: no {name}" for name in schema.get("required", []) if name not in value)
        for name, entry in value.items():
            rest = schema.get("additionalProperties", {})
            part = schema.get("properties", {}).get(name, rest)
            if part is False:
                yield f"{at}: unknown {name}"
            else:
                yield from faults(entry, {} if part is True else part, f"{at}.{name}")


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        yield opened


def check(document: dict[str, Any]) -> dict[str, Any]:
    assert list(faults(document, SCHEMA)) == []
    json.dumps(document, allow_nan=False)
    return document


def test_the_document(store: Store) -> None:
    document = check(summarise(store, whole_run(store)))
    assert document["schema"] == "audition.summary/1"
    assert list(document["arms"]) == ["A", "B"]
    assert (document["control"], document["round"]) == ("A", 1)
    assert "rounds" not in document
    arm = document["arms"]["A"]
    assert arm["offline"] == {"recall@20": 0.5, "coverage@20": 0.9}
    assert arm["offline_intervals"]["coverage@20"] == {"low": None, "high": None, "n": 9}
    assert list(arm["simulated"]) == list(METRICS)
    # agent 3: 2 of 4 watched, both liked; agent 8: 1 of 3, rated 3; agent 5 failed
    assert arm["simulated"]["p_view"]["mean"] == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert arm["simulated"]["p_view"]["n"] == 2
    assert arm["simulated"]["n_like"]["mean"] == 1.0
    assert arm["simulated"]["s_sat"] == {"mean": 8.0, "low": None, "high": None, "n": 1}
    assert arm["failures"] == {"interview: transport": 1, "invalid": 1}
    assert (arm["sessions"], arm["censored"]) == (3, 1)
    assert arm["usage"] == {
        "calls": 3,
        "tokens_in": 300,
        "tokens_out": 30,
        "cost_usd": pytest.approx(0.003),
        "cached": 1,
    }
    assert arm["seconds"] == {"train": 0.5, "simulate": 1.5}


def test_comparisons_cover_metrics_and_arms_and_heed_failures(store: Store) -> None:
    document = summarise(store, whole_run(store))
    rows = document["comparisons"]
    assert [(row["arm"], row["metric"]) for row in rows] == [("B", metric) for metric in METRICS]
    assert all(row["control"] == "A" for row in rows)
    assert {row["verdict"].partition(":")[0] for row in rows} == {"withheld"}  # 1 of 3 failed


def test_the_last_round_counts_and_the_others_are_told(store: Store) -> None:
    run_id = begin(store)
    for position, name in enumerate(("A", "B")):
        arm_id = add_arm(store, run_id, position, name)
        play(store, arm_id, 1)
        play(store, arm_id, 2)
    document = check(summarise(store))
    assert document["round"] == 2
    assert list(document["rounds"]) == ["1", "2"]
    last = document["rounds"]["2"]
    assert document["comparisons"] == last["comparisons"]
    assert document["arms"]["A"]["simulated"] == last["arms"]["A"]["simulated"]
    repeats = [document["rounds"][r]["arms"]["A"]["simulated"]["repeat_rate"] for r in "12"]
    # round 1: agent 3 saw item 1 twice (1/4), agent 8 nothing twice; round 2: all known
    assert [entry["mean"] for entry in repeats] == [0.125, 1.0]


def test_after_a_refit_there_is_no_verdict(store: Store) -> None:
    run_id = begin(store, scenario={"name": "x", "feedback": "viewed"})
    for position, name in enumerate(("A", "B")):
        arm_id = add_arm(store, run_id, position, name)
        play(store, arm_id, 1)
        play(store, arm_id, 2)
    rounds = check(summarise(store))["rounds"]
    refitted = {row["verdict"] for row in rounds["2"]["comparisons"]}
    assert len(refitted) == 1
    assert "not independent" in refitted.pop()
    assert not any("independent" in row["verdict"] for row in rounds["1"]["comparisons"])


def test_a_run_that_has_only_begun_has_a_document(store: Store) -> None:
    run_id = begin(store)
    document = check(summarise(store))
    assert (document["arms"], document["comparisons"], document["control"]) == ({}, [], None)
    add_arm(store, run_id, 0, "A")
    document = check(summarise(store))
    assert document["run"]["status"] == "running"
    assert document["arms"]["A"]["simulated"]["p_view"]["mean"] is None
    assert document["arms"]["A"]["offline"] == {}


def test_offline_metrics_keep_their_order(store: Store) -> None:
    arm_id = add_arm(store, begin(store), 0, "A")
    names = ["novelty@5", "recall@5", "own@5", "ndcg@5"]
    store.add_offline(
        arm_id, 1, [{"metric": n, "mean": 1.0, "low": 1.0, "high": 1.0, "n": 3} for n in names]
    )
    offline = summarise(store)["arms"]["A"]["offline"]
    assert list(offline) == ["recall@5", "ndcg@5", "novelty@5", "own@5"]


def test_the_liked_rating_follows_the_data_sets_scale(store: Store) -> None:
    run_id = begin(store, dataset={"name": "ten", "rating_scale": [1, 10]})
    play(store, add_arm(store, run_id, 0, "A"))
    assert summarise(store)["arms"]["A"]["simulated"]["n_like"]["mean"] == 0


def test_the_same_run_gives_the_same_document(store: Store) -> None:
    first, second = (summarise(store, whole_run(store)) for _ in range(2))
    for document in (first, second):
        del document["run"]
    assert json.dumps(first) == json.dumps(second)


def test_an_unknown_run_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="found no runs"):
        summarise(store)


def test_the_checker_of_this_file_can_fail(store: Store) -> None:
    document = summarise(store, whole_run(store))
    document["comparisons"][0]["verdict"] = "splendid"
    document["arms"]["A"]["sessions"] = "3"
    document["extra"] = 1
    del document["round"]
    assert len(list(faults(document, SCHEMA))) == 4


def test_another_control_turns_the_comparisons_round(store: Store) -> None:
    name = whole_run(store)
    document = check(summarise(store, name, control="B"))
    assert document["control"] == "B"
    assert {(row["control"], row["arm"]) for row in document["comparisons"]} == {("B", "A")}
    with pytest.raises(InputError, match="control: found 'C'; allowed: A, B"):
        summarise(store, name, control="C")


def test_health_unit_and_slices_are_in_the_document(store: Store) -> None:
    document = check(summarise(store, whole_run(store)))
    assert (document["unit"], document["worlds"], document["replicates"]) == ("agent", 1, 1)
    states = {line["name"]: line["state"] for line in document["health"]}
    assert states["failed"] == "stop"  # 1 of 3 sessions in each arm
    assert {part["metric"] for part in document["slices"]} == {"s_sat"}
    assert "members" not in document
