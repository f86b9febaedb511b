"""What an exception of a chat client means. Known by status and code, which the SDKs of
all providers carry, and by the names of network errors: nothing heavy is imported here.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from .question import BROKEN as BROKEN_OUTCOME
from .question import CONTEXT, FILTERED, REJECTED, TRANSPORT

UNSUPPORTED = "unsupported"
"""The server knows no ``response_format``: asked again without, and remembered."""

BROKEN = "broken reply"
"""How the text of a fault begins where something came that is no completion, such as HTML
or an envelope without choices: unlike a lost connection it is likely to stay so."""

TEXT_CAP, CODE_CAP = 2000, 100

_TRANSIENT = (408, 409, 425, 429)
_NO_QUOTA = "insufficient_quota"
_CONTEXT = ("context_length_exceeded", "context length", "context window", "prompt is too long")
_FILTER = ("content_filter", "content filter", "content management policy", "content_policy")
_FORMAT = ("response_format", "json_schema", "guided_json", "grammar")
_MISTAKES = ("unsupported_parameter", "unsupported_value", "unknown_parameter")

_NEVER_CONNECTED = ("ClientConnectorError", "ConnectError")
"""Of aiohttp and httpx. Not ``ConnectTimeout``: the openai SDK's aiohttp transport gives
that name also to a connection that was lost later."""


@dataclass(frozen=True)
class Fault:
    """Why a request brought no reply.

    ``text`` is for the record: "HTTP 429: ...", "ServerDisconnectedError: ..." or "broken
    reply: ..." (:data:`BROKEN`), redacted, at most 2,000 characters. ``retry_after``: the
    seconds the server asks to wait. ``unreachable``: nothing listens there, or there is no
    such host. ``sent``: the server may have worked on the request and may bill it, as
    after a time-out, a reset or a body that was cut off; not where no connection was made
    or an HTTP error came back.
    """

    status: int | None
    code: str
    text: str
    retry_after: float | None = None
    unreachable: bool = False
    sent: bool = True


def fault(error: BaseException, redact: Callable[[str], str]) -> Fault:
    """What is known of an exception that a chat client raised."""
    status = _status(error)
    return Fault(
        status=status,
        code=redact(_code(error))[:CODE_CAP],
        text=redact(_told(error))[:TEXT_CAP],
        retry_after=_retry_after(error),
        unreachable=_unreachable(error),
        sent=status is None and not _never_connected(error),
    )


def classify(fault: Fault, *, with_format: bool) -> str:
    """The outcome of a request that failed; ``with_format``: a ``response_format`` was
    sent and may be left out."""
    status, text = fault.status, fault.text.lower()
    if text.startswith(BROKEN):
        return BROKEN_OUTCOME
    if status is None or not 400 <= status < 500 or status in _TRANSIENT:
        return TRANSPORT
    if any(part in text for part in _CONTEXT):
        return CONTEXT
    if any(part in text for part in _FILTER):
        return FILTERED
    if with_format and any(part in text for part in _FORMAT):
        return UNSUPPORTED
    return REJECTED


def fatal(fault: Fault, where: str, key_variable: str | None) -> str | None:
    """Why every other call would fail alike, or None. Holds nothing the server said about
    the key: such a text may repeat it."""
    status, code = fault.status, fault.code
    if status in (401, 403):
        key = f"the key in {key_variable}" if key_variable else "a call without a key"
        fix = "check it" if key_variable else "name the variable with the key in api_key_env"
        return f"{where} refused {key} (HTTP {status}); {fix}"
    if status == 404:
        return f"{where}: not found (HTTP 404); check name and base_url"
    if status == 402 or code == _NO_QUOTA:
        return f"{where}: the account has no quota left (HTTP {status})"
    if status is not None and 300 <= status < 400:
        return f"{where}: sends on to another address (HTTP {status}); set base_url to that one"
    if status == 400 and code in _MISTAKES:
        return f"{where} does not take a setting (HTTP 400): {fault.text[:300]}"
    return None


# -- reading an exception ------------------------------------------------------------------


def _told(error: BaseException) -> str:
    """An HTTP error as the SDK words it, anything else by what is behind it: a client
    library says "Connection error." where its cause names the fault."""
    status = _status(error)
    if status is not None:
        return f"HTTP {status}: {_code(error)} {error}".replace(":  ", ": ")
    cause = _cause(error)
    told = f"{type(cause).__name__}: {cause}"
    return f"{BROKEN}: {told}" if _stumbled(cause) else told


def _status(error: BaseException) -> int | None:
    """The HTTP status of an error reply; one of success belongs to a reply that broke."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) and status >= 300 else None


def _code(error: BaseException) -> str:
    """The server's word for an error; other exceptions have a code of their own kind."""
    return str(getattr(error, "code", None) or "") if _status(error) is not None else ""


def _retry_after(error: BaseException) -> float | None:
    """Seconds from now: milliseconds as OpenAI says it, seconds or a date (RFC 9110
    10.2.3); nonsense counts as not given."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    if (wait := _number(headers.get("retry-after-ms"))) is not None:
        return wait / 1000
    told = headers.get("retry-after")
    return _number(told) if _number(told) is not None else _until(told)


def _number(told: Any) -> float | None:
    try:
        value = float(told)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _until(told: Any) -> float | None:
    try:
        date = parsedate_to_datetime(str(told))
        return max(date.timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def _unreachable(error: BaseException) -> bool:
    return _status(error) is None and any(
        isinstance(cause, ConnectionRefusedError | socket.gaierror) for cause in _chain(error)
    )


def _never_connected(error: BaseException) -> bool:
    return _unreachable(error) or any(
        base.__name__ in _NEVER_CONNECTED for cause in _chain(error) for base in type(cause).__mro__
    )


def _stumbled(cause: BaseException) -> bool:
    """The client library read something it could not make sense of."""
    stumbles = (ValueError, TypeError, LookupError, AttributeError)
    return isinstance(cause, stumbles) and not isinstance(cause, OSError)


def _cause(error: BaseException) -> BaseException:
    """The first of the errors that was raised on purpose."""
    seen: set[int] = set()
    while error.__cause__ is not None and id(error) not in seen:
        seen.add(id(error))
        error = error.__cause__
    return error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or error.__context__
