"""How often the audit's dose-response control passes, fails or cannot tell, by size.

    python -m benchmarks.audit_power [--audiences 600]

Audiences are plain numbers: satisfaction falls by one standard deviation of the agents from
no random items to random items only, and agents differ in that fall as much as in their level
(``sound``), or does not fall at all (``deaf``).
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np
import pandas as pd

from simulator.audit.control import Panel
from simulator.audit.doses import doses
from simulator.evaluation.simulated import METRICS

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def audience(rng: np.random.Generator, agents: int, fall: float) -> Panel:
    level = 5 + rng.normal(size=(agents, 1))
    trend = -fall + rng.normal(size=(agents, 1))
    values = level + trend * np.array(SHARES) + 0.5 * rng.normal(size=(agents, len(SHARES)))
    frame = pd.DataFrame(values, columns=[str(share) for share in SHARES])
    return Panel({name: frame if name == "s_sat" else frame * np.nan for name in METRICS})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--audiences", type=int, default=600)
    told = parser.parse_args()
    arms = [(share, str(share)) for share in SHARES]
    for name, fall in (("sound", 1.0), ("deaf", 0.0)):
        for agents in (5, 8, 20, 50, 200):
            rng = np.random.default_rng([agents, int(fall)])
            states = Counter(
                doses(audience(rng, agents, fall), "s_sat", arms, 0.95).state
                for _ in range(told.audiences)
            )
            shares = ", ".join(f"{s} {n / told.audiences:.1%}" for s, n in sorted(states.items()))
            print(f"{name}, {agents} agents: {shares}", flush=True)


if __name__ == "__main__":
    main()
