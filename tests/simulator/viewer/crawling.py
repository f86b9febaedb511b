"""A reader of the viewer that follows every link, and a parser that tells what a page holds."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from simulator.report.wording import clean

ADDRESSES = frozenset({"href", "src", "action", "formaction", "poster", "data", "srcset", "cite"})
ASKED = frozenset({"hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete", "hx-push-url"})
STREAMED = frozenset({"sse-connect"})
VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})


@dataclass
class Held(HTMLParser):
    """What stands on a page: its elements with their attributes, and its text."""

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    _inside: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._inside = tag if tag not in VOID else self._inside

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self._inside in ("script", "style") else self.text).append(data)

    @classmethod
    def of(cls, html: str) -> Held:
        held = cls()
        held.feed(html)
        held.close()
        return held

    def addresses(self) -> Iterator[tuple[str, str]]:
        """(attribute, address) of all that leads somewhere."""
        for _, attributes in self.elements:
            for name, value in attributes.items():
                if name in ADDRESSES | ASKED | STREAMED and value not in ("true", "false"):
                    yield name, value

    def forms(self) -> Iterator[str]:
        """Addresses of what forms ask by GET, each choice of a list once."""
        action: str | None = None
        fields: dict[str, list[str]] = {}
        name = ""
        for tag, attributes in [*self.elements, ("form", {"method": "post"})]:
            if tag == "form":
                yield from _asked(action, fields)
                got = attributes.get("method", "get").lower() == "get" and "action" in attributes
                action, fields = attributes["action"] if got else None, {}
            elif tag in ("input", "textarea") and attributes.get("name"):
                fields.setdefault(attributes["name"], []).append(attributes.get("value", ""))
            elif tag == "select":
                name = attributes.get("name", "")
            elif tag == "option" and name:
                fields.setdefault(name, []).append(attributes.get("value", ""))


def _asked(action: str | None, fields: dict[str, list[str]]) -> Iterator[str]:
    if action is None:
        return
    first = {name: values[0] for name, values in fields.items()}
    for name, values in fields.items():
        for value in values:
            yield f"{action}?{urlencode({**first, name: value or '1'})}"


@dataclass
class Crawl:
    """Addresses that pages lead to, ``alike`` of each kind: the same path but for numbers and
    the run."""

    client: TestClient
    alike: int = 8
    answers: dict[str, Any] = field(default_factory=dict)
    streams: set[str] = field(default_factory=set)

    def go(self, *starts: str) -> dict[str, Any]:
        """Answers by address, from ``starts`` on."""
        waiting, seen, kinds = deque(starts), set(starts), Counter[str]()
        while waiting:
            address = waiting.popleft()
            kinds[_kind(address)] += 1
            if kinds[_kind(address)] > self.alike:
                continue
            answer = self.client.get(address, follow_redirects=False)
            self.answers[address] = answer
            for found in self._found(address, answer):
                if found not in seen:
                    seen.add(found)
                    waiting.append(found)
        return self.answers

    def _found(self, address: str, answer: Any) -> Iterator[str]:
        if "location" in answer.headers:
            yield urljoin(address, answer.headers["location"]).partition("#")[0]
        if not answer.headers.get("content-type", "").startswith("text/html"):
            return
        held = Held.of(answer.text)
        for name, found in held.addresses():
            whole = urljoin(address, found).partition("#")[0]
            if name in STREAMED:
                self.streams.add(whole)
            elif _own(whole) and name in ("href", "src", "hx-get"):
                yield whole
        yield from (urljoin(address, form) for form in held.forms())


def _own(address: str) -> bool:
    return address.startswith("/") and not address.startswith("//")


def _kind(address: str) -> str:
    path = re.sub(r"^/runs/[^/]+", "/runs/*", urlsplit(address).path)
    return re.sub(r"\d+", "0", path)


def routes(app: Any) -> list[APIRoute]:
    """The routes of an application that answer GET, gate or not."""
    found: list[Any] = list(getattr(app, "app", app).routes)
    for route in found:  # what was included stands, by version of the framework, within
        found.extend(getattr(getattr(route, "original_router", None), "routes", ()))
    return [
        route for route in found if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    ]


def check_page(address: str, html: str) -> None:
    """Nothing of what a store holds became an element, an attribute, an address or a mark."""
    held = Held.of(html)
    for tag, attributes in held.elements:
        assert not tag.startswith("evil"), (address, tag)
        assert tag not in ("iframe", "object", "embed", "base", "style"), (address, tag)
        for name, value in attributes.items():
            assert re.fullmatch(r"[a-z][a-z0-9:-]*", name), (address, tag, name)
            assert not name.startswith(("on", "evil", "style", "hx-on")), (address, tag, name)
            assert name not in ("style", "srcdoc", "hx-vars"), (address, tag, name)
            assert name != "hx-vals" or value.startswith('{"'), (address, value)
            assert "evil" not in attributes.get("class", ""), (address, attributes)
            assert shown(value) or name == "value", (address, tag, name, value)
        if tag == "script":
            assert attributes.get("src", "").startswith(SCRIPTS), address
    assert "".join(held.scripts).strip() == "", address
    for name, found in held.addresses():
        assert not found.startswith("//"), (address, found)
        scheme = urlsplit(found).scheme
        assert scheme == "" or (name == "src" and found.startswith("data:image/")), (address, found)
    text = "".join(held.text)
    assert shown(text), (address, [c for c in text if not shown(c)])
    assert "evil49" not in text
    assert "{{7*7}}49" not in text


SCRIPTS = ("/static/", "static/", "../static/", "../../static/")


def shown(text: str) -> bool:
    """Whether nothing is in it that a reader cannot see."""
    return all(clean(part) == part for part in re.split(r"[\n\t\r]", text))
