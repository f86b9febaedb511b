"""The one rule: agents and recommenders never meet; only the simulator introduces them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"agents", "recommenders", "simulator", "benchmarks", "tests"}
MAY_IMPORT = {
    "agents": {"agents"},
    "recommenders": {"recommenders"},
    "simulator": {"agents", "recommenders", "simulator"},
}


def _imported(path: Path) -> set[str]:
    """Top-level names imported anywhere in the file, late imports included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_imports_go_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = {
        str(path.relative_to(ROOT)): sorted(found)
        for path in files
        if (found := (_imported(path) & OURS) - MAY_IMPORT[package])
    }
    assert not wrong


def test_only_one_file_opens_the_registries_of_both_sides() -> None:
    both = []
    for path in sorted((ROOT / "simulator").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "agents_registry.create" in text and "recommenders_registry.create" in text:
            both.append(path.name)
    assert both == ["world.py"]


def test_mesa_stays_in_its_files() -> None:
    users = {
        str(path.relative_to(ROOT))
        for package in MAY_IMPORT
        for path in (ROOT / package).rglob("*.py")
        if "mesa" in _imported(path)
    }
    assert users == {"simulator/model.py", "agents/user.py"}


@pytest.mark.parametrize("intruder", ["agents", "recommenders"])
def test_a_foreign_package_of_the_same_name_is_refused(tmp_path: Path, intruder: str) -> None:
    foreign = tmp_path / intruder
    foreign.mkdir()
    (foreign / "__init__.py").write_text("")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import simulator"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert f"the package {intruder!r} found at {foreign}" in done.stderr
    assert "make install" in done.stderr


def test_help_does_not_import_heavy_packages() -> None:
    code = (
        "import sys; import simulator.cli; "
        "print([m for m in ('torch', 'pandas', 'scipy', 'mesa', 'matplotlib', 'langchain', "
        "'sqlalchemy', 'numpy', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
