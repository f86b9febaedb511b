"""Chat runs that are stopped (a fatal answer, Ctrl-C, another process, a cap on time) and
go on: nothing is lost and nothing asked twice. Real HTTP; processes where signals are needed."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.storage import queries
from tests.agents.chat.server import Reply, Request, Server, rules

from .chat_runs import Runs


def errors(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("error: ")]


def undisturbed(folder: Path, server: Server) -> tuple[Runs, int]:
    """A run in a store of its own at the same address, and the requests it took."""
    before = len(server.requests)
    runs = Runs.of(folder, server)
    done = runs.run()
    assert done.code == 0, done.err
    return runs, len(server.requests) - before


# -- resuming ------------------------------------------------------------------------------


def test_what_is_finished_unknown_or_changed_is_told(tmp_path: Path) -> None:
    with Server() as server:
        runs, requests = undisturbed(tmp_path, server)
        before = runs.exported(timings=True)
        done = runs.resume()
        assert done.code == 0
        assert "finished; nothing to do" in done.err
        done = runs.resume("nobody")
        assert done.code == 2
        assert "found 'nobody'; allowed: tiny" in done.err
        assert len(server.requests) == requests
        assert runs.exported(timings=True) == before


@pytest.mark.parametrize(
    "change",
    ["seed=6", "agents.count=9", "agents.response.temperature=1", "agents.response.name=other",
     "session.max_pages=4", "agents.response.replicate=1", "arms.Random.recommender=ease"],
)  # fmt: skip
def test_a_change_of_what_agents_see_or_do_is_refused(tmp_path: Path, change: str) -> None:
    with Server() as server:
        runs = Runs.of(tmp_path, server)
        assert runs.run("--set", "budget.tokens=6000").code == 3
        seen, kept = len(server.requests), runs.exported(timings=True)
        done = runs.resume("tiny", "--set", change)
        assert done.code == 2
        (line,) = errors(done.err)
        assert "changes what agents see or do; allowed: budget.*" in line
        assert len(server.requests) == seen
        assert runs.status() == "budget"
        assert runs.exported(timings=True) == kept


FATAL = {
    "a refused key": Reply(status=401, error={"message": "no such key"}),
    "no quota": Reply(status=429, error={"message": "pay first", "code": "insufficient_quota"}),
    "an unknown model": Reply(status=404, error={"message": "no such model"}),
}


@pytest.mark.parametrize("kind", FATAL)
def test_a_mistake_that_every_call_meets_stops_at_once_and_can_be_mended(
    tmp_path: Path, kind: str
) -> None:
    mended = threading.Event()
    mended.set()
    good = 0

    def answer(request: Request) -> Reply:
        nonlocal good
        if not mended.is_set() and good >= 9:
            return FATAL[kind]
        good += 1
        return rules(request)

    with Server(answer) as server:
        calm, requests = undisturbed(tmp_path / "calm", server)
        mended.clear()
        good = 0
        runs = Runs.of(tmp_path / "stopped", server)
        done = runs.run("--set", "agents.response.concurrency=4")
        assert done.code == 1
        (line,) = errors(done.err)
        assert "audition resume tiny" in line
        assert "Traceback" not in done.err
        assert runs.status() == "failed"
        assert runs.sent() == 9
        refused = len(server.requests) - requests - 9
        assert 1 <= refused <= 4  # those in flight
        mended.set()
        done = runs.resume()
        assert done.code == 0, done.err
        assert len(server.requests) == 2 * requests + refused
        assert runs.exported() == calm.exported()


def test_a_run_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    with Server() as server:
        runs = Runs.of(tmp_path, server)
        assert runs.run("--set", "budget.tokens=6000").code == 3
        seen = len(server.requests)
        with runs.store() as store, store.lock_run("tiny"):
            done = runs.resume("tiny", "--set", "budget.tokens=null")
            assert done.code == 2
            (line,) = errors(done.err)
            assert "'tiny' in use by another process" in line
            assert len(server.requests) == seen
            assert runs.status() == "budget"
        assert runs.resume("tiny", "--set", "budget.tokens=null").code == 0


def test_a_cap_on_time_stops_embedded_agents_too(tmp_path: Path) -> None:
    behavioural = "agents.response={model: behavioural}"
    with Server() as server:
        calm = Runs.of(tmp_path / "calm", server)
        assert calm.run("--set", behavioural).code == 0
        runs = Runs.of(tmp_path / "capped", server)
        done = runs.run("--set", behavioural, "--set", "budget.minutes=0.000001")
        assert done.code == 3
        (line,) = errors(done.err)
        assert "budget: minutes" in line
        assert "audition resume tiny" in line
        assert runs.status() == "budget"
        assert runs.resume().code == 3
        assert runs.resume("tiny", "--set", "budget.minutes=null").code == 0
        assert runs.exported() == calm.exported()
        assert server.requests == []


# -- signals -------------------------------------------------------------------------------


class Held:
    """Answers by the rules; from the moment of :meth:`hold` no reply leaves before
    :meth:`let_go`."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self._from = 0

    def hold(self, after: int) -> None:
        """Everything after that many requests."""
        self._from = after
        self._open.clear()

    def let_go(self) -> None:
        self._open.set()

    def __call__(self, request: Request) -> Reply:
        if request.number > self._from:
            assert self._open.wait(120)
        return rules(request)


