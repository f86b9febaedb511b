"""What is written is there, whole or not at all; what cannot be opened is told in one line."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from agents.interface import OK
from simulator.errors import AuditionError, InputError
from simulator.storage import queries
from simulator.storage.store import Store

from .sample import AGENTS, add_arm, answers, begin, call, play, whole_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "store.db"


def raw(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_what_was_written_outlives_the_store(path: Path) -> None:
    with Store.open(path) as store:
        whole_run(store)
    # 2 arms of 3 + 2 pages; agent 8's second slot was empty
    assert raw(path, "SELECT count(*) FROM pages") == [(10,)]
    assert raw(path, "SELECT count(*) FROM exposures") == [(2 * (5 + 4),)]
    arm = raw(path, "SELECT id FROM arms WHERE name = 'A'")[0][0]
    rows = raw(
        path,
        "SELECT agent, page, slot, rank, item, relevant, interest, watched, rating, reason "
        f"FROM exposures WHERE arm_id = {arm} ORDER BY agent, page, slot",
    )
    assert rows == [
        (3, 1, 1, 1, 0, 1, 0.5, 1, 5.0, "like it"),
        (3, 1, 2, 2, 1, 0, 0.5, 0, None, ""),
        (3, 2, 1, 4, 1, None, 0.5, 0, None, None),
        (3, 2, 2, 3, 3, None, 0.5, 1, 4.0, None),
        (5, 1, 1, 1, 1, 0, None, None, None, ""),  # the answer failed
        (5, 1, 2, 2, 2, 0, None, None, None, ""),
        (8, 1, 1, 1, 5, 1, 0.5, 1, 3.0, "why not"),
        (8, 2, 1, 3, 4, None, 0.5, 0, None, None),
        (8, 2, 2, 4, 0, None, 0.5, 0, None, None),
    ]
    failed = f"SELECT leave, satisfaction FROM pages WHERE arm_id = {arm} AND agent = 5"
    assert raw(path, failed) == [(None, None)]


def test_sqlite_is_set_up_for_one_writer_and_many_readers(path: Path) -> None:
    with Store.open(path) as store, store.engine.connect() as connection:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 1), ("foreign_keys", 1)):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def test_a_page_is_written_whole_or_not_at_all(where: str) -> None:
    with Store.open(where) as store:
        arm_id = add_arm(store, begin(store), 0, "A")
        with pytest.raises(IntegrityError):  # a call without a kind, after pages and exposures
            store.add_pages(
                arm_id,
                1,
                1,
                agent=AGENTS,
                item=np.zeros((3, 1), np.int64),
                rank=np.ones((3, 1), np.int64),
                answers=answers([[1], [0], [1]]),
                calls=[call(0, kind=None)],
                agent_of_row=AGENTS,
            )
        assert queries.pages(store).empty
        assert queries.exposures(store).empty


def test_the_same_page_is_not_written_twice(where: str) -> None:
    with Store.open(where) as store:
        arm_id = add_arm(store, begin(store), 0, "A")
        play(store, arm_id)
        before = queries.exposures(store)
        with pytest.raises(IntegrityError):
            play(store, arm_id)
        assert queries.exposures(store).equals(before)


def test_rows_of_an_unknown_arm_are_refused(where: str) -> None:
    with Store.open(where) as store:
        begin(store)
        with pytest.raises(IntegrityError):
            play(store, 99)


def test_a_store_that_cannot_be_written_says_so(path: Path) -> None:
    with Store.open(path) as store:
        begin(store)
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
            size = connection.exec_driver_sql("PRAGMA max_page_count").scalar_one()
        long = {"note": "x" * 4096 * (size + 2)}
        with pytest.raises(AuditionError, match=r"store\.db: cannot be written: database or disk"):
            begin(store, scenario=long)
        assert len(queries.runs(store)) == 1


def test_a_locked_store_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.storage.connect._BUSY_SECONDS", 0.05)
    with Store.open(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AuditionError, match="cannot be written: database is locked"):
            begin(store)
        other.execute("ROLLBACK")
        other.close()
        begin(store)


def test_names_of_runs_are_made_unique(where: str) -> None:
    with Store.open(where) as store:
        assert [store.run_name(begin(store, "mf")) for _ in range(3)] == ["mf", "mf-2", "mf-3"]
        assert store.run_name(begin(store, "mf-2")) == "mf-2-2"


def test_memories_are_numbered_within_an_agents_page(where: str) -> None:
    with Store.open(where) as store:
        play(store, add_arm(store, begin(store), 0, "A"))
        frame = queries.memories(store)
        assert frame[["agent", "page", "position", "kind"]].values.tolist() == [
            [3, 1, 1, "factual"],
            [3, 1, 2, "emotional"],
            [3, 1, 3, "reflection"],  # noted later, in the interview
            [8, 1, 1, "factual"],
        ]


def test_text_of_a_model_is_stored_whatever_it_holds(where: str) -> None:
    with Store.open(where) as store:
        arm_id = add_arm(store, begin(store), 0, "A")
        store.add_pages(
            arm_id,
            1,
            1,
            agent=AGENTS[:1],
            item=np.array([[0]]),
            rank=np.array([[1]]),
            answers=answers([[1]], reason=["naïve \0 \ud83d film 🎬"]),
        )
        assert queries.pages(store)["reason"].tolist() == ["naïve \ufffd ? film 🎬"]


def test_columns_are_checked() -> None:
    with Store.open("sqlite://") as store:
        run_id = begin(store)
        with pytest.raises(ValueError, match=r"items: unknown \['titel'\], missing \['genres'"):
            store.add_items(run_id, {"item": [0], "titel": ["x"]})
        arm_id = add_arm(store, run_id, 0, "A")
        with pytest.raises(ValueError, match=r"steps\.exits has 1 values for 2 rows"):
            store.add_steps(arm_id, 1, {"step": [1, 2], "active": [1, 2], "exits": [1]})
        with pytest.raises(TypeError, match="Cannot cast"):  # a fraction is no page
            store.add_steps(arm_id, 1, {"step": [1.5], "active": [1], "exits": [1]})
        with pytest.raises(ValueError, match="rank is"):
            store.add_pages(
                arm_id,
                1,
                1,
                agent=AGENTS,
                item=np.zeros((3, 2), np.int64),
                rank=np.ones((3, 1), np.int64),
                answers=answers([[1, 0]] * 3),
            )


def test_how_a_run_ended_is_kept(where: str) -> None:
    with Store.open(where) as store:
        run_id = begin(store)
        assert queries.run(store).status == "running"
        store.end_run(run_id, status="failed", error="it broke")
        ended = queries.run(store)
        assert (ended.status, ended.error) == ("failed", "it broke")
        assert ended.finished_at is not None
        assert ended.finished_at >= ended.created_at


def test_a_path_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose a writable place"):
        Store.open(tmp_path / "file" / "store.db")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nodb://user:secret@host/x", "no database called nodb"),
        ("sqlite:///{tmp}", "found a folder"),
        ("{tmp}", "found a folder"),
        ("{tmp}/text.txt", "file is not a database"),
        ("oracle+nodriver://user:secret@host/x", "no database called oracle"),
        ("mysql+pymysql://user:secret@host/x", "the driver pymysql is not installed"),
        ("not a url://user:secret@", "found no URL"),
    ],
)
def test_what_is_no_store_is_refused(where: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("something else " * 100)
    with pytest.raises(InputError) as refused:
        Store.open(where.format(tmp=tmp_path))
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    path.parent.mkdir()
    raw(path, "CREATE TABLE runs (id INTEGER)")
    with pytest.raises(InputError, match="tables of another program"):
        Store.open(path)
    assert raw(path, "SELECT name FROM sqlite_master") == [("runs",)]


def test_a_store_is_only_made_where_one_is_wanted(path: Path) -> None:
    with pytest.raises(InputError, match="no store"):
        Store.open(path, create=False)
    assert not path.parent.exists()
    Store.open(path).close()
    Store.open(path, create=False).close()


def test_an_empty_database_is_no_store_to_read(path: Path) -> None:
    path.parent.mkdir()
    raw(path, "PRAGMA user_version = 1")
    with pytest.raises(InputError, match="no store"):
        Store.open(path, create=False)


def test_a_newer_store_is_refused_and_left_alone(path: Path) -> None:
    with Store.open(path) as store, store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InputError, match="newer Audition: upgrade, or choose another --store"):
        Store.open(path)
    assert raw(path, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_two_stores_may_write_one_file(path: Path) -> None:
    with Store.open(path) as one, Store.open(path) as two:
        runs = [begin(store, "mf") for store in (one, two, one)]
        play(one, add_arm(one, runs[0], 0, "A"))
        play(two, add_arm(two, runs[1], 0, "A"))
        assert len(set(runs)) == 3
        assert queries.exposures(one, "mf").equals(queries.exposures(two, "mf-2"))


def test_all_rows_survive_when_they_do_not_fill_a_statement(where: str) -> None:
    """Rows go in groups of up to 100 a statement; every size must arrive in order."""
    with Store.open(where) as store:
        for n in (1, 2, 99, 100, 101, 257):
            arm_id = add_arm(store, begin(store), 0, "A")
            agent = np.arange(n) * 2
            item = np.arange(2 * n).reshape(n, 2)
            rank = np.tile([1, 2], (n, 1))
            store.add_pages(
                arm_id, 1, 1, agent=agent, item=item, rank=rank, answers=answers([[1, 0]] * n)
            )
            frame = queries.exposures(store)
            assert frame["agent"].tolist() == np.repeat(agent, 2).tolist()
            assert frame["item"].tolist() == list(range(2 * n))
            assert frame["watched"].tolist() == [True, False] * n
            assert (queries.pages(store)["outcome"] == OK).all()
