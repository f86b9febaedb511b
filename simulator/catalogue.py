"""What can be named in a scenario, for ``audition list``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents import registry as agents_registry
    from recommenders import registry as recommenders_registry

    from .data import readers

Entry = dict[str, Any]
"""name, doc, and for things with settings: settings [{name, type, default}]."""


def listing(what: str) -> list[Entry]:
    """The registry behind ``what``: recommenders, metrics, datasets or response-models."""
    if what == "recommenders":
        from recommenders import registry as recommenders_registry

        return [*map(_with_settings, recommenders_registry.specs()), _oracle()]
    if what == "response-models":
        from agents import registry as agents_registry

        return [_with_settings(spec) for spec in agents_registry.specs()]
    if what == "datasets":
        from .data import readers

        return [_source(name, source) for name, source in readers.SOURCES.items()]
    from .evaluation import offline, simulated

    metrics = [*offline.described(), *simulated.described()]
    return [{"name": name, "doc": doc} for name, doc in metrics]


def render(entries: list[Entry]) -> str:
    """As text: a name and its line, then its settings with defaults, indented."""
    lines = []
    for entry in entries:
        lines.append(f"{entry['name']:<20} {entry['doc']}")
        for setting in entry.get("settings", ()):
            default = setting["default"]
            lines.append(f"{'':<20}   {setting['name']}: {setting['type']} = {default!r}")
    return "\n".join(lines)


def _with_settings(spec: recommenders_registry.Spec | agents_registry.Spec) -> Entry:
    settings = [{"name": s.name, "type": s.type, "default": s.default} for s in spec.settings]
    return {"name": spec.name, "doc": spec.doc, "settings": settings}


def _oracle() -> Entry:
    """Not in the registry, as recommenders know nothing of utility."""
    from recommenders import registry as recommenders_registry

    from . import oracle

    return _with_settings(replace(recommenders_registry.spec(oracle.PATH), name=oracle.NAME))


def _source(name: str, source: readers.Source) -> Entry:
    settings = [
        {"name": key, "type": option.allowed, "default": option.default}
        for key, option in source.options.items()
    ]
    return {"name": name, "doc": source.doc, "settings": settings}
