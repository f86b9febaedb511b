"""A run's pages as files: whole, in itself, and saying what it leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from simulator.storage import person_notes
from simulator.storage.person_notes import NOT_BELIEVABLE, Seen
from simulator.storage.store import Store
from simulator.viewer import bundle
from simulator.viewer.bundle import Bundle
from simulator.viewer.bundle_plan import Plan
from simulator.viewer.index import Index

from ..command import audition
from ..report import sample
from . import hostile
from .crawling import Held, check_page


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The runs ``try``, 60 agents, with a note on agent 40; a family; a hostile run."""
    path = tmp_path_factory.mktemp("bundle") / "store.db"
    with Store.open(path) as opened:
        sample.write(opened, sample.Sample(60))
        sample.write_family(opened, 1, 2, agents=3)
        hostile.write(opened, "evil")
        seen = Seen("MF", 1, 40, 1)
        person_notes.add(opened, "try", seen, verdict=NOT_BELIEVABLE, text="Too quick.")
        yield opened


@pytest.fixture(scope="module")
def index(store: Store) -> Index:
    made = Index(Path(str(store.engine.url.database)).with_name("view"))
    for run in ("try", "evil"):
        hostile.without_figures(store, made, run)
    return made


@pytest.fixture(scope="module")
def copy(store: Store, index: Index, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundle.write(store, index, "try", tmp_path_factory.mktemp("out") / "copy", count=3)


def pages(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*.html")):
        yield str(path.relative_to(folder)), path.read_text(encoding="utf-8")


def test_every_link_is_to_a_file_of_the_copy(copy: Bundle) -> None:
    seen = 0
    for name, html in pages(copy.folder):
        for attribute, address in Held.of(html).addresses():
            parts = urlsplit(address)
            assert not parts.scheme, (name, attribute, address)
            assert not parts.netloc, (name, address)
            assert not parts.query, (name, address)
            assert not address.startswith("/"), (name, address)
            if parts.path:
                target = (copy.folder / name).parent / unquote(parts.path)
                assert target.is_file(), (name, address)
                assert target.resolve().is_relative_to(copy.folder.resolve())
            seen += 1
    assert seen > 500


def test_it_holds_the_run_the_chosen_agents_and_their_notes(copy: Bundle) -> None:
    there = dict(pages(copy.folder))
    assert (copy.agents, copy.of) == (3, 60)
    whole = sorted({name.split("/")[1] for name in there if name.startswith("agents/")})
    assert whole == ["10", "11", "40"]  # whom a note is about comes first
    for arm in range(3):
        assert f"agents/40/a{arm}-r1.html" in there
    assert "agents/40/pair-a1-a2-r1.html" in there  # the control is the second arm
    assert "Too quick." in there["notes.html"]
    assert "Too quick." in there["agents/40/a1-r1.html"]
    assert 'href="agents/40/a1-r1.html#page-1"' in there["notes.html"]
    assert 'id="page-1"' in there["agents/40/a1-r1.html"]
    assert 'class="report"' in there["index.html"]
    assert len([name for name in there if re.match(r"agents(-\d)?\.html", name)]) == 4
    assert copy.files == sum(path.is_file() for path in copy.folder.rglob("*"))


def test_nothing_in_it_asks_anybody(copy: Bundle) -> None:
    for name, html in pages(copy.folder):
        held = Held.of(html)
        forms = [attributes for tag, attributes in held.elements if tag == "form"]
        assert all(form.get("method") == "dialog" for form in forms), name
        assert not [a for _, a in held.elements if "sse-connect" in a or "hx-post" in a], name
        assert "htmx" not in "".join(a.get("src", "") for _, a in held.elements)
        assert "Content-Security-Policy" in html
        assert "secret" not in html
        assert "store.db" not in html  # where it lay is nobody's business
    assert not list(copy.folder.rglob("*htmx*"))


def test_it_says_what_it_leaves_out(copy: Bundle) -> None:
    told = (copy.folder / "left-out.html").read_text(encoding="utf-8")
    assert "57 agents: only the chosen ones have pages." in told
    assert "Prompts and replies" in told
    assert "3 of 60 agents" in copy.line
    assert 'href="left-out.html"' in (copy.folder / "agents.html").read_text(encoding="utf-8")


def test_prompts_and_replies_are_there_only_where_asked_for(
    store: Store, index: Index, tmp_path: Path
) -> None:
    bare = bundle.write(store, index, "evil", tmp_path / "bare")
    assert not [name for name, html in pages(bare.folder) if "evil-prompt" in html]
    assert not [name for name, _ in pages(bare.folder) if "calls" in name]
    full = bundle.write(store, index, "evil", tmp_path / "full", calls=True)
    assert [name for name, html in pages(full.folder) if "evil-prompt" in html]
    assert [name for name, html in pages(full.folder) if "evil-reply" in html]
    for name, html in pages(full.folder):
        check_page(name, html)


def test_one_agent_alone(store: Store, index: Index, tmp_path: Path) -> None:
    made = bundle.write(store, index, "try", tmp_path / "one", agents=[12, 12])
    whole = {name.split("/")[1] for name, _ in pages(made.folder) if name.startswith("agents/")}
    assert whole == {"12"}


def test_it_is_written_whole_or_not_at_all(
    store: Store, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("halfway")

    monkeypatch.setattr("shutil.copytree", fails)
    with pytest.raises(RuntimeError, match="halfway"):
        bundle.write(store, index, "try", tmp_path / "half", count=1)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_copied_is_one_line(store: Store, tmp_path: Path) -> None:
    url = store.engine.url.database
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").write_text("kept")
    (tmp_path / "file").write_text("")
    cases = {
        ("try", "--bundle", tmp_path / "full"): "with something in it; allowed: a new or an empty",
        ("try", "--bundle", tmp_path / "file"): "no folder",
        ("many", "--bundle", tmp_path / "x"): "allowed: one of its runs: many.w1.r1, many.w1.r2",
        ("nobody", "--bundle", tmp_path / "x"): "found 'nobody'",
        ("try", "--bundle", tmp_path / "x", "--agent", "999"): "agent: found 999",
        ("try", "--bundle", tmp_path / "x", "--agent", "10", "--agents", "2"): "one of them",
        ("--bundle", tmp_path / "x"): "audition view RUN --bundle DIR",
        ("try", "--agents", "3"): "--agents: found no --bundle",
        ("try", "--with-calls"): "--with-calls: found no --bundle",
        ("try", "--bundle", tmp_path / "file" / "x"): "--bundle",
    }
    for arguments, line in cases.items():
        done = audition("view", *arguments, "--store", url)
        assert done.code == 2, arguments
        assert line in done.err
        assert len(done.err.splitlines()) == 1
    assert (tmp_path / "full" / "kept").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


def test_the_command_writes_into_an_empty_folder(
    store: Store, index: Index, tmp_path: Path
) -> None:
    (tmp_path / "copy").mkdir()
    made = bundle.write(store, index, "try", tmp_path / "copy", count=0)
    assert made.agents == 0
    assert (tmp_path / "copy" / "index.html").is_file()
    assert "60 agents: only" in (tmp_path / "copy" / "left-out.html").read_text(encoding="utf-8")


def test_an_address_is_a_file_or_nothing() -> None:
    plan = Plan("a/b", ["A", "B", "C"], "A", {7}, calls=False)
    at = plan.root
    assert plan.file(at, {}) == "index.html"
    assert plan.file(f"{at}/agents", {"sheet": 2, "arm": "B"}) == "agents-a1-2.html"
    assert plan.file(f"{at}/agents", {"q": "x"}) is None
    assert plan.file(f"{at}/agents", {"sheet": 999}) is None
    assert plan.file(f"{at}/agents/7", {"arm": "C", "round": 2}) == "agents/7/a2-r2.html"
    assert plan.file(f"{at}/agents/7", {"arm": "D"}) is None
    assert plan.file(f"{at}/agents/8", {"arm": "C"}) is None
    assert plan.file(f"{at}/agents/7/pair", {"a": "A", "b": "B"}) == "agents/7/pair-a0-a1-r1.html"
    assert plan.file(f"{at}/agents/7/pair", {"a": "C", "b": "B"}) is None
    assert plan.file(f"{at}/agents/7/calls", {"arm": "A"}) is None
    assert plan.file(f"{at}c", {}) is None
    assert plan.file("/runs/other", {}) is None
    views = {plan.file(f"{at}/movers", {"metric": f"m{n}"}) for n in range(100)}
    assert None in views
    assert len(views) == 61
