"""The figures behind the behavioural model's defaults (docs/agents.md), from real data.

    AUDITION_DATA=... python -m benchmarks.behavioural_calibration [--agents tune|check|all]
        [--set name=value ...] [--checkpoints DIR]

Runs Agent4Rec's setting (its users, split and traits; train and test items hidden, 5 pages
of 4) with the behavioural model and prints: the arms' aggregate figures beside the
published ones, behaviour by trait, controls (profiles shuffled between agents, reversed
slots, no slot effect), how well taste alone finds held-out items, ratings against the
users' own, and the published run's pages answered by this model. The defaults were chosen
on agents 0 to 499 ("tune"); "check" is the others. Two choices of form were made on all
of them; docs/agents.md says which.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from agents.interface import NO_ITEM, Audience, Page, Profiles, RatedHistory
from agents.registry import create
from agents.response.behavioural import Behavioural
from agents.response.parameters import Parameters
from agents.response.taste import learn
from recommenders import checkpoint
from recommenders.interface import Histories, Query
from recommenders.ranking import recommend
from simulator.randomness import stream
from simulator.scenario import load
from simulator.world import World, build, recommender

IntArray = npt.NDArray[np.int64]

SCENARIO = Path(__file__).parents[1] / "scenarios" / "agent4rec.yaml"
PAGES, SIZE = 5, 4
TUNED_ON = 500
PUBLISHED = {  # p_view, n_like, p_like, n_exit, s_sat
    "Random": (0.312, 3.30, 0.269, 2.99, 2.93),
    "Pop": (0.398, 4.45, 0.360, 3.01, 3.42),
    "MF": (0.488, 6.07, 0.462, 3.17, 3.80),
    "MultVAE": (0.495, 5.69, 0.452, 3.10, 3.75),
    "LightGCN": (0.502, 5.73, 0.465, 3.02, 3.85),
}


@dataclass(frozen=True, eq=False)
class Played:
    """One arm's sessions as long frames: one row an exposure, one row an agent."""

    exposures: pd.DataFrame
    agents: pd.DataFrame


def rankings(world: World, folder: Path) -> dict[str, IntArray]:
    """Each arm's top 20 for every agent, known items left out."""
    users = world.audience.agent
    history = world.histories()
    query = Query(users, Histories(history.indptr, history.item))
    out = {}
    for position, arm in enumerate(world.scenario.arms):
        fresh = recommender(arm, position, world.file)
        seed, train, valid = world.scenario.seed, world.split.train, world.split.valid
        items = world.dataset.items
        key = checkpoint.key(train, valid, items, arm.recommender, fresh.settings, seed)
        trained, _ = checkpoint.fit_or_load(
            fresh, folder, key, train=train, items=items, valid=valid, rng=stream(seed, "train", 1)
        )
        out[arm.name] = recommend(trained, query, PAGES * SIZE, world.known[users])
        print(f"ranked {arm.name}", file=sys.stderr)
    return out


def play(world: World, audience: Audience, model: Behavioural, ranked: IntArray) -> Played:
    """Everybody's session of one round on a fixed ranking (N, 20)."""
    visit = model.visit(audience, world.catalogue, world.luck, 1)
    row = np.arange(len(audience), dtype=np.int64)
    frames, exit_page = [], np.zeros(len(audience))
    for number in range(1, PAGES + 1):
        item = ranked[row, (number - 1) * SIZE : number * SIZE]
        answers = visit.turn(Page(row, item, number, 1))
        exit_page[row] = number
        frames.append(
            pd.DataFrame(
                {
                    "row": np.repeat(row, SIZE),
                    "page": number,
                    "slot": np.tile(np.arange(1, SIZE + 1), len(row)),
                    "item": item.ravel(),
                    "interest": answers.interest.ravel(),
                    "aligned": answers.aligned.ravel(),
                    "watched": answers.watched.ravel(),
                    "rating": answers.rating.ravel(),
                }
            )
        )
        row = row[~answers.leave]
    everybody = np.arange(len(audience), dtype=np.int64)
    exposures = pd.concat(frames, ignore_index=True)
    exposures = exposures[exposures["item"] != NO_ITEM]
    by_agent = exposures.groupby("row")
    liked = (exposures["rating"] >= 4).groupby(exposures["row"])
    agents = pd.DataFrame(
        {
            "p_view": by_agent["watched"].mean(),
            "n_like": liked.sum(),
            "p_like": liked.sum() / by_agent.size(),
            "n_exit": exit_page,
            "s_sat": visit.interview(everybody).satisfaction,
        }
    )
    return Played(exposures, agents)


def audience_part(world: World, users: IntArray) -> Audience:
    """Some of the world's agents, by row."""
    whole = world.audience
    return Audience(
        whole.agent[users], profile_rows(whole.profiles, users), history_rows(whole.history, users)
    )


