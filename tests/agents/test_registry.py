from __future__ import annotations

from typing import Any

import pytest

from agents import registry
from agents.interface import AgentError
from agents.response.behavioural import Behavioural
from agents.response.parameters import Parameters


def test_every_name_can_be_described() -> None:
    assert [spec.name for spec in registry.specs()] == list(registry.NAMES)
    assert set(registry.NAMES) == {"behavioural", "chat"}
    for spec in registry.specs():
        assert spec.doc
        assert spec.settings


def test_behavioural_settings_are_its_parameters_each_with_a_doc() -> None:
    settings = registry.spec("behavioural").settings
    defaults = Parameters()
    assert {one.name: one.default for one in settings} == vars(defaults)
    assert all(one.doc and not one.required for one in settings)
    assert {one.type for one in settings} <= {
        "float",
        "(float, float, float)",
        "bool",
        "str",
        "((float, ...), ...)",
    }


def test_settings_hold_what_was_given_and_the_defaults() -> None:
    model = registry.create("behavioural", {"slot_effect": 0, "patience": [1.0, 2.0, 3.0]})
    assert model.settings["slot_effect"] == 0.0
    assert model.settings["patience"] == (1.0, 2.0, 3.0)
    assert model.settings["taste"] == Parameters().taste
    assert isinstance(model, Behavioural)
    assert model.parameters.patience == (1.0, 2.0, 3.0)


def test_outside_code_joins_by_its_path() -> None:
    model = registry.create("agents.response.behavioural:Behavioural", {"taste": 1.0})
    assert isinstance(model, Behavioural)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"slot_efect": 0.0}, r"slot_efect: found an unknown setting; .*did you mean slot_effect"),
        ({"taste": "much"}, r"taste: found 'much'; .*number"),
        ({"taste": True}, r"taste: found True; .*number"),
        ({"taste": -1.0}, r"taste: found -1.0; .*greater than or equal to 0"),
        ({"taste": float("nan")}, r"taste: found nan; .*finite"),
        ({"patience": [1.0, 2.0]}, r"patience: found \(1.0, 2.0\)"),
        ({"patience": 3.0}, r"patience: found 3.0; .*tuple"),
        ({"conformity_pull": [0.0, 0.5, 1.5]}, r"conformity_pull: .*less than or equal to 1"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(AgentError, match=said) as error:
        registry.create("behavioural", settings)
    assert "\n" not in str(error.value)


def test_a_direct_constructor_refuses_too() -> None:
    with pytest.raises(AgentError, match="behavioural: mood: found -1"):
        Behavioural(mood=-1.0)
    with pytest.raises(AgentError, match="behavioural: moood"):
        Behavioural(moood=1.0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("behavioral", "unknown response model 'behavioral'; known: behavioural, chat"),
        ("agents.nowhere:Model", "cannot be imported"),
        ("agents.registry:Spec", "not a subclass"),
        ("agents.registry:Nothing", "not a subclass"),
        ("agents.interface:ResponseModel", "lacks visit"),
        ("agents.interface:", "unknown response model"),
    ],
)
def test_wrong_models_are_refused(name: str, said: str) -> None:
    with pytest.raises(AgentError, match=said):
        registry.create(name)


def test_a_setting_without_default_is_needed() -> None:
    with pytest.raises(AgentError, match="chat: name: found nothing"):
        registry.create("chat")
