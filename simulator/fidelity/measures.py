"""One figure of fidelity with its interval, and the trivial baselines beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..evaluation.intervals import Estimate


@dataclass(frozen=True)
class Baseline:
    """What something trivial reaches in the same test, on the same agents and items.

    ``low`` and ``high`` are NaN where there is no interval.
    """

    name: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Measure:
    """One figure of one test.

    ``test`` is the group it belongs to (``taste``, ``ratings``, ...); ``case`` the condition
    within it (``1:9, popularity-matched``), "" where there is one only; ``name`` the figure
    (``accuracy``, ``rmse``). ``value`` lies in ``low``..``high`` with the scenario's confidence
    (NaN where there is no interval); ``n`` counts what the interval is over, agents unless
    ``note`` says otherwise. ``better`` is the direction of good: 1 up, -1 down, 0 neither.
    ``note`` is a sentence a reader needs, such as what the figure was fitted on.
    """

    test: str
    name: str
    value: float
    low: float
    high: float
    n: int
    case: str = ""
    better: int = 0
    baselines: tuple[Baseline, ...] = ()
    note: str = ""

    def beats(self, baseline: str) -> bool:
        """Whether the value is better than the named baseline's. Raises KeyError for an
        unknown one and ValueError where neither direction is better."""
        if self.better == 0:
            raise ValueError(f"{self.test} {self.name}: neither direction is better")
        found = {b.name: b.value for b in self.baselines}[baseline]
        return self.better * self.value > self.better * found

    def document(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)


def estimated(
    test: str,
    name: str,
    found: Estimate,
    *,
    case: str = "",
    better: int = 0,
    baselines: Sequence[Baseline] = (),
    note: str = "",
) -> Measure:
    """A measure that is a mean over agents."""
    return Measure(
        test,
        name,
        found.mean,
        found.low,
        found.high,
        found.n,
        case,
        better,
        tuple(baselines),
        note,
    )


def baseline(name: str, found: Estimate) -> Baseline:
    """A baseline that is a mean over agents."""
    return Baseline(name, found.mean, found.low, found.high, found.n)
