"""A run as files, opened from the disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ..simulator.command import audition
from . import stores
from .conftest import NARROW, WIDE, check_looks, fits, opened


@pytest.fixture(scope="module")
def bundle(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("bundle") / "small"
    command = ("view", "small", "--store", store, "--bundle", to, "--agents", 3)
    with ThreadPoolExecutor(1) as thread:  # as the browser's loop of asyncio runs in this one
        done = thread.submit(audition, *command).result()
    assert done.code == 0, done.err
    return to


@pytest.fixture
def files(browser: Browser, bundle: Path) -> Iterator[Page]:
    """Its first page; nothing may be asked for but files."""
    for page in opened(browser, "file://"):
        page.goto((bundle / "index.html").as_uri())
        yield page


def test_from_the_run_to_an_agent_and_its_two_arms(files: Page, store: Path) -> None:
    expect(files.locator("#summary")).to_contain_text("Can this be believed?")
    image = files.locator("#summary figure img").first
    image.evaluate("one => { one.loading = 'eager'; return one.decode(); }")
    check_looks(files)
    files.get_by_role("link", name="Agents", exact=True).click()
    expect(files.locator("#agents tbody tr")).not_to_have_count(0)
    for size in (NARROW, WIDE):
        files.set_viewport_size(size)
        assert fits(files)
    first = stores.agents(store, "small")[0]
    files.get_by_role("link", name=re.compile(rf"^{first}$")).first.click()
    expect(files.get_by_role("heading", level=1)).to_contain_text(f"Agent {first}")
    expect(files.locator("#page-1 tbody tr")).to_have_count(4)
    check_looks(files)
    assert files.locator("form:visible").count() == 0
