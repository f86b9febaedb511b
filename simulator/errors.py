"""What can go wrong, and the exit code it ends with.

AuditionError            1  the run failed
  InputError             2  bad input: names file, key, found, allowed, fix
  BudgetError            3  stopped by a budget; resumable
"""

from __future__ import annotations


class AuditionError(Exception):
    """Shown to the user as one line; never as a traceback."""

    exit_code = 1


class InputError(AuditionError):
    """Bad input, told in one line.

    >>> print(InputError("x.yaml", key="seed", found="'a'", allowed="a whole number"))
    x.yaml: seed: found 'a'; allowed: a whole number
    """

    exit_code = 2

    def __init__(
        self,
        file: object,
        *,
        key: str | None = None,
        line: int | None = None,
        found: str | None = None,
        allowed: str | None = None,
        fix: str | None = None,
    ) -> None:
        where = f"{file}:{line}" if line is not None else str(file)
        parts = [where if key is None else f"{where}: {key}"]
        said = []
        if found is not None:
            said.append(f"found {found}")
        if allowed is not None:
            said.append(f"allowed: {allowed}")
        if fix is not None:
            said.append(f"fix: {fix}")
        super().__init__(": ".join(part for part in [*parts, "; ".join(said)] if part))


class BudgetError(AuditionError):
    """A budget would have been passed; what is finished is kept."""

    exit_code = 3
