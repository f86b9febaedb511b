from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simulator.progress import Progress
from simulator.run import execute
from simulator.scenario import Scenario
from simulator.storage import queries
from simulator.storage.export import export
from simulator.storage.store import Store
from simulator.world import build

from .doubles import AdaptivePopularity

POP = {"name": "Pop", "recommender": "popularity"}
EASE = {"name": "EASE", "recommender": "ease"}
RANDOM = {"name": "Random", "recommender": "random"}
AGAIN = {"name": "Again", "recommender": "tests.simulator.doubles:AdaptivePopularity"}
FIRST = {"model": "tests.simulator.doubles:FirstItem"}


def scenario(*arms: dict[str, Any], **changes: Any) -> Scenario:
    base: dict[str, Any] = {
        "name": "t",
        "seed": 5,
        "dataset": {"source": "synthetic", "users": 60, "items": 80, "interactions": 20},
        "agents": {"count": 12},
        "session": {"page_size": 4, "max_pages": 5},
        "arms": list(arms) or [POP],
    }
    return Scenario.model_validate({**base, **changes})


class Played:
    """A finished run in a store of its own."""

    def __init__(self, folder: Path, chosen: Scenario) -> None:
        folder.mkdir(exist_ok=True)
        self.store = Store.open(folder / "s.db")
        self.name = self.run(chosen, self.store, folder)

    @staticmethod
    def run(chosen: Scenario, store: Store, folder: Path) -> str:
        quiet = Progress(quiet=True)
        checkpoints = folder / "checkpoints"
        return execute(chosen, "test", store, name=None, checkpoints=checkpoints, progress=quiet)

    def __enter__(self) -> Played:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    @property
    def exposures(self) -> pd.DataFrame:
        return queries.exposures(self.store, self.name)

    @property
    def sessions(self) -> pd.DataFrame:
        return queries.sessions(self.store, self.name)


def of(frame: pd.DataFrame, arm: str) -> pd.DataFrame:
    out = frame[frame["arm"] == arm].drop(columns="arm").reset_index(drop=True)
    assert len(out)
    return out


def test_an_arm_is_the_same_alone_among_others_and_in_any_order(tmp_path: Path) -> None:
    with Played(tmp_path / "a", scenario(EASE)) as alone:
        expected = of(alone.exposures, "EASE"), of(alone.sessions, "EASE")
    with Played(tmp_path / "b", scenario(RANDOM, POP, EASE)) as among:
        pd.testing.assert_frame_equal(of(among.exposures, "EASE"), expected[0])
        pd.testing.assert_frame_equal(of(among.sessions, "EASE"), expected[1])


def test_the_same_recommender_in_two_arms_gives_the_same_sessions(tmp_path: Path) -> None:
    twin = {**EASE, "name": "Twin"}
    with Played(tmp_path, scenario(EASE, twin)) as played:
        pd.testing.assert_frame_equal(of(played.exposures, "EASE"), of(played.exposures, "Twin"))


def test_a_larger_audience_holds_the_smaller_one_unchanged(tmp_path: Path) -> None:
    with Played(tmp_path / "a", scenario(POP)) as few:
        small = few.exposures
    with Played(tmp_path / "b", scenario(POP, agents={"count": 30})) as many:
        large = many.exposures
    common = large[large["agent"].isin(small["agent"].unique())].reset_index(drop=True)
    # Traits are levels in the population of all users, so they do not move with the count.
    pd.testing.assert_frame_equal(common, small)


def test_two_runs_with_one_seed_give_identical_exports(tmp_path: Path) -> None:
    chosen = scenario(RANDOM, EASE, rounds=2, feedback="viewed")
    files: list[dict[str, bytes]] = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        with Played(folder, chosen) as played:
            export(played.store, played.name, folder / "out", "csv")
        files.append({p.name: p.read_bytes() for p in sorted((folder / "out").iterdir())})
    assert files[0].keys() >= {"sessions.csv", "exposures.csv", "interviews.csv", "calls.csv"}
    assert files[0] == files[1]


def test_another_seed_gives_another_run(tmp_path: Path) -> None:
    with Played(tmp_path / "a", scenario(POP)) as one:
        first = one.exposures
    with Played(tmp_path / "b", scenario(POP, seed=6)) as other:
        assert not first.equals(other.exposures)


def test_known_and_shown_items_never_come_up(tmp_path: Path) -> None:
    chosen = scenario(POP, EASE, agents={"count": 40, "response": FIRST})
    with Played(tmp_path, chosen) as played:
        shown = played.exposures
        assert not shown.duplicated(["arm", "round", "agent", "item"]).any()
        from simulator.world import build

        world = build(chosen, "test")
        pairs = world.split.train.matrix[shown["agent"].to_numpy(), shown["item"].to_numpy()]
        assert not np.asarray(pairs).any()


def test_slices_of_one_ranking_equal_ranking_every_page(tmp_path: Path) -> None:
    AdaptivePopularity.seen.clear()
    with Played(tmp_path, scenario(POP, AGAIN)) as played:
        pd.testing.assert_frame_equal(of(played.exposures, "Pop"), of(played.exposures, "Again"))


