"""Text from data that would like to be more than text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from ..simulator.viewer.seen import HOSTILE
from .conftest import expected_errors, opened, settle

SEEN = HOSTILE.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
PAGES = (
    *("/", "/runs/seen", "/runs/broken", "/runs/seen/agents", "/runs/seen/agents/5"),
    *("/runs/seen/agents/5/calls", "/runs/seen/agents/5/pair", "/runs/seen/movers"),
    "/runs/seen/agents?q=%22%3E%3Cscript%3Ealert(3)%3C/script%3E&item=%3Cscript%3E",
)


@pytest.fixture
def watched(browser: Browser, viewer: str) -> Iterator[Page]:
    """A page on which no dialog may open."""
    dialogs: list[str] = []

    def heard(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    for page in opened(browser, viewer):
        page.on("dialog", heard)
        yield page
    assert dialogs == []


@pytest.mark.parametrize("path", PAGES)
def test_it_is_shown_as_text_and_runs_nothing(watched: Page, path: str) -> None:
    watched.goto(path)
    expect(watched.locator("#main [hx-trigger^=load]")).to_have_count(0)  # what comes later
    settle(watched)
    scripts = watched.locator("script").evaluate_all("all => all.map(one => one.src)")
    assert all(source.startswith("http://127.0.0.1") for source in scripts)
    assert watched.locator("a[href^='javascript:'], img[onerror], [onclick]").count() == 0


def test_a_title_reads_as_it_was_written(watched: Page) -> None:
    watched.goto("/runs/seen/agents/5")
    expect(watched.locator("#page-1 .name").first).to_have_text(SEEN)


def test_a_script_that_got_into_a_page_would_not_run(watched: Page) -> None:
    watched.goto("/runs/seen")
    ran = watched.evaluate(
        """async () => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            const image = "<img src='data:,' onerror='window.ran = true'>";
            document.body.insertAdjacentHTML("beforeend", image);
            let reached = true;
            await fetch("http://localhost:9/").catch(() => { reached = false; });
            return [window.ran === true, reached];
        }"""
    )
    assert ran == [False, False]
    assert len(expected_errors(watched)) >= 2  # the policy says what it refused
