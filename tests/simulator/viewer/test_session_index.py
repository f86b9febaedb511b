"""The index of sessions holds what the commands compute, whenever and in whatever pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simulator.evaluation.simulated import METRICS
from simulator.evaluation.study import read
from simulator.storage import queries
from simulator.storage.store import Store
from simulator.viewer import session_batches, session_index
from simulator.viewer.index import Index
from simulator.viewer.view import View

from ..storage import sample


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "i.view")


def _indexed(index: Index, store: Store, run: str) -> pd.DataFrame:
    """The index as ``study.values`` gives a run."""
    now = session_index.standing(index, queries.run(store, run))
    assert now is not None
    names = {name: session_index.column(index, now.id, name) for name in session_index.KINDS}
    frame = pd.DataFrame(names)
    arms = queries.arms(store, run)
    frame["arm"] = frame["arm_id"].map(
        dict(zip(arms["arm_id"], arms["arm"].astype(str), strict=True))
    )
    return frame.sort_values(["arm", "round", "agent"], ignore_index=True)


@pytest.mark.parametrize("run", ["quickstart", "chat", "try"])
@pytest.mark.parametrize("size", [7, 2_000])
def test_every_value_is_that_of_the_commands(
    played: Store, index: Index, run: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_batches, "SESSIONS", size)
    monkeypatch.setattr(session_batches, "SPARSE", 3)
    monkeypatch.setattr(session_index, "PART", 16)
    session_index.update(played, index, run)
    study = read(played, run)
    wanted = study.values.astype({"arm": str}).sort_values(
        ["arm", "round", "agent"], ignore_index=True
    )
    ended = study.sessions.astype({"arm": str}).sort_values(
        ["arm", "round", "agent"], ignore_index=True
    )
    found = _indexed(index, played, run)
    assert len(wanted) == len(found) > 0
    for name in ("arm", "round", "agent", "failed"):
        assert found[name].tolist() == wanted[name].tolist(), name
    for name in METRICS:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    for name in ("exit_page", "shown", "watched", "liked", "censored"):
        assert found[name].tolist() == ended[name].tolist(), name
    np.testing.assert_array_equal(found["satisfaction"], ended["satisfaction"])
    people = queries.agents(played, run).set_index("agent")
    for name in session_batches.TRAITS:
        assert found[name].tolist() == people.loc[found["agent"], name].tolist()


def test_what_was_read_in_pieces_as_it_ended_is_the_same(
    played: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, often = Index(tmp_path / "1.view"), Index(tmp_path / "2.view")
    session_index.update(played, once, "quickstart")
    every = session_batches.keys
    rounds = []
    for last in (1, 1, 2):  # the first round, nothing new, the second round
        monkeypatch.setattr(
            session_batches, "keys",
            lambda store, arm, last=last: every(store, arm).query(f"round <= {last}"),
        )  # fmt: skip
        session_index.update(played, often, "quickstart")
        rounds.append(len(_indexed(often, played, "quickstart")))
    assert rounds[0] == rounds[1] == rounds[2] / 2
    pd.testing.assert_frame_equal(
        _indexed(once, played, "quickstart"), _indexed(often, played, "quickstart")
    )
    repeats = _indexed(often, played, "quickstart").query("round == 2")["repeat_rate"]
    assert repeats.to_numpy().max() > 0, "an earlier round counts"


def test_items_and_texts_lead_to_their_sessions(played: Store, index: Index) -> None:
    session_index.update(played, index, "chat")
    now = session_index.standing(index, queries.run(played, "chat"))
    assert now is not None
    sessions = pd.DataFrame(
        {n: session_index.column(index, now.id, n) for n in ("arm_id", "round", "agent")}
    )
    arms = queries.arms(played, "chat")
    names = dict(zip(arms["arm_id"], arms["arm"].astype(str), strict=True))
    shown = queries.exposures(played, "chat")
    seen = shown[shown["watched"].fillna(False).astype(bool)]
    item = int(seen["item"].mode()[0])
    rows = np.concatenate(
        [
            np.frombuffer(body, session_index.ROWS)
            for (body,) in index.connection.execute(
                "SELECT body FROM watchers WHERE visits = ? AND item = ?", (now.id, item)
            )
        ]
    )
    found = {(names[a], r, g) for a, r, g in sessions.loc[rows].itertuples(index=False)}
    right = seen.loc[seen["item"] == item, ["arm", "round", "agent"]]
    assert found == {(str(a), r, g) for a, r, g in right.itertuples(index=False)}
    kept = {text for (text,) in index.connection.execute("SELECT text FROM texts")}
    pages, interviews = queries.pages(played, "chat"), queries.interviews(played, "chat")
    said = {*pages["reason"], *pages["feeling"], *interviews["reason"], *shown["reason"]}
    said |= {*queries.memories(played, "chat")["text"]}
    assert {text for text in said if text} <= kept


def test_another_run_of_the_same_name_is_read_anew(tmp_path: Path, index: Index) -> None:
    for name, rounds in (("one.db", 1), ("two.db", 2)):
        with Store.open(tmp_path / name) as opened:
            run = sample.begin(opened, seed=rounds)
            arm = sample.add_arm(opened, run, 0, "A")
            for number in range(1, rounds + 1):
                sample.play(opened, arm, number)
            session_index.update(opened, index, "try")
            assert len(_indexed(index, opened, "try")) == 3 * rounds
    assert len(index.connection.execute("SELECT * FROM visits").fetchall()) == 1


def test_a_stamp_is_given_when_the_run_has_ended(tmp_path: Path, index: Index) -> None:
    with Store.open(tmp_path / "s.db") as opened:
        run_id = sample.begin(opened)
        sample.play(opened, sample.add_arm(opened, run_id, 0, "A"))
        session_index.update(opened, index, "try")
        running = session_index.standing(index, queries.run(opened, "try"))
        opened.end_run(run_id, status="finished")
        session_index.update(opened, index, "try")
        ended = session_index.standing(index, queries.run(opened, "try"))
    assert running is not None
    assert (running.rows, running.total, running.stamp) == (3, 3, "")
    assert ended is not None
    assert ended.stamp.startswith("finished ")


def test_a_run_that_goes_on_is_looked_at_again(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    with Store.open(tmp_path / "s.db") as opened:
        run_id = sample.begin(opened)
        arm = sample.add_arm(opened, run_id, 0, "A")
        sample.play(opened, arm)
        session_index.update(opened, index, "try")
        sample.play(opened, arm, 2)
        view = View(opened, index)
        monkeypatch.setattr(view.work, "ask", lambda *_, pause: asked.append(pause))
        session_index.brought_up(view, queries.run(opened, "try"))
        assert asked == [session_index.PAUSE]
        session_index.update(opened, index, "try")
        assert len(_indexed(index, opened, "try")) == 6
        opened.end_run(run_id, status="finished")
        session_index.brought_up(view, queries.run(opened, "try"))
        assert asked == [session_index.PAUSE, 0.0]
        session_index.update(opened, index, "try")
        session_index.brought_up(view, queries.run(opened, "try"))
        assert len(asked) == 2


def test_an_index_of_another_layout_is_emptied(played: Store, index: Index) -> None:
    session_index.update(played, index, "try")
    index.connection.execute("PRAGMA user_version = 999")
    again = Index(index.file)
    assert session_index.standing(again, queries.run(played, "try")) is None
    session_index.update(played, again, "try")
    assert len(_indexed(again, played, "try")) == 6
