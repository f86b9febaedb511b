"""The behavioural model as a scripted chat model: it decides, and its decisions are written
as the replies a chat model would give, in JSON or in Agent4Rec's lines.

A reply is a function of the scene (audience, catalogue, luck, round) and of the pages that
the agent was shown, so it does not matter which of them were asked again, or when.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..interface import NO_ITEM, AgentError, Answers, Interviews, Page
from .behavioural import Behavioural, BehaviouralVisit
from .protocol_agent4rec import Agent4RecProtocol
from .question import Message, Question
from .schema import TOP, handles
from .scripted import Line, Portrait, Scene, Script, asked

FITS, FITS_NOT = "close to the kind I enjoy most", "not really the kind I would pick"
LIKED, DISLIKED = "I enjoyed it from start to end", "it did not quite win me over"
"""About as long as a prompt asks for: a plan measures replies by them."""


@dataclass(eq=False)
class _Played:
    """A scene as the embedded model plays it: each agent's answers so far."""

    visit: BehaviouralVisit
    digest: str
    answers: dict[int, dict[int, Answers]] = field(default_factory=dict)


class BehaviouralScript(Script):
    """The embedded model with its default settings."""

    def __init__(self) -> None:
        self._model = Behavioural()
        self._played: WeakKeyDictionary[Scene, _Played] = WeakKeyDictionary()

    def open(self) -> None:
        """There is nothing to read."""

    def address(self, question: Question[Any]) -> str:
        if isinstance(question.beside, Portrait):
            return _told(question.beside)
        scene = _scene(question)
        shown = [(number, line.tolist()) for number, line in scene.shown.get(question.row, [])]
        content = [self._play(scene).digest, question.agent, shown]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def line(self, question: Question[Any], messages: tuple[Message, ...]) -> Line:
        if isinstance(question.beside, Portrait):
            return Line(_told(question.beside))
        scene = _scene(question)
        played = self._play(scene)
        answers = self._caught_up(scene, played, question.row)
        told = played.visit.interview(np.array([question.row]))
        said = answers.get(question.page)
        if said is None:
            raise AgentError(f"chat: behavioural: no page was shown for {asked(question)}")
        if question.schema is None:
            line = dict(scene.shown[question.row])[question.page]
            items = line[line != NO_ITEM].tolist()
            titles = Agent4RecProtocol.titles(scene.catalogue, items)
            return Line(_in_lines(question.kind, said, told, line != NO_ITEM, titles))
        together = "exit" in question.schema["properties"]
        line = dict(scene.shown[question.row])[question.page]
        reply = _as_json(question.kind, said, told, line != NO_ITEM, together=together)
        return Line(json.dumps(reply, ensure_ascii=False))

    def _play(self, scene: Scene) -> _Played:
        if scene not in self._played:
            visit = self._model.visit(scene.audience, scene.catalogue, scene.luck, scene.round)
            self._played[scene] = _Played(visit, _digest(scene, self._model))
        return self._played[scene]

    @staticmethod
    def _caught_up(scene: Scene, played: _Played, row: int) -> dict[int, Answers]:
        """The agent's answers to all it was shown, each page played once and in order: also
        those whose replies came from the log or the cache."""
        answers = played.answers.setdefault(row, {})
        for number, line in scene.shown.get(row, []):
            if number not in answers:
                page = Page(np.array([row]), line[None, :], number, scene.round)
                answers[number] = played.visit.turn(page)
        return answers


def _scene(question: Question[Any]) -> Scene:
    if isinstance(question.beside, Scene):
        return question.beside
    raise AgentError(f"chat: behavioural: nothing is known beside the prompt of {asked(question)}")


def _told(portrait: Portrait) -> str:
    return json.dumps(portrait.reply, ensure_ascii=False)


