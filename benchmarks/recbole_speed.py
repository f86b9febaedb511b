"""Ours beside RecBole 1.2.1: CPU seconds to a result, an epoch, top-20 lists, memory.

    bash benchmarks/recbole_env.sh          # once: builds .recbole-venv
    python -m benchmarks.recbole_speed --data $AUDITION_DATA [--sets agent4rec,ml-1m]
        [--methods mf,multvae,lightgcn] [--limit 600] [--repeats 3]

Both sides get the same split, one thread, batches of their own defaults, and a look at
validation NDCG@20 every ``--every`` epochs; both rank all items, mask train at validation
and train + valid at the test, and restore the best epoch. RecBole runs first, until it
stops by itself or ``--limit`` CPU seconds are used; its best validation NDCG@20 is what
"seconds to result" are counted to on both sides, evaluations included, data loading not.
Seconds are CPU seconds of the single-threaded process, which a busy machine stretches less
than wall seconds. RecBole keeps its documented default settings.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".recbole-venv" / "bin" / "python"
MODELS = {"mf": "BPR", "multvae": "MultiVAE", "lightgcn": "LightGCN", "sgl": "SGL"}
PARTS = ("train", "valid", "test")
EPOCHS_TIMED = 4
CUTOFF = 20
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def read_set(name: str, data: Path) -> dict[str, np.ndarray]:
    """(n, 2) user and item numbers of each part."""
    if name == "agent4rec":
        from benchmarks.targets import read_pairs

        folder = data / "agent4rec" / "cf_data"
        return {part: np.stack(read_pairs(folder / f"{part}.txt"), axis=1) for part in PARTS}
    with gzip.open(data / "ml-1m" / "ratings.csv.gz", "rt", encoding="utf-8") as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1, dtype=np.int64)
    user = np.unique(table[:, 0], return_inverse=True)[1]
    item = np.unique(table[:, 1], return_inverse=True)[1]
    return split_8_1_1(np.stack([user, item], axis=1))


def split_8_1_1(pairs: np.ndarray, seed: int = 2020) -> dict[str, np.ndarray]:
    """Random within each user, 80 % train, 10 % valid, 10 % test."""
    luck = np.random.default_rng(seed).random(len(pairs))
    pairs = pairs[np.lexsort([luck, pairs[:, 0]])]
    count = np.bincount(pairs[:, 0])
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    place = (np.arange(len(pairs)) - start[pairs[:, 0]] + 0.5) / count[pairs[:, 0]]
    part = np.digitize(place, [0.8, 0.9])
    return {name: pairs[part == number] for number, name in enumerate(PARTS)}


def write_atomic(parts: dict[str, np.ndarray], folder: Path) -> None:
    """RecBole's format: one tab-separated .inter file a part."""
    folder.mkdir(parents=True)
    for part, pairs in parts.items():
        np.savetxt(
            folder / f"{folder.name}.{part}.inter",
            pairs,
            fmt="%d",
            delimiter="\t",
            header="user_id:token\titem_id:token",
            comments="",
        )


# RecBole's side, run by .recbole-venv/bin/python


def recbole(task: dict[str, Any]) -> dict[str, Any]:
    """Train until it stops or the limit is reached, test the best epoch, time the lists."""
    import scipy.sparse
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.trainer import Trainer
    from recbole.utils import get_model, init_seed
    from recbole.utils.case_study import full_sort_topk

    torch.set_num_threads(1)
    # LightGCN fills its matrix by a method that scipy has since made private
    scipy.sparse.dok_matrix._update = lambda matrix, cells: matrix._dict.update(cells)  # type: ignore[attr-defined]
    load = torch.load  # checkpoints of our own making hold more than weights
    torch.load = lambda *args, **kwargs: load(*args, **{**kwargs, "weights_only": False})
    config = Config(
        model=MODELS[task["method"]],
        dataset=task["set"],
        config_dict={
            "data_path": task["folder"],
            "benchmark_filename": list(PARTS),
            "load_col": {"inter": ["user_id", "item_id"]},
            "metrics": ["Recall", "NDCG"],
            "topk": [CUTOFF],
            "valid_metric": f"NDCG@{CUTOFF}",
            "metric_decimal_place": 6,
            "epochs": task["epochs"],
            "eval_step": task["every"],
            "stopping_step": 10,
            "use_gpu": False,
            "show_progress": False,
            "state": "ERROR",
            "seed": task["seed"],
            "checkpoint_dir": task["folder"],
            **({"train_neg_sample_args": None} if task["method"] == "multvae" else {}),
            **task["theirs"],
        },
    )
    init_seed(config["seed"], True)
    dataset = create_dataset(config)
    train, valid, test = data_preparation(config, dataset)
    before = memory()
    model = get_model(config["model"])(config, train.dataset)
    trainer = Trainer(config, model)
    start, curve, epochs = Clock(), [], []

    def look(epoch: int, value: float) -> None:
        curve.append([epoch + 1, value, *start()])
        print(
            f"    RecBole epoch {epoch + 1}: {value:.4f} after {start()[0]:.0f} s CPU",
            file=sys.stderr,
            flush=True,
        )
        if start()[0] > task["limit"]:
            raise TimeoutError

    train_epoch = trainer._train_epoch

    def timed_epoch(*args: Any, **kwargs: Any) -> Any:
        began = time.process_time()
        out = train_epoch(*args, **kwargs)
        epochs.append(time.process_time() - began)
        return out

    trainer._train_epoch = timed_epoch
    limited = False
    try:
        trainer.fit(train, valid, verbose=False, saved=True, callback_fn=look)
    except TimeoutError:
        limited = True
    result = trainer.evaluate(test, load_best_model=True)
    users = np.arange(1, dataset.user_num)
    lists = []
    for _ in range(3):
        began = time.process_time()
        full_sort_topk(users, model, test, CUTOFF, device=config["device"])
        lists.append(time.process_time() - began)
    return {
        "curve": curve,
        "epoch_seconds": statistics.median(epochs),
        "test_ndcg": result[f"ndcg@{CUTOFF}"],
        "test_recall": result[f"recall@{CUTOFF}"],
        "lists_seconds": statistics.median(lists),
        "memory": memory(),
        "memory_before": before,
        "limited": limited,
    }


