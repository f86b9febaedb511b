"""What a form of the viewer sends: read no further than it may be long, and taken only from a
page that holds the viewer's secret."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request

from .security import FIELD, Gate

LONGEST = 64 * 1024
"""Bytes: 4,000 characters of four bytes each, percent-encoded, and what is beside them."""

_FIELDS = 20


async def read(request: Request) -> dict[str, str]:
    """The fields of a form by name. A body that is too long is refused before it is read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Only a form of the viewer is read here.")
    fields = _parsed(await _body(request))
    gate: Gate = request.app.state.gate
    if not gate.knows(fields.get(FIELD, "")):
        raise HTTPException(403, "The viewer was started anew since. Load the page again.")
    return fields


Form = Annotated[dict[str, str], Depends(read)]


async def _body(request: Request) -> bytes:
    told = request.headers.get("content-length", "")
    body = bytearray()
    if not (told.isdecimal() and int(told[:12]) > LONGEST):
        async for part in request.stream():
            body += part
            if len(body) > LONGEST:
                break
        else:
            return bytes(body)
    raise HTTPException(413, "That is too long to be read.")


def _parsed(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS
        )
    except ValueError:
        raise HTTPException(422, "That is no form of the viewer.") from None
    return dict(pairs)
