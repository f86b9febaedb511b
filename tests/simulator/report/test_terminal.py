"""What a person reads on a terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from simulator.evaluation.summary import summarise
from simulator.report import terminal
from simulator.storage import queries
from simulator.storage.store import Store

from . import sample


def _printed(renderable: Any, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(renderable)
    return out.getvalue()


@pytest.fixture(scope="module")
def summary(store: Store) -> dict[str, Any]:
    return summarise(store, "try")


@pytest.mark.parametrize("width", [80, 100])
def test_the_dual_table_fits_and_is_plain(summary: dict[str, Any], width: int) -> None:
    text = _printed(terminal.dual_table(summary), width)
    assert "\x1b" not in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    head = next(line for line in text.splitlines() if "arm" in line)
    assert head.split() == [
        "arm",
        "Recall@20",
        "nDCG@20",
        "P_view",
        "N_like",
        "P_like",
        "N_exit",
        "S_sat",
    ]
    mean = summary["arms"]["LightGCN"]["simulated"]["s_sat"]["mean"]
    assert f"{mean:.2f}" in next(line for line in text.splitlines() if "LightGCN" in line)
    assert text.count("±") == len(sample.ARMS) * 7 + 1
    assert "control" in text


def test_a_missing_metric_is_a_dash(summary: dict[str, Any]) -> None:
    arms = {**summary["arms"]}
    arms["MF"] = {**arms["MF"], "simulated": {**arms["MF"]["simulated"]}, "offline": {}}
    arms["MF"]["simulated"]["s_sat"] = {"mean": None, "low": None, "high": None, "n": 0}
    line = next(
        row
        for row in _printed(terminal.dual_table({**summary, "arms": arms})).splitlines()
        if "MF" in row
    )
    assert line.split()[1] == line.split()[2] == line.split()[-1] == "–"


def test_comparisons_show_difference_interval_and_verdict(summary: dict[str, Any]) -> None:
    text = _printed(terminal.comparisons_table(summary), 100)
    assert "arm minus MF" in text
    assert "Failures: none" in text
    row = next(r for r in summary["comparisons"] if r["arm"] == "Random" and r["metric"] == "s_sat")
    line = next(line for line in text.splitlines() if "S_sat" in line)
    assert row["verdict"] == "worse"
    assert "▼ worse" in line
    assert f"{row['difference']:.2f}".replace("-", "−") in line


def test_failures_are_named_by_arm() -> None:
    with Store.open("sqlite://") as opened:
        failed = summarise(opened, sample.write(opened, sample.Sample(10, failed=(0, 1))))
    assert "Random: 2 invalid" in _printed(terminal.failures_line(failed))


def test_names_are_neither_markup_nor_escape_codes() -> None:
    with Store.open("sqlite://") as opened:
        run = sample.write(opened, sample.Sample(10, {"[red]x[/red]\x1b[2J": "mf", "b": "random"}))
        text = _printed(terminal.dual_table(summarise(opened, run)), 100)
    assert "[red]x[/red]" in text
    assert "\x1b" not in text


def test_runs_and_one_run(store: Store, summary: dict[str, Any]) -> None:
    text = _printed(terminal.runs_table(queries.runs(store)), 110)
    assert "try" in text
    assert "Random, MF, LightGCN" in text
    page = "".join(_printed(block) for block in terminal.run_page(summary))
    assert "finished, seed 3" in page
    assert "4,321 interactions" in page
    assert "calls" not in page
    with Store.open("sqlite://") as empty:
        assert "No runs yet" in _printed(terminal.runs_table(queries.runs(empty)))
