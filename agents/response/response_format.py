"""How a server is asked to constrain its reply to a JSON schema: two dialects.

schema   OpenAI's ``json_schema``; vLLM, Ollama, llama.cpp's own server and most others
object   ``json_object`` that carries a ``schema``; llama-cpp-python, and others that came
         to it before OpenAI had a word for it
"""

from __future__ import annotations

import math
from typing import Any

from .question import Schema, Structured

MOST_NUMBERS = 101
"""A range of more whole numbers is left to validation: each is a word of the grammar."""


def response_format(schema: Schema | None, structured: Structured) -> dict[str, Any] | None:
    """``response_format`` of a request, in the dialect that ``structured`` names; without
    a schema the reply is free."""
    if schema is None:
        return None
    if structured == "object":
        return {"type": "json_object", "schema": spelled_out(schema)}
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }


def spelled_out(node: Any) -> Any:
    """A schema with each range of numbers as the list of its whole numbers.

    Servers of this dialect turn a schema into a grammar without a look at ``minimum`` and
    ``maximum``. Every number of a reply is asked for as a whole one.

    >>> spelled_out({"type": "integer", "minimum": 1, "maximum": 3})
    {'enum': [1, 2, 3]}
    """
    if isinstance(node, list):
        return [spelled_out(part) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") in ("integer", "number") and {"minimum", "maximum"} <= node.keys():
        low, high = math.ceil(node["minimum"]), math.floor(node["maximum"])
        if 0 <= high - low < MOST_NUMBERS:
            return {"enum": list(range(low, high + 1))}
    return {key: spelled_out(value) for key, value in node.items()}
