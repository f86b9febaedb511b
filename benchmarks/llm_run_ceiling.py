"""How well anything tells what the published language-model agents did (docs/calibration.md).

    AUDITION_DATA=... python -m benchmarks.llm_run_ceiling

Gradient boosting on everything that is known of an agent, an item and its page, fitted on the
first 500 agents with a published session and scored on the others, beside the preset
gpt-3.5-agent4rec, which was fitted on the same agents: AUC for watched and aligned, and the
mean chance to leave by page. What boosting misses is no fault of the model's form.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from agents.features import decade_matrix, genre_matrix
from agents.registry import create
from agents.response.behavioural import Behavioural
from simulator.calibration.known import known
from simulator.fidelity import replies, slates
from simulator.fidelity.slates import Slates
from simulator.fidelity.telling_apart import auc
from simulator.scenario import load
from simulator.world import World, build

SCENARIO = Path(__file__).parents[1] / "scenarios" / "agent4rec.yaml"
FITTED_ON = 500
PRESET = "gpt-3.5-agent4rec"
TRAITS = ("activity", "diversity", "conformity")


def exposures(world: World, found: Slates) -> pd.DataFrame:
    """A row for each item shown: what is known of it, its page and its agent; what was done."""
    model = world.response
    assert isinstance(model, Behavioural)
    pairs = known(world, model, found.row[:, None, None], np.maximum(found.item, 0))
    there = found.there
    who, page, slot = np.nonzero(there)
    frame = pd.DataFrame({"who": who, "page": page + 1, "slot": slot})
    for name in ("taste", "quality", "familiarity", "liking", "generosity"):
        frame[name] = getattr(pairs, name)[there]
    on_page = frame.groupby(["who", "page"])
    for name in ("taste", "quality", "familiarity", "liking"):
        mean = on_page[name].transform("mean")
        frame[f"{name} mean"], frame[f"{name} apart"] = mean, frame[name] - mean
        frame[f"{name} rank"] = on_page[name].rank()
    profiles = world.audience.profiles
    for trait in TRAITS:
        for name in (trait, f"{trait}_value"):
            frame[name] = getattr(profiles, name)[found.row[who]]
    for labels, names in (genre_matrix(world.catalogue), decade_matrix(world.catalogue)):
        frame[list(names)] = labels.toarray()[found.item[there]]
    for name in ("aligned", "watched"):
        frame[f"said {name}"] = getattr(found, name)[there]
    return frame


def pages(frame: pd.DataFrame, found: Slates) -> pd.DataFrame:
    """A row for each page that was not the last possible one; ``left`` whether it was left."""
    by_page = frame.groupby(["who", "page"])
    kept = [
        c
        for c in map(str, frame.columns)
        if c.endswith(" mean") or c.removesuffix("_value") in TRAITS
    ]
    out = by_page[kept].first()
    done = by_page[["said aligned", "said watched"]].sum()
    out[["aligned", "watched"]] = done
    out[["aligned so far", "watched so far"]] = done.groupby("who").cumsum()
    out = out.reset_index()
    out["left"] = found.exit_page[out["who"]] == out["page"]
    return out[out["page"] < found.pages]


def boosted(frame: pd.DataFrame, columns: list[str], target: str) -> npt.NDArray[np.float64]:
    """The chance of ``target`` for every row, learnt from the first agents."""
    first = frame["who"] < FITTED_ON
    model = HistGradientBoostingClassifier(
        learning_rate=0.03, max_iter=300, max_leaf_nodes=8, min_samples_leaf=30,
        l2_regularization=5.0, random_state=0,
    )  # fmt: skip
    model.fit(frame.loc[first, columns], frame.loc[first, target])
    return np.asarray(model.predict_proba(frame[columns])[:, 1])


def main() -> None:
    world = build(load(SCENARIO), str(SCENARIO))
    folder = slates.folder(world)
    assert folder is not None
    found = slates.read(folder, world)
    frame = exposures(world, found)
    chances = replies.forced(world, found, 60, create("behavioural", {"preset": PRESET}))
    rest = (frame["who"] >= FITTED_ON).to_numpy()
    columns = [c for c in map(str, frame.columns) if c != "who" and not c.startswith("said ")]
    for name in ("watched", "aligned"):
        truth = frame[f"said {name}"].to_numpy(np.float64)[rest]
        even = np.ones(len(truth))
        boost = auc(boosted(frame, columns, f"said {name}")[rest], truth, even)
        ours = auc(getattr(chances, name)[found.there][rest], truth, even)
        print(f"AUC {name}: boosting {boost:.3f}, {PRESET} {ours:.3f}")
    turned = pages(frame, found)
    columns = [c for c in map(str, turned.columns) if c not in ("who", "left")]
    turned["boosting"] = boosted(turned, columns, "left")
    turned[PRESET] = chances.leave[turned["who"], turned["page"] - 1]
    for part, chosen in (("first", turned["who"] < FITTED_ON), ("others", None)):
        rows = turned[chosen] if chosen is not None else turned[turned["who"] >= FITTED_ON]
        print(f"\nLeft after the page, {part}")
        print(rows.groupby("page")[["left", "boosting", PRESET]].mean().round(3).to_string())


if __name__ == "__main__":
    main()
