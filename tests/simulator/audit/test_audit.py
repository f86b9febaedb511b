"""Whole audits: the shipped audience passes, those that go by position are refused."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from simulator.arms import ArmState, fit
from simulator.audit import telling
from simulator.audit.rehearsal import rehearse
from simulator.audit.state import state
from simulator.evaluation.simulated import METRICS, values
from simulator.evaluation.study import log
from simulator.progress import Progress
from simulator.scenario import changed
from simulator.storage import queries
from simulator.storage.store import Store
from simulator.world import build
from tests.simulator.command import Done, audition

SCENARIO = """
name: known
seed: 7
dataset:
  source: synthetic
  users: 600
  items: 800
  split: {train: 0.6, valid: 0.2, test: 0.2}
agents: {count: 200}
arms:
  - {name: Popularity, recommender: popularity}
  - {name: EASE, recommender: ease}
"""
"""The quickstart's world and audience, with the two of its arms that train in no time."""


def _of(double: str) -> str:
    return f"agents.response.model=tests.simulator.audit.doubles:{double}"


class Audits:
    """A folder with a store, and what the command printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "known.yaml").write_text(SCENARIO, encoding="utf-8")
        self.default = self.run("--repeats", 20)
        self.first_two = self.run(
            "--repeats", 20, "--agents", 80, "--json", "--set", _of("FirstTwo")
        )

    def run(self, *arguments: object) -> Done:
        places = ("--store", self.folder / "s.db", "--out", self.folder)
        return audition("audit", self.folder / "known.yaml", *arguments, *places)

    def document(self, run: str) -> dict[str, Any]:
        text = (self.folder / run / "audit.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found

    def store(self) -> Store:
        return Store.open(self.folder / "s.db", create=False)


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> Audits:
    return Audits(tmp_path_factory.mktemp("audits"))


def _states(document: dict[str, Any]) -> dict[str, str]:
    return {control["name"]: control["state"] for control in document["controls"]}


def test_the_shipped_audience_is_trusted(audits: Audits) -> None:
    assert audits.default.code == 0, audits.default.out
    assert "can be trusted for this question" in audits.default.out
    found = audits.document("known-audit")
    assert set(_states(found).values()) == {"pass"}, _states(found)
    assert found["schema"] == "audition.audit/1"


def test_the_same_command_again_reads_the_same_run(audits: Audits) -> None:
    before = audits.document("known-audit")
    again = audits.run("--repeats", 20)
    assert again.code == 0, again.err
    with audits.store() as store:
        assert "known-audit-3" not in set(queries.runs(store)["name"])
    after = audits.document("known-audit")
    assert {**after, "seconds": 0} == {**before, "seconds": 0}


def test_an_audience_that_takes_the_first_two_items_is_refused_loudly(audits: Audits) -> None:
    assert audits.first_two.code == 1
    assert "audit: this audience cannot be trusted: slots" in audits.first_two.err
    found = json.loads(audits.first_two.out)
    assert found == audits.document("known-audit-2")
    _refused(_states(found))


def _refused(states: dict[str, str]) -> None:
    assert states["A/A, same draw"] == states["A/A, other draws"] == "pass"
    assert states["swapped tastes"] == "cannot tell"
    for name in ("slots", "dose-response", "extremes", "agreement with the truth"):
        assert states[name] == "fail"


@pytest.mark.parametrize("double", ["LastTwo", "MiddleTwo"])
def test_so_is_one_that_takes_any_other_slots(audits: Audits, double: str) -> None:
    done = audits.run("--repeats", 20, "--agents", 40, "--json", "--set", _of(double))
    assert done.code == 1
    assert "audit: this audience cannot be trusted: slots" in done.err
    found = json.loads(done.out)
    _refused(_states(found))
    by_slot = next(c for c in found["controls"] if c["name"] == "slots")["rows"][1]
    assert by_slot["value"] > 0.95


def test_so_is_one_that_minds_items_a_little_and_the_bottom_of_the_page_much(
    audits: Audits,
) -> None:
    response = _of("BottomUp"), "agents.response.slot_effect=4"
    sets = (part for setting in response for part in ("--set", setting))
    done = audits.run("--repeats", 20, "--agents", 60, "--json", *sets)
    assert done.code == 1
    assert "audit: this audience cannot be trusted: slots" in done.err
    found = json.loads(done.out)
    states, controls = _states(found), found["controls"]
    assert (states["slots"], states["dose-response"]) == ("fail", "pass")
    assert "slot 4 is watched most" in next(c for c in controls if c["name"] == "slots")["sentence"]


def test_an_audit_is_an_ordinary_run_of_all_its_arms(audits: Audits) -> None:
    with audits.store() as store:
        run = queries.run(store, "known-audit")
        arms = queries.arms(store, "known-audit")["arm"].tolist()
    assert run.status == "finished"
    assert arms == audits.document("known-audit")["arms"]
    assert arms[:3] == ["Popularity", "EASE", "random"]
    assert len(arms) == 18


def test_ten_arms_of_known_quality_stand_in_their_true_order(audits: Audits) -> None:
    controls = {c["name"]: c for c in audits.document("known-audit")["controls"]}
    arms = controls["agreement with the truth"]["found"]["arms"]
    assert len(arms) == 10
    assert arms[0]["arm"] == "oracle"
    assert arms[-1]["arm"] == "random"
    quality = [arm["quality"] for arm in arms]
    assert quality == sorted(quality, reverse=True)
    assert all(0 <= arm["ndcg"] <= 1 and 0 <= arm["recall"] <= 1 for arm in arms)
    tau = controls["agreement with the truth"]["found"]["tau"]
    assert set(tau) == {"s_sat", "ndcg", "recall"}
    assert tau["s_sat"][1] <= tau["s_sat"][0] <= tau["s_sat"][2]


def test_a_rehearsal_gives_what_the_store_has(audits: Audits) -> None:
    """The same agents, arm and draw, played in memory and read from a run."""
    with audits.store() as store:
        run = queries.run(store, "known-audit")
        stored = values(log(store, "known-audit"))
    scenario = changed(run.scenario, [], "known-audit")
    world = build(scenario, "known.yaml")
    for name in ("EASE", "Popularity, other draw", "EASE, mixed, shuffled"):
        position = next(i for i, arm in enumerate(scenario.arms) if arm.name == name)
        arm = ArmState.begin(world, scenario.arms[position], position)
        trained = fit(world, arm, audits.folder / "checkpoints", Progress(quiet=True))
        played = rehearse(world, arm, trained, [arm.spec.luck])
        expected = stored[stored["arm"] == name]
        for metric in METRICS:
            np.testing.assert_array_equal(
                played[metric].to_numpy(np.float64), expected[metric].to_numpy(np.float64), metric
            )


def test_a_run_finds_the_audit_of_its_audience(audits: Audits) -> None:
    with audits.store() as store:
        audited = queries.run(store, "known-audit")
        found = state(store, audited)
        assert found is not None
        assert found["run"] == "known-audit"
        assert found["arms"] == ["Popularity", "Popularity, again"]
        assert (found["identical"], found["largest"], found["agents"]) == (True, 0.0, 200)
        refused = state(store, queries.run(store, "known-audit-2"))
        assert refused is not None
        assert refused["run"] == "known-audit-2"
        other = {**audited.scenario, "seed": 8}
        assert state(store, replace(audited, scenario=other)) is None


class _Outside(HTMLParser):
    """Whatever a page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get("src") or given.get("href") or ""
        if tag in ("script", "link", "iframe") or (
            address and not address.startswith("data:image/png;base64,")
        ):
            self.found.append(f"{tag} {address[:40]}")