# Our side


def ours(task: dict[str, Any]) -> dict[str, Any]:
    """The same for ours, with the shipped settings and looks as often as RecBole's."""
    import torch

    from benchmarks.targets import on_test, plain_items
    from recommenders import registry
    from recommenders.interface import Histories, Interactions, Query
    from recommenders.ranking import recommend

    torch.set_num_threads(1)
    parts = {part: np.load(Path(task["folder"]) / f"{part}.npy") for part in PARTS}
    n_users, n_items = 1 + np.max([pairs.max(axis=0) for pairs in parts.values()], axis=0)
    train, valid, test = (
        Interactions(parts[part][:, 0], parts[part][:, 1], int(n_users), int(n_items))
        for part in PARTS
    )
    items = plain_items(train.n_items)
    before = memory()
    start, looks = Clock(), []
    recommender = registry.create(task["method"], {"eval_every": task["every"], **task["settings"]})

    def look(line: str) -> None:
        looks.append(start())
        print(f"    ours {line} after {start()[0]:.0f} s CPU", file=sys.stderr, flush=True)

    recommender.fit(
        train, items, valid=valid, rng=np.random.default_rng(task["seed"]), progress=look
    )
    peak = memory()
    curve = [
        [epoch, value, *at]
        for (epoch, value, _), at in zip(recommender.report["curve"], looks, strict=True)
    ]
    test_recall, test_ndcg = on_test(recommender, train, valid, test)
    known = train.matrix
    histories = Histories(known.indptr.astype(np.int64), known.indices.astype(np.int64))
    query = Query(np.arange(train.n_users), histories)
    exclude = known + valid.matrix
    lists = []
    for _ in range(3):
        began = time.process_time()
        recommend(recommender, query, CUTOFF, exclude)
        lists.append(time.process_time() - began)

    def blind(epochs: int) -> float:
        """CPU seconds of a fit without validation."""
        timed = registry.create(
            task["method"], {**task["settings"], "epochs_without_validation": epochs}
        )
        began = time.process_time()
        timed.fit(train, items, rng=np.random.default_rng(0))
        return time.process_time() - began

    return {
        "curve": curve,
        "epoch_seconds": (blind(1 + EPOCHS_TIMED) - blind(1)) / EPOCHS_TIMED,
        "test_ndcg": test_ndcg,
        "test_recall": test_recall,
        "lists_seconds": statistics.median(lists),
        "memory": peak,
        "memory_before": before,
        "limited": False,
    }


class Clock:
    """(CPU seconds, wall seconds) since it was made."""

    def __init__(self) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def __call__(self) -> tuple[float, float]:
        return time.process_time() - self.cpu, time.perf_counter() - self.wall


def memory() -> float:
    """Largest resident size so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# Side by side


def in_process(python: Path | str, task: dict[str, Any]) -> dict[str, Any]:
    """Run one side in a process of its own with one thread; returns what it measured."""
    out = Path(task["folder"]) / "out.json"
    threads = dict.fromkeys(THREADS, "1")
    subprocess.run(
        [
            str(python),
            str(Path(__file__).resolve()),
            "--task",
            json.dumps({**task, "out": str(out)}),
        ],
        check=True,
        cwd=task["folder"],
        env={**os.environ, **threads, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
    )
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def recbole_once(task: dict[str, Any], reuse: Path | None) -> dict[str, Any]:
    """RecBole's figures, read from the folder ``reuse`` where it has them, else measured."""
    kept = None if reuse is None else reuse / f"{task['set']}-{task['method']}.json"
    if kept is not None and kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text())
        return found
    found = in_process(PYTHON, task)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found))
    return found


