"""Families in the store: their members, and names that must not meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from simulator.errors import InputError
from simulator.storage import families, queries
from simulator.storage.store import Store

from .sample import begin

MEMBERS = (".w1.r1", ".w1.r2", ".w2.r1", ".w2.r2")


def begin_family(store: Store, name: str = "f", members: Sequence[str] = MEMBERS) -> str:
    scenario: dict[str, Any] = {"name": name, "worlds": 2, "agents": {"replicates": 2}}
    return store.begin_family(
        name=name,
        members=members,
        scenario=scenario,
        scenario_file="f.yaml",
        versions={"audition": "0"},
        identity="same",
    )


def test_members_are_found_in_order_whenever_they_were_begun(empty: Store) -> None:
    assert begin_family(empty) == "f"
    begin(empty, "f.w2.r1", family="f", world=2, replicate=1)
    begin(empty, "alone")
    begin(empty, "f.w1.r2", family="f", world=1, replicate=2)
    begin(empty, "f.w1.r1", family="f", world=1, replicate=1)
    found = queries.family(empty, "f")
    assert [(run.name, run.world, run.replicate) for run in found] == [
        ("f.w1.r1", 1, 1),
        ("f.w1.r2", 1, 2),
        ("f.w2.r1", 2, 1),
    ]
    assert queries.family(empty, "alone") == []
    assert queries.run(empty, "alone").family is None
    listed = {row["name"]: row for row in queries.runs(empty).to_dict("records")}
    place = [listed["f.w2.r1"][key] for key in ("family", "world", "replicate")]
    assert place == ["f", 2, 1]
    assert pd.isna(listed["alone"]["family"])


def test_what_was_asked_of_a_family_comes_back(empty: Store) -> None:
    begin_family(empty)
    found = families.find(empty, "f")
    assert found is not None
    assert found.scenario["worlds"] == 2
    assert (found.scenario_file, found.identity) == ("f.yaml", "same")
    assert families.find(empty, "g") is None


def test_no_name_is_a_run_s_and_a_family_s(empty: Store) -> None:
    begin(empty, "f")
    assert begin_family(empty) == "f-2"
    assert begin_family(empty) == "f-3"
    assert empty.run_name(begin(empty, "f-2")) == "f-2-2"
    # The name of a member is taken, though the family's is free.
    begin(empty, "g.w2.r1")
    assert begin_family(empty, "g") == "g-2"


def test_a_run_that_took_a_member_s_name_is_told(empty: Store) -> None:
    begin_family(empty)
    begin(empty, "f.w1.r1")
    with pytest.raises(InputError, match=r"'f.w1.r1' that is no member of the family 'f'"):
        begin(empty, "f.w1.r1", family="f")
    assert len(queries.runs(empty)) == 1
