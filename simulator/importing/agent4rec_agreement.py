"""How the parsed replies compare with the behaviour that was published beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agents.response.agent4rec_text import DOUBTS, ExitText, InterviewText, PageText

from .agent4rec_files import KINDS, Published


@dataclass
class Count:
    """``agree`` of ``n``."""

    agree: int = 0
    n: int = 0

    def add(self, same: bool) -> None:
        """One more."""
        self.agree, self.n = self.agree + same, self.n + 1

    def __str__(self) -> str:
        share = f" ({100 * self.agree / self.n:.2f} %)" if self.n else ""
        return f"{self.agree:,} of {self.n:,}{share}"


@dataclass(frozen=True)
class Difference:
    """A slot (from 1) whose watched or rating is read otherwise than it was published."""

    user: int
    page: int
    slot: int
    title: str
    flags: tuple[str, ...]
    read: tuple[bool | None, float | None]
    published: tuple[bool, float | None]


@dataclass
class Agreement:
    """``flags`` by kind of reply and of flag; ``slots`` all, where a slot of an unusable
    reply counts as differing unless it is certain; ``certain`` those of usable replies."""

    replies: Counter[str] = field(default_factory=Counter)
    usable: Counter[str] = field(default_factory=Counter)
    clean: Counter[str] = field(default_factory=Counter)
    flags: Counter[tuple[str, str]] = field(default_factory=Counter)
    slots: Count = field(default_factory=Count)
    certain: Count = field(default_factory=Count)
    exits: Count = field(default_factory=Count)
    interviews: Count = field(default_factory=Count)
    differences: list[Difference] = field(default_factory=list)


def agreement(run: Published) -> Agreement:
    """Counts over every reply of the run."""
    out = Agreement()
    last = dict(zip(run.user.tolist(), run.exit_page.tolist(), strict=True))
    score = dict(zip(run.user.tolist(), run.satisfaction.tolist(), strict=True))
    for (user, number), page in run.pages.items():
        _count(out, "page", page)
        _compare(out, run, user, number, page)
    for (user, number), told in run.exits.items():
        _count(out, "exit", told)
        # Who stays after the last page that there was is stopped by the limit.
        if told.leave is not None and (number < last[user] or told.leave):
            out.exits.add(told.leave == (number == last[user]))
    for (user, _), text in run.interviews.items():
        _count(out, "interview", text)
        if text.rating is not None:
            out.interviews.add(text.rating == score[user])
    return out


def _count(out: Agreement, kind: str, text: PageText | ExitText | InterviewText) -> None:
    out.replies[kind] += 1
    out.usable[kind] += text.usable
    out.clean[kind] += not text.flags
    out.flags.update((kind, flag) for flag in text.flags)


def _compare(out: Agreement, run: Published, user: int, number: int, page: PageText) -> None:
    shown = run.shown[user, number]
    for n, slot in enumerate(page.slots):
        read, published = (slot.watched, slot.rating), (shown.watched[n], shown.rating[n])
        out.slots.add(read == published)
        if page.usable:
            out.certain.add(read == published)
        if read != published:
            place = (user, number, n + 1, shown.title[n])
            out.differences.append(Difference(*place, page.flags, read, published))


def render(found: Agreement) -> str:
    """Plain text: replies, flags by kind, agreement, and every slot that differs in a
    usable reply."""
    rows: list[Sequence[object]] = [("reply", "all", "without a flag", "usable")]
    rows += [(kind, *(_n(part[kind]) for part in _parts(found))) for kind in KINDS]
    flags: list[Sequence[object]] = [("reply", "flag", "replies", "")]
    flags += [
        (kind, flag, _n(n), "unusable" if flag in DOUBTS else "noted")
        for (kind, flag), n in sorted(found.flags.items(), key=lambda e: (e[0][0], -e[1], e[0][1]))
    ]
    lines = [
        f"slots whose watched and rating are as published: {found.slots}",
        f"the same among usable replies: {found.certain}",
        f"exit replies that say what the visit did: {found.exits}",
        f"interview scores as published: {found.interviews}",
    ]
    differing = [d for d in found.differences if not DOUBTS.keys() & set(d.flags)]
    lines += [
        f"differs: user {d.user}, page {d.page}, slot {d.slot}, {d.title}: "
        f"read {_said(*d.read)}, published {_said(*d.published)}"
        for d in differing
    ]
    return "\n".join([*_table(rows), "", *_table(flags), "", *lines])


def _parts(found: Agreement) -> tuple[Mapping[str, int], ...]:
    return found.replies, found.clean, found.usable


def _n(number: int) -> str:
    return f"{number:,}"


def _said(watched: bool | None, rating: float | None) -> str:
    seen = "uncertain" if watched is None else "watched" if watched else "not watched"
    return seen if rating is None else f"{seen}, {rating:g}"


def _table(rows: Sequence[Sequence[object]]) -> list[str]:
    widths = [max(len(str(row[n])) for row in rows) for n in range(len(rows[0]))]
    return [
        "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
