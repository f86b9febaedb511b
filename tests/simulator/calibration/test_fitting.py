"""Likelihoods: known parameters come back, and shares of marks by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, ndtr

from simulator.calibration.fitting import FREE, POSITIVE, mark_shares, marks, yes_no
from simulator.errors import AuditionError


@pytest.mark.parametrize(("link", "chance"), [("probit", ndtr), ("logit", expit)])
def test_yes_and_no_give_their_parameters_back(link: str, chance: np.ufunc) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=20_000)
    happened = rng.random(len(x)) < chance(0.7 * x - 0.4)
    found = yes_no(lambda b: b[0] * x + b[1], happened, [0.1, 0.0], [POSITIVE, FREE], link)
    assert np.allclose(found, [0.7, -0.4], atol=0.05)


def test_what_always_happens_still_has_an_answer() -> None:
    found = yes_no(lambda b: b[0] + np.zeros(50), np.ones(50, dtype=bool), [0.0], [FREE], "logit")
    assert 2 < found[0] < 30


def test_marks_give_their_parameters_back() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=20_000)
    given = np.clip(np.floor(3.4 + 0.5 * x + 0.9 * rng.normal(size=len(x)) + 0.5), 1, 5)
    found = marks(
        lambda p: (p[0] + p[1] * x, np.full(len(x), p[2])),
        given,
        (1.0, 5.0),
        1.0,
        [3.0, 0.1, 1.0],
        [FREE, FREE, (0.05, 4.0)],
    )
    assert np.allclose(found, [3.4, 0.5, 0.9], atol=0.03)


def test_shares_of_marks_by_hand() -> None:
    every, share = mark_shares(np.array([3.0]), np.array([1.0]), (1.0, 5.0), 1.0)
    assert every.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    # Phi(-1.5) = .0668, Phi(-.5) = .3085
    assert np.allclose(share[0], [0.0668, 0.2417, 0.3829, 0.2417, 0.0668], atol=1e-4)


def test_a_search_that_does_not_end_is_an_error() -> None:
    with pytest.raises(AuditionError, match="did not end"):
        yes_no(lambda b: b[0] * np.full(3, np.nan), np.ones(3, dtype=bool), [1.0], [FREE], "logit")
