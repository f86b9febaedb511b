"""Tastes written by a chat model: asked once, kept, used by runs, never silently missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from agents.response import prompting
from simulator.errors import AuditionError, BudgetError, InputError
from simulator.profiles import Result, write
from simulator.progress import Progress
from simulator.run import execute, resume
from simulator.scenario import load
from simulator.storage import queries, tables
from simulator.storage.store import Store
from simulator.world import World, build

from .test_scripted_run import SMALL, exported

HERE = f"agents.response.name={__name__}"
asked: list[tuple[int, str, str]] = []


def taste(messages: list[dict[str, str]], agent: int, page: int, kind: str) -> str | dict[str, Any]:
    """Writes tastes, except of every fourth agent; nothing else is asked of it."""
    asked.append((agent, kind, messages[0]["content"]))
    if agent % 4 == 1:
        return "I had rather not say."
    return {"tastes": [f"I am agent {agent}.", "I like\nlines.\u202e", *["More."] * (agent % 3)]}


def world(*settings: str, name: str = "taste") -> World:
    chosen = load(Path("chat"), [*SMALL, f"{HERE}:{name}", "agents.profiles=chat", *settings])
    return build(chosen, "chat")


def written(store: Store, *settings: str, name: str = "taste") -> Result:
    asked.clear()
    return write(world(*settings, name=name), store, Progress(quiet=True))


def test_tastes_are_written_once_and_stand_in_the_persona(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.db") as store:
        first = written(store, "agents.count=6")
        audience = first.world.audience
        failed = [a for a in audience.agent.tolist() if a % 4 == 1]
        assert {kind for _, kind, _ in asked} == {"profile"}
        assert len(asked) == 6 + len(failed)  # a repair turn for each that could not be read
        for row, agent in enumerate(audience.agent.tolist()):
            told, persona = audience.profiles.tastes[row], audience.profiles.persona[row]
            if agent in failed:
                assert told == world("agents.count=6").audience.profiles.tastes[row]
            else:
                assert told[:2] == (f"I am agent {agent}.", "I like lines.")
                assert f"I am agent {agent}." in persona
        again = written(store, "agents.count=6")
        assert {agent for agent, _, _ in asked} == set(failed)
        assert again.world.audience.profiles.tastes == audience.profiles.tastes
        more = written(store, "agents.count=8")
        assert len({agent for agent, _, _ in asked} - set(failed)) <= 2
        assert set(audience.agent.tolist()) <= set(more.world.audience.agent.tolist())


def test_what_could_not_be_written_is_counted(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.db") as store:
        found = written(store, "agents.count=12")
    failed = sum(agent % 4 == 1 for agent in found.world.audience.agent.tolist())
    assert failed > 0
    assert f"{12 - failed} written (0 known), {failed} derived (invalid {failed})" in found.line
    facts = found.facts["profiles"]
    assert (facts["written"], facts["derived"]) == (12 - failed, failed)
    assert facts["failures"] == {"invalid": failed}
    assert facts["tokens"] == found.spent.tokens > 0


def test_titles_cannot_leave_the_frame(tmp_path: Path) -> None:
    text = prompting.render(
        "profile.j2", lines=[prompting.as_json({"title": "</rated> {{ 7 * 7 }}"})], scale=None
    )
    assert text.count("</rated>") == 1
    assert "{{ 7 * 7 }}" in text
    with Store.open(tmp_path / "runs.db") as store:
        written(store, "agents.count=3")
    for _, _, prompt in asked:
        rated = prompt.split("<rated>\n")[1].split("\n</rated>")[0].splitlines()
        assert 0 < len(rated) <= 30
        assert all({"title", "rating"} <= json.loads(line).keys() for line in rated)


def test_a_budget_stops_and_the_same_command_goes_on(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.db") as store:
        with pytest.raises(BudgetError, match="the same command goes on"):
            written(store, "agents.count=12", "budget.tokens=9000", "agents.response.concurrency=1")
        with store.engine.connect() as connection:
            kept = connection.scalar(sa.select(sa.func.count()).select_from(tables.profile_calls))
        assert kept is not None
        assert 0 < kept < 12
        assert "0 known" not in written(store, "agents.count=12").line


def test_without_a_chat_model_nobody_can_write() -> None:
    chosen = load(Path("quickstart"), ["agents.profiles=chat", "agents.count=5"])
    with (
        Store.open("sqlite://") as store,
        pytest.raises(InputError, match="no chat model to write them"),
    ):
        write(build(chosen, "quickstart"), store, Progress(quiet=True))


# -- runs ------------------------------------------------------------------------------------


def play(folder: Path, *settings: str, scenario: str = "chat") -> str:
    chosen = load(Path(scenario), [*SMALL[:-2], "agents.profiles=chat", *settings])
    return _executed(folder, chosen, scenario)


def _executed(folder: Path, chosen: Any, scenario: str) -> str:
    folder.mkdir(exist_ok=True)
    with Store.open(folder / "runs.db") as store:
        places: dict[str, Any] = {"checkpoints": folder / "checkpoints"}
        return execute(chosen, scenario, store, name=None, progress=Progress(quiet=True), **places)


def test_a_run_uses_them_says_so_and_is_replayed_without_asking(tmp_path: Path) -> None:
    recording = tmp_path / "calls.jsonl"
    play(tmp_path / "live", f"record={recording}")
    with Store.open(tmp_path / "live" / "runs.db") as store:
        facts = queries.run(store).dataset["profiles"]
        people = queries.agents(store)
    assert facts["written"] == 12
    assert len(json.loads(recording.read_text().splitlines()[0])["tastes"]) == 12
    assert all(told[0] in text for told, text in zip(people.tastes, people.persona, strict=True))
    play(tmp_path / "again", f"replay={recording}")
    assert exported(tmp_path / "live") == exported(tmp_path / "again")
    with Store.open(tmp_path / "again" / "runs.db") as store, store.engine.connect() as connection:
        assert not connection.scalar(sa.select(sa.func.count()).select_from(tables.profile_calls))


def test_a_stopped_run_goes_on_with_the_tastes_it_was_begun_with(tmp_path: Path) -> None:
    play(tmp_path / "whole")
    stopped = tmp_path / "stopped"
    with pytest.raises(BudgetError):
        play(stopped, "budget.tokens=30000")
    with Store.open(stopped / "runs.db") as store:
        with store.transaction() as connection:
            connection.execute(tables.profile_calls.delete())
        run = queries.run(store).name
        resume(
            run,
            store,
            overrides=["budget.tokens=null"],
            checkpoints=stopped / "checkpoints",
            progress=Progress(quiet=True),
        )
        with store.engine.connect() as connection:
            assert not connection.scalar(
                sa.select(sa.func.count()).select_from(tables.profile_calls)
            )
    assert exported(tmp_path / "whole") == exported(stopped)


def test_a_run_without_a_chat_model_derives_and_counts(tmp_path: Path) -> None:
    settings = ["agents.profiles=chat", "agents.count=5", "dataset.users=120", "dataset.items=240"]
    chosen = load(Path("chat"), [*settings, "agents.response={model: behavioural}"])
    _executed(tmp_path, chosen, "chat")
    with Store.open(tmp_path / "runs.db") as store:
        facts = queries.run(store).dataset["profiles"]
    assert facts["derived"] == 5
    assert facts["failures"] == {"no model": 5}


def test_an_endpoint_that_cannot_be_used_stops_before_anything_is_played(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"fault": {"status": 401}}\n' * 20, encoding="utf-8")
    with pytest.raises(AuditionError, match=r"profiles: .*401"):
        play(tmp_path, f"agents.response.name={tmp_path / 'bad.jsonl'}")
    with Store.open(tmp_path / "runs.db") as store:
        assert len(queries.runs(store)) == 0
