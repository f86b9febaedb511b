"""A transcript as text for a terminal; plain where the output is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from agents.interface import OK

from .report.grounding import beside
from .report.wording import DASH, clean, number


def render(document: Mapping[str, Any]) -> RenderableType:
    """The whole transcript; what came from data is shown as text and never as markup."""
    parts: list[RenderableType] = [_who(document)]
    if not document["visits"]:
        parts.append(Text("\nThis agent has seen no page yet."))
    for visit in document["visits"]:
        parts.extend(_visit(visit))
    return Group(*parts)


def _who(document: Mapping[str, Any]) -> Text:
    run, agent = document["run"], document["agent"]
    out = Text(f"Agent {agent['agent']}", style="bold")
    out.append(
        f"  user {clean(agent['user_id'])} of {clean(run['name'])}, seed {run['seed']}, answers by "
        f"{clean(run['response'].get('name') or run['response'].get('model', DASH))}"
        f"{beside(run)}",
        style="not bold",
    )
    for name, trait in agent["traits"].items():
        level = DASH if trait["level"] is None else f"{trait['level']:.0f} of 3"
        out.append(f"\n{name:<11}{level}  ", style="not bold")
        out.append(clean(trait["words"]), style="not bold italic")
    for i, taste in enumerate(agent["tastes"]):
        out.append(f"\n{'tastes' if i == 0 else '':<11}{clean(taste)}", style="not bold")
    return out


def _visit(visit: Mapping[str, Any]) -> Iterator[RenderableType]:
    name = clean(visit["arm"]) + (f", round {visit['round']}" if visit["round"] > 1 else "")
    yield Text()
    yield Rule(Text(name, style="bold"), align="left", style="dim")
    for page in visit["pages"]:
        yield _heading(page)
        if page["items"]:
            yield Padding(_items(page), (0, 0, 0, 2))
        yield Padding(_after(page), (0, 0, 0, 2))
    yield _ending(visit)


def _heading(page: Mapping[str, Any]) -> Text:
    out = Text(f"\nPage {page['page']}", style="bold")
    if page["outcome"] != OK:
        out.append(
            f"  no usable answer ({clean(page['outcome'])}): missing data, not behaviour",
            style="not bold red",
        )
    return out


def _items(page: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="dim")
    for heading in ("slot", "rank"):
        table.add_column(heading, justify="right")
    table.add_column("title", ratio=1, min_width=24)
    for heading in ("interest", "watched", "rating"):
        table.add_column(heading, justify="right", no_wrap=True)
    for item in page["items"]:
        rating = DASH if item["rating"] is None else f"{item['rating']:g}"
        table.add_row(
            str(item["slot"]),
            str(item["rank"]),
            _title(item),
            DASH if item["interest"] is None else number(item["interest"], 2),
            {True: "yes", False: "no", None: DASH}[item["watched"]],
            rating,
            style="" if item["watched"] else "dim",
        )
    return table


def _title(item: Mapping[str, Any]) -> Text:
    out = Text(clean(item["title"]) or f"item {item['item']}")
    year = [str(item["year"])] if item["year"] else []
    shown = [] if item["shown_rating"] is None else [f"shown {number(item['shown_rating'], 1)}"]
    about = ", ".join([*year, *(clean(genre) for genre in item["genres"]), *shown])
    if item["relevant"]:
        known = ", recognised" if item["recognised"] else ""
        out.append(f"  ✓ held out{known}", style="green")
    if about:
        out.append(f"\n{about}", style="dim")
    for text in (item["reason"], item["feeling"]):
        if text:
            out.append(f"\n“{clean(text)}”", style="italic")
    return out


def _after(page: Mapping[str, Any]) -> Text:
    out = Text()
    if page["outcome"] != OK:
        return out
    fatigue = DASH if page["fatigue"] is None else number(page["fatigue"], 2)
    satisfaction = DASH if page["satisfaction"] is None else number(page["satisfaction"], 1)
    out.append(f"satisfaction {satisfaction} of 10, fatigue {fatigue}; ")
    out.append("leaves" if page["leave"] else "stays", style="bold")
    if page["reason"]:
        out.append(f": {clean(page['reason'])}")
    if page["feeling"]:
        out.append(f"\n“{clean(page['feeling'])}”", style="italic")
    for entry in page["memories"]:
        out.append(f"\nremembers ({clean(entry['kind'])}): {clean(entry['text'])}", style="dim")
    return out


def _ending(visit: Mapping[str, Any]) -> Text:
    end, interview = visit["exit"], visit["interview"]
    out = Text("\n")
    if end is None:
        return out.append("The visit is not over, or its end was not written.", style="yellow")
    page = DASH if end["page"] is None else end["page"]
    if end["outcome"] != OK:
        out.append(f"The session failed on page {page} ({clean(end['outcome'])}).", style="red")
    elif end["stopped_by_limit"]:
        out.append(f"Stopped by the page limit after page {page}.")
    else:
        out.append(f"Left after page {page}: {clean(end['reason']) or 'no reason given'}.")
    if interview is None:
        return out.append(" No exit interview.")
    if interview["outcome"] != OK:
        return out.append(
            f" The exit interview failed ({clean(interview['outcome'])}).", style="red"
        )
    back = DASH if interview["return_intent"] is None else f"{interview['return_intent']:.0%}"
    said = number(interview["satisfaction"], 1)
    out.append(f"\nExit interview: satisfaction {said} of 10, would come back {back}.")
    if interview["reason"]:
        out.append(f" “{clean(interview['reason'])}”", style="italic")
    return out
