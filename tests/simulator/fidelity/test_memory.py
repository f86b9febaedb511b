"""Who avoids, who returns and who has no memory are told apart; notes are found where they lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from agents.interface import (
    NO_ITEM,
    OK,
    Answers,
    Audience,
    Catalogue,
    Floats,
    Interviews,
    Luck,
    MemoryEntry,
    Page,
    ResponseModel,
    Visit,
)
from agents.memory import FACTUAL, Memory, Weights
from agents.registry import create
from simulator.fidelity import memory, memory_published, recall, slates, twice
from simulator.fidelity.measures import Measure
from simulator.world import World

from .small import world


class Handmade(ResponseModel):
    """Watches by chance alone, 0.4; ``again`` is its chance for what it has met (None: the same);
    it stays while at least half of the last page were among ``liked`` items, or always."""

    def __init__(self, again: float | None = None, liked: npt.NDArray[np.int64] | None = None):
        self.again, self.liked = again, liked

    def visit(self, audience: Audience, catalogue: Catalogue, luck: Luck, round_: int) -> Visit:
        return _HandmadeVisit(self, audience, luck)


class _HandmadeVisit(Visit):
    def __init__(self, model: Handmade, audience: Audience, luck: Luck) -> None:
        self.model, self.agent, self.luck = model, audience.agent, luck
        self.met: list[set[int]] = [set() for _ in self.agent]

    def turn(self, page: Page) -> Answers:
        met = [[i in self.met[r] for i in line] for r, line in self._lines(page)]
        again = 0.4 if self.model.again is None else self.model.again
        chance = np.where(np.array(met), again, 0.4)
        drawn: Floats = self.luck.uniform("watch", self.agent[page.row][:, None], page.item)
        watched = (drawn < chance) & (page.item != NO_ITEM)
        for r, line in self._lines(page):
            self.met[r] |= set(line)
        liked = self.model.liked
        leave = np.zeros(len(page), dtype=np.bool_)
        if liked is not None:
            leave = np.isin(page.item, liked).mean(axis=1) < 0.5
        n = len(page)
        return Answers(
            interest=chance.astype(np.float32),
            aligned=watched,
            watched=watched,
            rating=np.where(watched, 4.0, np.nan).astype(np.float32),
            satisfaction=np.where(leave, 2.0, 6.0).astype(np.float32),
            fatigue=np.zeros(n, dtype=np.float32),
            leave=leave,
            reason=[""] * n,
            outcome=[OK] * n,
        )

    def interview(self, row: npt.NDArray[np.int64]) -> Interviews:
        raise NotImplementedError  # nobody asks

    def _lines(self, page: Page) -> list[tuple[int, list[int]]]:
        return list(zip(page.row.tolist(), page.item.tolist(), strict=True))


def named(found: list[Measure], name: str, case: str = "") -> Measure:
    (one,) = (m for m in found if m.name == name and case in m.case)
    return one


def less(model: ResponseModel, case: str) -> Measure:
    found = list(memory.seen_again(world(), model))
    return named(found, "watch rate less that at first sight", case)


# -- seen again ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["watched before", "passed over before"])
def test_who_avoids_who_returns_and_who_has_no_memory(case: str) -> None:
    assert less(Handmade(again=0.0), case).high < -0.3  # from 0.4 to nothing
    assert less(Handmade(again=1.0), case).low > 0.5  # from 0.4 to all
    nothing = less(Handmade(), case)
    assert (nothing.value, nothing.low, nothing.high) == (0.0, 0.0, 0.0)


def test_fresh_items_are_met_as_ever_and_rates_are_what_they_are() -> None:
    found = list(memory.seen_again(world(), Handmade(again=0.0)))
    assert less(Handmade(again=0.0), "fresh").value == 0.0
    assert named(found, "watch rate", "passed over before").value == 0.0
    fresh = named(found, "watch rate", "fresh")
    assert fresh.value == pytest.approx(0.4, abs=0.05)
    against = named(found, "watch rate less that of fresh items", "watched before")
    assert against.value == pytest.approx(-fresh.value)
    assert against.baselines[0].low < 0 < against.baselines[0].high


def test_the_behavioural_model_does_as_its_settings_say() -> None:
    def behavioural(watched: float, passed: float) -> ResponseModel:
        return create("behavioural", {"watched_before": watched, "passed_before": passed})

    assert less(behavioural(-3.0, -0.5), "watched before").high < -0.2
    assert less(behavioural(-3.0, -0.5), "passed over before").high < 0.0
    assert less(behavioural(3.0, 3.0), "watched before").low > 0.2
    none = less(behavioural(0.0, 0.0), "watched before")
    assert none.low < 0 < none.high


def test_pages_come_back_by_halves_and_match() -> None:
    pages = twice.repeats(world())
    relevant, known = world().relevant, world().known
    assert relevant is not None
    assert (pages.again.sum(axis=1) == 2).all()
    for row, agent in enumerate(world().audience.agent.tolist()):
        own = np.setdiff1d(relevant[[agent]].indices, known[[agent]].indices)
        first, other, second = pages.first[row], pages.elsewhere[row], pages.second[row]
        every = np.concatenate([first, other, second[~pages.again[row]]])
        assert len(np.unique(every)) == len(every) == 10
        assert np.isin(second[pages.again[row]], first).all()
        if len(own) >= 5:
            assert np.array_equal(np.isin(first, own), np.isin(other, own))
            assert np.isin(second, own).sum() == 2
    rank = np.argsort(np.argsort(world().catalogue.popularity, kind="stable"))
    assert np.corrcoef(rank[pages.first].ravel(), rank[pages.elsewhere].ravel())[0, 1] > 0.6


# -- a bad page ----------------------------------------------------------------------------


def test_a_bad_page_drives_away_at_once_and_leaves_nothing_behind_without_memory() -> None:
    pages = twice.moods(world())
    model = Handmade(liked=np.unique(pages.good))
    found = list(memory.after_a_bad_page(world(), model))
    assert named(found, "stays after page 1").high < 0
    for name in ("stays after page 2", "watch rate, page 2", "satisfaction, page 2"):
        assert (named(found, name).value, named(found, name).high) == (0.0, 0.0)


def test_satisfaction_carries_a_bad_page_to_the_next() -> None:
    model = create("behavioural", {"taste": 2.0, "mood": 0.0, "exit_satisfaction": 2.0})
    found = list(memory.after_a_bad_page(world(), model))
    for name in ("stays after page 1", "stays after page 2", "satisfaction, page 2"):
        assert named(found, name).high < 0
    assert named(found, "stays after page 1: log-odds").high < 0
    forgets = create("behavioural", {"taste": 2.0, "mood": 0.0, "satisfaction_pace": 1.0})
    found = list(memory.after_a_bad_page(world(), forgets))
    assert named(found, "satisfaction, page 2").value == pytest.approx(0.0, abs=1e-6)


def test_log_odds_by_hand() -> None:
    """Means .5 and .8: logits 0 and log 4. Linearised: (b - .5) / .25 - (g - .8) / .16."""
    bad, good = np.array([0.4, 0.6, 0.5, 0.5]), np.array([0.8, 0.8, 0.7, 0.9])
    found = memory.log_odds(bad, good, 0.95)
    assert found.mean == pytest.approx(-np.log(4))
    each = np.array([-0.4, 0.4, 0.1 / 0.16, -0.1 / 0.16])
    half = 3.182446 * each.std(ddof=1) / 2
    assert found.high - found.mean == pytest.approx(half, rel=1e-5)
    assert np.isnan(memory.log_odds(np.ones(4), good, 0.95).mean)


def test_what_was_carried_from_the_page_before_is_told_from_the_page_itself() -> None:
    rng = np.random.default_rng(1)
    n, pages = 400, 5
    share = rng.choice([0.0, 0.5, 1.0], (n, pages))
    reached = np.ones((n, pages), dtype=np.bool_)
    held = np.column_stack([rng.integers(0, 2, n), np.zeros(n)]).astype(np.float64)
    leave = 0.3 * share + 0.2 * np.arange(pages) + 0.5 * held[:, :1]
    leave[:, 1:] -= 0.25 * share[:, :-1]
    found = memory_published.carried(leave[None], share[None], reached, held, 0.95)
    assert found == pytest.approx((-0.25, -0.25, -0.25), abs=1e-9)
    noisy = leave + rng.normal(size=leave.shape)
    once = memory_published.carried(noisy[None], share[None], reached, held, 0.95)
    value, low, high = once
    assert low < -0.25 < high
    assert low < value < high
    # The same draw again tells nothing more: the interval's unit is the agent.
    again = memory_published.carried(
        np.stack([noisy] * 2), np.stack([share] * 2), reached, held, 0.95
    )
    assert again == pytest.approx(once)
    # What chance alone made an agent watch counts, though its mean over draws never varies.
    luck = np.stack([share, 1.0 - share])
    moved = 0.1 - 0.25 * np.concatenate([np.zeros((2, n, 1)), luck[:, :, :-1]], axis=2)
    found = memory_published.carried(moved, luck, reached, held, 0.95)
    assert found == pytest.approx((-0.25, -0.25, -0.25), abs=1e-9)
    nobody = np.zeros_like(reached)
    assert np.isnan(memory_published.carried(leave[None], share[None], nobody, held, 0.95)).all()


# -- retrieval -----------------------------------------------------------------------------


def noted(weights: Weights | None = None) -> Memory:
    """Relevance to "ghost" is 1 or 0; recency .64, .8, 1; importance 0, .5, .5."""
    out = Memory(weights, lambda cue, texts: np.array([float(cue in text) for text in texts]))
    for page, (text, importance) in enumerate((("ghost", 0.0), ("sea", 0.5), ("sky", 0.5)), 1):
        out.add(MemoryEntry(0, page, FACTUAL, text, importance))
    return out


def test_the_place_of_a_note_by_hand() -> None:
    """1 + .64 + 0 = 1.64 beats .8 + .5 = 1.3 and 1 + .5 = 1.5; at half the relevance 1.14 does
    not."""
    assert recall.place(noted(), "ghost", 0) == 1.0
    assert recall.place(noted(Weights(relevance=0.5)), "ghost", 0) == 3.0
    assert recall.place(noted(), "nothing", 0) == 3.0
    assert recall.place(noted(recall.ALONE), "ghost", 0) == 1.0


def test_rescaled_relevance_reaches_from_0_to_1() -> None:
    found = recall.rescaled("ghost", ["ghost", "a ghost of the sea", "the sea"])
    assert found[0] == 1.0
    assert 0.0 < found[1] < 1.0
    assert found[2] == 0.0
    assert recall.rescaled("sky", ["ghost", "sea"]).tolist() == [0.0, 0.0]


def test_at_random_is_exact() -> None:
    rng = np.random.default_rng(0)
    rank = rng.permuted(np.tile(np.arange(1, 11), (4000, 1)), axis=1)[:, 0]
    share, reciprocal = recall.at_random(10, 4)
    assert share == 0.4
    assert reciprocal == pytest.approx(sum(1 / n for n in range(1, 11)) / 10)
    assert (1 / rank).mean() == pytest.approx(reciprocal, abs=0.02)
    assert recall.at_random(3, 5)[0] == 1.0


def few() -> World:
    return replace(world(), audience=world().audience.rows(np.arange(12)))


@pytest.fixture(scope="module")
def found() -> list[Measure]:
    return list(recall.measure(world()))


def test_a_title_is_found_by_relevance_and_seldom_by_recency(found: list[Measure]) -> None:
    for pages, chance in ((5, 0.5), (10, 0.25), (20, 0.125)):
        one = named(found, "found among the first 5", f"a title it saw, {pages} pages")
        beside = {b.name: b.value for b in one.baselines}
        assert beside["at random"] == chance
        assert beside["relevance alone"] > 0.95
        assert beside["latest"] == pytest.approx(chance, abs=0.15)
        assert chance < one.value <= beside["relevance alone"]


def test_all_is_found_where_all_comes_back() -> None:
    scenario = world().scenario
    kept = scenario.agents.memory.model_copy(update={"retrieve": 40})
    agents = scenario.agents.model_copy(update={"memory": kept})
    wide: World = replace(few(), scenario=scenario.model_copy(update={"agents": agents}))
    shares = [m for m in recall.measure(wide) if m.name == "found among the first 40"]
    assert len(shares) == 6
    assert {m.value for m in shares} == {1.0}


def test_a_chat_audience_is_cued_on_the_behavioural_models_pages() -> None:
    scenario = world().scenario
    response = scenario.agents.response.model_copy(update={"model": "chat"})
    agents = scenario.agents.model_copy(update={"response": response})
    chat = replace(few(), scenario=scenario.model_copy(update={"agents": agents}))
    other = list(recall.measure(chat))
    assert [m.value for m in other] == [m.value for m in recall.measure(few())]
    assert all("by the behavioural model" in m.note for m in other)


def test_everything_is_measured_and_named() -> None:
    every = list(memory.measure(world()))
    assert {m.test for m in every} == {"memory"}
    assert all(m.baselines for m in every)
    assert not [m for m in every if m.case == "published slates, observational"]


def test_a_published_run_stands_beside(tmp_path_factory: pytest.TempPathFactory) -> None:
    from .small import files

    run = slates.read(files(tmp_path_factory.mktemp("run")), world())
    case = [m for m in memory.measure(world(), run) if m.case.startswith("published")]
    assert len(case) == 2
    assert all(np.isnan(m.value) for m in case)  # two agents, of whom one saw two pages
