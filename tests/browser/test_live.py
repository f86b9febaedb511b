"""A running simulation, looked at while it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from simulator.progress import Progress
from simulator.run import execute
from simulator.scenario import load
from simulator.storage.store import Store

PACED = '''
import pathlib, time

GATE = pathlib.Path(__file__).with_name("gate")

def answer(messages, agent, page, kind):
    """Waits until it may go as far as that page."""
    while page > int(GATE.read_text() or 0):
        time.sleep(0.02)
    told = {"satisfaction": 6, "return_intent": 7, "reason": "fine"}
    if kind != "page":
        return told if kind == "interview" else {"reflection": "nothing new"}
    item = {"reason": "so", "interest": 3 + agent % 5, "aligned": True}
    return {"items": {str(n): item for n in (1, 2, 3, 4)}, "reason": "curious", "leave": False,
            "watched": [{"id": "1", "rating": 4, "feeling": "good"}], "feeling": "fine",
            "satisfaction": 6, "fatigue": 2, "exit": None}
'''
SCENARIO = """
name: live
seed: 7
dataset: {source: synthetic, users: 120, items: 240, split: {train: 0.6, valid: 0.2, test: 0.2}}
agents:
  count: 5
  response: {model: chat, provider: scripted, name: "paced:answer"}
session: {page_size: 4, max_pages: 3, order: ranked}
arms:
  - {name: Popularity, recommender: popularity}
  - {name: EASE, recommender: ease}
control: Popularity
"""


@contextmanager
def paced_run(store: Path, folder: Path) -> Iterator[Path]:
    """The run in a thread; gives the file that says up to which page it may go. The viewer is
    another process."""
    gate = folder / "gate"
    gate.write_text("0")
    (folder / "paced.py").write_text(PACED, encoding="utf-8")
    (folder / "live.yaml").write_text(SCENARIO, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(1) as thread:
        patched.syspath_prepend(folder)
        run = thread.submit(play, folder, store)
        try:
            yield gate
            run.result(120)
        finally:
            gate.write_text("9")


def play(folder: Path, to: Path) -> None:
    file = folder / "live.yaml"
    with Store.open(to, create=False) as store:
        execute(
            load(file, []),
            str(file),
            store,
            name=None,
            checkpoints=folder / "checkpoints",
            progress=Progress(quiet=True),
        )


def test_list_and_page_advance_without_a_reload_and_end_with_verdicts(
    wide: Page, store: Path, tmp_path: Path
) -> None:
    with paced_run(store, tmp_path) as gate:
        row = wide.get_by_role("row").filter(has=wide.get_by_role("link", name="live", exact=True))
        for _ in range(60):
            wide.goto("/")
            if row.count():
                break
            wide.wait_for_timeout(500)
        expect(row).to_contain_text("running")
        listed = wide.context.new_page()
        listed.goto("/")
        wide.evaluate("window.sameDocument = true")
        listed.evaluate("window.sameDocument = true")
        row.get_by_role("link").click()
        progress = wide.locator("#progress")
        wide.evaluate("window.sameDocument = true")
        gate.write_text("1")
        expect(progress).to_contain_text(re.compile(r"pages\s*10\b"))
        expect(progress).to_contain_text("0 of 10 sessions")
        gate.write_text("2")
        expect(progress).to_contain_text(re.compile(r"pages\s*20\b"))
        gate.write_text("9")
        expect(wide.locator("#summary")).to_contain_text("Can this be believed?", timeout=90_000)
        expect(wide.locator("header .state")).to_have_text("finished")
        assert wide.evaluate("window.sameDocument") is True
        expect(listed.get_by_role("row").filter(has_text="live")).to_contain_text("finished")
        assert listed.evaluate("window.sameDocument") is True
