"""Profiles without a model, their vectors, and the runs whose arms read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from agents.tastes import NOTHING
from recommenders.interface import Interactions, Items
from simulator.data.dataset import Dataset, GivenProfiles
from simulator.embeddings.interface import unit
from simulator.errors import AuditionError, InputError
from simulator.progress import Progress
from simulator.run import execute, identity
from simulator.scenario import load
from simulator.storage import queries
from simulator.storage.store import Store
from simulator.texts import own
from simulator.texts.settle import settle
from simulator.world import World, build

from ..command import audition
from ..embeddings.server import EmbeddingServer, vector
from .reader import Cosine

QUIET = Progress(quiet=True)
READER = "tests.simulator.texts.reader:Cosine"
SMALL = [
    *("dataset.users=60", "dataset.items=80", "dataset.interactions=12"),
    *("agents.count=5", "session.max_pages=2", "evaluation.cutoff=5"),
    f"arms=[{{name: Popularity, recommender: popularity}}, {{name: Text, recommender: {READER}}}]",
]
NOBODY = "arms=[{name: Popularity, recommender: popularity}, {name: Random, recommender: random}]"


def world(*more: str) -> World:
    return build(load(Path("quickstart"), [*SMALL, *more]), "quickstart")


def with_dataset(one: World, **changes: Any) -> World:
    return replace(one, dataset=replace(one.dataset, **changes))


def of_three(**more: Any) -> Dataset:
    items = Items(
        title=("Alien", "i1", "Up\nand away"),
        text=("In space\u2026", "", ""),
        genres=(("Horror", "Sci-Fi"), (), ("Comedy",)),
        year=(1979, 0, 0),
        attributes={"maker": ("Ridley Scott", "", " ")},
    )
    events = Interactions(np.array([0]), np.array([0]), 1, 3)
    return Dataset("three", events, items, ("u0",), ("i0", "i1", "i2"), **more)


# -- the texts ---------------------------------------------------------------------------------


def test_an_item_is_what_the_data_says_of_it_and_nothing_where_it_says_nothing() -> None:
    assert own.item_texts(of_three()) == [
        "Alien (1979). Horror, Sci-Fi. 1970s. In space\u2026 Ridley Scott.",
        "",  # its title is its id
        "Up and away. Comedy.",
    ]


def test_a_user_is_its_derived_tastes_by_training_data_alone() -> None:
    one = world()
    told = own.user_texts(one)
    assert len(told) == one.dataset.n_users == 60
    assert any("I am drawn to" in text for text in told)
    assert not any(NOTHING in text for text in told)
    nothing = np.empty(0, dtype=np.int64)
    events = one.split.train
    gone = events.user != 7
    without = replace(
        events,
        user=events.user[gone],
        item=events.item[gone],
        rating=None if events.rating is None else events.rating[gone],
        timestamp=None if events.timestamp is None else events.timestamp[gone],
    )
    held_out = Interactions(nothing, nothing, events.n_users, events.n_items)
    split = replace(one.split, train=without)
    assert told[7] != ""
    assert own.user_texts(replace(one, split=split))[7] == ""
    # Whatever is held out: the profiles are those of the training data.
    cut = replace(one.split, valid=held_out, test=held_out)
    assert own.user_texts(replace(one, split=cut)) == told


def test_a_given_persona_is_taken_where_there_is_one() -> None:
    one = world()
    n = one.dataset.n_users
    given = GivenProfiles(
        tastes=(("I like dogs", "And cats."), ("", " "), *((),) * (n - 2)),
        rating_habit=("I rate high.",) * n,
    )
    told = own.user_texts(with_dataset(one, given=given))
    assert told[0] == "I like dogs. And cats. I rate high."
    assert told[1:] == own.user_texts(one)[1:]
    bare = replace(given, rating_habit=None)
    assert own.user_texts(with_dataset(one, given=bare))[0] == "I like dogs. And cats."


# -- their vectors -----------------------------------------------------------------------------


def test_items_and_users_are_vectors_of_one_embedding(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.db") as store:
        one = world()
        found = settle(one, store, QUIET)
        texts = found.world.texts
        assert texts is not None
        assert texts.items.shape == (80, 64)
        assert texts.users.shape == (60, 64)
        assert texts.items.dtype == texts.users.dtype == np.float32
        lengths = np.linalg.norm(np.vstack([texts.items, texts.users]), axis=1)
        there = [bool(text) for text in own.item_texts(one.dataset) + own.user_texts(one)]
        np.testing.assert_allclose(lengths, np.array(there, dtype=float), atol=1e-5)
        # A word that a user's tastes and an item share makes them alike: they are in one space.
        likeness = texts.users @ texts.items.T
        assert likeness.max() > 0.3
        facts = found.facts["texts"]
        assert facts["embedding"] == "tf-idf/64"
        assert facts["dimensions"] == 64
        assert facts["items"] == {"written": 0, "derived": 80, "without": 0}
        assert sum(facts["users"].values()) == 60
        again = settle(world(), store, QUIET).world.texts
        assert again is not None
        np.testing.assert_array_equal(again.items, texts.items)
        np.testing.assert_array_equal(again.users, texts.users)
        short = settle(world("texts.embedding={provider: tf-idf, dimensions: 9}"), store, QUIET)
        assert short.world.texts is not None
        assert short.world.texts.users.shape == (60, 9)


def test_whoever_has_no_profile_is_a_row_of_zeros_and_is_counted() -> None:
    one = world()
    ids = tuple(f"i{n}" for n in range(80))
    bare = with_dataset(
        one,
        item_ids=ids,
        items=Items(ids, ("",) * 80, ((),) * 80, (0,) * 80),
        given=GivenProfiles(tastes=(("space opera space opera",), *(((),) * 59))),
    )
    with Store.open("sqlite://") as store:
        found = settle(bare, store, QUIET)
    assert found.world.texts is not None
    assert not found.world.texts.items.any()
    assert found.facts["texts"]["items"] == {"written": 0, "derived": 0, "without": 80}


def test_nothing_is_done_where_no_arm_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddingServer() as server, Store.open("sqlite://") as store:
        asked = f"texts.embedding={{provider: openai, name: x, base_url: '{server.base_url}'}}"
        monkeypatch.setattr(own, "user_texts", lambda _: pytest.fail("tastes were derived"))
        one = world(NOBODY, asked)
        found = settle(one, store, QUIET)
        assert not server.bodies
    assert found.world is one
    assert found.facts == {}


# -- runs --------------------------------------------------------------------------------------


def play(folder: Path, name: str, *settings: str) -> None:
    with Store.open(folder / "runs.db") as store:
        execute(
            load(Path("quickstart"), [*SMALL, *settings]),
            "quickstart",
            store,
            name=name,
            checkpoints=folder / "checkpoints",
            progress=QUIET,
        )


def test_a_run_trains_its_arm_on_them_and_says_so(tmp_path: Path) -> None:
    Cosine.seen.clear()
    play(tmp_path, "first")
    play(tmp_path, "again")
    assert len(Cosine.seen) == 1  # the second took the checkpoint
    play(tmp_path, "other", "texts.embedding={provider: tf-idf, dimensions: 5}")
    assert [seen.items.shape for seen in Cosine.seen] == [(80, 64), (80, 5)]
    with Store.open(tmp_path / "runs.db") as store:
        facts = queries.run(store, "first").dataset["texts"]
        seen = {name: queries.exposures(store, name) for name in ("first", "again", "other")}
    assert facts["embedding"] == "tf-idf/64"
    assert seen["first"].equals(seen["again"])
    assert not seen["first"].equals(seen["other"])


def test_a_provider_embeds_each_profile_once_and_a_replay_sends_nothing(tmp_path: Path) -> None:
    with EmbeddingServer() as server:
        asked = f"texts.embedding={{provider: openai, name: x, base_url: '{server.base_url}'}}"
        chosen = [part for text in [*SMALL, asked] for part in ("--set", text)]
        place = ["--store", tmp_path / "runs.db", "--out", tmp_path / "out"]
        with mock.patch("simulator.commands.running.report"):  # takes longer than all the rest
            done = audition("run", "quickstart", *chosen, *place)
        assert done.code == 0, done.err
        assert "texts: items 80 of the data's own, users " in done.err
        one = world()
        texts = own.item_texts(one.dataset) + own.user_texts(one)
        assert sorted(server.texts) == sorted({text for text in texts if text})
        sent = len(server.bodies)
        with Store.open(tmp_path / "runs.db") as store:
            found = settle(world(asked), store, QUIET, closed=True).world.texts
        assert found is not None
        expected = unit([vector(text) if text else [0.0] * 16 for text in texts])
        np.testing.assert_allclose(np.vstack([found.items, found.users]), expected, atol=1e-6)
        assert len(server.bodies) == sent
        with (
            Store.open("sqlite://") as empty,
            pytest.raises(AuditionError, match="a replay sends nothing"),
        ):
            settle(world(asked), empty, QUIET, closed=True)


# -- what a scenario may say ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("texts.embedding={provider: tf-idf, size: 3}", "texts.embedding.size"),
        ("texts.embedding={provider: tf-idf, dimensions: 0}", "found 0; allowed: 1 to 4096"),
        ("texts.embedding={provider: tf-idf, dimensions: true}", "texts.embedding.dimensions"),
        ("texts.embedding={provider: openai}", "texts.embedding.name: found nothing"),
        ("texts.embedding={provider: openai, name: x, api_key_env: sk-1}", "texts.embedding"),
        ("texts.embedding={class: 'nowhere:Class'}", "texts.embedding.class"),
        ("texts.colour=red", "texts.colour: found an unknown key; allowed: "),
    ],
)
def test_a_mistake_is_one_line(setting: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        world(setting)
    assert said in str(caught.value)
    assert "agents.embedding" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_changes_no_answer_changes_no_identity() -> None:
    plain = load(Path("quickstart"), SMALL)
    assert "texts" not in plain.model_fields_set
    assert identity(plain) == identity(load(Path("quickstart"), [*SMALL, "texts={}"]))
    asked = "texts.embedding={provider: openai, name: x"
    one, two, other = (
        identity(load(Path("quickstart"), [*SMALL, asked + rest]))
        for rest in ("}", ", batch: 3, timeout: 5, attempts: 1}", ", dimensions: 8}")
    )
    assert one == two
    assert len({identity(plain), one, other}) == 3
