"""Any LangChain chat model: what the gateway makes of one that is not OpenAI's."""

from __future__ import annotations

import json
from typing import Any

import langchain.chat_models
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult
from langsmith.utils import get_env_var, tracing_is_enabled

from agents.interface import OK, AgentError, Answers, Call
from agents.registry import create

from .world import KEY, NoLuck, audience, catalogue, page

ANSWER = json.dumps(
    {
        "items": {
            handle: {"reason": "", "interest": 3, "aligned": False}
            for handle in ("1", "2", "3", "4")
        },
        "watched": [],
        "feeling": "",
        "satisfaction": 4,
        "fatigue": 2,
        "reason": "nothing for me",
        "leave": True,
        "exit": {"reason": "not mine", "satisfaction": 3, "return_intent": 1},
    }
)


def answered(
    monkeypatch: pytest.MonkeyPatch, *messages: AIMessage, **settings: Any
) -> tuple[Answers, list[Call], dict[str, Any]]:
    made: dict[str, Any] = {}

    def make(name: str, **options: Any) -> BaseChatModel:
        made.update(options, name=name)
        return FakeMessagesListChatModel(responses=list(messages))

    monkeypatch.setattr(langchain.chat_models, "init_chat_model", make)
    model = create("chat", {"name": "m", "provider": "anthropic"} | settings)
    session = model.visit(audience(1), catalogue(), NoLuck(), 1)
    return session.turn(page(1)), session.notes().calls, made


def test_blocks_of_content_and_usage_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[str | dict[str, Any]] = [
        {"type": "thinking", "thinking": "hm { hm"},
        {"type": "text", "text": ANSWER},
    ]
    message = AIMessage(
        content=blocks,
        usage_metadata={"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
        response_metadata={"stop_reason": "end_turn"},
    )
    answers, calls, made = answered(monkeypatch, message, max_tokens=500)
    assert list(answers.outcome) == [OK]
    assert answers.leave[0]
    assert (calls[0].tokens_in, calls[0].tokens_out) == (11, 7)
    assert made == {
        "name": "m",
        "model_provider": "anthropic",
        "max_retries": 0,
        "temperature": 0.2,
        "max_tokens": 500,
    }


@pytest.mark.parametrize(
    ("about", "outcome"),
    [
        ({"stop_reason": "max_tokens"}, "truncated"),
        ({"stop_reason": "refusal"}, "refused"),
        ({"finish_reason": "SAFETY"}, "filtered"),
        ({"done_reason": "length"}, "truncated"),
    ],
)
def test_how_a_reply_ended_is_read(
    about: dict[str, str], outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, _, _ = answered(monkeypatch, AIMessage(content=ANSWER, response_metadata=about))
    assert list(answers.outcome) == [outcome]


def test_prompts_are_traced_nowhere_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced: list[object] = []

    class Watching(FakeMessagesListChatModel):
        def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
            traced.append(tracing_is_enabled())
            return super()._generate(*args, **kwargs)

    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    get_env_var.cache_clear()  # type: ignore[attr-defined]
    try:
        assert tracing_is_enabled()
        model = Watching(responses=[AIMessage(content=ANSWER)])
        monkeypatch.setattr(langchain.chat_models, "init_chat_model", lambda *_, **__: model)
        session = create("chat", {"name": "m", "provider": "groq"}).visit(
            audience(1), catalogue(), NoLuck(), 1
        )
        session.turn(page(1))
    finally:
        get_env_var.cache_clear()  # type: ignore[attr-defined]
    assert traced == [False]


def test_a_provider_that_cannot_be_set_up_is_one_line_without_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEST_CHAT_KEY", KEY)

    def make(name: str, **options: Any) -> BaseChatModel:
        raise RuntimeError(f"bad\nthings with {options['api_key']}")

    monkeypatch.setattr(langchain.chat_models, "init_chat_model", make)
    model = create("chat", {"name": "m", "provider": "groq", "api_key_env": "TEST_CHAT_KEY"})
    session = model.visit(audience(1), catalogue(), NoLuck(), 1)
    with pytest.raises(AgentError) as caught:
        session.turn(page(1))
    assert "groq model 'm'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_provider_that_is_not_there_says_so() -> None:
    model = create("chat", {"name": "m", "provider": "nosuch"})
    session = model.visit(audience(1), catalogue(), NoLuck(), 1)
    with pytest.raises(AgentError, match="Unsupported provider"):
        session.turn(page(1))
