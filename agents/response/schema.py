"""What a chat agent must reply, and how a reply is read.

A reply is used only if it is exactly what was asked for: every shown handle judged once,
nothing else, each watched item named once and rated within the scale. Nothing is matched
by guess and nothing is filled in; what is wrong is said in :class:`AnswerError`, whose
text goes back to the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Any, NoReturn, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

Scale = tuple[float, float]
Schema = dict[str, Any]
_Reply = TypeVar("_Reply", bound=BaseModel)

TOP = 10
"""Interest, fatigue and the wish to come back are asked as whole numbers 0..10: a model
that answers 0.8 where ten levels were asked for is then seen, not misread."""


class AnswerError(ValueError):
    """A reply that cannot be used; the text tells the model what is wrong with it."""


class Strict(BaseModel):
    """Exactly what was asked for, nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _handle(value: object) -> object:
    """A handle may come as a number; everything else is left for the check of its type."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Judgement(Strict):
    """One item, judged on its own; the reason comes first so that it precedes the number."""

    reason: str
    interest: int = Field(ge=0, le=TOP)
    aligned: bool


class Watched(Strict):
    """One item the agent watched: only here can a rating be given."""

    id: Annotated[str, BeforeValidator(_handle)]
    rating: float
    feeling: str


class InterviewReply(Strict):
    """The exit interview."""

    reason: str
    satisfaction: int = Field(ge=1, le=10)
    return_intent: int = Field(ge=0, le=TOP)


class PageReply(Strict):
    """One page: judge all, then watch, then look back, then stay or leave.

    Needs the validation context ``{"handles": ..., "scale": ..., "together": ...}``;
    together: the exit interview comes with the reply that leaves, and with no other.
    """

    items: dict[str, Judgement]
    watched: tuple[Watched, ...] = Field(strict=False)
    feeling: str
    satisfaction: int = Field(ge=1, le=10)
    fatigue: int = Field(ge=0, le=TOP)
    reason: str
    leave: bool
    exit: InterviewReply | None = None

    @model_validator(mode="after")
    def _closed(self, info: ValidationInfo) -> Self:
        context = info.context or {}
        handles: Sequence[str] = context["handles"]
        low, high = context["scale"]
        wrong = [f"no item {name!r} was shown" for name in self.items if name not in handles]
        wrong += [f"item {name} is not judged" for name in handles if name not in self.items]
        seen: set[str] = set()
        for entry in self.watched:
            if entry.id not in handles:
                wrong.append(f"watched: no item {entry.id!r} was shown")
            elif entry.id in seen:
                wrong.append(f"watched: item {entry.id} stands there twice")
            if not low <= entry.rating <= high:
                wrong.append(f"watched: item {entry.id}: rating must be {low:g} to {high:g}")
            seen.add(entry.id)
        if self.exit is None and self.leave and context["together"]:
            wrong.append("exit: must be there, as leave is true")
        if self.exit is not None and not (self.leave and context["together"]):
            wrong.append(
                "exit: must be null, as leave is false"
                if context["together"]
                else "exit: was not asked for"
            )
        if wrong:
            raise ValueError("; ".join(wrong[:10]))
        return self


class ReflectionReply(Strict):
    """What an agent makes of its memories of a visit so far."""

    reflection: str


def handles(k: int) -> tuple[str, ...]:
    """Short names for k shown items, from the top slot down: they hide catalogue ids and
    make an item that was not shown detectable."""
    return tuple(str(number) for number in range(1, k + 1))


@lru_cache(maxsize=64)
def page_schema(k: int, scale: Scale, together: bool) -> Schema:
    """JSON schema of the reply to a page of k items; under constrained decoding an answer
    can name no other item. Shared and cached: do not change it."""
    schema = _schema(PageReply)
    if together:
        # Strict servers want every key; null is how an agent that stays leaves it out.
        schema["properties"]["exit"].pop("default")
        schema["required"].append("exit")
    else:
        del schema["properties"]["exit"], schema["$defs"]["InterviewReply"]
    names = list(handles(k))
    schema["properties"]["items"] = {
        "type": "object",
        "properties": {name: {"$ref": "#/$defs/Judgement"} for name in names},
        "required": names,
        "additionalProperties": False,
    }
    schema["properties"]["watched"]["maxItems"] = k
    watched = schema["$defs"]["Watched"]["properties"]
    watched["id"]["enum"] = names
    watched["rating"] |= {"minimum": scale[0], "maximum": scale[1]}
    return schema


@lru_cache(maxsize=8)
def reply_schema(model: type[BaseModel]) -> Schema:
    """JSON schema of a reply without handles. Shared and cached: do not change it."""
    return _schema(model)


def _schema(model: type[BaseModel]) -> Schema:
    schema: Schema = _bare(model.model_json_schema())
    return schema


def _bare(node: Any) -> Any:
    """Without titles and descriptions, which would only cost tokens."""
    if isinstance(node, dict):
        return {
            key: _bare(value)
            for key, value in node.items()
            if not (key in ("title", "description") and isinstance(value, str))
        }
    return [_bare(part) for part in node] if isinstance(node, list) else node


@lru_cache(maxsize=64)
def page_reader(k: int, scale: Scale, together: bool) -> Callable[[str], PageReply]:
    """Reads the reply to a page of k items; raises :class:`AnswerError`."""
    context = {"handles": handles(k), "scale": scale, "together": together}
    return lambda text: _validated(PageReply, text, context)


def reader(model: type[_Reply]) -> Callable[[str], _Reply]:
    """Reads a reply without handles; raises :class:`AnswerError`."""
    return lambda text: _validated(model, text, None)


def _validated(model: type[_Reply], text: str, context: dict[str, Any] | None) -> _Reply:
    try:
        return model.model_validate(json_object(text), context=context)
    except ValidationError as error:
        raise AnswerError(_complaint(error)) from None


def _complaint(error: ValidationError) -> str:
    parts = []
    for detail in error.errors(include_url=False, include_input=False)[:10]:
        where = ".".join(str(key) for key in detail["loc"])
        parts.append(f"{where}: {detail['msg']}" if where else detail["msg"])
    return "; ".join(parts)[:1000]


_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"^```[A-Za-z]*\s*\n(.*?)\n?```$", re.DOTALL)


def spoken(text: str) -> str:
    """A reply without a reasoning model's ``<think>`` block."""
    return _THOUGHT.sub("", text).strip()


def json_object(text: str) -> dict[str, Any]:
    """The one JSON object in a reply: bare, in a code fence, after a reasoning model's
    ``<think>`` block, or with prose around it. Two objects, a key that stands twice, NaN
    and anything else are an :class:`AnswerError`.

    >>> json_object('```json\\n{"a": 1}\\n```')
    {'a': 1}
    """
    text = spoken(text)
    if fenced := _FENCE.match(text):
        text = fenced.group(1).strip()
    start = text.find("{")
    if start < 0:
        raise AnswerError("there is no JSON object in the answer")
    try:
        found, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise AnswerError("the JSON is nested too deeply") from None
    except AnswerError:
        raise
    except ValueError as error:  # JSONDecodeError; and numbers too long to convert
        raise AnswerError(f"not valid JSON: {str(error)[:200]}") from None
    if "{" in text[end:]:
        raise AnswerError("there is more than one JSON object in the answer")
    out: dict[str, Any] = found
    return out


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise AnswerError(f"the key {key[:40]!r} stands twice in one object")
        out[key] = value
    return out


def _no_constant(name: str) -> NoReturn:
    raise AnswerError(f"{name} is not a number in JSON")


# A bare line break in a string has one meaning, and some servers' grammars let it through.
_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant, strict=False)
