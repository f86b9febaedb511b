"""The viewer's own file: thrown away and made anew where it is of no use."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.viewer.index import Index


@pytest.mark.parametrize("kept", [b"no database " * 500, b"SQLite format 3\0" + bytes(3000)])
def test_a_file_that_is_no_index_is_made_anew(tmp_path: Path, kept: bytes) -> None:
    file = tmp_path / "i.view"
    file.write_bytes(kept)
    index = Index(file)
    index.keep("try", "summary", "1", b"found")
    assert Index(file).document("try", "summary", "1") == b"found"


def test_an_index_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "i.view"
    index = Index(file)
    index.keep("try", "summary", "1", b"found" * 10_000)
    index.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    index.connection.close()
    with file.open("r+b") as opened:
        opened.truncate(5_000)
    again = Index(file)
    again.keep("try", "summary", "2", b"anew")
    assert again.document("try", "summary", "2") == b"anew"
