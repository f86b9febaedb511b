"""Agent4Rec's published run becomes a run that every command can read."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simulator.errors import InputError
from simulator.evaluation.summary import summarise
from simulator.importing.agent4rec import ARM, NAME, import_run
from simulator.importing.agent4rec_agreement import agreement
from simulator.importing.agent4rec_files import FILES, read
from simulator.report.write import write
from simulator.storage import queries
from simulator.storage.export import FRAMES, export
from simulator.storage.store import Store
from simulator.transcript import transcript

from .command import audition

FILMS = ("Babe (1995)", "Lion King, The (1994)", "Alien (1979)", "Big (1988)", "Heat (1995)")


def judged(watched: dict[str, int], films: tuple[str, ...], number: int | None = None) -> str:
    """A page reply: what is watched is liked."""
    lines = [f"MOVIE: {f}; ALIGN: {'yes' if f in watched else 'no'}; REASON: of {f}" for f in films]
    told = len(watched) if number is None else number
    lines += ["", f"NUM: {told}; WATCH: {', '.join(watched)}; REASON: mine", ""]
    lines += [f"MOVIE: {f}; RATING: {n}; FEELING: felt {f}" for f, n in watched.items()]
    return "\n".join(lines)


def left(decision: str) -> str:
    return f"POSITIVE: fine\nFatigue Level: low\nDecision: [{decision}]; Reason: because"


Reply = tuple[int, int, str, str]

REPLIES: list[Reply] = [
    (0, 1, "page", judged({FILMS[0]: 4, FILMS[1]: 3}, FILMS[:2])),
    (0, 1, "exit", left("NEXT")),
    (0, 2, "page", judged({}, FILMS[2:4], 0)),
    (0, 2, "exit", left("EXIT")),
    (0, 2, "interview", "RATING: 7\nREASON: good"),
    (2, 1, "page", judged({FILMS[4]: 5}, FILMS[3:], 2)),  # says two, names one
    (2, 1, "exit", left("NEXT")),
    (2, 2, "page", judged({FILMS[0]: 5}, FILMS[:2])),
    (2, 2, "exit", left("NEXT")),  # stopped by the limit
    (2, 2, "interview", "I liked it."),
    (3, 1, "exit", "I am inclined to leave."),  # and no page reply, no interview
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A published run of three agents, as small as it can be, with no MovieLens in reach."""
    monkeypatch.delenv("AUDITION_DATA", raising=False)
    out = tmp_path / "published"
    (out / "cf_data").mkdir(parents=True)
    for part, lines in {"train": "0 4\n1 0\n2 2\n3 0", "valid": "0 0\n2 4", "test": "3 4"}.items():
        (out / "cf_data" / f"{part}.txt").write_text(lines + "\n", encoding="utf-8")
    table = {"title": FILMS, "genres": ["Drama|Comedy"] * 5, "rating": [3.5] * 5, "summary": "s"}
    frames = {
        "items.csv": pd.DataFrame({"movie_id": range(5), **table}),
        "personas.csv": pd.DataFrame(
            {"user": range(4), "taste": "I like pigs.|I like cats.", "reason": "r"}
        ).assign(high_rating="Pigs high.", low_rating=""),
        "traits.csv": pd.DataFrame(
            {"user": range(4), "activity": [1, 2, 3, 1], "diversity": 2, "conformity": 3}
        ).assign(activity_num=[10, 20, 30, 40], diversity_num=5, deviation=0.5),
        "sessions.csv": pd.DataFrame(
            {"user": [2, 0, 3], "exit_page": [2, 2, 1], "satisfaction": [4.0, 7.0, np.nan]}
        ),
    }
    for name, frame in frames.items():
        frame.to_csv(out / name, index=False)
    pages = {(0, 1): (0, 1), (0, 2): (2, 3), (2, 1): (3, 4), (2, 2): (0, 1), (3, 1): (1, 2)}
    pd.DataFrame(
        [
            {"user": u, "page": p, "slot": slot, "item": item, "relevant": (u, item) == (0, 0)}
            for (u, p), items in pages.items()
            for slot, item in enumerate(items)
        ]
    ).assign(aligned=False, watched=False, rating=np.nan).to_csv(
        out / "exposures.csv.gz", index=False
    )
    _replies(out, REPLIES)
    return out


def _replies(folder: Path, replies: list[Reply]) -> None:
    with gzip.open(folder / "responses.jsonl.gz", "wt", encoding="utf-8") as file:
        for user, page, kind, text in replies:
            entry = {"user": user, "page": page, "kind": kind, "text": text}
            file.write(json.dumps(entry) + "\n")


