"""An embedding model of a LangChain provider, or of a server that speaks OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from agents.interface import AgentError
from agents.response.endpoint import NO_KEY, OPENAI_URL, Endpoint

from ..errors import InputError
from .by_langchain import ByLangChain
from .interface import KEY

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from openai import OpenAI

HUGGINGFACE = "huggingface"
ALIASES = {"sentence-transformers": HUGGINGFACE}


class ProviderSettings(BaseModel):
    """Settings of an embedding beside ``provider``; docs/agents.md says what they do."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(min_length=1)]
    base_url: str | None = None
    api_key_env: str | None = None
    dimensions: Annotated[int | None, Field(ge=1, le=65536)] = None
    batch: Annotated[int, Field(ge=1, le=2048)] = 128
    timeout: Annotated[float, Field(ge=0.01, le=3600)] = 60.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 5


class ProviderEmbedding(ByLangChain):
    """Made by ``langchain.embeddings.init_embeddings``; ``key`` is where ``file`` sets it."""

    def __init__(
        self, provider: str, settings: ProviderSettings, file: str, key: str = KEY, **more: Any
    ) -> None:
        self._file, self._key, self._settings = file, key, settings
        provider = ALIASES.get(provider, provider)
        try:
            self._endpoint = Endpoint(
                provider, settings.name, settings.base_url, None, settings.api_key_env
            )
        except AgentError as error:
            raise self._refused(error) from None
        address = settings.base_url or "its default address"
        name = f"{provider}/{settings.name}@{address}"
        name += "" if settings.dimensions is None else f"/{settings.dimensions}"
        self._client: OpenAI | None = None
        self._ordered: _Ordered | None = None
        super().__init__(
            name,
            where=f"embeddings: {self._endpoint.where}",
            batch=settings.batch,
            attempts=settings.attempts,
            dimensions=settings.dimensions,
            **more,
        )

    @property
    def key_variable(self) -> str | None:
        return self._endpoint.key_variable

    @property
    def tokens(self) -> int:
        return 0 if self._ordered is None else self._ordered.tokens

    def redact(self, text: str) -> str:
        return self._endpoint.redact(text)

    def ready(self) -> None:
        try:
            self._endpoint.check_key()
        except AgentError as error:
            raise self._refused(error) from None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = self._model = None

    def make(self) -> Embeddings:
        try:
            from langchain.embeddings import init_embeddings

            made = init_embeddings(
                self._settings.name, provider=self._endpoint.provider, **self._options()
            )
        except ImportError as error:
            raise InputError(
                self._file,
                key=f"{self._key}.provider",
                found=f"{self._endpoint.provider}, whose package is not installed",
                fix=self._install(str(error)),
            ) from None
        except Exception as error:  # noqa: BLE001 each provider's constructor has its own
            said = self.redact(" ".join(str(error).split()))[:400]
            raise InputError(
                self._file, key=self._key, found=f"what cannot be set up: {said}"
            ) from None
        return made

    def _install(self, said: str) -> str:
        if self._endpoint.provider == HUGGINGFACE:
            return "install with pip install 'audition[sentence-transformers]'"
        return " ".join(said.split())[:200]

    def _options(self) -> dict[str, Any]:
        settings, key = self._settings, self._endpoint.key()
        told = {"base_url": settings.base_url, "dimensions": settings.dimensions, "api_key": key}
        options: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
        if not self._endpoint.compatible:
            return options
        import openai

        # Given explicitly, neither address nor key comes from the environment.
        options.setdefault("api_key", NO_KEY)
        options.setdefault("base_url", OPENAI_URL)
        self._client = client = openai.OpenAI(
            api_key=options["api_key"],
            base_url=options["base_url"],
            timeout=settings.timeout,
            max_retries=0,
            http_client=openai.DefaultHttpxClient(follow_redirects=False),
        )
        if settings.base_url is not None:
            client.organization = client.project = None  # an account with OpenAI
        self._ordered = _Ordered(client.embeddings)
        # As texts, not as OpenAI's token ids, which other servers cannot read.
        return options | {
            "client": self._ordered,
            "async_client": self._ordered,
            "check_embedding_ctx_length": False,
            "chunk_size": settings.batch,
            "max_retries": 0,
        }

    def _refused(self, error: AgentError) -> InputError:
        return InputError(f"{self._file}: {self._key}: {str(error).removeprefix('chat: ')}")


class _Ordered:
    """OpenAI's embeddings with each vector at the place of its text, as the reply numbers
    them, and with the tokens counted; LangChain takes them as they come."""

    def __init__(self, client: Any) -> None:
        self._client, self.tokens = client, 0

    def create(self, **asked: Any) -> dict[str, Any]:
        """Raises ValueError for a reply whose numbers are not those of the texts."""
        reply: dict[str, Any] = self._client.create(**asked).model_dump(warnings=False)
        rows, n = reply["data"], len(asked["input"])
        places = [row.get("index") for row in rows]
        if len(rows) != n:
            raise ValueError(f"{len(rows)} vectors for {n} texts")
        if None not in places:
            if sorted(places) != list(range(n)):
                raise ValueError("vectors that are not numbered as the texts are")
            rows = [row for _, row in sorted(zip(places, rows, strict=True), key=lambda p: p[0])]
        self.tokens += _tokens(reply.get("usage"))
        return {**reply, "data": rows}


def _tokens(usage: Any) -> int:
    told = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return told if isinstance(told, int) and told > 0 else 0
