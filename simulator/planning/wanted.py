"""What a run is to find, and the test it has to be found by.

What is to be found is a verdict, which is corrected for all that is tested beside it. Sizes
are therefore those of a test at alpha over the number of tests (Bonferroni): the first step
of Holm's correction, and what an arm that alone differs has to pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..evaluation.power import POWER
from ..evaluation.simulated import METRICS
from ..scenario import Scenario


@dataclass(frozen=True)
class Wanted:
    """What a run is to find: a true ``difference`` of ``metric``, in its own units (None: not
    said), in a share ``power`` of all such runs."""

    metric: str
    difference: float | None = None
    power: float = POWER

    @staticmethod
    def of(
        scenario: Scenario, metric: str | None, difference: float | None, power: float
    ) -> Wanted:
        """Raises InputError for what cannot be planned for."""
        chosen = metric or scenario.evaluation.primary
        if chosen not in METRICS:
            raise InputError("--metric", found=chosen, allowed=", ".join(METRICS))
        if difference is not None and not 0 < difference < np.inf:
            raise InputError(
                "--difference", found=f"{difference:g}", allowed="a number above 0, in the "
                f"units of {chosen}"
            )  # fmt: skip
        least = 1 - scenario.evaluation.confidence
        if not least < power < 1:
            raise InputError("--power", found=f"{power:g}", allowed=f"above {least:.3g}, below 1")
        return Wanted(chosen, difference, power)


@dataclass(frozen=True)
class Corrected:
    """What a verdict on one arm and metric is corrected for: ``arms`` against the control,
    times ``metrics`` tested together; 1 and 1 without correction. ``alpha``: of all."""

    alpha: float
    arms: int
    metrics: int

    @staticmethod
    def of(scenario: Scenario, metric: str) -> Corrected:
        """The families of :func:`simulator.evaluation.compare.compare`."""
        chosen = scenario.evaluation
        alpha = 1 - chosen.confidence
        if chosen.correction == "none":
            return Corrected(alpha, 1, 1)
        metrics = 1 if metric == chosen.primary else len(METRICS.keys() - {chosen.primary})
        # One arm alone is sized as if there were another to compare it with.
        return Corrected(alpha, max(len(scenario.arms) - 1, 1), metrics)

    @property
    def tests(self) -> int:
        return self.arms * self.metrics

    @property
    def confidence(self) -> float:
        """Of a single test."""
        return 1 - self.alpha / self.tests

    @property
    def text(self) -> str:
        """
        >>> Corrected(0.05, 1, 1).text, Corrected(0.05, 4, 1).text, Corrected(0.05, 4, 8).text
        ('5 %', '5 % / 4 arms', '5 % / 32 tests (4 arms x 8 metrics)')
        """
        level = f"{100 * self.alpha:.3g} %"
        if self.tests == 1:
            return level
        if self.metrics == 1:
            return f"{level} / {self.arms} arms"
        arms = f"{self.arms} arm{'s' * (self.arms > 1)}"
        return f"{level} / {self.tests} tests ({arms} x {self.metrics} metrics)"
