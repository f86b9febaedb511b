"""Runs of scripted models: exact, whatever is in flight, and free when they are repeated."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from simulator.errors import AuditionError
from simulator.progress import Progress
from simulator.run import execute
from simulator.scenario import load
from simulator.storage.export import export
from simulator.storage.store import Store

SMALL = (
    *("dataset.users=120", "dataset.items=240", "agents.count=12"),
    *("agents.response.provider=scripted", "agents.response.name=behavioural"),
    *("agents.memory.reflect_every=2", "agents.response.reflection=chat"),
)


def run(folder: Path, *settings: str, scenario: str = "chat") -> None:
    """As ``audition run`` does, without a report."""
    folder.mkdir(exist_ok=True)
    with Store.open(folder / "runs.db") as store:
        execute(
            load(Path(scenario), [*SMALL, *settings]),
            scenario,
            store,
            name=None,
            checkpoints=folder / "checkpoints",
            progress=Progress(quiet=True),
        )


def exported(folder: Path, name: str = "chat") -> dict[str, str]:
    """Each exported file by its content."""
    with Store.open(folder / "runs.db") as store:
        files = export(store, name, folder / f"export-{name}", "csv")
    files = [path for path in files if path.stem != "timings"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("protocol", ["page", "agent4rec"])
def test_1_4_and_32_in_flight_and_a_second_run_export_the_same(
    tmp_path: Path, protocol: str
) -> None:
    found = []
    for number, concurrency in enumerate((1, 4, 32, 32)):
        folder = tmp_path / str(number)
        run(
            folder,
            f"agents.response.protocol={protocol}",
            f"agents.response.concurrency={concurrency}",
        )
        found.append(exported(folder))
    assert {"calls.csv", "pages.csv", "exposures.csv", "interviews.csv"} <= found[0].keys()
    assert found[0] == found[1] == found[2] == found[3]


def test_a_second_run_in_the_same_store_asks_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    run(tmp_path)
    run(tmp_path, "seed=8")
    with Store.open(tmp_path / "runs.db") as store, store.engine.connect() as connection:
        query = "select r.name, c.cached from calls c join arms a on a.id = c.arm_id "
        frame = pd.read_sql(query + "join runs r on r.id = a.run_id", connection)
    asked = {name: int((part.cached == 0).sum()) for name, part in frame.groupby("name")}
    assert asked["chat"] > 0
    assert asked["chat-2"] == 0
    assert asked["chat-3"] > 0


def test_a_list_is_found_beside_its_scenario(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "scenarios" / "chat.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "replies.jsonl").write_text('{"reply": "nonsense"}\n', encoding="utf-8")
    scenario = str(tmp_path / "mine.yaml")
    with pytest.raises(AuditionError, match=r"replies\.jsonl: no reply is left for agent"):
        run(tmp_path, "agents.response.name=replies.jsonl", "agents.count=2", scenario=scenario)
