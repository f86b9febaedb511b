"""The runs that the tests in a browser look at; made once, then copied for each worker.

``small``   30 agents in arms ``MF`` and ``Pop``, of the behavioural model
``chat``    6 agents in two arms, of a scripted chat model, with calls
``seen``    3 agents by hand, whose titles, reasons and memories are hostile
``broken``  a run that failed with a hostile error
"""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from simulator.progress import Progress
from simulator.run import execute
from simulator.scenario import load
from simulator.storage import queries
from simulator.storage.store import Store
from simulator.viewer import session_index, summaries
from simulator.viewer.index import Index, place

from ..simulator.storage import sample
from ..simulator.viewer import seen

ARMS = "arms=[{name: MF, recommender: mf, epochs: 2}, {name: Pop, recommender: popularity}]"
SMALL = ("agents.count=30", ARMS, "control=Pop")
CHAT = (
    *("dataset.users=120", "dataset.items=240", "agents.count=6"),
    *("agents.response.provider=scripted", "agents.response.name=behavioural"),
    "agents.response.reflection=chat",
)
ERROR = "<img src=x onerror=alert(2)> the model does not answer"


def build(folder: Path) -> Path:
    """The store, with the viewer's index beside it as far as ``small`` goes: nobody waits for
    its figures in every test, while those of the others are waited for."""
    path = folder / "store.db"
    with Store.open(path) as store:
        for scenario, name, settings in (("quickstart", "small", SMALL), ("chat", "chat", CHAT)):
            execute(
                load(Path(scenario), list(settings)),
                scenario,
                store,
                name=name,
                checkpoints=folder / "checkpoints",
                progress=Progress(quiet=True),
            )
        seen.write(store)
        store.end_run(queries.run(store, "seen").id, status="finished")
        broken = sample.begin(store, "broken")
        sample.play(store, sample.add_arm(store, broken, 0, "A"))
        store.end_run(broken, status="failed", error=ERROR)
        index = Index(place(store.name))
        with closing(index.connection):
            summaries.make(store, index, "small")
            session_index.update(store, index, "small")
    return path


def copied(made: Path, folder: Path) -> Path:
    """The same store elsewhere, to be written to."""
    for file in made.parent.glob(f"{made.name}*"):
        if not file.name.endswith(".lock"):
            shutil.copy(file, folder)
    return folder / made.name


def agents(store: Path, run: str) -> list[int]:
    """The numbers of a run's agents, in order."""
    with Store.open(store, create=False) as opened:
        return [int(agent) for agent in sorted(queries.agents(opened, run)["agent"])]
