"""Without scripts, and without anything to show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from simulator.storage.store import Store

from . import stores
from .conftest import check_looks, opened, served


@pytest.fixture
def scriptless(browser: Browser, viewer: str) -> Iterator[Page]:
    yield from opened(browser, viewer, java_script_enabled=False)


def test_pages_and_forms_work_without_scripts(scriptless: Page, store: Path) -> None:
    page = scriptless
    page.goto("/")
    page.get_by_role("link", name="small").click()
    expect(page.locator("#summary")).to_contain_text("Can this be believed?")
    page.get_by_role("link", name="Agents", exact=True).click()
    page.get_by_label("Arm").select_option("MF")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".count")).to_contain_text("30 of 60 sessions")
    agent = stores.agents(store, "small")[7]
    page.goto(f"/runs/small/agents/{agent}?arm=MF")
    notes = page.get_by_role("region", name="Notes on page 1")
    notes.get_by_text("Add a note").click()
    notes.get_by_label("Believable", exact=True).check()
    notes.get_by_label("Why").fill("plain")
    notes.get_by_role("button", name="Save").click()
    page.wait_for_url(re.compile(rf"/agents/{agent}\?arm=MF.*#page-1"))
    expect(notes.locator(".note")).to_contain_text("plain")
    notes.get_by_text("Change").click()
    notes.get_by_role("button", name="Delete").click()
    expect(notes.locator(".note")).to_have_count(0)
    page.goto(f"/runs/small/agents/{agent}/pair")
    expect(page.locator(".points")).to_contain_text("First different item")


def test_a_store_without_runs_says_how_to_begin(browser: Browser, tmp_path: Path) -> None:
    with Store.open(tmp_path / "empty.db"):
        pass
    with served(tmp_path / "empty.db") as address:
        for page in opened(browser, address):
            page.goto("/")
            expect(page.get_by_text("No runs yet")).to_be_visible()
            expect(page.get_by_text("audition run quickstart")).to_be_visible()
            check_looks(page)
