"""The calls to a chat model by which a page came about: prompt and reply, word by word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from agents.response.question import INVALID

from ..storage import queries, visits
from ..transcript_calls import calls_of
from .agent_page import USABLE, Round, which
from .answers import LARGEST, Number, download, wants_part
from .view import NotThere, View

router = APIRouter()

CUT = 20_000
"""Characters of one text on a page; the whole of it is a download."""

Page = Annotated[int | None, Query(ge=0, le=LARGEST)]
Attempt = Annotated[int | None, Query(ge=0, le=LARGEST)]
Message = Annotated[int | None, Query(ge=0, le=LARGEST)]


@router.get("/runs/{run}/agents/{agent}/calls", response_class=HTMLResponse)
def page(
    request: Request,
    run: str,
    agent: Number,
    arm: str | None = None,
    round_: Round = None,
    page: Page = None,
    kind: str | None = None,
    attempt: Attempt = None,
) -> HTMLResponse:
    view: View = request.app.state.view
    shown = context(view, run, agent, arm, round_, page=page, kind=kind, attempt=attempt)
    text = view.render("calls_text.html.j2" if wants_part(request) else "calls.html.j2", shown)
    return HTMLResponse(text, headers={"Vary": "HX-Request"})


@router.get("/runs/{run}/agents/{agent}/calls.txt")
def text(
    request: Request,
    run: str,
    agent: Number,
    arm: str | None = None,
    round_: Round = None,
    page: Page = None,
    kind: str | None = None,
    attempt: Attempt = None,
    message: Message = None,
) -> Response:
    """One whole text of one call: number ``message``, from 1, or (None) the reply."""
    view: View = request.app.state.view
    shown = _found(view, run, agent, arm, round_, page=page, kind=kind, attempt=attempt)
    call = shown["calls"][0]
    if message is not None and not 1 <= message <= len(call["messages"]):
        raise NotThere(f"That call has {len(call['messages'])} messages.")
    whole = call["reply"] if message is None else call["messages"][message - 1]["content"]
    what = "reply" if message is None else f"message-{message}"
    name = f"{run}-agent-{agent}-page-{call['page']}-{call['kind']}-{call['attempt']}-{what}.txt"
    return download(whole, name, "text/plain")


def context(
    view: View,
    run_name: str,
    agent: int,
    arm: str | None = None,
    round_: int | None = None,
    **where: int | str | None,
) -> dict[str, Any]:
    """What calls.html.j2 shows: the calls of a visit, of ``where`` page, kind, attempt."""
    found = _found(view, run_name, agent, arm, round_, **where)
    return {**found, "calls": [_texts(call) for call in found["calls"]], "cut": CUT}


def _found(
    view: View,
    run_name: str,
    agent: int,
    arm: str | None,
    round_: int | None,
    **where: int | str | None,
) -> dict[str, Any]:
    run = queries.run(view.store, run_name)
    visits.agent(view.store, run, agent)
    begun = visits.begun(view.store, run, agent)
    arms = list(queries.arms(view.store, run.name)["arm"])
    chosen = which(begun, arms, arm, round_, run.name, agent)
    calls = chosen and calls_of(view.store, run.name, agent, chosen[0], round=chosen[1], **where)
    if not chosen or not calls:
        raise NotThere("There is no such call: these answers came from no chat model.")
    return {
        "run": {"name": run.name, "status": run.status},
        "here": "agents",
        "agent": agent,
        "arm": chosen[0],
        "round": chosen[1],
        "page": where.get("page"),
        "calls": calls,
    }


def _texts(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call with its texts as they are shown: role, text, how much was cut, its number."""
    messages = [
        _shown(message["role"], message["content"], number)
        for number, message in enumerate(call["messages"], start=1)
    ]
    said = "reply" if call["outcome"] in (*USABLE, INVALID) else "what came back"
    return {**call, "usable": call["outcome"] in USABLE} | {
        "texts": [*messages, _shown(said, call["reply"], None)]
    }


def _shown(role: str, text: str, number: int | None) -> dict[str, Any]:
    cut = len(text) > CUT
    return {
        "role": role,
        "lines": text[:CUT].expandtabs(4).splitlines(),
        "length": len(text),
        "cut": cut,
        "number": number,
    }
