"""A browser, a store with a few runs, and a viewer over it as a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import pytest
from filelock import FileLock
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    ViewportSize,
    expect,
    sync_playwright,
)

from . import stores

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ("--disable-quic", "--disable-background-networking", "--disable-component-update")
WITHOUT = (
    "no browser: install Debian's chromium, or `python -m playwright install chromium`, or name "
    "one by AUDITION_CHROMIUM"
)
PATIENCE = 30_000
"""Milliseconds: of a machine that does other things besides."""

AXE = Path(__file__).with_name("axe-4.14.1.min.js")
WIDE, NARROW = ViewportSize(width=1280, height=844), ViewportSize(width=390, height=844)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without a window; skips, saying so, where there is none. It goes with the last
    of these tests: while it is there no other loop of asyncio can run in this thread."""
    with sync_playwright() as playwright:
        program = _program(playwright)
        if program is None:
            pytest.skip(WITHOUT)
        # A browser started by root, as in most containers, does without its sandbox.
        sandbox = os.name == "posix" and os.geteuid() != 0
        started = playwright.chromium.launch(
            executable_path=program, args=list(FLAGS), chromium_sandbox=sandbox
        )
        expect.set_options(timeout=PATIENCE)
        yield started
        started.close()


def _program(playwright: Playwright) -> str | None:
    named = os.environ.get("AUDITION_CHROMIUM")
    if named:
        return named
    own = playwright.chromium.executable_path
    found = (shutil.which(name) for name in NAMES)
    return own if Path(own).is_file() else next((one for one in found if one), None)


@pytest.fixture(scope="package")
def store(browser: Browser, tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> Path:
    """A copy of :mod:`.stores` for this worker; the first of the workers makes it for all. Not
    without a browser to look at it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / f"viewed-{testrun_uid}"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            making = tmp_path_factory.mktemp("making")
            stores.build(making)
            shutil.move(making, folder)
    return stores.copied(folder / "store.db", tmp_path_factory.mktemp("viewer"))


@pytest.fixture(scope="package")
def viewer(store: Path) -> Iterator[str]:
    """The address of a viewer of that store, without a slash behind it."""
    with served(store) as address:
        yield address


class served:
    """``audition view`` as a process, for as long as the context."""

    def __init__(self, store: Path | str, *options: str) -> None:
        self.command = [sys.executable, "-m", "simulator", "view", "--port", "0"]
        self.command += ["--store", str(store), *options]

    def __enter__(self) -> str:
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.match(r"Viewer: (http://[^/]+)", line)
        assert found, line
        return found[1]

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class Heard:
    """What a page said and asked for beside being shown."""

    origin: str
    console: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


@pytest.fixture
def wide(browser: Browser, viewer: str) -> Iterator[Page]:
    """A page at 1280 pixels; the test fails where the console heard an error or a request left
    the origin."""
    yield from opened(browser, viewer)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Page, Locator], str]:
    """Click what downloads a file; gives its text."""

    def save(page: Page, link: Locator) -> str:
        with page.expect_download() as begun:
            link.click()
        begun.value.save_as(tmp_path / begun.value.suggested_filename)
        return (tmp_path / begun.value.suggested_filename).read_text(encoding="utf-8")

    return save


def opened(browser: Browser, viewer: str, **more: Any) -> Iterator[Page]:
    """A page that listens to its console and its requests; ``more``: of its context."""
    context = browser.new_context(viewport=WIDE, color_scheme="light", base_url=viewer, **more)
    context.set_default_timeout(PATIENCE)
    heard = Heard(viewer)
    shown = context.new_page()
    _heard[shown] = heard
    shown.on("console", lambda said: _hear(heard, said))
    shown.on("pageerror", lambda error: heard.console.append(str(error)))
    shown.on("request", lambda asked: _note(heard, asked.url))
    yield shown
    context.close()
    assert not heard.console
    assert not heard.elsewhere


_heard: WeakKeyDictionary[Page, Heard] = WeakKeyDictionary()


def expected_errors(page: Page) -> list[str]:
    """What the console of a page has said so far, which the test then expected."""
    said, _heard[page].console[:] = list(_heard[page].console), []
    return said


def _hear(heard: Heard, said: ConsoleMessage) -> None:
    if said.type == "error":
        heard.console.append(said.text)


def _note(heard: Heard, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != heard.origin:
        heard.elsewhere.append(url)


WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa")
COLOURS = ("color-contrast", "link-in-text-block")
"""Rules that look at colours: all that can differ in the dark."""


def settle(page: Page) -> None:
    """Wait until all that the page has asked for is there, and what is folded open. What it
    will ask for later (in a while, of a stream) is not waited for."""
    page.evaluate(SETTLED, PATIENCE)


SETTLED = """async patience => {
    const until = Date.now() + patience;
    const turns = async n => { while (n--) await new Promise(requestAnimationFrame); };
    const busy = () => document.readyState !== "complete"
        || document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling")
        || [...document.images].some(one => !one.complete);
    await turns(2);  // a part that was opened has then asked for what is in it
    while (busy()) {
        if (Date.now() > until) throw new Error("the page does not come to rest");
        await turns(1);
    }
    await turns(2);  // and what came has been drawn, or has failed to
}"""


def check_looks(page: Page) -> None:
    """At 1280 pixels, at 390, and in the dark: nothing stands out of the window, nothing is
    hard to read or to reach. The page is loaded once, as only styles tell the looks apart."""
    for size, scheme, rules in LOOKS:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        folded = page.locator("details:not([open]) > summary:visible")
        while folded.count():
            folded.first.click()
        settle(page)
        look = f"{size['width']} pixels, {scheme}"
        assert page.evaluate("innerWidth") == size["width"]
        assert page.evaluate(f"matchMedia('(prefers-color-scheme: {scheme})').matches")
        assert fits(page), look
        assert findings(page, rules) == [], look


Scheme = Literal["light", "dark"]
LOOKS: tuple[tuple[ViewportSize, Scheme, Sequence[str]], ...] = (
    (NARROW, "light", WCAG),
    (WIDE, "dark", COLOURS),
    (WIDE, "light", WCAG),
)


def findings(page: Page, only: Sequence[str] = WCAG) -> list[str]:
    """What axe-core finds of serious or critical impact, WCAG 2.1 A and AA, one line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "only => axe.run(document, {runOnly: only, preload: false,"
        " resultTypes: ['violations'], selectors: false})",
        list(only),
    )
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {node['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def fits(page: Page) -> bool:
    """Whether nothing of the page stands out to the right of the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
