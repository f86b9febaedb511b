"""The list of runs, and what every page has: theme, keys, a way back."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .conftest import check_looks, expected_errors, findings


def test_the_list_of_runs_names_each_and_leads_to_it(wide: Page) -> None:
    wide.goto("/")
    row = wide.get_by_role("row").filter(has_text="small")
    expect(row).to_contain_text("finished")
    expect(row).to_contain_text("30")
    row.get_by_role("link", name="small").click()
    wide.wait_for_url("**/runs/small")


def test_the_theme_is_switched_and_stays(wide: Page) -> None:
    wide.goto("/")
    before = wide.evaluate("getComputedStyle(document.body).backgroundColor")
    wide.keyboard.press("d")
    after = wide.evaluate("getComputedStyle(document.body).backgroundColor")
    assert after != before
    wide.reload()
    assert wide.evaluate("getComputedStyle(document.body).backgroundColor") == after
    assert findings(wide) == []


def test_rows_are_walked_by_keys(wide: Page) -> None:
    wide.goto("/")
    wide.keyboard.press("j")
    expect(wide.locator("tr.marked")).to_have_count(1)
    wide.keyboard.press("Enter")
    wide.wait_for_url("**/runs/*")


def test_keys_are_told_and_the_list_closes(wide: Page) -> None:
    wide.goto("/")
    wide.keyboard.press("?")
    expect(wide.get_by_role("dialog")).to_be_visible()
    assert findings(wide) == []
    wide.keyboard.press("Escape")
    expect(wide.get_by_role("dialog")).not_to_be_visible()


def test_what_is_not_there_is_said_on_a_page(wide: Page) -> None:
    answer = wide.goto("/nowhere")
    assert answer is not None
    assert answer.status == 404
    assert len(expected_errors(wide)) == 1  # that it was a 404
    expect(wide.get_by_text("This is not here.")).to_be_visible()
    check_looks(wide)
