"""``audition compare``: the arms of a run held against its control, once more or for the
first time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import InputError
from .evaluation.common_agents import check
from .evaluation.simulated import METRICS
from .evaluation.study import Study, read
from .evaluation.summary import document as summarised
from .evaluation.summary import sliced
from .evaluation.two_audiences import document as two_audiences
from .family import members
from .run import identity
from .scenario import SCENARIOS, Scenario, load
from .storage import known
from .storage.plain import plain
from .storage.store import Store

SCHEMA = "audition.compare/1"

KEPT = (
    "run",
    "control",
    "round",
    "unit",
    "worlds",
    "replicates",
    "members",
    "health",
    "looks",
    "grounding",
)
"""What the document takes from the run's summary as it stands there."""


def in_store(store: Store, what: str, overrides: Sequence[str]) -> str | None:
    """``what`` where it is the name of a run or family; None where it must be a scenario.

    A name that is both is the run, unless the scenario is meant by its file's name or by
    overrides.
    """
    return what if not overrides and what in known.names(store) else None


def scenario(store: Store, what: str, overrides: Sequence[str]) -> Scenario:
    """``what`` as a scenario. Raises InputError where it is neither that nor a run."""
    shipped = SCENARIOS / f"{Path(what).stem}.yaml"
    if not Path(what).exists() and not shipped.is_file() and not what.endswith((".yaml", ".yml")):
        scenarios = ", ".join(sorted(path.stem for path in SCENARIOS.glob("*.yaml")))
        runs = ", ".join(known.names(store)) or "none there yet"
        raise InputError(
            what,
            found=f"neither a run of {store.name} nor a scenario",
            allowed=f"runs: {runs}; scenarios: {scenarios}, or a file",
        )
    return load(Path(what), overrides)


def played(store: Store, asked: Scenario, control: str | None = None) -> str | None:
    """The latest finished run or family of the same scenario, seed and code. Raises
    InputError for a ``control`` that is no arm, before anything is run."""
    arms = [arm.name for arm in asked.arms]
    if control is not None and control not in arms:
        raise InputError("--control", found=repr(control), allowed=", ".join(arms))
    return known.finished(store, identity(asked), len(members(asked)))


def check_metrics(metrics: Sequence[str]) -> None:
    """InputError for a metric that there is not."""
    unknown = [metric for metric in metrics if metric not in METRICS]
    if unknown:
        raise InputError("--metric", found=repr(unknown[0]), allowed=", ".join(METRICS))


def document(
    store: Store,
    name: str,
    *,
    control: str | None = None,
    metrics: Sequence[str] = (),
    slices: bool = False,
    cheap: str | None = None,
) -> dict[str, Any]:
    """What is printed: the comparisons of one run or family, of some ``metrics`` or all;
    ``cheap``: a run or family of the same scenario with more agents of another audience, to be
    combined with it.

    Verdicts and corrections are those of the whole; leaving metrics out changes none.
    Raises InputError for an unknown run, control or metric, and where nothing can be compared.
    """
    check_metrics(metrics)
    study = read(store, name)
    other = None if cheap is None else read(store, cheap)
    if other is not None:
        check(study, other)
    summary = summarised(study, control=control)
    if not summary["comparisons"]:
        arms = ", ".join(summary["arms"]) or "none"
        raise InputError(f"run {name}", key="arms", found=arms, allowed="two or more to compare")
    chosen = [row for row in summary["comparisons"] if row["metric"] in (metrics or METRICS)]
    found = sliced(study, summary["control"], summary["round"], metrics) if slices else []
    both = {} if other is None else _combined(study, other, summary, metrics)
    return {
        "schema": SCHEMA,
        **{key: summary[key] for key in KEPT if key in summary},
        "scenario": summary["scenario"],
        "comparisons": chosen,
        "guardrails": [row for row in summary["comparisons"] if row["guardrail"]],
        **({"components": summary["components"]} if "components" in summary else {}),
        **({"slices": plain(found)} if slices else {}),
        **({"two_audiences": both} if both else {}),
    }


def _combined(
    study: Study, cheap: Study, summary: dict[str, Any], metrics: Sequence[str]
) -> dict[str, Any]:
    usage = {name: arm["usage"] for name, arm in summary["arms"].items()}
    found = two_audiences(study, cheap, summary["comparisons"], summary["round"], usage)
    rows = [row for row in found["comparisons"] if row["metric"] in (metrics or METRICS)]
    return dict(plain(found | {"comparisons": rows}))
