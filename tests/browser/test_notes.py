"""A person's verdict on a page: written, changed, counted, taken back."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from . import stores

TEXT = '=1+1 no one <b>says</b> that\nand "nobody" does that'


def test_a_note_is_kept_counted_and_taken_back(
    wide: Page, store: Path, saved: Callable[[Page, Locator], str]
) -> None:
    agent = stores.agents(store, "small")[3]
    here = f"/runs/small/agents/{agent}?arm=MF"
    wide.goto(here)
    notes = wide.get_by_role("region", name="Notes on page 1")
    notes.get_by_text("Add a note").click()
    notes.get_by_label("Not believable").check()
    notes.get_by_label("Why").fill(TEXT)
    notes.get_by_label("Your name").press_sequentially("d. Jung")  # letters are no commands here
    notes.get_by_role("button", name="Save").click()
    expect(notes.get_by_role("status")).to_have_text("Saved.")
    wide.reload()
    expect(notes.locator(".note")).to_have_count(1)
    expect(notes.locator(".note .told")).to_have_text(TEXT)
    expect(notes.locator(".note")).to_contain_text("d. Jung")

    wide.goto("/runs/small")
    expect(wide.locator("#main")).to_contain_text(re.compile(r"1 note\b"))
    wide.goto("/runs/small/agents?notes=1")
    expect(wide.locator("#agents tbody tr")).to_have_count(1)
    wide.goto("/runs/small/notes")
    expect(wide.locator("[data-row]")).to_contain_text("Not believable")
    (row,) = csv.DictReader(saved(wide, wide.get_by_role("link", name="CSV")).splitlines(True))
    assert row["text"] == f"'{TEXT}"  # which no spreadsheet runs
    wide.get_by_role("link", name=f"Agent {agent}, page 1").click()
    wide.wait_for_url("**#page-1")

    notes.get_by_text("Change").click()
    notes.locator(".note").get_by_label("Believable", exact=True).check()
    notes.locator(".note").get_by_role("button", name="Save").click()
    expect(notes.locator(".note .verdict")).to_contain_text("Believable")
    notes.get_by_text("Change").click()
    notes.get_by_role("button", name="Delete").click()
    expect(notes.locator(".note")).to_have_count(0)
    wide.goto("/runs/small/notes")
    expect(wide.get_by_text("No notes yet")).to_be_visible()


def test_a_note_without_a_verdict_is_asked_for_one(wide: Page, store: Path) -> None:
    wide.goto(f"/runs/small/agents/{stores.agents(store, 'small')[4]}?arm=MF")
    notes = wide.get_by_role("region", name="Notes on page 1")
    notes.get_by_text("Add a note").click()
    notes.get_by_label("Why").fill("so")
    notes.get_by_role("button", name="Save").click()
    assert notes.locator("input:invalid").count() == 2
    expect(notes.locator(".note")).to_have_count(0)
