"""Text as vectors: TF-IDF word weights, and their truncated SVD as dense embeddings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from .interface import FloatArray

if TYPE_CHECKING:  # scikit-learn is 100 MB, which who only reads a store does without
    from sklearn.feature_extraction.text import TfidfVectorizer

_WORD = r"(?u)\b[^\W\d_]{3,}\b"
_ANY_WORD = re.compile(r"\w+")


def word_weights(
    texts: Sequence[str], *, most: int = 4000, rarest: int = 4
) -> tuple[sp.csr_array, list[str]]:
    """(n_texts, n_words) float64 TF-IDF with unit rows, and the words.

    Words of three letters or more, English stop words left out, those in fewer than
    ``rarest`` texts or more than a fifth of them too, the ``most`` frequent kept. No
    words at all (empty or very few texts) gives zero columns.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        token_pattern=_WORD,
        stop_words="english",
        min_df=rarest,
        max_df=max(0.2, rarest / max(len(texts), 1)),
        max_features=most,
        sublinear_tf=True,
    )
    return _weigh(vectorizer, texts)


def embed(texts: Sequence[str], dimensions: int = 64) -> FloatArray:
    """(n_texts, dimensions) float32 rows of unit length; a text without known words is zero.

    Latent semantic analysis (Deerwester et al. 1990): truncated SVD of TF-IDF. Columns
    beyond the rank of the data are zero, so the shape never depends on the texts. The
    same texts give the same vectors.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        token_pattern=r"(?u)\b\w\w+\b", stop_words="english", sublinear_tf=True, min_df=2
    )
    weights, words = _weigh(vectorizer, texts)
    out = np.zeros((len(texts), dimensions))
    rank = min(dimensions, len(texts) - 1, len(words) - 1)
    if rank >= 1:
        # Of texts that are all alike the explained share, which nobody asks for, is 0 / 0.
        with np.errstate(invalid="ignore"):
            out[:, :rank] = TruncatedSVD(rank, random_state=0).fit_transform(weights)
    length = np.linalg.norm(out, axis=1, keepdims=True)
    unit = np.divide(out, length, out=np.zeros_like(out), where=length > 1e-9)
    return np.asarray(unit, dtype=np.float32)


def relevance(cue: str, texts: Sequence[str]) -> FloatArray:
    """(n_texts,) TF-IDF cosine of each text with ``cue``, in 0..1; float32.

    The weights are those of scikit-learn's TfidfVectorizer with ``sublinear_tf``, which
    takes milliseconds to set up: a chat agent asks this of a handful of notes, every page.
    """
    counted = [Counter(_ANY_WORD.findall(text.lower())) for text in (*texts, cue)]
    within = Counter(word for words in counted for word in words)
    n = len(counted)
    rows = []
    for words in counted:
        row = {
            word: (1 + log(count)) * (1 + log((1 + n) / (1 + within[word])))
            for word, count in words.items()
        }
        length = sqrt(sum(weight * weight for weight in row.values()))
        rows.append({word: weight / length for word, weight in row.items()})
    *notes, asked = rows
    fit = [sum(note.get(word, 0.0) * weight for word, weight in asked.items()) for note in notes]
    return np.asarray(np.clip(fit, 0.0, 1.0), dtype=np.float32)


def _weigh(vectorizer: TfidfVectorizer, texts: Sequence[str]) -> tuple[sp.csr_array, list[str]]:
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:
        # scikit-learn's way to say that no text has a usable word.
        return sp.csr_array((len(texts), 0)), []
    return sp.csr_array(weights), vectorizer.get_feature_names_out().tolist()
