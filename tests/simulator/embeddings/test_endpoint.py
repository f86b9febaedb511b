"""An embedding endpoint over real HTTP, as it should be and as it misbehaves."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np
import pytest

from simulator.embeddings.interface import unit
from simulator.embeddings.provider import ProviderEmbedding, ProviderSettings
from simulator.errors import AuditionError

from .server import Answer, EmbeddingServer, Sent, fine, reply, vector

TEXTS = [f"film {n}" for n in range(5)]


def asked(server: EmbeddingServer, **settings: Any) -> tuple[np.ndarray, list[float], int]:
    """What TEXTS are embedded as, the waits between attempts, and the tokens counted."""
    waits: list[float] = []
    chosen = ProviderSettings(name="small", base_url=server.base_url, **settings)
    with closing(ProviderEmbedding("openai", chosen, "x.yaml", sleep=waits.append)) as embedding:
        return embedding.embed(TEXTS), waits, embedding.tokens


def failure(answer: Answer, **settings: Any) -> tuple[str, int]:
    """What is said of a server that answers so, and how often it was asked."""
    with EmbeddingServer(answer) as server:
        with pytest.raises(AuditionError) as found:
            asked(server, **settings)
        said = str(found.value)
        assert "\n" not in said
        return said, len(server.bodies)


def first(count: int, fault: Sent) -> Answer:
    return lambda number, body: fault if number <= count else fine(number, body)


def changed(**rows: Any) -> Answer:
    """The right reply, its first row changed."""

    def answer(number: int, body: dict[str, Any]) -> Sent:
        told = reply(body)
        told["data"][0] |= rows
        return Sent(told)

    return answer


def test_texts_go_out_in_batches_and_come_back_in_order() -> None:
    with EmbeddingServer() as server:
        vectors, waits, tokens = asked(server, batch=2)
        assert [body["input"] for body in server.bodies] == [TEXTS[:2], TEXTS[2:4], TEXTS[4:]]
        assert {body["path"] for body in server.bodies} == {"/v1/embeddings"}
        assert {body["model"] for body in server.bodies} == {"small"}
        assert set(server.keys) == {"Bearer not-needed"}
    np.testing.assert_allclose(vectors, unit([vector(t) for t in TEXTS]), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    assert vectors.dtype == np.float32
    assert not waits
    assert tokens == 3 + 3 + 1


def test_fewer_dimensions_are_asked_for() -> None:
    with EmbeddingServer() as server:
        assert asked(server, dimensions=8)[0].shape == (5, 8)
        assert server.bodies[0]["dimensions"] == 8


def test_retry_after_is_obeyed() -> None:
    with EmbeddingServer(first(1, Sent({"error": {"message": "slow"}}, 429, retry_after="7"))) as s:
        assert asked(s)[1] == [7.0]
        assert len(s.bodies) == 2


def test_failures_that_pass_are_waited_for_ever_longer() -> None:
    with EmbeddingServer(first(3, Sent({"error": {"message": "oops"}}, 500))) as server:
        assert asked(server)[1] == [0.5, 1.0, 2.0]
        assert len(server.bodies) == 4


@pytest.mark.parametrize(
    ("answer", "attempts", "said"),
    [
        (lambda n, b: Sent({"error": {"message": "oops"}}, 500), 5, "HTTP 500"),
        (lambda n, b: Sent({"error": {"message": "x"}}, 429, retry_after="900"), 1, "wait 900 s"),
        (lambda n, b: Sent({"error": {"code": "insufficient_quota"}}, 429), 1, "no quota left"),
        (lambda n, b: Sent({"error": {"message": "no"}}, 404), 1, "check name and base_url"),
        (lambda n, b: Sent({"error": {"message": "context length"}}, 400), 1, "longer than the"),
        (lambda n, b: Sent(reply(b), cut=True), 5, "embeddings: openai model 'small'"),
        (lambda n, b: Sent({**reply(b), "data": reply(b)["data"][1:]}), 2, "4 vectors for 5 texts"),
        (lambda n, b: Sent({**reply(b), "data": []}), 2, "broken reply"),
        (lambda n, b: Sent(b"<html>"), 2, "broken reply"),
        (changed(index=0), 2, "not numbered as the texts"),
        (changed(embedding=[1.0, 2.0]), 2, "[2, 16] dimensions in one reply"),
        (changed(embedding=[float("nan")] * 16), 2, "not finite"),
    ],
)
def test_what_stays_wrong_ends_in_one_line(answer: Answer, attempts: int, said: str) -> None:
    told, requests = failure(answer)
    assert said in told
    assert requests == attempts
    assert f"({attempts} attempt" in told


def test_other_dimensions_than_asked_for_are_refused() -> None:
    answer: Answer = lambda n, body: Sent(reply({**body, "dimensions": 4}))  # noqa: E731
    assert "vectors of 4 dimensions, not 8" in failure(answer, dimensions=8)[0]


def test_a_server_that_hangs_is_given_up() -> None:
    answer: Answer = lambda n, body: Sent(reply(body), delay=0.5)  # noqa: E731
    told, requests = failure(answer, timeout=0.05, attempts=2)
    assert requests == 2
    assert "Timeout" in told


def test_nothing_listens() -> None:
    with EmbeddingServer() as server:
        address = server.base_url
    chosen = ProviderSettings(name="small", base_url=address)
    with (
        closing(ProviderEmbedding("openai", chosen, "x.yaml", sleep=lambda _: None)) as embedding,
        pytest.raises(AuditionError, match="5 attempts"),
    ):
        embedding.embed(TEXTS)


def test_a_key_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "abc-very-secret-123456"
    monkeypatch.setenv("MY_KEY", secret)
    for status in (401, 500):
        answer: Answer = lambda n, b, status=status: Sent(  # type: ignore[misc] # noqa: E731
            {"error": {"message": f"bad key {secret}"}}, status
        )
        told, _ = failure(answer, api_key_env="MY_KEY")
        assert secret not in told
        assert "MY_KEY" in told or "[redacted]" in told
    with EmbeddingServer() as server:
        asked(server, api_key_env="MY_KEY")
        assert set(server.keys) == {f"Bearer {secret}"}
