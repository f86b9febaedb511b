"""What RLMRec adds to a backbone that was tuned as long: Agent4Rec's data, personas, summaries.

    python -m benchmarks.rlmrec_study --data DIR [--backbones gccf,lightgcn] [--seeds 5]
        [--trials 4] [--results FILE] [--report]

User profiles are the personas that came with the data, item profiles its summaries with titles
and genres; both were written by a language model. They are embedded together (TF-IDF, truncated
SVD). Split, masks and measures are those of benchmarks/targets.py.

Every method is tuned by as many fits, judged by validation NDCG@20 with one seed that is not
used again: a backbone by 2 x ``--trials`` draws of its own settings, the published ones first;
a variant keeps the best of the first ``--trials`` of these and draws ``--trials`` settings of
the alignment. Then all are fitted with the same further seeds. ``shuffled``: the variant as
tuned, every profile with another owner. Differences are paired by seed, intervals Student's t.
With ``--results`` every fit is kept in a file as soon as it is over, and is not fitted again.
"""

from __future__ import annotations

import argparse
import csv
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks.kept import Kept
from benchmarks.targets import on_test
from recommenders import checkpoint, registry
from recommenders.interface import Interactions
from simulator.progress import Progress
from simulator.scenario import Scenario
from simulator.storage.store import Store
from simulator.texts.settle import settle
from simulator.world import World, build

Settings = Mapping[str, Any]

TUNING_SEED = 1_000
COMMON: Settings = {"learning_rate": 2e-3, "batch_size": 2048}
"""Not tuned, the same for all: half of the published batch, twice its rate."""

L2 = (1e-7, 1e-6, 1e-5, 1e-4)
SPACES: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "gccf": {"layers": (1, 2, 3), "l2": L2},
    "lightgcn": {"layers": (1, 2, 3), "l2": L2, "keep": (0.5, 0.8, 1.0)},
    "sgl": {"layers": (2, 3), "l2": L2, "cl": (0.001, 0.01, 0.1), "temperature": (0.1, 0.2, 0.5)},
    "simgcl": {
        "layers": (2, 3),
        "l2": L2,
        "cl": (0.001, 0.01, 0.1),
        "temperature": (0.1, 0.2, 0.5),
        "noise": (0.1, 0.3, 0.9),
    },
    "dccf": {"layers": (1, 2), "l2": L2, "cl": (1e-4, 1e-3, 1e-2), "temperature": (0.1, 0.2, 0.5)},
    "autocf": {"layers": (1, 2), "l2": L2, "ssl": (0.2, 1.0, 5.0), "seeds": (20, 100)},
}
ALIGNMENT: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "con": {"weight": (0.001, 0.01, 0.1, 1.0), "temperature": (0.1, 0.2, 0.5, 1.0)},
    "gen": {
        "masked": (0.05, 0.1, 0.2),
        "weight": (0.01, 0.1, 1.0),
        "temperature": (0.1, 0.2, 0.5),
    },
}
BARE: Mapping[str, str] = {"lightgcn": "recommenders.graph_models.lightgcn:SumLightGCN"}
"""Where the backbone's name in the registry means another method."""

WAYS = ("base", "con", "gen", "con shuffled", "gen shuffled")


SCENARIO: Mapping[str, Any] = {
    "name": "study",
    "dataset": {"source": "agent4rec"},
    "texts": {"embedding": {"provider": "tf-idf", "dimensions": 128}},
    "agents": {"count": 1},
    "arms": [{"name": "RLMRec", "recommender": "rlmrec"}],
}


def read(folder: Path) -> World:
    """Agent4Rec's data with the vectors of its profiles, as a scenario would have them."""
    scenario = {**SCENARIO, "dataset": {**SCENARIO["dataset"], "path": str(folder)}}
    world = build(Scenario.model_validate(scenario), "study")
    with (
        tempfile.TemporaryDirectory() as temporary,
        Store.open(str(Path(temporary) / "study.db")) as store,
    ):
        return settle(world, store, Progress(quiet=True)).world


