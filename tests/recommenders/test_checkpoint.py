"""A second run trains nothing; a file that cannot be used costs a warning, not the run."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from recommenders import checkpoint
from recommenders.ease import EASE
from recommenders.interface import (
    Interactions,
    Items,
    Progress,
    RecommenderError,
    TextRecommender,
    Texts,
    checked_texts,
)
from tests.recommenders import worlds

TRAIN, VALID = worlds.small_world(), worlds.small_world(seed=4)
ITEMS = worlds.plain_items(TRAIN.n_items)
SETTINGS: dict[str, Any] = {"l2": 500.0, "l2_grid": None}
TEXTS = Texts(
    np.eye(TRAIN.n_items, 40, dtype=np.float32), np.eye(TRAIN.n_users, 40, dtype=np.float32)
)
KEY = checkpoint.key(TRAIN, VALID, ITEMS, "ease", SETTINGS, 7)


class Counted(EASE):
    """EASE that counts its fits."""

    fits = 0

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Counted:
        self.fits += 1
        return super().fit(train, items, valid=valid, rng=rng, progress=progress)


def obtain(folder: Path, key: str = KEY) -> tuple[Counted, bool]:
    return checkpoint.fit_or_load(
        Counted(), folder, key, train=TRAIN, items=ITEMS, valid=VALID, rng=np.random.default_rng(7)
    )


def test_the_second_run_trains_nothing_and_scores_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    first, loaded_first = obtain(folder)
    second, loaded_second = obtain(folder)
    assert (loaded_first, first.fits) == (False, 1)
    assert (loaded_second, second.fits) == (True, 0)
    asked = worlds.query(TRAIN)
    np.testing.assert_array_equal(first.scores(asked), second.scores(asked))
    assert dict(second.report) == dict(first.report)
    assert [path.name for path in folder.iterdir()] == [f"{KEY}.npz"]


def test_equal_inputs_equal_keys_also_in_another_process() -> None:
    again = checkpoint.key(
        worlds.small_world(),
        worlds.small_world(seed=4),
        worlds.plain_items(TRAIN.n_items),
        "ease",
        {"l2_grid": None, "l2": 500.0},
        7,
    )
    assert again == KEY
    code = (
        "from recommenders.checkpoint import key; from tests.recommenders import worlds; "
        "print(key(worlds.small_world(), worlds.small_world(seed=4), worlds.plain_items(25), "
        "'ease', {'l2': 500.0, 'l2_grid': None}, 7))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == KEY


def _with(part: Interactions, **changes: Any) -> Interactions:
    return replace(part, **changes)


CHANGED: dict[str, tuple[Any, ...]] = {
    "an item number": (
        _with(TRAIN, item=np.where(np.arange(len(TRAIN)) == 3, 24, TRAIN.item)),
        *(VALID, ITEMS, "ease", SETTINGS, 7),
    ),
    "ratings": (
        _with(TRAIN, rating=np.ones(len(TRAIN), dtype=np.float32)),
        *(VALID, ITEMS, "ease", SETTINGS, 7),
    ),
    "timestamps": (
        _with(TRAIN, timestamp=np.ones(len(TRAIN), dtype=np.int64)),
        *(VALID, ITEMS, "ease", SETTINGS, 7),
    ),
    "users without interactions": (
        _with(TRAIN, n_users=TRAIN.n_users + 1),
        *(VALID, ITEMS, "ease", SETTINGS, 7),
    ),
    "validation": (TRAIN, TRAIN, ITEMS, "ease", SETTINGS, 7),
    "no validation": (TRAIN, None, ITEMS, "ease", SETTINGS, 7),
    "parts swapped": (VALID, TRAIN, ITEMS, "ease", SETTINGS, 7),
    "a title": (
        *(TRAIN, VALID, replace(ITEMS, title=("Other", *ITEMS.title[1:]))),
        *("ease", SETTINGS, 7),
    ),
    "an attribute": (
        *(TRAIN, VALID, replace(ITEMS, attributes={"brand": ("b",) * len(ITEMS)})),
        *("ease", SETTINGS, 7),
    ),
    "the name": (TRAIN, VALID, ITEMS, "itemknn", SETTINGS, 7),
    "a setting": (TRAIN, VALID, ITEMS, "ease", {**SETTINGS, "l2": 501.0}, 7),
    "the seed": (TRAIN, VALID, ITEMS, "ease", SETTINGS, 8),
    "texts": (TRAIN, VALID, ITEMS, "ease", SETTINGS, 7, TEXTS),
    "texts with other owners": (
        *(TRAIN, VALID, ITEMS, "ease", SETTINGS, 7),
        Texts(TEXTS.items, TEXTS.users[::-1]),
    ),
}


@pytest.mark.parametrize("what", CHANGED)
def test_every_input_is_in_the_key(what: str) -> None:
    assert checkpoint.key(*CHANGED[what]) != KEY


def test_no_two_of_them_share_a_key() -> None:
    assert len({checkpoint.key(*given) for given in CHANGED.values()}) == len(CHANGED)


def test_the_format_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
    assert checkpoint.key(TRAIN, VALID, ITEMS, "ease", SETTINGS, 7) != KEY


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def _write_text(path: Path) -> None:
    path.write_text("hello")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _save_foreign_arrays(path: Path) -> None:
    np.savez(path, weights=np.ones(3))


def _save_pickles(path: Path) -> None:
    np.savez(path, weights=np.array([{"a": 1}], dtype=object), allow_pickle=True)


def _save_other_json(path: Path) -> None:
    arrays: dict[str, Any] = {"about.json": np.frombuffer(b"[1]", dtype=np.uint8)}
    np.savez(path, **arrays)


def _save_broken_json(path: Path) -> None:
    arrays: dict[str, Any] = {"about.json": np.frombuffer(b"\xff{", dtype=np.uint8)}
    np.savez(path, **arrays)


def _save_another_fit(path: Path) -> None:
    other = EASE().fit(VALID, ITEMS, rng=np.random.default_rng(0))
    checkpoint.save(path, "0" * 32, other.state(), other.report)


def _save_too_little(path: Path) -> None:
    checkpoint.save(path, KEY, {"other": np.ones(3)}, {})


DAMAGES = (
    _cut_off,
    _flip_a_byte,
    _write_text,
    _empty,
    _save_foreign_arrays,
    _save_pickles,
    _save_other_json,
    _save_broken_json,
    _save_another_fit,
    _save_too_little,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_cannot_be_used_is_replaced_after_one_warning(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = obtain(tmp_path)
    path = tmp_path / f"{KEY}.npz"
    damage(path)
    with caplog.at_level(logging.WARNING):
        second, loaded = obtain(tmp_path)
    assert not loaded
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    text = caplog.messages[0]
    assert text.startswith(f"{path}: not a usable checkpoint (")
    assert text.endswith("); training anew")
    assert "\n" not in text
    asked = worlds.query(TRAIN)
    np.testing.assert_array_equal(second.scores(asked), first.scores(asked))
    assert obtain(tmp_path)[1], "the damaged file was not replaced"


def test_a_fit_that_cannot_be_saved_still_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    folder.write_text("a file stands here")
    made, loaded = obtain(folder)
    assert (loaded, made.fits) == (False, 1)
    assert "checkpoint not saved" in caplog.messages[0]


def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    made, loaded = obtain(tmp_path)
    assert (loaded, made.fits) == (False, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_fit_is_not_hidden_and_saves_nothing(tmp_path: Path) -> None:
    broken = Counted(l2_grid=(5.0,))
    with pytest.raises(Exception, match="l2_grid: found no validation data"):
        checkpoint.fit_or_load(
            broken, tmp_path, KEY, train=TRAIN, items=ITEMS, rng=np.random.default_rng(7)
        )
    assert list(tmp_path.iterdir()) == []


def test_numpy_numbers_in_a_report_become_plain(tmp_path: Path) -> None:
    report = {"best": np.float32(0.5), "epoch": np.int64(3), "curve": [np.float64(1.0)]}
    checkpoint.save(tmp_path / "a.npz", "k", {}, report)
    assert checkpoint.load(tmp_path / "a.npz", "k") == (
        {},
        {"best": 0.5, "epoch": 3, "curve": [1.0]},
    )


class Reading(EASE, TextRecommender):
    """Keeps the texts it is given."""

    given: Texts | None = None

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
        texts: Texts | None = None,
    ) -> Self:
        self.given = checked_texts(texts, train)
        return super().fit(train, items, valid=valid, rng=rng, progress=progress)


def test_texts_go_to_those_that_read_them_and_to_nobody_else() -> None:
    reading, deaf = Reading(), EASE()
    for one in (reading, deaf):
        checkpoint.fit(one, TRAIN, ITEMS, rng=np.random.default_rng(7), texts=TEXTS)
    assert reading.given is TEXTS
    asked = worlds.query(TRAIN)
    np.testing.assert_array_equal(reading.scores(asked), deaf.scores(asked))


def test_missing_texts_and_those_of_others_are_refused() -> None:
    with pytest.raises(RecommenderError, match="texts: found none; allowed: vectors"):
        checkpoint.fit(Reading(), TRAIN, ITEMS, rng=np.random.default_rng(7))
    few = Texts(TEXTS.items[1:], TEXTS.users)
    with pytest.raises(RecommenderError, match="found 30 users and 24 items; allowed: 30 and 25"):
        checkpoint.fit(Reading(), TRAIN, ITEMS, rng=np.random.default_rng(7), texts=few)
    with pytest.raises(ValueError, match="do not match"):
        Texts(TEXTS.items, TEXTS.users[:, 1:])
