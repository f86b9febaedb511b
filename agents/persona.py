"""Persona text: a profile in plain first-person English, for a chat model and for readers."""

from __future__ import annotations

from collections.abc import Sequence

ACTIVITY = {
    1: "I look in only now and then and soon stop browsing unless something catches me.",
    2: "I browse regularly and give a list a fair look before I stop.",
    3: "I browse a great deal and happily look through page after page.",
}
DIVERSITY = {
    1: "I keep to the few kinds of thing I know I like and pass over the rest.",
    2: "I have my favourite kinds but try something different now and then.",
    3: "I enjoy a wide mix and readily try things outside my usual choice.",
}
CONFORMITY = {
    1: "My ratings usually end up close to the average rating others gave.",
    2: "I take the average rating into account but form my own view.",
    3: "I rate by my own view, even when it is far from the average rating.",
}


def describe(
    activity: int, diversity: int, conformity: int, tastes: Sequence[str], rating_habit: str = ""
) -> str:
    """The persona of one agent: traits in words, tastes, rating habit; one sentence a line.

    Levels are 1..3 as in ``Profiles``; a chat model gets this text as it is.
    """
    lines = [ACTIVITY[activity], DIVERSITY[diversity], CONFORMITY[conformity]]
    lines += [sentence.strip() for sentence in tastes]
    lines.append(rating_habit.strip())
    return "\n".join(line for line in lines if line)
