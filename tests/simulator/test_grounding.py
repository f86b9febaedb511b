"""``grounding: held_out``: agents answer from true ratings, recommenders never see them, and
results say how much rests on it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from rich.console import Console

from recommenders.interface import Interactions, Items, Query
from recommenders.popularity import Popularity
from simulator import comparing, grounding, recording, transcript
from simulator.arms import ArmState, fit, remember
from simulator.errors import InputError
from simulator.evaluation.grounding import ADDITIVE, session_parts
from simulator.evaluation.simulated import Log
from simulator.evaluation.summary import summarise
from simulator.model import Sessions
from simulator.progress import Progress
from simulator.report import terminal, terminal_ab
from simulator.report.wording import signed
from simulator.report.write import write
from simulator.run import execute, identity
from simulator.scenario import Scenario, changed
from simulator.world import World, build

from .command import audition
from .evaluation.test_summary import SCHEMA, faults
from .test_bad_input import LOG
from .test_model import EASE, FIRST, POP, Played, of, scenario

ON: dict[str, Any] = {"grounding": "held_out"}
SPLIT = {"train": 0.5, "valid": 0.2, "test": 0.3}
DATA = {"source": "synthetic", "users": 60, "items": 80, "interactions": 20, "split": SPLIT}
SWAPPED = {**EASE, "name": "Swapped", "tastes": "swapped"}
SCRIPTED = {"model": "chat", "provider": "scripted", "name": "behavioural"}
QUIET = Progress(quiet=True)


def grounded(*arms: dict[str, Any], **changes: Any) -> Scenario:
    return scenario(*arms, **{"dataset": DATA, "agents": {"count": 40}, **ON, **changes})


def truth(world: World, parts: tuple[str, ...] = ("valid", "test")) -> dict[tuple[int, int], float]:
    """The ratings of the held-out parts by user and item."""
    out: dict[tuple[int, int], float] = {}
    for name in parts:
        part = getattr(world.split, name)
        out |= dict(
            zip(zip(part.user.tolist(), part.item.tolist(), strict=True), part.rating, strict=True)
        )
    return out


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with Played(tmp_path_factory.mktemp("grounded"), grounded(POP, EASE, SWAPPED)) as run:
        yield run


# -- agents --------------------------------------------------------------------------------------


def test_agents_recognise_all_that_is_held_out_and_may_be_shown() -> None:
    world = build(grounded(session={"hide": ["train", "test"]}), "test")
    known = world.audience.recognised
    assert known is not None
    rated = truth(world, ("valid",))
    row = np.repeat(np.arange(len(world.audience)), np.diff(known.indptr))
    pairs = zip(world.audience.agent[row].tolist(), known.item.tolist(), strict=True)
    found = dict(zip(pairs, known.rating.tolist(), strict=True))
    assert found == {k: v for k, v in rated.items() if k[0] in set(world.audience.agent.tolist())}
    assert grounding.facts(world) == {
        "grounding": {"held_out": len(found), "recognised": len(found)}
    }


@pytest.mark.parametrize("response", [{"model": "behavioural"}, SCRIPTED])
def test_what_is_recognised_is_rated_as_its_user_did(
    tmp_path: Path, response: dict[str, Any]
) -> None:
    chosen = grounded(EASE, agents={"count": 20, "response": response})
    rated = truth(build(chosen, "test"))
    with Played(tmp_path, chosen) as run:
        shown = run.exposures
    pairs = list(zip(shown["agent"].tolist(), shown["item"].tolist(), strict=True))
    assert shown["relevant"].tolist() == [pair in rated for pair in pairs]
    seen = shown[shown["relevant"].astype(bool) & shown["watched"].astype(bool)]
    assert len(seen) > 20
    wanted = [rated[pair] for pair in zip(seen["agent"], seen["item"], strict=True)]
    assert seen["rating"].tolist() == wanted
    assert len(set(wanted)) > 2


def test_both_ways_of_playing_the_model_are_the_same(tmp_path: Path) -> None:
    columns = ["agent", "page", "slot", "item", "watched", "rating"]
    both = []
    for name, response in (("plain", {"model": "behavioural"}), ("chat", SCRIPTED)):
        chosen = grounded(EASE, agents={"count": 10, "response": response})
        with Played(tmp_path / name, chosen) as run:
            both.append(of(run.exposures, "EASE")[columns])
    pd.testing.assert_frame_equal(both[0], both[1])


def test_nothing_is_recognised_without_the_option() -> None:
    world = build(grounded(grounding="none"), "test")
    assert world.audience.recognised is None
    assert grounding.facts(world) == {}


def test_a_scenario_from_before_the_option_is_the_same_scenario() -> None:
    now = grounded(grounding="none")
    stored = now.resolved()
    del stored["grounding"]
    before = changed(stored, [], "run t")
    assert before.grounding == "none"
    assert identity(before) == identity(now) != identity(grounded())


def test_what_is_measured_against_the_truth_never_uses_it() -> None:
    world, said = build(grounded(), "test"), list[str]()
    plain = grounding.without(world, said.append, "fidelity")
    assert plain.audience.recognised is None
    assert plain.scenario.grounding == "none"
    assert said == ["fidelity never uses grounding: held_out; agents answer from their model alone"]
    assert grounding.without(plain, said.append, "fidelity") is plain
    assert len(said) == 1


def test_fidelity_is_the_same_with_the_option(tmp_path: Path) -> None:
    found = []
    for option in ("none", "held_out"):
        done = audition(
            *("fidelity", "quickstart", "--agents", 40, "--out", tmp_path / option, "--json"),
            *("--set", "dataset.users=80", "--set", f"grounding={option}"),
        )
        assert done.code == 0, done.err
        document = json.loads(done.out)
        document.pop("seconds", None)
        found.append(document)
        assert ("never uses grounding: held_out" in done.err) == (option == "held_out")
    assert found[0] == found[1]


# -- recommenders --------------------------------------------------------------------------------


def test_recommenders_are_trained_and_asked_alike(tmp_path: Path) -> None:
    scores = []
    for option in ("none", "held_out"):
        world = build(grounded(EASE, grounding=option), "test")
        arm = ArmState.begin(world, world.scenario.arms[0], 0)
        trained = fit(world, arm, tmp_path / option, QUIET)
        scores.append(trained.scores(Query(world.audience.agent, arm.histories)))
    np.testing.assert_array_equal(scores[0], scores[1])


class Onlooker(Popularity):
    """Popularity that keeps what it was given to learn from."""

    given: ClassVar[list[tuple[Interactions, Interactions | None]]] = []

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        **rest: Any,
    ) -> Self:
        type(self).given.append((train, valid))
        return super().fit(train, items, valid=valid, **rest)


def test_no_recommender_is_handed_a_held_out_rating(tmp_path: Path) -> None:
    arm = {"name": "Onlooker", "recommender": f"{__name__}:Onlooker"}
    chosen = grounded(arm, rounds=2, feedback="viewed")
    held_out = set(truth(build(chosen, "test")))
    Onlooker.given.clear()
    with Played(tmp_path, chosen) as run:
        assert run.exposures.query("relevant == True")["watched"].any()
    assert len(Onlooker.given) == 2
    for train, valid in Onlooker.given:
        assert not set(zip(train.user.tolist(), train.item.tolist(), strict=True)) & held_out
        assert valid is not None
        assert valid.rating is None
        assert len(valid)


def test_no_held_out_pair_or_rating_is_learned_from() -> None:
    world = build(grounded(EASE, rounds=2, feedback="viewed"), "test")
    arm = ArmState.begin(world, world.scenario.arms[0], 0)
    before, held_out = arm.train, truth(world)
    sessions = Sessions.open(len(world.audience), 4, 5)
    for row, user in enumerate(world.audience.agent.tolist()):
        items = [item for of, item in held_out if of == user][:3] + _new(world, user)[:2]
        sessions.shown[row, : len(items)] = items
        sessions.watched[row, : len(items)] = True
    sessions.turned[:, :2] = True
    remember(world, arm, sessions)
    learned = set(zip(arm.train.user.tolist(), arm.train.item.tolist(), strict=True))
    assert not learned & set(held_out)
    assert len(arm.train) == len(before) + 2 * len(world.audience)
    assert arm.train.rating is not None
    assert np.isnan(arm.train.rating[len(before) :]).all()


def _new(world: World, user: int) -> list[int]:
    events = world.dataset.interactions
    own: npt.NDArray[np.int64] = events.item[events.user == user]
    return [item for item in range(world.dataset.n_items) if item not in set(own.tolist())]


# -- what a result says --------------------------------------------------------------------------


def log() -> Log:
    """Two sessions of arm A: one watched 2 of 4 and liked 1, of which it recognised 1 and 1;
    the other was lost."""
    sessions = pd.DataFrame(
        {"arm": "A", "round": 1, "agent": [0, 1], "outcome": ["ok", "transport"]}
    )
    exposures = pd.DataFrame(
        {
            "arm": "A",
            "round": 1,
            "agent": [0, 0, 0, 0, 1],
            "item": [1, 2, 3, 4, 1],
            "watched": [1.0, 1.0, 0.0, 0.0, np.nan],
            "rating": [5.0, 3.0, np.nan, np.nan, np.nan],
            "relevant": [True, False, True, False, True],
        }
    )
    return Log(sessions, exposures, ((),) * 5)


def test_the_parts_of_a_session_by_hand() -> None:
    found = session_parts(log()).to_dict("records")
    assert {key: found[0][key] for key in found[0] if key not in ("arm", "round", "agent")} == {
        "shown": 0.5,
        "watched": 0.5,
        "liked": 1.0,
        "p_view.recognised": 0.25,
        "p_view.own": 0.25,
        "n_like.recognised": 1.0,
        "n_like.own": 0.0,
        "p_like.recognised": 0.25,
        "p_like.own": 0.0,
    }
    assert np.isnan(found[1]["p_view.own"])


def test_both_parts_are_the_difference(played: Played) -> None:
    summary = summarise(played.store, played.name)
    assert not list(faults(summary, SCHEMA))
    found = summary["grounding"]
    assert (found["option"], found["exact"]) == ("held_out", True)
    compared = {(row["arm"], row["metric"]): row for row in summary["comparisons"]}
    assert {(row["arm"], row["metric"]) for row in found["splits"]} == {
        ("EASE", metric) for metric in ADDITIVE
    }
    for row in found["splits"]:
        whole = compared[row["arm"], row["metric"]]
        parts = row["recognised"]["difference"] + row["own"]["difference"]
        assert row["difference"] == parts == pytest.approx(whole["difference"], abs=1e-12)
        assert row["n"] == whole["n"]
        assert row["recognised"]["difference"] != 0
    assert "s_sat" in found["not_split"]
    assert "p_view" not in found["not_split"]


def test_shares_are_what_the_log_says(played: Played) -> None:
    found = summarise(played.store, played.name)["grounding"]["arms"]
    shown = of(played.exposures, "EASE")
    share = shown["relevant"].astype(float).groupby(shown["agent"]).mean()
    assert found["EASE"]["shown"]["mean"] == pytest.approx(share.mean())
    assert found["EASE"]["shown"]["low"] < share.mean() < found["EASE"]["shown"]["high"]
    liked = shown[shown["rating"] >= 4]
    share = liked["relevant"].astype(float).groupby(liked["agent"]).mean()
    assert found["EASE"]["liked"]["mean"] == pytest.approx(share.mean())
    assert found["EASE"]["liked"]["n"] == len(share)
    assert found["Swapped"] is None  # agents know what somebody else rated


def test_it_is_named_wherever_a_result_shows(played: Played, tmp_path: Path) -> None:
    summary = summarise(played.store, played.name)
    printed = _text(*terminal.run_page(summary))
    assert printed.count("grounding: held_out") == 1
    assert "Grounding: held_out: answered from held-out ratings" in printed
    assert "--set grounding=none" in printed
    page = write(played.store, played.name, tmp_path).read_text(encoding="utf-8")
    assert "<h2>Grounding: held_out</h2>" in page
    assert "behavioural model, grounding: held_out" in page
    assert "from recognised items" in page
    assert "not known" in page
    compared = _text(*terminal_ab.blocks(_compared(played), every=False))
    assert "grounding: held_out" in compared
    split = next(r for r in summary["grounding"]["splits"] if r["metric"] == "p_view")
    own = signed(split["own"]["difference"], 3)
    assert f"P_view: EASE {signed(split['difference'], 3)} = " in compared
    assert f"{own} among others (a sum, not what either would be alone)" in compared
    agent = int(played.exposures.query("relevant == True and arm == 'EASE'")["agent"].iloc[0])
    document = transcript.transcript(played.store, played.name, agent, "EASE")
    told = _text(transcript.render(document))
    assert "answers by behavioural, grounding: held_out" in told
    assert "held out, recognised" in told
    swapped = transcript.transcript(played.store, played.name, agent, "Swapped")
    marks = [i["recognised"] for p in swapped["visits"][0]["pages"] for i in p["items"]]
    assert marks == [None] * len(marks)


def test_without_the_option_nothing_is_said_of_it(tmp_path: Path) -> None:
    with Played(tmp_path / "run", grounded(POP, EASE, grounding="none")) as run:
        summary = summarise(run.store, run.name)
        page = write(run.store, run.name, tmp_path / "out").read_text(encoding="utf-8")
        printed = _text(*terminal.run_page(summary))
        document = transcript.transcript(run.store, run.name, int(run.exposures["agent"].iloc[0]))
    assert "grounding" not in summary
    assert "grounding" not in summary["dataset"]
    assert "Grounding" not in page
    assert "grounding" not in printed.lower()
    assert document["run"]["grounding"] == "none"
    assert not any(i["recognised"] for p in document["visits"][0]["pages"] for i in p["items"])


def test_plan_names_it() -> None:
    small = ["--set", "dataset.users=80", "--agents", 20, "--set", "grounding=held_out"]
    assert "behavioural agents, grounding: held_out" in audition("plan", "quickstart", *small).out


def _compared(played: Played) -> dict[str, Any]:
    return comparing.document(played.store, played.name)


def _text(*blocks: Any) -> str:
    console = Console(width=300, record=True, file=io.StringIO())
    for block in blocks:
        console.print(block)
    return console.export_text()


# -- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"session": {"hide": ["train", "valid", "test"]}}, r"session\.hide.*take valid or test"),
        ({"dataset": {**DATA, "split": {"train": 1.0}}}, "holds nothing of these users"),
        ({"agents": {"count": 4, "response": FIRST}}, "does not answer from"),
        (
            {"agents": {"count": 4, "response": {**SCRIPTED, "protocol": "agent4rec"}}},
            "allowed: none: the prompts of protocol agent4rec are the published ones",
        ),
    ],
)
def test_a_mistake_is_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        build(grounded(**changes), "test")
    assert str(caught.value).startswith("test: grounding: found held_out")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("there", "asked"), [("held_out", "none"), ("none", "held_out")])
def test_a_recording_of_another_grounding_is_not_replayed(
    tmp_path: Path, there: str, asked: str
) -> None:
    spec = {"count": 4, "response": SCRIPTED}
    with Played(tmp_path, grounded(POP, agents=spec, grounding=there)) as run:
        recording.record(run.store, run.name, tmp_path / "calls.jsonl")
        other = grounded(POP, agents=spec, grounding=asked, replay=str(tmp_path / "calls.jsonl"))
        said = f"grounding: found {there}; allowed: {asked}, the scenario's"
        with pytest.raises(InputError, match=said) as caught:
            execute(other, "test", run.store, name="other", checkpoints=tmp_path, progress=QUIET)
    assert f"--set grounding={there}" in str(caught.value)


def test_data_without_ratings_is_one_line(tmp_path: Path) -> None:
    bare = "\n".join(",".join(line.split(",")[:2]) for line in LOG.splitlines())
    (tmp_path / "log.csv").write_text(bare, encoding="utf-8")
    data = {
        "source": "csv",
        "path": str(tmp_path / "log.csv"),
        "columns": {"user": "user", "item": "item"},
        "split": SPLIT,
    }
    with pytest.raises(InputError, match="holds no ratings in valid and test"):
        build(grounded(dataset=data, agents={"count": 5}), "test")
