"""A run's page: what it says, in which order, and what can be taken along."""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

PARTS = ("Can this be believed?", "Arms against Pop", "Offline and simulated", "How this was")


def test_the_health_panel_comes_first_then_verdicts_and_settings(wide: Page) -> None:
    wide.goto("/runs/small")
    titles = wide.locator("#summary h2").all_inner_texts()
    places = [next(i for i, title in enumerate(titles) if title.startswith(part)) for part in PARTS]
    assert places[0] == 0
    assert places == sorted(places)
    verdicts = wide.get_by_role("table").filter(has_text="drawn")
    expect(verdicts.get_by_role("row").filter(has_text="S_sat")).to_have_count(1)
    assert verdicts.locator("svg").count() >= 5  # the forest, an interval a row
    for text in ("Recall@20", "0.9"):
        expect(wide.locator("#summary")).to_contain_text(text)


def test_figures_are_there(wide: Page) -> None:
    wide.goto("/runs/small")
    images = wide.locator("#summary figure img")
    assert images.count() >= 5
    for image in images.all():
        image.evaluate("one => { one.loading = 'eager'; return one.decode(); }")
        assert image.evaluate("one => one.naturalWidth") >= 400
        assert len(image.get_attribute("alt") or "") > 20


def test_a_summary_that_is_not_there_yet_comes_without_a_reload(wide: Page) -> None:
    wide.goto("/runs/chat")
    wide.evaluate("window.sameDocument = true")
    expect(wide.locator("#summary")).to_contain_text("Can this be believed?", timeout=60_000)
    expect(wide.locator("#summary figure img").first).to_be_visible(timeout=60_000)
    assert wide.evaluate("window.sameDocument") is True
    expect(wide.get_by_role("table").filter(has_text="question")).to_contain_text("reflection")


def test_each_table_and_the_summary_can_be_taken_along(
    wide: Page, saved: Callable[[Page, Locator], str]
) -> None:
    wide.goto("/runs/small")
    text = saved(wide, wide.get_by_role("link", name="sessions", exact=True))
    assert len(text.splitlines()) == 61
    text = saved(wide, wide.get_by_role("link", name="summary.json"))
    assert json.loads(text)["control"] == "Pop"


def test_a_failed_run_says_why_and_how_to_go_on(wide: Page) -> None:
    wide.goto("/runs/broken")
    banner = wide.locator(".banner").first
    expect(banner).to_contain_text("Failed.")
    expect(banner).to_contain_text("<img src=x onerror=alert(2)> the model does not answer")
    expect(banner).to_contain_text("audition resume broken")
