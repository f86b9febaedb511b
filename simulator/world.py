"""Scenario -> World: data and split, audience, response model, recommenders.

The only file that opens the registries of both sides; agents and recommenders meet
nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from agents import profile
from agents import registry as agents_registry
from agents.interface import (
    AgentError,
    Audience,
    Catalogue,
    Profiles,
    RatedHistory,
    ResponseModel,
)
from recommenders import registry as recommenders_registry
from recommenders.interface import Histories, Interactions, Recommender, RecommenderError, Texts

from . import canary, grounding, oracle
from .data import readers
from .data.dataset import Dataset, GivenProfiles, Split
from .data.split import check as check_split
from .data.split import split as make_split
from .embeddings import settle as embeddings
from .errors import InputError
from .evaluation.simulated import METRICS, liked_rating
from .randomness import KeyedLuck, stream
from .scenario import ArmSpec, Scenario
from .texts import wanted as texts

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class World:
    """Everything the arms share.

    ``known`` (n_users, n_items) marks what is never shown to a user; ``relevant`` the
    same shape marks held-out evidence that may be shown, None where nothing is held out;
    ``planted`` numbers the items whose titles carry the scenario's canary; ``texts`` are the
    vectors of profiles, None until they are settled or where no arm reads any.
    """

    scenario: Scenario
    file: str
    dataset: Dataset
    split: Split
    audience: Audience
    catalogue: Catalogue
    response: ResponseModel
    luck: KeyedLuck
    known: sp.csr_array
    relevant: sp.csr_array | None
    planted: IntArray
    texts: Texts | None = None

    @property
    def liked_rating(self) -> float:
        """The rating from which an item counts as liked: 4 on a scale of 1 to 5."""
        return liked_rating(self.catalogue.rating_scale)

    def relevant_at(self, user: IntArray, item: IntArray) -> npt.NDArray[np.bool_]:
        """Whether each (user, item) of two broadcastable arrays is held-out evidence."""
        assert self.relevant is not None
        user, item = np.broadcast_arrays(user, item)
        out: npt.NDArray[np.bool_] = (
            np.asarray(self.relevant[user.ravel(), item.ravel()]).reshape(item.shape) > 0
        )
        return out

    def histories(self) -> Histories:
        """What each agent did before the simulation, in audience order."""
        return Histories(self.audience.history.indptr, self.audience.history.item)

    @property
    def coming(self) -> IntArray:
        """(N,) rows of the audience in the seeded order in which its agents come."""
        drawn = _in_random_order(self.scenario.seed, self.split)[: len(self.audience)]
        return np.searchsorted(self.audience.agent, drawn)

    def visitors(self, tastes: Literal["own", "swapped"]) -> Audience:
        """As whom the agents visit. ``swapped``: each keeps its number, and with it its luck,
        what is known to it and what a recommender knows of it, but has the profile and the
        rated history of another agent: every one of them somebody else's, at random."""
        if tastes == "own":
            return self.audience
        order = stream(self.scenario.seed, "swapped tastes").permutation(len(self.audience))
        # One cycle through everybody (Sattolo 1986): nobody can meet itself.
        whose = np.empty(len(self.audience), dtype=np.int64)
        whose[order] = np.roll(order, 1)
        return replace(self.audience.rows(whose), agent=self.audience.agent)


def response_model(scenario: Scenario, file: str) -> ResponseModel:
    """The scenario's response model; a wrong name or setting is an InputError."""
    spec = scenario.agents.response
    settings = dict(spec.options)
    if spec.model == "chat":
        settings = {**scenario.agents.memory.model_dump(), **settings}
        if settings.get("provider") == "scripted":
            settings["name"] = beside(file, str(settings.get("name", "")))
    try:
        return agents_registry.create(spec.model, settings)
    except AgentError as error:
        raise InputError(f"{file}: agents.response: {error}") from None


def beside(file: str, name: str) -> str:
    """A script's file: beside the scenario, if one stands there, else as it is named."""
    there = Path(file).parent / name
    return str(there) if name.endswith(".jsonl") and there.is_file() else name


def recommender(
    arm: ArmSpec, position: int, file: str, dataset: Dataset | None = None
) -> Recommender:
    """A fresh recommender for an arm; a wrong name or setting, or an oracle for data whose
    utility nobody knows, is an InputError. Without ``dataset`` an oracle knows nothing."""
    name = oracle.PATH if arm.recommender == oracle.NAME else arm.recommender
    try:
        fresh = recommenders_registry.create(name, arm.options)
    except RecommenderError as error:
        raise InputError(f"{file}: arms[{position}] ({arm.name}): {error}") from None
    if isinstance(fresh, oracle.Oracle) and dataset is not None:
        if dataset.utility is None:
            raise InputError(
                file,
                key=f"arms[{position}].recommender",
                found=f"{arm.recommender} for {dataset.name}, whose utility is not known",
                allowed="another recommender, or dataset.source: synthetic",
            )
        fresh.utility = dataset.utility
    return fresh


