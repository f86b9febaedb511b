"""One agent's whole visit as data and as text."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from agents.interface import OK, Answers, MemoryEntry
from simulator.errors import InputError
from simulator.storage import queries
from simulator.storage.store import Store
from simulator.transcript import only, render, transcript

from .report import sample


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        sample.write(opened, sample.Sample(12, failed=(1,), title="<b>[red]A\x1b[31m film[/red]"))
        yield opened


def _text(document: dict[str, Any], width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(render(document))
    return out.getvalue()


def test_every_page_item_and_answer_is_there(store: Store) -> None:
    document = transcript(store, "try", 10, "LightGCN")
    json.dumps(document, allow_nan=False)
    assert document["run"]["name"] == "try"
    assert document["agent"]["user_id"] == "u0"
    assert document["agent"]["tastes"] == ["I like Drama."]
    assert set(document["agent"]["traits"]) == {"activity", "diversity", "conformity"}
    (visit,) = document["visits"]
    shown = queries.exposures(store, "try", arm="LightGCN", agent=10)
    items = [item for page in visit["pages"] for item in page["items"]]
    assert [item["item"] for item in items] == shown["item"].tolist()
    assert [item["watched"] for item in items] == shown["watched"].tolist()
    assert [item["slot"] for item in items] == shown["slot"].tolist()
    assert items[0]["genres"] in (["Drama", "Comedy"], ["Horror"])
    assert visit["exit"]["page"] == len(visit["pages"])
    assert visit["interview"]["outcome"] == OK


def test_all_arms_when_none_is_named(store: Store) -> None:
    document = transcript(store, None, 12)
    assert [visit["arm"] for visit in document["visits"]] == list(sample.ARMS)


def test_memories_are_rendered_from_the_page_where_none_were_written(store: Store) -> None:
    page = transcript(store, "try", 10, "MF")["visits"][0]["pages"][0]
    kinds = [entry["kind"] for entry in page["memories"]]
    assert kinds == ["factual", "emotional"]
    assert page["memories"][0]["text"].startswith("Page 1: I ")
    for item in page["items"]:
        if item["watched"]:
            assert f"(rated {item['rating']:g})" in page["memories"][0]["text"]


def test_a_failed_page_says_so_and_shows_no_behaviour(store: Store) -> None:
    document = transcript(store, "try", 11, "MF")
    (page,) = document["visits"][0]["pages"]
    assert page["outcome"] == "invalid"
    assert page["leave"] is None
    assert page["memories"] == []
    assert all(item["watched"] is None and item["interest"] is None for item in page["items"])
    assert document["visits"][0]["interview"] is None
    text = _text(document)
    assert "no usable answer (invalid): missing data" in text
    assert "The session failed on page 1 (invalid)" in text
    assert "stays" not in text
    assert "leaves" not in text


def test_the_text_tells_the_visit(store: Store) -> None:
    document = transcript(store, "try", 10)
    text = _text(document)
    assert "\x1b" not in text
    for needed in (
        "Agent 10",
        "user u0",
        "seed 3",
        "Page 1",
        "satisfaction",
        "remembers (factual)",
    ):
        assert needed in text
    assert "<b>[red]A�[31m film[/red]" in text  # neither markup nor escape code
    assert text.count("Exit interview: satisfaction") == 3
    assert max(map(len, text.splitlines())) <= 100


def test_an_unknown_agent_or_arm_names_what_there_is(store: Store) -> None:
    with pytest.raises(InputError, match=r"agent: found 99; allowed: one of its 12 agents: 10, 11"):
        transcript(store, "try", 99)
    with pytest.raises(InputError, match="found 'Nobody'; allowed: Random, MF, LightGCN"):
        transcript(store, "try", 10, "Nobody")
    with pytest.raises(InputError, match="found 'other'; allowed: try"):
        transcript(store, "other", 10)


def test_written_memories_words_and_an_open_visit_are_shown_as_they_are() -> None:
    with Store.open("sqlite://") as opened:
        run = opened.begin_run(name="chat", seed=1, scenario={}, scenario_file="")
        item: dict[str, Any] = {
            "item": [0],
            "item_id": ["x"],
            "title": ["Alone"],
            "genres": [[]],
            "year": [0],
        }
        opened.add_items(run, {**item, "text": [""], "popularity": [0]})
        levels = ("activity", "diversity", "conformity")
        traits: dict[str, Any] = {
            name: [2] for level in levels for name in (level, f"{level}_value")
        }
        told: dict[str, Any] = {"user_id": ["five"], "tastes": [[]], "persona": [""]}
        opened.add_agents(run, {"agent": [5], **traits, **told})
        arm = opened.add_arm(
            run, position=0, name="A", recommender="mf", settings={}, is_control=True
        )
        answers = Answers(
            interest=np.array([[0.5]], np.float32),
            aligned=np.array([[True]]),
            watched=np.array([[True]]),
            rating=np.array([[np.nan]], np.float32),
            satisfaction=np.array([4.0], np.float32),
            fatigue=np.array([0.2], np.float32),
            leave=np.array([False]),
            reason=["let us see"],
            outcome=[OK],
            item_reason=[["a quiet title"]],
            item_feeling=[["calm"]],
            feeling=["at ease"],
        )
        opened.add_pages(
            arm,
            1,
            1,
            agent=np.array([5]),
            item=np.array([[0]]),
            rank=np.array([[1]]),
            answers=answers,
            memories=[MemoryEntry(0, 1, "reflection", "I like quiet films.", 0.8)],
            agent_of_row=np.array([5]),
        )
        document = transcript(opened, "chat", 5)
    (page,) = document["visits"][0]["pages"]
    assert page["memories"] == [
        {"kind": "reflection", "text": "I like quiet films.", "importance": 0.8}
    ]
    text = _text(document)
    for needed in ("“a quiet title”", "“calm”", "“at ease”", "let us see", "visit is not over"):
        assert needed in text


def test_one_page_of_every_visit_that_came_so_far(store: Store) -> None:
    whole = transcript(store, "try", 12)
    part = only(whole, 2)
    assert part["agent"] == whole["agent"]
    far = [visit for visit in whole["visits"] if len(visit["pages"]) > 1]
    assert 0 < len(far) < len(whole["visits"])
    assert part["visits"] == [{**visit, "pages": visit["pages"][1:2]} for visit in far]
    assert "Page 2" in _text(part)
    assert "Page 1\n" not in _text(part)
    with pytest.raises(InputError, match=r"agent 12: page: found 9; allowed: 1 to \d"):
        only(whole, 9)


def test_one_round_alone() -> None:
    with Store.open("sqlite://") as opened:
        sample.write(opened, sample.Sample(3, rounds=2))
        whole = transcript(opened, "try", 11)
        part = transcript(opened, "try", 11, "MF", round_=2)
    assert part["visits"] == [
        visit for visit in whole["visits"] if (visit["arm"], visit["round"]) == ("MF", 2)
    ]


_SHOWN = """
from rich.text import Text
from simulator.paging import show
show([Text("first", style="bold"), Text("second")], pager={pager})
"""


@pytest.mark.parametrize("pager", [True, False])
def test_at_a_terminal_it_goes_through_the_pager_unless_told_otherwise(
    tmp_path: Path, pager: bool
) -> None:
    paged = tmp_path / "paged"
    primary, secondary = pty.openpty()
    settings = {"PAGER": f"cat > {paged}", "TERM": "xterm"}
    known = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "MANPAGER", "LESS")}
    with subprocess.Popen(
        [sys.executable, "-c", _SHOWN.format(pager=pager)],
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
        env=known | settings,
    ) as process:
        os.close(secondary)
        printed = b""
        with contextlib.suppress(OSError):  # how a terminal ends
            while more := os.read(primary, 4096):
                printed += more
        assert process.wait() == 0
    os.close(primary)
    text = paged.read_text() if pager else printed.decode()
    assert "\x1b[1mfirst\x1b[0m" in text
    assert "second" in text
    assert paged.exists() == pager
    assert ("first" in printed.decode()) != pager


def test_into_a_pipe_it_is_plain(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SHOWN.format(pager=True)],
        env=os.environ | {"PAGER": "false"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "first\nsecond\n"
