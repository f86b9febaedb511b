"""What a plan says of written profiles is what a run then asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.progress import Progress
from simulator.storage.store import Store
from simulator.texts.settle import settle
from tests.agents.chat.server import Server

from ..command import audition
from .test_written import SMALL, answer, world

OWN = "texts.chat={name: gpt-4o-mini, prices: {input: 1.0, output: 2.0}}"


def planned(*settings: str) -> dict[str, Any]:
    sets = [part for text in [*SMALL, OWN, *settings] for part in ("--set", text)]
    done = audition("plan", "quickstart", *sets, "--json")
    assert done.code == 0, done.err
    document: dict[str, Any] = json.loads(done.out)
    return document


def test_calls_and_prompts_are_those_of_a_run() -> None:
    document = planned()
    with Server(answer) as server, Store.open("sqlite://") as store:
        one = world(server)
        settle(one, store, Progress(quiet=True))
        requests = server.requests
    users = len(np.unique(one.split.train.user))
    kinds = document["by_kind"]
    assert document["calls"] == {"expected": 50 + users, "most": 50 + users}
    assert {kind: each["calls"] for kind, each in kinds.items()} == {
        "item_profile": 50,
        "user_profile": users,
    }
    assert len(requests) == 50 + users
    prompt = document["tokens"]["prompt"]
    letters = sum(len(m["content"]) for r in requests[:50] for m in r.messages) / 50
    schema = len(json.dumps(requests[0].body["response_format"]))
    assert kinds["item_profile"]["prompt"] == pytest.approx((letters + schema) / 4, rel=0.3)
    assert prompt["most"] > prompt["expected"]
    reply = document["tokens"]["reply"]
    assert reply["most"] == 50 * 1024 + users * 768
    expected = (prompt["expected"] + 2 * reply["expected"]) / 1e6
    assert document["usd"]["expected"] == pytest.approx(expected, rel=1e-3)
    assert document["price"] == "1 USD in, 2 USD out per million tokens"
    assert any("profiles of all items and users" in text for text in document["assumptions"])


def test_caps_worlds_and_replicates() -> None:
    one, capped = planned(), planned("budget.tokens=100", "agents.replicates=2")
    assert capped["calls"] == one["calls"]  # replicates read the same
    assert "stops the run at about" in capped["budget"]["tokens"]["means"]
    worlds = planned("worlds=3")
    assert worlds["calls"]["most"] == 3 * one["calls"]["most"]
    assert worlds["calls"]["expected"] == 3 * one["calls"]["expected"]  # other films in each


def test_real_items_are_asked_about_in_the_first_world_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [f"u{u},i{(u * 7 + k * 3) % 20},{1 + (u + k) % 5}" for u in range(12) for k in range(6)]
    (folder / "log.csv").write_text("\n".join(["user,item,rating", *rows]), encoding="utf-8")
    films = [f"i{n},Film {n},Drama" for n in range(20)]
    (folder / "items.csv").write_text("\n".join(["item,title,genres", *films]), encoding="utf-8")
    data = (
        f"dataset={{source: csv, path: '{folder / 'log.csv'}', items: {{path: items.csv}}, "
        "split: {kind: random}}"
    )
    one, three = planned(data), planned(data, "worlds=3")
    by_kind = one["by_kind"]
    assert by_kind["item_profile"]["calls"] == 20
    assert three["by_kind"]["item_profile"]["calls"] == 20
    assert three["by_kind"]["user_profile"]["calls"] == 3 * by_kind["user_profile"]["calls"]
    assert three["calls"]["most"] == 3 * one["calls"]["most"]


def test_agents_and_writer_are_added_up() -> None:
    chat = "agents.response={model: chat, name: gpt-4o-mini}"
    agents = planned(chat, "texts.items=data", "texts.users=data")
    texts, both = planned(), planned(chat)
    assert both["calls"]["most"] == agents["calls"]["most"] + texts["calls"]["most"]
    assert both["usd"]["most"] == pytest.approx(agents["usd"]["most"] + texts["usd"]["most"])
    assert both["by_kind"].keys() == agents["by_kind"].keys() | texts["by_kind"].keys()
    assert both["price"].startswith(f"{agents['price']}; profiles: 1 USD in")
    unknown = planned(chat, "texts.chat={name: x, base_url: 'http://127.0.0.1:9/v1'}")
    assert unknown["usd"] == {"expected": None, "most": None}
    done = audition(
        *("plan", "quickstart"),
        *(part for text in [*SMALL, OWN] for part in ("--set", text)),
    )
    assert "item_profile: " in done.out


def test_nothing_is_counted_where_no_arm_reads_them() -> None:
    arms = "arms=[{name: Popularity, recommender: popularity}]"
    assert planned(arms)["calls"]["most"] == 0
