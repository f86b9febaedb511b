"""Who is answered, and what every answer carries: hosts, tokens, origins, methods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from simulator.storage.store import Store
from simulator.viewer.app import create_app
from simulator.viewer.index import Index
from simulator.viewer.security import Gate
from simulator.viewer.view import View

from ..report import sample

HERE = "http://127.0.0.1"


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        sample.write(opened, sample.Sample(3))
        yield opened


@pytest.fixture
def client(store: Store, tmp_path: Path) -> TestClient:
    return viewer(store, tmp_path)


def viewer(store: Store, folder: Path, gate: Gate | None = None) -> TestClient:
    return TestClient(create_app(View(store, Index(folder / "view")), gate), HERE)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[", "[::1", "", "a b"]
)
def test_a_page_elsewhere_cannot_reach_it_by_a_name_of_its_own(
    client: TestClient, host: str
) -> None:
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "try" not in answer.text


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8400", "localhost:1", "[::1]:8400", "LOCALHOST"]
)
def test_this_machine_is_answered_by_each_of_its_names(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


def test_the_address_that_was_reached_is_a_name_too(store: Store, tmp_path: Path) -> None:
    app = viewer(store, tmp_path).app
    reached = TestClient(app, "http://192.0.2.7:8400")  # bound to all of this machine's
    assert reached.get("/").status_code == 200
    for host in ("evil.example", "192.0.2.8"):
        assert reached.get("/", headers={"host": host}).status_code == 421


ADDRESSES = ("/", "/nowhere", "/static/viewer.css", "/partial/runs")


@pytest.mark.parametrize("address", ADDRESSES)
def test_with_a_token_nothing_is_told_without_it(
    store: Store, tmp_path: Path, address: str
) -> None:
    client = viewer(store, tmp_path, Gate(token="the token"))
    for query in ("", "?token=wrong", "?token=", "?token=%ff"):
        assert client.get(f"{address}{query}").status_code == 401
    assert client.get(address, headers={"cookie": "audition=wrong"}).status_code == 401
    for header in ("Bearer wrong", "Bearer", "Basic the token", "bearer \xff"):
        answer = client.get(address, headers={b"authorization": header.encode("latin-1")})
        assert answer.status_code == 401
    assert client.post(f"{address}?token=the%20token").status_code == 401


def test_who_has_the_token_comes_in_and_stays(store: Store, tmp_path: Path) -> None:
    client = viewer(store, tmp_path, Gate(token="the token"))
    bearer = {"authorization": "Bearer the token"}
    assert client.get("/", headers=bearer).status_code == 200
    assert client.get("/").status_code == 401
    entered = client.get("/?token=the%20token&x=1", follow_redirects=False)
    assert entered.status_code == 303
    assert entered.headers["location"] == "/?x=1"  # so that it is in no history
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert "SameSite=strict" in entered.headers["set-cookie"]
    assert client.get("/").status_code == 200  # by the cookie


def test_the_way_in_leads_to_no_other_host(store: Store, tmp_path: Path) -> None:
    client = viewer(store, tmp_path, Gate(token="t"))
    away = client.get(f"{HERE}//evil.example/?token=t", follow_redirects=False)
    assert away.status_code == 303
    assert away.headers["location"] == "/evil.example/"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://127.0.0.1@evil.example"},
        {"sec-fetch-site": "cross-site", "origin": HERE},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_no_other_origin_may_write(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/runs/try/agents/10/notes", data={}, headers=headers)
    assert answer.status_code == 403
    assert "Only the viewer's own pages may write." in answer.text


def test_the_viewers_own_pages_may_ask_anything(client: TestClient) -> None:
    own = {"origin": HERE, "sec-fetch-site": "same-origin"}
    assert client.post("/nowhere", headers=own).status_code == 404


@pytest.mark.parametrize("address", ["/", "/static/viewer.css", "/nowhere"])
def test_head_tells_what_get_would(client: TestClient, address: str) -> None:
    got, head = client.get(address), client.head(address)
    assert head.status_code == got.status_code
    assert head.content == b""
    assert got.content != b""
    for name in ("content-type", "content-length", "content-security-policy"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    "path", ["../view.py", "%2e%2e/view.py", "..%2fview.py", "....//view.py", "", "%00", "a" * 5000]
)
def test_static_files_alone_are_served(client: TestClient, path: str) -> None:
    answer = client.get(f"/static/{path}")
    assert answer.status_code in (404, 405)
    assert "from __future__" not in answer.text


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    for answer in (
        client.get("/"),
        client.get("/nowhere"),
        client.get("/static/viewer.css"),
        client.get("/", headers={"host": "evil.example"}),
        client.post("/", headers={"origin": "null"}),
        client.delete("/"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        rules = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
        assert rules["default-src"] == "'none'"
        for name in ("script-src", "style-src", "form-action", "connect-src"):
            assert rules[name] == "'self'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