def check(scenario: Scenario, file: str) -> ResponseModel:
    """What needs the registries but no data: names and settings of both sides. Returns the
    response model, which checking has made."""
    response = response_model(scenario, file)
    readers.check(scenario.dataset.source, _reader_options(scenario), scenario=file)
    check_split(scenario.dataset.split, scenario=file)
    for position, arm in enumerate(scenario.arms):
        recommender(arm, position, file)
        _check_tastes(scenario, arm, position, file)
    _check_metrics(scenario, file)
    _check_feedback(scenario, file)
    grounding.check(scenario, response, file)
    embeddings.check(scenario, response, file)
    texts.check(scenario, response, file)
    return response


def _check_feedback(scenario: Scenario, file: str) -> None:
    if scenario.rounds > 1:
        return
    asked = {f"arms[{n}].feedback": arm.feedback for n, arm in enumerate(scenario.arms)}
    for key, feedback in {"feedback": scenario.feedback, **asked}.items():
        if feedback not in (None, "none"):
            raise InputError(
                file,
                key=key,
                found=f"{feedback} with rounds: 1",
                allowed="none, as there is no later round to learn for",
                fix="set rounds: 2",
            )


def _check_tastes(scenario: Scenario, arm: ArmSpec, position: int, file: str) -> None:
    if arm.tastes == "swapped" and scenario.agents.count == 1:
        raise InputError(
            file,
            key=f"arms[{position}].tastes",
            found="swapped with agents.count: 1",
            allowed="own, as there is nobody to swap with",
            fix="set agents.count: 2 or more",
        )


def _check_metrics(scenario: Scenario, file: str) -> None:
    chosen = scenario.evaluation
    for key, names in (
        ("primary", [chosen.primary]),
        ("guardrails", list(chosen.guardrails)),
        ("margins", list(chosen.margins)),
    ):
        for name in names:
            if name not in METRICS:
                raise InputError(
                    file, key=f"evaluation.{key}", found=name, allowed=", ".join(METRICS)
                )


def build(scenario: Scenario, file: str) -> World:
    """Read the data, split it, and make the audience."""
    response = check(scenario, file)
    dataset, split = _data(scenario, file)
    for position, arm in enumerate(scenario.arms):
        recommender(arm, position, file, dataset)
    catalogue = _catalogue(dataset, split)
    users = _chosen_users(scenario, file, dataset, split)
    everybody = rated_history(split.train)
    history = everybody.rows(users)
    population = everybody.rows(np.unique(split.train.user))
    try:
        profiles = profile.build(
            history, catalogue, population=population, given=_given(dataset, users)
        )
    except AgentError as error:
        raise InputError(f"{file}: agents: {error}") from None
    known = grounding.recognised(scenario, file, dataset, split, users)
    audience = Audience(users, profiles, history, population, known)
    planted = np.empty(0, dtype=np.int64)
    if (spec := scenario.dataset.canary) is not None:
        catalogue, planted = canary.plant(catalogue, spec.share, spec.text, scenario.seed)
    hidden = _union(split, tuple(scenario.session.hide), dataset)
    relevant = _union(split, grounding.parts(scenario), dataset)
    return World(
        scenario=scenario,
        file=file,
        dataset=dataset,
        split=split,
        audience=audience,
        catalogue=catalogue,
        response=response,
        luck=KeyedLuck(scenario.seed, scenario.luck),
        known=hidden,
        relevant=relevant if relevant.nnz else None,
        planted=planted,
    )


def profiles_of(world: World, tastes: tuple[tuple[str, ...], ...]) -> Profiles:
    """The audience's profiles with other tastes, one entry an agent."""
    audience, train = world.audience, world.split.train
    given = _given(world.dataset, audience.agent) or GivenProfiles()
    return profile.build(
        audience.history,
        plain_catalogue(world),
        population=rated_history(train).rows(np.unique(train.user)),
        given=replace(given, tastes=tastes),
    )


def trait_values(world: World) -> dict[str, npt.NDArray[np.float64]]:
    """The traits' own values of everybody who could have been given an agent."""
    train = world.split.train
    able = rated_history(train).rows(np.unique(train.user))
    return profile.trait_values(able, plain_catalogue(world))


def plain_catalogue(world: World) -> Catalogue:
    """The items as the data has them, without the scenario's canary."""
    return _catalogue(world.dataset, world.split)


def _data(scenario: Scenario, file: str) -> tuple[Dataset, Split]:
    spec = scenario.dataset
    path = None
    if spec.path is not None:
        # A relative path means: beside the scenario file, or where one stands.
        path = Path(spec.path).expanduser()
        beside = Path(file).parent / path
        path = beside if not path.is_absolute() and beside.exists() else path
    dataset = readers.read(
        spec.source, path, _reader_options(scenario), seed=scenario.seed, scenario=file
    )
    return dataset, make_split(dataset, spec.split, scenario.seed, scenario=file)


