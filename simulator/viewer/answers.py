"""What routes have in common: numbers in an address, and files to keep."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Path, Request
from fastapi.responses import Response

LARGEST = 2**31 - 1
"""Of a number in an address; more is in no store."""

Number = Annotated[int, Path(ge=0, le=LARGEST)]
"""An agent's or a note's, as an address has it."""


def wants_part(request: Request) -> bool:
    """Whether a script asks for what changes on a page, and not for a page to go to."""
    asked = request.headers
    whole = asked.get("hx-boosted") or asked.get("hx-history-restore-request")
    return asked.get("hx-request") == "true" and not whole


def download(text: str, name: str, kind: str) -> Response:
    """A file to keep, under a name that any system takes."""
    headers = {"Content-Disposition": f'attachment; filename="{file_name(name)}"'}
    body = text.encode(errors="replace")
    return Response(body, media_type=f"{kind}; charset=utf-8", headers=headers)


def file_name(name: str) -> str:
    """A name made safe: letters, digits, dot, dash and underscore are left of it.

    >>> file_name('a"\\r\\n/../b.csv')
    'a_.._b.csv'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)
