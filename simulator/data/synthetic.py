"""The synthetic world: invented films, and users whose utility for every film is known.

How it is made, in this order:

1. A film has a main and a second theme, a tone, a year, one to three genres and a quality.
2. Users belong to a few of ``CIRCLES`` taste circles (this is what collaborative filtering
   can learn) and have leanings of their own. Taste and film meet in one dot product.
3. ``utility = logistic(TASTE * affinity + QUALITY * quality + SHIFT)``, kept for every pair.
4. What a user came across is weighted by the film's popularity (rank ** -exponent, where
   better films tend to rank higher) and what it took by the utility's odds ** APPETITE;
   both at once by the Gumbel top-k trick, which draws without replacement.
5. Ratings are that utility seen through noise, cut so that 1 to 5 occur as often as in
   MovieLens-1M.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from recommenders.interface import FloatArray, IntArray, Interactions

from ..randomness import stream
from .dataset import Dataset
from .film_catalogue import Factors, write
from .film_words import GENRES, THEMES, TONES
from .options import Request

Floats = npt.NDArray[np.float64]

CIRCLES = 8
CIRCLES_A_USER = 0.2
"""Concentration of a user's membership: the smaller, the more a user is of one circle."""
OWN_TASTE = 0.25
TASTE, QUALITY, SHIFT = 2.0, 0.5, -0.6
APPETITE = 1.4
RATING_SHARES = (0.056, 0.107, 0.261, 0.349, 0.226)
"""Of 1 to 5, as in MovieLens-1M."""

FIRST_YEAR, LAST_YEAR = 1950, 2020
MAX_PAIRS = 50_000_000
"""Every pair's utility is held in memory, 4 bytes each."""

_ERAS = (1955.0, 1975.0, 1990.0, 2003.0, 2015.0)
_START, _SPAN = 1_609_459_200, 3 * 365 * 86_400  # three years from 2021 on
_BLOCK = 256


def read(request: Request) -> Dataset:
    """A world of the sizes asked for, the same for the same seed. Raises InputError."""
    options = request.options
    n_users, n_items, mean = options["users"], options["items"], options["interactions"]
    _check_sizes(request, n_users, n_items, mean)
    seed = options["world_seed"]
    seed = request.seed if seed is None else seed
    factors = _factors(stream(seed, "synthetic", "films"), n_items)
    quality = stream(seed, "synthetic", "quality").standard_normal(n_items)
    score = _affinity(seed, n_users, factors)
    score *= TASTE
    score += QUALITY * quality + SHIFT
    popularity = _popularity(seed, quality, options["popularity_exponent"])
    user, item = _take(seed, score, popularity, mean)
    events = Interactions(
        user=user,
        item=item,
        n_users=n_users,
        n_items=n_items,
        rating=_ratings(seed, score[user, item], user, n_users),
        timestamp=_times(seed, user, n_users),
    )
    return Dataset(
        name="synthetic",
        interactions=events,
        items=write(factors, stream(seed, "synthetic", "words")),
        user_ids=tuple(f"u{number}" for number in range(n_users)),
        item_ids=tuple(f"f{number}" for number in range(n_items)),
        utility=np.asarray(expit(score), dtype=np.float32),
    )


def _check_sizes(request: Request, n_users: int, n_items: int, mean: int) -> None:
    if n_users * n_items > MAX_PAIRS:
        raise request.refuse(
            "users",
            found=f"{n_users:,} users x {n_items:,} items",
            allowed=f"at most {MAX_PAIRS:,} pairs, as each one's utility is kept",
        )
    if mean > n_items // 3:
        raise request.refuse(
            "interactions",
            found=f"{mean:,} with {n_items:,} items",
            allowed=f"at most a third of the items: {n_items // 3:,}",
        )


def _factors(rng: np.random.Generator, n: int) -> Factors:
    theme = rng.integers(0, len(THEMES), n)
    second = (theme + rng.integers(1, len(THEMES), n)) % len(THEMES)
    tone = rng.integers(0, len(TONES), n)
    # More films of late years, as catalogues have.
    age = (LAST_YEAR - FIRST_YEAR) * rng.beta(1.1, 2.2, n)
    year = np.rint(LAST_YEAR - age).astype(np.int64)
    more = rng.random((n, 2)) < (0.5, 0.25)
    genres = []
    for first, other, (near, far) in zip(theme, second, more, strict=True):
        names = [THEMES[first].first]
        names += [THEMES[first].second] * bool(near)
        names += [THEMES[other].first] * bool(far)
        genres.append(tuple(dict.fromkeys(names)))
    return Factors(theme, second, tone, year, tuple(genres))


