"""The built-in embedding: TF-IDF and its truncated SVD, on this machine, at no cost."""

from __future__ import annotations

from collections.abc import Sequence

from agents.embedding import embed

from .interface import FloatArray, TextEmbedding

TF_IDF = "tf-idf"
DIMENSIONS, MOST = 64, 4096


class TfIdf(TextEmbedding):
    """Latent semantic analysis of the texts given (:func:`agents.embedding.embed`). A vector
    depends on all of them, so none is kept by its text."""

    by_text = False

    def __init__(self, dimensions: int = DIMENSIONS) -> None:
        self.name = f"{TF_IDF}/{dimensions}"
        self._dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> FloatArray:
        import scipy.linalg  # noqa: F401  only libraries that are loaded can be limited
        from threadpoolctl import threadpool_limits

        # One thread: sums then have one order, whatever the number of cores, and what is
        # trained on the vectors is the same.
        with threadpool_limits(limits=1, user_api="blas"):
            return embed(texts, self._dimensions)
