"""How often Audition's statistics are wrong: the tables of docs/statistics.md.

    python -m benchmarks.error_rates [--keep FILE] [--worlds METHOD=N ...] [--only PART ...]

Plays one arm and a somewhat worse one before 4,000 agents of a synthetic world under 200 draws
of luck (1.6 million sessions, some minutes), takes thousands of experiments from them, and
prints how often what ships in ``simulator.evaluation`` found a difference where there is
none, held the truth in its interval, and had the power that was planned. ``--keep`` leaves the
sessions in a file. ``--worlds`` plays so many worlds in which arms of that recommender learn
from their agents.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from simulator.randomness import stream

from . import coupled_worlds as coupled
from . import error_experiments as experiments
from .draws import EVENTS, Draws, kept
from .error_experiments import FIXED, LIVE, MOST, PEEKS, Rate, Repeats

AGENTS, DRAWS = 4000, 200
KINDS: tuple[tuple[experiments.Truth, str], ...] = (
    ("same", "A against A, other luck"),
    ("dealt", "A and B, dealt out by a coin"),
)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """As Markdown."""
    print()
    for line in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(line) + " |")


def percent(found: Rate | float) -> str:
    return f"{100 * (found.share if isinstance(found, Rate) else found):.1f} %"


def shown(rate: Rate) -> str:
    """The share, and whether it lies where its nominal value would put it."""
    low, high = rate.band
    where = "" if low <= rate.share <= high else (" (below)" if rate.share < low else " (above)")
    return percent(rate) + where


def band(rate: Rate) -> str:
    low, high = rate.band
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def describe(a: Draws, b: Draws) -> None:
    print(f"\n## Arms: {AGENTS:,} agents, {DRAWS} draws")
    rows = []
    for name in LIVE:
        one = experiments.spreads(a, b, name)
        rows.append(
            [
                f"`{name}`",
                f"{one.difference:+.4f}",
                f"{one.paired:.3f}",
                f"{one.unpaired:.3f}",
                f"{one.correlation:.2f}",
                f"{one.agents_paired:,}",
                f"{one.agents_unpaired:,}",
            ]
        )
    header = ["metric", "B - A", "sd, paired", "sd, unpaired", "correlation"]
    table([*header, "agents, paired", "agents an arm, unpaired"], rows)


def no_difference(a: Draws, b: Draws) -> None:
    print(f"\n## No difference, {FIXED} agents")
    for truth, title in KINDS:
        of = _repeats(a, b, truth).first(2000, FIXED)
        by_holm = list(experiments.compared(of, correction="holm"))
        by_max_t = list(experiments.compared(of, correction="max-t"))
        single = experiments.rejections(by_holm)
        print(f"\n{title}: {len(of):,} repeats, band {band(single['s_sat'])}")
        table(list(single), [[shown(rate) for rate in single.values()]])
        family = {
            "none": experiments.any_uncorrected(by_holm),
            "holm": experiments.family_wise(by_holm),
            "max-t": experiments.family_wise(by_max_t),
        }
        table(["any of 8 metrics:", *family], [["", *map(shown, family.values())]])


def peeking(a: Draws, b: Draws) -> None:
    print(f"\n## A look every 10 agents, {PEEKS[0]} to {MOST}: {len(PEEKS)} looks")
    rows = []
    for truth, title in (*KINDS, ("differ", "A and B")):
        of = _repeats(a, b, truth)
        for name in ("s_sat", "p_view"):
            one = experiments.peeked(of, name)
            say = percent if truth == "differ" else shown
            rates = [say(one.anytime), say(one.fixed), shown(one.covered), shown(one.always)]
            size = [f"{one.agents:.0f}", f"{one.width:.2f}"]
            rows.append([title, f"`{name}`", f"{len(of):,}", band(one.anytime), *rates, *size])
    header = ["", "metric", "repeats", "band of 5 %", "anytime rejects", "t test rejects"]
    header += ["truth held at stopping", "at all looks", "agents at stopping", "width at 200"]
    table(header, rows)


def coverage(a: Draws, b: Draws) -> None:
    of = _repeats(a, b, "differ").first(2000, FIXED)
    student = experiments.coverage(list(experiments.compared(of)), of.truth)
    print(f"\n## Coverage of 95 % intervals, {FIXED} agents, band {band(student['s_sat'])}")
    table(["", *student], [["t", *map(shown, student.values())]])
    names, few = ["s_sat", "p_view", "n_exit"], _repeats(a, b, "differ").first(1000, MOST)
    for agents in (FIXED, MOST):
        rows = []
        for interval in ("t", "bca"):
            found = list(
                experiments.compared(few.first(1000, agents), names=names, interval=interval)
            )
            held = experiments.coverage(found, of.truth)
            rows.append([interval, *map(shown, held.values())])
        print(f"\n{len(few):,} repeats of {agents} agents, band {band(held['s_sat'])}")
        table(["", *names], rows)


def planning(a: Draws, b: Draws) -> None:
    print("\n## Planned for 80 % power")
    rows = []
    for name in ("s_sat", "p_view"):
        for pilot in (None, 200, 100, 50, 20):
            rng = stream(1, "planning", name, pilot or 0)
            one = experiments.planned(a, b, name, pilot, 4000, rng)
            low, middle, high = one.sizes
            rows.append(
                [
                    f"`{name}`",
                    "spread known" if pilot is None else f"{pilot} agents",
                    f"{middle:.0f} ({low:.0f} to {high:.0f})",
                    percent(one.rejected),
                    " to ".join(map(percent, one.powers)),
                ]
            )
    header = ["metric", "pilot", "agents planned (90 % of plans)", "runs that rejected"]
    table([*header, "power of single plans (90 %)"], rows)


def units(a: Draws, b: Draws) -> None:
    print(f"\n## The same data by other units, {FIXED} agents")
    kinds: tuple[tuple[experiments.Truth, str], ...] = (*KINDS, ("differ", "A and B: found"))
    for event, metric in EVENTS.items():
        columns = []
        for truth, _ in kinds:
            of = _repeats(a, b, truth)
            columns.append(experiments.by_unit(of.first(len(of), FIXED), event))
        print(f"\n`{metric}`, events: {event}; bands of 5 %: ", end="")
        print(
            ", ".join(
                f"{title} {band(one[experiments.UNITS[0]])}"
                for one, (_, title) in zip(columns[:2], KINDS, strict=True)
            )
        )
        rows = []
        for unit in experiments.UNITS:
            none = [shown(one[unit]) for one in columns[:2]]
            rows.append([unit, *none, percent(columns[2][unit])])
        table(["", *(title for _, title in kinds)], rows)


def worlds(method: str, n: int) -> None:
    print(f"\n## Arms that learn from their agents: {method}, {n} worlds of 100 agents")
    found = list(coupled.worlds(method, 100, n, first=1000))
    rows = []
    for metric in ("s_sat", "p_view", "n_like"):
        agent, world = coupled.by_agent(found, metric), coupled.by_world(found, metric)
        shock = f"{coupled.shock(found, metric):.2f}"
        of = f"{shown(world)} of {world.repeats}"
        rows.append([f"`{metric}`", shock, shown(agent), band(agent), of, band(world)])
    header = ["metric", "variance of a world's difference / independent agents'"]
    header += ["by agent rejects", "band", f"by {coupled.WORLDS} worlds rejects", "band"]
    table(header, rows)


def _method(text: str) -> tuple[str, int]:
    name, _, n = text.partition("=")
    return name, int(n)


def _repeats(a: Draws, b: Draws, truth: experiments.Truth) -> Repeats:
    return experiments.repeats(a, b, truth, stream(1, "repeats", truth))


PARTS: dict[str, Callable[[Draws, Draws], None]] = {
    "describe": describe,
    "no_difference": no_difference,
    "peeking": peeking,
    "coverage": coverage,
    "planning": planning,
    "units": units,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, metavar="FILE", help="the sessions, as .npz")
    parser.add_argument("--worlds", type=_method, nargs="*", default=(), metavar="METHOD=N")
    parser.add_argument("--only", nargs="*", choices=tuple(PARTS), default=tuple(PARTS))
    asked = parser.parse_args()
    # A second thread gains nothing on matrices of this size (OMP_NUM_THREADS=1 for the rest).
    torch.set_num_threads(1)
    started = time.perf_counter()
    if asked.only:
        a, b = kept(asked.keep, AGENTS, DRAWS)
        print(f"sessions: {time.perf_counter() - started:.0f} s")
        for name in asked.only:
            PARTS[name](a, b)
    for method, n in asked.worlds:
        worlds(method, n)
    print(f"\n{time.perf_counter() - started:.0f} s; numpy {np.__version__}")


if __name__ == "__main__":
    main()
