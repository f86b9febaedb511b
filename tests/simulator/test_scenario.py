from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from simulator.errors import InputError
from simulator.scenario import SCENARIOS, load

BASE = """\
name: x
dataset: {source: synthetic}
arms:
  - {name: A, recommender: mf, epochs: 4}
  - {name: B, recommender: random}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "s.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_scenario_is_valid(path: Path) -> None:
    scenario = load(path)
    assert scenario.name == path.stem
    assert scenario.control in {arm.name for arm in scenario.arms}


def test_a_shipped_scenario_is_found_by_its_bare_name() -> None:
    assert load(Path("quickstart")) == load(SCENARIOS / "quickstart.yaml")


def test_defaults_are_filled_in_and_the_result_is_frozen(tmp_path: Path) -> None:
    scenario = load(write(tmp_path, BASE))
    assert (scenario.seed, scenario.control, scenario.session.page_size) == (7, "A", 4)
    assert scenario.arms[0].options == {"epochs": 4}
    with pytest.raises(ValidationError):
        scenario.seed = 8


def test_resolved_is_plain_data_that_loads_to_the_same_scenario(tmp_path: Path) -> None:
    import json

    scenario = load(write(tmp_path, BASE))
    again = load(write(tmp_path, json.dumps(scenario.resolved())))
    assert again == scenario


def test_overrides_reach_nested_keys_and_arms_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, BASE)
    scenario = load(path, ["session.page_size=3", "arms.A.epochs=9", "arms.1.name=C", "seed=5"])
    assert scenario.session.page_size == 3
    assert scenario.arms[0].options == {"epochs": 9}
    assert (scenario.arms[1].name, scenario.seed) == ("C", 5)


BROKEN = {
    "wrong type": ("session:\n  page_size: four\n", ":7: session.page_size: found 'four'"),
    "unknown key": ("session: {page_sise: 4}\n", "did you mean page_size?"),
    "unknown section": ("sessions: {}\n", "sessions: found an unknown key"),
    "negative seed": ("seed: -1\n", "seed: found -1; allowed: at least 0"),
    "yes is no number": ("seed: true\n", "seed: found True; allowed: a whole number"),
    "control is no arm": ("control: C\n", "found 'C'; allowed: the name of an arm: A, B"),
    "no rounds": ("rounds: 0\n", "rounds: found 0; allowed: at least 1"),
    "unknown feedback": ("feedback: sometimes\n", "none, viewed, unviewed or liked"),
    "half an agent": ("agents: {count: 2.5}\n", "agents.count: found 2.5"),
    "list for section": ("agents: []\n", "agents: found []; allowed: a mapping"),
    "key twice": ("seed: 1\nseed: 2\n", 'duplicate key "seed"'),
    "no yaml": ("x: [\n", "allowed: valid YAML"),
    "tab": ("session:\n\tpage_size: 4\n", "allowed: valid YAML"),
    "certainty": ("evaluation: {confidence: 1}\n", "less than 1"),
    "cutoff": ("evaluation: {cutoff: 0}\n", "evaluation.cutoff: found 0; allowed: at least 1"),
    "correction": ("evaluation: {correction: magic}\n", "holm, max-t or none"),
    "budget": ("budget: {usd: -5.0}\n", "budget.usd: found -5.0"),
    "hide": ("session: {hide: [foo]}\n", "session.hide[0]: found 'foo'"),
    "memory": ("agents: {memory: {retrieve: -1}}\n", "agents.memory.retrieve: found -1"),
    "order": ("session: {order: alphabetical}\n", "ranked, shuffled or reversed"),
}


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_a_mistake_is_one_line_with_file_key_found_and_allowed(tmp_path: Path, case: str) -> None:
    extra, expected = BROKEN[case]
    path = write(tmp_path, BASE + extra)
    with pytest.raises(InputError) as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert expected in text
    assert "\n" not in text
    assert caught.value.exit_code == 2


WHOLE = {
    "empty": ("", "found nothing"),
    "a list": ("- 1\n", "found a list"),
    "no dataset": ("name: x\narms: [{name: A, recommender: b}]\n", "dataset: found nothing"),
    "no arms": ("name: x\ndataset: {source: a}\narms: []\n", "at least 1 entry"),
    "no recommender": ("name: x\ndataset: {source: a}\narms: [{name: A}]\n", "arms[0].recommender"),
    "bad name": ("name: a b\n" + BASE.partition("\n")[2], "name: found 'a b'"),
    "twins": (BASE.replace("name: B", "name: A"), "twice there: A"),
    "slash in arm": (BASE.replace("name: B", "name: a/b"), "without slashes"),
}


@pytest.mark.parametrize("case", WHOLE, ids=str)
def test_a_broken_file_is_one_line(tmp_path: Path, case: str) -> None:
    text, expected = WHOLE[case]
    with pytest.raises(InputError) as caught:
        load(write(tmp_path, text))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_files_than_text(tmp_path: Path) -> None:
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"name: \xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        load(binary)
    with pytest.raises(InputError, match="found a folder"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"no such file.*quickstart"):
        load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("x", "key.path=value"),
        ("arms.Z.epochs=1", "found Z; allowed: 0 to 1, or A, B"),
        ("name=[", "a YAML value"),
        ("seed.a=3", "seed"),
        ("seed=abc", "a whole number"),
    ],
)
def test_a_wrong_override_names_its_key(tmp_path: Path, override: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load(write(tmp_path, BASE), [override])
    assert expected in str(caught.value)
