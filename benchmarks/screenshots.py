"""The screenshots of docs/view.md: two runs in a store that goes away, a viewer, a browser.

    python -m benchmarks.screenshots [FOLDER]    # docs/images without it

It wants a Chromium: Playwright's own, one on the path, or the one AUDITION_CHROMIUM names.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from simulator.storage import queries
from simulator.storage.store import Store

AUDITION = (sys.executable, "-m", "simulator")
IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDE, TALL, PHONE = (1280, 860), (1280, 1040), (390, 844)
MOST = 200_000
"""Bytes of one image."""


@dataclass(frozen=True)
class Shot:
    """``to``: what is scrolled to the top first; ``unfold``: what is opened before that."""

    name: str
    path: str
    size: tuple[int, int] = WIDE
    dark: bool = False
    to: str = ""
    unfold: str = ""


def shots(agent: int, talker: int) -> list[Shot]:
    """``agent`` of the quickstart, ``talker`` of the chat run."""
    here, talk = "/runs/quickstart", "/runs/chat"
    return [
        Shot("run", here),
        Shot("agents", f"{here}/agents?arm=Popularity&exit_max=3&q=taste&sort=-watched"),
        Shot("agent", f"{talk}/agents/{talker}?arm=EASE", TALL, to="#page-1", unfold=".calls"),
        Shot("pair", f"{here}/agents/{agent}/pair?a=Popularity&b=EASE", to="#page-1"),
        Shot("movers", f"{here}/movers?metric=n_like&b=EASE"),
        Shot("dark", here, dark=True, to="#summary section:nth-of-type(2)"),
        Shot("phone", f"{here}/agents/{agent}?arm=Popularity", PHONE, to="#page-1"),
    ]


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    with tempfile.TemporaryDirectory() as made:
        store = Path(made) / "audition.db"
        scripted = ("provider=scripted", "name=behavioural")
        given = [part for one in scripted for part in ("--set", f"agents.response.{one}")]
        for command in (("run", "quickstart"), ("run", "chat", *given)):
            where = ("--store", str(store), "--out", f"{made}/runs")
            subprocess.run([*AUDITION, *command, *where], check=True, cwd=made)
        with Store.open(store, create=False) as opened:
            agent, talker = (_in_between(opened, run) for run in ("quickstart", "chat"))
        with _viewer(store) as address, _browser() as browser:
            for shot in shots(agent, talker):
                file = folder / f"view-{shot.name}.png"
                _take(browser, address, shot, file)
                print(f"{file}: {file.stat().st_size:,} bytes", flush=True)


def _in_between(store: Store, run: str) -> int:
    """An agent that left some arm by its own will after a few pages."""
    sessions = queries.sessions(store, run)
    pages = sessions.groupby("agent")["exit_page"]
    fits = (pages.min() >= 2) & (pages.min() < pages.max())
    return int(fits.index[fits][0])


@contextmanager
def _viewer(store: Path) -> Iterator[str]:
    command = [*AUDITION, "view", "--port", "0", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[1].rstrip("/")
        finally:
            process.terminate()


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        named = os.environ.get("AUDITION_CHROMIUM") or shutil.which("chromium")
        program = own if Path(own).is_file() else named
        started = playwright.chromium.launch(executable_path=program, chromium_sandbox=False)
        yield started
        started.close()


def _take(browser: Browser, address: str, shot: Shot, to: Path) -> None:
    width, height = shot.size
    page = browser.new_page(
        base_url=address,
        viewport={"width": width, "height": height},
        color_scheme="dark" if shot.dark else "light",
    )
    page.goto(shot.path)
    _settle(page)
    if shot.unfold:
        page.locator(shot.unfold).first.evaluate("one => { one.open = true; }")
    if shot.to:
        page.locator(shot.to).evaluate("one => one.scrollIntoView()")
    image = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    plain = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    plain.save(to, optimize=True)
    page.close()
    if to.stat().st_size > MOST:
        raise SystemExit(f"{to}: {to.stat().st_size:,} bytes are more than {MOST:,}")


def _settle(page: Page) -> None:
    """Until nothing is read, worked out or drawn any more."""
    waiting = page.locator("[hx-trigger*=load], [hx-trigger='every 2s']")
    waiting.first.wait_for(state="detached", timeout=180_000)
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main()
