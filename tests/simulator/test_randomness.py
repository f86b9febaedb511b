from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.randomness import KeyedLuck, stream

ROOT = Path(__file__).resolve().parent.parent.parent


@given(st.integers(0, 2**31 - 1), st.integers(0, 10**6), st.integers(1, 100))
def test_a_draw_depends_on_its_keys_alone(seed: int, agent: int, page: int) -> None:
    luck = KeyedLuck(seed)
    alone = luck.uniform("watch", [agent], page)
    among_others = luck.uniform("watch", [agent + 1, agent, 5], page)
    assert alone[0] == among_others[1]
    assert 0.0 < alone[0] < 1.0


def test_purposes_seeds_and_key_positions_are_independent() -> None:
    agents = np.arange(20_000)
    base = KeyedLuck(1).uniform("watch", agents, 3)
    for other in (
        KeyedLuck(2).uniform("watch", agents, 3),
        KeyedLuck(1).uniform("rate", agents, 3),
        KeyedLuck(1).uniform("watch", 3, agents),
        KeyedLuck(1).uniform("watch", agents, 4),
    ):
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.03
        assert (base == other).sum() <= 1  # agent 3 on page 3 is its own mirror image


def test_draws_are_uniform_over_agents_and_over_a_grid() -> None:
    luck = KeyedLuck(11)
    for draws in (
        luck.uniform("x", np.arange(50_000)),
        luck.uniform("x", np.arange(200)[:, None], np.arange(250)).ravel(),
    ):
        assert stats.kstest(draws, "uniform").pvalue > 0.001
    grid = luck.uniform("x", np.arange(300)[:, None], np.arange(300))
    assert abs(np.corrcoef(grid[:-1].ravel(), grid[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(grid[:, :-1].ravel(), grid[:, 1:].ravel())[0, 1]) < 0.02


def test_negative_and_scalar_keys_work() -> None:
    assert KeyedLuck(0).uniform("x", -1).shape == ()
    assert KeyedLuck(0).uniform("x").shape == ()


def test_the_same_in_another_process() -> None:
    code = (
        "from simulator.randomness import KeyedLuck, stream; "
        "print(KeyedLuck(7).uniform('watch', 3, 4).item(), stream(7, 'split').integers(10**9))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    here = f"{KeyedLuck(7).uniform('watch', 3, 4).item()} {stream(7, 'split').integers(10**9)}"
    assert done.stdout.strip() == here


def test_streams_differ_by_seed_and_by_key() -> None:
    draws = {
        int(stream(seed, *keys).integers(2**62))
        for seed, keys in ((1, ("a",)), (2, ("a",)), (1, ("b",)), (1, ("a", 1)), (1, ("a", "1")))
    }
    assert len(draws) == 5
