"""OpenAI's chat completions as LangChain's ``ChatOpenAI`` asks for them, without what the
SDK does to a request and a reply only for LangChain to undo it.

The SDK checks every message of a request against its types and builds an object of every
reply, which LangChain takes apart again into the JSON it was: half the CPU of a call. Here
the same client posts the same body and hands over the JSON.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CONNECTIONS = 10_000
"""More than are ever asked for: how many are in flight is decided elsewhere."""

KEPT = 4.0
"""Seconds an idle connection is kept: less than the 5 after which many servers close it,
as a request sent on a closing connection is lost."""


@asynccontextmanager
async def client(base_url: str, key: str) -> AsyncIterator[AsyncOpenAI]:
    """OpenAI's client on aiohttp, without retries, time-outs or redirects: the first two
    are decided elsewhere, and a prompt goes to the address that was named."""
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient

    # Reading the system's certificates takes longer than a page of a local server; an
    # address without TLS gets a context that trusts nobody.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if base_url.startswith("http:") else True
    async with DefaultAioHttpClient(
        trust_env=not _is_loopback(base_url),  # loopback is never asked through a proxy
        timeout=None,
        verify=verify,
        follow_redirects=False,
        limits=httpx2.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEPT),
    ) as http:
        yield AsyncOpenAI(
            api_key=key, base_url=base_url, http_client=http, max_retries=0, timeout=None
        )


class Completions:
    """Takes the place of the SDK's ``client.chat.completions`` in ``ChatOpenAI``."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    @property
    def with_raw_response(self) -> Completions:
        return self

    async def create(
        self, *, extra_body: Mapping[str, Any] | None = None, **payload: Any
    ) -> Answered:
        import httpx2

        response = await self._client.post(
            "/chat/completions",
            body={**payload, **(extra_body or {})},
            cast_to=httpx2.Response,
        )
        return Answered(response.headers, response.content)


@dataclass(frozen=True)
class Answered:
    """A response before it is read."""

    headers: Mapping[str, str]
    content: bytes

    def parse(self) -> Any:
        """The JSON; of a reply with a refusal the SDK's object, as LangChain looks for it
        only there. ValueError for anything but JSON."""
        try:
            data = json.loads(self.content)
        except ValueError as error:
            # Cut again once it is redacted: half a key would not be recognised.
            raise ValueError(f"not JSON ({error}): {self.content[:3000]!r}") from None
        if not _refused(data):
            return data
        from openai.types.chat import ChatCompletion

        return ChatCompletion.construct(**data)


def _refused(data: Any) -> bool:
    try:
        return bool(data["choices"][0]["message"].get("refusal"))
    except (LookupError, TypeError, AttributeError):
        return False  # a broken envelope, which LangChain will stumble over


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
