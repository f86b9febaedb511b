"""An embedding by the path of a class: LangChain's, or the user's own."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agents.response.endpoint import Endpoint

from ..errors import InputError
from .by_langchain import ByLangChain
from .interface import KEY

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

_SECRET = re.compile(
    r"(^|[_-])(key|token|secret|password|authorization)$|(api|access|auth)_?(key|token)$",
    re.IGNORECASE,
)


class ClassEmbedding(ByLangChain):
    """``path`` "package.module:Class", made with ``settings`` as keyword arguments; ``batch``
    texts at a time; ``key`` is where ``file`` sets it. Raises InputError for a path that is
    not one of an ``Embeddings``."""

    def __init__(
        self,
        path: str,
        settings: Mapping[str, Any],
        file: str,
        batch: int = 128,
        key: str = KEY,
        **more: Any,
    ) -> None:
        self._path, self._settings, self._file = path, dict(settings), file
        self._key = f"{key}.class"
        name = _secret(settings)
        if name is not None:
            raise InputError(
                file,
                key=f"{key}.{name}",
                found="a setting for a secret",  # whose value is not repeated
                allowed="none: scenarios are stored",
                fix="let the class read its key from the environment",
            )
        self._known = Endpoint(
            provider="class", name=path, base_url=None, temperature=None, api_key_env=None
        )
        self._class = _find(path, file, self._key)
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

    def redact(self, text: str) -> str:
        """What a library says of a key that it read from the environment may hold it."""
        return self._known.redact(text)

    def make(self) -> Embeddings:
        try:
            made: Embeddings = self._class(**self._settings)
        except Exception as error:  # noqa: BLE001 each constructor has its own
            said = self.redact(" ".join(str(error).split()))[:400]
            raise InputError(
                self._file, key=self._key, found=f"{self._path}, which cannot be made: {said}"
            ) from None
        return made


def _secret(settings: Mapping[str, Any]) -> str | None:
    """The first setting that is for a secret, also within settings such as headers.

    >>> _secret({"size": 8, "default_headers": {"Authorization": "x"}})
    'default_headers.Authorization'
    """
    for name, value in settings.items():
        if _SECRET.search(str(name)):
            return str(name)
        within = _secret(value) if isinstance(value, Mapping) else None
        if within is not None:
            return f"{name}.{within}"
    return None


def _find(path: str, file: str, key: str) -> Any:
    from langchain_core.embeddings import Embeddings

    module_name, colon, class_name = path.partition(":")
    if not (colon and module_name and class_name):
        raise InputError(file, key=key, found=repr(path), allowed='"package.module:Class"')
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(
            file, key=key, found=f"{path}, which cannot be imported: {error}"
        ) from None
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Embeddings)):
        allowed = "a subclass of langchain_core.embeddings.Embeddings"
        raise InputError(file, key=key, found=path, allowed=allowed)
    return found
