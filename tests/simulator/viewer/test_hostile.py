"""Whatever a store or an address holds, the viewer shows text, says 404, or refuses."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from simulator.storage.store import Store
from simulator.viewer import session_index
from simulator.viewer.app import create_app
from simulator.viewer.index import Index
from simulator.viewer.view import View

from . import hostile
from .crawling import Crawl, check_page, routes

HERE = "http://127.0.0.1"
FEW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a run of a hostile name that still runs, and one of a harmless name; and a
    store with long texts."""
    path = tmp_path_factory.mktemp("hostile")
    with Store.open(path / "store.db") as opened:
        hostile.write(opened, "plain-name")
        hostile.write(opened, ended=False)
    with Store.open(path / "long.db") as opened:
        hostile.write(opened, "long", size="long")
    return path


def viewed(path: Path, *runs: str) -> Iterator[TestClient]:
    with Store.open(path) as opened:
        view = View(opened, Index(path.with_suffix(".view")))
        for run in runs:
            hostile.without_figures(opened, view.index, run)
            session_index.update(opened, view.index, run)
        yield TestClient(create_app(view), HERE)
        view.work.close()


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    yield from viewed(folder / "store.db", "plain-name")


@pytest.fixture(scope="module")
def crawled(client: TestClient) -> dict[str, Any]:
    return Crawl(client).go("/")


# Hostile text


def test_every_page_and_download_is_reached(client: TestClient, crawled: dict[str, Any]) -> None:
    met = [unquote(urlsplit(address).path) for address in crawled]
    missed = {
        route.path
        for route in routes(client.app)
        if not any(route.path_regex.match(path) for path in met)
    }
    assert missed <= {"/runs/{run}/events", "/runs/{run}/summary"}  # by scripts alone
    assert len(crawled) > 20


def test_every_link_leads_somewhere(crawled: dict[str, Any]) -> None:
    bad = {
        a: r.status_code for a, r in crawled.items() if r.status_code not in (200, 204, 303, 307)
    }
    assert bad == {}


def test_text_stays_text_on_every_page(crawled: dict[str, Any]) -> None:
    pages = {
        a: r
        for a, r in crawled.items()
        if r.headers.get("content-type", "").startswith("text/html")
    }
    assert pages
    for address, answer in pages.items():
        check_page(address, answer.text)


def test_downloads_are_what_they_say_and_run_nothing(crawled: dict[str, Any]) -> None:
    for address, answer in crawled.items():
        kind = answer.headers.get("content-type", "text/plain").partition(";")[0]
        assert kind in KINDS, (address, kind)
        if kind == "application/json":
            json.loads(answer.text, parse_constant=pytest.fail)
        if kind == "text/csv":
            for row in csv.reader(io.StringIO(answer.text)):
                assert not [c for c in row if c.startswith(FORMULA) and not number(c)], address
        if kind in ("text/csv", "text/markdown", "application/json"):
            assert answer.headers["content-disposition"].startswith("attachment"), address
            assert not re.search(r"[\r\n\x00]", answer.headers["content-disposition"])


FORMULA = ("=", "+", "-", "@", "\t", "\r")
KINDS = {
    *("text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml"),
    *("text/csv", "text/markdown", "application/json", "image/png", "text/plain"),
}


