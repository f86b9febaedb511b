"""A small generated world, and a made-up published run on it, as files."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from simulator.scenario import load
from simulator.world import World, build

SCENARIO = """
name: small
seed: 3
dataset:
  source: synthetic
  users: 200
  items: 300
  split: {train: 0.6, valid: 0.2, test: 0.2}
agents: {count: 80}
arms:
  - {name: Popularity, recommender: popularity}
"""

EXPOSURES = """user,page,slot,item,relevant,aligned,watched,rating,shown_rating
{a},1,0,5,True,True,True,4.0,3.9
{a},1,1,7,False,True,False,,3.8
{b},1,0,9,False,False,False,,3.1
{b},1,1,8,False,True,True,5.0,3.1
{a},2,0,11,False,False,False,,3.5
{a},2,1,12,True,True,True,3.0,3.6
999999,1,0,1,False,False,False,,3.0
"""
SESSIONS = """user,exit_page,satisfaction
{b},1,
{a},2,6
999999,1,2
"""


@cache
def world() -> World:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "small.yaml"
        file.write_text(SCENARIO, encoding="utf-8")
        return build(load(file), "small.yaml")


def two() -> tuple[int, int]:
    """The numbers of the first two agents."""
    first, second, *_ = world().audience.agent.tolist()
    return first, second


def files(folder: Path, exposures: str = EXPOSURES, sessions: str = SESSIONS) -> Path:
    """A run of two agents of the audience, and of one who is not in it."""
    a, b = two()
    with gzip.open(folder / "exposures.csv.gz", "wt", encoding="utf-8") as out:
        out.write(exposures.format(a=a, b=b))
    (folder / "sessions.csv").write_text(sessions.format(a=a, b=b), encoding="utf-8")
    return folder
