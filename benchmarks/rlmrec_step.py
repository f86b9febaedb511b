"""What a step of RLMRec costs on RLMRec's split of Amazon-Book, over LightGCN.

    python -m benchmarks.rlmrec_step --data DIR --what con [--width 1536] [--steps 5]

``DIR`` as in benchmarks/amazon_book.py. The profiles are random: their texts are not at hand, and
what they say changes nothing in time or memory. ``--what``: backbone, con, gen, or plain, which
is con as one would write it down: every profile projected, all (batch x others) logits held,
repeats computed as often as they occur, gradients by autograd. Batches of 4,096, one thread; CPU
seconds of a step after a first one, the loss of each, and the process's peak memory.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.amazon_book import read_split
from recommenders.graph_models.base import Backbone, Batch, Training
from recommenders.graph_models.lightgcn import SumLightGCN
from recommenders.graph_models.losses import unit
from recommenders.interface import FloatArray, Interactions, Texts
from recommenders.sampling import PairSampler
from recommenders.text_models.alignment import Con, Gen
from recommenders.text_models.profiles import Profiles

BATCH = 4096


class Plain(Con):
    """The definition; every node has a profile here."""

    def term(self, batch: Batch, final: Tensor, hidden: Tensor) -> Tensor:
        said = self.project(self.profiles.vectors)
        total = self._plain(final[batch.user], said[batch.user], said[: self.n_users])
        for side in (batch.positive, batch.negative):
            total = total + self._plain(final[side], said[side], said[side])
        return total / len(batch.user)

    def _plain(self, nodes: Tensor, own: Tensor, others: Tensor) -> Tensor:
        nodes, own, others = unit(nodes), unit(own), unit(others)
        alike = (nodes * own).sum(1) / self._temperature
        return (torch.exp(nodes @ others.t() / self._temperature).sum(1).log() - alike).sum()


def model(what: str, train: Interactions, width: int) -> Backbone:
    """One of ``--what``; con and plain start from the same numbers."""
    rng, device = np.random.default_rng(1), torch.device("cpu")
    backbone = SumLightGCN().backbone(train, rng, device)
    if what == "backbone":
        return backbone
    drawn = np.random.default_rng(0)
    texts = Texts(*(_random(n, width, drawn) for n in (train.n_items, train.n_users)))
    profiles, of_term = Profiles.of(texts, device), rng.spawn(1)[0]
    if what == "gen":
        return Gen(backbone, profiles, of_term, weight=0.1, temperature=0.5, masked=0.15)
    made = Con if what == "con" else Plain
    return made(backbone, profiles, of_term, weight=0.01, temperature=0.2)


def _random(n: int, width: int, rng: np.random.Generator) -> FloatArray:
    vectors = rng.normal(size=(n, width)).astype(np.float32)
    out: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--what", choices=("backbone", "con", "gen", "plain"), required=True)
    parser.add_argument("--width", type=int, default=1536)
    parser.add_argument("--steps", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    train, _, _ = read_split(asked.data)
    backbone, sampler = model(asked.what, train, asked.width), PairSampler(train)
    training = Training(backbone, sampler, learning_rate=1e-3, batch_size=BATCH, l2=1e-7)
    user, positive, negative = sampler.epoch(backbone.rng)
    rows = torch.from_numpy(np.stack([user, positive + train.n_users, negative + train.n_users]))
    losses, seconds = [], []
    for number in range(asked.steps + 1):
        batch = Batch(*rows[:, number * BATCH : (number + 1) * BATCH])
        started = time.process_time()
        losses.append(float(training.step(batch)))
        seconds.append(time.process_time() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{asked.what}, width {asked.width}: {np.median(seconds[1:]):.3f} CPU s a step, "
        f"peak {peak:.0f} MiB; losses {' '.join(f'{loss:.5f}' for loss in losses)}"
    )


if __name__ == "__main__":
    main()
