"""Two arms, one agent: what it saw and did in each, side by side, and where they part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from agents.interface import OK

from ..errors import InputError
from ..storage import queries, visits
from ..transcript import transcript
from .agent_page import Round, told
from .answers import Number
from .view import NotThere, View

router = APIRouter()

Items = Sequence[Mapping[str, Any]]

_SAME = 1e-6
"""Numbers are stored with about seven digits."""

ANSWERS = {
    "watched": "watched",
    "rating": "rated",
    "aligned": "to its taste",
    "interest": "interest",
}
FELT = {"leave": "leaves", "satisfaction": "satisfaction", "fatigue": "fatigue"}

DIFFERENCES = (
    ("exit_page", "pages seen", 0),
    ("shown", "items shown", 0),
    ("watched", "watched", 0),
    ("liked", "liked", 0),
    ("rating", "mean rating", 2),
    ("satisfaction", "satisfaction, asked at the end", 1),
    ("return_intent", "would come back", 2),
)


@router.get("/runs/{run}/agents/{agent}/pair", response_class=HTMLResponse)
def page(
    request: Request,
    run: str,
    agent: Number,
    a: str | None = None,
    b: str | None = None,
    round_: Round = None,
) -> HTMLResponse:
    view: View = request.app.state.view
    return HTMLResponse(view.render("pair.html.j2", context(view, run, agent, a, b, round_)))


def context(
    view: View,
    run_name: str,
    agent: int,
    a: str | None = None,
    b: str | None = None,
    round_: int | None = None,
) -> dict[str, Any]:
    """What pair.html.j2 shows: arm ``a`` on the left and ``b`` on the right, by default the
    control and the first other arm that the agent visited; in the first round they share."""
    run = queries.run(view.store, run_name)
    visits.agent(view.store, run, agent)
    begun = visits.begun(view.store, run, agent)
    a, b, rounds = _chosen(queries.arms(view.store, run.name), begun, a, b, run.name, agent)
    if round_ is not None and round_ not in rounds:
        raise NotThere(f"Agent {agent} of {run.name} was not in both arms in round {round_}.")
    number = rounds[0] if round_ is None else round_
    ended = {(row["arm"], row["round"]): row for row in visits.sessions(view.store, run, agent)}
    sides = [_side(view, run, agent, arm, number, ended.get((arm, number))) for arm in (a, b)]
    before, after = visits.beside(view.store, run, agent, a, number, b)
    points = divergence(sides[0]["pages"], sides[1]["pages"])
    return {
        "run": {"name": run.name, "status": run.status},
        "here": "agents",
        "agent": agent,
        "a": a,
        "b": b,
        "round": number,
        "rounds": rounds,
        "arms": list(dict.fromkeys(arm for arm, _ in begun)),
        "before": before,
        "after": after,
        "differences": differences(sides[0], sides[1]),
        "failed": [side["arm"] for side in sides if side["failed"]],
        "points": points,
        "alike": alike(sides[0]["pages"], sides[1]["pages"]),
        "pages": list(_pages(sides[0]["pages"], sides[1]["pages"], points)),
        "sides": sides,
    }


def _chosen(
    arms: Any,
    begun: Sequence[tuple[str, int]],
    a: str | None,
    b: str | None,
    run: str,
    agent: int,
) -> tuple[str, str, list[int]]:
    """Both arms and the rounds that the agent was in both."""
    names = list(arms["arm"])
    for key, arm in (("a", a), ("b", b)):
        if arm and arm not in names:
            raise InputError(run, key=key, found=repr(arm), allowed=", ".join(names))
    there = list(dict.fromkeys(arm for arm, _ in begun))
    control = [arm for arm in arms.loc[arms["is_control"], "arm"] if arm in there]
    a = a or next((arm for arm in [*control, *there] if arm != b), None)
    b = b or next((arm for arm in there if arm != a), None)
    if a is None or b is None or a == b:
        raise NotThere(f"Two arms are compared; agent {agent} of {run} visited {len(there)}.")
    rounds = sorted(
        {round_ for arm, round_ in begun if arm == a} & {r for arm, r in begun if arm == b}
    )
    if not rounds:
        raise NotThere(f"Agent {agent} of {run} has not visited both {a} and {b} yet.")
    return a, b, rounds


def _side(
    view: View,
    run: queries.Run,
    agent: int,
    arm: str,
    round_: int,
    session: Mapping[str, Any] | None,
) -> dict[str, Any]:
    document = transcript(view.store, run.name, agent, arm, round_=round_)
    visit = told(document["visits"][0], [])
    failed = session is not None and session["outcome"] != OK
    return {**visit, "arm": arm, "session": session, "failed": failed}


# -- where they part -------------------------------------------------------------------------


def divergence(left: Items, right: Items) -> dict[str, dict[str, Any] | None]:
    """``shown``: the first page and slot at which the arms show different items; ``answer``: the
    first at which the answer differs though the item is the same (slot None: how a page of the
    same items was felt). None where there is no such place on the pages that both have."""
    return {
        "shown": next(_other_items(left, right), None),
        "answer": next(_other_answers(left, right), None),
    }


def alike(left: Items, right: Items) -> dict[str, int]:
    """Different items shown in each arm (``left``, ``right``) and in both (``shared``), and
    how often both ``placed`` the same item in the same slot of the same page."""
    mine, theirs = set(_places(left)), set(_places(right))
    placed = [
        _by_slot(one)[slot]["item"] == item["item"]
        for one, other in _both(left, right)
        for slot, item in _by_slot(other).items()
        if slot in _by_slot(one)
    ]
    return {
        "left": len(mine),
        "right": len(theirs),
        "shared": len(mine & theirs),
        "placed": sum(placed),
    }


def _both(left: Items, right: Items) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    by_number = {page["page"]: page for page in right}
    for page in left:
        if page["page"] in by_number:
            yield page, by_number[page["page"]]


def _other_items(left: Items, right: Items) -> Iterator[dict[str, Any]]:
    for one, other in _both(left, right):
        mine, theirs = _by_slot(one), _by_slot(other)
        for slot in sorted({*mine, *theirs}):
            if slot not in mine or slot not in theirs or mine[slot]["item"] != theirs[slot]["item"]:
                yield {"page": one["page"], "slot": slot}


def _other_answers(left: Items, right: Items) -> Iterator[dict[str, Any]]:
    for one, other in _both(left, right):
        mine, theirs = _by_slot(one), _by_slot(other)
        same = [s for s in mine if s in theirs and mine[s]["item"] == theirs[s]["item"]]
        place = {"page": one["page"], "slot": None}
        if one["outcome"] != other["outcome"]:
            if same:
                yield {**place, "what": "answered at all", "values": [_ok(one), _ok(other)]}
            continue
        for slot in sorted(same):
            for told_ in _differing(mine[slot], theirs[slot], ANSWERS):
                yield {**place, "slot": slot, **told_}
        if len(same) == len(mine) == len(theirs):
            yield from ({**place, **told_} for told_ in _differing(one, other, FELT))


def _differing(
    one: Mapping[str, Any], other: Mapping[str, Any], names: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for name, words in names.items():
        mine, theirs = one[name], other[name]
        if mine is None or theirs is None:
            differs = mine is not theirs
        else:
            differs = abs(mine - theirs) > _SAME
        if differs:
            yield {"what": words, "values": [mine, theirs]}


def _ok(page: Mapping[str, Any]) -> bool:
    return bool(page["outcome"] == OK)


def _by_slot(page: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    return {item["slot"]: item for item in page["items"]}


# -- what is shown ---------------------------------------------------------------------------


def _pages(
    left: Items, right: Items, points: Mapping[str, Mapping[str, Any] | None]
) -> Iterator[dict[str, Any]]:
    """Page by page: both sides' page (None where there is none), each item with where the
    other arm showed it, and which of the ``points`` it is."""
    mine, theirs = ({page["page"]: page for page in pages} for pages in (left, right))
    places = [_places(right), _places(left)]
    for number in sorted({*mine, *theirs}):
        marks = {
            kind: point["slot"]
            for kind, point in points.items()
            if point is not None and point["page"] == number
        }
        sides = [
            page and {**page, "items": [_marked(item, places[i], marks) for item in page["items"]]}
            for i, page in enumerate((mine.get(number), theirs.get(number)))
        ]
        yield {"page": number, "sides": sides, "marks": marks}


def _places(pages: Items) -> dict[int, tuple[int, int]]:
    """Where each item was shown first."""
    out: dict[int, tuple[int, int]] = {}
    for page in pages:
        for item in page["items"]:
            out.setdefault(item["item"], (page["page"], item["slot"]))
    return out


def _marked(
    item: Mapping[str, Any], other: Mapping[int, tuple[int, int]], marks: Mapping[str, int | None]
) -> dict[str, Any]:
    return {
        **item,
        "there": other.get(item["item"]),
        "parts": [kind for kind, slot in marks.items() if slot == item["slot"]],
    }


def differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Outcome by outcome: both values and right minus left, None where a visit failed or is
    not over."""
    out = []
    for name, words, digits in DIFFERENCES:
        values = [_value(side, name) for side in (left, right)]
        known = [value for value in values if value is not None]
        out.append(
            {
                "words": words,
                "digits": digits,
                "values": values,
                "difference": known[1] - known[0] if len(known) == 2 else None,
            }
        )
    return out


def _value(side: Mapping[str, Any], name: str) -> float | None:
    session = side["session"]
    if session is None or side["failed"]:
        return None
    value = side["rating"] if name == "rating" else session[name]
    return None if value is None else float(value)
