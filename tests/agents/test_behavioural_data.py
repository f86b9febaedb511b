"""The behavioural model on the real agents of Agent4Rec, those it was not tuned on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from agents.interface import Audience
from agents.response.behavioural import Behavioural
from benchmarks import behavioural_calibration as calibration
from simulator.scenario import load
from simulator.world import World, build

DATA = os.environ.get("AUDITION_DATA")

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        DATA is None or not (Path(DATA) / "agent4rec").is_dir(),
        reason="AUDITION_DATA does not name a folder with agent4rec",
    ),
]


@pytest.fixture(scope="module")
def world() -> World:
    return build(load(calibration.SCENARIO), str(calibration.SCENARIO))


@pytest.fixture(scope="module")
def untouched(world: World) -> Audience:
    rows = np.arange(calibration.TUNED_ON, len(world.audience), dtype=np.int64)
    return calibration.audience_part(world, rows)


def test_taste_finds_held_out_items_where_popularity_cannot(
    world: World, untouched: Audience
) -> None:
    auc = calibration.taste_aucs(world, untouched, Behavioural())
    assert auc["taste, others drawn by popularity"] > 0.70
    assert auc["popularity, others drawn by popularity"] < 0.62


def test_the_published_pages_are_watched_about_as_much(world: World, untouched: Audience) -> None:
    log = calibration.published_pages(world, untouched, Behavioural())
    found = calibration.against_published(log)
    assert len(log) > 2000
    assert found["watch rate, here"] == pytest.approx(found["watch rate, published"], abs=0.05)
    assert found["relevance of watched, here"] > found["relevance of shown"]