@pytest.fixture
def store() -> Store:
    return Store.open("sqlite://")


def test_sessions_hold_what_the_replies_say(folder: Path, store: Store) -> None:
    assert import_run(folder, store, None) == NAME
    sessions = queries.sessions(store, NAME).set_index("agent")
    assert sessions.index.tolist() == [0, 2, 3]
    first = sessions.loc[0]
    assert (first["exit_page"], first["shown"], first["watched"], first["liked"]) == (2, 4, 2, 1)
    assert (first["outcome"], first["censored"], first["exit_reason"]) == ("ok", False, "because")
    assert (first["satisfaction"], first["interview_reason"]) == (7.0, "good")
    second = sessions.loc[2]
    assert (second["outcome"], second["censored"]) == ("invalid", True)
    assert second["interview_outcome"] == "invalid"
    assert np.isnan(second["satisfaction"])
    third = sessions.loc[3]
    assert third["outcome"] == "missing"
    assert pd.isna(third["interview_outcome"])


def test_exposures_hold_decisions_and_words(folder: Path, store: Store) -> None:
    rows = queries.exposures(store, import_run(folder, store, None))
    places = zip(rows["agent"], rows["page"], rows["slot"], strict=True)
    shown = dict(zip(places, rows.to_dict("records"), strict=True))
    top = shown[0, 1, 1]
    assert (top["item"], top["rank"], top["rating"]) == (0, 1, 4.0)
    assert (top["aligned"], top["watched"], top["relevant"]) == (True, True, True)
    assert (top["reason"], top["feeling"]) == ("of Babe (1995)", "felt Babe (1995)")
    assert shown[0, 2, 2]["rank"] == 4
    assert np.isnan(shown[0, 2, 2]["rating"])
    failed = rows[(rows["agent"] == 2) & (rows["page"] == 1)]
    assert failed[["watched", "aligned", "rating"]].isna().all(axis=None)
    assert not rows["relevant"].isna().any()
    assert rows["interest"].isna().all()
    pages = queries.pages(store, NAME).set_index(["agent", "page"])
    assert pages.loc[(0, 1), "feeling"] == "fine Fatigue: low"
    assert pages["satisfaction"].isna().all()
    assert pages["leave"].astype(object).where(pages["leave"].notna(), None).tolist() == [
        False,
        True,
        None,
        False,
        None,
    ]


def test_calls_are_the_replies_as_they_were(folder: Path, store: Store) -> None:
    calls = queries.calls(store, import_run(folder, store, None))
    found = set(zip(calls["agent"], calls["page"], calls["kind"], calls["reply"], strict=True))
    assert found == set(REPLIES)
    assert "not published" in calls["messages"].iloc[0]
    assert (calls["tokens_in"] == 0).all()
    assert (calls["key"] == "").all()  # never used as an answer to another question
    assert calls["latency"].isna().all()
    of = calls.set_index(["agent", "page", "kind"])["outcome"]
    assert of[2, 1, "page"] == "invalid"
    assert of[3, 1, "exit"] == "invalid"
    assert of[0, 1, "page"] == "ok"


def test_agents_are_the_published_profiles(folder: Path, store: Store) -> None:
    agents = queries.agents(store, import_run(folder, store, None))
    assert agents["activity"].tolist() == [1, 3, 1]
    assert agents["activity_value"].tolist() == [10.0, 30.0, 40.0]
    assert agents["tastes"].iloc[0] == ["I like pigs.", "I like cats."]
    assert agents["persona"].iloc[0] == "I like pigs.\nI like cats.\nPigs high."
    items = queries.items(store, NAME)
    assert items["popularity"].tolist() == [2, 0, 1, 0, 1]
    assert items["year"].tolist() == [1995, 1994, 1979, 1988, 1995]


def test_every_reader_of_a_run_reads_it(folder: Path, store: Store, tmp_path: Path) -> None:
    name = import_run(folder, store, None)
    summary = summarise(store, name)
    arm = summary["arms"][ARM]
    assert arm["failures"] == {"invalid": 1, "missing": 1}
    assert arm["simulated"]["p_view"]["mean"] == 0.5
    assert arm["simulated"]["s_sat"]["mean"] == 7.0
    assert "not published" in summary["scenario"]["imported"]["prompts"]
    told = transcript(store, name, 0)
    assert [page["memories"] for page in told["visits"][0]["pages"]] == [[], []]
    for agent in (2, 3):
        assert (
            transcript(store, name, agent)["visits"][0]["pages"][0]["items"][0]["watched"] is None
        )
    assert len(export(store, name, tmp_path / "csv", "csv")) == len(FRAMES)
    page = write(store, name, tmp_path / "report").read_text(encoding="utf-8")
    assert "not run here" in page


