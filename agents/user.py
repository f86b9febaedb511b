"""The Mesa agent: one user of the simulated audience.

What it is stands in the model's audience at its row; what it remembers and how it
decides belongs to the visit of its response model.
"""

from __future__ import annotations

from dataclasses import dataclass

import mesa

from .interface import Audience


@dataclass(frozen=True)
class Profile:
    """One agent's profile; levels 1..3 as in ``agents.interface.Profiles``."""

    agent: int
    activity: int
    diversity: int
    conformity: int
    tastes: tuple[str, ...]
    persona: str


class User(mesa.Agent):  # type: ignore[misc]
    """Stands in ``model.audience`` at ``row``; it browses until :meth:`leave`."""

    def __init__(self, model: mesa.Model, row: int) -> None:
        super().__init__(model)
        self.row = row

    @property
    def profile(self) -> Profile:
        audience: Audience = self.model.audience
        part = audience.profiles
        return Profile(
            agent=int(audience.agent[self.row]),
            activity=int(part.activity[self.row]),
            diversity=int(part.diversity[self.row]),
            conformity=int(part.conformity[self.row]),
            tastes=part.tastes[self.row],
            persona=part.persona[self.row],
        )

    def leave(self) -> None:
        """Close this session: the model no longer holds the agent."""
        self.remove()
