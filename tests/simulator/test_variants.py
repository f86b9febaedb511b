"""Arms that differ in more than their recommender: slot order, tastes, luck, dilution, and the
oracle. What controls are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recommenders.interface import NO_ITEM, Histories, IntArray, Query
from recommenders.random import Random
from recommenders.ranking import recommend
from simulator.catalogue import listing
from simulator.dilution import lists, mixed
from simulator.errors import InputError
from simulator.randomness import KeyedLuck
from simulator.scenario import Scenario
from simulator.storage import queries
from simulator.world import build, check, marked

from .test_model import AGAIN, EASE, FIRST, POP, Played, of, scenario

ORACLE = {"name": "Oracle", "recommender": "oracle"}
SCRIPTED = {"model": "chat", "provider": "scripted", "name": "behavioural"}


def variant(arm: dict[str, Any], name: str, **changes: Any) -> dict[str, Any]:
    return {**arm, "name": name, **changes}


# -- order -----------------------------------------------------------------------------------


def test_reversed_slots_show_the_page_bottom_up_and_keep_ranks(tmp_path: Path) -> None:
    back = variant(POP, "Back", order="reversed")
    agents = {"count": 12, "response": FIRST}
    # 80 items less what is known: the last page has gaps.
    chosen = scenario(POP, back, agents=agents, session={"page_size": 7, "max_pages": 9})
    with Played(tmp_path, chosen) as played:
        straight, turned = of(played.exposures, "Pop"), of(played.exposures, "Back")
    key = ["agent", "page", "rank", "item"]
    by_rank = turned.sort_values(["agent", "page", "rank"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(by_rank[key], straight[key])
    on_page = turned.groupby(["agent", "page"])["slot"]
    full = on_page.transform("size")
    assert full.nunique() > 1  # there are gaps
    assert (on_page.transform("max") == full).all()  # and they stand at the end
    twice = full + 1 - turned["slot"]  # reversed once more
    assert (turned["rank"] == (turned["page"] - 1) * 7 + twice).all()


def test_an_arm_may_shuffle_where_the_scenario_does_not(tmp_path: Path) -> None:
    mixed_up = variant(POP, "Mixed", order="shuffled")
    ranked = variant(POP, "Ranked", order="ranked")
    shuffled = {"page_size": 4, "max_pages": 5, "order": "shuffled"}
    with Played(tmp_path / "a", scenario(POP, mixed_up)) as played:
        own, straight = of(played.exposures, "Mixed"), of(played.exposures, "Pop")
    with Played(tmp_path / "b", scenario(POP, ranked, session=shuffled)) as played:
        pd.testing.assert_frame_equal(of(played.exposures, "Pop"), own)
        pd.testing.assert_frame_equal(of(played.exposures, "Ranked"), straight)


# -- tastes ----------------------------------------------------------------------------------


def test_swapped_tastes_are_somebody_else_s_and_nothing_else_is() -> None:
    world = build(scenario(POP), "test")
    own, other = world.audience, world.visitors("swapped")
    assert world.visitors("own") is own
    assert other.agent.tolist() == own.agent.tolist()
    histories = [own.history.rows(np.array([row])).item.tolist() for row in range(len(own))]
    whose = []
    for row in range(len(own)):
        now = other.history.rows(np.array([row]))
        whose.append(histories.index(now.item.tolist()))
        assert other.profiles.persona[row] == own.profiles.persona[whose[-1]]
        assert other.profiles.activity_value[row] == own.profiles.activity_value[whose[-1]]
        assert now.rating.tolist() == own.history.rows(np.array([whose[-1]])).rating.tolist()
    assert sorted(whose) == list(range(len(own)))
    assert all(row != position for position, row in enumerate(whose))
    again = build(scenario(POP), "test").visitors("swapped")
    assert again.history.item.tolist() == other.history.item.tolist()


def test_two_agents_swap_with_each_other() -> None:
    world = build(scenario(POP, agents={"count": 2}), "test")
    own, other = world.audience.profiles.persona, world.visitors("swapped").profiles.persona
    assert own[0] != own[1]
    assert other == own[::-1]


def test_with_swapped_tastes_the_shown_is_the_same_and_the_answers_are_not(tmp_path: Path) -> None:
    swapped = variant(POP, "Swapped", tastes="swapped")
    with Played(tmp_path, scenario(POP, swapped, agents={"count": 40})) as played:
        own, other = of(played.exposures, "Pop"), of(played.exposures, "Swapped")
        people = queries.agents(played.store, played.name)
    assert len(people) == 40
    key = ["agent", "page", "slot"]
    both = own.merge(other, on=key, suffixes=("", "_other"))
    assert len(both) > 100
    for column in ("item", "rank", "utility", "relevant"):  # the user's own
        assert (both[column] == both[f"{column}_other"]).all()
    assert (both["interest"] != both["interest_other"]).mean() > 0.9


def test_an_audience_of_one_has_nobody_to_swap_with() -> None:
    swapped = variant(POP, "Swapped", tastes="swapped")
    with pytest.raises(InputError, match=r"arms\[1\]\.tastes") as caught:
        check(scenario(POP, swapped, agents={"count": 1}), "x.yaml")
    assert "\n" not in str(caught.value)


# -- luck ------------------------------------------------------------------------------------


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_every_draw_of_luck_is_its_own(a: int, b: int, c: int, d: int) -> None:
    one = KeyedLuck(7, a, b).uniform("watch", np.arange(8))
    other = KeyedLuck(7, c).varied(d).uniform("watch", np.arange(8))
    assert (one == other).all() == ((a, b) == (c, d))
    assert (one == other).any() == ((a, b) == (c, d))


def test_the_first_draw_is_the_one_without_a_number() -> None:
    # Draws of the release before there were numbers; stored runs depend on them.
    assert KeyedLuck(7).uniform("watch", [3, 4], 1).tolist() == [
        0.13718793233603405,
        0.8946986280047604,
    ]
    assert KeyedLuck(7, 0, 0).uniform("watch", 3, 1) == KeyedLuck(7).uniform("watch", 3, 1)


def test_draws_under_other_luck_are_uncorrelated() -> None:
    agents = np.arange(20_000)
    base = KeyedLuck(1).uniform("watch", agents)
    for other in (KeyedLuck(1, 1), KeyedLuck(1, 0, 1), KeyedLuck(1, 1, 1)):
        assert abs(np.corrcoef(base, other.uniform("watch", agents))[0, 1]) < 0.03


def test_the_same_luck_under_two_names_gives_the_same_visits(tmp_path: Path) -> None:
    arms = [EASE, variant(EASE, "A", luck=3), variant(EASE, "B", luck=3)]
    with Played(tmp_path / "a", scenario(*arms)) as played:
        first = of(played.exposures, "EASE")
        one, other = of(played.exposures, "A"), of(played.exposures, "B")
        pd.testing.assert_frame_equal(one, other)
        pd.testing.assert_frame_equal(of(played.sessions, "A"), of(played.sessions, "B"))
    assert not first.equals(one)
    with Played(tmp_path / "b", scenario(*arms, luck=3)) as played:
        moved = of(played.exposures, "EASE"), of(played.exposures, "A")
    assert not moved[0].equals(first)  # the scenario's luck is everybody's
    assert not moved[0].equals(one)  # and no arm's
    assert not moved[1].equals(one)


def _calls(folder: Path, **changes: Any) -> pd.DataFrame:
    agents = {"count": 5, "response": SCRIPTED}
    chosen = scenario(POP, variant(POP, "Other", **changes), agents=agents)
    with Played(folder, chosen) as played:
        return queries.calls(played.store, played.name)


def test_a_chat_model_is_asked_anew_under_other_luck_only(tmp_path: Path) -> None:
    plain, lucky = _calls(tmp_path / "a"), _calls(tmp_path / "b", luck=1)
    assert not set(of(plain, "Pop")["key"]) - set(of(plain, "Other")["key"])
    assert plain["cached"].sum() == len(plain) / 2
    assert not set(of(lucky, "Pop")["key"]) & set(of(lucky, "Other")["key"])
    assert set(of(lucky, "Pop")["key"]) == set(of(plain, "Pop")["key"])
    assert not lucky["cached"].any()
    first = [frame[frame["page"] == 1].reset_index(drop=True) for frame in (plain, lucky)]
    prompts = [set(of(frame, "Other")["prompt_hash"]) for frame in first]
    assert prompts[0] == prompts[1]  # it is the address that differs, not the question


def test_a_chat_model_is_asked_anew_for_swapped_tastes(tmp_path: Path) -> None:
    calls = _calls(tmp_path, tastes="swapped")
    own, other = of(calls, "Pop"), of(calls, "Other")
    assert not set(own["key"]) & set(other["key"])
    assert not set(own["prompt_hash"]) & set(other["prompt_hash"])


# -- dilution --------------------------------------------------------------------------------


def asked(n_users: int, n_items: int) -> tuple[Random, Query, Any]:
    """A base whose order is known, and what is excluded: the third of items it likes best."""
    base = Random().load_state({"seed": np.array(99), "n_items": np.array(n_items)})
    users = np.arange(n_users)
    query = Query(users, Histories(np.zeros(n_users + 1, np.int64), np.empty(0, np.int64)))
    nothing = sp.csr_array(np.zeros((n_users, n_items), dtype=np.float32))
    best = recommend(base, query, n_items // 3)
    known = marked(nothing, np.repeat(users, n_items // 3), best.ravel())
    return base, query, known


def diluted(share: float, k: int = 30, first: int = 1) -> IntArray:
    base, query, known = asked(200, 120)
    return lists(base, query, k, known, dilute=share, seed=3, first=first)


def test_no_dose_is_the_recommender_and_the_full_one_is_random() -> None:
    base, query, known = asked(200, 120)
    assert (diluted(0.0) == recommend(base, query, 30, known)).all()
    full = diluted(1.0)
    counts = np.bincount(full.ravel(), minlength=120)
    allowed = np.bincount(np.nonzero(known.toarray() == 0)[1], minlength=120)
    # Every item that may be shown is as likely: 30 of 80.
    assert abs(counts / allowed - 30 / 80).max() < 0.15


@given(st.floats(0, 1))
def test_a_diluted_list_repeats_nothing_and_shows_nothing_excluded(share: float) -> None:
    _, _, known = asked(200, 120)
    shown = diluted(share)
    assert (shown != NO_ITEM).all()
    assert all(len(set(line)) == len(line) for line in shown.tolist())
    assert not known.toarray()[np.arange(200)[:, None], shown].any()


def test_known_items_do_not_eat_the_recommender_s_places() -> None:
    base, query, known = asked(200, 120)
    best = recommend(base, query, 30, known)
    assert abs((diluted(0.25)[:, 0] == best[:, 0]).mean() - 0.75) < 0.08


@given(st.floats(0, 1), st.floats(0, 1))
def test_what_is_random_at_a_small_dose_is_random_at_a_larger_one(a: float, b: float) -> None:
    few, many = sorted((a, b))
    best = np.zeros((50, 1), np.int64)
    draws = KeyedLuck(3).uniform("dilution", np.arange(50)[:, None], [1])
    assert not ((draws < few) & ~(draws < many)).any()
    chosen = [mixed(best, best + 1, draws < share)[:, 0] for share in (few, many)]
    assert (chosen[0] <= chosen[1]).all()


def test_pages_continue_each_other_as_slices_of_one_list() -> None:
    base, query, known = asked(200, 120)
    whole, pages = diluted(0.5, 20), []
    for number in range(5):
        page = lists(base, query, 4, known, dilute=0.5, seed=3, first=4 * number + 1)
        pages.append(page)
        known = marked(known, np.repeat(query.users, 4), page.ravel())
    assert (np.hstack(pages) == whole).all()


def test_a_list_that_runs_out_has_its_gaps_at_the_end() -> None:
    best = np.array([[4, NO_ITEM, NO_ITEM], [1, 2, 3]])
    other = np.array([[7, 4, 8], [3, NO_ITEM, NO_ITEM]])
    random = np.array([[False, False, True], [True, True, False]])
    assert mixed(best, other, random).tolist() == [[4, 7, NO_ITEM], [3, 1, NO_ITEM]]


def test_true_utility_falls_with_the_dose_and_the_oracle_is_above_all(tmp_path: Path) -> None:
    doses = (0.25, 0.5, 0.75, 1.0)
    arms = [ORACLE, EASE, *(variant(ORACLE, f"{dose}", dilute=dose) for dose in doses)]
    base = scenario(*arms, agents={"count": 60})
    with Played(tmp_path, base) as played:
        mean = played.exposures.groupby("arm")["utility"].mean()
        offline = queries.offline(played.store, played.name)
        files = len(list((tmp_path / "checkpoints").iterdir()))
    order = ["Oracle", *map(str, doses)]
    assert mean[order].is_monotonic_decreasing
    recall = offline[offline["metric"] == "recall@20"].set_index("arm")["mean"]
    assert recall["Oracle"] > recall["0.5"] > recall["1.0"]
    assert mean["Oracle"] == mean.max()
    assert files == 1  # EASE; nothing is kept of an oracle


def test_arms_of_one_recommender_train_once(tmp_path: Path) -> None:
    arms = [
        EASE,
        variant(EASE, "a", order="reversed"),
        variant(EASE, "b", tastes="swapped"),
        variant(EASE, "c", luck=1),
        variant(EASE, "d", dilute=0.5),
    ]
    with Played(tmp_path, scenario(*arms)) as played:
        assert len(list((tmp_path / "checkpoints").iterdir())) == 1
        spec = queries.arms(played.store, played.name)
    assert spec["settings"].map(str).nunique() == 1


def test_an_adaptive_recommender_is_diluted_as_its_slices_are(tmp_path: Path) -> None:
    arms = [variant(POP, "Pop", dilute=0.5), variant(AGAIN, "Again", dilute=0.5)]
    with Played(tmp_path, scenario(*arms)) as played:
        pd.testing.assert_frame_equal(of(played.exposures, "Pop"), of(played.exposures, "Again"))


# -- the oracle ------------------------------------------------------------------------------


def test_an_oracle_is_listed_and_refuses_data_without_utility(tmp_path: Path) -> None:
    assert "oracle" in [entry["name"] for entry in listing("recommenders")]
    rows = [f"{user},{item},{1 + item % 5}\n" for user in range(9) for item in range(9)]
    (tmp_path / "r.csv").write_text("user,item,rating\n" + "".join(rows), encoding="utf-8")
    data = {"source": "csv", "path": str(tmp_path / "r.csv")}
    base = scenario(POP, ORACLE).model_dump(mode="json")
    told = Scenario.model_validate({**base, "dataset": data, "agents": {"count": 3}})
    with pytest.raises(InputError, match=r"arms\[1\]\.recommender.*utility") as caught:
        build(told, "x.yaml")
    assert "\n" not in str(caught.value)


def test_an_oracle_takes_no_settings() -> None:
    with pytest.raises(InputError, match="no settings at all"):
        check(scenario(variant(ORACLE, "O", dim=3)), "x.yaml")


def test_an_oracle_ranks_by_utility() -> None:
    world = build(scenario(ORACLE), "test")
    from simulator.world import recommender

    made = recommender(world.scenario.arms[0], 0, "test", world.dataset)
    users = np.array([3, -1])
    query = Query(users, Histories(np.zeros(3, np.int64), np.empty(0, np.int64)))
    assert world.dataset.utility is not None
    scores = made.scores(query)
    assert scores[0].tolist() == world.dataset.utility[3].tolist()
    np.testing.assert_allclose(scores[1], world.dataset.utility.mean(axis=0), rtol=1e-5)
