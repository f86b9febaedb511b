"""From a metric's difference to the agents that made it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

HERE = "/runs/small/movers"


def differences(page: Page) -> list[float]:
    cells = page.locator("td[data-label=difference]").all_inner_texts()
    return [float(cell.strip().replace("−", "-").replace("+", "")) for cell in cells]


def test_losses_and_gains_are_in_order_and_lead_to_both_visits(wide: Page) -> None:
    wide.goto(HERE)
    wide.get_by_label("Metric").select_option("n_like")
    wide.wait_for_url("**metric=n_like*")
    losses = differences(wide)
    assert losses
    assert losses == sorted(losses)
    assert losses[-1] < 0
    wide.get_by_role("link", name="Biggest gains").click()
    wide.wait_for_url("**list=gains*")
    expect(wide.get_by_role("link", name="Biggest gains")).to_have_attribute("aria-current", "page")
    gains = differences(wide)
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] > 0
    wide.keyboard.press("j")
    wide.keyboard.press("Enter")
    wide.wait_for_url(re.compile(r"/agents/\d+/pair\?a=Pop&b=MF"))
    liked = wide.get_by_role("row").filter(has_text="liked").get_by_role("cell").last
    expect(liked).to_have_text(f"+{gains[0]:.0f}")


def test_the_whole_of_it_is_drawn_and_told(wide: Page) -> None:
    wide.goto(HERE)
    figure = wide.locator("figure.spread")
    box = figure.locator("svg").bounding_box()
    assert box is not None
    assert box["width"] > 300
    parts = [int(text) for text in figure.locator("figcaption strong").all_inner_texts()]
    assert sum(parts) == 30
    expect(wide.locator(".verdict")).to_contain_text("inconclusive")
