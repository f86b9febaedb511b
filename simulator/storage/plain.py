"""Values as JSON can hold them: what is stored and what is printed go through here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Dicts, lists, strings, numbers, booleans and None only; NaN and infinities are None.

    numpy scalars and arrays, tuples, sets (sorted), paths and dataclasses are converted,
    anything else is a TypeError: nothing is stored as the text of its repr.

    >>> plain({"a": (np.float32(0.5), float("nan")), 3: np.arange(2)})
    {'a': [0.5, None], '3': [0, 1]}
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, Set):
        return sorted(plain(entry) for entry in value)
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    raise TypeError(f"a {type(value).__name__} cannot be stored as JSON: {value!r}")


def to_json(value: Any) -> str:
    """One line of strict JSON in the mapping's own order."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False)
