"""What the behavioural model knows of pairs of agent and item before any luck: the columns that
its settings are fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agents.features import shown_or_middle
from agents.interface import Catalogue, Floats, IntArray
from agents.response.behavioural import Behavioural
from agents.response.taste import Tastes

from ..world import World


@dataclass(frozen=True, eq=False)
class Known:
    """For pairs of any shape S: ``taste``, ``quality``, ``familiarity``, ``liking`` in sd over
    the catalogue; ``generosity`` and ``shown`` in points of rating; ``activity``, ``diversity``,
    ``conformity`` levels 1 to 3."""

    taste: Floats
    quality: Floats
    familiarity: Floats
    liking: Floats
    generosity: Floats
    shown: Floats
    activity: IntArray
    diversity: IntArray
    conformity: IntArray

    @property
    def appeal(self) -> Floats:
        """(*S, 3) taste, quality, familiarity."""
        return np.stack([self.taste, self.quality, self.familiarity], axis=-1)

    def at(self, chosen: npt.NDArray[np.bool_]) -> Known:
        """The pairs where the mask (shape S) is set, in one row."""
        return Known(*(column[chosen] for column in vars(self).values()))


def known(world: World, model: Behavioural, row: IntArray, item: IntArray) -> Known:
    """``row`` positions in the audience and ``item`` numbers, broadcast against each other."""
    row, item = np.broadcast_arrays(row, item)
    tastes: Tastes = model.tastes(world.audience, world.catalogue)
    quality, familiarity = standing(world.catalogue)
    profiles = world.audience.profiles
    return Known(
        taste=tastes.match(tastes.choice[row], item).astype(np.float64),
        quality=quality[item],
        familiarity=familiarity[item],
        liking=tastes.match(tastes.liking[row], item).astype(np.float64),
        generosity=tastes.generosity[row].astype(np.float64),
        shown=shown_or_middle(world.catalogue)[item],
        activity=profiles.activity[row].astype(np.int64),
        diversity=profiles.diversity[row].astype(np.int64),
        conformity=profiles.conformity[row].astype(np.int64),
    )


def standing(catalogue: Catalogue) -> tuple[Floats, Floats]:
    """(n_items,) each: shown rating and log popularity, in sd over the catalogue."""
    popularity = np.log1p(catalogue.popularity.astype(np.float64))
    return _standardised(shown_or_middle(catalogue)), _standardised(popularity)


def apart(level: IntArray) -> Floats:
    """(*S, 2) whether a level is 1, and whether it is 3: middle levels are the reference."""
    return np.stack([level == 1, level == 3], axis=-1).astype(np.float64)


def triple(pair: npt.NDArray[np.floating]) -> tuple[float, float, float]:
    """The setting of three levels whose middle one is 0."""
    return float(pair[0]), 0.0, float(pair[1])


def _standardised(values: Floats) -> Floats:
    spread = float(values.std()) if len(values) else 0.0
    return np.asarray((values - values.mean()) / spread if spread > 1e-12 else values * 0.0)
