"""Presets, and the settings that only they switch on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import registry
from agents.interface import AgentError, Answers, Page
from agents.response import presets
from agents.response.parameters import Parameters
from simulator.randomness import KeyedLuck

from . import people

N = 400


def turn(number: int = 1, levels: dict[str, int] | None = None, **settings: Any) -> Answers:
    audience = people.audience(N, **(levels or {"activity": 2}))
    model = registry.create("behavioural", settings)
    visit = model.visit(audience, people.catalogue(), KeyedLuck(5), 1)
    item = np.arange(N * 4).reshape(N, 4) % people.N_ITEMS
    return visit.turn(Page(np.arange(N), item, number, 1))


@pytest.mark.parametrize("name", presets.names())
def test_what_ships_can_be_used_and_says_how_it_was_made(name: str) -> None:
    found = presets.load(name)
    model = registry.create("behavioural", {"preset": name})
    assert {key: model.settings[key] for key in found.settings} == dict(found.settings)
    assert {"to", "how", "data", "fitted_on", "scored_on", "held_out_scores"} <= set(found.fit)
    assert found.fitted is not None
    assert (found.fitted.dataset, found.fitted.first, found.fitted.last) == ("agent4rec", 0, 499)


def test_settings_beside_a_preset_override_it() -> None:
    name = "gpt-3.5-agent4rec"
    model = registry.create("behavioural", {"preset": name, "slot_effect": 0.5})
    assert model.settings["slot_effect"] == 0.5
    assert model.settings["satiety"] == presets.load(name).settings["satiety"]
    again = registry.create("behavioural", dict(model.settings))
    assert again.settings == model.settings


def test_a_file_is_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("fit: {to: nothing}\nsettings: {taste: 0.7, patience: [1.0, 2.0, 3.0]}\n")
    model = registry.create("behavioural", {"preset": str(file)})
    assert (model.settings["taste"], model.settings["patience"]) == (0.7, (1.0, 2.0, 3.0))
    assert model.settings["quality"] == Parameters().quality


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("settings: [1]", "no settings of its own"),
        ("settings: {preset: other}", "no settings of its own"),
        ("a: [", "is no YAML"),
        ("settings: {tatse: 1.0}", "tatse"),
        ("fit: {fitted_agents: [1]}\nsettings: {taste: 1.0}", "fit.fitted_agents"),
        (
            "fit: {fitted_agents: {dataset: a, digest: b, first: x, last: 2}}\n"
            "settings: {taste: 1.0}",
            "fit.fitted_agents",
        ),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(AgentError, match=said):
        registry.create("behavioural", {"preset": str(file)})


@pytest.mark.parametrize("name", ["nobody", "nothing-there.yaml", 3])
def test_an_unknown_preset_is_refused(name: object) -> None:
    with pytest.raises(AgentError, match="preset"):
        registry.create("behavioural", {"preset": name})


def test_only_what_fits_is_watched_however_well_it_fits() -> None:
    some = turn(fitting_only=True, watch_level=20.0)
    assert np.array_equal(some.watched, some.aligned)
    assert 0 < some.watched.mean() < 1


def test_satiety_stops_at_as_many_as_it_says() -> None:
    one = turn(fitting_only=True, watch_level=10.0, slot_effect=0.0, satiety=[20.0] * 3)
    first = np.argmax(one.aligned, axis=1)
    assert np.array_equal(one.watched.sum(axis=1), one.aligned.any(axis=1))
    assert one.watched[np.arange(N), first][one.aligned.any(axis=1)].all()
    two = turn(fitting_only=True, watch_level=10.0, slot_effect=0.0, satiety=[0.0, 20.0, 20.0])
    assert np.array_equal(two.watched.sum(axis=1), np.minimum(two.aligned.sum(axis=1), 2))


def test_the_top_slot_fits_more_often_and_no_other_slot_does() -> None:
    plain, raised = turn(), turn(top_slot=3.0)
    assert raised.aligned[:, 0].mean() > plain.aligned[:, 0].mean() + 0.2
    assert np.array_equal(raised.aligned[:, 1:], plain.aligned[:, 1:])


def test_contrast_judges_by_the_page_and_leaves_its_mean_alone() -> None:
    settings: dict[str, Any] = {"idiosyncrasy": 0.0, "watch_slope": 1.0}
    plain, sharp = (
        np.log(one.interest / (1 - one.interest))
        for one in (turn(**settings), turn(**settings, contrast=1.0))
    )
    mean = plain.mean(axis=1, keepdims=True)
    assert np.allclose(sharp, plain + (plain - mean), atol=1e-4)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_ease_eagerness_and_contentment_answer_to_their_level(level: int) -> None:
    levels = {"activity": level, "diversity": level}
    plain = turn(levels=levels)
    eased = turn(levels=levels, ease=[-2.0, 0.0, 2.0])
    eager = turn(levels=levels, eagerness=[-2.0, 0.0, 2.0])
    content = turn(levels=levels, contentment=[-1.0, 0.0, 1.0])
    order = np.sign(level - 2)
    assert np.sign(eased.aligned.mean() - plain.aligned.mean()) == order
    assert np.sign(eager.watched.mean() - plain.watched.mean()) == order
    assert np.sign(content.satisfaction.mean() - plain.satisfaction.mean()) == order


def test_ratings_follow_shown_ones_as_much_as_is_said() -> None:
    settings: dict[str, Any] = {"conformity_pull": [1.0] * 3, "watch_level": 20.0}
    followed, flat = turn(**settings), turn(**settings, shown_weight=0.0)
    shown = people.catalogue().shown_rating
    assert np.ptp(followed.rating[followed.watched]) > 0
    assert np.unique(flat.rating[flat.watched]).tolist() == [np.floor(shown.mean() + 0.5)]


@pytest.mark.parametrize(("number", "rate"), [(1, 0.0), (2, 1.0), (9, 1.0)])
def test_leaving_by_page_and_activity(number: int, rate: float) -> None:
    rows = [[20.0], [-20.0, 20.0], [-20.0]]
    left = turn(number, {"activity": 2}, leaving=rows, exit_satisfaction=0.0).leave
    assert left.mean() == rate


@pytest.mark.parametrize("rows", [[[1.0]], [[1.0], [], [1.0]]])
def test_leaving_needs_a_row_for_each_level(rows: list[list[float]]) -> None:
    with pytest.raises(AgentError, match="leaving needs three rows"):
        registry.create("behavioural", {"leaving": rows})
