"""``audition plan --from`` and ``--pilot``: agents for a wanted difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator import family
from simulator.evaluation.paired import paired
from simulator.evaluation.power import detectable, needed, power
from simulator.evaluation.study import read
from simulator.progress import Progress
from simulator.scenario import load
from simulator.storage import queries
from simulator.storage.store import Store

from .command import audition
from .test_scripted_run import SMALL as CHAT

SMALL = (
    *("dataset.users=60", "dataset.items=60", "dataset.interactions=12", "agents.count=40"),
    "arms=[{name: Random, recommender: random}, {name: Pop, recommender: popularity}]",
    "control=Random",
)
SETS = [part for setting in SMALL for part in ("--set", setting)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the run ``single`` and the families ``twice`` and ``worlds``."""
    folder = tmp_path_factory.mktemp("sizing")
    kinds = {"single": (), "twice": ("agents.replicates=3",), "worlds": ("worlds=3",)}
    with Store.open(folder / "s.db") as store:
        for name, more in kinds.items():
            family.play(
                load(Path("quickstart"), [*SMALL, *more]),
                "quickstart",
                store,
                name=name,
                checkpoints=folder / "checkpoints",
                progress=Progress(quiet=True),
            )
    return folder / "s.db"


def sized(store: Path, *arguments: object) -> dict[str, Any]:
    done = audition("plan", "quickstart", *SETS, "--store", store, *arguments, "--json")
    assert done.code == 0, done.err
    size: dict[str, Any] = json.loads(done.out)["size"]
    return size


def refused(store: Path, *arguments: object) -> str:
    done = audition("plan", "quickstart", *SETS, "--store", store, *arguments)
    assert done.code == 2
    assert done.err.count("\n") == 1
    return done.err


# -- from a stored run -----------------------------------------------------------------------


