"""Where a chat model answers: its address, its key, and the LangChain model behind it.

A scenario names an environment variable, never a key. Heavy imports are inside.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..interface import AgentError
from . import completions

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

OPENAI = "openai"
OPENAI_KEY = "OPENAI_API_KEY"
OPENAI_URL = "https://api.openai.com/v1"

NO_KEY = "not-needed"
"""What a local server that asks for no key is sent, as the client insists on one."""

REDACTED = "[redacted]"
_KEY_LIKE = re.compile(r"\bsk-[\w*.-]{6,}|(?<=\bBearer )[^\s\"'\\]{6,}")
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Endpoint:
    """One chat model at one address; checked when it is made, opened when it is asked."""

    provider: str
    name: str
    base_url: str | None
    temperature: float | None
    api_key_env: str | None
    max_tokens: int | None = None
    """For providers that take it only when the model is made."""

    def __post_init__(self) -> None:
        if self.base_url is not None:
            _check_address(self.base_url)
        if self.api_key_env is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.api_key_env):
            # Not repeated in the text: it may well be a key, put there by mistake.
            raise AgentError(
                "chat: api_key_env: needs the name of an environment variable in capitals, "
                "such as OPENAI_API_KEY, never a key"
            )

    def check_key(self) -> None:
        """Raises AgentError where the key is missing, or an address is implied. Apart from
        making an endpoint, as a replay needs none."""
        if self.compatible and self.base_url is None and os.environ.get("OPENAI_BASE_URL"):
            # What is asked, cached and paid for hangs on the address: it is never implied.
            raise AgentError(
                "chat: base_url: found null, but the environment variable OPENAI_BASE_URL is set; "
                "say the address in base_url, or unset the variable"
            )
        variable = self.key_variable
        if variable is not None and not os.environ.get(variable):
            local = "" if self.base_url else "; a local server needs none: set base_url"
            raise AgentError(f"chat: the environment variable {variable} is not set{local}")

    @property
    def key_variable(self) -> str | None:
        """The variable with the key; none for a server of one's own that asks for none,
        which is therefore never sent a key meant for somebody else."""
        if self.api_key_env is None and self.provider == OPENAI and self.base_url is None:
            return OPENAI_KEY
        return self.api_key_env

    @property
    def compatible(self) -> bool:
        """It speaks OpenAI's chat completions, so extra fields of the body are known."""
        return self.provider == OPENAI

    @property
    def where(self) -> str:
        """For messages; an address holds no credentials (checked)."""
        return f"{self.provider} model {self.name!r} at {self.base_url or 'its default address'}"

    def key(self) -> str | None:
        return os.environ.get(self.key_variable) if self.key_variable else None

    def body(
        self, max_tokens: int | None, response_format: dict[str, Any] | None
    ) -> dict[str, Any]:
        """What is added to one request. It goes through ``extra_body``: as a named argument
        the SDK would parse the reply itself, and lose the usage of one that was cut off."""
        if not self.compatible:
            return {}
        extra: dict[str, Any] = {}
        if max_tokens is not None:
            # Servers of one's own know the old name, OpenAI's newer models only the new.
            host = urlsplit(self.base_url).hostname if self.base_url else "api.openai.com"
            new = host == "api.openai.com"
            extra["max_completion_tokens" if new else "max_tokens"] = max_tokens
        if response_format is not None:
            extra["response_format"] = response_format
        return {"extra_body": extra}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[BaseChatModel]:
        """The LangChain model, with no retries of its own; its connections are closed on
        leaving, as they belong to the running event loop."""
        from langchain.chat_models import init_chat_model

        options: dict[str, Any] = {"max_retries": 0}
        if self.temperature is not None:
            options["temperature"] = self.temperature
        if self.base_url is not None:
            options["base_url"] = self.base_url
        if (key := self.key()) is not None:
            options["api_key"] = key
        if not self.compatible:
            if self.max_tokens is not None:
                options["max_tokens"] = self.max_tokens
            yield self._made(init_chat_model, options)
            return
        # Given explicitly, neither address nor key can come from a tracing product's
        # environment.
        options.setdefault("api_key", NO_KEY)
        options.setdefault("base_url", OPENAI_URL)
        async with completions.client(options["base_url"], options["api_key"]) as client:
            if self.base_url is not None:
                client.organization = client.project = None  # an account with OpenAI
            asked = completions.Completions(client)
            # As ``client`` too, or LangChain makes a second one that is never used.
            options |= {"async_client": asked, "client": asked, "use_responses_api": False}
            yield self._made(init_chat_model, options)

    def _made(self, make: Any, options: dict[str, Any]) -> BaseChatModel:
        try:
            model: BaseChatModel = make(self.name, model_provider=self.provider, **options)
        except Exception as error:  # noqa: BLE001 each provider's constructor has its own
            said = self.redact(" ".join(str(error).split()))
            failure = f"chat: {self.where} cannot be set up: {said[:400]}"
        else:
            return model
        raise AgentError(failure)

    def redact(self, text: str) -> str:
        """Without any secret this process knows or that looks like one, and without the
        characters that no database takes (NUL, lone surrogates)."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        # Asked first what costs little: nearly no text holds any of this.
        if "sk-" in text or "Bearer " in text:
            text = _KEY_LIKE.sub(REDACTED, text)
        if text.isascii() and "\0" not in text:
            return text
        return _UNWRITABLE.sub("\ufffd", text)

    @cached_property
    def _secrets(self) -> tuple[str, ...]:
        """Longest first, so that no rest of one stays. Shorter ones are placeholders such
        as ``EMPTY``, and would be words of a text."""
        found = {value for name, value in os.environ.items() if name.endswith("_API_KEY")}
        found.add(self.key() or "")
        return tuple(sorted((s for s in found if len(s) >= 6), key=lambda s: (-len(s), s)))


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.username or parts.password or "@" in parts.netloc or parts.query:
        raise AgentError(
            "chat: base_url: holds credentials or a query; allowed: an address such as "
            "http://127.0.0.1:8000/v1, the key's variable in api_key_env"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AgentError(
            f"chat: base_url: found {url!r}; allowed: http(s)://host[:port]/path, "
            "such as http://127.0.0.1:8000/v1"
        )
