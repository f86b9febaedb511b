"""How names, metrics and numbers are written, on the terminal, in figures and on the page."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DASH = "–"
"""Stands for a number that does not exist (undefined or missing)."""

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True)
class Wording:
    """``short`` heads a column, ``label`` an axis, ``meaning`` is one sentence, ``digits``
    after the point; ``better`` is +1 where more is better, 0 where neither is."""

    short: str
    label: str
    meaning: str
    digits: int = 3
    better: int = 1


_SIMULATED = {
    "p_view": Wording(
        "P_view", "share watched", "Watched items over shown items, an agent's mean."
    ),
    "n_like": Wording("N_like", "liked items", "Ratings of 4 or more an agent.", 2),
    "p_like": Wording(
        "P_like", "share liked", "Items rated 4 or more over shown items, an agent's mean."
    ),
    "n_exit": Wording("N_exit", "exit page", "The last page an agent looked at.", 2),
    "s_sat": Wording(
        "S_sat", "satisfaction", "What the agent said in its exit interview.", 2
    ),
    "mean_rating": Wording("rating", "mean rating", "An agent's mean rating.", 2),
    "genre_entropy": Wording(
        "genre entropy", "genre entropy", "How varied the genres were that an agent watched.", 2, 0
    ),
    "repeat_rate": Wording(
        "repeats", "repeat rate", "Share of shown items that an earlier round had shown.", 3, -1
    ),
    "return_intent": Wording(
        "return", "return intent", "How likely the agent says it is to come back, 0 to 1.", 2
    ),
}
_OFFLINE = {
    "recall": Wording("Recall", "Recall", "Share of the held-out items that the list holds."),
    "ndcg": Wording("nDCG", "nDCG", "Held-out items in the list, those nearer the top count more."),
    "precision": Wording("Precision", "precision", "Share of the list that is held-out."),
    "hit": Wording("Hit", "hit rate", "Share of users with a held-out item in the list."),
    "mrr": Wording("MRR", "reciprocal rank", "One over the rank of the first held-out item."),
    "coverage": Wording("Coverage", "coverage", "Share of the catalogue in anybody's list.", 3, 0),
    "novelty": Wording("Novelty", "novelty", "Mean bits of surprise of a listed item.", 2, 0),
}


def wording(metric: str) -> Wording:
    """The words for a metric; one that is not known here goes by its own name.

    >>> wording("ndcg@20").short, wording("p_view").short, wording("dwell_time").label
    ('nDCG@20', 'P_view', 'dwell time')
    """
    if metric in _SIMULATED:
        return _SIMULATED[metric]
    stem, _, cutoff = metric.partition("@")
    if cutoff and stem in _OFFLINE:
        words = _OFFLINE[stem]
        return Wording(
            f"{words.short}@{cutoff}",
            f"{words.label}@{cutoff}",
            words.meaning,
            words.digits,
            words.better,
        )
    plain = clean(metric.replace("_", " "))
    return Wording(plain, plain, "")


def clean(text: object) -> str:
    """Text from data made safe to show: control, zero-width and direction characters go.

    >>> clean("Al\\x1b[31mien\\u202e")
    'Al�[31mien�'
    """
    return _UNPRINTABLE.sub("�", str(text))


def missing(value: object) -> bool:
    """Whether a number does not exist: None or not finite."""
    if value is None:
        return True
    return isinstance(value, float) and not math.isfinite(value)


def number(value: float | int | None, digits: int) -> str:
    """
    >>> number(0.4931, 3), number(float("nan"), 3), number(-0.04, 1), number(3.25, 2)
    ('0.493', '–', '0.0', '3.25')
    """
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def signed(value: float | None, digits: int) -> str:
    """
    >>> signed(0.02, 3), signed(-0.02, 3), signed(0.0, 1)
    ('+0.020', '−0.020', '0.0')
    """
    text = number(value, digits)
    return f"+{text}" if value is not None and value > 0 and float(text) != 0 else text


def half_width(estimate: Mapping[str, Any]) -> float:
    """Half of an estimate's interval; NaN where it has none."""
    low, high = estimate.get("low"), estimate.get("high")
    if missing(low) or missing(high):
        return math.nan
    return (float(high) - float(low)) / 2  # type: ignore[arg-type]


def probability(p: float | None) -> str:
    """
    >>> probability(0.0312), probability(0.00002), probability(None)
    ('0.031', '< 0.001', '–')
    """
    if p is None or not math.isfinite(p):
        return DASH
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def duration(seconds: float | None) -> str:
    """
    >>> duration(0.31), duration(75.2), duration(3725), duration(None)
    ('0.3 s', '1 min 15 s', '1 h 02 min', '–')
    """
    if seconds is None or not math.isfinite(seconds):
        return DASH
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
