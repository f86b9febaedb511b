"""Notes of people: kept, shown, changed, exported; and who may write them."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from starlette.testclient import TestClient

from simulator.errors import InputError
from simulator.storage import connect, person_notes
from simulator.storage.export import export
from simulator.storage.person_notes import BELIEVABLE, NOT_BELIEVABLE, Seen
from simulator.storage.store import Store
from simulator.viewer.app import create_app
from simulator.viewer.index import Index
from simulator.viewer.security import Gate
from simulator.viewer.view import View

from ..report import sample

SECRET = "the secret of this start"
FIRST = Seen("MF", 1, 10, 1)
PLACE = {"arm": "MF", "round": "1", "page": "1", "secret": SECRET}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the runs ``try`` and ``other`` and a family ``many`` of two."""
    path = tmp_path_factory.mktemp("notes") / "store.db"
    with Store.open(path) as opened:
        sample.write(opened, sample.Sample(6))
        sample.write(opened, sample.Sample(6, member={"name": "other"}))
        sample.write_family(opened, 1, 2, agents=4)
    return path


@pytest.fixture
def store(written: Path, tmp_path: Path) -> Iterator[Store]:
    path = shutil.copy(written, tmp_path / "store.db")
    with Store.open(path) as opened:
        yield opened


@pytest.fixture
def client(store: Store, tmp_path: Path) -> TestClient:
    view = View(store, Index(tmp_path / "store.db.view"))
    return TestClient(create_app(view, Gate(secret=SECRET)), "http://127.0.0.1")


def post(client: TestClient, path: str, *, secret: str = SECRET, **form: str) -> int:
    answer = client.post(path, data={"secret": secret, **form}, follow_redirects=False)
    return answer.status_code


# In the store


def test_a_note_is_kept_as_it_was_written_and_counted(store: Store) -> None:
    text = "  Nobody\r\nwould say this.\x00 ‮ "
    note = person_notes.add(
        store, "try", FIRST, verdict=NOT_BELIEVABLE, text=text, author=" Ada\nL. "
    )
    found = person_notes.find(store, "try", note)
    assert found.seen == FIRST
    assert (found.run, found.verdict) == ("try", NOT_BELIEVABLE)
    assert found.text == "Nobody\nwould say this.\N{REPLACEMENT CHARACTER} ‮"
    assert found.author == "Ada L."
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", found.written_at)
    person_notes.add(store, "try", FIRST, verdict=BELIEVABLE)
    person_notes.add(store, "try", Seen("MF", 1, 11, 1), verdict=BELIEVABLE)
    counts = person_notes.counts(store, "try")
    assert (counts.believable, counts.not_believable, counts.notes) == (2, 1, 3)
    assert (counts.pages, counts.agents) == (2, 2)
    assert person_notes.counts(store, "other").notes == 0


def test_notes_are_changed_and_deleted_and_nothing_else_is(store: Store) -> None:
    one, two = (person_notes.add(store, "try", FIRST, verdict=BELIEVABLE) for _ in range(2))
    changed = person_notes.change(store, "try", one, verdict=NOT_BELIEVABLE, text="no", author="Bo")
    assert (changed.verdict, changed.text, changed.author) == (NOT_BELIEVABLE, "no", "Bo")
    assert person_notes.find(store, "try", two).verdict == BELIEVABLE
    assert person_notes.delete(store, "try", two).id == two
    assert [note.id for note in person_notes.of_agent(store, "try", 10)] == [one]


def test_notes_belong_to_their_run(store: Store) -> None:
    note = person_notes.add(store, "try", FIRST, verdict=BELIEVABLE)
    for act in (person_notes.find, person_notes.delete):
        with pytest.raises(InputError, match="allowed: a note of this run"):
            act(store, "other", note)
    with pytest.raises(InputError, match="allowed: a note of this run"):
        person_notes.change(store, "other", note, verdict=NOT_BELIEVABLE, text="", author="")
    assert person_notes.find(store, "try", note).verdict == BELIEVABLE


def test_a_family_has_the_notes_of_its_runs(store: Store) -> None:
    for run in ("many.w1.r1", "many.w1.r2"):
        person_notes.add(store, run, FIRST, verdict=BELIEVABLE)
    assert [note.run for note in person_notes.listed(store, "many")] == ["many.w1.r2", "many.w1.r1"]
    assert person_notes.counts(store, "many").pages == 2
    assert person_notes.counts(store, "many.w1.r1").notes == 1


