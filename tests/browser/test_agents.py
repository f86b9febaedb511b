"""The agents of a run: filters, sort, search and sheets, with their state in the address."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from simulator.storage import queries
from simulator.storage.store import Store

HERE = "/runs/small/agents"


@pytest.fixture
def agents(wide: Page) -> Page:
    wide.goto(HERE)
    expect(wide.locator(".count")).to_contain_text("60 of 60 sessions")
    return wide


def rows(page: Page) -> Locator:
    return page.locator("#agents tbody tr")


def cells(page: Page, label: str) -> list[str]:
    return [text.strip() for text in page.locator(f"td[data-label='{label}']").all_inner_texts()]


def test_by_arm_and_exit_page_the_address_follows_and_gives_the_same_again(agents: Page) -> None:
    agents.get_by_label("Arm").select_option("MF")
    expect(agents).to_have_url(re.compile(r"\?arm=MF$"))
    expect(agents.locator(".count")).to_contain_text("30 of 60")
    assert set(cells(agents, "arm")) == {"MF"}
    agents.get_by_text("More filters").click()
    agents.get_by_label("Exit page from").fill("4")
    agents.get_by_label("Exit page from").press("Enter")
    expect(agents).to_have_url(re.compile(r"exit_min=4"))
    found = cells(agents, "pages")
    assert 0 < len(found) < 30
    assert min(int(page) for page in found) == 4
    agents.reload()
    assert cells(agents, "pages") == found
    assert agents.get_by_label("Arm").input_value() == "MF"
    expect(agents.get_by_label("Exit page from")).to_be_visible()  # its part stays open


def test_back_gives_what_was_asked_before(agents: Page) -> None:
    agents.get_by_label("Arm").select_option("Pop")
    expect(agents.locator(".count")).to_contain_text("30 of 60")
    agents.go_back()
    expect(agents.locator(".count")).to_contain_text("60 of 60")
    expect(agents).to_have_url(re.compile(rf"{HERE}$"))
    assert agents.get_by_label("Arm").input_value() == ""


def test_by_trait(agents: Page) -> None:
    agents.get_by_text("More filters").click()
    agents.get_by_label("Activity").select_option("high")
    expect(agents).to_have_url(re.compile("activity=3"))
    expect(rows(agents)).not_to_have_count(50)
    assert set(cells(agents, "activity")) == {"high"}


def test_words_are_found_and_marked(agents: Page) -> None:
    agents.get_by_label("Said anywhere").press_sequentially("middling", delay=30)
    expect(agents).to_have_url(re.compile("q=middling"))
    expect(agents.locator("#agents mark").first).to_have_text("middling")
    assert agents.locator("#agents mark").count() == rows(agents).count() > 5


def test_by_a_watched_title_which_is_suggested(agents: Page, store: Path) -> None:
    with Store.open(store, create=False) as opened:
        shown = queries.exposures(opened, "small").query("watched == 1")
        items = queries.items(opened, "small").set_index("item")
    item = int(shown["item"].iloc[0])
    title = str(items.loc[item, "title"])
    visits = len(shown[shown["item"] == item][["arm", "agent"]].drop_duplicates())
    agents.get_by_label("Watched").press_sequentially(title[:6])
    expect(agents.locator("#titles option").first).to_be_attached()
    agents.get_by_label("Watched").fill(title)
    agents.get_by_label("Watched").press("Enter")
    expect(agents.locator(".count")).to_contain_text(f"{visits} of 60 sessions")
    expect(agents.locator("#agents .chip").filter(has_text=title)).to_be_visible()


def test_sorted_by_a_column_up_and_down(agents: Page) -> None:
    def sorted_by(direction: str) -> list[int]:
        expect(agents.locator(f"th[aria-sort={direction}]")).to_have_count(1)
        return [int(text.split()[0]) for text in cells(agents, "watched")]

    agents.get_by_role("columnheader").get_by_role("link", name="watched").click()
    down = sorted_by("descending")
    assert down == sorted(down, reverse=True)
    agents.get_by_role("columnheader").get_by_role("link", name="watched").click()
    up = sorted_by("ascending")
    assert up == sorted(up)
    agents.get_by_label("Arm").select_option("MF")  # a filter keeps the order
    expect(agents).to_have_url(re.compile("sort=watched"))


def test_the_next_sheet_by_key_and_a_row_by_keys(agents: Page) -> None:
    expect(rows(agents)).to_have_count(50)
    agents.keyboard.press("n")
    agents.wait_for_url("**/agents?sheet=2")
    expect(rows(agents)).to_have_count(10)
    agents.keyboard.press("p")
    agents.wait_for_url(lambda url: url.endswith(HERE))
    agents.keyboard.press("/")
    expect(agents.get_by_label("Said anywhere")).to_be_focused()
    agents.keyboard.press("Escape")
    agents.keyboard.press("j")
    agents.keyboard.press("j")
    agents.keyboard.press("k")
    expect(rows(agents).first).to_have_class(re.compile("marked"))
    agents.keyboard.press("Enter")
    agents.wait_for_url(re.compile(rf"{HERE}/\d+"))
    agents.keyboard.press("u")
    agents.wait_for_url(re.compile(rf"{HERE}$"))
    agents.keyboard.press("u")
    agents.wait_for_url("**/runs/small")


def test_nobody_like_it_says_what_to_let_go(agents: Page) -> None:
    agents.goto(f"{HERE}?arm=MF&exit_min=99")
    expect(agents.locator(".empty")).to_contain_text("No session is like this")
    agents.get_by_role("link", name="exit page from 99").click()
    expect(agents.locator(".count")).to_contain_text("30 of 60")


def test_sessions_never_read_before_come_by_themselves(wide: Page) -> None:
    wide.goto("/runs/chat/agents")
    expect(wide.locator(".count")).to_contain_text("12 of 12")
    expect(wide.get_by_label("Said anywhere")).to_be_visible()


def test_the_sessions_asked_for_as_a_file(
    agents: Page, saved: Callable[[Page, Locator], str]
) -> None:
    agents.goto(f"{HERE}?arm=MF")
    text = saved(agents, agents.get_by_role("link", name="CSV"))
    assert [line.split(",")[0] for line in text.splitlines()] == ["arm", *["MF"] * 30]
