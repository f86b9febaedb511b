"""From a scenario's ``agents.embedding`` to a text embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ..errors import InputError
from .builtin import TF_IDF, TfIdf
from .interface import TextEmbedding
from .provider import KEY, ProviderEmbedding, ProviderSettings


def create(provider: str, options: Mapping[str, Any], file: str) -> TextEmbedding:
    """``provider``: tf-idf, or a provider of LangChain; with ``class`` among the options that
    class. Nothing is asked yet. Raises InputError."""
    settings = dict(options)
    path = settings.pop("class", None)
    if path is not None:
        return _of_class(provider, path, settings, file)
    if provider == TF_IDF:
        if settings:
            raise InputError(
                file,
                key=f"{KEY}.{next(iter(settings))}",
                found=f"a setting of {TF_IDF}",
                allowed="none, or provider: openai and the like with it",
            )
        return TfIdf()
    try:
        checked = ProviderSettings.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            file,
            key=".".join([KEY, *map(str, first["loc"])]),
            found="nothing" if first["type"] == "missing" else _shown(first),
            allowed=", ".join(ProviderSettings.model_fields)
            if first["type"] == "extra_forbidden"
            else first["msg"],
        ) from None
    return ProviderEmbedding(provider, checked, file)


def _shown(first: Any) -> str:
    """A value that is wrong; what was given for an unknown setting may be a key."""
    return "an unknown setting" if first["type"] == "extra_forbidden" else repr(first["input"])


def _of_class(provider: str, path: Any, settings: dict[str, Any], file: str) -> TextEmbedding:
    from .own_class import ClassEmbedding

    if provider != TF_IDF:
        raise InputError(
            file, key=f"{KEY}.provider", found=f"{provider} and a class", allowed="one of them"
        )
    batch = settings.pop("batch", 128)
    if not isinstance(batch, int) or isinstance(batch, bool) or batch < 1:
        raise InputError(file, key=f"{KEY}.batch", found=repr(batch), allowed="1 or more")
    return ClassEmbedding(str(path), settings, file, batch)