@pytest.mark.parametrize(
    "seen",
    [
        Seen("Nobody", 1, 10, 1),
        Seen("MF", 2, 10, 1),
        Seen("MF", 1, 99, 1),
        Seen("MF", 1, 10, 99),
    ],
)
def test_there_is_no_note_without_its_page(store: Store, seen: Seen) -> None:
    with pytest.raises(InputError, match="allowed: a page that the agent saw"):
        person_notes.add(store, "try", seen, verdict=BELIEVABLE)
    assert person_notes.counts(store, "try").notes == 0


def test_what_is_too_long_or_no_verdict_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="text: found 4,001 characters; allowed: up to 4,000"):
        person_notes.add(store, "try", FIRST, verdict=BELIEVABLE, text="x" * 4_001)
    with pytest.raises(InputError, match="author: found 81 characters"):
        person_notes.add(store, "try", FIRST, verdict=BELIEVABLE, author="x" * 81)
    with pytest.raises(InputError, match="allowed: believable or not believable"):
        person_notes.add(store, "try", FIRST, verdict="maybe")


def test_the_list_is_narrowed_and_cut(store: Store) -> None:
    for n in range(5):
        verdict = NOT_BELIEVABLE if n % 2 else BELIEVABLE
        person_notes.add(store, "try", FIRST, verdict=verdict, text=str(n))
    told = [note.text for note in person_notes.listed(store, "try")]
    assert told == ["4", "3", "2", "1", "0"]
    narrowed = person_notes.listed(store, "try", verdict=NOT_BELIEVABLE)
    assert [note.text for note in narrowed] == ["3", "1"]
    part = person_notes.listed(store, "try", limit=2, offset=1)
    assert [note.text for note in part] == ["3", "2"]


def test_on_postgresql_too(postgres: str) -> None:
    with Store.open(postgres) as opened:
        sample.write(opened, sample.Sample(3))
        person_notes.add(opened, "try", FIRST, verdict=BELIEVABLE, text="nul \x00")
        assert person_notes.counts(opened, "try").pages == 1
        assert person_notes.frame(opened)["text"].tolist() == ["nul \N{REPLACEMENT CHARACTER}"]
        with pytest.raises(InputError):
            person_notes.add(opened, "try", Seen("MF", 1, 99, 1), verdict=BELIEVABLE)


def test_an_export_holds_the_notes_and_runs_no_formula(store: Store, tmp_path: Path) -> None:
    for seen, text in ((Seen("LightGCN", 1, 10, 1), "=1+1"), (FIRST, "+2"), (FIRST, "third")):
        person_notes.add(store, "try", seen, verdict=BELIEVABLE, text=text, author="@me")
    written = {path.stem: path for path in export(store, "try", tmp_path / "out", "csv")}
    frame = pd.read_csv(written["notes"])
    assert list(frame) == [
        *("arm", "round", "agent", "page", "verdict", "text", "author", "written_at")
    ]
    assert frame["text"].tolist() == ["'+2", "third", "'=1+1"]  # by page, then as written
    assert frame["author"].tolist() == ["'@me"] * 3
    assert len(person_notes.frame(store, "other")) == 0


# In the viewer


