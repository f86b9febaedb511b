"""Runs that end when they are decided: who came meets what it would have met in a run of fixed
size, and what is decided is what the report says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from simulator.errors import BudgetError
from simulator.evaluation import anytime, study
from simulator.evaluation.summary import summarise
from simulator.model import Audition
from simulator.progress import Progress
from simulator.run import resume
from simulator.scenario import Scenario
from simulator.storage import queries
from simulator.storage.export import export
from tests.agents.chat.server import Server

from .chat_runs import Runs, with_tastes
from .test_model import EASE, POP, RANDOM, Played

SIMILAR = {**EASE, "name": "Similar", "l2": 300.0}


def scenario(*arms: dict[str, Any], count: int = 90, **evaluation: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "t",
            "seed": 5,
            "dataset": {"source": "synthetic", "users": 120, "items": 90, "interactions": 15},
            "agents": {"count": count},
            "session": {"page_size": 4, "max_pages": 4},
            "arms": list(arms),
            "evaluation": {"stop": "anytime", **evaluation},
        }
    )


def fixed(chosen: Scenario) -> Scenario:
    evaluation = chosen.evaluation.model_copy(update={"stop": "fixed"})
    return chosen.model_copy(update={"evaluation": evaluation})


def exported(played: Played, folder: Path) -> dict[str, bytes]:
    files = export(played.store, played.name, folder / "export", "csv")
    return {file.name: file.read_bytes() for file in files}


FRAMES = ("sessions", "exposures", "pages", "interviews", "agents")


def frames(played: Played) -> dict[str, pd.DataFrame]:
    return {name: getattr(queries, name)(played.store, played.name) for name in FRAMES}


def test_who_came_did_what_it_does_in_a_run_of_fixed_size(tmp_path: Path) -> None:
    diluted = {**EASE, "name": "Diluted", "dilute": 0.9}
    swapped = {**EASE, "name": "Swapped", "tastes": "swapped", "order": "shuffled"}
    margins = {"p_view": 0.12}
    chosen = scenario(
        *(EASE, RANDOM, diluted, swapped), primary="p_view", margins=margins, look_every=7
    )
    with Played(tmp_path / "a", chosen) as played, Played(tmp_path / "b", fixed(chosen)) as whole:
        came, everybody = frames(played), frames(whole)
        assert sorted(came["agents"]["arrival"]) == list(range(1, len(came["agents"]) + 1))
        assert 30 <= len(came["agents"]) < 90
        assert set(came["sessions"]["agent"]) == set(came["agents"]["agent"])
        for name in FRAMES:
            there = everybody[name]["agent"].isin(came["agents"]["agent"])
            expected = everybody[name][there].reset_index(drop=True)
            pd.testing.assert_frame_equal(came[name], expected)
        steps = queries.steps(played.store, played.name)
        first = steps[steps["step"] == 1]
        assert (first["active"] + first["exits"] == len(came["agents"])).all()


def test_the_report_says_what_ended_the_run(tmp_path: Path) -> None:
    margins = {"p_view": 0.08}
    chosen = scenario(POP, RANDOM, EASE, primary="p_view", margins=margins, look_every=5)
    with Played(tmp_path, chosen) as played:
        looks = anytime.looks(study.read(played.store, played.name))
        summary = summarise(played.store, played.name)
        came = len(queries.agents(played.store, played.name))
    assert looks["came"].unique().tolist() == list(range(30, came + 1, 5))
    open_ = looks[looks["verdict"] == "inconclusive"]
    assert 30 < came < 90
    # At every look but the last some arm was open.
    assert sorted(open_["came"].unique()) == list(range(30, came, 5))
    last = looks[looks["came"] == came].set_index("arm")
    primary = [row for row in summary["comparisons"] if row["role"] == "primary"]
    assert [row["arm"] for row in primary] == ["Random", "EASE"]
    for row in primary:
        assert row["interval"] == "anytime"
        assert row["n"] == came
        for field in ("difference", "low", "high", "verdict"):
            assert row[field] == last.loc[row["arm"], field]
        assert row["needed"] is None
        assert row["minimum_detectable"] > (row["high"] - row["low"]) / 2


def test_a_twin_is_not_decided_before_everybody_came(tmp_path: Path) -> None:
    """Agents that never differ tell nothing of how much others might."""
    with Played(tmp_path, scenario(EASE, {**EASE, "name": "Twin"})) as played:
        assert len(queries.agents(played.store, played.name)) == 90
        (row,) = [r for r in summarise(played.store)["comparisons"] if r["role"] == "primary"]
        assert row["verdict"].startswith("no difference larger than")


def test_what_cannot_be_decided_ends_with_the_audience_as_a_run_of_fixed_size(
    tmp_path: Path,
) -> None:
    chosen = scenario(EASE, SIMILAR, count=45, margins={"s_sat": 1e-9}, look_every=20)
    with Played(tmp_path / "a", chosen) as played, Played(tmp_path / "b", fixed(chosen)) as whole:
        assert exported(played, tmp_path / "a") == exported(whole, tmp_path / "b")
        looks = anytime.looks(study.read(played.store, played.name))
        pd.testing.assert_frame_equal(looks, anytime.looks(study.read(whole.store, whole.name)))
    assert looks["came"].tolist() == [40, 45]
    assert set(looks["verdict"]) == {"inconclusive"}


def test_verdicts_may_follow_covariates(tmp_path: Path) -> None:
    chosen = scenario(POP, EASE, primary="p_view", adjust=True)
    with Played(tmp_path, chosen) as played:
        looks = anytime.looks(study.read(played.store, played.name))
        primary = [r for r in summarise(played.store)["comparisons"] if r["role"] == "primary"]
    assert primary[0]["adjusted"] is not None
    assert looks["verdict"].iloc[-1] == primary[0]["verdict"]


def test_interrupted_in_a_batch_and_resumed_it_ends_as_if_undisturbed(tmp_path: Path) -> None:
    chosen = scenario(POP, RANDOM, EASE, count=45, primary="p_view", look_every=12)
    with Played(tmp_path / "a", chosen) as calm:
        expected = exported(calm, tmp_path / "a")
    play, batches = Audition.play, [0]

    def stops(self: Audition, on_step: Any) -> Any:
        def on_page(active: int) -> None:
            on_step(active)
            if batches[0] == 8:  # the second arm of the third batch, after its first page
                raise KeyboardInterrupt

        batches[0] += 1
        return play(self, on_page)

    folder = tmp_path / "b"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Audition, "play", stops)
        with pytest.raises(KeyboardInterrupt):
            Played(folder, chosen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Played, "run", staticmethod(again))
        with Played(folder, chosen) as resumed:
            assert queries.run(resumed.store).status == "finished"
            assert exported(resumed, folder) == expected


def again(chosen: Scenario, store: Any, folder: Path) -> str:
    assert queries.run(store).status == "interrupted"
    return resume(
        chosen.name, store, checkpoints=folder / "checkpoints", progress=Progress(quiet=True)
    )


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({"rounds": 2}, "rounds: 1"),
        ({"worlds": 2}, "worlds: 1"),
        ({"agents": {"replicates": 2}}, "agents.replicates: 1"),
        ({"arms": [POP]}, "an arm to compare the control with"),
        ({"evaluation": {"stop": "anytime", "interval": "bca"}}, "interval: t"),
    ],
)
def test_what_cannot_be_stopped_early_is_told(changes: dict[str, Any], needs: str) -> None:
    plain = {**scenario(POP, EASE).resolved(), **changes}
    with pytest.raises(ValidationError, match=f"stop: anytime needs {needs}"):
        Scenario.model_validate(plain)


# -- chat agents ------------------------------------------------------------------------------

CHAT = [
    *("--agents", "48", "--set", "session.max_pages=2", "--set", "session.page_size=2"),
    *("--set", "evaluation.stop=anytime", "--set", "evaluation.look_every=16"),
    *("--set", "evaluation.primary=s_sat", "--set", "evaluation.margins.s_sat=20"),
    *("--set", "arms.Again.recommender=random"),
    *("--set", "agents.profiles=chat"),
]
"""A margin so wide that the first look decides. Tastes are written for all who could come."""


def test_chat_agents_come_in_batches_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    with Server(with_tastes) as server:
        runs = Runs.of(tmp_path / "calm", server)
        done = runs.run(*CHAT)
        assert done.code == 0, done.err
        assert len(runs.agents()) == 32
        assert "32 agents came; s_sat against Pop: Again " in done.err
        requests = len(server.requests)
        assert runs.run(*CHAT, "--name", "whole", "--set", "evaluation.stop=fixed").code == 0
        came = runs.agents()["agent"]
        with runs.store() as store:
            for read in (queries.sessions, queries.exposures, queries.interviews):
                whole = read(store, "whole")
                expected = whole[whole["agent"].isin(came)].reset_index(drop=True)
                pd.testing.assert_frame_equal(read(store, "tiny"), expected)
        stopped = Runs.of(tmp_path / "stopped", server)
        before = len(server.requests)
        calls = runs.calls()
        tokens = int((calls["tokens_in"] + calls["tokens_out"])[~calls["cached"]].sum())
        with runs.store() as store:
            profiles = queries.run(store, "tiny").dataset["profiles"]["tokens"]
        cap = profiles + tokens * 3 // 4
        done = stopped.run(*CHAT, "--set", f"budget.tokens={cap}")
        assert done.code == BudgetError.exit_code
        assert stopped.status() == "budget"
        assert 16 <= len(stopped.agents()) <= 32
        assert stopped.resume("tiny", "--set", "budget.tokens=null").code == 0
        assert len(server.requests) - before == requests
        assert stopped.exported() == runs.exported()