def _features(factors: Factors) -> Floats:
    """(n_items, F) genres, themes, tone and era of each film; every group weighs alike."""
    n = len(factors.theme)
    rows = np.arange(n)
    genre = np.zeros((n, len(GENRES)))
    for row, names in enumerate(factors.genres):
        genre[row, [GENRES.index(name) for name in names]] = len(names) ** -0.5
    theme = np.zeros((n, len(THEMES)))
    theme[rows, factors.theme], theme[rows, factors.second] = 0.9, 0.45
    tone = np.eye(len(TONES))[factors.tone]
    era = np.exp(-0.5 * ((factors.year[:, None] - np.array(_ERAS)) / 8.0) ** 2)
    return np.hstack([1.2 * genre, 1.0 * theme, 0.9 * tone, 0.6 * era])


def _affinity(seed: int, n_users: int, factors: Factors) -> Floats:
    """(n_users, n_items) how well film and taste meet; mean 0, variance 1 for each user."""
    rng = stream(seed, "synthetic", "tastes")
    features = _features(factors)
    circles = rng.standard_normal((CIRCLES, features.shape[1]))
    member = rng.dirichlet(np.full(CIRCLES, CIRCLES_A_USER), n_users)
    own = rng.standard_normal((n_users, features.shape[1]))
    raw = (member @ circles + OWN_TASTE * own) @ features.T
    raw -= raw.mean(axis=1, keepdims=True)
    raw /= raw.std(axis=1, keepdims=True)
    # The order of sums inside a matrix product may differ between processors.
    return np.round(raw, 9, out=raw)


def _popularity(seed: int, quality: Floats, exponent: float) -> Floats:
    """(n_items,) weights of exposure, long-tailed; the better half tends to the top."""
    noise = stream(seed, "synthetic", "fame").standard_normal(len(quality))
    rank = np.empty(len(quality))
    rank[np.argsort(-(0.6 * quality + 0.8 * noise), kind="stable")] = np.arange(len(quality)) + 1
    return rank**-exponent


def _take(seed: int, score: Floats, popularity: Floats, mean: int) -> tuple[IntArray, IntArray]:
    """(n,) users, sorted, and the films each took, in a random order."""
    n_users, n_items = score.shape
    rng = stream(seed, "synthetic", "activity")
    spread = 0.6
    activity = mean * np.exp(spread * rng.standard_normal(n_users) - spread**2 / 2)
    counts = np.clip(np.rint(activity), min(mean, 8), n_items // 2).astype(np.int64)
    luck = stream(seed, "synthetic", "taking")
    weight = np.log(popularity)
    chosen = []
    for start in range(0, n_users, _BLOCK):
        block = slice(start, start + _BLOCK)
        keys = -APPETITE * score[block] - weight
        keys -= luck.gumbel(size=keys.shape)
        most = int(counts[block].max())
        best = np.argpartition(keys, most - 1, axis=1)[:, :most]
        order = np.argsort(np.take_along_axis(keys, best, axis=1), axis=1)
        best = np.take_along_axis(best, order, axis=1)
        chosen.append(best[np.arange(most) < counts[block, None]])
    user = np.repeat(np.arange(n_users), counts)
    item = np.concatenate(chosen).astype(np.int64)
    shuffled = np.lexsort((stream(seed, "synthetic", "order").random(len(item)), user))
    return user, item[shuffled]


def _ratings(seed: int, score: Floats, user: IntArray, n_users: int) -> FloatArray:
    """(n,) 1 to 5: the utility's logit, a user's generosity and noise, cut by share."""
    rng = stream(seed, "synthetic", "ratings")
    generosity = 0.4 * rng.standard_normal(n_users)
    seen = score + generosity[user] + 0.7 * rng.standard_normal(len(score))
    cuts = np.quantile(seen, np.cumsum(RATING_SHARES)[:-1] / sum(RATING_SHARES))
    return (1 + np.searchsorted(cuts, seen)).astype(np.float32)


def _times(seed: int, user: IntArray, n_users: int) -> IntArray:
    """(n,) seconds, increasing within a user; each joins at its own time."""
    rng = stream(seed, "synthetic", "times")
    joined = 0.7 * _SPAN * rng.random(n_users)
    gaps = rng.exponential(1.0, len(user))
    total = np.cumsum(gaps)
    counts = np.bincount(user, minlength=n_users)
    first = np.cumsum(counts) - counts
    since = total - (total[first] - gaps[first])[user]
    length = np.maximum.reduceat(since, first)
    share = since / length[user]
    seconds: IntArray = (_START + np.floor(joined[user] + share * 0.3 * _SPAN)).astype(np.int64)
    return seconds
