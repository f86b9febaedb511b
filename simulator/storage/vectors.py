"""Embeddings of texts, by model and text (as SHA-256, in hexadecimal): written once, never
changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from . import tables
from .store import Store

FloatArray = npt.NDArray[np.float32]

_AT_ONCE = 500


def known(store: Store, model: str, texts: Sequence[str]) -> dict[str, FloatArray]:
    """The vectors that are there, (D,) float32 each."""
    t, out = tables.embeddings.c, {}
    with store.engine.connect() as connection:
        for start in range(0, len(texts), _AT_ONCE):
            some = t.text.in_(texts[start : start + _AT_ONCE])
            query = sa.select(t.text, t.vector).where(t.model == model, some)
            for text, vector in connection.execute(query):
                out[text] = np.frombuffer(vector, dtype="<f4").astype(np.float32)
    return out


def keep(store: Store, model: str, vectors: Mapping[str, FloatArray]) -> None:
    """Keep vectors by text, in one transaction; one that is there is left as it is."""
    rows = [
        {
            "model": model,
            "text": text,
            "dimensions": len(vector),
            "vector": np.asarray(vector, dtype="<f4").tobytes(),
        }
        for text, vector in vectors.items()
    ]
    if not rows:
        return
    dialect = postgresql if store.engine.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(tables.embeddings).on_conflict_do_nothing()
    with store.transaction() as connection:
        connection.execute(insert, rows)
