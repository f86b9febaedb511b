"""The names a scenario may use, and the way to a recommender of one's own.

A new method is one file and one line in :data:`CLASSES`; code outside this package joins
by "package.module:Class". Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from . import settings as _settings
from .interface import Recommender, RecommenderError
from .settings import Setting

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "random": "recommenders.random:Random",
        "popularity": "recommenders.popularity:Popularity",
        "random-of-popular": "recommenders.popularity:RandomOfPopular",
        "itemknn": "recommenders.itemknn:ItemKNN",
        "ease": "recommenders.ease:EASE",
        "mf": "recommenders.mf:MF",
        "multvae": "recommenders.multvae:MultVAE",
        "lightgcn": "recommenders.lightgcn:LightGCN",
        "gccf": "recommenders.graph_models.gccf:GCCF",
        "sgl": "recommenders.graph_models.sgl:SGL",
        "simgcl": "recommenders.graph_models.simgcl:SimGCL",
        "dccf": "recommenders.graph_models.dccf:DCCF",
        "autocf": "recommenders.graph_models.autocf:AutoCF",
        "rlmrec": "recommenders.text_models.rlmrec:RLMRec",
        "semantic": "recommenders.text_models.semantic:Semantic",
    }
)
NAMES: tuple[str, ...] = tuple(CLASSES)


@dataclass(frozen=True)
class Spec:
    """What ``audition list recommenders`` tells of one method."""

    name: str
    path: str
    doc: str
    adapts: str
    needs: frozenset[str]
    settings: tuple[Setting, ...]


def specs() -> tuple[Spec, ...]:
    """All registered methods, in the order of :data:`NAMES`; imports each of them."""
    return tuple(spec(name) for name in NAMES)


def spec(name: str) -> Spec:
    """One method's description, by registered name or by path."""
    found = find(name)
    doc = inspect.cleandoc(found.__doc__ or "").partition("\n")[0]
    path = f"{found.__module__}:{found.__qualname__}"
    return Spec(name, path, doc, found.adapts, found.needs, _settings.read(found))


def create(name: str, settings: Mapping[str, Any] | None = None) -> Recommender:
    """A new recommender, not yet fitted; its ``settings`` hold the defaults too.

    ``name`` is one of :data:`NAMES` or "package.module:Class". Raises RecommenderError
    for an unknown name or setting, a wrong type, or a value out of range.
    """
    found = find(name)
    try:
        filled = _settings.fill(_settings.read(found), settings or {})
        recommender = found(**filled)
    except RecommenderError as error:
        raise RecommenderError(f"recommender {name}: {error}") from error
    recommender.settings = filled
    return recommender


def find(name: str) -> type[Recommender]:
    """The class behind a registered name or a "package.module:Class" path."""
    path = CLASSES.get(name, name)
    module_name, colon, class_name = path.partition(":")
    if not (colon and module_name and class_name):
        hint = _settings.suggestion(name, NAMES)
        raise RecommenderError(
            f"recommender: found {name!r}; allowed: {', '.join(NAMES)}, "
            f"or package.module:Class{hint}"
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise RecommenderError(
            f"recommender {name}: module {module_name} cannot be imported ({error})"
        ) from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Recommender)):
        raise RecommenderError(
            f"recommender {name}: {class_name} in {module_name} is not a Recommender class"
        )
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise RecommenderError(f"recommender {name}: {class_name} lacks {missing}")
    return found