def test_a_note_is_written_by_a_form_and_the_page_comes_back(
    client: TestClient, store: Store
) -> None:
    form = {**PLACE, "verdict": BELIEVABLE, "text": "Quite so.", "author": "Ada"}
    answer = client.post("/runs/try/agents/10/notes", data=form, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/runs/try/agents/10?arm=MF&round=1#page-1"
    (note,) = person_notes.of_page(store, "try", FIRST)
    assert (note.verdict, note.text, note.author) == (BELIEVABLE, "Quite so.", "Ada")
    shown = client.get(answer.headers["location"]).text
    assert shown.count("Quite so.</p>") == 1
    assert shown.index('id="page-1"') < shown.index("Quite so.</p>") < shown.index('id="end"')
    page = client.get("/runs/try/notes").text
    assert "Quite so." in page
    assert 'href="/runs/try/agents/10?arm=MF&amp;round=1#page-1"' in page


def test_where_a_script_asks_the_notes_of_the_page_come_back(
    client: TestClient, store: Store
) -> None:
    form = {**PLACE, "verdict": BELIEVABLE, "text": "Quite so."}
    script = {"hx-request": "true"}
    added = client.post("/runs/try/agents/10/notes", data=form, headers=script)
    assert added.status_code == 200
    assert "<html" not in added.text
    assert "Quite so." in added.text
    assert "Saved." in added.text
    (note,) = person_notes.of_page(store, "try", FIRST)
    form |= {"verdict": NOT_BELIEVABLE, "text": "After all."}
    changed = client.post(f"/runs/try/notes/{note.id}", data=form, headers=script).text
    assert "After all." in changed
    assert "Quite so." not in changed
    gone = client.post(f"/runs/try/notes/{note.id}/delete", data=form, headers=script).text
    assert "After all." not in gone
    assert person_notes.counts(store, "try").notes == 0


def test_a_form_that_cannot_be_taken_says_why_and_keeps_what_was_typed(
    client: TestClient, store: Store
) -> None:
    form = {**PLACE, "verdict": "maybe", "text": "typed & kept"}
    answer = client.post("/runs/try/agents/10/notes", data=form)
    assert answer.status_code == 422
    assert "allowed: believable or not believable" in answer.text
    assert "typed &amp; kept</textarea>" in answer.text
    form |= {"verdict": BELIEVABLE, "text": "x" * 4_001}
    scripted = client.post("/runs/try/agents/10/notes", data=form, headers={"hx-request": "true"})
    assert "4,001 characters" in scripted.text
    assert scripted.status_code == 200  # so that it is put in its place
    note = person_notes.add(store, "try", FIRST, verdict=BELIEVABLE, text="before")
    changed = client.post(f"/runs/try/notes/{note}", data=form)
    assert changed.status_code == 422
    assert "<details open>" in changed.text
    assert person_notes.find(store, "try", note).text == "before"


def test_only_a_page_of_the_viewer_may_write(client: TestClient, store: Store) -> None:
    note = person_notes.add(store, "try", FIRST, verdict=BELIEVABLE)
    told = {**PLACE, "verdict": NOT_BELIEVABLE}
    paths = (
        "/runs/try/agents/10/notes",
        f"/runs/try/notes/{note}",
        f"/runs/try/notes/{note}/delete",
    )
    for path in paths:
        assert post(client, path, **{**told, "secret": ""}) == 403
        assert post(client, path, **{**told, "secret": "another"}) == 403
        for headers in (
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ):
            assert client.post(path, data=told, headers=headers).status_code == 403
        assert client.get(path, follow_redirects=False).status_code in (404, 405)
        assert client.post(path, json=told).status_code == 415
        assert client.post(path, files={"secret": (None, SECRET)}).status_code == 415
    assert person_notes.find(store, "try", note).verdict == BELIEVABLE
    assert person_notes.counts(store, "try").notes == 1


def test_a_form_that_is_too_long_is_not_read(client: TestClient, store: Store) -> None:
    form = {**PLACE, "verdict": BELIEVABLE, "text": "x" * 70_000}
    assert post(client, "/runs/try/agents/10/notes", **form) == 413

    def parts() -> Iterator[bytes]:  # no length is told beforehand
        for _ in range(100):
            yield b"secret=" + b"x" * 1_000 + b"&"

    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post("/runs/try/agents/10/notes", content=parts(), headers=headers)
    assert answer.status_code == 413
    many = "&".join(f"f{n}=1" for n in range(50))
    assert client.post("/runs/try/notes/1", content=many, headers=headers).status_code == 422
    assert person_notes.counts(store, "try").notes == 0


def test_the_longest_note_is_taken(client: TestClient, store: Store) -> None:
    longest = "\N{FACE WITH TEARS OF JOY}" * 4_000
    form = {**PLACE, "verdict": BELIEVABLE, "text": longest}
    assert post(client, "/runs/try/agents/10/notes", **form) == 303
    assert person_notes.listed(store, "try")[0].text == longest


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/runs/nobody/agents/10/notes", {}),
        ("/runs/try/agents/99/notes", {}),
        ("/runs/try/agents/ten/notes", {}),
        (f"/runs/try/agents/{2**63}/notes", {}),
        ("/runs/try/agents/10/notes", {"arm": "' OR 1=1 --"}),
        ("/runs/try/agents/10/notes", {"round": "2"}),
        ("/runs/try/agents/10/notes", {"round": "one"}),
        ("/runs/try/agents/10/notes", {"page": "-1"}),
        ("/runs/try/agents/10/notes", {"page": "9" * 30}),
        ("/runs/many/agents/10/notes", {}),  # a family's pages are its members'
        ("/runs/try/notes/1", {}),
        ("/runs/try/notes/1/delete", {}),
        (f"/runs/try/notes/{2**63}/delete", {}),
    ],
)
def test_what_is_not_there_gets_no_note(
    client: TestClient, store: Store, path: str, form: dict[str, str]
) -> None:
    assert post(client, path, **{**PLACE, "verdict": BELIEVABLE, **form}) == 404
    assert person_notes.counts(store, "try").notes == 0


