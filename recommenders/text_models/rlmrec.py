"""RLMRec: a graph model that profiles teach, as a recommender with its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from .. import settings as _settings
from ..factors import Factors
from ..graph_models.autocf import AutoCF
from ..graph_models.base import Backbone, GraphModel, require_share, require_temperature
from ..graph_models.dccf import DCCF
from ..graph_models.gccf import GCCF
from ..graph_models.lightgcn import SumLightGCN
from ..graph_models.sgl import SGL
from ..graph_models.simgcl import SimGCL
from ..interface import (
    Interactions,
    Items,
    Progress,
    RecommenderError,
    TextRecommender,
    Texts,
    checked_texts,
)
from ..settings import require
from .alignment import Con, Gen
from .profiles import Profiles, shuffled
from .published import PUBLISHED, BackboneName, Variant

BACKBONES: Mapping[BackboneName, type[GraphModel]] = {
    "gccf": GCCF,
    "lightgcn": SumLightGCN,
    "sgl": SGL,
    "simgcl": SimGCL,
    "dccf": DCCF,
    "autocf": AutoCF,
}


@dataclass(eq=False)
class RLMRec(Factors, TextRecommender):
    """A graph model whose vectors are aligned with profiles' (RLMRec, Ren et al. 2024).

    variant: con draws vectors to their profiles, gen has hidden nodes tell theirs. backbone:
    the graph model. weight: of the term. temperature: the term's. masked: share of hidden
    nodes, gen only. Nothing stands for the published value of this variant and backbone.
    profiles: shuffled gives every profile to another owner, as a control that must gain
    nothing. backbone_settings: the graph model's own, in place of the published ones.
    """

    variant: Variant = "con"
    backbone: BackboneName = "lightgcn"
    weight: float | None = None
    temperature: float | None = None
    masked: float | None = None
    profiles: Literal["own", "shuffled"] = "own"
    backbone_settings: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        published = PUBLISHED[self.variant, self.backbone]
        self._weight = published.weight if self.weight is None else self.weight
        require(self._weight >= 0, "weight", self._weight, "0 or more")
        given = published.temperature if self.temperature is None else self.temperature
        require_temperature("temperature", given)
        self._temperature = given
        if self.variant == "con":
            require(self.masked is None, "masked", self.masked, "nothing with variant con")
        self._masked = published.masked if self.masked is None else self.masked
        if self._masked is not None:
            require_share("masked", self._masked)
        self.model = self._backbone({**published.backbone, **(self.backbone_settings or {})})

    def _backbone(self, given: Mapping[str, Any]) -> GraphModel:
        """The graph model with these settings, checked, and its defaults."""
        found = BACKBONES[self.backbone]
        try:
            filled = _settings.fill(_settings.read(found), given)
            model = found(**filled)
        except RecommenderError as error:
            raise RecommenderError(f"backbone_settings: {error}") from error
        model.settings = filled
        return model

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
        found = checked_texts(texts, train)
        # Children, so that the backbone's luck is that of the backbone alone, and the
        # control's that of its original.
        of_term, of_owners = rng.spawn(2)
        if self.profiles == "shuffled":
            found = shuffled(found, of_owners)
        self.model.fit_around(
            lambda backbone: self._around(backbone, found, of_term), train, valid, rng, progress
        )
        self.load_state(self.model.state())
        self.report = {**self.model.report, **self._about(found)}
        return self

    def _around(self, backbone: Backbone, texts: Texts, rng: np.random.Generator) -> Backbone:
        """The backbone with this variant's term."""
        profiles = Profiles.of(texts, backbone.device)
        weight, temperature = self._weight, self._temperature
        if self._masked is not None:
            masked = self._masked
            return Gen(
                backbone, profiles, rng, weight=weight, temperature=temperature, masked=masked
            )
        negatives = self.backbone != "autocf"  # whose own loss has none either
        return Con(
            backbone, profiles, rng, weight=weight, temperature=temperature, negatives=negatives
        )

    def _about(self, texts: Texts) -> dict[str, Any]:
        """For the report: the settings that were in force, and how many have a profile."""
        there = {
            side: int(vectors.any(axis=1).sum())
            for side, vectors in (("users", texts.users), ("items", texts.items))
        }
        return {
            "weight": self._weight,
            "temperature": self._temperature,
            "masked": self._masked,
            "backbone_settings": dict(self.model.settings),
            "with_profile": there,
        }
