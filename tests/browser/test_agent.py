"""One agent: its visit page by page, the calls behind it, and two arms side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from simulator.storage import queries
from simulator.storage.store import Store

from . import stores


@pytest.fixture(scope="module")
def stayed(store: Path) -> int:
    """An agent of ``small`` that saw three pages or more in each arm, and is not the first."""
    with Store.open(store, create=False) as opened:
        sessions = queries.sessions(opened, "small")
    least = sessions.groupby("agent")["exit_page"].min()
    return int(least[least >= 3].index[1])


def test_page_by_page_to_the_interview(wide: Page, stayed: int) -> None:
    wide.goto(f"/runs/small/agents/{stayed}?arm=Pop")
    pages = wide.locator("section[data-page]")
    assert pages.count() >= 3
    table = pages.first.get_by_role("table")
    for column in ("slot", "title", "watched", "rated", "rank"):
        expect(table.get_by_role("columnheader", name=column)).to_have_count(1)
    expect(table.locator("tbody tr")).to_have_count(4)
    expect(pages.first.locator(".felt")).to_contain_text(re.compile("Stays|Leaves"))
    expect(wide.locator("#end")).to_contain_text("Exit interview")
    wide.get_by_text("Memory as it grew").click()
    assert wide.locator(".grown > li").count() >= 2


def test_a_deep_link_scrolls_to_its_page(wide: Page, stayed: int) -> None:
    wide.goto(f"/runs/small/agents/{stayed}?arm=Pop#page-2")
    expect(wide.locator("#page-2-title")).to_be_in_viewport()
    assert wide.locator("#page-2").evaluate("one => Math.abs(one.getBoundingClientRect().top)") < 90
    expect(wide.get_by_role("heading", name="Who it is")).not_to_be_in_viewport()


def test_pages_and_agents_are_walked_by_keys(wide: Page, store: Path, stayed: int) -> None:
    wide.goto(f"/runs/small/agents/{stayed}?arm=Pop")
    wide.keyboard.press("j")
    wide.keyboard.press("j")
    expect(wide.locator("section.marked")).to_have_id("page-2")
    all_of_them = stores.agents(store, "small")
    at = all_of_them.index(stayed)
    wide.keyboard.press("n")
    wide.wait_for_url(f"**/agents/{all_of_them[at + 1]}?arm=Pop*")
    wide.keyboard.press("p")
    wide.wait_for_url(f"**/agents/{stayed}?arm=Pop*")
    wide.keyboard.press("p")
    wide.wait_for_url(f"**/agents/{all_of_them[at - 1]}?arm=Pop*")


def test_prompt_and_reply_of_a_call_are_fetched_when_opened(wide: Page, store: Path) -> None:
    wide.goto(f"/runs/chat/agents/{stores.agents(store, 'chat')[0]}")
    calls = wide.locator("#page-1 details.calls")
    calls.locator("summary").first.click()
    expect(calls).to_contain_text("attempt 1: ok")
    expect(calls.locator("pre")).to_have_count(0)
    calls.get_by_text("Prompt and reply").first.click()
    expect(calls.locator("pre").first).to_be_visible()
    expect(calls.locator(".role").first).to_contain_text("system")
    expect(calls.locator("pre").last).to_contain_text('"watched"')


def test_its_transcript_can_be_taken_along(
    wide: Page, stayed: int, saved: Callable[[Page, Locator], str]
) -> None:
    wide.goto(f"/runs/small/agents/{stayed}")
    document = json.loads(saved(wide, wide.get_by_role("link", name="JSON")))
    assert document["agent"]["agent"] == stayed
    assert len(document["visits"]) == 2
    text = saved(wide, wide.get_by_role("link", name="Markdown"))
    assert f"# Agent {stayed}" in text


def test_two_arms_side_by_side_with_where_they_part(wide: Page, stayed: int) -> None:
    wide.goto(f"/runs/small/agents/{stayed}?arm=Pop")
    wide.get_by_role("button", name="Compare").click()
    wide.wait_for_url(f"**/agents/{stayed}/pair?a=Pop*b=MF*")
    expect(wide.locator(".point").first).to_contain_text("first different")
    expect(wide.locator(".points")).to_contain_text("First different item: page 1, slot")
    for side, arm in enumerate(("Pop", "MF")):
        expect(wide.locator("#page-1 .side h3").nth(side)).to_contain_text(arm)
    left, right = (wide.locator("#page-1 .side").nth(i).bounding_box() for i in (0, 1))
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]
    assert abs(left["y"] - right["y"]) < 2
    wide.get_by_role("link", name="Swap").click()
    wide.wait_for_url(f"**/agents/{stayed}/pair?a=MF*b=Pop*")
    expect(wide.locator("#page-1 .side h3").first).to_contain_text("MF")
    expect(wide.get_by_role("region", name="Differences in outcome")).to_contain_text("pages seen")