def named(folder: Path, world: World) -> dict[str, tuple[int, int]]:
    """For each part of the split: of how many (user, item) pairs the persona's reasons name the
    title, and how many pairs there are. The reasons are no part of a profile here, but of
    the same reply as the tastes: they show what its writer had read."""
    with (folder / "personas.csv").open(encoding="utf-8", newline="") as file:
        reasons = {int(row["user"]): row["reason"].lower() for row in csv.DictReader(file)}
    titles = [_spoken(title) for title in world.dataset.items.title]
    out = {}
    for part in ("train", "valid", "test"):
        pairs: Interactions = getattr(world.split, part)
        found = [
            any(
                re.search(rf"(?<!\w){re.escape(form)}(?!\w)", reasons[user])
                for form in titles[item]
            )
            for user, item in zip(pairs.user.tolist(), pairs.item.tolist(), strict=True)
        ]
        out[part] = sum(found), len(found)
    return out


def _spoken(title: str) -> set[str]:
    """Forms of a title in a sentence: as it is, and with its article in front; short ones, which
    stand in any text, are left out."""
    plain = re.sub(r"\s*\(\d{4}\)$", "", title).strip().lower()
    article = re.fullmatch(r"(.*), (the|an?|les?|la|el|il|das|der)", plain)
    forms = {plain, f"{article[2]} {article[1]}"} if article else {plain}
    return {form for form in forms if len(form) >= 5}


def draws(space: Mapping[str, Sequence[Any]], rng: np.random.Generator) -> Iterator[Settings]:
    """Points of the space without an end, each another one as long as there are any."""
    points = [dict(zip(space, one, strict=True)) for one in _product(list(space.values()))]
    while True:
        for number in rng.permutation(len(points)):
            yield points[number]