def test_the_spread_is_that_of_the_runs_paired_differences(stored: Path) -> None:
    size = sized(stored, "--from", "single", "--metric", "p_view", "--difference", 0.1)
    (arm,) = size["arms"]
    with Store.open(stored) as store:
        values = read(store, "single").values.set_index("agent")
    by_arm = {name: values.loc[values["arm"] == name, "p_view"] for name in ("Random", "Pop")}
    a, b = by_arm["Pop"], by_arm["Random"].reindex(by_arm["Pop"].index)
    assert (arm["arm"], arm["control"], arm["units"]) == ("Pop", "Random", 40)
    assert arm["sd"] == pytest.approx((a - b).std(ddof=1))
    assert arm["sd_unpaired"] == pytest.approx(np.hypot(a.std(ddof=1), b.std(ddof=1)))
    assert arm["correlation"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert arm["detectable"] == pytest.approx(detectable(40) * arm["sd"])
    assert arm["needed"] == needed(0.1 / arm["sd"])
    assert arm["needed_unpaired"] == needed(0.1 / arm["sd_unpaired"])
    assert power(arm["needed"], 0.1 / arm["sd"]) >= 0.8


def test_more_power_and_smaller_differences_need_more_agents(stored: Path) -> None:
    def agents(difference: float, *more: object) -> int:
        size = sized(stored, "--from", "single", "--difference", difference, *more)
        return int(size["arms"][0]["needed"])

    assert agents(1.0) < agents(0.5) < agents(0.5, "--power", 0.9)


def test_a_size_that_the_data_can_give_is_priced(stored: Path) -> None:
    size = sized(stored, "--from", "single", "--difference", 1.0)
    (arm,) = size["arms"]
    assert 2 <= arm["needed"] <= size["users"] == 60
    assert arm["advice"] is None
    assert arm["cost"]["calls"] == {"expected": 0, "most": 0}


def test_too_few_users_are_said_with_what_to_do(stored: Path) -> None:
    (arm,) = sized(stored, "--from", "single", "--difference", 0.01)["arms"]
    assert arm["needed"] > 60
    assert arm["cost"] is None
    assert "60 users" in arm["advice"]
    assert "agents.replicates=3" in arm["advice"]


def test_replicates_tell_how_many_more_would_do(stored: Path) -> None:
    once = sized(stored, "--from", "twice", "--difference", 0.01)["arms"][0]
    assert "60 users" in once["advice"]
    assert ("are enough" in once["advice"]) != ("no number of replicates" in once["advice"])
    more = sized(stored, "--from", "twice", "--set", "agents.replicates=3")["arms"][0]
    assert more["sd"] < once["sd"]
    with Store.open(stored) as store:
        study = read(store, "twice")
        by_agent = study.values.groupby(["arm", "agent"], observed=True)["s_sat"].mean()
    pair = paired(by_agent["Random"].to_numpy(), by_agent["Pop"].to_numpy(), 0.95)
    assert more["sd"] == pytest.approx(pair.standard_error * 40**0.5, rel=0.05)


def test_without_a_difference_the_detectable_one_and_a_table_are_told(stored: Path) -> None:
    size = sized(stored, "--from", "single")
    assert size["arms"][0]["needed"] is None
    assert [one["units"] for one in size["standardised"]] == [787, 199, 90, 34]


def test_worlds_are_the_unit_of_several_worlds(stored: Path) -> None:
    size = sized(stored, "--from", "worlds", "--set", "worlds=5", "--difference", 0.3)
    assert (size["unit"], size["planned"], size["arms"][0]["units"]) == ("world", 5, 3)
    assert size["arms"][0]["advice"] is None
    assert size["arms"][0]["cost"]["seconds"]["expected"] >= 0


def test_worlds_and_replicates_multiply_sessions() -> None:
    def sessions(*more: object) -> int:
        done = audition("plan", "quickstart", *SETS, *more, "--json")
        assert done.code == 0, done.err
        return int(json.loads(done.out)["sessions"])

    assert sessions() == 80
    assert sessions("--set", "worlds=3", "--set", "agents.replicates=2") == 480


# -- without one, and with a pilot -------------------------------------------------------------


def test_without_a_pilot_a_line_says_how_to_get_one() -> None:
    done = audition("plan", "quickstart", *SETS, "--difference", 0.1)
    assert done.code == 0, done.err
    text = " ".join(done.out.split())
    assert "--pilot N" in text
    assert "0.2: 199, 0.3: 90" in text
    assert "a difference of 0.1 in s_sat needs their spread" in text


def test_a_pilot_is_an_ordinary_run(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    arguments = ("--pilot", 12, "--store", store, "--out", tmp_path, "--difference", 0.3)
    done = audition("plan", "quickstart", *SETS, *arguments)
    assert done.code == 0, done.err
    assert "pilot of 12 agents: no calls, no cost" in done.err
    assert "by the spread in quickstart-pilot" in " ".join(done.out.split())
    with Store.open(store) as opened:
        assert queries.run(opened, "quickstart-pilot").status == "finished"
        assert len(queries.agents(opened, "quickstart-pilot")) == 12


def test_what_a_pilot_of_a_chat_model_costs_is_said_before_it_is_asked(tmp_path: Path) -> None:
    sets = [part for setting in CHAT for part in ("--set", setting)]
    where = ("--store", tmp_path / "s.db", "--out", tmp_path)
    done = audition("plan", "chat", *sets, "--pilot", 4, *where, "--json")
    assert done.code == 0, done.err
    first, *_ = done.err.splitlines()
    assert "pilot of 4 agents: about" in first
    assert "0.00 USD expected, 0.00 USD at most" in first
    document = json.loads(done.out)
    assert document["size"]["arms"][0]["units"] == 4
    assert document["agents"] == 12


# -- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "single", "--pilot", 5), "found --from too"),
        (("--from", "nothing"), "nothing"),
        (("--metric", "joy"), "allowed: p_view"),
        (("--difference", -1), "allowed: a number above 0"),
        (("--difference", "nan"), "allowed: a number above 0"),
        (("--power", 1), "above 0.05, below 1"),
        (("--power", 0.01), "above 0.05, below 1"),
        (("--pilot", 1), "allowed: 2 to 40"),
        (("--pilot", 41), "allowed: 2 to 40"),
        (("--pilot", 5, "--pages", 9), "allowed: 1 to 5, session.max_pages"),
        (("--from", "worlds"), "allowed: one of one world"),
        (("--from", "single", "--set", "worlds=2"), "allowed: one of several worlds"),
        (
            ("--from", "single", "--set", "arms.0.name=Chance", "--set", "control=Chance"),
            "the scenario's control, Chance",
        ),
    ],
)
def test_bad_input_is_one_line(stored: Path, arguments: tuple[object, ...], said: str) -> None:
    assert said in refused(stored, *arguments)
