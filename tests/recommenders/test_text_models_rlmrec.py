"""RLMRec and profiles alone as recommenders: settings, luck, what stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recommenders import registry
from recommenders.interface import FloatArray, RecommenderError, Texts
from recommenders.text_models.published import PUBLISHED, BackboneName, Variant
from recommenders.text_models.rlmrec import BACKBONES, RLMRec
from recommenders.text_models.semantic import Semantic
from tests.recommenders import worlds

TRAIN = worlds.small_world()
ITEMS = worlds.plain_items(TRAIN.n_items)
TEXTS = worlds.texts(TRAIN)
SMALL: dict[str, Any] = {"dim": 8, "epochs_without_validation": 3, "batch_size": 64}
SMALL_OF: dict[str, dict[str, Any]] = {
    **dict.fromkeys(BACKBONES, SMALL),
    "dccf": {**SMALL, "intents": 4},
    "autocf": {**SMALL, "seeds": 2},
}

every_backbone = pytest.mark.parametrize("backbone", list(BACKBONES))


def fitted(texts: Texts = TEXTS, seed: int = 5, **settings: Any) -> RLMRec:
    backbone = settings.get("backbone", "lightgcn")
    given = {"backbone_settings": SMALL_OF[backbone], **settings}
    made = registry.create("rlmrec", given)
    assert isinstance(made, RLMRec)
    return made.fit(TRAIN, ITEMS, rng=np.random.default_rng(seed), texts=texts)


def alone(model: RLMRec, seed: int = 5) -> FloatArray:
    """The scores of the backbone that this one has, fitted without profiles."""
    base = BACKBONES[model.backbone](**model.model.settings)
    base.fit(TRAIN, ITEMS, rng=np.random.default_rng(seed))
    return base.scores(worlds.query(TRAIN))


@every_backbone
def test_without_weight_con_is_the_backbone_bit_for_bit(backbone: BackboneName) -> None:
    model = fitted(variant="con", backbone=backbone, weight=0.0)
    np.testing.assert_array_equal(model.scores(worlds.query(TRAIN)), alone(model))
    other = fitted(variant="con", backbone=backbone, weight=0.5)
    assert not np.array_equal(other.scores(worlds.query(TRAIN)), alone(model))


@every_backbone
@pytest.mark.parametrize("variant", ["con", "gen"])
def test_without_profiles_it_is_the_backbone_bit_for_bit(
    backbone: BackboneName, variant: Variant
) -> None:
    nothing = Texts(np.zeros_like(TEXTS.items), np.zeros_like(TEXTS.users))
    model = fitted(nothing, variant=variant, backbone=backbone)
    np.testing.assert_array_equal(model.scores(worlds.query(TRAIN)), alone(model))
    assert model.report["with_profile"] == {"users": 0, "items": 0}


@every_backbone
def test_with_next_to_nothing_hidden_gen_is_nearly_the_backbone(backbone: BackboneName) -> None:
    few = fitted(variant="gen", backbone=backbone, weight=0.0, masked=1e-6)
    many = fitted(variant="gen", backbone=backbone, weight=0.0, masked=0.5)
    base = alone(few)
    away = [
        np.linalg.norm(model.scores(worlds.query(TRAIN)) - base) / np.linalg.norm(base)
        for model in (few, many)
    ]
    assert 0 < away[0] < away[1]


@every_backbone
@pytest.mark.parametrize("variant", ["con", "gen"])
def test_every_pair_trains_with_its_published_settings(
    backbone: BackboneName, variant: Variant
) -> None:
    model = fitted(variant=variant, backbone=backbone)
    published = PUBLISHED[variant, backbone]
    report = model.report
    assert (report["weight"], report["temperature"]) == (published.weight, published.temperature)
    assert report["masked"] == published.masked
    for name, value in {**published.backbone, **SMALL_OF[backbone]}.items():
        assert report["backbone_settings"][name] == value
    assert report["with_profile"] == {"users": TRAIN.n_users - 1, "items": TRAIN.n_items - 1}
    assert report["epochs"] == 3


def test_shuffled_profiles_change_the_result_and_no_other_luck() -> None:
    asked = worlds.query(TRAIN)
    own, other = (fitted(profiles=whose, weight=0.5) for whose in ("own", "shuffled"))
    assert not np.array_equal(own.scores(asked), other.scores(asked))
    alike = Texts(np.ones((TRAIN.n_items, 2), np.float32), np.ones((TRAIN.n_users, 2), np.float32))
    for variant in ("con", "gen"):
        own, other = (
            fitted(alike, variant=variant, profiles=whose) for whose in ("own", "shuffled")
        )
        np.testing.assert_array_equal(own.scores(asked), other.scores(asked))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"variant": "both"}, "variant: found 'both'; allowed: one of con, gen"),
        ({"backbone": "mf"}, "backbone: found 'mf'; allowed: one of gccf, lightgcn"),
        ({"weight": -1}, "weight: found -1.0; allowed: 0 or more"),
        ({"temperature": 0}, "temperature: found 0.0; allowed: 0.01 or more"),
        ({"masked": 0.1}, "masked: found 0.1; allowed: nothing with variant con"),
        ({"variant": "gen", "masked": 0}, "masked: found 0.0; allowed: above 0, at most 1"),
        ({"profiles": "none"}, "profiles: found 'none'; allowed: one of own, shuffled"),
        ({"backbone_settings": 3}, "found 3; allowed: a mapping (text to anything), or nothing"),
        ({"backbone_settings": {1: 2}}, "allowed: a mapping (text to anything), or nothing"),
        ({"backbone_settings": {"dims": 2}}, "backbone_settings: dims: found an unknown setting"),
        ({"backbone_settings": {"dim": 0}}, "backbone_settings: dim: found 0; allowed: 1 or more"),
        ({"backbone_settings": {"dim": "a"}}, "dim: found 'a'; allowed: a whole number"),
        ({"backbone_settings": {"ssl": 1}}, "backbone_settings: ssl: found an unknown setting"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RecommenderError) as caught:
        registry.create("rlmrec", settings)
    assert str(caught.value).startswith("recommender rlmrec: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


# --- profiles alone -------------------------------------------------------------------


def test_semantic_is_the_cosine_of_profiles_and_popularity_for_those_without() -> None:
    """User 1 has a training item but no profile, user 2 a profile but no training item."""
    train = worlds.interactions([[0, 1], [1], []], 3)
    items = np.array([[1, 0], [0.6, 0.8], [0, 0]], dtype=np.float32)
    users = np.array([[0, 1], [0, 0], [1, 0]], dtype=np.float32)
    model = Semantic().fit(
        train, worlds.plain_items(3), rng=np.random.default_rng(0), texts=Texts(items, users)
    )
    expected = np.array([[0, 0.8, 0], [1, 2, 0], [1, 2, 0]], dtype=np.float32)
    np.testing.assert_allclose(model.scores(worlds.query(train)), expected, rtol=1e-6)
    assert model.report == {"with_profile": {"users": 2, "items": 2}}


def test_texts_of_another_world_are_refused() -> None:
    with pytest.raises(RecommenderError, match="found 30 users and 24 items"):
        fitted(Texts(TEXTS.items[1:], TEXTS.users))
