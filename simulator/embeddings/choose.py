"""From a scenario's ``embedding`` to a text embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ..errors import InputError
from .builtin import DIMENSIONS, MOST, TF_IDF, TfIdf
from .interface import KEY, TextEmbedding
from .provider import ProviderEmbedding, ProviderSettings


def create(provider: str, options: Mapping[str, Any], file: str, key: str = KEY) -> TextEmbedding:
    """``provider``: tf-idf, or a provider of LangChain; with ``class`` among the options that
    class. ``key`` is where ``file`` sets it. Nothing is asked yet. Raises InputError."""
    settings = dict(options)
    path = settings.pop("class", None)
    if path is not None:
        return _of_class(provider, path, settings, file, key)
    if provider == TF_IDF:
        return _built_in(settings, file, key)
    try:
        checked = ProviderSettings.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            file,
            key=".".join([key, *map(str, first["loc"])]),
            found="nothing" if first["type"] == "missing" else _shown(first),
            allowed=", ".join(ProviderSettings.model_fields)
            if first["type"] == "extra_forbidden"
            else first["msg"],
        ) from None
    return ProviderEmbedding(provider, checked, file, key)


def _shown(first: Any) -> str:
    """A value that is wrong; what was given for an unknown setting may be a key."""
    return "an unknown setting" if first["type"] == "extra_forbidden" else repr(first["input"])


def _built_in(settings: dict[str, Any], file: str, key: str) -> TfIdf:
    dimensions = settings.pop("dimensions", DIMENSIONS)
    if settings:
        raise InputError(
            file,
            key=f"{key}.{next(iter(settings))}",
            found=f"a setting of {TF_IDF}",
            allowed="dimensions alone, or provider: openai and the like with it",
        )
    if not _whole(dimensions) or not 1 <= dimensions <= MOST:
        raise InputError(
            file, key=f"{key}.dimensions", found=repr(dimensions), allowed=f"1 to {MOST}"
        )
    return TfIdf(dimensions)


def _of_class(
    provider: str, path: Any, settings: dict[str, Any], file: str, key: str
) -> TextEmbedding:
    from .own_class import ClassEmbedding

    if provider != TF_IDF:
        raise InputError(
            file, key=f"{key}.provider", found=f"{provider} and a class", allowed="one of them"
        )
    batch = settings.pop("batch", 128)
    if not _whole(batch) or batch < 1:
        raise InputError(file, key=f"{key}.batch", found=repr(batch), allowed="1 or more")
    return ClassEmbedding(str(path), settings, file, batch, key)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
