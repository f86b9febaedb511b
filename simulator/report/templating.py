"""How every page is made from its template: escaped text, no name left out by mistake."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .wording import clean


def environment(loader: BaseLoader) -> Environment:
    """Text is escaped, a name that is not given is an error, ``clean`` is a filter."""
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["clean"] = clean
    return made


def self_contained(folder: Path, template: str, style: str, /, **values: Any) -> str:
    """The page of a template in ``folder``, which gets ``style``, CSS of ours alone, and its
    ``style_hash`` for the content security policy beside ``values``."""
    return (
        environment(FileSystemLoader(folder))
        .get_template(template)
        .render(
            **values,
            style=Markup(style),
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii"),
        )
    )
