"""The folder a report is: page, figures, tables, summary."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from simulator.errors import InputError
from simulator.evaluation.study import read
from simulator.evaluation.summary import summarise
from simulator.report import frames, write
from simulator.report.wording import DASH
from simulator.storage.store import Store

from . import sample

FIGURES = {
    *(f"dual_{offline}_{told}" for offline in ("ndcg", "recall") for told in ("s_sat", "p_view")),
    *("exit_curve", "watch_rate_by_slot", "satisfaction", "ratings"),
    *(f"trait_{trait}" for trait in ("activity", "diversity", "conformity")),
    *("steps_active", "steps_satisfaction"),
    *("forest", "power", "paired_1", "paired_2"),
}
HOSTILE = '<script>alert("x")</script> $\\frac{$ \x1b[31m\u6f22\u202e'


class _Text(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def _page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_names_every_arm_and_what_was_measured(folder: Path) -> None:
    text = _Text(_page(folder)).text
    for arm in sample.ARMS:
        assert text.count(arm) >= 4
    for needed in ("Recall@20", "nDCG@20", "S_sat", "no LLM was asked", "numpy 2.4.0", "Seed 3"):
        assert needed in text
    assert "train and validation items masked" in text


def test_the_page_needs_nothing_from_outside_and_runs_nothing(folder: Path) -> None:
    page = _page(folder)
    parsed = _Text(page)
    assert not re.search(r"https?://", page)
    assert "script" not in {tag for tag, _ in parsed.tags}
    images = [attrs["src"] or "" for tag, attrs in parsed.tags if tag == "img"]
    assert len(images) == len(FIGURES)
    assert all(source.startswith("data:image/png;base64,") for source in images)
    policy = next(a["content"] or "" for t, a in parsed.tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not any(name == "style" or name.startswith("on") for _, a in parsed.tags for name in a)


def test_the_policy_admits_the_page_s_own_style(folder: Path) -> None:
    import base64
    import hashlib

    page = _page(folder)
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"&#39;sha256-{digest}&#39;" in page or f"'sha256-{digest}'" in page


def test_figures_are_pictures_of_a_sensible_size(folder: Path) -> None:
    found = {path.stem: path for path in (folder / "figures").iterdir()}
    assert set(found) == FIGURES
    for path in found.values():
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert image.width == 1040
            assert 800 <= image.height <= 1400
            assert "Software" not in image.info
            shades = sum(count > 0 for count in image.convert("L").histogram())
            assert shades > 20


def test_tables_read_back_as_the_frames_they_came_from(store: Store, folder: Path) -> None:
    units = write.unit_values(read(store, "try"), 1)
    made = write.tidy(frames.load(store, "try"), summarise(store, "try"), units)
    names = {path.stem for path in (folder / "tables").iterdir()}
    assert (
        names
        == set(made)
        >= {"dual", "comparisons", "exits", "slots", "ratings", "traits", "steps"}
    )
    for name, table in made.items():
        kinds = {"level": str} if name == "slices" else None  # 1, 2, 3, but also low or cold
        again = pd.read_csv(folder / "tables" / f"{name}.csv", dtype=kinds)
        expected = table.assign(**{c: table[c].astype(str) for c in table if c == "arm"})
        pd.testing.assert_frame_equal(
            again, expected.reset_index(drop=True), check_dtype=False, check_exact=False
        )


def test_the_summary_is_the_evaluation_s_own(store: Store, folder: Path) -> None:
    written = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert written == summarise(store, "try")


def test_the_same_log_gives_the_same_bytes(store: Store, folder: Path, tmp_path: Path) -> None:
    write.write(store, "try", tmp_path)
    again = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    first = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert again == first
    assert not [path for path in first if path.name.startswith(".")]


def test_a_number_that_does_not_exist_is_a_dash(folder: Path) -> None:
    rows = re.findall(r"<tr>\s*<th scope=\"row\".*?</tr>", _page(folder), re.DOTALL)
    cells = [
        re.sub(r"<[^>]+>", "", cell) for row in rows for cell in re.findall(r"<td.*?</td>", row)
    ]
    assert DASH in cells
    assert not any("nan" in cell.lower() or "None" in cell for cell in cells)


@pytest.mark.usefixtures("coarse")
def test_names_from_outside_stay_text(tmp_path: Path) -> None:
    arms = {HOSTILE: "random", "=1+1": "mf"}
    response = {"model": "chat", "name": "<b>model</b>", "provider": "openai"}
    with Store.open("sqlite://") as opened:
        run = sample.write(opened, sample.Sample(20, arms, response=response))
        write.write(opened, run, tmp_path)
    parsed = _Text(_page(tmp_path))
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert "<script>alert" in parsed.text
    assert "the chat model <b>model</b> (openai)" in parsed.text
    assert "\x1b" not in parsed.text
    assert "\u202e" not in parsed.text
    exits = (tmp_path / "tables" / "exits.csv").read_text(encoding="utf-8")
    assert "'=1+1" in exits
    assert not re.search(r"(^|,)=1", exits, re.MULTILINE)


@pytest.mark.parametrize(
    "given",
    [
        sample.Sample(1, {"only": "mf"}),
        sample.Sample(2, offline=False),
        sample.Sample(12, {f"arm number {i} of many": "lightgcn" for i in range(11)}),
        sample.Sample(5, failed=tuple(range(5))),
    ],
    ids=["one agent", "no offline", "many arms", "all failed"],
)
@pytest.mark.usefixtures("coarse")
def test_odd_runs_have_a_report_too(given: sample.Sample, tmp_path: Path) -> None:
    with Store.open("sqlite://") as opened:
        page = write.write(opened, sample.write(opened, given), tmp_path)
    assert "nan" not in _Text(page.read_text(encoding="utf-8")).text.lower()


@pytest.mark.usefixtures("coarse")
def test_a_run_that_has_just_begun_says_so(tmp_path: Path) -> None:
    with Store.open("sqlite://") as opened:
        opened.begin_run(name="early", seed=1, scenario={}, scenario_file="")
        page = write.write(opened, "early", tmp_path)
    text = _Text(page.read_text(encoding="utf-8")).text
    assert "not finished (status: running)" in text
    assert "No arm has been measured yet" in text


@pytest.mark.usefixtures("coarse")
def test_failed_sessions_are_counted_and_claims_withheld(tmp_path: Path) -> None:
    with Store.open("sqlite://") as opened:
        run = sample.write(opened, sample.Sample(failed=(0, 1, 2)))
        write.write(opened, run, tmp_path)
    text = _Text(_page(tmp_path)).text
    assert "invalid: 3" in text
    assert "withheld" in text
    exits = pd.read_csv(tmp_path / "tables" / "exits.csv")
    assert set(exits["agents"]) == {57}


def test_an_unknown_run_is_refused_before_anything_is_written(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found 'other'; allowed: try"):
        write.write(store, "other", tmp_path / "out")
    assert not (tmp_path / "out").exists()
