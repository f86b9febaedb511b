"""Every figure of a report. Each panel is an image of its own, so that a page can lay
them out side by side or below one another."""

from __future__ import annotations

from .. import style
from . import browsing, comparisons, dual, feedback, opinions, steps, traits
from .drawing import Drawing, Subject

__all__ = ["Drawing", "Subject", "draw"]


def draw(subject: Subject) -> list[Drawing]:
    """All drawings for which the run has data, in reading order."""
    with style.look():
        return [
            drawing
            for part in (comparisons, dual, feedback, browsing, opinions, traits, steps)
            for drawing in part.draw(subject)
        ]
