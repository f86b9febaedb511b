"""A scenario file: YAML in, a validated and frozen :class:`Scenario` out.

Every mistake is one :class:`~simulator.errors.InputError`: file and line, key, what was
found, what is allowed. What needs the data set or the registries is checked in
``world.py``; here only what the file itself can tell.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from .errors import InputError

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
"""The scenarios that ship; a bare name such as ``quickstart`` is looked up here too."""

Part = Literal["train", "valid", "test"]
Feedback = Literal["none", "viewed", "unviewed", "liked"]


class _Section(BaseModel):
    """Unknown keys are refused, types are not coerced, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _OpenSection(BaseModel):
    """Further keys are settings of the named thing; its registry checks them."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    @property
    def options(self) -> dict[str, Any]:
        """The further keys."""
        return dict(self.__pydantic_extra__ or {})


class DatasetSpec(_OpenSection):
    """``source`` names a reader; further keys are options of that reader."""

    source: str
    path: str | None = None
    split: dict[str, Any] | str | None = None
    min_interactions: int | None = Field(default=None, ge=1)
    min_item_interactions: int | None = Field(default=None, ge=1)


class ResponseSpec(_OpenSection):
    """``model`` names a response model; further keys are its settings."""

    model: str = "behavioural"


class MemorySpec(_Section):
    """What a chat agent gets back from its memory, and how often it reflects (pages)."""

    retrieve: int = Field(default=5, ge=0, le=100)
    reflect_every: int = Field(default=2, ge=0, le=100)


class AgentsSpec(_Section):
    """The audience: ``count`` users of the data set are given an agent each."""

    count: int = Field(default=200, ge=1)
    response: ResponseSpec = ResponseSpec()
    memory: MemorySpec = MemorySpec()


class SessionSpec(_Section):
    """One visit. ``hide`` names the parts of the user's data that are never shown: train
    always makes sense (known items); Agent4Rec hides test too."""

    page_size: int = Field(default=4, ge=1, le=100)
    max_pages: int = Field(default=5, ge=1, le=100)
    order: Literal["ranked", "shuffled"] = "ranked"
    hide: tuple[Part, ...] = ("train",)

    @field_validator("hide", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


def _arm_name(name: str) -> str:
    if not re.fullmatch(r"[^\x00-\x1f/\\]{1,60}", name):
        raise ValueError("1 to 60 printable characters without slashes")
    return name


class ArmSpec(_OpenSection):
    """One recommender with its settings (the further keys)."""

    name: Annotated[str, AfterValidator(_arm_name)]
    recommender: str


class BudgetSpec(_Section):
    """Caps on what a run may spend. Not enforced yet, hence refused when set."""

    usd: float | None = None
    tokens: int | None = None
    minutes: float | None = None

    @field_validator("usd", "tokens", "minutes")
    @classmethod
    def _not_yet(cls, value: float | None) -> float | None:
        if value is not None:
            raise ValueError("null (this version cannot enforce a budget yet, so it refuses one)")
        return value


class EvaluationSpec(_Section):
    """``cutoff``: length of the offline lists; ``confidence`` of all intervals."""

    cutoff: int = Field(default=20, ge=1, le=1000)
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    correction: Literal["holm", "none"] = "holm"


class Scenario(_Section):
    """A whole experiment. See scenarios/*.yaml for examples."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")
    seed: int = Field(default=7, ge=0, lt=2**31)
    dataset: DatasetSpec
    agents: AgentsSpec = AgentsSpec()
    session: SessionSpec = SessionSpec()
    arms: tuple[ArmSpec, ...] = Field(min_length=1)
    control: str = ""
    rounds: int = Field(default=1, ge=1, le=100)
    feedback: Feedback = "none"
    budget: BudgetSpec = BudgetSpec()
    evaluation: EvaluationSpec = EvaluationSpec()

    @field_validator("arms", mode="before")
    @classmethod
    def _arms_tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("arms")
    @classmethod
    def _distinct(cls, arms: tuple[ArmSpec, ...]) -> tuple[ArmSpec, ...]:
        names = [arm.name for arm in arms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"every arm a name of its own; twice there: {', '.join(twice)}")
        return arms

    @field_validator("control", mode="after")
    @classmethod
    def _control_is_an_arm(cls, control: str, info: ValidationInfo) -> str:
        names = [arm.name for arm in info.data.get("arms", ())]
        if control and names and control not in names:
            raise ValueError(f"the name of an arm: {', '.join(names)}")
        return control

    @model_validator(mode="after")
    def _default_control(self) -> Self:
        if not self.control:
            # Frozen from outside; this is the one moment a default that depends on another
            # field can be filled in.
            object.__setattr__(self, "control", self.arms[0].name)
        return self

    def resolved(self) -> dict[str, Any]:
        """As plain data, defaults filled in: what is stored and reported."""
        return self.model_dump(mode="json")


def load(path: Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read, override (``key.path=value``) and validate a scenario file."""
    path = _locate(path)
    document = _parse(path)
    lines = document if isinstance(document, Mapping) else {}
    if not isinstance(document, Mapping):
        kind = "nothing" if document is None else f"a {_kind(document)}"
        raise InputError(path, found=kind, allowed="a mapping with name, dataset, arms, ...")
    plain = _plain(document)
    for override in overrides:
        _override(plain, override)
    try:
        return Scenario.model_validate(plain)
    except ValidationError as error:
        raise _explain(path, lines, plain, error) from None


def _locate(path: Path) -> Path:
    if path.is_file():
        return path
    shipped = SCENARIOS / path.with_suffix(".yaml").name
    if len(path.parts) == 1 and shipped.is_file() and path.suffix in ("", ".yaml"):
        return shipped
    found = "a folder" if path.is_dir() else "no such file"
    names = ", ".join(sorted(p.stem for p in SCENARIOS.glob("*.yaml")))
    raise InputError(path, found=found, allowed=f"a scenario file, or one that ships: {names}")


def _parse(path: Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(
            path, found=f"a byte that is not UTF-8 at offset {error.start}", allowed="UTF-8 text"
        ) from None
    except OSError as error:
        raise InputError(path, found=str(error.strerror), allowed="a readable file") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark
        said = " ".join(str(error.problem or "broken YAML").split()).removeprefix("found ")
        line = mark.line + 1 if mark else None
        raise InputError(path, line=line, found=said, allowed="valid YAML") from None
    except YAMLError as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(path, found=said, allowed="valid YAML") from None


def _plain(node: Any) -> Any:
    """Round-trip containers and scalars as plain Python, so that messages show plain values."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _override(document: dict[str, Any], text: str) -> None:
    """Apply one ``key.path=value``; list entries by number or by their ``name``."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    key, sign, raw = text.partition("=")
    if not sign or not key.strip():
        raise InputError("--set", found=repr(text), allowed="key.path=value")
    try:
        value = _plain(YAML(typ="safe").load(raw))
    except YAMLError:
        raise InputError("--set", key=key, found=repr(raw), allowed="a YAML value") from None
    *parents, last = key.strip().split(".")
    node: Any = document
    for step in parents:
        node = _descend(node, step, key)
    if isinstance(node, list):
        node[_index(node, last, key)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise InputError("--set", key=key, found=f"a {_kind(node)} above {last}", allowed="a key")


def _descend(node: Any, step: str, key: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, step, key)]
    if isinstance(node, dict):
        if node.get(step) is None:
            node[step] = {}
        return node[step]
    raise InputError("--set", key=key, found=f"a {_kind(node)} at {step}", allowed="a section")


def _index(node: list[Any], step: str, key: str) -> int:
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in node]
    if step in names:
        return names.index(step)
    if step.isdigit() and int(step) < len(node):
        return int(step)
    known = ", ".join(str(name) for name in names if name)
    raise InputError("--set", key=key, found=step, allowed=f"0 to {len(node) - 1}, or {known}")


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "mapping"
    if isinstance(value, list):
        return "list"
    return "text" if isinstance(value, str) else "plain value"


_ALLOWED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "bool_type": "true or false",
    "finite_number": "a finite number",
}


def _explain(
    path: Path, lines: Mapping[str, Any], plain: dict[str, Any], error: ValidationError
) -> InputError:
    """The first problem in one line; the others are counted."""
    details = error.errors(include_url=False)
    # A typing union reports one error a branch; the shortest location is the field itself.
    first = details[0]
    location = [part for part in first["loc"] if not _is_branch(part)]
    allowed = _allowed(first)
    fix = None
    found = _shown(first["input"])
    if first["type"] == "missing":
        found, allowed = "nothing", "this key is required"
    elif first["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        found, allowed = "an unknown key", ", ".join(known)
        fix = f"did you mean {close[0]}?" if close else None
    if len(details) > 1:
        more = len({tuple(d["loc"][:2]) for d in details[1:]} - {tuple(first["loc"][:2])})
        fix = (fix + " " if fix else "") + f"({more} more to mend)" if more else fix
    line = _line(lines, location)
    return InputError(path, key=_key(location), line=line, found=found, allowed=allowed, fix=fix)


def _is_branch(part: int | str) -> bool:
    return isinstance(part, str) and (part in {"str", "none"} or part.startswith("dict["))


def _allowed(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _ALLOWED:
        return _ALLOWED[kind]
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return "letters, digits, dot, dash, underscore (80 at most, first a letter or digit)"
    if kind == "too_short":
        return f"at least {context['min_length']} entry"
    bounds = {
        "greater_than_equal": ("ge", "at least"),
        "greater_than": ("gt", "more than"),
        "less_than_equal": ("le", "at most"),
        "less_than": ("lt", "less than"),
    }
    if kind in bounds:
        name, words = bounds[kind]
        return f"{words} {context[name]:g}"
    return detail["msg"]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _key(location: Sequence[int | str]) -> str:
    out = ""
    for part in location:
        out += f"[{part}]" if isinstance(part, int) else (f".{part}" if out else str(part))
    return out


def _line(node: Any, location: Sequence[int | str]) -> int | None:
    """The line (from 1) of the deepest part of the location that the file holds."""
    line = None
    for part in location:
        try:
            mark = node.lc.item(part) if isinstance(part, int) else node.lc.key(part)
            line = mark[0] + 1
            node = node[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def _known_keys(location: Sequence[int | str]) -> list[str]:
    """The keys of the section at this location."""
    model: Any = Scenario
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        inner = [a for a in get_args(annotation) if isinstance(a, type)] or [annotation]
        model = next((a for a in inner if issubclass(a, BaseModel)), Scenario)
    return sorted(model.model_fields)
