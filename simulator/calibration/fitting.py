"""Maximum likelihood for the three kinds of answer: yes or no by probit or by logit, and a mark
on a scale by a normal opinion of which only the mark's interval is seen. Each by L-BFGS-B from
``scipy.optimize``, within bounds, with numeric gradients: there are a dozen parameters at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_expit, log_ndtr, ndtr

from ..errors import AuditionError

Floats = npt.NDArray[np.float64]
Bound = tuple[float | None, float | None]
FREE: Bound = (None, None)
POSITIVE: Bound = (0.0, None)

PRIOR = 10.0
"""Standard deviation of the normal prior on every coefficient of a logit: wide enough to leave
what the data tell alone, and an answer where they tell of one kind only."""


def yes_no(
    predictor: Callable[[Floats], Floats],
    happened: npt.NDArray[np.bool_],
    start: Sequence[float],
    bounds: Sequence[Bound],
    link: str,
) -> Floats:
    """The parameters that make ``happened`` (n,) most likely, the chance of each being Phi
    (``link`` probit) or the logistic function (logit) of ``predictor(parameters)`` (n,)."""
    log_chance = {"probit": log_ndtr, "logit": log_expit}[link]
    sign = np.where(happened, 1.0, -1.0)

    def loss(parameters: Floats) -> float:
        prior = 0.5 * float(((parameters / PRIOR) ** 2).sum())
        return float(-log_chance(sign * predictor(parameters)).sum() + prior) / len(sign)

    return lowest(loss, start, bounds)


def marks(
    mean_and_spread: Callable[[Floats], tuple[Floats, Floats]],
    mark: Floats,
    scale: tuple[float, float],
    step: float,
    start: Sequence[float],
    bounds: Sequence[Bound],
) -> Floats:
    """The parameters under which a normal opinion with this mean and spread, rounded to the
    nearest mark and cut at the ends of the scale, makes the marks (n,) most likely."""
    lower = np.where(mark <= scale[0], -np.inf, mark - step / 2)
    upper = np.where(mark >= scale[1], np.inf, mark + step / 2)

    def loss(parameters: Floats) -> float:
        mean, spread = mean_and_spread(parameters)
        chance = ndtr((upper - mean) / spread) - ndtr((lower - mean) / spread)
        return float(-np.log(np.maximum(chance, 1e-12)).mean())

    return lowest(loss, start, bounds)


def mark_shares(
    mean: Floats, spread: Floats, scale: tuple[float, float], step: float
) -> tuple[Floats, Floats]:
    """The marks of the scale (m,) and the chance (n, m) of each under such opinions."""
    every = np.arange(scale[0], scale[1] + step / 2, step)
    upper = np.append(every[:-1] + step / 2, np.inf)
    below = ndtr((upper - mean[:, None]) / spread[:, None])
    return every, np.diff(below, axis=1, prepend=0.0)


def lowest(
    loss: Callable[[Floats], float], start: Sequence[float], bounds: Sequence[Bound]
) -> Floats:
    """Where the loss is least. Raises AuditionError where the search does not end."""
    found = minimize(loss, np.array(start), method="L-BFGS-B", bounds=list(bounds))
    if not found.success:
        raise AuditionError(f"calibration: the search did not end: {found.message}")
    return np.asarray(found.x, dtype=np.float64)