def reached(curve: list[list[float]], value: float) -> tuple[float, float] | None:
    """CPU and wall seconds of the first look at which validation NDCG is at least ``value``."""
    return next(((cpu, wall) for _, ndcg, cpu, wall in curve if ndcg >= value), None)


def compare(name: str, method: str, asked: argparse.Namespace, folder: Path) -> None:
    """RecBole once, ours ``--repeats`` times; prints one block."""
    task = {
        "set": name,
        "method": method,
        "folder": str(folder),
        "limit": asked.limit,
        "every": asked.every,
        "epochs": asked.epochs,
        "settings": json.loads(asked.settings),
        "theirs": json.loads(asked.recbole_settings),
    }
    theirs = recbole_once({**task, "side": "recbole", "seed": 2020}, asked.reuse)
    mine = [
        in_process(sys.executable, {**task, "side": "ours", "seed": s})
        for s in range(asked.repeats)
    ]
    best = max(look[1] for look in theirs["curve"])
    at = reached(theirs["curve"], best)
    times = [reached(one["curve"], best) for one in mine]
    assert at is not None
    print(
        f"\n{name}, {method} (RecBole {MODELS[method]}): "
        f"best validation NDCG@20 of RecBole {best:.4f}"
        + (f", cut off after {theirs['curve'][-1][2]:.0f} CPU s" if theirs["limited"] else "")
    )
    mine_cpu = [math.inf if t is None else t[0] for t in times]
    row("CPU s to that result", at[0], mine_cpu)
    row("wall s to that result", at[1], [math.inf if t is None else t[1] for t in times])
    row("CPU s an epoch", theirs["epoch_seconds"], [one["epoch_seconds"] for one in mine])
    row("CPU s top-20 of all", theirs["lists_seconds"], [one["lists_seconds"] for one in mine])
    row("peak memory MiB", theirs["memory"], [one["memory"] for one in mine])
    row("  before training", theirs["memory_before"], [one["memory_before"] for one in mine])
    row(
        "best valid NDCG@20",
        best,
        [max(look[1] for look in one["curve"]) for one in mine],
        quality=True,
    )
    row("test NDCG@20", theirs["test_ndcg"], [one["test_ndcg"] for one in mine], quality=True)
    row("test Recall@20", theirs["test_recall"], [one["test_recall"] for one in mine], quality=True)
    sys.stdout.flush()


def row(what: str, theirs: float, mine: list[float], *, quality: bool = False) -> None:
    """One line: RecBole, ours (median and range), their ratio."""
    middle = statistics.median(mine)
    digits = 4 if quality else 3
    ratio = f"{middle - theirs:+.4f}" if quality else f"{theirs / middle:.1f} times"
    if math.isinf(middle):
        ratio = "not reached"
    print(
        f"  {what:22s} RecBole {theirs:9.{digits}f}   ours {middle:9.{digits}f} "
        f"({min(mine):.{digits}f} to {max(mine):.{digits}f})   {ratio}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("AUDITION_DATA"))
    parser.add_argument("--sets", default="agent4rec,ml-1m")
    parser.add_argument("--methods", default=",".join(MODELS))
    parser.add_argument(
        "--limit", type=float, default=600.0, help="CPU seconds for RecBole's training"
    )
    parser.add_argument("--every", type=int, default=5, help="epochs between looks, both sides")
    parser.add_argument(
        "--epochs", type=int, default=300, help="RecBole's largest number of epochs"
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs of ours, seeds 0, 1, ...")
    parser.add_argument("--settings", default="{}", help="settings of ours as JSON")
    parser.add_argument(
        "--recbole-settings", default="{}", help="settings of RecBole other than its defaults, JSON"
    )
    parser.add_argument(
        "--reuse", type=Path, help="folder that keeps RecBole's figures for later runs"
    )
    parser.add_argument("--task", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.task:
        task = json.loads(asked.task)
        found = (recbole if task["side"] == "recbole" else ours)(task)
        Path(task["out"]).write_text(json.dumps(found))
        return
    if asked.data is None:
        parser.error("--data DIR or the environment variable AUDITION_DATA is needed")
    for name in asked.sets.split(","):
        parts = read_set(name, Path(asked.data))
        for method in asked.methods.split(","):
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                write_atomic(parts, folder / name)
                for part, pairs in parts.items():
                    np.save(folder / f"{part}.npy", pairs)
                compare(name, method, asked, folder)


if __name__ == "__main__":
    main()
