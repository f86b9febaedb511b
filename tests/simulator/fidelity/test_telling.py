"""How figures are laid out, drawn and told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from simulator.fidelity import layout, telling
from simulator.fidelity.figures import draw
from simulator.report import style


def measure(
    test: str, name: str, case: str, value: float | None, better: int = 0, **beside: float | None
) -> dict[str, Any]:
    """With the interval 0.05 either way."""
    return {
        "test": test,
        "name": name,
        "case": case,
        "value": value,
        "low": None if value is None else value - 0.05,
        "high": None if value is None else value + 0.05,
        "n": 1200,
        "better": better,
        "baselines": [
            {"name": key.replace("_", " "), "value": one, "low": None, "high": None, "n": 1200}
            for key, one in beside.items()
        ],
        "note": "",
    }


def document(*measures: dict[str, Any], remark: str = "") -> dict[str, Any]:
    return {
        "scenario": {"name": "a <b>", "seed": 7, "agents": {"response": {"model": "behavioural"}}},
        "scenario_file": "a.yaml",
        "dataset": {"name": "made up", "items": 300},
        "agents": 1200,
        "left_out": {"agents": 500 if remark else 0, "remark": remark},
        "confidence": 0.95,
        "measures": list(measures),
        "missing": {"memory": "it has none"},
        "tables": {
            "calibration": [
                {"what": "watched", "low": 0.0, "high": 0.1, "n": 4, "said": 0.05, "happened": 0.0},
                {"what": "watched", "low": 0.1, "high": 0.2, "n": 9, "said": 0.15, "happened": 0.2},
            ]
        },
    }


TASTE = [
    measure("taste", name, f"1:{m}, {draw}", value, 1, popularity=0.4, factors=0.7)
    for draw in ("even", "by popularity")
    for m, value in ((1, 0.8), (9, 0.5))
    for name in ("accuracy", "precision", "f1")
]
OTHERS = [
    measure("ratings", "share", "rating 1", 0.2, people=0.3),
    measure("ratings", "share", "rating 2", 0.8, people=0.7),
    measure("slots", "watch rate", "ranked, slot 1", 0.6),
    measure("slots", "watch rate", "ranked, slot 2", 0.4),
    measure("llm run", "exit hazard", "after page 1", 0.1, published=0.2),
    measure("llm run", "exit hazard", "after page 2", 0.3, published=0.2),
]


def test_a_group_with_the_same_rivals_has_a_column_for_each() -> None:
    (section,) = layout.sections(document(*TASTE))
    (table,) = section.tables
    assert table.columns == ("popularity", "factors")
    assert [group.title for group in table.groups] == ["accuracy", "F1"]
    row = table.groups[0].rows[0]
    assert (row.label, row.value, row.interval) == ("1:1, even", "0.800", "0.750 to 0.850")
    assert (row.n, row.beside) == ("1,200", ("0.400", "0.700"))
    assert section.rest == 4
    assert [group.title for group in section.more[0].groups] == ["precision"]


def test_figures_with_rivals_of_their_own_share_one_column() -> None:
    mixed = [
        measure("llm run", "AUC", "watched", 0.8, 1, slot=0.7),
        measure("llm run", "agreement", "watched", 0.6, 1, chance=0.5),
    ]
    (section,) = layout.sections(document(*mixed))
    (table,) = section.tables
    assert table.columns == ("beside",)
    assert [row.beside for row in table.groups[0].rows] == [("slot 0.700",), ("chance 0.500",)]


@pytest.mark.parametrize(
    ("value", "better", "beside", "lead"),
    [
        (0.8, 1, {"popularity": 0.4, "factors": 0.7}, 0),
        (0.6, 1, {"popularity": 0.4, "factors": 0.7}, 2),
        (0.6, -1, {"popularity": 0.4, "factors": 0.7}, 1),
        (0.6, 0, {"popularity": 0.4, "factors": 0.7}, None),
        (None, 1, {"popularity": 0.4, "factors": 0.7}, None),
        (0.6, 1, {"popularity": None, "factors": 0.7}, 2),
        (0.6, 1, {"published": 0.9}, None),
    ],
)
def test_the_best_of_a_row_leads_and_a_truth_is_no_rival(
    value: float | None, better: int, beside: dict[str, float | None], lead: int | None
) -> None:
    one = measure("taste", "f1", "1:1, even", value, better, **beside)
    (section,) = layout.sections(document(one))
    assert section.tables[0].groups[0].rows[0].lead == lead


def test_tests_stand_in_the_order_they_were_made_and_none_is_lost() -> None:
    given = [*OTHERS, *TASTE]
    found = layout.sections(document(*given))
    assert [one.test for one in found] == ["ratings", "slots", "llm run", "taste"]
    shown = sum(
        len(group.rows) for one in found for table in one.tables for group in table.groups
    ) + sum(one.rest for one in found)
    assert shown == len(given)


def test_what_is_drawn() -> None:
    found = {one.name: one for one in draw(document(*TASTE, *OTHERS))}
    names = ["taste_even", "taste_by_popularity", "ratings_people", "slots", "exits", "calibration"]
    assert list(found) == names
    assert all(one.image.startswith(b"\x89PNG") for one in found.values())
    nothing = document() | {"tables": {}}
    assert draw(nothing) == []


def test_figures_say_their_level_and_whom_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []

    def panel(title: str, note: str, **more: Any) -> Any:
        notes.append(note)
        return plain(title, note, **more)

    plain = style.panel
    monkeypatch.setattr(style, "panel", panel)
    fewer = [one | {"n": 1200 - 400 * one["case"].startswith("1:1")} for one in TASTE]
    draw(document(*fewer, *OTHERS) | {"confidence": 0.9})
    assert notes[:2] == ["Mean and 90 % interval; 800 to 1,200 agents"] * 2
    assert "Mean and 90 % interval; 1,200 agents" in notes
    assert "Of those on the page; 90 % interval of the published share" in notes


def test_the_page_asks_for_nothing_from_elsewhere_and_escapes_names() -> None:
    given = document(*TASTE, *OTHERS, remark="The preset x was fitted on <others>.")
    page = telling.page(given, draw(given))
    assert page == telling.page(given, draw(given))
    assert "The preset x was fitted on &lt;others&gt;." in page
    assert "a &lt;b&gt; · Audition fidelity" in page
    assert "1,200 agents, 500 more left out" in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert page.count("<img") == 6
    assert "default-src 'none'" in page
    for rule in (".leads{", ".scroll{", ".facts{", "figure img{"):
        assert rule in page
