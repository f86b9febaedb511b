"""A true language model plays the agents, over the path that OpenAI's models take."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from agents.interface import OK
from agents.response.question import INVALID, REPAIRED, TRUNCATED
from simulator.storage import queries
from simulator.storage.store import Store
from tests.simulator.command import audition

from .server import Build, story

pytestmark = pytest.mark.llm

SCENARIO = Path(__file__).parent / "tiny.yaml"
AGENTS, ARMS, PAGES = 20, 2, 2

STORY = (
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the "
    "park. One day, she saw a big, red ball. She wanted to play with it, but it was too high."
)
"""What llama2.c writes from nothing with this model at temperature 0."""


def test_the_converted_model_writes_its_story(build: Build) -> None:
    begun = "Once upon a time"
    assert (begun + story(build, begun, 120)).startswith(STORY)


def test_twenty_agents_finish_their_visits(base_url: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tiny.db'}"
    done = audition(
        *("run", SCENARIO, "--store", url, "--out", tmp_path, "--name", "tiny"),
        *("--set", f"agents.response.base_url={base_url}"),
        *("--set", f"dataset.path={Path(os.environ['AUDITION_DATA']) / 'ml-100k'}"),
    )
    assert done.code == 0, done.err
    store = Store.open(url)
    sessions, pages = queries.sessions(store, "tiny"), queries.pages(store, "tiny")
    calls = queries.calls(store, "tiny")
    assert len(sessions) == AGENTS * ARMS
    assert AGENTS * ARMS <= len(pages) <= AGENTS * ARMS * PAGES

    # Constrained decoding holds: whatever was not cut off is JSON of the right form, so
    # all that can be wrong is what a grammar cannot say.
    assert set(calls["outcome"]) <= {OK, REPAIRED, INVALID, TRUNCATED}
    for reply in calls.loc[calls["outcome"] != TRUNCATED, "reply"]:
        json.loads(reply, strict=False)
    assert (calls["tokens_in"] > 0).all()

    # A page that failed is missing data; most did not.
    outcomes = Counter(pages["outcome"])
    assert outcomes[OK] >= len(pages) / 2, outcomes
    good, bad = pages[pages["outcome"] == OK], pages[pages["outcome"] != OK]
    assert good["satisfaction"].between(1, 10).all()
    assert bad["satisfaction"].isna().all()