def test_the_page_holds_all_it_needs_and_every_control(audits: Audits) -> None:
    for run in ("known-audit", "known-audit-2"):
        text = (audits.folder / run / "audit.html").read_text(encoding="utf-8")
        outside = _Outside()
        outside.feed(text)
        assert outside.found == []
        for control in audits.document(run)["controls"]:
            assert control["state"] in text
            assert control["question"].replace("'", "&#39;") in text
    figures = {path.stem for path in (audits.folder / "known-audit" / "figures").iterdir()}
    assert figures == {"dose_response", "slots", "truth"}


def test_grounding_is_named_on_the_page_and_the_terminal(audits: Audits) -> None:
    plain = audits.document("known-audit")
    assert plain["scenario"]["grounding"] == "none"
    for option in ("none", "held_out"):
        document = {**plain, "scenario": {**plain["scenario"], "grounding": option}}
        console = Console(width=300, file=io.StringIO(), record=True)
        console.print(telling.render(document))
        for text in (telling.page(document, []), console.export_text()):
            assert (", grounding: held_out" in text) == (option == "held_out")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("evaluation.primary=genre_entropy", "evaluation.primary: found genre_entropy"),
        ("agents.count=1", "agents.count: found 1; allowed: 2 or more"),
        ("replay=calls.jsonl", "replay: found calls.jsonl"),
        ("arms.EASE.recommender=magic", "magic"),
    ],
)
def test_what_cannot_be_audited_is_bad_input(audits: Audits, change: str, told: str) -> None:
    done = audits.run("--set", change)
    assert done.code == 2
    assert told in done.err
    assert len(done.err.strip().splitlines()) == 1


CHAT = """
name: asked
dataset: {source: synthetic, users: 60, items: 80, interactions: 12}
agents: {count: 6, response: {model: chat, provider: scripted, name: behavioural}}
session: {page_size: 4, max_pages: 2}
arms:
  - {name: Pop, recommender: popularity}
  - {name: EASE, recommender: ease}
"""


def test_a_chat_audience_is_asked_once_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    (tmp_path / "asked.yaml").write_text(CHAT, encoding="utf-8")
    places = ("--store", tmp_path / "s.db", "--out", tmp_path)

    def run(*arguments: object) -> Done:
        return audition("audit", tmp_path / "asked.yaml", *arguments, *places)

    stopped = run("--set", "budget.tokens=60000")
    assert stopped.code == 3
    assert run().code == 1  # six agents show nothing
    with Store.open(tmp_path / "s.db", create=False) as store:
        assert queries.runs(store)["name"].tolist() == ["asked-audit"]
        usage = queries.usage(store, "asked-audit")
    sent = dict(zip(usage["arm"], usage["calls"], strict=True))
    assert sent["Pop, again"] == 0
    assert sent["Pop, other draw"] > 0
    document = json.loads((tmp_path / "asked-audit" / "audit.json").read_text(encoding="utf-8"))
    controls = {control["name"]: control for control in document["controls"]}
    assert controls["A/A, same draw"]["state"] == "pass"
    assert controls["A/A, other draws"]["state"] == "cannot tell"
    assert not controls["A/A, other draws"]["required"]
    assert "The rate was not measured" in controls["A/A, other draws"]["sentence"]
