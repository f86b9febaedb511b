"""How names, metrics and numbers are written, on the terminal, in figures and on the page."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..evaluation.offline import described as offline_metrics
from ..evaluation.simulated import METRICS

DASH = "–"
"""Stands for a number that does not exist (undefined or missing)."""

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True)
class Wording:
    """``short`` heads a column, ``label`` an axis, ``meaning`` says what it is, ``digits``
    after the point; ``better`` is +1 where more is better, 0 where neither is."""

    short: str
    label: str
    meaning: str = ""
    digits: int = 3
    better: int = 1


_SIMULATED = {
    "p_view": ("P_view", "share watched", 3),
    "n_like": ("N_like", "liked items", 2),
    "p_like": ("P_like", "share liked", 3),
    "n_exit": ("N_exit", "exit page", 2),
    "s_sat": ("S_sat", "satisfaction", 2),
    "mean_rating": ("rating", "mean rating", 2),
    "genre_entropy": ("genre entropy", "genre entropy, bits", 2),
    "repeat_rate": ("repeats", "share shown before", 3),
    "return_intent": ("return", "return intent", 2),
}
_OFFLINE = {
    "recall": ("Recall", 3, 1),
    "ndcg": ("nDCG", 3, 1),
    "precision": ("Precision", 3, 1),
    "hit": ("Hit", 3, 1),
    "mrr": ("MRR", 3, 1),
    "coverage": ("Coverage", 3, 0),
    "novelty": ("Novelty", 2, 0),
}


def wording(metric: str) -> Wording:
    """The words for a metric; one that is not known here goes by its own name.

    >>> wording("ndcg@20").short, wording("p_view").short, wording("dwell_time").label
    ('nDCG@20', 'P_view', 'dwell time')
    """
    stem, _, cutoff = metric.partition("@")
    if cutoff and stem in _OFFLINE:
        short, digits, better = _OFFLINE[stem]
        meaning = dict(offline_metrics()).get(f"{stem}@K", "").replace("K", cutoff)
        return Wording(f"{short}@{cutoff}", f"{short}@{cutoff}", _sentence(meaning), digits, better)
    plain = clean(metric.replace("_", " "))
    short, label, digits = _SIMULATED.get(metric, (plain, plain, 3))
    if metric not in METRICS:
        return Wording(short, label, digits=digits)
    known = METRICS[metric]
    return Wording(short, label, _sentence(known.doc), digits, known.better)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


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


def money(usage: Mapping[str, Any]) -> str:
    """What calls cost; a dash where a price is unknown.

    >>> money({"cost_usd": 0.0123, "calls": 9}), money({"cost_usd": None, "calls": 9})
    ('0.01 USD', '–')
    """
    cost = usage["cost_usd"]
    return DASH if cost is None else f"{cost:.2f} USD"


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