def history_rows(history: RatedHistory, index: IntArray) -> RatedHistory:
    """The histories of some users, in the order of ``index``."""
    starts, ends = history.indptr[index], history.indptr[np.asarray(index) + 1]
    lengths = ends - starts
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    positions = np.repeat(starts - indptr[:-1], lengths) + np.arange(indptr[-1])
    return RatedHistory(indptr, history.item[positions], history.rating[positions])


def profile_rows(profiles: Profiles, rows: IntArray) -> Profiles:
    return replace(
        profiles,
        **{
            name: getattr(profiles, name)[rows]
            for name in (
                "activity",
                "diversity",
                "conformity",
                "activity_value",
                "diversity_value",
                "conformity_value",
            )
        },
        tastes=tuple(profiles.tastes[n] for n in rows.tolist()),
        persona=tuple(profiles.persona[n] for n in rows.tolist()),
    )


def arms_table(played: Mapping[str, Played]) -> pd.DataFrame:
    rows = {}
    for name, one in played.items():
        mean = one.agents.mean()
        rows[name, "here"] = mean
        rows[name, "published"] = pd.Series(PUBLISHED[name], index=mean.index)
    return pd.DataFrame(rows).T


def traits_table(audience: Audience, played: Played, shown: npt.NDArray[Any]) -> pd.DataFrame:
    profiles, agents = audience.profiles, played.agents
    away = (played.exposures["rating"] - shown[played.exposures["item"]]) ** 2
    agents = agents.assign(deviation=away.groupby(played.exposures["row"]).mean())
    columns = {
        "exit page by activity": ("n_exit", profiles.activity),
        "satisfaction by activity": ("s_sat", profiles.activity),
        "p_view by diversity": ("p_view", profiles.diversity),
        "squared deviation by conformity": ("deviation", profiles.conformity),
    }
    return pd.DataFrame(
        {name: agents[column].groupby(level).mean() for name, (column, level) in columns.items()}
    ).T


