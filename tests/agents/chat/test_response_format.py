"""Both dialects in which a server is asked to constrain its reply to a schema."""

from __future__ import annotations

import json

import pytest

from agents.interface import OK, AgentError
from agents.registry import create
from agents.response.response_format import response_format, spelled_out
from agents.response.schema import ReflectionReply, page_schema, reader

from .server import Reply, Request, Server, rules
from .world import page, visit


def only_object(request: Request) -> Reply:
    """As llama-cpp-python does: json_schema is met with a plain 500."""
    if request.body["response_format"]["type"] != "json_object":
        return Reply(status=500, error={"message": "Internal Server Error"})
    return rules(request)


def test_a_server_of_the_object_dialect_gets_its_schema() -> None:
    with Server(only_object) as server:
        session = visit(server, n=5, structured="object")
        assert set(session.turn(page(5)).outcome) == {OK}
        sent = [request.body["response_format"] for request in server.requests]
    assert len(sent) == 5
    assert all(one.keys() == {"type", "schema"} for one in sent)
    assert sent[0]["schema"]["properties"]["items"]["required"] == ["1", "2", "3", "4"]


def test_ranges_are_spelled_out_where_the_grammar_knows_none() -> None:
    schema = page_schema(3, (0.5, 5.0), True)
    before = json.dumps(schema)
    told = spelled_out(schema)
    assert told["properties"]["satisfaction"] == {"enum": list(range(1, 11))}
    assert told["$defs"]["Judgement"]["properties"]["interest"] == {"enum": list(range(11))}
    assert told["$defs"]["Watched"]["properties"]["rating"] == {"enum": [1, 2, 3, 4, 5]}
    assert told["properties"]["watched"]["maxItems"] == 3
    assert "minimum" not in json.dumps(told)
    assert json.dumps(schema) == before, "the schema is shared"


@pytest.mark.parametrize(
    "node",
    [
        {"type": "integer", "minimum": 0},
        {"type": "integer", "minimum": 0, "maximum": 100_000},
        {"type": "number", "minimum": 0.2, "maximum": 0.8},
    ],
)
def test_a_range_that_is_no_short_list_stays(node: dict[str, object]) -> None:
    assert spelled_out(node) == node


def test_openai_gets_the_schema_as_it_is() -> None:
    schema = page_schema(2, (1.0, 5.0), False)
    told = response_format(schema, "auto")
    assert told is not None
    assert told["json_schema"] == {"name": "answer", "strict": True, "schema": schema}
    assert response_format(None, "object") is None


def test_a_dialect_needs_a_provider_that_takes_it() -> None:
    with pytest.raises(AgentError, match="structured: object needs provider openai"):
        create("chat", {"name": "m", "provider": "ollama", "structured": "object"})


def test_a_bare_line_break_in_a_string_is_read() -> None:
    said = reader(ReflectionReply)('{"reflection": "One day.\nThe end."}')
    assert said.reflection == "One day.\nThe end."
