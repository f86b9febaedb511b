"""Agent4Rec's published run as a run of a store, so that it can be inspected and scored.

Zhang et al., "On Generative Agents in Recommendation", SIGIR 2024: gpt-3.5-turbo as 700 of
1,000 users of MovieLens-1M, shown LightGCN's ranking. What was not published is NULL; what a
reply does not say for certain is missing data, and so is the session it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from agents.interface import NO_ITEM, OK, Answers, Call, Interviews
from agents.response.agent4rec_text import ExitText, PageText, SlotText
from agents.response.question import INVALID
from recommenders.interface import IntArray

from .. import __version__
from ..evaluation.simulated import liked_rating
from ..storage.store import Store
from .agent4rec_files import Published, Visit, read

NAME = "agent4rec-published"
ARM = "LightGCN (gpt-3.5)"
MISSING = "missing"
"""The outcome of a page whose reply was not published."""
PAGE_LIMIT = "page limit"
PROMPT = [{"role": "note", "content": "The prompt of this call was not published."}]

Shape = tuple[int, int]


def import_run(folder: Path, store: Store, name: str | None = None) -> str:
    """Read the published files and write them as a finished run; returns its name, which is
    ``name`` or :data:`NAME`, with a suffix where that is taken. Raises InputError."""
    return write(read(folder), store, name)


def write(run: Published, store: Store, name: str | None = None) -> str:
    """A finished run of one arm and one round."""
    run_id = store.begin_run(
        name=name or NAME,
        seed=0,
        scenario=scenario(run),
        scenario_file="",
        versions={"audition": __version__},
        dataset=_facts(run),
    )
    try:
        _write_world(run, store, run_id)
        arm_id = store.add_arm(
            run_id, position=0, name=ARM, recommender="lightgcn", settings={}, is_control=True
        )
        for number in range(1, int(run.exit_page.max(initial=0)) + 1):
            _write_page(run, store, arm_id, number)
        _write_interviews(run, store, arm_id)
        store.add_sessions(arm_id, 1, _sessions(run))
    except BaseException as error:
        store.end_run(run_id, status="failed", error=f"{type(error).__name__}: {error}")
        raise
    store.end_run(run_id, status="finished")
    return store.run_name(run_id)


def scenario(run: Published) -> dict[str, Any]:
    """What is known of how the run was made, in the words of a scenario."""
    return {
        "name": NAME,
        "imported": {
            "from": "Agent4Rec",
            "what": "the published replies of gpt-3.5-turbo agents on LightGCN, not run here",
            "seed": "unknown: the published program had none",
            "prompts": "not published; tokens, cost and duration of single calls neither",
            "source": "Zhang et al., On Generative Agents in Recommendation, SIGIR 2024",
        },
        "dataset": {"source": "agent4rec", "split": "given"},
        "agents": {
            "count": len(run.user),
            "response": {"model": "chat", "name": "gpt-3.5-turbo", "protocol": "agent4rec"},
        },
        "session": {
            "page_size": max((len(shown.item) for shown in run.shown.values()), default=0),
            "max_pages": int(run.exit_page.max(initial=0)),
            "order": "ranked",
            "hide": ["train", "test"],
        },
        "arms": [{"name": ARM, "recommender": "lightgcn"}],
        "control": ARM,
        "rounds": 1,
        "feedback": "none",
    }


def _facts(run: Published) -> dict[str, Any]:
    dataset, split = run.dataset, run.dataset.split
    parts = {} if split is None else {p: len(getattr(split, p)) for p in ("train", "valid", "test")}
    return {
        "name": dataset.name,
        "users": dataset.n_users,
        "items": dataset.n_items,
        "interactions": len(dataset.interactions),
        **parts,
        "rating_scale": list(dataset.rating_scale),
        "notes": list(dataset.notes),
    }


def _write_world(run: Published, store: Store, run_id: int) -> None:
    dataset, given, user = run.dataset, run.dataset.given, run.user
    items, split = dataset.items, dataset.split
    train = dataset.interactions if split is None else split.train
    store.add_items(
        run_id,
        {
            "item": range(dataset.n_items),
            "item_id": dataset.item_ids,
            "title": items.title,
            "genres": [list(genres) for genres in items.genres],
            "year": items.year,
            "text": items.text,
            "shown_rating": dataset.shown_rating,
            "popularity": train.popularity,
        },
    )
    chosen = user.tolist()
    tastes = [() if given is None or not given.tastes else given.tastes[u] for u in chosen]
    habits = [
        "" if given is None or not given.rating_habit else given.rating_habit[u] for u in chosen
    ]
    store.add_agents(
        run_id,
        {
            "agent": user,
            "user_id": [dataset.user_ids[u] for u in chosen],
            **{trait: getattr(given, trait)[user] for trait in run.figures},
            **{f"{trait}_value": values[user] for trait, values in run.figures.items()},
            "tastes": [list(sentences) for sentences in tastes],
            # As published, without a word of ours on the traits.
            "persona": [
                "\n".join([*t, *([h] if h else [])]) for t, h in zip(tastes, habits, strict=True)
            ],
        },
    )


# What happened on a page


def _write_page(run: Published, store: Store, arm_id: int, number: int) -> None:
    row = np.flatnonzero(run.exit_page >= number)
    agent = run.user[row]
    visits = [(user, number) for user in agent.tolist()]
    shown = [run.shown[visit] for visit in visits]
    shape = len(shown), max(len(page.item) for page in shown)
    first = np.array([sum(len(run.shown[u, p].item) for p in range(1, number)) for u, _ in visits])
    store.add_pages(
        arm_id,
        1,
        number,
        agent=agent,
        item=_padded([page.item for page in shown], shape, NO_ITEM, np.int64),
        # The published program cut each page from the front of what was left of one ranking.
        rank=first[:, None] + np.arange(1, shape[1] + 1),
        relevant=_padded([page.relevant for page in shown], shape, False, np.bool_),
        answers=_answers(run, visits, row, shape),
        calls=[
            _call(n, number, kind, run.reply[user, page, kind], usable=read[user, page].usable)
            for n, (user, page) in enumerate(visits)
            for kind, read in (("page", run.pages), ("exit", run.exits))
            if (user, page, kind) in run.reply
        ],
        agent_of_row=agent,
    )


def _answers(run: Published, visits: Sequence[Visit], row: IntArray, shape: Shape) -> Answers:
    """What the replies say; that a visit went on or ended here is what the run did."""
    pages = [run.pages.get(visit, PageText((), ())) for visit in visits]
    exits = [run.exits.get(visit) for visit in visits]
    nothing = np.full(shape, np.nan, dtype=np.float32)
    alone = np.full(len(visits), np.nan, dtype=np.float32)
    ended = np.array(
        [run.exit_page[r] == number for r, (_, number) in zip(row, visits, strict=True)]
    )
    stayed = np.array([told is not None and told.leave is False for told in exits])

    def slots(name: str, filler: object, kind: Any) -> npt.NDArray[Any]:
        rows = [[getattr(slot, name) for slot in page.slots] for page in pages]
        return _padded(rows, shape, filler, kind)

    return Answers(
        interest=nothing,
        aligned=cast(Any, slots("aligned", None, object)),  # None: not certain
        watched=slots("watched", False, np.bool_),
        rating=slots("rating", np.nan, np.float32),
        satisfaction=alone,
        fatigue=alone,
        leave=ended & ~stayed,
        reason=["" if told is None else told.reason for told in exits],
        outcome=[_outcome(run, visit) for visit in visits],
        item_reason=slots("reason", "", object).tolist(),
        item_feeling=slots("feeling", "", object).tolist(),
        feeling=[_feeling(told) for told in exits],
    )


def _padded(
    rows: Sequence[Sequence[Any]], shape: Shape, filler: object, kind: Any
) -> npt.NDArray[Any]:
    out = np.full(shape, filler, dtype=kind)
    for n, values in enumerate(rows):
        out[n, : len(values)] = [filler if value is None else value for value in values]
    return out


def _feeling(told: ExitText | None) -> str:
    if told is None:
        return ""
    return f"{told.feeling} Fatigue: {told.fatigue}".strip() if told.fatigue else told.feeling


def _outcome(run: Published, visit: Visit) -> str:
    page = run.pages.get(visit)
    return MISSING if page is None else OK if page.usable else INVALID


def _call(row: int, page: int, kind: str, reply: str, *, usable: bool) -> Call:
    return Call(
        row=row,
        page=page,
        kind=kind,
        attempt=1,
        outcome=OK if usable else INVALID,
        prompt_hash="",
        messages=json.dumps(PROMPT),
        reply=reply,
        tokens_in=0,
        tokens_out=0,
        latency=float("nan"),
    )


# How the visits ended


def _write_interviews(run: Published, store: Store, arm_id: int) -> None:
    told = run.interviews
    agent = np.array([user for user, _ in told], dtype=np.int64)
    unknown = np.full(len(told), np.nan, dtype=np.float32)
    ratings = [np.nan if text.rating is None else text.rating for text in told.values()]
    store.add_interviews(
        arm_id,
        1,
        agent,
        Interviews(
            satisfaction=np.array(ratings, dtype=np.float32),
            return_intent=unknown,
            reason=[text.reason for text in told.values()],
            outcome=[OK if text.usable else INVALID for text in told.values()],
        ),
        calls=[
            _call(n, page, "interview", run.reply[user, page, "interview"], usable=text.usable)
            for n, ((user, page), text) in enumerate(told.items())
        ],
        agent_of_row=agent,
    )


def _sessions(run: Published) -> Mapping[str, Any]:
    liked_from = liked_rating(run.dataset.rating_scale)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("shown", "watched", "liked", "exit_reason", "censored", "outcome")
    }
    for user, last in zip(run.user.tolist(), run.exit_page.tolist(), strict=True):
        visits = [(user, number) for number in range(1, last + 1)]
        slots = [slot for v in visits for slot in _certain(run, v)]
        told = run.exits.get((user, last))
        censored = told is not None and told.leave is False
        columns["shown"].append(sum(len(run.shown[visit].item) for visit in visits))
        columns["watched"].append(sum(slot.watched is True for slot in slots))
        columns["liked"].append(sum((slot.rating or 0) >= liked_from for slot in slots))
        columns["exit_reason"].append(
            PAGE_LIMIT if censored else None if told is None else told.reason
        )
        columns["censored"].append(censored)
        failed = [outcome for v in visits if (outcome := _outcome(run, v)) != OK]
        columns["outcome"].append(failed[0] if failed else OK)
    return {"agent": run.user, "exit_page": run.exit_page, **columns}


def _certain(run: Published, visit: Visit) -> tuple[SlotText, ...]:
    page = run.pages.get(visit)
    return page.slots if page is not None and page.usable else ()