def number(cell: str) -> bool:
    return bool(re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", cell))


def test_every_answer_carries_the_policy(client: TestClient, crawled: dict[str, Any]) -> None:
    others = [
        client.get("/nowhere"),
        client.get("/", headers={"host": "evil.example"}),
        client.post("/"),
        client.get("/static/nothing.js"),
    ]
    for answer in (*crawled.values(), *others):
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        rules = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == "'self'"
        assert rules["style-src"] == "'self'"
        assert rules["form-action"] == "'self'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"


@pytest.fixture(scope="module")
def long(folder: Path) -> Iterator[dict[str, Any]]:
    for client in viewed(folder / "long.db", "long"):
        yield Crawl(client, alike=4).go("/")


def test_long_texts_are_cut_and_can_be_seen_whole(long: dict[str, Any]) -> None:
    pages = {
        a: r for a, r in long.items() if r.headers.get("content-type", "").startswith("text/html")
    }
    sizes = {address: len(answer.content) for address, answer in pages.items()}
    assert max(sizes.values()) < 600_000, sorted(sizes.items(), key=lambda pair: -pair[1])[:5]
    whole = [a for a, r in long.items() if a not in pages and len(r.content) > hostile.LONG]
    assert whole


# Hostile addresses

BAD = (
    *("%2e%2e%2f", "..%2f..%2fetc%2fpasswd", "%00", "a%00b", "%0d%0aSet-Cookie:x=1"),
    *("-1", "999999", str(2**31), str(2**63), str(2**64), "9" * 400, "1e3", "1.5", "0x3"),
    *("%E0%A5%A9", "NaN", "null", "true", "%ff", "%ED%A0%80", "x" * 5_000),
    *("'%20OR%201=1--", "%22%3E%3Cscript%3E", "%7B%7B7*7%7D%7D", "*", "%25", "%", "~", ";"),
)


def fitting(path: str) -> Iterator[str]:
    """The path of a route with each of its parameters bad in turn."""
    names = re.findall(r"{(\w+)(?::\w+)?}", path)
    for bad in names:
        for value in BAD:
            filled = path
            for name in names:
                here = value if name == bad else GOOD.get(name, "1")
                filled = here.join(re.split(rf"{{{name}(?::\w+)?}}", filled))
            yield filled


GOOD = {"run": "plain-name", "agent": "3", "page": "1", "call": "1", "note": "1"}


def test_what_is_not_there_is_a_404_and_never_a_traceback(client: TestClient) -> None:
    tried = 0
    for route in routes(client.app):
        for address in fitting(route.path):
            if "/events" in address:
                continue  # a stream
            answer = client.get(address, follow_redirects=False)
            assert answer.status_code in (404, 303, 307, 405), (address[:200], answer.status_code)
            assert "Traceback" not in answer.text
            check_error(answer)
            tried += 1
    assert tried > len(BAD)


def check_error(answer: Any) -> None:
    if answer.headers.get("content-type", "").startswith("text/html"):
        check_page(str(answer.url)[:200], answer.text)


def test_only_what_is_offered_is_answered(client: TestClient, crawled: dict[str, Any]) -> None:
    for address in list(crawled)[:25]:
        for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "POST"):
            answer = client.request(method, address)
            assert answer.status_code in (403, 404, 405, 415), (method, address)


STRANGE = st.one_of(
    st.text(max_size=40),
    st.integers().map(str),
    st.sampled_from(["", "-1", "0", "nan", "inf", str(2**63), "9" * 400, "\x00", "%", "٣", "1_0"]),
    st.sampled_from([*hostile.ARMS, "<script>", "' OR 1=1 --", '"', "a:b", '{"$gt": 1}', "NEAR("]),
)


@FEW
@given(data=st.data())
def test_no_query_breaks_a_page(
    client: TestClient, crawled: dict[str, Any], data: st.DataObject
) -> None:
    path, names = data.draw(st.sampled_from(sorted(asked(client, crawled).items())))
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(names), STRANGE), min_size=1, max_size=4))
    said = "&".join(f"{quote(name)}={quote(value, errors='replace')}" for name, value in pairs)
    answer = client.get(f"{path}?{said}", follow_redirects=False)
    assert answer.status_code in (200, 303, 307, 404), (path, said)
    check_error(answer)


def asked(client: TestClient, crawled: dict[str, Any]) -> dict[str, list[str]]:
    """One address of each route that takes a query, with the names of what it takes."""
    out = {}
    for route in routes(client.app):
        names = [param.alias for param in route.dependant.query_params]
        met = (urlsplit(address).path for address in crawled)
        path = next((p for p in met if route.path_regex.match(unquote(p))), None)
        if names and path:
            out[path] = names
    return out


def test_queries_that_are_no_text_break_no_page(
    client: TestClient, crawled: dict[str, Any]
) -> None:
    for path, names in asked(client, crawled).items():
        for name in names:
            for raw in ("%ff%fe", "%ED%A0%80", "%", "%zz", "x" * 20_000, "&" * 2_000, "[]=1"):
                answer = client.get(f"{path}?{name}={raw}", follow_redirects=False)
                assert answer.status_code in (200, 303, 307, 404), (path, name, raw[:20])
