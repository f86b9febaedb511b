"""The application: the pages' routes, and what is said where there is no page.

A route reads the request, asks a ``*_page`` module for what its template shows, and answers.
Routes are plain functions: each runs in a thread of its own, so that a query does not keep
others waiting.
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from ..errors import AuditionError, InputError
from . import (
    agent_page,
    agents_page,
    calls_page,
    movers_page,
    notes_page,
    pair_page,
    run_page,
    runs_page,
)
from .links import STATIC as STATIC_PATH
from .security import FIELD, Gate, Gated
from .view import STATIC, NotThere, View

log = logging.getLogger(__name__)


def create_app(view: View, gate: Gate | None = None) -> Gated:
    """The viewer of one store, behind its gate."""
    gate = gate or Gate()
    app = FastAPI(
        title="Audition",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(_same_store)],
    )
    app.state.view, app.state.gate = view, gate
    view.templates.globals[FIELD] = gate.secret
    app.mount(STATIC_PATH, StaticFiles(directory=STATIC), name="static")
    _failures(app, view)
    for part in (
        runs_page,
        agents_page,
        movers_page,
        run_page,
        agent_page,
        calls_page,
        pair_page,
        notes_page,
    ):
        app.include_router(part.router)
    return Gated(app, gate)


async def _same_store(request: Request) -> None:
    view: View = request.app.state.view
    view.check()


def _failures(app: FastAPI, view: View) -> None:
    """A page for each way there is no page; never a traceback."""

    def told(request: Request, status: int, title: str, text: str) -> Response:
        if not _wants_page(request):
            return PlainTextResponse(f"{title} {text}\n", status)
        context = {"title": title, "text": text, "status": status}
        return HTMLResponse(view.render("error.html.j2", context), status)

    def missing(request: Request, error: Exception) -> Response:
        return told(request, 404, "This is not here.", str(error))

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return told(request, 404, "This is not here.", "No page has this address.")
        return told(request, error.status_code, "That did not work.", str(error.detail))

    def malformed(request: Request, error: Exception) -> Response:
        return told(request, 404, "This is not here.", "No page has this address.")

    def failed(request: Request, error: Exception) -> Response:
        return told(request, 503, "That did not work.", str(error))

    def store(request: Request, error: Exception) -> Response:
        log.warning("the store did not answer: %s", type(error).__name__)
        return told(
            request, 503, "The store does not answer.", "Is it still there? Try again in a moment."
        )

    def other(request: Request, error: Exception) -> Response:
        log.exception("%s %s", request.method, request.url.path, exc_info=error)
        return told(request, 500, "That went wrong.", "The viewer's own log says more.")

    handlers: dict[Any, Any] = {
        NotThere: missing,
        InputError: missing,  # an unknown run, agent or arm
        AuditionError: failed,
        HTTPException: http,
        RequestValidationError: malformed,
        SQLAlchemyError: store,
        Exception: other,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get(
        "accept", "text/html"
    ) or "*/*" in request.headers.get("accept", "")
