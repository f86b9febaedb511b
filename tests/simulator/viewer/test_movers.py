"""From a difference to who made it: the A/B table's numbers, and every agent in its place."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from simulator.evaluation.simulated import METRICS
from simulator.evaluation.study import read
from simulator.evaluation.summary import summarise
from simulator.report.comparing import row_texts
from simulator.report.wording import number, signed, wording
from simulator.storage.store import Store
from simulator.viewer import session_index, summaries
from simulator.viewer.app import create_app
from simulator.viewer.index import Index
from simulator.viewer.movers_page import context, parse
from simulator.viewer.session_pairs import LISTS, distribution
from simulator.viewer.view import View

from ..storage import sample


@pytest.fixture(scope="module")
def view(played: Store, tmp_path_factory: pytest.TempPathFactory) -> View:
    """The runs in the index, and the summary of ``quickstart``; nothing in the background."""
    index = Index(tmp_path_factory.mktemp("movers") / "i.view")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summaries, "_draw", lambda *_: None)
        summaries.make(played, index, "quickstart")
    for run in ("quickstart", "try"):
        session_index.update(played, index, run)
    return View(played, index)


@pytest.fixture(autouse=True)
def nothing_in_the_background(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view.work, "ask", lambda *_, **__: None)


@pytest.fixture(scope="module")
def client(view: View) -> Iterator[TestClient]:
    with TestClient(create_app(view), base_url="http://127.0.0.1") as found:
        yield found


@pytest.fixture(scope="module")
def document(played: Store) -> dict[str, Any]:
    return summarise(played, "quickstart")


def _wide(view: View, metric: str, round_: int) -> pd.DataFrame:
    """By agent: the metric in each arm."""
    values = read(view.store, "quickstart").values.astype({"arm": str})
    return values[values["round"] == round_].pivot(index="agent", columns="arm", values=metric)


def _listed(view: View, **asked: str) -> list[dict[str, Any]]:
    first = context(view, "quickstart", parse(asked))
    rows = []
    for sheet in range(1, first["sheets"] + 1):
        rows += context(view, "quickstart", parse({**asked, "sheet": str(sheet)}))["rows"]
    assert len(rows) == first["total"] == first["counts"][asked.get("list", "losses")]
    return rows


@pytest.mark.parametrize("round_", ["1", "2"])
def test_difference_interval_and_verdict_are_those_of_the_table(
    view: View, document: dict[str, Any], round_: str
) -> None:
    rows = document["rounds"][round_]["comparisons"]
    assert rows
    for row in rows:
        asked = {"metric": row["metric"], "a": row["control"], "b": row["arm"], "round": round_}
        shown = context(view, "quickstart", parse(asked))
        if shown["metric"] != row["metric"]:  # defined for nobody
            assert row["n"] == 0
            continue
        texts = row_texts(row)
        assert shown["result"]["from_table"]
        for name in ("difference", "interval", "verdict", "p", "mean", "control_mean"):
            assert shown["result"][name] == texts[name]


def test_against_another_arm_there_is_an_interval_by_itself(
    view: View, document: dict[str, Any]
) -> None:
    (row,) = (
        row for row in document["rounds"]["2"]["comparisons"] if row["metric"] == "s_sat"
    )  # fmt: skip
    asked = {"metric": "s_sat", "a": row["arm"], "b": row["control"], "round": "2"}
    shown = context(view, "quickstart", parse(asked))["result"]
    assert not shown["from_table"]
    digits = wording("s_sat").digits
    assert shown["difference"] == signed(-row["difference"], digits)
    assert shown["interval"] == f"{signed(-row['high'], digits)} to {signed(-row['low'], digits)}"
    assert "compares with Popularity" in shown["why"]


@pytest.mark.parametrize("metric", ["s_sat", "p_view", "n_exit", "repeat_rate", "genre_entropy"])
def test_losses_and_gains_are_everybody_whose_value_differs(view: View, metric: str) -> None:
    wide = _wide(view, metric, 2)
    sign = -1 if METRICS[metric].better < 0 else 1
    gain = (wide["EASE"] - wide["Popularity"]) * sign
    asked = {"metric": metric, "a": "Popularity", "b": "EASE", "round": "2"}
    for name, moved in (("gains", gain[gain > 0]), ("losses", -gain[gain < 0])):
        rows = _listed(view, **asked, list=name)
        order = (
            moved.rename("moved")
            .reset_index()
            .sort_values(["moved", "agent"], ascending=[False, True])
        )
        assert [row["agent"] for row in rows] == order["agent"].tolist()
        digits = wording(metric).digits
        for row in rows[:5]:
            agent = row["agent"]
            assert row["sides"][0]["value"] == number(wide["Popularity"][agent], digits)
            assert row["sides"][1]["value"] == number(wide["EASE"][agent], digits)


def test_who_leaves_earlier_left_of_its_own_accord(view: View) -> None:
    sessions = read(view.store, "quickstart").sessions.astype({"arm": str})
    found = set()
    for a, b in (("Popularity", "EASE"), ("EASE", "Popularity")):
        both = sessions[sessions["round"] == 1].pivot(index="agent", columns="arm")
        sooner = (both["exit_page"][b] < both["exit_page"][a]) & ~both["censored"][b].astype(bool)
        rows = _listed(view, metric="s_sat", a=a, b=b, round="1", list="early")
        assert {row["agent"] for row in rows} == set(sooner.index[sooner])
        found |= set(sooner.index[sooner])
    assert found, "the case is there"


def test_what_one_arm_alone_has_is_told_with_its_reason(tmp_path: Path) -> None:
    """In B agent 5 has no session; in A its session failed: missing in both. Of 3 and 8, who
    played A only, one arm has a value."""
    with Store.open(tmp_path / "s.db") as store:
        run = sample.begin(store)
        sample.play(store, sample.add_arm(store, run, 0, "A"))
        b = sample.add_arm(store, run, 1, "B")
        ended: dict[str, Any] = {"agent": np.array([3]), "exit_page": [1], "shown": [2]}
        ended |= {"watched": [0], "liked": [0], "exit_reason": ["x"], "censored": [False]}
        store.add_sessions(b, 1, ended | {"outcome": ["timeout"]})
        store.end_run(run, status="failed", error="half of it")
        index = Index(tmp_path / "i.view")
        session_index.update(store, index, "try")
        view = View(store, index)
        view.work.ask = lambda *_, **__: None  # type: ignore[method-assign]
        shown = context(view, "try", parse({"metric": "n_exit", "list": "missing"}))
        told = {row["agent"]: [side["value"] for side in row["sides"]] for row in shown["rows"]}
        assert told == {3: ["2.00", "failed: timeout"], 8: ["2.00", "no session"]}
        assert [row["both"] for row in shown["rows"]] == [True, False]
        assert shown["drawing"] is None
        assert shown["result"]["difference"] == "–"
        view.render("movers.html.j2", shown)


def test_addresses_lead_to_the_pair_and_keep_what_was_asked(client: TestClient) -> None:
    page = client.get("/runs/quickstart/movers?metric=p_view&round=1&list=gains").text
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', page)]
    pairs = [link for link in links if "/pair?" in link]
    assert pairs
    assert all("a=Popularity&b=EASE&round=1" in link for link in pairs)
    lists = [link for link in links if "list=" in link]
    assert len(lists) == len(LISTS)
    assert all("metric=p_view&a=Popularity&b=EASE&round=1" in link for link in lists)
    for link in [*lists, pairs[0]]:
        assert client.get(link).status_code == 200


@pytest.mark.parametrize("field", ["metric", "a", "b", "round", "list", "sheet"])
def test_what_is_not_there_is_left_to_the_page(client: TestClient, field: str) -> None:
    for typed in ("nothing", "'; DROP TABLE visits", "-1", "9" * 40, "<script>", "EASE", "2"):
        answer = client.get("/runs/quickstart/movers", params={field: typed})
        assert answer.status_code == 200
        assert "<script>" not in answer.text
    assert client.get("/runs/none/movers").status_code == 404


def test_one_arm_alone_has_no_difference(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        run = sample.begin(store)
        sample.play(store, sample.add_arm(store, run, 0, "A"))
        store.end_run(run, status="finished")
        index = Index(tmp_path / "i.view")
        session_index.update(store, index, "try")
        view = View(store, index)
        page = view.render("movers.html.j2", context(view, "try", parse({})))
        assert "One arm alone" in page
        view.work.close()


def test_differences_of_a_few_steps_have_a_bar_each() -> None:
    bars = distribution(np.array([-2.0, -1, -1, 0, 1, np.nan]))
    assert [(bar.low, bar.high, bar.count) for bar in bars] == [
        (-2, -2, 1), (-1, -1, 2), (0, 0, 1), (1, 1, 1)
    ]  # fmt: skip
    assert distribution(np.array([np.nan])) == []
    assert [bar.count for bar in distribution(np.zeros(3))] == [3]


@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 6)), min_size=1)
)  # fmt: skip
def test_every_difference_is_in_one_bar(values: list[float]) -> None:
    bars = distribution(np.array(values))
    assert sum(bar.count for bar in bars) == len(values)
    assert 1 <= len(bars) <= 43
    slack = 1e-6 * max(map(abs, values)) + 1e-6
    assert bars[0].low - slack <= min(values)
    assert max(values) <= bars[-1].high + slack
    assert any(bar.low <= slack and bar.high >= -slack for bar in bars), "0 is on the scale"