def test_the_history_a_recommender_sees_includes_this_session(tmp_path: Path) -> None:
    AdaptivePopularity.seen.clear()
    with Played(tmp_path, scenario(AGAIN, agents={"count": 6, "response": FIRST})) as played:
        shown = played.exposures
    pages = [query for query in AdaptivePopularity.seen if len(query) == 6]
    assert len(pages) == 5  # the offline lists are for all users, hence a longer query
    for number, query in enumerate(pages, start=1):
        for position, agent in enumerate(query.users.tolist()):
            watched = shown[
                (shown["agent"] == agent) & shown["watched"] & (shown["page"] < number)
            ].sort_values("page")["item"]
            start, stop = query.histories.indptr[position : position + 2]
            history = query.histories.item[start:stop]
            first = pages[0].histories.rows(np.array([position])).item
            assert history.tolist() == [*first.tolist(), *watched.tolist()]


def test_shuffled_order_moves_slots_and_keeps_ranks(tmp_path: Path) -> None:
    ranked = scenario(POP, agents={"count": 40, "response": FIRST})
    shuffled = ranked.model_copy(
        update={"session": ranked.session.model_copy(update={"order": "shuffled"})}
    )
    with Played(tmp_path / "a", ranked) as played:
        straight = played.exposures
        assert (straight["rank"] == (straight["page"] - 1) * 4 + straight["slot"]).all()
    with Played(tmp_path / "b", shuffled) as played:
        mixed = played.exposures
    by_rank = ["agent", "rank"]
    pd.testing.assert_frame_equal(
        straight.sort_values(by_rank)[["agent", "page", "rank", "item"]].reset_index(drop=True),
        mixed.sort_values(by_rank)[["agent", "page", "rank", "item"]].reset_index(drop=True),
    )
    first = mixed[mixed["slot"] == 1]["rank"].mod(4).value_counts()
    assert len(first) == 4
    assert first.min() > 30  # 200 pages, a quarter each expected


def test_the_catalogue_can_run_out(tmp_path: Path) -> None:
    agents = {"count": 12, "response": FIRST}
    chosen = scenario(POP, session={"page_size": 30, "max_pages": 5}, agents=agents)
    with Played(tmp_path, chosen) as played:
        sessions = played.sessions
        assert set(sessions["exit_reason"]) == {"nothing left to show"}
        assert not sessions["censored"].any()
        assert (sessions["exit_page"] <= 3).all()
        counted = played.exposures.groupby("agent").size()
        assert (sessions.set_index("agent")["shown"] == counted).all()


def test_a_failed_answer_ends_the_session_as_missing_data(tmp_path: Path) -> None:
    whole = scenario(POP, agents={"count": 60, "response": FIRST})
    with Played(tmp_path / "a", whole) as played:
        agent = int(played.sessions["agent"].iloc[3])
    broken = {**FIRST, "broken_page": 2, "broken_agent": agent}
    with Played(tmp_path / "b", scenario(POP, agents={"count": 60, "response": broken})) as played:
        sessions = played.sessions.set_index("agent")
        assert sessions.loc[agent, "outcome"] == "invalid"
        assert sessions.loc[agent, "exit_reason"] == "failed"
        assert sessions["satisfaction"].isna()[agent]  # never interviewed
        assert (sessions.drop(agent)["outcome"] == "ok").all()
        assert (sessions.drop(agent)["exit_reason"] == "page limit").all()
        from simulator.evaluation.summary import summarise

        arm = summarise(played.store, played.name)["arms"]["Pop"]
        assert arm["failures"] == {"invalid": 1}
        assert arm["simulated"]["n_exit"] == {"mean": 5.0, "low": 5.0, "high": 5.0, "n": 59}


def test_watched_items_are_known_in_the_next_round(tmp_path: Path) -> None:
    chosen = scenario(EASE, rounds=2, agents={"count": 50, "response": FIRST})
    with Played(tmp_path, chosen) as played:
        shown = played.exposures
    watched = shown[shown["watched"]]
    assert not watched.duplicated(["agent", "item"]).any()
    assert set(shown["round"]) == {1, 2}


def test_the_data_collector_logs_every_step(tmp_path: Path) -> None:
    with Played(tmp_path, scenario(POP, agents={"count": 40})) as played:
        steps = queries.steps(played.store, played.name)
        pages = queries.pages(played.store, played.name)
    assert steps["step"].tolist() == list(range(1, len(steps) + 1))
    assert (steps["active"] + steps["exits"].cumsum() == 40).all()
    assert steps["active"].iloc[-1] == 0
    turned = pages.groupby("page").size()
    assert turned.tolist() == [40, *steps["active"].iloc[:-1].tolist()]
    assert steps["watch_rate"].between(0, 1).all()


def test_a_failing_run_says_so_in_its_row(tmp_path: Path) -> None:
    nowhere = {**FIRST, "broken_page": -1}
    chosen = scenario(POP, agents={"count": 12, "response": nowhere})

    def full(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    with Store.open(tmp_path / "s.db") as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "add_sessions", full)
        with pytest.raises(RuntimeError, match="disk"):
            Played.run(chosen, store, tmp_path)
    with Store.open(tmp_path / "s.db") as store:
        row = queries.run(store, "t")
    assert row.status == "failed"
    assert row.error == "RuntimeError: the disk is full"


def test_how_popular_an_agents_taste_is_stands_beside_its_traits(tmp_path: Path) -> None:
    chosen = scenario(POP)
    with Played(tmp_path, chosen) as played:
        people = queries.agents(played.store)
    train = build(chosen, "test").split.train
    for agent, found in zip(people["agent"], people["taste_popularity"], strict=True):
        assert found == pytest.approx(train.popularity[train.item[train.user == agent]].mean())
