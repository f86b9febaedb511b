"""Every page at 1280 pixels, at 390, and in the dark: nothing stands out of the window, nothing
is hard to read or to reach, the console is silent and no request leaves the origin."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from . import stores
from .conftest import check_looks

PAGES = {
    "runs": "/",
    "run": "/runs/small",
    "failed run": "/runs/broken",
    "agents": "/runs/small/agents?arm=MF&exit_min=1&sort=-watched",
    "no agent like it": "/runs/small/agents?exit_min=99",
    "agent": "/runs/small/agents/{small}",
    "agent of a chat model": "/runs/chat/agents/{chat}",
    "its calls": "/runs/chat/agents/{chat}/calls",
    "two arms": "/runs/small/agents/{small}/pair",
    "movers": "/runs/small/movers",
    "notes": "/runs/small/notes",
    "hostile agent": "/runs/seen/agents/5",
    "hostile agent in two arms": "/runs/seen/agents/5/pair",
}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_fits_and_can_be_used(wide: Page, store: Path, name: str) -> None:
    first = {run: stores.agents(store, run)[0] for run in ("small", "chat")}
    answer = wide.goto(PAGES[name].format(**first))
    assert answer is not None
    assert answer.status == 200
    expect(wide.locator("#main h1")).to_have_count(1)
    check_looks(wide)
