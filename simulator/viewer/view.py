"""What every page is made of: the store, the templates, the words of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader

from .. import __version__
from ..errors import AuditionError
from ..report.templating import environment
from ..report.wording import DASH, clean, number, wording
from ..storage.store import Store
from .index import Index
from .links import Links
from .live import Feeds
from .security import FIELD
from .work import Work

_HERE = Path(__file__).parent
STATIC = _HERE / "static"

LONG = 2_000
"""Characters of one text on a page that has many."""


class NotThere(Exception):
    """What was asked for does not exist; the text says what, for the page that says so."""


@dataclass(frozen=True, eq=False)
class View:
    """A store as the viewer sees it. ``index`` is the viewer's own, kept beside it."""

    store: Store
    index: Index
    links: Links = field(default_factory=Links)

    _file: tuple[int, int] | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_file", _identity(self.store))

    def check(self) -> None:
        """Raises AuditionError where the store's file is gone or another one: what is open
        still answers, but nobody else sees what is written to it."""
        if (now := _identity(self.store)) != self._file:
            what = "is gone" if now is None else "is another file than when the viewer began"
            raise AuditionError(f"{self.store.name} {what}. Start the viewer anew.")

    @cached_property
    def work(self) -> Work:
        """What is done in the background."""
        return Work(self.store, self.index)

    @cached_property
    def feeds(self) -> Feeds:
        """How far running runs are."""
        return Feeds(self.store)

    @cached_property
    def templates(self) -> Environment:
        """Text is escaped, a name that is not given is an error."""
        reports = PrefixLoader({"report": FileSystemLoader(_HERE.parent / "report")})
        made = environment(ChoiceLoader([FileSystemLoader(_HERE / "templates"), reports]))
        made.filters |= {
            "lines": lines,
            "cut": cut,
            "number": _number,
            "short": lambda metric: wording(metric).short,
            "label": lambda metric: wording(metric).label,
            "thousands": lambda value: DASH if value is None else f"{value:,}",
        }
        made.globals |= {"DASH": DASH, "version": __version__, FIELD: ""}
        return made

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """A page; ``context`` must hold what its template names."""
        return self.templates.get_template(template).render(
            {"links": self.links, "store_name": self.store.name, **context}
        )


def _identity(store: Store) -> tuple[int, int] | None:
    """Which file it is; None where it is none, or gone."""
    url = store.engine.url
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    try:
        found = Path(str(url.database)).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def lines(text: object) -> str:
    """Text from data of several lines, each made safe to show.

    >>> lines("one\\ntwo\\x1b")
    'one\\ntwo�'
    """
    return "\n".join(clean(line) for line in str(text).split("\n"))


def cut(text: object, most: int = LONG) -> str:
    """Text from data for a page, safe to show and no longer than ``most`` characters; what was
    cut is said. Downloads hold it whole.

    >>> cut("a" * 5, most=3)
    'aaa… (5 characters in all)'
    """
    whole = str(text)
    if len(whole) <= most:
        return lines(whole)
    return f"{lines(whole[:most])}… ({len(whole):,} characters in all)"


def _number(value: float | None, digits: int = 2) -> str:
    return DASH if value is None else number(value, digits)
