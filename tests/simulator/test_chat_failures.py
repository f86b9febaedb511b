"""Whole runs of chat agents whose endpoint misbehaves: a tenth of all replies spoilt, a slow
one, caps. Real HTTP, the commands as a user types them."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agents.interface import OK
from agents.response import gateway
from simulator.storage import queries
from simulator.storage.store import Store
from tests.agents.chat.fault_rows import ROWS, STOPS
from tests.agents.chat.server import Answer, Reply, Request, Server, page_answer, rules

from .command import Done, audition

AGENTS, PAGES, SHARE = 200, 5, 0.1
SCENARIO = """
name: faulty
seed: 5
dataset: {{source: synthetic, users: 300, items: 160, interactions: 20}}
agents:
  count: {agents}
  response: {{model: chat, name: scripted, base_url: "{url}", {settings}}}
session: {{page_size: 4, max_pages: {pages}}}
arms:
  - {{name: Pop, recommender: popularity}}
  - {{name: Random, recommender: random}}
control: Pop
"""


def run(
    folder: Path,
    server: Server,
    *arguments: str,
    agents: int = AGENTS,
    pages: int = PAGES,
    settings: str = "concurrency: 32",
) -> Done:
    scenario = folder / "faulty.yaml"
    text = SCENARIO.format(url=server.base_url, agents=agents, pages=pages, settings=settings)
    scenario.write_text(text, encoding="utf-8")
    return audition("run", scenario, *_places(folder), *arguments)


def _places(folder: Path) -> tuple[str, ...]:
    return ("--store", str(folder / "s.db"), "--out", str(folder))


def staying(request: Request) -> Reply:
    """The rules, except that nobody leaves before the page limit."""
    if request.kind != "page":
        return rules(request)
    return Reply(page_answer(request) | {"leave": False, "exit": None})


FAULTS = {row.name: row for row in ROWS if row.outcome not in (OK, STOPS) and not row.gives_up}


class Unreliable:
    """Spoils a share of the requests, drawn by what is asked and for the how manieth time:
    the same ones, in whatever order they come."""

    def __init__(self, share: float, names: list[str]) -> None:
        self._share, self._names = share, names
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.met: Counter[str] = Counter()

    def __call__(self, request: Request) -> Reply:
        asked = hashlib.sha256(json.dumps(request.messages).encode()).hexdigest()
        with self._lock:
            self._seen[asked] += 1
            luck = random.Random(f"{asked} {self._seen[asked]}")
            if luck.random() >= self._share:
                return staying(request)
            name = luck.choice(self._names)
            self.met[name] += 1
        if request.kind == "page" or FAULTS[name].group != "answer":
            return FAULTS[name].answer(request)
        return Reply("no")


@dataclass(frozen=True)
class Faulty:
    """A finished run with a tenth of its replies spoilt."""

    done: Done
    folder: Path
    requests: int
    met: Counter[str]
    summary: dict[str, Any]
    sessions: pd.DataFrame
    pages: pd.DataFrame
    exposures: pd.DataFrame
    calls: pd.DataFrame


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    folder = tmp_path_factory.mktemp("faulty")
    # A server that names seconds would only make the test long.
    names = [name for name, row in FAULTS.items() if not row.pauses]
    answer = Unreliable(SHARE, names)
    with pytest.MonkeyPatch.context() as patch, Server(answer) as server:
        patch.setattr(gateway, "_FIRST_WAIT", 0.001)
        done = run(folder, server)
        requests = len(server.requests)
    assert done.code == 0, done.err
    summary = json.loads((folder / "faulty" / "summary.json").read_text(encoding="utf-8"))
    with Store.open(str(folder / "s.db")) as store:
        yield Faulty(
            done,
            folder,
            requests,
            answer.met,
            summary,
            queries.sessions(store),
            queries.pages(store),
            queries.exposures(store),
            queries.calls(store),
        )


def test_a_tenth_of_all_requests_met_one_of_many_faults(faulty: Faulty) -> None:
    assert len(faulty.met) >= 20
    assert 0.08 < faulty.met.total() / faulty.requests < 0.12
    assert (~faulty.calls["cached"]).sum() == faulty.requests


def test_every_session_ends_or_is_recorded_with_its_outcome(faulty: Faulty) -> None:
    sessions, pages = faulty.sessions, faulty.pages
    assert len(sessions) == 2 * AGENTS
    key = ["arm", "agent"]
    last = pages.sort_values("page").groupby(key)["outcome"].last()
    merged = sessions.set_index(key)["outcome"]
    pd.testing.assert_series_equal(last.sort_index(), merged.sort_index(), check_names=False)
    turned = pages.groupby(key)["page"].max()
    whole = merged[merged == OK].index
    assert (turned[whole] == PAGES).all()
    # One page at most failed, the last one, and nobody was interviewed after it.
    assert (pages[pages["outcome"] != OK].groupby(key).size() == 1).all()
    failed = sessions[sessions["outcome"] != OK]
    assert (failed["exit_reason"] == "failed").all()
    assert failed["interview_outcome"].isna().all()
    assert 10 < len(failed) < AGENTS
    assert set(failed["outcome"]) >= {"refused", "filtered", "context", "rejected"}


def test_a_failed_page_is_never_a_skip_a_zero_or_a_default(faulty: Faulty) -> None:
    failed = faulty.pages[faulty.pages["outcome"] != OK]
    assert failed[["satisfaction", "fatigue"]].isna().all(axis=None)
    assert not failed["leave"].any()
    shown = faulty.exposures.merge(failed[["arm", "agent", "page"]], on=["arm", "agent", "page"])
    assert len(shown) == 4 * len(failed)
    assert shown[["interest", "rating"]].isna().all(axis=None)
    assert not shown["watched"].any()
    for arm, entry in faulty.summary["arms"].items():
        sessions = faulty.sessions[faulty.sessions["arm"] == arm]
        whole = sessions[sessions["outcome"] == OK]
        assert entry["simulated"]["n_exit"]["n"] == len(whole)
        assert entry["simulated"]["p_view"]["n"] == len(whole)
        asked = whole[whole["interview_outcome"] == OK]
        assert entry["simulated"]["s_sat"]["n"] == len(asked)


def test_failed_replies_stand_in_the_table_by_arm(faulty: Faulty) -> None:
    for arm, entry in faulty.summary["arms"].items():
        sessions = faulty.sessions[faulty.sessions["arm"] == arm]
        kinds = Counter(sessions.loc[sessions["outcome"] != OK, "outcome"])
        asked = sessions.loc[sessions["outcome"] == OK, "interview_outcome"]
        kinds += Counter("interview: " + asked[asked != OK])
        assert entry["failures"] == dict(kinds)
        line = f"{arm}: " + ", ".join(f"{n} {kind}" for kind, n in entry["failures"].items())
        assert line in " ".join(faulty.done.out.split())
    report = (faulty.folder / "faulty" / "report.html").read_text(encoding="utf-8")
    assert "refused" in report


def test_verdicts_are_withheld_above_the_threshold(faulty: Faulty) -> None:
    verdicts = {row["verdict"].partition(":")[0] for row in faulty.summary["comparisons"]}
    assert verdicts == {"withheld"}
    assert "of an arm's sessions failed" in " ".join(faulty.done.out.split())


def test_faults_that_pass_cost_requests_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "_FIRST_WAIT", 0.001)
    again = Counter[str]()

    def once(request: Request) -> Reply:
        """The first time a question is asked it often fails."""
        asked = json.dumps(request.messages)
        again[asked] += 1
        unlucky = random.Random(asked).random() < 0.3
        return Reply(status=502) if unlucky and again[asked] == 1 else staying(request)

    found = {}
    for name, answer in {"calm": staying, "faulty": once}.items():
        (folder := tmp_path / name).mkdir()
        with Server(answer) as server:
            assert run(folder, server, agents=12, pages=2).code == 0
            found[name] = (len(server.requests), _behaviour(folder))
    assert found["faulty"][0] > found["calm"][0] * 1.1
    pd.testing.assert_frame_equal(found["faulty"][1], found["calm"][1])
    calm, with_faults = (
        json.loads((tmp_path / name / "faulty" / "summary.json").read_text("utf-8"))
        for name in ("calm", "faulty")
    )
    assert all(entry["failures"] == {} for entry in with_faults["arms"].values())
    assert with_faults["comparisons"] == calm["comparisons"]
    assert "sessions failed" not in str(with_faults["comparisons"])


def _behaviour(folder: Path) -> pd.DataFrame:
    with Store.open(str(folder / "s.db")) as store:
        return queries.exposures(store)


def test_one_slow_reply_delays_one_agent_only(tmp_path: Path) -> None:
    """Its first reply comes when everybody else has had every page and the interview."""
    others_done, lock, answered = threading.Event(), threading.Lock(), Counter[str]()
    slow: list[str] = []
    everything = 2 * 5 * 4  # arms, other agents, three pages and an interview

    def answer(request: Request) -> Reply:
        who = request.system
        with lock:
            if request.number == 2 and not slow:
                slow.append(who)
            mine = who in slow
        if mine:
            assert others_done.wait(60)
        reply = staying(request)
        with lock:
            answered[who] += 1
            if not mine and sum(n for one, n in answered.items() if one not in slow) == everything:
                others_done.set()
        return reply

    with Server(answer) as server:
        done = run(tmp_path, server, agents=6, pages=3, settings="concurrency: 8, timeout: 120.0")
    assert done.code == 0, done.err
    assert len({request.system for request in server.requests}) == 6
    theirs = [n for n, r in enumerate(server.requests) if r.system not in slow]
    mine = [n for n, r in enumerate(server.requests) if r.system in slow]
    assert len(theirs) == everything
    assert len(mine) == 2 * 4
    assert [n < max(theirs) for n in mine] == [True] * 2 + [False] * 6


def test_stints_of_a_run_together_keep_to_the_cap(tmp_path: Path) -> None:
    folder = tmp_path
    with Server(staying) as server:
        settings = "concurrency: 8, max_tokens: 400"
        done = run(folder, server, "--set", "budget.tokens=20000", agents=8, pages=2,
                   settings=settings)  # fmt: skip
        cap = 20_000
        while done.code == 3:
            assert "error: " in done.err
            assert "audition resume faulty" in done.err
            assert _billed(server) <= cap
            cap *= 2
            done = audition("resume", "faulty", "--set", f"budget.tokens={cap}", *_places(folder))
        assert done.code == 0, done.err
        assert 20_000 < _billed(server) <= cap
        # Nothing was asked twice: 8 agents in 2 arms, two pages and an interview each.
        assert len(server.requests) == 2 * 8 * 3


def _billed(server: Server) -> int:
    return sum(map(sum, server.billed))


ECHOED = {
    "like OpenAI's": "sk-test-0123456789abcdefKEY",
    "like nothing": "hush-7f3a91c4_LOCAL",
}


@pytest.mark.parametrize("kind", ECHOED)
@pytest.mark.parametrize("ends", ["finished", "refused"])
def test_no_key_in_store_report_export_recording_or_errors(
    kind: str, ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ECHOED[kind]
    monkeypatch.setenv("MY_SERVER_KEY", key)
    monkeypatch.setattr(gateway, "_FIRST_WAIT", 0.001)
    while_running: list[str] = []
    answer = echoing(ends)

    def scanning(request: Request) -> Reply:
        assert request.headers["authorization"] == f"Bearer {key}"
        if request.number % 20 == 0:
            while_running.extend(leaks(tmp_path, key))
        return answer(request)

    with Server(scanning) as server:
        settings = "api_key_env: MY_SERVER_KEY, concurrency: 4"
        record = ("--record", str(tmp_path / "calls.jsonl"))
        done = run(tmp_path, server, *record, agents=8, pages=2, settings=settings)
        assert len(server.requests) > 20
    assert done.code == (0 if ends == "finished" else 1), done.err
    store = ("--store", str(tmp_path / "s.db"))
    told = [done]
    for file_format in ("csv", "parquet"):
        to = ("--to", tmp_path / file_format, "--format", file_format)
        told.append(audition("export", "faulty", *to, *store))
    told.append(audition("show", "faulty", *store))
    told.append(audition("runs", "--json", *store))
    assert key not in str(told)
    assert while_running == []
    assert leaks(tmp_path, key) == []
    if ends == "finished":
        assert "[redacted]" in (tmp_path / "csv" / "calls.csv").read_text(encoding="utf-8")


def echoing(ends: str) -> Answer:
    """Says the key back wherever a server can; in the end it may refuse it."""

    def answer(request: Request) -> Reply:
        heard = request.headers["authorization"]
        key = heard.removeprefix("Bearer ")
        error = {"message": f"bad {heard}, yes {key}!", "code": f"no-{key}", "param": key}
        if request.number > 24 and ends == "refused":
            return Reply(status=401, error=error)
        said: Reply = staying(request)
        assert isinstance(said.content, dict)
        echo = said.content | {"reason": f"you sent {heard} or {key}", "feeling": f"{key}"}
        if request.kind != "page":
            echo.pop("feeling")
        faults = [
            Reply(status=500, error=error),
            Reply(status=400, error=error),
            Reply(raw=f"<html>{heard} {key}</html>".encode()),
            Reply(f"no, {key}"),
            Reply("", refusal=f"not with {key}"),
            Reply(f'{{"items": "{key}', finish_reason="length"),
        ]
        return faults[request.number % 12] if request.number % 12 < len(faults) else Reply(echo)

    return answer


def leaks(folder: Path, key: str) -> list[str]:
    """Files that hold the key or most of it; those of a format that packs also unpacked."""
    found = []
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += pd.read_parquet(path).to_json().encode()
        if key.encode() in data or key[:-3].encode() in data:
            found.append(path.name)
    return found
