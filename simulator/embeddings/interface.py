"""What every text embedding is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

KEY = "agents.embedding"
"""Where a scenario sets an embedding, unless another place is named in messages."""


class TextEmbedding(ABC):
    """Texts in, vectors out.

    ``name`` stands for everything a vector depends on besides the texts: it is part of the
    keys of what is kept. ``by_text``: a vector depends on its own text only, so that it can be
    kept and found again by that text. ``batch``: texts that are best embedded together.
    """

    name: str
    by_text: bool
    batch: int = 128

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> FloatArray:
        """(n_texts, D) float32, rows of unit length or zero. Raises AuditionError where they
        cannot be had."""

    @property
    def tokens(self) -> int:
        """Of the texts sent by now, as far as the provider counts them."""
        return 0

    def ready(self) -> None:  # noqa: B027 most need nothing
        """Raises AuditionError where something is missing that embedding needs."""

    def close(self) -> None:  # noqa: B027 as above
        """Let go of connections."""


def unit(vectors: npt.ArrayLike) -> FloatArray:
    """Rows of unit length, float32; a row of zeros stays one.

    >>> unit([[3.0, 4.0], [0.0, 0.0]]).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled = np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-12)
    return np.asarray(scaled, dtype=np.float32)
