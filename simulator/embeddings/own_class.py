"""An embedding by the path of a class: LangChain's, or the user's own."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .by_langchain import ByLangChain

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

KEY = "agents.embedding.class"
_SECRET = re.compile(r"(^|_)(key|token|secret|password)$", re.IGNORECASE)


class ClassEmbedding(ByLangChain):
    """``path`` "package.module:Class", made with ``settings`` as keyword arguments; ``batch``
    texts at a time. Raises InputError for a path that is not one of an ``Embeddings``."""

    def __init__(
        self, path: str, settings: Mapping[str, Any], file: str, batch: int = 128, **more: Any
    ) -> None:
        self._path, self._settings, self._file = path, dict(settings), file
        for name in settings:
            if _SECRET.search(name):
                raise InputError(
                    file,
                    key=f"agents.embedding.{name}",
                    found="a setting for a secret",  # whose value is not repeated
                    allowed="none: scenarios are stored",
                    fix="let the class read its key from the environment",
                )
        self._class = _find(path, file)
        text = json.dumps(self._settings, sort_keys=True, ensure_ascii=False)
        of_settings = hashlib.sha256(text.encode()).hexdigest()[:16]
        super().__init__(
            f"{path}/{of_settings}",
            where=f"embeddings: {path}",
            batch=batch,
            attempts=5,
            dimensions=None,
            **more,
        )

    def make(self) -> Embeddings:
        try:
            made: Embeddings = self._class(**self._settings)
        except Exception as error:  # noqa: BLE001 each constructor has its own
            said = " ".join(str(error).split())[:400]
            raise InputError(
                self._file, key=KEY, found=f"{self._path}, which cannot be made: {said}"
            ) from None
        return made


def _find(path: str, file: str) -> Any:
    from langchain_core.embeddings import Embeddings

    module_name, colon, class_name = path.partition(":")
    if not (colon and module_name and class_name):
        raise InputError(file, key=KEY, found=repr(path), allowed='"package.module:Class"')
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(
            file, key=KEY, found=f"{path}, which cannot be imported: {error}"
        ) from None
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Embeddings)):
        allowed = "a subclass of langchain_core.embeddings.Embeddings"
        raise InputError(file, key=KEY, found=path, allowed=allowed)
    return found
