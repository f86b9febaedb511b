"""A transcript as Markdown: to keep, to mail, to read anywhere.

What came from data is text: it can make no heading, link, list, table cell or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agents.interface import OK

from .report.grounding import beside
from .report.wording import DASH, clean, number

_MARKS = re.compile(r"[\\`*_{}\[\]()#+\-.!|~>=^$]")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ":": "&#58;", "@": "&#64;"})


def escaped(text: object) -> str:
    """
    >>> escaped("# [x](http://e.org) <b> www.e.org")
    '\\\\# \\\\[x\\\\]\\\\(http&#58;//e\\\\.org\\\\) &lt;b> www\\\\.e\\\\.org'
    """
    flat = clean(" ".join(str(text).split()))
    return _MARKS.sub(r"\\\g<0>", flat).translate(_ENTITIES).replace("\\>", ">")


def markdown(document: Mapping[str, Any]) -> str:
    """The whole transcript, from :func:`simulator.transcript.transcript`."""
    lines = list(_who(document))
    if not document["visits"]:
        lines += ["This agent has seen no page yet.", ""]
    for visit in document["visits"]:
        lines += _visit(visit)
    return "\n".join(lines).rstrip() + "\n"


def _who(document: Mapping[str, Any]) -> Iterator[str]:
    run, agent = document["run"], document["agent"]
    response = run["response"]
    yield f"# Agent {agent['agent']}"
    yield ""
    yield (
        f"User {escaped(agent['user_id'])} of run {escaped(run['name'])}, seed {run['seed']}, "
        f"answers by {escaped(response.get('name') or response.get('model', DASH))}"
        f"{escaped(beside(run))}."
    )
    yield ""
    for name, trait in agent["traits"].items():
        level = DASH if trait["level"] is None else f"{trait['level']:.0f} of 3"
        yield f"- {name}: {level}. {escaped(trait['words'])}"
    for taste in agent["tastes"]:
        yield f"- taste: {escaped(taste)}"
    yield ""


def _visit(visit: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {escaped(visit['arm'])}, round {visit['round']}"
    yield ""
    for page in visit["pages"]:
        yield from _page(page)
    yield "### The end"
    yield ""
    yield from _ending(visit)
    yield ""


def _page(page: Mapping[str, Any]) -> Iterator[str]:
    ok = page["outcome"] == OK
    yield f"### Page {page['page']}"
    yield ""
    if not ok:
        yield f"No usable answer ({escaped(page['outcome'])}): missing data, not behaviour."
        yield ""
    if page["items"]:
        yield "| slot | rank | title | interest | watched | rating |"
        yield "|---:|---:|:---|---:|:---|---:|"
        for item in page["items"]:
            yield _item(item, ok)
        yield ""
    if ok:
        yield from _felt(page)


def _item(item: Mapping[str, Any], ok: bool) -> str:
    year = [str(item["year"])] if item["year"] else []
    about = ", ".join([*year, *(escaped(genre) for genre in item["genres"])])
    title = f"**{escaped(item['title']) or 'item ' + str(item['item'])}**"
    said = [f"“{escaped(text)}”" for text in (item["reason"], item["feeling"]) if text and ok]
    recognised = ", recognised" if item["recognised"] else ""
    known = [f"✓ held out{recognised}"] if item["relevant"] else []
    cell = "; ".join([title, *([about] if about else []), *known, *said])
    rating = DASH if item["rating"] is None else f"{item['rating']:g}"
    watched = {True: "yes", False: "no", None: DASH}[item["watched"]]
    interest = DASH if item["interest"] is None else number(item["interest"], 2)
    return f"| {item['slot']} | {item['rank']} | {cell} | {interest} | {watched} | {rating} |"


def _felt(page: Mapping[str, Any]) -> Iterator[str]:
    fatigue = DASH if page["fatigue"] is None else number(page["fatigue"], 2)
    satisfaction = DASH if page["satisfaction"] is None else number(page["satisfaction"], 1)
    reason = f": {escaped(page['reason'])}" if page["reason"] else ""
    stays = "leaves" if page["leave"] else "stays"
    yield f"Satisfaction {satisfaction} of 10, fatigue {fatigue}; **{stays}**{reason}"
    yield ""
    if page["feeling"]:
        yield f"“{escaped(page['feeling'])}”"
        yield ""
    for entry in page["memories"]:
        yield f"- remembers ({escaped(entry['kind'])}): {escaped(entry['text'])}"
    if page["memories"]:
        yield ""


def _ending(visit: Mapping[str, Any]) -> Iterator[str]:
    end, interview = visit["exit"], visit["interview"]
    if end is None:
        yield "The visit is not over, or its end was not written."
        return
    page = DASH if end["page"] is None else end["page"]
    if end["outcome"] != OK:
        yield f"The session failed on page {page} ({escaped(end['outcome'])})."
    elif end["stopped_by_limit"]:
        yield f"Stopped by the page limit after page {page}."
    else:
        yield f"Left after page {page}: {escaped(end['reason']) or 'no reason given'}"
    yield ""
    if interview is None:
        yield "No exit interview."
    elif interview["outcome"] != OK:
        yield f"The exit interview failed ({escaped(interview['outcome'])})."
    else:
        back = DASH if interview["return_intent"] is None else f"{interview['return_intent']:.0%}"
        said = f" “{escaped(interview['reason'])}”" if interview["reason"] else ""
        told = number(interview["satisfaction"], 1)
        yield f"Exit interview: satisfaction {told} of 10, would come back {back}.{said}"