IN_FLIGHT = 4


@pytest.mark.parametrize("processes", [0, 2])
def test_ctrl_c_lets_requests_under_way_end_and_the_run_can_go_on(
    tmp_path: Path, processes: int
) -> None:
    answer = Held()
    with Server(answer) as server:
        calm, requests = undisturbed(tmp_path / "calm", server)
        answer.hold(requests + 7)
        runs = Runs.of(tmp_path / "stopped", server)
        process = runs.started(
            "run", "--set", f"agents.response.concurrency={IN_FLIGHT}",
            "--set", f"agents.response.processes={processes}",
        )  # fmt: skip
        until(process, lambda: len(server.requests) == requests + 7 + IN_FLIGHT)
        process.send_signal(signal.SIGINT)
        seen = said(process, "Ctrl-C again")
        answer.let_go()
        _, err = process.communicate(timeout=120)
        assert process.returncode == 130, seen + err
        assert "audition resume tiny" in err
        assert "Traceback" not in seen + err
        assert errors(seen + err) == []
        assert runs.status() == "interrupted"
        # All that were under way are kept, and no other was sent.
        assert runs.sent() == len(server.requests) - requests == 7 + IN_FLIGHT
        done = runs.resume()
        assert done.code == 0, done.err
        assert len(server.requests) == 2 * requests
        assert runs.exported() == calm.exported()


@pytest.mark.parametrize("processes", [0, 2])
def test_a_second_ctrl_c_ends_at_once(tmp_path: Path, processes: int) -> None:
    answer = Held()
    with Server(answer) as server:
        calm, requests = undisturbed(tmp_path / "calm", server)
        answer.hold(requests + 7)
        runs = Runs.of(tmp_path / "stopped", server)
        process = runs.started(
            "run", "--set", f"agents.response.concurrency={IN_FLIGHT}",
            "--set", f"agents.response.processes={processes}",
        )  # fmt: skip
        until(process, lambda: len(server.requests) == requests + 7 + IN_FLIGHT)
        process.send_signal(signal.SIGINT)
        seen = said(process, "Ctrl-C again")
        process.send_signal(signal.SIGINT)
        # No reply has left the server: it ends without them.
        _, err = process.communicate(timeout=120)
        assert process.returncode == 130, seen + err
        assert "Traceback" not in seen + err
        assert runs.status() == "interrupted"
        assert runs.sent() == 7
        answer.let_go()
        done = runs.resume()
        assert done.code == 0, done.err
        assert len(server.requests) == 2 * requests + IN_FLIGHT
        assert runs.exported() == calm.exported()


def test_two_processes_on_one_run_are_refused_and_a_killed_one_holds_nothing(
    tmp_path: Path,
) -> None:
    answer = Held()
    with Server(answer) as server:
        runs = Runs.of(tmp_path, server)
        answer.hold(5)
        process = runs.started("run")
        until(process, lambda: len(server.requests) > 5)
        done = runs.resume()
        assert done.code == 2
        (line,) = errors(done.err)
        assert "'tiny' in use by another process" in line
        process.kill()
        process.communicate(timeout=120)
        answer.let_go()
        assert runs.status() == "running"  # as nobody could write that it is not
        assert runs.resume().code == 0
        with runs.store() as store:
            assert list(queries.runs(store)["status"]) == ["finished"]


def until(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Wait for the server to have seen something, or fail with what the process said."""
    while not reached():
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(process.communicate())


def said(process: subprocess.Popen[str], text: str) -> str:
    """All of stderr up to the line with ``text``."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if text in line:
            return seen
    raise AssertionError(seen)