def test_the_list_shows_counts_filters_and_sheets(client: TestClient, store: Store) -> None:
    assert "No notes yet" in client.get("/runs/try/notes").text
    for n in range(103):
        verdict = NOT_BELIEVABLE if n < 2 else BELIEVABLE
        person_notes.add(store, "try", FIRST, verdict=verdict, text=f"text {n}.")
    page = client.get("/runs/try/notes").text
    assert page.count("<tr data-row>") == 100
    assert 'href="/runs/try/notes?sheet=2"' in page
    assert "On 1 page of 1 agent." in page
    assert client.get("/runs/try/notes?sheet=2").text.count("<tr data-row>") == 3
    narrowed = client.get("/runs/try/notes?verdict=not").text
    assert narrowed.count("<tr data-row>") == 2
    for other in ("verdict=' OR 1=1", "sheet=-1", "sheet=x", "sheet=" + "9" * 40, "verdict=None"):
        answer = client.get(f"/runs/try/notes?{other}")
        assert answer.status_code == 200
    assert client.get("/runs/nobody/notes").status_code == 404


def test_the_list_of_a_family_names_the_runs(client: TestClient, store: Store) -> None:
    person_notes.add(store, "many.w1.r2", FIRST, verdict=BELIEVABLE)
    page = client.get("/runs/many/notes").text
    assert "many.w1.r2" in page
    assert 'href="/runs/many.w1.r2/agents/10?arm=MF&amp;round=1#page-1"' in page


def test_downloads_hold_all_and_run_no_formula(client: TestClient, store: Store) -> None:
    person_notes.add(store, "try", FIRST, verdict=BELIEVABLE, text='=HYPERLINK("x")\nline')
    table = client.get("/runs/try/notes.csv")
    assert table.headers["content-disposition"] == 'attachment; filename="try-notes.csv"'
    assert '"\'=HYPERLINK(""x"")\nline"' in table.text
    (row,) = json.loads(client.get("/runs/try/notes.json").text)
    assert row["text"] == '=HYPERLINK("x")\nline'
    assert (row["run"], row["arm"], row["agent"], row["page"]) == ("try", "MF", 10, 1)
    assert client.get("/runs/nobody/notes.csv").status_code == 404


def test_a_note_is_text_wherever_it_is_shown(client: TestClient, store: Store) -> None:
    hostile = "<script>alert(1)</script>\n</textarea><b>{{ 7*7 }}\u202e"
    person_notes.add(store, "try", FIRST, verdict=BELIEVABLE, text=hostile, author="<i>&\"'")
    pages = [client.get("/runs/try/notes").text]
    form = {**PLACE, "verdict": "", "text": hostile}
    pages.append(client.post("/runs/try/agents/10/notes", data=form).text)
    for page in pages:
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "<b>" not in page
        assert "{{ 7*7 }}" in page
        assert "\u202e" not in page
        assert "<i>" not in page


def test_a_store_in_use_gives_one_line_and_keeps_what_was_typed(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_BUSY_SECONDS", 0.05)
    path = shutil.copy(written, tmp_path / "busy.db")
    with Store.open(path) as opened:
        client = TestClient(
            create_app(View(opened, Index(tmp_path / "view")), Gate(secret=SECRET)),
            "http://127.0.0.1",
        )
        note = person_notes.add(opened, "try", FIRST, verdict=BELIEVABLE)
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        form = {**PLACE, "verdict": BELIEVABLE, "text": "typed"}
        for place in ("agents/10/notes", f"notes/{note}", f"notes/{note}/delete"):
            answer = client.post(f"/runs/try/{place}", data=form)
            assert answer.status_code == 503
            assert "cannot be written: database is locked" in answer.text
            assert ("typed" in answer.text) == (not place.endswith("delete"))
            assert client.get("/runs/try/notes").status_code == 200  # reading goes on
        writer.execute("ROLLBACK")
        writer.close()
        assert post(client, "/runs/try/agents/10/notes", **form) == 303


def test_notes_and_a_simulation_write_side_by_side(store: Store, client: TestClient) -> None:
    """Each waits for the other's short transactions; nothing is lost."""
    with Store.open(Path(str(store.engine.url.database))) as simulation:
        run = simulation.begin_run(name="going", seed=1, scenario={}, scenario_file="")
        for n in range(20):
            simulation.add_seconds(run, 1.0)
            form = {**PLACE, "verdict": BELIEVABLE, "text": str(n)}
            assert post(client, "/runs/try/agents/10/notes", **form) == 303
    assert person_notes.counts(store, "try").notes == 20
