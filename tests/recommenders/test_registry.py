"""Names, settings and the errors a scenario's author meets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import pytest

from recommenders import registry
from recommenders.ease import EASE
from recommenders.interface import Recommender, RecommenderError
from recommenders.popularity import Popularity
from recommenders.settings import require

HERE = "tests.recommenders.test_registry"


class Outsider(Popularity):
    """A method from somewhere else.

    With a second paragraph.
    """

    def __init__(
        self,
        *,
        must: int,
        share: float = 0.5,
        deep: bool = False,
        mode: Literal["a", "b", 3] = "a",
        maybe: int | None = None,
        several: Sequence[int] = (1,),
        mixed: int | float = 1,
        label: str = "x",
        shares: Mapping[str, float] | None = None,
        free: Any = None,
    ) -> None:
        require(0 <= share <= 1, "share", share, "0 to 1")
        self.kept = (must, share, deep, mode, maybe, several, mixed, label, shares, free)


class Unfinished(Recommender):
    """Lacks nearly all."""


NOT_A_RECOMMENDER = 3


def create(**settings: Any) -> Recommender:
    return registry.create(f"{HERE}:Outsider", {"must": 1, **settings})


def test_every_name_has_a_class_a_line_and_its_settings() -> None:
    by_name = {spec.name: spec for spec in registry.specs()}
    assert tuple(by_name) == registry.NAMES
    for spec in by_name.values():
        assert spec.doc.endswith(".")
        assert spec.adapts in ("none", "history")
        assert not any(setting.required for setting in spec.settings)
        registry.create(spec.name)
    ease = {setting.name: setting for setting in by_name["ease"].settings}
    assert (ease["l2"].type, ease["l2"].default) == ("a number", 500.0)
    assert ease["l2_grid"].type == "a list (each a number), or nothing"
    assert by_name["popularity"].settings == ()


def test_settings_are_filled_in_converted_and_passed_on() -> None:
    shares = MappingProxyType({"a": 1})
    made = create(share=1, several=[3, 4], maybe=None, mode=3, mixed=2, shares=shares)
    assert isinstance(made, Outsider)
    assert dict(made.settings) == {
        "must": 1,
        "share": 1.0,
        "deep": False,
        "mode": 3,
        "maybe": None,
        "several": (3, 4),
        "mixed": 2,
        "label": "x",
        "shares": {"a": 1.0},
        "free": None,
    }
    assert tuple(made.settings.values()) == made.kept
    assert type(made.settings["share"]) is float
    assert type(made.settings["mixed"]) is int
    assert type(made.settings["shares"]) is dict


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"must": True}, "must: found True; allowed: a whole number"),
        ({"must": 1.0}, "must: found 1.0; allowed: a whole number"),
        ({"must": None}, "must: found None; allowed: a whole number"),
        ({"share": True}, "share: found True; allowed: a number"),
        ({"share": "0.5"}, "share: found '0.5'; allowed: a number"),
        ({"share": float("nan")}, "share: found nan; allowed: a number"),
        ({"share": float("inf")}, "share: found inf; allowed: a number"),
        ({"share": 2}, "share: found 2.0; allowed: 0 to 1"),
        ({"deep": 1}, "deep: found 1; allowed: true or false"),
        ({"mode": "c"}, "mode: found 'c'; allowed: one of a, b, 3"),
        ({"maybe": "2"}, "maybe: found '2'; allowed: a whole number, or nothing"),
        ({"several": 5}, "several: found 5; allowed: a list (each a whole number)"),
        ({"several": [1, True]}, "several: found [1, True]; allowed: a list"),
        ({"several": "12"}, "several: found '12'; allowed: a list"),
        ({"label": 7}, "label: found 7; allowed: text"),
        ({"shares": ["a"]}, "shares: found ['a']; allowed: a mapping (text to a number), or no"),
        ({"shares": {1: 1}}, "shares: found {1: 1}; allowed: a mapping (text to a number)"),
        ({"shares": {"a": "b"}}, "shares: found {'a': 'b'}; allowed: a mapping"),
        ({"shar": 1}, "shar: found an unknown setting; allowed: must, share, deep"),
        ({"shar": 1}, "did you mean 'share'?"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    settings: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(RecommenderError) as caught:
        create(**settings)
    text = str(caught.value)
    assert text.startswith(f"recommender {HERE}:Outsider: ")
    assert said in text
    assert "\n" not in text


def test_a_required_setting_is_asked_for() -> None:
    with pytest.raises(RecommenderError, match="must: found nothing; allowed: a whole number"):
        registry.create(f"{HERE}:Outsider")


def test_a_method_without_settings_takes_none() -> None:
    with pytest.raises(RecommenderError, match="allowed: no settings at all"):
        registry.create("popularity", {"k": 3})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("popularty", "did you mean 'popularity'?"),
        ("", "allowed: random, popularity"),
        ("EASE", "allowed: random, popularity"),
        ("no.such.module:Class", "module no.such.module cannot be imported"),
        (f"{HERE}:Missing", "Missing in tests.recommenders.test_registry is not a Recommender"),
        (f"{HERE}:NOT_A_RECOMMENDER", "is not a Recommender class"),
        (f"{HERE}:Unfinished", "Unfinished lacks fit, load_state, scores, state"),
        (":Class", "allowed: random, popularity"),
        ("module:", "allowed: random, popularity"),
    ],
)
def test_a_name_that_leads_nowhere(name: str, said: str) -> None:
    with pytest.raises(RecommenderError) as caught:
        registry.create(name)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_outside_code_is_described_like_our_own() -> None:
    spec = registry.spec(f"{HERE}:Outsider")
    assert spec.doc == "A method from somewhere else."
    assert spec.path == f"{HERE}:Outsider"
    assert [setting.name for setting in spec.settings if setting.required] == ["must"]


def test_a_path_and_a_name_lead_to_the_same_class() -> None:
    assert registry.find("ease") is registry.find("recommenders.ease:EASE") is EASE


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("ease", {"l2": 0}, "l2: found 0.0; allowed: a number above 0"),
        ("ease", {"l2_grid": []}, "l2_grid: found []; allowed: a list of at least one number"),
        ("ease", {"l2_grid": [1, -1]}, "l2_grid: found [1.0, -1.0]"),
        ("itemknn", {"neighbours": 0}, "neighbours: found 0; allowed: 1 or more"),
        ("itemknn", {"shrink": -1}, "shrink: found -1.0; allowed: 0 or more"),
        ("random-of-popular", {"pool": 0}, "pool: found 0; allowed: 1 or more"),
        ("random-of-popular", {"pool": 5}, "draws: found 40; allowed: 1 to pool (5)"),
    ],
)
def test_ranges_of_the_classic_methods(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RecommenderError) as caught:
        registry.create(name, settings)
    assert said in str(caught.value)


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    """The list of names must stay cheap: a scenario is checked before torch is loaded."""
    code = (
        "import sys; from recommenders import registry; registry.NAMES; "
        "print([m for m in ('torch', 'scipy.linalg', 'recommenders.ease') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
