"""Trained once: a recommender's state kept under a key of all that determines it.

One npz file a fit, written aside and moved into place, so that a killed run leaves none
half written. A file that cannot be used costs a warning and a new fit, never the run.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .interface import Interactions, Items, Progress, Recommender, State, TextRecommender, Texts

FORMAT = 1
"""Part of every key; raise it when a method's state or meaning changes."""

_ABOUT = "about.json"  # the name of the array that holds the JSON; no state may use it
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)

log = logging.getLogger(__name__)
R = TypeVar("R", bound=Recommender)


def key(
    train: Interactions,
    valid: Interactions | None,
    items: Items,
    name: str,
    settings: Mapping[str, Any],
    seed: int,
    texts: Texts | None = None,
) -> str:
    """A name for this fit (32 hex digits): equal exactly where everything that goes in is.

    ``settings`` are those of the registry, defaults filled in; ``seed`` is what the
    generator passed to ``fit`` was made from; ``texts`` count where the method reads them.
    """
    digest = hashlib.blake2b(digest_size=16)
    plain = {"format": FORMAT, "name": name, "settings": dict(settings), "seed": seed}
    about_items = {
        "title": items.title,
        "text": items.text,
        "genres": items.genres,
        "year": items.year,
        "attributes": dict(items.attributes),
    }
    digest.update(_json({**plain, "items": about_items}))
    for part in (train, valid):
        if part is None:
            digest.update(b"none;")
            continue
        digest.update(f"{part.n_users} {part.n_items};".encode())
        for array in (part.user, part.item, part.rating, part.timestamp):
            if array is None:
                digest.update(b"none;")
            else:
                _add(digest, array)
    if texts is not None:
        _add(digest, texts.items)
        _add(digest, texts.users)
    return digest.hexdigest()


def _add(digest: hashlib.blake2b, array: npt.NDArray[Any]) -> None:
    digest.update(f"{array.dtype.str} {array.shape};".encode())
    digest.update(np.ascontiguousarray(array).data)


def _json(value: object) -> bytes:
    """Equal values, equal bytes; a tuple counts as a list, a numpy number as a number."""
    return json.dumps(value, sort_keys=True, default=_plain).encode()


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot stand in JSON")


def fit_or_load(
    recommender: R,
    folder: Path,
    fit_key: str,
    *,
    train: Interactions,
    items: Items,
    valid: Interactions | None = None,
    rng: np.random.Generator,
    progress: Progress | None = None,
    texts: Texts | None = None,
) -> tuple[R, bool]:
    """The recommender ready to score, and whether it was loaded rather than fitted.

    Its ``report`` is that of the original fit either way. The folder is made when needed.
    """
    path = folder / f"{fit_key}.npz"
    if path.exists():
        try:
            state, report = load(path, fit_key)
            recommender.load_state(state)
        except _UNREADABLE as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            log.warning("%s: not a usable checkpoint (%s); training anew", path, reason)
        else:
            recommender.report = report
            return recommender, True
    fit(recommender, train, items, valid=valid, rng=rng, progress=progress, texts=texts)
    try:
        save(path, fit_key, recommender.state(), recommender.report)
    except OSError as error:
        log.warning("%s: checkpoint not saved (%s); the next run trains anew", path, error)
    return recommender, False


def fit(
    recommender: Recommender,
    train: Interactions,
    items: Items,
    *,
    valid: Interactions | None = None,
    rng: np.random.Generator,
    progress: Progress | None = None,
    texts: Texts | None = None,
) -> None:
    """Train; ``texts`` go to those that read them. Raises RecommenderError."""
    if isinstance(recommender, TextRecommender):
        recommender.fit(train, items, valid=valid, rng=rng, progress=progress, texts=texts)
    else:
        recommender.fit(train, items, valid=valid, rng=rng, progress=progress)


def save(path: Path, fit_key: str, state: State, report: Mapping[str, Any]) -> None:
    """Write a checkpoint in one move; arrays as npz, the rest as JSON inside it, no pickles."""
    about = _json({"format": FORMAT, "key": fit_key, "report": dict(report)})
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as file:
            arrays = {**state, _ABOUT: np.frombuffer(about, dtype=np.uint8)}
            np.savez(file, allow_pickle=False, **arrays)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def load(path: Path, fit_key: str) -> tuple[State, dict[str, Any]]:
    """State and report; ValueError, KeyError, OSError or BadZipFile where it is not ours.

    The archive's own checksums find damaged arrays.
    """
    # Opened here: numpy leaves its own handle open when the archive is broken.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        about = json.loads(stored[_ABOUT].tobytes())
        if not isinstance(about, dict) or (about["format"], about["key"]) != (FORMAT, fit_key):
            raise ValueError("it belongs to another fit")
        state = {name: stored[name] for name in stored.files if name != _ABOUT}
    return state, dict(about["report"])
