"""What a person reads on a terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, Group

from simulator.evaluation.summary import summarise
from simulator.report import terminal, terminal_ab
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


def test_guardrails_have_a_line_and_stand_beside_the_verdict() -> None:
    evaluation = {"primary": "s_sat", "guardrails": {"n_like": 5.0, "repeat_rate": 0.5}}
    with Store.open("sqlite://") as opened:
        chosen = sample.Sample(scenario={"evaluation": evaluation})
        found = summarise(opened, sample.write(opened, chosen))
    rows = {(row["arm"], row["metric"]): row["guardrail"] for row in found["comparisons"]}
    text = _printed(terminal.comparisons_table(found), 110)
    assert rows["Random", "n_like"]["holds"]
    assert f"Guardrail: Random, N_like: {rows['Random', 'n_like']['text']}." in text
    assert text.count("guardrail 5.00: holds") == 2
    assert text.count("guardrail 0.500: holds") == 2  # a metric that is not a main one

    rows["LightGCN", "n_like"] |= {"holds": False, "text": "broken: at least 6 worse, allowed 5"}
    text = _printed(terminal.comparisons_table(found), 110)
    assert "Guardrail: LightGCN, N_like: broken: at least 6 worse, allowed 5." in text
    assert "guardrail 5.00: broken" in text
    page = " ".join(
        _printed(Group(*terminal_ab.blocks(_compared(found), every=False)), 110).split()
    )
    assert "in S_sat, but its guardrail N_like is broken (at least 6 worse, allowed 5)" in page
    assert "guardrail 5.00: broken" in page


def _compared(summary: dict[str, Any]) -> dict[str, Any]:
    """As ``audition compare --metric s_sat`` has it, and one more."""
    rows = summary["comparisons"]
    kept = [row for row in rows if row["metric"] in ("s_sat", "n_like")]
    return {**summary, "comparisons": kept, "guardrails": [row for row in rows if row["guardrail"]]}


def test_the_tables_say_which_intervals_they_hold(summary: dict[str, Any]) -> None:
    assert "paired by agent; 95 % intervals" in _printed(terminal.comparisons_table(summary), 100)
    rows = [{**row, "low": None, "high": None} for row in summary["comparisons"]]
    text = _printed(terminal.comparisons_table({**summary, "comparisons": rows}), 100)
    assert "arm minus MF; no interval is given" in text
    assert "95 %" not in text
    rows = [{**row, "interval": "anytime"} for row in summary["comparisons"]]
    text = _printed(terminal_ab.differences(rows, "MF", "95 %"), 110)
    assert "95 % anytime intervals" in text
    assert "audition plan" in _printed(terminal_ab.sensitivity(rows), 110)


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