def _reader_options(scenario: Scenario) -> dict[str, Any]:
    """The rest of the dataset block: what its reader and the filters are told."""
    spec = scenario.dataset
    filters = {
        "min_interactions": spec.min_interactions,
        "min_item_interactions": spec.min_item_interactions,
    }
    return {**spec.options, **{key: value for key, value in filters.items() if value is not None}}


def _catalogue(dataset: Dataset, split: Split) -> Catalogue:
    train, items = split.train, dataset.items
    shown = dataset.shown_rating
    if shown is None:
        shown = np.full(dataset.n_items, np.nan, dtype=np.float32)
        if train.rating is not None:
            rated = ~np.isnan(train.rating)
            count = np.bincount(train.item[rated], minlength=dataset.n_items)
            total = np.bincount(
                train.item[rated], weights=train.rating[rated], minlength=dataset.n_items
            )
            shown[count > 0] = (total[count > 0] / count[count > 0]).astype(np.float32)
    return Catalogue(
        title=items.title,
        text=items.text,
        genres=items.genres,
        year=items.year,
        shown_rating=shown,
        popularity=train.popularity,
        rating_scale=dataset.rating_scale,
    )


def _chosen_users(scenario: Scenario, file: str, dataset: Dataset, split: Split) -> IntArray:
    """The first ``count`` of a seeded permutation, so that a larger audience holds a smaller
    one's agents; in ascending order."""
    able = _in_random_order(scenario.seed, split)
    count = scenario.agents.count
    if count > len(able):
        raise InputError(
            file,
            key="agents.count",
            found=str(count),
            allowed=f"at most {len(able)}, the users of {dataset.name} with training history",
        )
    return np.sort(able[:count])


def _in_random_order(seed: int, split: Split) -> IntArray:
    """The users an agent can be made of."""
    able = np.unique(split.train.user)
    return able[stream(seed, "population").permutation(len(able))]


def rated_history(train: Interactions) -> RatedHistory:
    """Ragged by user, oldest first where there are timestamps, else in the data's order."""
    keys = (train.user,) if train.timestamp is None else (train.timestamp, train.user)
    order = np.lexsort(keys)
    counts = np.bincount(train.user, minlength=train.n_users)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rating = train.rating
    if rating is None:
        rating = np.full(len(train), np.nan, dtype=np.float32)
    return RatedHistory(indptr, train.item[order], rating[order])


def _union(split: Split, parts: tuple[str, ...], dataset: Dataset) -> sp.csr_array:
    events: list[Interactions] = [getattr(split, part) for part in parts]
    nothing = np.empty(0, dtype=np.int64)
    return Interactions(
        np.concatenate([nothing, *(part.user for part in events)]),
        np.concatenate([nothing, *(part.item for part in events)]),
        dataset.n_users,
        dataset.n_items,
    ).matrix


def _given(dataset: Dataset, users: IntArray) -> GivenProfiles | None:
    """The chosen users' share of the profiles that came with the data."""
    given = dataset.given
    if given is None:
        return None
    chosen = users.tolist()
    return GivenProfiles(
        tastes=None if given.tastes is None else tuple(given.tastes[u] for u in chosen),
        rating_habit=None
        if given.rating_habit is None
        else tuple(given.rating_habit[u] for u in chosen),
        activity=None if given.activity is None else given.activity[users],
        diversity=None if given.diversity is None else given.diversity[users],
        conformity=None if given.conformity is None else given.conformity[users],
    )


def marked(known: sp.csr_array, user: IntArray, item: IntArray) -> sp.csr_array:
    """``known`` with the pairs (user, item) marked too; the original is untouched."""
    ones = np.ones(len(user), dtype=np.float32)
    return (known + sp.csr_array((ones, (user, item)), shape=known.shape)).tocsr()


def without(matrix: sp.csr_array, other: sp.csr_array) -> sp.csr_array:
    """(B, n) ``matrix`` less its entries where ``other``, of the same shape, is 1 and not 0."""
    left = sp.csr_array(matrix - matrix.multiply(other))
    left.eliminate_zeros()
    return left


def with_feedback(train: Interactions, user: IntArray, item: IntArray) -> Interactions:
    """Training data plus what agents did, for a refit; the original is untouched.

    Added events have no rating and, where the data has timestamps, come after all others.
    """
    rating = train.rating
    if rating is not None:
        rating = np.concatenate([rating, np.full(len(user), np.nan, dtype=np.float32)])
    stamp = train.timestamp
    if stamp is not None:
        after = (int(stamp.max()) if len(stamp) else 0) + 1
        stamp = np.concatenate([stamp, np.full(len(user), after, dtype=np.int64)])
    return replace(
        train,
        user=np.concatenate([train.user, user]),
        item=np.concatenate([train.item, item]),
        rating=rating,
        timestamp=stamp,
    )