def controls(
    world: World, audience: Audience, model: Behavioural, ranked: IntArray, random: IntArray
) -> pd.DataFrame:
    """How the watch rate answers to who, what and where."""
    order = np.roll(np.arange(len(audience)), len(audience) // 2)
    strangers = Audience(audience.agent, audience.profiles, history_rows(audience.history, order))
    no_slot = create("behavioural", {**model.settings, "slot_effect": 0.0})
    assert isinstance(no_slot, Behavioural)
    pages = ranked.reshape(len(ranked), PAGES, SIZE)
    backwards = pages[:, :, ::-1].reshape(ranked.shape)
    runs = {
        "as ranked": play(world, audience, model, ranked),
        "lists made for somebody else": play(world, audience, model, ranked[order]),
        "tastes shuffled between agents": play(world, strangers, model, ranked),
        "pages reversed": play(world, audience, model, backwards),
        "as ranked, no slot effect": play(world, audience, no_slot, ranked),
        "random items": play(world, audience, model, random),
    }
    out = {}
    for name, one in runs.items():
        slot = one.exposures.groupby("slot")["watched"].mean()
        out[name] = {
            "p_view": one.agents["p_view"].mean(),
            "s_sat": one.agents["s_sat"].mean(),
            **{f"slot {n}": slot[n] for n in range(1, SIZE + 1)},
            "interest": one.exposures["interest"].mean(),
        }
    return pd.DataFrame(out).T


def taste_aucs(world: World, audience: Audience, model: Behavioural) -> dict[str, float]:
    """Held-out validation items against as many others, drawn evenly or by popularity."""
    p = model.parameters
    weights = (p.genre_weight, p.era_weight, p.text_weight)
    tastes = learn(audience.history, world.catalogue, weights, p.rating_weight)
    rng = stream(world.scenario.seed, "calibration", "negatives")
    popularity = world.catalogue.popularity
    held_out = world.split.valid.matrix[audience.agent].tocoo()
    row, item = held_out.row.astype(np.int64), held_out.col.astype(np.int64)
    known = [part.matrix for part in (world.split.train, world.split.valid, world.split.test)]
    seen = sum(known[1:], known[0])[audience.agent].toarray() > 0
    out = {}
    for name, weight in (("even", np.ones(len(popularity))), ("by popularity", popularity)):
        chance = np.where(seen, 0.0, weight)
        chance /= chance.sum(axis=1, keepdims=True)
        other = np.concatenate(
            [
                rng.choice(len(popularity), size=n, p=chance[r])
                for r, n in enumerate(np.bincount(row, minlength=len(audience)))
            ]
        )
        match = [tastes.match(tastes.choice[row], which) for which in (item, other)]
        score = np.concatenate(match)
        truth = np.repeat([1, 0], len(row))
        out[f"taste, others drawn {name}"] = roc_auc_score(truth, score)
        out[f"popularity, others drawn {name}"] = roc_auc_score(
            truth, popularity[np.concatenate([item, other])]
        )
    return out


def published_pages(world: World, audience: Audience, model: Behavioural) -> pd.DataFrame:
    """The published run's exposures with this model's answer to the same pages beside."""
    log = pd.read_csv(Path(os.environ["AUDITION_DATA"]) / "agent4rec" / "exposures.csv.gz")
    position = {int(agent): row for row, agent in enumerate(audience.agent)}
    log = log[log["user"].isin(position)].sort_values(["page", "user", "slot"])
    visit = model.visit(audience, world.catalogue, world.luck, 1)
    frames = []
    for number, page in log.groupby("page"):
        wide = page.pivot(index="user", columns="slot", values="item")
        item = wide.fillna(NO_ITEM).to_numpy(dtype=np.int64)
        row = np.array([position[int(user)] for user in wide.index], dtype=np.int64)
        answers = visit.turn(Page(row, item, int(str(number)), 1))
        there = item != NO_ITEM
        part = page.sort_values(["user", "slot"]).copy()
        for name in ("interest", "aligned", "watched", "rating"):
            part[f"our_{name}"] = getattr(answers, name)[there]
        frames.append(part)
    return pd.concat(frames)


def against_published(log: pd.DataFrame) -> dict[str, float]:
    """Watch rates and what each side's choices say of true relevance and of each other."""
    mine, theirs = log["our_watched"], log["watched"]
    return {
        "watch rate, published": theirs.mean(),
        "watch rate, here": mine.mean(),
        "aligned, published": log["aligned"].mean(),
        "aligned, here": log["our_aligned"].mean(),
        "AUC of interest for published aligned": roc_auc_score(log["aligned"], log["our_interest"]),
        "AUC of interest for published watched": roc_auc_score(theirs, log["our_interest"]),
        "AUC of interest for true relevance": roc_auc_score(log["relevant"], log["our_interest"]),
        "relevance of watched, published": log["relevant"][theirs].mean(),
        "relevance of watched, here": log["relevant"][mine].mean(),
        "relevance of shown": log["relevant"].mean(),
    }


def rating_shares(world: World, audience: Audience, played: Played) -> pd.DataFrame:
    """Shares of the marks: given here, and by the users themselves to the same items
    (those of them that they rated in the held-out part)."""
    marks = [1.0, 2.0, 3.0, 4.0, 5.0]
    given = played.exposures["rating"].dropna()
    valid = world.split.valid
    assert valid.rating is not None
    own = pd.Series(valid.rating, index=pd.MultiIndex.from_arrays([valid.user, valid.item]))
    agent = audience.agent[played.exposures["row"]]
    pairs = pd.MultiIndex.from_arrays([agent, played.exposures["item"]])
    true = own.reindex(pairs).dropna()
    columns: dict[str, Callable[[float], float]] = {
        "here, watched": lambda mark: float((given == mark).mean()),
        "users', shown and held out": lambda mark: float((true == mark).mean()),
        "users', all held out": lambda mark: float((own == mark).mean()),
    }
    return pd.DataFrame({name: {m: share(m) for m in marks} for name, share in columns.items()}).T


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--agents", choices=("tune", "check", "all"), default="all")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    options = parser.parse_args(arguments)
    pd.set_option("display.width", 160, "display.float_format", "{:.3f}".format)
    settings = {}
    for text in options.set:
        name, _, value = text.partition("=")
        values = [float(part) for part in value.split(",")]
        settings[name] = values if len(values) > 1 else values[0]
    world = build(load(SCENARIO), str(SCENARIO))
    ranked = rankings(world, options.checkpoints)
    rows = {
        "tune": np.arange(TUNED_ON, dtype=np.int64),
        "check": np.arange(TUNED_ON, len(world.audience), dtype=np.int64),
        "all": np.arange(len(world.audience), dtype=np.int64),
    }[options.agents]
    audience = audience_part(world, rows)
    model = create("behavioural", settings)
    assert isinstance(model, Behavioural)
    played = {name: play(world, audience, model, r[rows]) for name, r in ranked.items()}
    best = played["LightGCN"]
    show("Arms", arms_table(played))
    show("Traits, LightGCN", traits_table(audience, best, world.catalogue.shown_rating))
    show(
        "Controls, LightGCN",
        controls(world, audience, model, ranked["LightGCN"][rows], ranked["Random"][rows]),
    )
    show("Ratings, LightGCN", rating_shares(world, audience, best))
    show("AUC for held-out items", pd.Series(taste_aucs(world, audience, model)))
    show(
        "Published pages",
        pd.Series(against_published(published_pages(world, audience, model))),
    )
    changed = {k: v for k, v in model.settings.items() if v != getattr(Parameters(), k)}
    print(f"\nChanged from the defaults: {changed or 'nothing'}")


def show(title: str, table: pd.DataFrame | pd.Series[Any]) -> None:
    print(f"\n{title} \n{table.to_string()}")


if __name__ == "__main__":
    main()
