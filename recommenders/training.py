"""The one training loop: epochs, validation NDCG@20, early stopping, the best epoch restored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch.optim.adam import adam

from .interface import Interactions, Progress, Recommender, RecommenderError
from .ranking import validation_ndcg
from .settings import require

CUTOFF = 20
_Kept = TypeVar("_Kept")


@dataclass(frozen=True)
class Schedule:
    """How long to train.

    With validation data: at most ``epochs``, looking every ``eval_every``; stops once
    ``patience`` looks in a row brought nothing better, but never before ``min_epochs``
    (a slow start, as LightGCN's, looks like the end of progress). Without validation data:
    exactly ``epochs_without_validation``.
    """

    epochs: int
    min_epochs: int
    eval_every: int
    patience: int
    epochs_without_validation: int

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "epochs", self.epochs, "1 or more")
        require(self.min_epochs >= 0, "min_epochs", self.min_epochs, "0 or more")
        require(self.eval_every >= 1, "eval_every", self.eval_every, "1 or more")
        require(self.patience >= 1, "patience", self.patience, "1 or more")
        blind = self.epochs_without_validation
        require(blind >= 1, "epochs_without_validation", blind, "1 or more")


class Watch:
    """Mean NDCG@20 of held-out pairs, and the clock.

    Every item competes except the user's training items: test pairs are unknown to a
    recommender in training and so compete too, as they do for a live system.
    """

    def __init__(
        self, recommender: Recommender, train: Interactions, valid: Interactions | None
    ) -> None:
        self._recommender = recommender
        self._train = train
        self._valid = valid if valid is not None and len(valid) else None
        self._start = time.perf_counter()

    @property
    def validates(self) -> bool:
        """Is there anything to validate on?"""
        return self._valid is not None

    def ndcg(self) -> float:
        """Mean NDCG@20 of what the recommender would show now."""
        assert self._valid is not None
        return validation_ndcg(self._recommender, self._train, self._valid, CUTOFF)

    def seconds(self) -> float:
        """Wall seconds since training began."""
        return time.perf_counter() - self._start


def run_epochs(
    watch: Watch,
    schedule: Schedule,
    *,
    epoch: Callable[[], float],
    look: Callable[[], None],
    keep: Callable[[], _Kept],
    put_back: Callable[[_Kept], None],
    progress: Progress | None,
) -> dict[str, Any]:
    """Run ``epoch`` (which returns its mean loss) as the schedule says; returns the report.

    ``look`` makes the recommender score with what is learned so far, ``keep`` hands out
    that state (its own, not shared with later epochs) and ``put_back`` restores it; what
    remains is the best validated epoch. The report holds epochs, best_epoch, valid_ndcg
    (None without validation), stopped (why), seconds, and curve: [epoch, valid_ndcg,
    seconds] of each look. Raises RecommenderError when the loss is no longer finite.
    """
    if not watch.validates:
        return _run_blind(watch, schedule, epoch, look, progress)
    best, best_epoch, stale, number = -math.inf, 0, 0, 0
    kept: _Kept | None = None
    curve: list[list[float]] = []
    stopped = "epochs"
    for number in range(1, schedule.epochs + 1):
        loss = _finite(epoch(), number)
        if number % schedule.eval_every and number != schedule.epochs:
            continue
        look()
        value = watch.ndcg()
        curve.append([number, value, watch.seconds()])
        if value > best:
            best, best_epoch, stale, kept = value, number, 0, keep()
        else:
            stale += 1
        _tell(progress, f"epoch {number}: loss {loss:.4f}, valid NDCG@{CUTOFF} {value:.4f}")
        if stale >= schedule.patience and number >= schedule.min_epochs:
            stopped = "patience"
            break
    if kept is not None and best_epoch != number:
        put_back(kept)
    return {
        "epochs": number,
        "best_epoch": best_epoch,
        "valid_ndcg": best,
        "stopped": stopped,
        "seconds": watch.seconds(),
        "curve": curve,
    }


def _run_blind(
    watch: Watch,
    schedule: Schedule,
    epoch: Callable[[], float],
    look: Callable[[], None],
    progress: Progress | None,
) -> dict[str, Any]:
    """The same without validation data: a fixed number of epochs."""
    last = schedule.epochs_without_validation
    for number in range(1, last + 1):
        loss = _finite(epoch(), number)
        if number % schedule.eval_every == 0 or number == last:
            _tell(progress, f"epoch {number} of {last}: loss {loss:.4f} (no validation data)")
    look()
    return {
        "epochs": last,
        "best_epoch": last,
        "valid_ndcg": None,
        "stopped": "no validation data: fixed number of epochs",
        "seconds": watch.seconds(),
        "curve": [],
    }


def _finite(loss: float, epoch: int) -> float:
    if not math.isfinite(loss):
        raise RecommenderError(
            f"training diverged in epoch {epoch} (loss {loss}); a lower learning_rate helps"
        )
    return loss


def _tell(progress: Progress | None, line: str) -> None:
    if progress is not None:
        progress(line)


def choose_device(device: str) -> torch.device:
    """``auto`` is CUDA where present, else the CPU; asking for absent CUDA is an error."""
    present = torch.cuda.is_available()
    if device == "cuda" and not present:
        raise RecommenderError(
            "device: found 'cuda', but no CUDA device is here; allowed: auto, cpu"
        )
    return torch.device("cuda" if device != "cpu" and present else "cpu")


class Adam:
    """Kingma and Ba 2015 with the usual constants, as torch's own fused step.

    torch.optim.Optimizer wraps the same step but imports torch's compiler when first used:
    more than a second, longer than many of our trainings take.
    """

    def __init__(self, parameters: Iterable[torch.Tensor], learning_rate: float) -> None:
        self._parameters = [parameter.detach() for parameter in parameters]  # the same memory
        self._means = [torch.zeros_like(one) for one in self._parameters]
        self._squares = [torch.zeros_like(one) for one in self._parameters]
        self._steps = [torch.zeros((), device=one.device) for one in self._parameters]
        self._learning_rate = learning_rate

    def step(self, gradients: Iterable[torch.Tensor]) -> None:
        """Move the parameters, in place, by one gradient each."""
        adam(
            self._parameters,
            list(gradients),
            self._means,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
