from __future__ import annotations

import mesa

from agents.interface import Audience
from agents.user import User

from . import people


class Stage(mesa.Model):  # type: ignore[misc]
    def __init__(self, audience: Audience) -> None:
        super().__init__(rng=1)
        self.audience = audience


def test_a_user_is_a_row_of_the_audience_until_it_leaves() -> None:
    stage = Stage(people.audience(6))
    users = [User(stage, row) for row in range(6)]
    assert [user.row for user in stage.agents] == list(range(6))
    users[2].leave()
    assert [user.row for user in stage.agents] == [0, 1, 3, 4, 5]


def test_the_profile_is_that_of_its_row() -> None:
    audience = people.audience(6)
    stage = Stage(audience)
    profile = User(stage, 4).profile
    assert profile.agent == 4
    assert profile.tastes == audience.profiles.tastes[4]
    assert profile.persona == audience.profiles.persona[4]
    assert profile.activity == audience.profiles.activity[4]
    assert profile.diversity == audience.profiles.diversity[4]
    assert profile.conformity == audience.profiles.conformity[4]
