"""How the figures of a fidelity document are laid out: tests, tables in them, groups of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..report.wording import DASH

QUESTIONS = {
    "taste": "Does an agent, luck aside, tell its user's held-out items from others?",
    "taste, with luck": "And with its luck?",
    "taste, own yes": "And by its own yes or no?",
    "ratings": "Does it rate them as its user did?",
    "traits": "Do higher levels do more of what a trait says?",
    "slots": "Is what is watched a matter of the item or of its place?",
    "sessions": "When do agents leave, and does relevance satisfy them?",
    "memory": "Does an agent use what it saw before?",
    "retrieval": "Does a memory with many entries give back the one that matters?",
    "llm run": "Does it answer a published run's pages as its language model did?",
}

BRIEF = {"taste": ("accuracy", "f1"), "taste, with luck": ("f1",), "taste, own yes": ("f1",)}
"""Of tests with many figures, those that are told first (all that the terminal tells)."""

WORDS = {
    "f1": "F1",
    "auc": "AUC",
    "rmse": "RMSE",
    "mae": "MAE",
    "pearson": "Pearson",
    "kolmogorov-smirnov": "Kolmogorov-Smirnov",
    "wasserstein": "Wasserstein, points",
}
TRUTHS = ("published", "people")
"""What stands beside a figure and is what it should be, not a trivial rival."""

Measure = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """``beside`` as many texts as the table has columns for it; ``lead`` the best of the value
    (0) and of what is beside it (from 1), None where none is better than others."""

    label: str
    value: str
    interval: str
    n: str
    beside: tuple[str, ...]
    lead: int | None


@dataclass(frozen=True)
class Group:
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """Groups that have the same ``columns`` beside each value."""

    columns: tuple[str, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Section:
    """One test: what is told first, and ``more`` of it."""

    test: str
    question: str
    tables: tuple[Table, ...]
    more: tuple[Table, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """The test's name as a heading.

        >>> Section("llm run", "", (), (), ()).title, Section("taste", "", (), (), ()).title
        ('LLM run', 'Taste')
        """
        return "LLM run" if self.test == "llm run" else self.test[:1].upper() + self.test[1:]

    @property
    def rest(self) -> int:
        """How many figures only ``more`` has."""
        return sum(len(group.rows) for table in self.more for group in table.groups)


def sections(document: Mapping[str, Any]) -> list[Section]:
    """Tests in the order in which they were first made."""
    by_test: dict[str, list[Measure]] = {}
    for one in document["measures"]:
        by_test.setdefault(one["test"], []).append(one)
    out = []
    for test, measures in by_test.items():
        brief = [one for one in measures if one["name"] in BRIEF.get(test, (one["name"],))]
        rest = [one for one in measures if one not in brief]
        notes = tuple(dict.fromkeys(_note(one) for one in measures if one["note"]))
        said = QUESTIONS.get(test, test)
        out.append(Section(test, said, tuple(_tables(brief)), tuple(_tables(rest)), notes))
    return out


def cell(value: Any) -> str:
    """A value in three digits; a dash where there is none."""
    if value is None:
        return DASH
    return f"{value:.3f}".replace("-", "−") if isinstance(value, float) else str(value)


def _note(one: Measure) -> str:
    return f"{_placed(one)[1]}: {one['note']}."


def _tables(measures: Sequence[Measure]) -> Iterator[Table]:
    groups: dict[str, list[Measure]] = {}
    for one in measures:
        groups.setdefault(_placed(one)[0], []).append(one)
    tables: dict[tuple[str, ...], list[Group]] = {}
    for title, ones in groups.items():
        columns = _columns(ones)
        rows = tuple(_row(one, columns) for one in ones)
        tables.setdefault(columns, []).append(Group(title, rows))
    for columns, found in tables.items():
        yield Table(columns, tuple(found))


def _columns(measures: Sequence[Measure]) -> tuple[str, ...]:
    """A column for each baseline where the group's figures have much the same ones; else one
    for whatever each has."""
    names = list(dict.fromkeys(b["name"] for one in measures for b in one["baselines"]))
    most = max(len(one["baselines"]) for one in measures)
    return tuple(names) if len(names) <= most else ("beside",)


def _row(one: Measure, columns: tuple[str, ...]) -> Row:
    low, high = one["low"], one["high"]
    there = {b["name"]: b["value"] for b in one["baselines"]}
    if columns == ("beside",):
        beside: tuple[str, ...] = (", ".join(f"{k} {cell(value)}" for k, value in there.items()),)
    else:
        beside = tuple(cell(there[name]) if name in there else "" for name in columns)
    return Row(
        label=_placed(one)[1],
        value=cell(one["value"]),
        interval="" if low is None or high is None else f"{cell(low)} to {cell(high)}",
        n=f"{one['n']:,}",
        beside=beside,
        lead=None if columns == ("beside",) else _lead(one, columns),
    )


def _lead(one: Measure, columns: tuple[str, ...]) -> int | None:
    there = {b["name"]: b["value"] for b in one["baselines"]}
    rivals = {"": one["value"]} | {n: v for n, v in there.items() if n not in TRUTHS}
    known = {name: one["better"] * v for name, v in rivals.items() if v is not None}
    if one["better"] == 0 or "" not in known or len(known) < 2:
        return None
    best = max(known, key=lambda name: known[name])
    return 0 if best == "" else 1 + columns.index(best)


def _placed(one: Measure) -> tuple[str, str]:
    """In which group of its test a figure stands, and as what.

    >>> _placed({"test": "taste", "name": "f1", "case": "1:9, even"})
    ('F1', '1:9, even')
    >>> _placed({"test": "slots", "name": "watch rate", "case": "ranked, slot 2"})
    ('watch rate, ranked', 'slot 2')
    """
    test, case, figure = str(one["test"]), str(one["case"]), str(one["name"])
    name = WORDS.get(figure, figure)
    if test.startswith("taste"):
        return name, case
    head, _, tail = name.partition(": ")
    if tail:  # "genre entropy: diversity 3 minus 1"
        return (f"{head}, {case}" if case else head), tail
    first, _, last = case.partition(", ")
    if name == "watch rate" and last:
        return f"{name}, {first}", last
    if name == "reach":
        return f"agents who reach a page, {last}", first
    if name == "share":
        return "ratings: share of each mark", case
    if name == "exit hazard":
        return "agents who leave, of those on the page", case
    if name.startswith("variance explained"):
        return f"variance of watching, {case}", name
    if test == "ratings":
        return case or "distribution of marks", name
    return case or name, name
