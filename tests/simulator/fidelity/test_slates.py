"""A published run's slates, and a model that answers them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.interface import NO_ITEM
from simulator.errors import InputError
from simulator.fidelity import llm_run, replies, slates
from tests.simulator.doubles import FirstItem

from .small import EXPOSURES, SESSIONS, files, two, world


def read(tmp_path: Path) -> slates.Slates:
    return slates.read(files(tmp_path), world())


def test_what_was_shown_and_done(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.agent.tolist() == list(two())
    assert found.item.tolist() == [[[5, 7], [11, 12]], [[9, 8], [NO_ITEM, NO_ITEM]]]
    assert found.watched.tolist() == [
        [[True, False], [False, True]],
        [[False, True], [False, False]],
    ]
    assert found.exit_page.tolist() == [2, 1]
    assert np.array_equal(found.satisfaction, [6.0, np.nan], equal_nan=True)
    assert np.nansum(found.rating) == 12.0
    assert (world().audience.agent[found.row] == found.agent).all()
    assert found.numbered(two()[1], 10**9).agent.tolist() == [two()[1]]


@pytest.mark.parametrize(
    ("exposures", "sessions", "said"),
    [
        (EXPOSURES.replace("True,True,True", "True,True,perhaps"), SESSIONS, "True or False"),
        (EXPOSURES, SESSIONS.replace("{a},2", "{a},3"), "exit_page"),
        (EXPOSURES, "user,exit_page,satisfaction\n999999,1,2\n", "exit_page"),
        (EXPOSURES.replace("1,0,5", "1,0,5000"), SESSIONS, "an item from 0 to 299"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    tmp_path: Path, exposures: str, sessions: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        slates.read(files(tmp_path, exposures, sessions), world())


def test_a_world_without_a_published_run_has_no_folder() -> None:
    assert slates.folder(world()) is None


def test_forced_agents_see_what_the_published_ones_saw(tmp_path: Path) -> None:
    found = replies.forced(world(), read(tmp_path), 3, FirstItem())
    assert np.nansum(found.watched[:, :, 0]) == 3  # two pages of one agent, one of the other
    assert np.nansum(found.watched[:, :, 1]) == 0
    assert np.isnan(found.watched[1, 1]).all()
    assert np.isnan(found.leave[1, 1])
    assert np.nansum(found.leave) == 0
    assert np.nansum(found.marks[..., -1]) == 3
    assert found.scale == (1.0, 2.0, 3.0, 4.0, 5.0)


def test_free_agents_go_on_with_what_another_saw(tmp_path: Path) -> None:
    published = read(tmp_path)
    pages = replies.continued(published, world())
    assert pages[1].tolist() == [[9, 8], [11, 12]]
    found = replies.free(world(), published, range(2), FirstItem())
    assert len(found) == 4
    assert found["n_exit"].tolist() == [2.0] * 4
    assert found["p_view"].tolist() == [0.5] * 4
    assert found["n_like"].tolist() == [2.0] * 4
    assert found["s_sat"].tolist() == [6.0] * 4


def test_the_published_agents_figures_by_hand(tmp_path: Path) -> None:
    found = replies.published(read(tmp_path), liked=4.0)
    assert found["p_view"].tolist() == [0.5, 0.5]
    assert found["p_like"].tolist() == [0.25, 0.5]
    assert found["n_like"].tolist() == [1.0, 1.0]
    assert found["n_exit"].tolist() == [2.0, 1.0]


def test_an_agent_whose_answer_failed_ends_the_measurement(tmp_path: Path) -> None:
    broken = FirstItem(broken_page=1, broken_agent=two()[0])
    with pytest.raises(Exception, match="1 of 2 answers failed"):
        replies.forced(world(), read(tmp_path), 1, broken)


def test_comparing_by_hand(tmp_path: Path) -> None:
    """FirstItem watches the first slot only; of the first slots one in three was watched, of
    the second ones two in three."""
    found = llm_run.compare(world(), read(tmp_path), FirstItem())
    by_name = {(one.name, one.case): one for one in found.measures}
    # Pairs of watched and not: first slot watched 1, not 2; second watched 2, not 1.
    # Its score is 1 in the first slot: (1 x 1 won + 1 x 2 ties/2 + 2 x 1 ties/2) / 9 = 1/3.
    assert by_name["AUC", "watched"].value == pytest.approx(1 / 3)
    assert by_name["agreement", "watched"].value == pytest.approx((0.5 + 0.0) / 2)
    # Aligned: 3 of one agent's 4 and 1 of the other's 2, so 2/3 of all; by agent, as the figure.
    chance = ((3 / 4 * 2 / 3 + 1 / 4 * 1 / 3) + 1 / 2) / 2
    assert by_name["agreement", "aligned"].baselines[0].value == pytest.approx(chance)
    base = ((3 / 4 * 1 / 9 + 1 / 4 * 4 / 9) + (1 / 2 * 1 / 9 + 1 / 2 * 4 / 9)) / 2
    assert by_name["Brier score", "aligned"].baselines[0].value == pytest.approx(base)
    # Both watched what got 4 (of 4, 3 and 5): the other agent's only one was in the second slot.
    error = by_name["squared error", "ratings given watched"]
    assert (error.value, error.n) == (1.0, 1)
    assert (error.baselines[0].value, error.baselines[0].n) == (0.0, 1)
    # All it gives are fives; of the published marks a third are: 4, 3, 5.
    assert by_name["total variation", "ratings given watched"].value == pytest.approx(2 / 3)
    hazard = by_name["exit hazard", "after page 1"]
    assert (hazard.value, hazard.baselines[0].value, hazard.n) == (0.0, 0.5, 2)
    watched = [row for row in found.calibration if row["what"] == "watched"]
    assert [row["n"] for row in watched] == [3, 3]
    assert [row["happened"] for row in watched] == pytest.approx([2 / 3, 1 / 3])
