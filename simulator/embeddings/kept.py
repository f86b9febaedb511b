"""Vectors by the texts they are of: looked up in the store, embedded where they are new."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import AuditionError
from ..progress import Progress
from ..storage.store import Store
from ..storage.vectors import keep, known
from .interface import FloatArray, TextEmbedding


@dataclass(frozen=True, eq=False)
class Embedded:
    """``vectors`` (n_texts, D); how many different texts were ``found`` and ``sent``."""

    vectors: FloatArray
    found: int
    sent: int


def embedded(
    embedding: TextEmbedding,
    texts: Sequence[str],
    store: Store,
    progress: Progress,
    *,
    closed: bool = False,
) -> Embedded:
    """Every text once; each batch is kept before the next is sent, so that whoever is stopped
    goes on there. A blank text is a row of zeros and is not sent. ``closed``: nothing may be
    sent. Raises AuditionError."""
    if not embedding.by_text:
        return Embedded(embedding.embed(texts), 0, 0)
    model = _digest(embedding.name)
    by_key = {_digest(text): text for text in texts if text.strip()}
    there = known(store, model, list(by_key))
    found, new = len(there), [key for key in by_key if key not in there]
    if new and closed:
        raise AuditionError(
            f"{store.name}: {len(new):,} of {len(by_key):,} texts have no vector of "
            f"{embedding.name} here, and a replay sends nothing; run the scenario once without"
        )
    if new:
        embedding.ready()
        with progress.task("embeddings", len(new)) as task:
            for start in range(0, len(new), embedding.batch):
                keys = new[start : start + embedding.batch]
                rows = embedding.embed([by_key[key] for key in keys])
                fresh = dict(zip(keys, rows, strict=True))
                _dimensions(embedding, [*list(there.values())[:1], *rows[:1]])
                keep(store, model, fresh)
                there |= fresh
                task.update("texts embedded", start + len(keys))
    size = _dimensions(embedding, list(there.values()))
    blank = np.zeros(size, dtype=np.float32)
    by_text = [there.get(_digest(text), blank) for text in texts]
    vectors = np.vstack(by_text) if by_text else np.zeros((0, size), dtype=np.float32)
    return Embedded(vectors, found, len(new))


def _dimensions(embedding: TextEmbedding, rows: Sequence[FloatArray]) -> int:
    sizes = sorted({len(row) for row in rows})
    if len(sizes) > 1:
        raise AuditionError(
            f"embeddings: {embedding.name} gave vectors of {sizes[0]} dimensions and of "
            f"{sizes[1]}: it is not the model it was; give it another name"
        )
    return sizes[0] if sizes else 0


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
