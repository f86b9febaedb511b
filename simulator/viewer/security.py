"""Who may ask, and what an answer may do.

- Only hosts the viewer was bound to are answered: a page elsewhere cannot reach it by a name
  of its own that resolves here (DNS rebinding).
- Bound wider than this machine, everything wants a token: once in the address, which sets a
  cookie, or as ``Authorization: Bearer``.
- What writes must come from a page of the viewer itself: the same origin, and a secret that
  only its pages hold (double submit).
- Answers carry a policy under which nothing inline runs and nothing leaves the origin.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "audition"
FIELD = "secret"
"""The hidden field of every form."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer", under which a form sent without scripts names no origin.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Gate:
    """``hosts``: names that may stand in a request's Host, without port; ``token``: "" where
    none is needed; ``secret``: what forms must carry, anew for every start of the viewer."""

    hosts: Sequence[str] = ("127.0.0.1", "localhost", "::1")
    token: str = ""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def answer(self, request: Request) -> Response | None:
        """Instead of a page: a refusal, or the way in; None where a page may answer."""
        return self._refusal(request) or self._entry(request)

    def _refusal(self, request: Request) -> Response | None:
        # The address that the connection came to is no name that could resolve elsewhere.
        reached = (request.scope.get("server") or ("",))[0]
        if _split(f"//{request.headers.get('host', '')}")[0] not in (*self.hosts, reached):
            return PlainTextResponse("This viewer is not known by that name.\n", 421)
        if request.method not in SAFE and not self._own(request):
            return PlainTextResponse("Only the viewer's own pages may write.\n", 403)
        return None

    def _entry(self, request: Request) -> Response | None:
        """Lets in who has the token; None where nothing is to be said."""
        if not self.token or self._holds(request.cookies.get(COOKIE, "")):
            return None
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._holds(given):
            return None
        if request.method in SAFE and self._holds(request.query_params.get("token", "")):
            # Out of the address, so that it is in no history and no bookmark.
            clean = request.url.remove_query_params("token")
            path = f"/{clean.path.lstrip('/')}"  # two slashes would name another host
            response = RedirectResponse(f"{path}?{clean.query}".rstrip("?"), 303)
            response.set_cookie(COOKIE, self.token, httponly=True, samesite="strict", path="/")
            return response
        return PlainTextResponse("Open the address that audition view printed.\n", 401)

    def _holds(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _own(self, request: Request) -> bool:
        """Whether a browser says that the viewer's own page asks. What no browser sends, such
        as a script of the user's, has no other site behind it; a form's secret is still
        asked for where the form is read."""
        site = request.headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            return False
        origin = request.headers.get("origin")
        return origin is None or _split(origin)[1] == request.headers.get("host")

    def knows(self, given: str) -> bool:
        """Whether a form holds the secret of this viewer's pages."""
        return hmac.compare_digest(given.encode(), self.secret.encode())


def _split(address: str) -> tuple[str | None, str]:
    """Its host without port, and with; None and "" where it is no address at all."""
    try:
        parts = urlsplit(address)
        return parts.hostname, parts.netloc
    except ValueError:  # such as a bracket that nobody closes
        return None, ""


@dataclass(frozen=True)
class Gated:
    """An application behind a gate. Around everything, errors and streams included, which a
    middleware of the framework is not."""

    app: ASGIApp
    gate: Gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        bare = scope["method"] == "HEAD"
        if bare:  # a page answers as to GET; what it says is left out
            scope = {**scope, "method": "GET"}
        kept = "public, max-age=31536000, immutable" if _versioned(scope["path"]) else "no-store"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**HEADERS, "Cache-Control": kept}.items():
                    headers.setdefault(name, value)
            elif bare:
                message = {**message, "body": b""}
            await send(message)

        response = self.gate.answer(Request(scope))
        await (response or self.app)(scope, receive, with_headers)


def _versioned(path: str) -> bool:
    """Whether the name of a file says which version it is, so that it never changes."""
    return path.startswith("/static/htmx-")
