"""Every parameter of the behavioural response model, in one place.

A scenario overrides any of them beside the model's name, for example
``response: {model: behavioural, slot_effect: 0.0}``. What the defaults were fitted to is
told in docs/agents.md. "Per sd" always means: per standard deviation of that figure over
the catalogue. Triples hold one value for each trait level 1, 2, 3.
"""

# No postponed annotations here: the registry reads these as they stand.
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Weight = Annotated[float, Field(ge=0, le=20)]
LogOdds = Annotated[float, Field(ge=-20, le=20)]
Share = Annotated[float, Field(ge=0, le=1)]
Points = Annotated[float, Field(ge=-4, le=4)]
Spread = Annotated[float, Field(ge=0, le=4)]
Satisfaction = Annotated[float, Field(ge=1, le=10)]
Pages = Annotated[float, Field(ge=0, le=1000)]


@dataclass(
    frozen=True,
    kw_only=True,
    config=ConfigDict(strict=True, allow_inf_nan=False, extra="forbid"),
)
class Parameters:
    """The model's settings; a value of the wrong type or out of range is refused."""

    # Taste: how much each part of an item tells an agent that it is one of its kind.
    genre_weight: Annotated[Weight, "genres chosen more than others choose them"] = 0.42
    era_weight: Annotated[Weight, "decades chosen more than others choose them"] = 0.55
    text_weight: Annotated[Weight, "likeness in title, text and genres to past items"] = 0.50
    rating_weight: Annotated[Weight, "more weight of a past item per point above its mean"] = 0.30
    collaborative: Annotated[
        Weight, "items chosen by the same people as past items are, popularity apart; 0 for none"
    ] = 0.0

    # Appeal of one item, judged on its own; from 0 it fits the agent's taste.
    appeal_level: Annotated[LogOdds, "appeal of an average item"] = -0.35
    taste: Annotated[Weight, "appeal per sd of taste match"] = 0.36
    quality: Annotated[Weight, "appeal per sd of the shown rating"] = 0.05
    familiarity: Annotated[Weight, "appeal per sd of log popularity"] = 0.10
    idiosyncrasy: Annotated[Weight, "spread of appeal that nothing known explains"] = 0.70

    # Choice.
    watch_level: Annotated[LogOdds, "log-odds to watch an item of appeal 0"] = -0.46
    watch_slope: Annotated[Weight, "log-odds to watch per unit of appeal"] = 2.0
    openness: Annotated[
        tuple[LogOdds, LogOdds, LogOdds], "log-odds to watch added by level of diversity"
    ] = (-0.25, 0.0, 0.45)
    slot_effect: Annotated[
        Weight, "log-odds to watch lost per unit of log2(1 + slot), slots from 1; 0 for none"
    ] = 0.30
    watched_before: Annotated[
        LogOdds, "log-odds to watch added to an item already watched in this session"
    ] = -3.0
    passed_before: Annotated[
        LogOdds, "log-odds to watch added to an item already passed over in this session"
    ] = -0.5

    # Rating, in points: a quarter of the scale, so 1 on a scale from 1 to 5.
    rating_lift: Annotated[Points, "own opinion above the shown rating, of what was chosen"] = 0.47
    rating_taste: Annotated[Spread, "points per sd of rating taste"] = 0.20
    rating_neighbours: Annotated[
        Weight, "items chosen by the same people, in rating taste; genre, era, text weigh 1 each"
    ] = 0.0
    rating_appeal: Annotated[Spread, "points per sd of idiosyncratic appeal"] = 0.25
    rating_spread: Annotated[Spread, "spread of opinions, in points"] = 0.78
    conformity_pull: Annotated[
        tuple[Share, Share, Share],
        "share of the way from own opinion to the shown rating, by level of conformity",
    ] = (0.45, 0.30, 0.05)

    # Satisfaction, 1 to 10. Match is 0 to 1: the mean interest of a page's items.
    satisfaction_start: Annotated[Satisfaction, "before the first page"] = 3.5
    satisfaction_level: Annotated[Satisfaction, "what a page of middling match leads to"] = 3.5
    satisfaction_middle: Annotated[Share, "match of a middling page"] = 0.405
    satisfaction_gain: Annotated[Weight, "points from a page without match to a full one"] = 6.0
    satisfaction_watched: Annotated[Share, "share of match that only watched items make"] = 0.40
    satisfaction_pace: Annotated[Share, "share of the way one page moves it"] = 0.60
    mood: Annotated[Weight, "spread between agents, the same in every arm"] = 0.80

    # Staying and leaving.
    patience: Annotated[
        tuple[Pages, Pages, Pages], "page at which an agent is half tired, by level of activity"
    ] = (2.4, 3.5, 4.3)
    tiring: Annotated[Weight, "log-odds of leaving that a further page adds"] = 1.5
    exit_satisfaction: Annotated[
        Weight, "log-odds of leaving that a point below satisfaction_level adds"
    ] = 0.30
    return_slope: Annotated[Weight, "log-odds to come back per point of satisfaction"] = 0.8
    return_middle: Annotated[Satisfaction, "satisfaction at which coming back is even odds"] = 4.0

    # Named parameter sets, and what language models do that the model above does not. Each is
    # off by default; docs/calibration.md says what switches them on.
    preset: Annotated[
        str, "a fitted set of these settings, by name or file; settings beside it override"
    ] = ""
    ease: Annotated[
        tuple[LogOdds, LogOdds, LogOdds], "appeal added to every item, by level of diversity"
    ] = (0.0, 0.0, 0.0)
    contrast: Annotated[
        Weight, "times that the known appeal above the page's mean counts once more"
    ] = 0.0
    top_slot: Annotated[LogOdds, "appeal added to what stands in the first slot"] = 0.0
    fitting_only: Annotated[
        bool, "only what fits is watched, and how well it fits does not matter"
    ] = False
    eagerness: Annotated[
        tuple[LogOdds, LogOdds, LogOdds], "log-odds to watch added by level of activity"
    ] = (0.0, 0.0, 0.0)
    satiety: Annotated[
        tuple[LogOdds, LogOdds, LogOdds],
        "log-odds to watch lost once 1, 2, 3 or more items above on the page are watched",
    ] = (0.0, 0.0, 0.0)
    shown_weight: Annotated[
        Share, "how much of a shown rating's distance from the mean one a rating follows"
    ] = 1.0
    generosity_weight: Annotated[Share, "how much of an agent's own generosity enters"] = 1.0
    contentment: Annotated[
        tuple[Points, Points, Points], "satisfaction aimed at, added by level of activity"
    ] = (0.0, 0.0, 0.0)
    leaving: Annotated[
        tuple[tuple[LogOdds, ...], ...],
        "log-odds of leaving after page 1, 2, ... and later, one row for each level of activity, "
        "in place of patience and tiring; empty for those",
    ] = ()

    def __post_init__(self) -> None:
        if self.leaving and (len(self.leaving) != 3 or not all(self.leaving)):
            raise ValueError("leaving needs three rows of at least one number, or none")
