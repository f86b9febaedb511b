"""The scenario's ``agents.embedding``: what it may say, and what is said of mistakes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from threadpoolctl import threadpool_limits

from agents.embedding import embed
from simulator.embeddings.choose import create
from simulator.errors import InputError
from simulator.run import identity
from simulator.scenario import load
from simulator.world import build, check

FAKE = "langchain_core.embeddings:DeterministicFakeEmbedding"
TEXTS = ["a red film", "a blue film", "a red film about ships", ""]


class Flat(Embeddings):
    """Every text is the same to it."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[3.0, 4.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return [3.0, 4.0]


def test_the_built_in_one_is_what_agents_use_themselves() -> None:
    built_in = create("tf-idf", {}, "x.yaml")
    np.testing.assert_array_equal(built_in.embed(TEXTS), embed(TEXTS))
    assert not built_in.by_text
    assert built_in.name == "tf-idf/64"


def test_the_built_in_one_depends_on_no_number_of_threads() -> None:
    rng, words = np.random.default_rng(0), [f"w{n}" for n in range(500)]
    texts = [" ".join(rng.choice(words, size=30)) for _ in range(500)]
    found = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            found.append(create("tf-idf", {}, "x.yaml").embed(texts))
    np.testing.assert_array_equal(found[0], found[1])


def test_any_class_of_langchain() -> None:
    one = create("tf-idf", {"class": FAKE, "size": 8, "batch": 2}, "x.yaml")
    vectors = one.embed(TEXTS)
    assert vectors.shape == (4, 8)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    other = create("tf-idf", {"class": FAKE, "size": 9}, "x.yaml")
    assert one.name != other.name
    assert one.name == create("tf-idf", {"class": FAKE, "size": 8}, "x.yaml").name
    own = create("tf-idf", {"class": f"{__name__}:Flat"}, "x.yaml")
    np.testing.assert_allclose(own.embed(["a"]), [[0.6, 0.8]])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["agents.embedding={provider: tf-idf, size: 3}"], "agents.embedding.size"),
        (["agents.embedding={provider: openai}"], "agents.embedding.name: found nothing"),
        (["agents.embedding={provider: openai, name: x, colour: red}"], "allowed: name, base_url"),
        (["agents.embedding={provider: openai, name: x, batch: 0}"], "agents.embedding.batch"),
        (["agents.embedding={provider: openai, name: x, api_key_env: sk-123}"], "never a key"),
        (["agents.embedding={provider: openai, name: x, base_url: 'http://a:b@c'}"], "credentials"),
        (["agents.embedding={class: 'nowhere:Class'}"], "cannot be imported"),
        (["agents.embedding={class: 'pathlib:Path'}"], "a subclass of langchain_core"),
        (["agents.embedding={class: x}"], '"package.module:Class"'),
        (["agents.embedding={provider: openai, class: 'a:B'}"], "one of them"),
        ([f"agents.embedding={{class: '{FAKE}', api_key: sk-123}}"], "a setting for a secret"),
        ([f"agents.embedding={{class: '{FAKE}', apiKey: sk-123}}"], "embedding.apiKey"),
        (
            [f"agents.embedding={{class: '{FAKE}', headers: {{Authorization: sk-123}}}}"],
            "embedding.headers.Authorization: found a setting for a secret",
        ),
    ],
)
def test_a_mistake_is_one_line(options: list[str], said: str) -> None:
    with pytest.raises(InputError) as found:
        check(load(Path("quickstart"), options), "quickstart")
    assert said in str(found.value)
    assert "\n" not in str(found.value)
    assert "sk-123" not in str(found.value)
    assert "a:b@c" not in str(found.value)


def test_for_a_chat_model_it_would_change_nothing() -> None:
    options = ["agents.response={model: chat, name: x, base_url: 'http://127.0.0.1:9/v1'}"]
    chosen = [f"agents.embedding={{class: '{FAKE}', size: 8}}"]
    with pytest.raises(InputError, match="reads the texts themselves"):
        check(load(Path("quickstart"), options + chosen), "quickstart")
    check(load(Path("quickstart"), chosen), "quickstart")


def test_an_extra_that_is_missing_is_named() -> None:
    if find_spec("langchain_huggingface") is not None:
        pytest.skip("langchain-huggingface is installed")
    embedding = create("sentence-transformers", {"name": "all-MiniLM-L6-v2"}, "x.yaml")
    with pytest.raises(InputError, match=r"pip install 'audition\[sentence-transformers\]'"):
        embedding.embed(["a"])


def test_a_missing_key_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InputError, match="OPENAI_API_KEY is not set"):
        create("openai", {"name": "x"}, "x.yaml").ready()


def test_the_default_changes_no_run() -> None:
    plain = load(Path("quickstart"))
    assert identity(plain) == identity(load(Path("quickstart"), ["agents.embedding=tf-idf"]))
    assert build(plain, "quickstart").catalogue.embedding is None
    small = "agents.embedding={provider: openai, name: small"
    other = load(Path("quickstart"), [f"{small}}}"])
    assert identity(plain) != identity(other)
    assert identity(other) == identity(load(Path("quickstart"), [f"{small}, batch: 7}}"]))
