"""The commands from end to end, as a user types them, on a small world."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pandas as pd
import pytest

from simulator.model import Audition
from simulator.scenario import SCENARIOS
from tests.agents.chat.server import Reply, Server, first

from .command import Done, audition

SMALL = [
    *("--set", "dataset.users=80", "--set", "dataset.items=120"),
    *("--set", "dataset.interactions=25", "--agents", "15"),
    *("--set", "arms.MF.epochs=20", "--set", "arms.LightGCN.epochs=50"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A finished run of a small quickstart, and what it printed."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, run(folder, "--json")


def run(folder: Path, *more: str) -> Done:
    store = ("--store", str(folder / "s.db"))
    return audition("run", "quickstart", *SMALL, "--out", str(folder), *store, *more)


def on(folder: Path, *arguments: object) -> Done:
    return audition(*arguments, "--store", folder / "s.db")


def test_run_prints_one_json_document_and_progress_elsewhere(finished: tuple[Path, Done]) -> None:
    folder, done = finished
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    arms = ["Random", "Popularity", "EASE", "MF", "LightGCN"]
    assert list(summary["arms"]) == arms
    for arm in arms:
        block = summary["arms"][arm]
        assert block["simulated"]["p_view"]["n"] == 15
        assert 0 <= block["offline"]["ndcg@20"] <= 1
        assert block["failures"] == {}
        assert block["usage"]["calls"] == 0
        assert block["seconds"]["simulate"] > 0
    assert {row["arm"] for row in summary["comparisons"]} == set(arms) - {"Popularity"}
    assert json.loads((folder / "quickstart" / "summary.json").read_text()) == summary
    assert "report: " in done.err


def test_the_report_lies_where_it_says(finished: tuple[Path, Done]) -> None:
    folder, _ = finished
    page = (folder / "quickstart" / "report.html").read_text(encoding="utf-8")
    assert "LightGCN" in page
    assert sorted((folder / "quickstart" / "figures").glob("*.png"))
    assert len(pd.read_csv(folder / "quickstart" / "tables" / "dual.csv")) > 0


def test_a_second_run_trains_nothing_and_gives_the_same(finished: tuple[Path, Done]) -> None:
    folder, before = finished
    again = run(folder, "--json")
    assert again.code == 0
    assert again.err.count("loaded from its checkpoint") == 5
    first_run, second = json.loads(before.out), json.loads(again.out)
    assert second["run"]["name"] == "quickstart-2"
    assert second["comparisons"] == first_run["comparisons"]


def test_the_terminal_gets_the_dual_table(finished: tuple[Path, Done]) -> None:
    folder, _ = finished
    done = run(folder, "--name", "plain")
    assert done.code == 0
    for part in ("S_sat", "Recall@20", "LightGCN", "Report: ", "control"):
        assert part in done.out


def test_show_and_runs_tell_of_it(finished: tuple[Path, Done]) -> None:
    folder, before = finished
    listed = on(folder, "runs")
    assert (listed.code, "quickstart" in listed.out, "finished" in listed.out) == (0, True, True)
    assert json.loads(on(folder, "runs", "--json").out)[0]["status"] == "finished"
    shown = on(folder, "show", "quickstart")
    assert shown.code == 0
    assert "EASE" in shown.out
    assert json.loads(on(folder, "show", "quickstart", "--json").out) == json.loads(before.out)
    unknown = on(folder, "show", "quikstart")
    assert unknown.code == 2
    assert "quickstart" in unknown.err


def test_a_transcript_shows_the_whole_visit(finished: tuple[Path, Done]) -> None:
    folder, _ = finished
    sessions = on(folder, "export", "quickstart", "--to", folder / "x", "--format", "csv")
    assert sessions.code == 0
    agent = int(pd.read_csv(folder / "x" / "sessions.csv")["agent"].iloc[0])
    done = on(folder, "transcript", "quickstart", "--agent", agent, "--arm", "EASE", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)
    text = on(folder, "transcript", "quickstart", "--agent", agent)
    assert text.code == 0
    assert "EASE" in text.out
    wrong = on(folder, "transcript", "quickstart", "--agent", 10**6)
    assert wrong.code == 2
    assert wrong.err.count("\n") == 1


def test_export_writes_tidy_frames(finished: tuple[Path, Done]) -> None:
    folder, _ = finished
    done = on(folder, "export", "quickstart", "--to", folder / "frames")
    assert done.code == 0
    for name in ("sessions", "exposures", "interviews", "calls"):
        assert (folder / "frames" / f"{name}.parquet").is_file()
    sessions = pd.read_parquet(folder / "frames" / "sessions.parquet")
    assert len(sessions) == 5 * 15


def test_an_interrupted_run_says_so_and_exits_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Audition, "play", interrupt)
    done = run(tmp_path)
    assert done.code == 130
    assert "interrupted" in done.err
    assert json.loads(on(tmp_path, "runs", "--json").out)[0]["status"] == "interrupted"


@pytest.mark.parametrize("what", ["recommenders", "metrics", "datasets", "response-models"])
def test_list_names_things_with_their_settings(what: str) -> None:
    expected = {
        "recommenders": "lightgcn",
        "metrics": "p_view",
        "datasets": "movielens-1m",
        "response-models": "behavioural",
    }
    entries = json.loads(audition("list", what, "--json").out)
    assert expected[what] in {entry["name"] for entry in entries}
    assert all(entry["doc"] for entry in entries)
    assert expected[what] in audition("list", what).out


def test_the_readme_s_recommender_joins_from_beside_the_scenario(tmp_path: Path) -> None:
    readme = (SCENARIOS.parent / "README.md").read_text(encoding="utf-8")
    code = readme.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    text = (SCENARIOS / "quickstart.yaml").read_text(encoding="utf-8")
    arm = '  - {name: Newest, recommender: "mine:Newest", weight: 2.0}\n'
    text = text.partition("arms:\n")[0] + "arms:\n" + arm + "control: Newest\n"
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    store = ("--store", tmp_path / "s.db", "--out", tmp_path)
    done = audition("run", tmp_path / "s.yaml", "--agents", 10, "--json", *store)
    assert done.code == 0, done.err
    assert json.loads(done.out)["arms"]["Newest"]["simulated"]["p_view"]["n"] == 10


CHAT = [
    *("--set", "dataset.users=60", "--set", "dataset.items=90", "--agents", "6"),
    *("--set", "dataset.interactions=20"),
    *("--set", "session.max_pages=2"),
]


def chat(folder: Path, base_url: str, *more: str) -> Done:
    url = ("--set", f"agents.response.base_url={base_url}")
    store = ("--store", str(folder / "s.db"))
    return audition("run", "chat", *CHAT, *url, "--out", str(folder), *store, *more)


def test_the_chat_scenario_runs_against_a_server(tmp_path: Path) -> None:
    with Server() as server:
        done = chat(tmp_path, server.base_url, "--json")
        assert done.code == 0, done.err
        asked = len(server.requests)
    summary = json.loads(done.out)
    usage = [arm["usage"] for arm in summary["arms"].values()]
    assert sum(block["calls"] for block in usage) == asked
    assert all(block["tokens_in"] > 0 for block in usage)
    assert all(arm["failures"] == {} for arm in summary["arms"].values())
    assert all(arm["simulated"]["s_sat"]["n"] == 6 for arm in summary["arms"].values())


def test_failed_replies_are_counted_and_never_averaged_in(tmp_path: Path) -> None:
    with Server(first(3, Reply("no json at all"))) as server:
        one_try = ("--set", "agents.response.attempts=1", "--set", "agents.response.concurrency=1")
        done = chat(tmp_path, server.base_url, "--json", *one_try)
    assert done.code == 0, done.err
    arms = json.loads(done.out)["arms"]
    failed = sum(sum(arm["failures"].values()) for arm in arms.values())
    assert failed == 3
    assert arms["Popularity"]["simulated"]["n_exit"]["n"] == 3


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    # Bound and not listening: refused, and no other test's server can take the port.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        done = chat(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.err
    assert json.loads(on(tmp_path, "runs", "--json").out)[0]["status"] == "failed"
