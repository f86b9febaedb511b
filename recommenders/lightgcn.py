"""LightGCN: matrix factorisation whose vectors are smoothed over the user-item graph.

He et al. 2020, "LightGCN: simplifying and powering graph convolution network for
recommendation"; settings as in Agent4Rec.
"""

from __future__ import annotations

from typing import Literal

import torch

from .graph import Propagation, normalised_adjacency
from .interface import Interactions
from .mf import MF
from .settings import require


class LightGCN(MF):
    """Matrix factorisation (BPR) on vectors averaged over ``layers`` hops of the user-item graph.

    layers: hops; none is MF. The other settings are MF's; l2 is on the trained vectors,
    not on the averaged ones. The graph holds training pairs only.
    """

    def __init__(
        self,
        dim: int = 64,
        layers: int = 2,
        learning_rate: float = 0.01,
        batch_size: int = 16384,
        l2: float = 5e-3,
        epochs: int = 500,
        min_epochs: int = 50,
        eval_every: int = 5,
        patience: int = 10,
        epochs_without_validation: int = 200,
        device: Literal["auto", "cpu", "cuda"] = "auto",
    ) -> None:
        require(layers >= 0, "layers", layers, "0 or more")
        super().__init__(
            dim=dim,
            learning_rate=learning_rate,
            batch_size=batch_size,
            l2=l2,
            epochs=epochs,
            min_epochs=min_epochs,
            eval_every=eval_every,
            patience=patience,
            epochs_without_validation=epochs_without_validation,
            device=device,
        )
        self.layers = layers

    def propagation(self, train: Interactions, device: torch.device) -> Propagation | None:
        """The mean over 0..layers hops of the training graph."""
        return Propagation(normalised_adjacency(train), self.layers, device)
