"""The published run of Agent4Rec (agents 0 to 699), through the same functions as ours."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simulator.evaluation.simulated import Log, values

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    if "AUDITION_DATA" not in os.environ:
        pytest.skip("AUDITION_DATA names no folder with the data sets")
    folder = Path(os.environ["AUDITION_DATA"]) / "agent4rec"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    exposures = pd.read_csv(folder / "exposures.csv.gz").rename(columns={"user": "agent"})
    sessions = pd.read_csv(folder / "sessions.csv").rename(columns={"user": "agent"})
    genres = pd.read_csv(folder / "items.csv")["genres"].str.split("|")
    return values(
        Log(
            sessions.assign(arm="LightGCN", round=1, outcome="ok", return_intent=np.nan),
            exposures.assign(arm="LightGCN", round=1),
            tuple(tuple(names) for names in genres),
        )
    )


@pytest.mark.parametrize(
    ("metric", "whole_run"),
    [("p_view", 0.493), ("n_like", 6.00), ("p_like", 0.453), ("n_exit", 3.23), ("s_sat", 3.95)],
)
def test_seven_in_ten_agents_agree_with_all_thousand(
    measured: pd.DataFrame, metric: str, whole_run: float
) -> None:
    """The whole run's figure lies within 3 standard errors of what 300 left out allow."""
    found = measured[metric]
    assert len(found) == 700
    assert found.notna().all()
    error = found.std() * np.sqrt(1 / 700 - 1 / 1000)
    assert abs(found.mean() - whole_run) < 3 * error


def test_the_five_figures(measured: pd.DataFrame) -> None:
    names = ["p_view", "n_like", "p_like", "n_exit", "s_sat"]
    assert measured[names].mean().round(3).tolist() == [0.492, 6.023, 0.452, 3.249, 3.926]
