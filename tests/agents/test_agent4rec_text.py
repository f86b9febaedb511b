"""Replies in Agent4Rec's text format: what is certain is read, what is not is flagged."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.response.agent4rec_fields import number
from agents.response.agent4rec_text import (
    DOUBTS,
    NOTES,
    PageText,
    complaint,
    read_exit,
    read_interview,
    read_page,
)
from agents.response.agent4rec_titles import Match, Shown

TITLES = (
    "Lion King, The (1994)",
    "Misérables, Les (1995)",
    "Star Wars: Episode V - The Empire Strikes Back (1980)",
    "Lock, Stock & Two Smoking Barrels (1998)",
)

GOOD = """MOVIE: Lion King, The (1994); ALIGN: Yes; REASON: Lions.
MOVIE: Misérables, Les (1995); ALIGN: No; REASON: Too sad; and long.
MOVIE: Star Wars: Episode V - The Empire Strikes Back (1980); ALIGN: No; REASON: Space.
MOVIE: Lock, Stock & Two Smoking Barrels (1998); ALIGN: Yes; REASON: Wit.

NUM: 2; WATCH: Lion King, The (1994), Lock, Stock & Two Smoking Barrels (1998); REASON: Both fit.

MOVIE: Lion King, The (1994); RATING: 4; FEELING: Moved.
MOVIE: Lock, Stock & Two Smoking Barrels (1998); RATING: 5; FEELING: Thrilled.
"""


def judged(watch: str, *ratings: str) -> PageText:
    """A page whose judgements are as asked for, with this choice and these ratings."""
    lines = GOOD.split("\n\n")[0].splitlines()
    return read_page("\n".join([*lines, watch, *ratings]), TITLES)


def test_a_reply_as_asked_for_is_read_whole() -> None:
    page = read_page(GOOD, TITLES)
    assert page.flags == ()
    assert page.usable
    assert page.complete
    assert [slot.aligned for slot in page.slots] == [True, False, False, True]
    assert [slot.watched for slot in page.slots] == [True, False, False, True]
    assert [slot.rating for slot in page.slots] == [4.0, None, None, 5.0]
    assert page.slots[1].reason == "Too sad; and long."
    assert page.slots[3].feeling == "Thrilled."
    assert (page.number, page.reason) == (2, "Both fit.")


def test_other_layouts_say_the_same() -> None:
    numbered = "\n".join(
        f"{n}. {line}" if line.startswith("MOVIE") else line
        for n, line in enumerate(GOOD.splitlines(), 1)
    )
    one_field_a_line = GOOD.replace("; ", "\n").replace("sad\nand", "sad; and")
    bold = GOOD.replace("MOVIE:", "**Movie:**")
    noted = GOOD + "\n(Note: I leave after two films. RATING: none)\nThank you!"
    for text in (numbered, one_field_a_line, bold, noted, GOOD.replace("\n", "\r\n")):
        page = read_page(text, TITLES)
        assert page.complete
        assert [slot.rating for slot in page.slots] == [4.0, None, None, 5.0]


@pytest.mark.parametrize(
    ("written", "slot"),
    [
        ("Lion King, The (1994)", 0),
        ("the lion king", 0),
        ('"The Lion King (1994)"', 0),
        ("Lion King", 0),
        ("The Lion King, The", 0),
        ("Lion King, The (1995)", None),  # another film
        ("Les Miserables", 1),
        ("Misï¿½rables, Les (1995)", 1),
        ("MisÃ©rables, Les", 1),
        ("Star Wars", None),
        ("Star Wars: Episode V", 2),
        ("Star Wars: Episode V - The Emp...", 2),
        ("Star Wars: Episode V - The Emp", None),
        ("Lock, Stock and Two Smoking Barrels", 3),
        ("Lock", 3),
        ("The", None),
        ("Bambi", None),
        ("", None),
        ("(1994)", None),
    ],
)
def test_titles(written: str, slot: int | None) -> None:
    match = Shown(TITLES).find(written)
    assert (match.slot, match.ambiguous) == (slot, False)


def test_two_fitting_titles_are_never_decided() -> None:
    shown = Shown(["Psycho (1960)", "Psycho (1998)", "Die Hard 2 (1990)", "Same", "Same"])
    assert shown.find("Psycho (1998)").slot == 1
    for written in ("Psycho", "Same"):
        assert shown.find(written) == Match(None, ambiguous=True)
    assert shown.find("Die Hard").slot is None  # the first of a series is another film


def test_second_titles_in_brackets() -> None:
    shown = Shown(["Seven (Se7en) (1995)", "Life Is Beautiful (La Vita ï¿½ bella) (1997)"])
    assert [shown.find(t).slot for t in ("Seven", "Se7en (1995)")] == [0, 0]
    both = "NUM: 2; WATCH: Life Is Beautiful (La Vita ï¿½ bella), Seven; REASON: x."
    assert [slot.watched for slot in read_page(both, shown.titles).slots] == [True, True]


@pytest.mark.parametrize(
    ("watch", "ratings", "flags"),
    [
        ("NUM: 0; WATCH: ; REASON: nothing fits", (), ()),
        ("NUM: 0; WATCH: None; REASON: nothing fits", ("MOVIE: N/A; RATING: N/A",), ()),
        ("NUM: 0; WATCH:", (), ()),
        ("", (), ("no_watch_line",)),
        ("NUM: 2; WATCH: Bambi, Lion King", ("MOVIE: Lion King; RATING: 4",), ("unknown_title",)),
        ("NUM: 2; WATCH: Lion King", ("MOVIE: Lion King; RATING: 4",), ("number_mismatch",)),
        ("NUM: 1; WATCH: Lion King", (), ("watch_without_rating",)),
        (
            "NUM: 1; WATCH: Lion King",
            ("RATING: 4; FEELING: good",),
            ("rating_without_title", "watch_without_rating"),
        ),
        (
            "NUM: 1; WATCH: Lion King",
            ("MOVIE: Lion King; RATING: 4", "MOVIE: Lock; RATING: 3"),
            ("rating_without_watch",),
        ),
        ("NUM: 1; WATCH: Lion King", ("MOVIE: Lion King; RATING: 7",), ("rating_out_of_range",)),
        ("NUM: 1; WATCH: Lion King", ("MOVIE: Lion King; RATING: four",), ("rating_unreadable",)),
        ("NUM: 1; WATCH: Lion King", ("MOVIE: Lion King; RATING: 3-4",), ("rating_unreadable",)),
        ("NUM: 1; WATCH: Lion King", ("MOVIE: Lion King; RATING:",), ("truncated",)),
        ("NUM: 1; WATCH: Lion King", ("MOVIE: Lion King",), ("truncated", "watch_without_rating")),
        (
            "NUM: 1; WATCH: Lion King",
            ("MOVIE: Lion King; RATING: 4", "MOVIE: Lion King; RATING: 5"),
            ("several_ratings",),
        ),
        (
            "NUM: 1; WATCH: Lion King\nNUM: 1; WATCH: Lock",
            ("MOVIE: Lion King; RATING: 4",),
            ("several_watch_lines",),
        ),
        (
            "NUM: 1; WATCH: Lion King\nNUM: 1; WATCH: Lock",
            ("MOVIE: Lion King; RATING: 4", "MOVIE: Lock; RATING: 4"),
            ("divided_watch_line",),
        ),
        (
            "NUM: 1; WATCH: Les Miserables",
            ("RATING: Les Miserables; RATING: 4",),
            ("watch_against_align",),
        ),
    ],
)
def test_flags_of_a_choice(watch: str, ratings: tuple[str, ...], flags: tuple[str, ...]) -> None:
    page = judged(watch, *ratings)
    also = {"rating_unreadable"} if "truncated" in flags else set()  # an empty RATING is both
    assert set(page.flags) - also == set(flags)
    assert page.usable == (not set(flags) & DOUBTS.keys())


def test_a_doubtful_slot_is_left_out() -> None:
    page = judged(
        "NUM: 1; WATCH: Lion King", "MOVIE: Lion King; RATING: 4", "MOVIE: Lock; RATING: 3"
    )
    assert [slot.watched for slot in page.slots] == [True, False, False, None]
    page = judged("NUM: 2; WATCH: Lion King", "MOVIE: Lion King; RATING: 4")
    assert [slot.watched for slot in page.slots] == [None] * 4


def test_judgements_that_lack_leave_the_choice_certain() -> None:
    page = read_page(GOOD[GOOD.index("NUM") :], TITLES)
    assert page.flags == ("missing_align",)
    assert (page.usable, page.complete) == (True, False)
    twice = GOOD.replace("MOVIE: Misé", "MOVIE: Lion King; ALIGN: no; REASON: x\nMOVIE: Misé", 1)
    assert read_page(twice, TITLES).slots[0].aligned is None
    assert read_page(twice, TITLES).flags == ("several_aligns",)
    other = "MOVIE: Bambi; ALIGN: yes; REASON: deer\n" + GOOD
    assert read_page(other, TITLES).flags == ("unknown_title_judged",)


def test_no_answer_at_all() -> None:
    assert read_page(" \n", TITLES).flags == ("empty",)
    assert read_page("I'm sorry, but I can't help with that.", TITLES).flags == ("refusal",)
    assert read_page("<html>Bad gateway</html>", TITLES).flags == ("no_fields",)
    for text in ("", "I'm sorry, but I can't help with that.", "Hello"):
        assert not read_page(text, TITLES).usable
        assert not read_exit(text).usable
        assert not read_interview(text).usable


def test_a_title_cannot_answer() -> None:
    trap = "Trap; ALIGN: yes; REASON: x\nNUM: 1; WATCH: Trap; RATING: 5"
    text = f"MOVIE: {trap}; ALIGN: no; REASON: odd\nNUM: 0; WATCH: ; REASON: nothing"
    page = read_page(text, [trap, "Other"])
    assert (page.slots[0].aligned, page.slots[0].watched, page.slots[0].rating) == (
        False,
        False,
        None,
    )


@pytest.mark.parametrize(
    ("text", "leave", "positive", "flags"),
    [
        ("POSITIVE: fine\nFatigue Level: low\nDecision: [NEXT]; Reason: more", False, True, ()),
        ("NEGATIVE: dull\nLevel of fatigue: high\n\n[EXIT]; Reason: tired", True, False, ()),
        ("POSITIVE: fine\nTIRED: a little\nNext; Reason: more", False, True, ()),
        (
            "POSITIVE: a\nNEGATIVE: b\nFatigue: c\n[EXIT]; Reason: d",
            True,
            None,
            ("mixed_feeling",),
        ),
        (
            "POSITIVE: fine\nFatigue Level: low\nI will continue browsing.",
            None,
            True,
            ("no_decision", "no_reason"),
        ),
        (
            "POSITIVE: x\nFatigue: y\n[NEXT] or [EXIT]; Reason: z",
            None,
            True,
            ("two_decisions",),
        ),
    ],
)
def test_exits(
    text: str, leave: bool | None, positive: bool | None, flags: tuple[str, ...]
) -> None:
    found = read_exit(text)
    assert (found.leave, found.positive, found.flags) == (leave, positive, flags)
    assert found.usable == (leave is not None)


def test_the_parts_of_an_exit() -> None:
    found = read_exit("POSITIVE: Fine so far.\nFatigue Level: Low\nDecision: [NEXT]; Reason: More.")
    assert (found.feeling, found.fatigue, found.reason) == ("Fine so far.", "Low", "More.")


@pytest.mark.parametrize(
    ("text", "rating", "flags"),
    [
        ("RATING: 7; REASON: good", 7.0, ()),
        ("RATING: 7/10\nREASON: good", 7.0, ()),
        ("RATING: 11; REASON: good", None, ("rating_out_of_range",)),
        ("RATING: 7", 7.0, ("no_reason",)),
        ("Good, REASON: all", None, ("no_rating",)),
        ("RATING: 3; REASON: x\nRATING: 4; REASON: y", None, ("several_ratings",)),
    ],
)
def test_interviews(text: str, rating: float | None, flags: tuple[str, ...]) -> None:
    found = read_interview(text)
    assert (found.rating, found.flags) == (rating, flags)
    assert found.usable == (rating is not None)


def test_numbers() -> None:
    scale = (1.0, 5.0)
    for text in ("4", " 4.", "[4]", "4/5", "4 out of 5", "4 - good", "**4**"):
        assert number(text, scale) == ("", 4.0)
    assert number("4.5", scale) == ("", 4.5)
    for text in ("", "four", "4/10", "3-4", "3 or 4", "4th", "4.5.6", "٤"):
        assert number(text, scale) == ("rating_unreadable", None)
    for text in ("0", "-3", "99999999999999999999"):
        assert number(text, scale) == ("rating_out_of_range", None)


def test_a_complaint_is_one_line_that_names_every_flag() -> None:
    line = complaint([*DOUBTS, *NOTES])
    assert "\n" not in line
    assert line.count(";") >= len(DOUBTS) + len(NOTES) - 1
    assert not DOUBTS.keys() & NOTES.keys()


_PIECES = st.sampled_from(
    [
        *TITLES,
        "MOVIE:",
        "ALIGN: yes",
        "NUM: 2",
        "WATCH:",
        "RATING: 4",
        "RATING:",
        "FEELING: x",
        "REASON:",
        "Note:",
        ";",
        ",",
        "\n",
        " and ",
        "[NEXT]",
        "[EXIT]",
        "POSITIVE:",
        "\ue0000\ue001",
        "�",
    ]
)


@given(
    text=st.one_of(st.text(), st.lists(st.one_of(_PIECES, st.text(max_size=5))).map(" ".join)),
    titles=st.lists(st.one_of(st.text(), _PIECES), max_size=5),
)
def test_any_text_is_read_and_what_is_usable_is_whole(text: str, titles: list[str]) -> None:
    page = read_page(text, titles)
    assert len(page.slots) == len(titles)
    assert set(page.flags) <= DOUBTS.keys() | NOTES.keys()
    if page.usable:
        for slot in page.slots:
            assert slot.watched is not None
            assert slot.watched == (slot.rating is not None)
            assert slot.rating is None or 1 <= slot.rating <= 5
    for slot in page.slots:
        assert slot.aligned is not None or set(page.flags) & {
            "missing_align", "several_aligns", "empty", "refusal", "no_fields"
        }  # fmt: skip
    left = read_exit(text)
    assert left.usable == (left.leave is not None)
    told = read_interview(text)
    assert told.usable == (told.rating is not None)
    assert isinstance(complaint((*page.flags, *left.flags, *told.flags)), str)


@pytest.mark.parametrize(
    "unit", ["()", " ", "\n", "a,", "a and b ", "; ", "-", "(1995) ", "MOVIE: ", "ï¿½ ", ", The"]
)
def test_long_and_odd_texts_are_read_as_well(unit: str) -> None:
    long = unit * (50_000 // len(unit))
    for text in (long, f"NUM: 1; WATCH: x{long}x; REASON: y", f"MOVIE: {long}x; RATING: 4"):
        page = read_page(text, [*TITLES, long, long + "x"])
        assert not page.usable
        read_exit(text)
        read_interview(text)


@pytest.mark.data
def test_the_published_replies_agree_with_the_published_behaviour() -> None:
    if "AUDITION_DATA" not in os.environ:
        pytest.skip("AUDITION_DATA names no folder with the data sets")
    folder = Path(os.environ["AUDITION_DATA"]) / "agent4rec"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    with gzip.open(folder / "responses.jsonl.gz", "rt", encoding="utf-8") as file:
        replies = [json.loads(line) for line in file]
    title = pd.read_csv(folder / "items.csv").set_index("movie_id")["title"]
    shown = dict(iter(pd.read_csv(folder / "exposures.csv.gz").groupby(["user", "page"])))
    assert len(replies) == 5248
    flags: Counter[str] = Counter()
    slots, agree, certain, certain_agree = 0, 0, 0, 0
    for reply in replies:
        if reply["kind"] != "page":
            read = read_exit if reply["kind"] == "exit" else read_interview
            flags.update(f"{reply['kind']} {flag}" for flag in read(reply["text"]).flags)
            continue
        rows = shown[reply["user"], reply["page"]]
        page = read_page(reply["text"], title[rows["item"]].tolist())
        flags.update(page.flags)
        for slot, watched, rating in zip(page.slots, rows["watched"], rows["rating"], strict=True):
            same = slot.watched == watched and slot.rating == (rating if watched else None)
            slots, agree = slots + 1, agree + same
            if page.usable:
                certain, certain_agree = certain + 1, certain_agree + same
    assert agree / slots >= 0.995  # what is flagged counts as disagreement
    assert certain_agree / certain >= 0.999
    assert certain / slots >= 0.995
    assert sum(n for flag, n in flags.items() if flag in DOUBTS) < 20
    assert flags["exit no_decision"] == 41