def _product(values: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    out: list[tuple[Any, ...]] = [()]
    for several in values:
        out = [(*one, value) for one in out for value in several]
    return out


def trials(space: Mapping[str, Sequence[Any]], n: int, key: Sequence[int]) -> list[Settings]:
    """The published settings (none given), then ``n`` - 1 draws."""
    drawn = draws(space, np.random.default_rng(list(key)))
    return [{}, *(next(drawn) for _ in range(n - 1))]


@dataclass(eq=False)
class Study:
    """One backbone, everything that is asked about it."""

    world: World
    backbone: str
    kept: Kept
    n_trials: int
    seeds: Sequence[int]

    def run(self) -> None:
        place = list(SPACES).index(self.backbone)
        candidates = trials(SPACES[self.backbone], 2 * self.n_trials, (place,))
        tuned = [self.fit("base", one, {}, TUNING_SEED) for one in candidates]
        best: dict[str, tuple[Settings, Settings]] = {
            "base": (_best(tuned)["backbone_settings"], {})
        }
        # Every setting by its value: what is not given would be the variant's published one.
        half = self._filled(_best(tuned[: self.n_trials])["backbone_settings"])
        for number, (variant, space) in enumerate(ALIGNMENT.items()):
            aligned = trials(space, self.n_trials, (place, number))
            found = [self.fit(variant, half, one, TUNING_SEED) for one in aligned]
            best[variant] = half, _best(found)["alignment"]
            best[f"{variant} shuffled"] = best[variant]
        for seed in self.seeds:
            for way in WAYS:
                self.fit(way, *best[way], seed)

    def fit(self, way: str, settings: Settings, alignment: Settings, seed: int) -> dict[str, Any]:
        """One fit, by now or kept."""
        what = {
            "backbone": self.backbone,
            "way": way,
            "backbone_settings": dict(settings),
            "alignment": dict(alignment),
            "common": dict(COMMON),
            "seed": seed,
        }
        return self.kept.find(**what) or self.kept.add(what | self._measured(what))

    def _filled(self, settings: Settings) -> Settings:
        name, given = method(
            {"backbone": self.backbone, "way": "base", "common": COMMON}
            | {"backbone_settings": settings, "alignment": {}}
        )
        return registry.create(name, given).settings

    def _measured(self, what: Mapping[str, Any]) -> dict[str, Any]:
        name, settings = method(what)
        recommender = registry.create(name, settings)
        split, started = self.world.split, time.process_time()
        checkpoint.fit(
            recommender,
            split.train,
            self.world.dataset.items,
            valid=split.valid,
            rng=np.random.default_rng(what["seed"]),
            texts=self.world.texts,
        )
        seconds = time.process_time() - started
        found = on_test(recommender, split.train, split.valid, split.test)
        report = recommender.report
        print(
            f"  {what['way']} {what['backbone_settings']} {what['alignment']} seed {what['seed']}: "
            f"valid {report['valid_ndcg']:.4f}, test recall {found[0]:.4f} ndcg {found[1]:.4f}, "
            f"{report['epochs']} epochs, {seconds:.0f} s CPU",
            flush=True,
        )
        return {
            "valid_ndcg": round(report["valid_ndcg"], 6),
            "recall": round(found[0], 6),
            "ndcg": round(found[1], 6),
            "epochs": report["epochs"],
            "cpu_s": round(seconds, 1),
        }


def method(what: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The registry's name and settings of one fit."""
    settings = {**what["common"], **what["backbone_settings"]}
    backbone, (variant, _, shuffled) = what["backbone"], what["way"].partition(" ")
    if variant == "base":
        return BARE.get(backbone, backbone), settings
    return "rlmrec", {
        "variant": variant,
        "backbone": backbone,
        "backbone_settings": settings,
        "profiles": "shuffled" if shuffled else "own",
        **what["alignment"],
    }


def _best(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return max(found, key=lambda one: one["valid_ndcg"])


def report(kept: Kept, backbones: Sequence[str], seeds: Sequence[int]) -> None:
    """Test means over seeds, and each way's difference from the backbone."""
    for backbone in backbones:
        rows = {
            way: [kept.find(backbone=backbone, way=way, seed=seed) for seed in seeds]
            for way in WAYS
        }
        base = rows["base"]
        for way, found in rows.items():
            both = [(a, b) for a, b in zip(base, found, strict=True) if a and b]
            if both:
                print(f"{backbone:9} {way:13} {_told(both, way == 'base')}")


def _told(both: Sequence[tuple[dict[str, Any], dict[str, Any]]], alone: bool) -> str:
    parts = []
    for measure in ("recall", "ndcg"):
        base, mine = (np.array([pair[side][measure] for pair in both]) for side in (0, 1))
        text = f"{measure}@20 {mine.mean():.4f}"
        if not alone and len(both) > 1:
            gain = mine - base
            spread = stats.t.ppf(0.975, len(gain) - 1) * stats.sem(gain)
            low, high = gain.mean() - spread, gain.mean() + spread
            text += f" ({gain.mean():+.4f}; {low:+.4f} to {high:+.4f})"
        parts.append(text)
    return f"{'  '.join(parts)}  [{len(both)} seeds]"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the agent4rec data")
    parser.add_argument("--backbones", default=",".join(SPACES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--results", type=Path, help="a file of JSON lines to go on with")
    parser.add_argument("--report", action="store_true", help="only say what the file holds")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    kept, backbones = Kept(asked.results), asked.backbones.split(",")
    if not asked.report:
        world = read(asked.data)
        for part, (found, pairs) in named(asked.data, world).items():
            print(f"{part}: {found} of {pairs} titles named by the personas' reasons")
        for backbone in backbones:
            print(backbone, flush=True)
            Study(world, backbone, kept, asked.trials, range(asked.seeds)).run()
    report(kept, backbones, range(asked.seeds))


if __name__ == "__main__":
    main()
