"""What an exception of a chat client means. Known by status and code, which the SDKs of
all providers carry, not by class: so nothing heavy is imported here."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

UNSUPPORTED = "unsupported"
"""The server knows no ``response_format``: asked again without, and remembered."""

_TRANSIENT = (408, 409, 425, 429)
_CONTEXT = ("context_length_exceeded", "context length", "context window", "prompt is too long")
_FILTER = ("content_filter", "content filter", "content management policy")
_FORMAT = ("response_format", "json_schema", "guided_json", "grammar")
_MISTAKES = ("unsupported_parameter", "unsupported_value", "unknown_parameter")


def classify(error: Exception, *, with_format: bool) -> str:
    """The outcome of a request that failed; ``with_format``: a ``response_format`` was
    sent and may be left out."""
    status, text = _status(error), _body(error).lower()
    if status is not None and 400 <= status < 500 and status not in _TRANSIENT:
        if any(part in text for part in _CONTEXT):
            return "context"
        if any(part in text for part in _FILTER):
            return "filtered"
        if with_format and any(part in text for part in _FORMAT):
            return UNSUPPORTED
        return "rejected"
    return "transport"


def fatal(error: Exception, where: str, key_variable: str | None) -> str | None:
    """Why every other call would fail alike, or None. Holds nothing the server said about
    the key: such a text may repeat it."""
    status, code = _status(error), _code(error)
    if status in (401, 403):
        key = f"the key in {key_variable}" if key_variable else "a call without a key"
        fix = "check it" if key_variable else "name the variable with the key in api_key_env"
        return f"{where} refused {key} (HTTP {status}); {fix}"
    if status == 404:
        return f"{where}: not found (HTTP 404); check name and base_url"
    if status == 402 or code == "insufficient_quota":
        return f"{where}: the account has no quota left (HTTP {status})"
    if status == 400 and code in _MISTAKES:
        return f"{where} does not take a setting (HTTP 400): {_body(error)[:300]}"
    return None


def unreachable(error: Exception) -> bool:
    """Nothing listens at the address, or it has no such host."""
    return _status(error) is None and any(
        isinstance(cause, ConnectionRefusedError | socket.gaierror) for cause in _chain(error)
    )


def told(error: Exception) -> str:
    """The error for the record."""
    status = _status(error)
    head = type(error).__name__ if status is None else f"HTTP {status}"
    return f"{head}: {_body(error)}"[:2000]


def retry_after(error: Exception) -> float | None:
    """Seconds the server asks to wait (RFC 9110 10.2.3; a date counts as not given)."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    try:
        seconds = float(headers.get("retry-after")) if headers is not None else -1.0
    except (TypeError, ValueError):
        return None
    return seconds if seconds >= 0 else None


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _code(error: Exception) -> str:
    return str(getattr(error, "code", None) or "")


def _body(error: Exception) -> str:
    return f"{_code(error)} {error}".strip()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or error.__context__