def test_two_imports_are_two_equal_runs(folder: Path, store: Store, tmp_path: Path) -> None:
    names = [import_run(folder, store, "mine") for _ in range(2)]
    assert names == ["mine", "mine-2"]
    first, second = (export(store, name, tmp_path / name, "csv") for name in names)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_agreement_counts_against_what_was_published(folder: Path) -> None:
    found = agreement(read(folder))
    assert (found.replies["page"], found.usable["page"], found.usable["exit"]) == (4, 3, 4)
    assert found.flags["page", "number_mismatch"] == 1
    assert (found.slots.n, found.certain.n) == (8, 6)
    assert found.certain.agree == 3  # nothing counts as watched in these exposures
    assert (found.interviews.agree, found.interviews.n) == (1, 1)


def test_the_command(folder: Path, tmp_path: Path) -> None:
    url = tmp_path / "store.db"
    done = audition("import", "agent4rec", folder, "--store", url)
    assert done.code == 0
    assert f"Imported: {NAME}" in done.out
    assert "number_mismatch" in done.out
    assert audition("show", NAME, "--store", url).code == 0
    assert "Lion King" in audition("transcript", NAME, "--agent", "0", "--store", url).out
    assert audition("import", "agent4rec", folder, "--store", url, "--name", "a/b").code == 2
    assert audition("import").code == 2


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, store: Store, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"found no {name};"):
        import_run(folder, store, None)
    assert queries.runs(store).empty


def _edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        file = folder / name
        packed = file.suffix == ".gz"
        text = gzip.decompress(file.read_bytes()) if packed else file.read_bytes()
        assert old.encode() in text
        changed = text.replace(old.encode(), new.encode(), 1)
        file.write_bytes(gzip.compress(changed) if packed else changed)

    return edit


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (_edit("sessions.csv", "3,1,", "4,1,"), "a user of the split"),
        (_edit("sessions.csv", "3,1,", "2,1,"), "each user once"),
        (_edit("sessions.csv", "3,1,", "3,0,"), "a page from 1"),
        (_edit("sessions.csv", "3,1,", "3,2,"), "nothing for page 2 of user 3"),
        (_edit("sessions.csv", "3,1,", "3,1,much"), "nothing or a number"),
        (_edit("exposures.csv.gz", "3,1,1,2,False", "3,1,1,9,False"), "an item from 0 to 4"),
        (_edit("exposures.csv.gz", "3,1,1,2,False", "3,1,2,2,False"), "each slot of a page once"),
        (_edit("exposures.csv.gz", "3,1,1,2,False", "3,1,1,2,maybe"), "True or False"),
        (_edit("exposures.csv.gz", "3,1,1,2", "1,1,1,2"), "a user of sessions.csv"),
        (_edit("responses.jsonl.gz", '"user": 3', '"user": 1'), "one reply of a kind"),
        (_edit("responses.jsonl.gz", '"kind": "exit"', '"kind": "leave"'), "an object with user"),
        (_edit("responses.jsonl.gz", '{"user": 0', '{"user": true'), "an object with user"),
        (_edit("responses.jsonl.gz", "{", "["), "an object with user"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(
    folder: Path, store: Store, edit: Callable[[Path], None], told: str
) -> None:
    edit(folder)
    with pytest.raises(InputError) as raised:
        import_run(folder, store, None)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
    assert queries.runs(store).empty


def test_a_damaged_archive_is_told(folder: Path, store: Store) -> None:
    (folder / "responses.jsonl.gz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="cannot be read"):
        import_run(folder, store, None)


@pytest.mark.data
def test_the_published_run_gives_its_published_figures(store: Store) -> None:
    if "AUDITION_DATA" not in os.environ:
        pytest.skip("AUDITION_DATA names no folder with the data sets")
    folder = Path(os.environ["AUDITION_DATA"]) / "agent4rec"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    summary = summarise(store, import_run(folder, store, None))
    arm = summary["arms"][ARM]
    assert (arm["sessions"], arm["failures"]) == (700, {"invalid": 11})
    whole_run = {"p_view": 0.493, "n_like": 6.00, "p_like": 0.453, "n_exit": 3.23, "s_sat": 3.95}
    for metric, published in whole_run.items():
        estimate = arm["simulated"][metric]
        assert estimate["low"] <= published <= estimate["high"]
    assert arm["usage"]["calls"] == 5248
    found = agreement(read(folder))
    assert found.slots.n == 9096
    assert found.slots.agree / found.slots.n >= 0.995
    assert found.exits.agree == found.exits.n
    assert found.interviews.agree == found.interviews.n == 700
