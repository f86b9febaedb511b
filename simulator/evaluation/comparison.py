"""The record of one metric of one arm against the control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .covariates import Adjusted
from .missing import Bounds
from .paired import Interval
from .ratio import Ratio
from .units import Unit
from .verdicts import Guardrail

Role = Literal["primary", "guardrail", "secondary"]
Estimate = Literal["plain", "adjusted"]


@dataclass(frozen=True)
class Comparison:
    """One metric of one arm against the control; differences are arm minus control.

    ``low``..``high`` is the interval of ``difference`` over ``n`` pairs of units, not corrected
    for multiplicity; ``p_adjusted`` is. ``standard_error_unpaired`` is what the same
    units would give if they were compared as two groups; ``correlation`` between the
    arms says why. ``missing`` is the share of pairs of sessions without a value; ``bounds``
    what they could make of the mean difference. ``minimum_detectable``: found with
    :data:`POWER` by one test, or by an anytime interval at its last look; ``needed``: units
    that find half of it so, None for an anytime interval, whose width follows what was planned.
    ``ratio``: the same metric as a ratio of sums. ``adjusted``: by covariates; where verdicts
    follow it, ``estimate`` says so, and ``difference``, ``low``, ``high`` and ``p`` are its own,
    while the plain difference is ``mean`` less ``control_mean``. ``tests``: how many p values
    ``p_adjusted`` is corrected over, 1 without correction.
    """

    metric: str
    control: str
    arm: str
    role: Role
    unit: Unit
    difference: float
    low: float
    high: float
    interval: Interval
    p: float
    p_adjusted: float
    verdict: str
    minimum_detectable: float
    margin: float
    mean: float
    control_mean: float
    n: int
    missing: float
    correlation: float
    standard_error: float
    standard_error_unpaired: float
    needed: int | None = None
    guardrail: Guardrail | None = None
    ratio: Ratio | None = None
    adjusted: Adjusted | None = None
    estimate: Estimate = "plain"
    tests: int = 1
    bounds: Bounds | None = None
