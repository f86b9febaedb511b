"""A run that the model itself played, under settings that are then found again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.interface import NO_ITEM
from agents.registry import create
from agents.response.behavioural import Behavioural
from simulator.calibration import llm_run
from simulator.fidelity import replies, sessions
from simulator.fidelity.slates import Slates
from tests.simulator.fidelity.small import world

PRESET = "gpt-3.5-agent4rec"


def played() -> Slates:
    """Every agent's session on designed slates, as if it had been published."""
    slates = sessions.designed(world())
    model = create("behavioural", {"preset": PRESET})
    once = replies.forced(world(), slates, 1, model)
    left = np.where(once.leave > 0, np.arange(1, slates.pages + 1), slates.pages)
    exit_page = left.min(axis=1)
    seen = (np.arange(slates.pages) < exit_page[:, None])[:, :, None]
    rating = once.marks @ np.array(once.scale)
    return replace(
        slates,
        item=np.where(seen, slates.item, NO_ITEM),
        aligned=seen & (once.aligned > 0),
        watched=seen & (once.watched > 0),
        rating=np.where(seen & (once.watched > 0), rating, np.nan).astype(np.float32),
        exit_page=exit_page,
        satisfaction=np.full(len(slates), 4.0),
    )


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    model = world().response
    assert isinstance(model, Behavioural)
    return llm_run.fit(world(), model, played())


def test_what_was_put_in_comes_out(found: dict[str, Any]) -> None:
    true = create("behavioural", {"preset": PRESET}).settings
    assert found["top_slot"] == pytest.approx(true["top_slot"], abs=0.5)
    assert found["slot_effect"] > 1.0
    assert found["satiety"][1] > found["satiety"][0] + 1.0
    assert found["rating_spread"] == pytest.approx(true["rating_spread"], abs=0.15)
    assert np.allclose(found["leaving"][0][:3], true["leaving"][0][:3], atol=1.5)


def test_satisfaction_that_never_moves_owes_nothing_to_what_is_watched(
    found: dict[str, Any],
) -> None:
    assert found["satisfaction_level"] == pytest.approx(4.0)
    assert found["satisfaction_gain"] == pytest.approx(0.0, abs=1e-6)
    assert found["mood"] == 0.0


def test_the_model_takes_what_was_fitted(found: dict[str, Any]) -> None:
    model = create("behavioural", found)
    assert model.settings["fitting_only"] is True
    assert len(model.settings["leaving"]) == 3
