"""Audition's simulator: scenarios, worlds, the Mesa model, storage, evaluation, report.

``agents`` and ``recommenders`` are also import names of other distributions
(openai-agents, Microsoft Recommenders). An editable install beside one of those can
silently import the foreign package, so the siblings are checked here, before anything
of theirs is imported.
"""

from importlib.util import find_spec
from pathlib import Path

__version__ = "0.1.0"


def _guard_siblings() -> None:
    """Raise ImportError if ``agents`` or ``recommenders`` is somebody else's package."""
    home = Path(__file__).resolve().parent.parent
    for name in ("agents", "recommenders"):
        spec = find_spec(name)
        found = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if found != home / name:
            raise ImportError(
                f"the package {name!r} found at {found or 'no place'} is not Audition's "
                f"(expected {home / name}); another distribution (openai-agents, "
                "Microsoft recommenders, ...) claims the same name. "
                "Install Audition in an environment of its own: make install"
            )


_guard_siblings()
