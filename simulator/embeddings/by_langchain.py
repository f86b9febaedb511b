"""Any LangChain ``Embeddings``: asked in batches, retried within bounds, its vectors checked.

The rules are those of the chat endpoint (docs/chat.md): one retry layer, ours; what would
fail again is not sent again; a key is never part of a message.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from agents.response.faults import BROKEN, Fault, classify, fatal, fault
from agents.response.question import CONTEXT, TRANSPORT

from ..errors import AuditionError
from .interface import FloatArray, TextEmbedding, unit

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

BROKEN_TRIES = 2
LONGEST_WAIT = 120.0
FIRST_WAIT, MOST_WAIT = 0.5, 8.0


class ByLangChain(TextEmbedding):
    """An embedding by an object of LangChain, which is made at the first text.

    ``attempts`` for one batch; ``dimensions``: what every vector must have (None: as many as
    the first one)."""

    by_text = True

    def __init__(
        self,
        name: str,
        *,
        where: str,
        batch: int,
        attempts: int,
        dimensions: int | None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name, self.batch, self.where = name, batch, where
        self._attempts, self._dimensions, self._sleep = attempts, dimensions, sleep
        self._model: Embeddings | None = None

    @abstractmethod
    def make(self) -> Embeddings:
        """The LangChain object; raises InputError where it cannot be made."""

    @property
    def key_variable(self) -> str | None:
        """The environment variable with the key, where one is known."""
        return None

    def redact(self, text: str) -> str:
        """A message without secrets."""
        return text

    def embed(self, texts: Sequence[str]) -> FloatArray:
        parts = [
            self._embedded(list(texts[start : start + self.batch]))
            for start in range(0, len(texts), self.batch)
        ]
        return np.vstack(parts) if parts else np.zeros((0, self._dimensions or 0), np.float32)

    def _embedded(self, texts: list[str]) -> FloatArray:
        if self._model is None:
            self._model = self.make()
        for attempt in range(1, self._attempts + 1):
            try:
                return self._checked(self._model.embed_documents(texts), len(texts))
            except Exception as error:  # noqa: BLE001 providers raise what they like
                lost = fault(error, self.redact)
            wait = self._wait(lost, attempt)
            if wait is None:
                break
            self._sleep(wait)
        raise AuditionError(self._told(lost, attempt))

    def _wait(self, lost: Fault, attempt: int) -> float | None:
        """Seconds to the next attempt, None where there is no sense in one."""
        broken = lost.text.startswith(BROKEN)
        transient = broken or classify(lost, with_format=False) == TRANSPORT
        most = min(self._attempts, BROKEN_TRIES) if broken else self._attempts
        if not transient or attempt >= most or fatal(lost, self.where, self.key_variable):
            return None
        backoff = min(FIRST_WAIT * 2 ** (attempt - 1), MOST_WAIT)
        wait = backoff if lost.retry_after is None else max(lost.retry_after, backoff)
        return wait if wait <= LONGEST_WAIT else None

    def _told(self, lost: Fault, attempts: int) -> str:
        said = fatal(lost, self.where, self.key_variable)
        if said is None:
            text = " ".join(lost.text.split())[:300]
            said = f"{self.where}: {text}"
            if classify(lost, with_format=False) == CONTEXT:
                said += "; a text is longer than the model takes"
            elif lost.retry_after is not None and lost.retry_after > LONGEST_WAIT:
                said += f"; it asks to wait {lost.retry_after:,.0f} s"
        return f"{said} ({attempts} {'attempt' if attempts == 1 else 'attempts'})"

    def _checked(self, vectors: list[list[float]], n: int) -> FloatArray:
        """Raises ValueError, which counts as a broken reply."""
        if len(vectors) != n:
            raise ValueError(f"{len(vectors)} vectors for {n} texts")
        lengths = sorted({len(vector) for vector in vectors})
        if len(lengths) != 1 or not lengths[0]:
            raise ValueError(f"vectors of {lengths} dimensions in one reply")
        if self._dimensions not in (None, lengths[0]):
            raise ValueError(f"vectors of {lengths[0]} dimensions, not {self._dimensions}")
        rows = np.asarray(vectors, dtype=np.float64)
        if not np.isfinite(rows).all():
            raise ValueError("a vector with a number that is not finite")
        self._dimensions = lengths[0]
        return unit(rows)