def _digest(scene: Scene, model: Behavioural) -> str:
    """Everything beside the pages that its decisions depend on."""
    audience, catalogue = scene.audience, scene.catalogue
    history, profiles = audience.history, audience.profiles
    draws = scene.luck.uniform("scripted", audience.agent, scene.round)
    arrays: list[npt.NDArray[Any]] = [
        *(audience.agent, history.indptr, history.item, history.rating, draws),
        *(profiles.activity, profiles.diversity, profiles.conformity),
        *(catalogue.shown_rating, catalogue.popularity),
    ]
    if (known := audience.recognised) is not None:
        arrays += [known.indptr, known.item, known.rating]
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes() + b"\0")
    words = (catalogue.title, catalogue.text, catalogue.genres, catalogue.year)
    rest = [*words, catalogue.rating_scale, scene.round, dict(model.settings)]
    digest.update(json.dumps(rest).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _as_json(
    kind: str, said: Answers, told: Interviews, there: Any, *, together: bool
) -> dict[str, Any]:
    """A reply of the default protocol; ``there`` (k,) marks the slots that hold an item."""
    if kind == "interview":
        return _interview(told)
    if kind == "reflection":
        return {"reflection": _reflection(said)}
    slots = np.nonzero(there)[0].tolist()
    items, watched = {}, []
    for handle, slot in zip(handles(len(slots)), slots, strict=True):
        fits = bool(said.aligned[0, slot])
        items[handle] = {
            "reason": FITS if fits else FITS_NOT,
            "interest": round(float(said.interest[0, slot]) * TOP),
            "aligned": fits,
        }
        if said.watched[0, slot]:
            rating = float(said.rating[0, slot])
            watched.append({"id": handle, "rating": rating, "feeling": _felt(said, slot)})
    leave = bool(said.leave[0])
    reply = {
        "items": items,
        "watched": watched,
        "feeling": _feeling(said),
        "satisfaction": _satisfaction(said),
        "fatigue": round(float(said.fatigue[0]) * TOP),
        "reason": said.reason[0],
        "leave": leave,
    }
    return reply | ({"exit": _interview(told) if leave else None} if together else {})


def _in_lines(kind: str, said: Answers, told: Interviews, there: Any, titles: Sequence[str]) -> str:
    """A reply of Agent4Rec's protocol, as ``_as_json``."""
    if kind == "reflection":
        return _reflection(said)
    if kind == "interview":
        given = _interview(told)
        return f"RATING: {given['satisfaction']}\nREASON: {given['reason']}"
    if kind == "exit":
        sign = "POSITIVE" if _pleased(said) else "NEGATIVE"
        decision = "EXIT" if said.leave[0] else "NEXT"
        tired = f"{round(float(said.fatigue[0]) * TOP)} of {TOP}"
        return (
            f"{sign}: {_feeling(said)}\nFATIGUE LEVEL: {tired}\n"
            f"DECISION: [{decision}]; REASON: {said.reason[0]}"
        )
    slots = dict(zip(np.nonzero(there)[0].tolist(), titles, strict=True))
    judged = [
        f"MOVIE: {title}; ALIGN: {'yes' if fits else 'no'}; REASON: {FITS if fits else FITS_NOT}"
        for slot, title in slots.items()
        for fits in [bool(said.aligned[0, slot])]
    ]
    watched = {slot: title for slot, title in slots.items() if said.watched[0, slot]}
    names = ", ".join(watched.values()) or "none"
    chosen = f"NUM: {len(watched)}; WATCH: {names}; REASON: {_feeling(said)}"
    rated = [
        f"MOVIE: {title}; RATING: {float(said.rating[0, slot]):g}; FEELING: {_felt(said, slot)}"
        for slot, title in watched.items()
    ]
    return "\n".join([*judged, chosen, *rated])


def _interview(told: Interviews) -> dict[str, Any]:
    return {
        "reason": told.reason[0],
        "satisfaction": int(told.satisfaction[0]),
        "return_intent": round(float(told.return_intent[0]) * TOP),
    }


def _satisfaction(said: Answers) -> int:
    return round(float(said.satisfaction[0]))


def _pleased(said: Answers) -> bool:
    return _satisfaction(said) >= 6


def _feeling(said: Answers) -> str:
    return "there is much here for me" if _pleased(said) else "there is little here for me"


def _felt(said: Answers, slot: int) -> str:
    return LIKED if said.interest[0, slot] >= 0.5 else DISLIKED


def _reflection(said: Answers) -> str:
    mood = "satisfied" if _pleased(said) else "not satisfied"
    return f"I am {mood} with the recommendations so far."
