"""The behavioural response model: agents without a language model, a whole batch at once.

An agent judges each item on its own (appeal), watches by chance around that judgement,
rates what it watched, and stays or leaves by satisfaction and fatigue:

    appeal       = level + taste match + quality + familiarity + own idiosyncrasy
    watch        ~ watch_level + watch_slope * appeal + openness[diversity] - slot effect
    rating       = own opinion, pulled to the shown rating by conformity
    satisfaction moves with each page towards how well shown and watched items matched
    leave        ~ fatigue(page, patience[activity]) and dissatisfaction

Randomness comes from ``Luck`` alone, keyed by the agent's number and the item (or page),
never by position or arm: the same item meets the same agent in the same mood everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from inspect import signature
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from scipy.special import expit, ndtri

from ..features import shown_or_middle
from ..interface import (
    NO_ITEM,
    OK,
    AgentError,
    Answers,
    Audience,
    BoolArray,
    Catalogue,
    FloatArray,
    Floats,
    IntArray,
    Interviews,
    Luck,
    Page,
    ResponseModel,
    Visit,
)
from . import presets
from .parameters import Parameters
from .reasons import reasons
from .recognised import Recognised
from .seen import Seen
from .taste import Company, Tastes, learn


class Behavioural(ResponseModel):
    """Judges by the agent's own history and traits; no model needed, vectorised."""

    # The settings are declared once, in Parameters; the registry reads them from here.
    __signature__ = signature(Parameters)

    def __init__(self, **settings: Any) -> None:
        try:
            self.parameters = Parameters(**self.expand(settings))
        except ValidationError as error:
            found = error.errors()[0]
            place = ".".join(map(str, found["loc"]))
            raise AgentError(
                f"behavioural: {place}: found {found['input']!r}; {found['msg']}"
            ) from None
        self.settings = asdict(self.parameters)
        self._learnt: WeakKeyDictionary[Audience, tuple[Catalogue, Tastes]] = WeakKeyDictionary()

    @classmethod
    def expand(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """With the settings of the named preset, where the given ones do not override them."""
        name = settings.get("preset", "")
        return {**(presets.load(name).settings if name else {}), **settings}

    def visit(
        self, audience: Audience, catalogue: Catalogue, luck: Luck, round_: int
    ) -> BehaviouralVisit:
        tastes = self.tastes(audience, catalogue)
        return BehaviouralVisit(self.parameters, tastes, audience, catalogue, luck, round_)

    def check_recognition(self) -> None:
        """It does: see :mod:`.recognised`."""

    def tastes(self, audience: Audience, catalogue: Catalogue) -> Tastes:
        """Learnt once for an audience, then shared by all arms and rounds."""
        known = self._learnt.get(audience)
        if known is not None and known[0] is catalogue:
            return known[1]
        p = self.parameters
        weights = (p.genre_weight, p.era_weight, p.text_weight)
        company = Company(audience.population, p.collaborative, p.rating_neighbours)
        tastes = learn(audience.history, catalogue, weights, p.rating_weight, company)
        self._learnt[audience] = catalogue, tastes
        return tastes


class BehaviouralVisit(Visit):
    """One arm's sessions of one round; its state is each agent's satisfaction and what it
    was shown."""

    def __init__(
        self,
        parameters: Parameters,
        tastes: Tastes,
        audience: Audience,
        catalogue: Catalogue,
        luck: Luck,
        round_: int,
    ) -> None:
        self._p = p = parameters
        self._tastes = tastes
        self._luck = luck
        self._round = round_
        self._agent = audience.agent
        self._seen = Seen(len(audience))
        self._known = Recognised(audience.recognised, len(catalogue), catalogue.rating_scale)
        self._shown = shown_or_middle(catalogue)
        self._anchor = self._shown - (1.0 - p.shown_weight) * (self._shown - self._shown.mean())
        self._scale = catalogue.rating_scale
        popularity = np.log1p(catalogue.popularity.astype(np.float64))
        self._allure = p.quality * _standardised(self._shown) + p.familiarity * _standardised(
            popularity
        )
        profiles = audience.profiles
        self._openness = np.array(p.openness)[profiles.diversity - 1]
        self._pull = np.array(p.conformity_pull)[profiles.conformity - 1]
        self._patience = np.array(p.patience)[profiles.activity - 1]
        self._activity = profiles.activity.astype(np.int64) - 1
        self._ease = np.array(p.ease)[profiles.diversity - 1]
        self._openness = self._openness + np.array(p.eagerness)[profiles.activity - 1]
        mood = p.mood * ndtri(luck.uniform("mood", audience.agent, round_))
        self._mood = np.asarray(mood + np.array(p.contentment)[profiles.activity - 1])
        self._satisfaction = np.clip(p.satisfaction_start + self._mood, 1.0, 10.0)

    def turn(self, page: Page) -> Answers:
        there = page.item != NO_ITEM
        item = np.where(there, page.item, 0)
        own = self._idiosyncrasy(page.row, item)
        slope, known = self._p.watch_slope, self._known.on(page.row, item, there)
        appeal = known.appeal(self._appeal(page.row, item, own, there), slope)
        interest = known.interest(np.where(there, expit(slope * appeal), 0.0))
        watched = self._watches(page, item, appeal, there)
        self._seen.note(page.row, item, there, watched)
        rating = known.given(self._ratings(page.row, item, own, watched), watched)
        satisfaction = self._move(page.row, there, interest, watched)
        fatigue = expit(self._tired(page))
        any_item = there.any(axis=1)
        leave = self._leaves(page, satisfaction) | ~any_item
        return Answers(
            interest=interest.astype(np.float32),
            aligned=there & (appeal >= 0.0),
            watched=watched,
            rating=rating,
            satisfaction=satisfaction.astype(np.float32),
            fatigue=fatigue.astype(np.float32),
            leave=leave,
            reason=reasons(any_item, satisfaction >= self._p.satisfaction_level, fatigue, leave),
            outcome=[OK] * len(page),
        )

    def interview(self, row: IntArray) -> Interviews:
        satisfaction = self._satisfaction[row]
        p = self._p
        coming = expit(p.return_slope * (satisfaction - p.return_middle))
        words = np.array(["it suited me", "it was middling", "it did not suit me"])
        level = p.satisfaction_level + self._mood[row]
        code = 1 - np.sign(np.trunc(satisfaction - level)).astype(np.int64)
        return Interviews(
            satisfaction=np.rint(satisfaction).astype(np.float32),
            return_intent=coming.astype(np.float32),
            reason=words[code].tolist(),
            outcome=[OK] * len(row),
        )

    def _idiosyncrasy(self, row: IntArray, item: IntArray) -> Floats:
        """(B, k) standard normal, fixed for an agent and an item whatever arm shows it."""
        draws = self._luck.uniform("appeal", self._agent[row][:, None], item)
        return np.asarray(ndtri(draws), dtype=np.float64)

    def _appeal(self, row: IntArray, item: IntArray, own: Floats, there: BoolArray) -> Floats:
        p = self._p
        match = self._tastes.match(self._tastes.choice[row][:, None, :], item)
        appeal = p.appeal_level + p.taste * match + self._allure[item] + p.idiosyncrasy * own
        if p.contrast:
            known = p.taste * match + self._allure[item]
            mean = (known * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
            appeal += p.contrast * (known - mean[:, None])
        appeal += self._ease[row][:, None]
        appeal[:, :1] += p.top_slot
        return np.asarray(appeal)

    def _watches(self, page: Page, item: IntArray, appeal: Floats, there: BoolArray) -> BoolArray:
        p, row = self._p, page.row
        slot = np.log2(np.arange(item.shape[1]) + 2.0)
        # Centred on the page, so that the effect moves watching between slots, not its sum.
        slot_loss = p.slot_effect * (slot - slot.mean())
        drawn_to = 0.0 if p.fitting_only else p.watch_slope * appeal
        odds = p.watch_level + drawn_to + self._openness[row][:, None] - slot_loss
        draws = self._luck.uniform("watch", self._agent[row][:, None], item, self._round)
        met = self._seen.on(row, item, there)
        if met is not None:
            # Whoever meets an item again decides anew, with what it did before in mind.
            odds = odds + np.array((0.0, p.passed_before, p.watched_before))[met]
            keys = (self._agent[row][:, None], item, self._round, page.number)
            draws = np.where(met > 0, self._luck.uniform("watch", *keys), draws)
        choosable = there & (appeal >= 0.0) if p.fitting_only else there
        if not any(p.satiety):
            return np.asarray(choosable & (draws < expit(odds)))
        return self._one_by_one(odds, draws, choosable)

    def _one_by_one(self, odds: Floats, draws: Floats, choosable: BoolArray) -> BoolArray:
        """From the top down, each choice lowering the odds of those below it."""
        loss = np.array([0.0, *self._p.satiety])
        watched = np.zeros(odds.shape, dtype=np.bool_)
        above = np.zeros(len(odds), dtype=np.int64)
        for slot in range(odds.shape[1]):
            chance = expit(odds[:, slot] - loss[np.minimum(above, 3)])
            watched[:, slot] = choosable[:, slot] & (draws[:, slot] < chance)
            above += watched[:, slot]
        return watched

    def _ratings(
        self, row: IntArray, item: IntArray, own: Floats, watched: BoolArray
    ) -> FloatArray:
        """(B, k) on the data's scale, NaN where not watched."""
        out = np.full(item.shape, np.nan, dtype=np.float32)
        where, _ = np.nonzero(watched)
        who, what = row[where], item[watched]
        p = self._p
        low, high = self._scale
        point = (high - low) / 4.0
        liking = self._tastes.match(self._tastes.liking[who], what)
        luck = ndtri(self._luck.uniform("rating", self._agent[who], what))
        felt = p.rating_lift + p.rating_taste * liking + p.rating_appeal * own[watched]
        generosity = p.generosity_weight * self._tastes.generosity[who]
        opinion = generosity + point * (felt + p.rating_spread * luck)
        rating = self._anchor[what] + (1.0 - self._pull[who]) * opinion
        step = rating_step(self._scale)
        out[watched] = np.clip(low + step * np.floor((rating - low) / step + 0.5), low, high)
        return out

    def _move(
        self, row: IntArray, there: BoolArray, interest: Floats, watched: BoolArray
    ) -> Floats:
        """Satisfaction after this page; kept for the next."""
        p = self._p
        shown = np.maximum(there.sum(axis=1), 1)
        seen = interest.sum(axis=1) / shown
        taken = (interest * watched).sum(axis=1) / shown
        match = (1.0 - p.satisfaction_watched) * seen + p.satisfaction_watched * taken
        aim = p.satisfaction_level + p.satisfaction_gain * (match - p.satisfaction_middle)
        aim += self._mood[row]
        before = self._satisfaction[row]
        after = np.clip(before + p.satisfaction_pace * (aim - before), 1.0, 10.0)
        self._satisfaction[row] = after
        return np.asarray(after)

    def _tired(self, page: Page) -> Floats:
        """(B,) log-odds of leaving that the number of pages alone gives."""
        p = self._p
        if p.leaving:
            after = [row[min(page.number, len(row)) - 1] for row in p.leaving]
            return np.asarray(np.array(after)[self._activity[page.row]])
        return np.asarray(p.tiring * (page.number - self._patience[page.row]))

    def _leaves(self, page: Page, satisfaction: Floats) -> BoolArray:
        p = self._p
        odds = self._tired(page) - p.exit_satisfaction * (satisfaction - p.satisfaction_level)
        draws = self._luck.uniform("leave", self._agent[page.row], self._round, page.number)
        return np.asarray(draws < expit(odds))


def rating_step(scale: tuple[float, float]) -> float:
    """The distance between neighbouring marks: whole numbers on scales such as 1 to 5 or
    1 to 10, halves where the lowest mark is a half, a quarter of scales narrower than 3."""
    low, high = scale
    if high - low < 3.0:
        return (high - low) / 4.0
    return 1.0 if float(low).is_integer() else 0.5


def _standardised(values: npt.NDArray[np.float64]) -> Floats:
    spread = float(values.std()) if len(values) else 0.0
    return np.asarray((values - values.mean()) / spread if spread > 1e-12 else values * 0.0)
