"""What a refit learns from, what it never learns from, and how the refitted are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest

from recommenders.interface import FloatArray, IntArray, Interactions, Query, Recommender, State
from simulator.arms import ArmState, offline, remember
from simulator.errors import InputError
from simulator.model import Sessions
from simulator.storage import queries
from simulator.world import World, build, check

from .doubles import AdaptivePopularity
from .test_model import AGAIN, EASE, FIRST, POP, Played, of, scenario
from .test_variants import ORACLE, variant

SPLIT = {"train": 0.5, "valid": 0.2, "test": 0.3}
DATA = {"source": "synthetic", "users": 60, "items": 80, "interactions": 20, "split": SPLIT}


def small(**arm: Any) -> tuple[World, ArmState]:
    chosen = scenario(variant(POP, "Pop", **arm), rounds=2, dataset=DATA)
    world = build(chosen, "test")
    return world, ArmState.begin(world, chosen.arms[0], 0)


def pairs(events: Interactions) -> set[tuple[int, int]]:
    return set(zip(events.user.tolist(), events.item.tolist(), strict=True))


def items_of(world: World, user: int) -> dict[str, IntArray]:
    """A user's items by the part of the split they are in; ``new`` are in none."""
    split = world.split
    out = {
        name: part.item[part.user == user]
        for name, part in (("train", split.train), ("valid", split.valid), ("test", split.test))
    }
    known = np.concatenate(list(out.values()))
    return {**out, "new": np.setdiff1d(np.arange(world.dataset.n_items), known)}


def visited(world: World, *, watched: bool) -> tuple[Sessions, int, dict[str, IntArray]]:
    """Sessions in which the first agent was shown an item of each part and two of none."""
    sessions = Sessions.open(len(world.audience), 4, 5)
    user = int(world.audience.agent[0])
    parts = items_of(world, user)
    shown = [parts["train"][0], parts["valid"][0], parts["test"][0], *parts["new"][:2]]
    sessions.shown[0, : len(shown)] = shown
    sessions.watched[0, : len(shown)] = watched
    sessions.turned[0, :2] = True
    return sessions, user, parts


@pytest.mark.parametrize(("feedback", "watched"), [("viewed", True), ("unviewed", False)])
def test_no_held_out_item_is_ever_learned_from(feedback: str, watched: bool) -> None:
    world, arm = small(feedback=feedback)
    before = arm.train
    sessions, user, parts = visited(world, watched=watched)
    remember(world, arm, sessions)
    added = pairs(arm.train) - pairs(before)
    assert added == {(user, int(item)) for item in parts["new"][:2]}
    assert len(arm.train) == len(before) + 2  # what was training data is not added again
    assert arm.train.rating is not None
    assert np.isnan(arm.train.rating[-2:]).all()
    remember(world, arm, sessions)
    assert len(arm.train) == len(before) + 2


@pytest.mark.parametrize(("feedback", "watched"), [("unviewed", True), ("none", True)])
def test_what_was_not_asked_for_is_not_learned(feedback: str, watched: bool) -> None:
    world, arm = small(feedback=feedback)
    before = arm.train
    remember(world, arm, visited(world, watched=watched)[0])
    assert pairs(arm.train) == pairs(before)


def test_liked_items_alone_are_learned_from() -> None:
    world, arm = small(feedback="liked")
    before = arm.train
    sessions, user, parts = visited(world, watched=True)
    sessions.liked[0, 4] = True
    remember(world, arm, sessions)
    assert pairs(arm.train) - pairs(before) == {(user, int(parts["new"][1]))}


def test_a_failed_page_says_nothing_of_what_was_left_unwatched() -> None:
    world, arm = small(feedback="unviewed")
    before = arm.train
    sessions, user, parts = visited(world, watched=False)
    sessions.turned[0, 1] = False  # the page with the fifth item
    remember(world, arm, sessions)
    assert pairs(arm.train) - pairs(before) == {(user, int(parts["new"][0]))}
    assert arm.shown[user, int(parts["new"][1])] == 1


class Told(Recommender):
    """Scores it was given."""

    def __init__(self, table: FloatArray) -> None:
        self.table = table

    def fit(self, *_: Any, **__: Any) -> Self:
        raise AssertionError("nothing to learn")

    def scores(self, query: Query) -> FloatArray:
        return self.table[query.users]

    def state(self) -> State:
        return {}

    def load_state(self, state: State) -> Self:
        return self


def test_shown_items_are_masked_from_the_second_round_on_but_for_test_items() -> None:
    world, arm = small()
    sessions, user, parts = visited(world, watched=False)
    table = np.zeros(world.known.shape, dtype=np.float32)
    # Best of all what was shown, item after item; then the other test items.
    table[user, sessions.shown[0, :5]] = [9, 8, 5, 7, 6]
    table[user, parts["test"][1:]] = 1
    alone = table.copy()
    alone[np.arange(len(table)) != user] = -np.inf  # the others are recommended nothing
    told = Told(alone)

    def mrr() -> float:
        rows = {row["metric"]: row for row in offline(world, arm, told)}
        return float(rows["mrr@20"]["mean"] * rows["mrr@20"]["n"])

    assert mrr() == pytest.approx(1 / 3)  # behind two new items; train and valid are masked
    remember(world, arm, sessions)
    assert mrr() == 1.0  # they are masked too, the shown test item is not


def test_the_query_is_what_the_arm_learned_from(tmp_path: Path) -> None:
    AdaptivePopularity.seen.clear()
    arms = [variant(AGAIN, f, feedback=f) for f in ("none", "viewed")]
    chosen = scenario(*arms, rounds=2, dataset=DATA, agents={"count": 12, "response": FIRST})
    with Played(tmp_path, chosen) as played:
        shown = played.exposures
    world = build(chosen, "test")
    users = np.unique(world.split.test.user)
    asked = [q for q in AdaptivePopularity.seen if len(q) == len(users)]
    assert len(asked) == 4  # two arms in two rounds
    history = [q.histories.matrix(world.dataset.n_items) for q in asked]
    train = world.split.train.matrix[users]
    for plain in history[:3]:
        assert (plain.toarray() == train.toarray()).all()
    fed = pd.DataFrame((history[3] - train).nonzero(), index=["user", "item"]).T
    fed["user"] = users[fed["user"]]
    first = shown[(shown["arm"] == "viewed") & (shown["round"] == 1) & shown["watched"]]
    held = pairs(world.split.valid) | pairs(world.split.test)
    expected = set(zip(first["agent"], first["item"], strict=True)) - held
    assert expected
    assert set(zip(fed["user"], fed["item"], strict=True)) == expected


def test_arms_that_differ_in_feedback_share_the_first_round_and_the_items_ranked_after(
    tmp_path: Path,
) -> None:
    kinds = ("none", "viewed", "unviewed")
    arms = [
        variant(base, f"{base['name']} {f}", feedback=f) for base in (EASE, ORACLE) for f in kinds
    ]
    with Played(tmp_path, scenario(*arms, rounds=2, dataset=DATA, agents={"count": 40})) as played:
        shown, rows = played.exposures, queries.offline(played.store, played.name)
        fitted = len(list((tmp_path / "checkpoints").iterdir()))
    for base in ("EASE", "Oracle"):
        first = [of(shown[shown["round"] == 1], f"{base} {f}") for f in kinds]
        pd.testing.assert_frame_equal(first[0], first[1])
        pd.testing.assert_frame_equal(first[0], first[2])
    second = rows[rows["round"] == 2].drop(columns=["round"])
    # Nobody teaches an oracle: what is left is the mask, and that is the same.
    oracles = [of(second, f"Oracle {f}").round(12) for f in kinds]
    assert oracles[0].equals(oracles[1])
    assert oracles[0].equals(oracles[2])
    learned = [of(second, f"EASE {f}") for f in kinds]
    assert not learned[0].equals(learned[1])
    assert not learned[1].equals(learned[2])
    assert fitted == 3  # one for all in round 1 and none in round 2, two refits


def test_an_arm_s_own_feedback_is_the_scenario_s_in_a_run_of_its_own(tmp_path: Path) -> None:
    own = variant(EASE, "EASE", feedback="viewed")
    with Played(tmp_path / "a", scenario(POP, own, rounds=2, dataset=DATA)) as played:
        among = played.exposures
    with Played(tmp_path / "b", scenario(EASE, rounds=2, feedback="viewed", dataset=DATA)) as other:
        pd.testing.assert_frame_equal(of(among, "EASE"), of(other.exposures, "EASE"))


@pytest.mark.parametrize(
    ("arm", "whole", "key"),
    [("viewed", "none", r"arms\[0\]\.feedback"), (None, "liked", "feedback")],
)
def test_feedback_without_a_later_round_is_refused(arm: str | None, whole: str, key: str) -> None:
    chosen = scenario(variant(EASE, "EASE", feedback=arm), feedback=whole)
    with pytest.raises(InputError, match=key + ".*rounds: 1"):
        check(chosen, "x.yaml")
