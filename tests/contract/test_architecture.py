"""The shape of the house: imports go one way, and everything public is written down."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# indexer -> opensearch -> leaflets <- searchapi -> opensearch
MAY_IMPORT = {
    "leaflets": {"leaflets"},
    "opensearch": {"opensearch", "leaflets"},
    "indexer": {"indexer", "opensearch", "leaflets"},
    "searchapi": {"searchapi", "opensearch", "leaflets"},
}
OURS = {*MAY_IMPORT, "demo", "bench", "tests"}


def imported(file: Path) -> set[str]:
    """The top-level packages that a module imports."""
    found = set()
    for part in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(part, ast.Import):
            found |= {alias.name.split(".")[0] for alias in part.names}
        elif isinstance(part, ast.ImportFrom) and part.module:
            found.add(part.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_imports_go_one_way(package: str) -> None:
    """The indexer and the search never know of each other, and leaflets knows of nobody."""
    wrong = {
        str(file.relative_to(ROOT)): sorted(beyond)
        for file in (ROOT / package).rglob("*.py")
        if (beyond := (imported(file) & OURS) - MAY_IMPORT[package])
    }
    assert not wrong


def test_leaflets_does_no_input_or_output() -> None:
    """It is pure: what it gives depends on what it is given."""
    doors = {"os", "io", "socket", "requests", "opensearchpy", "redis", "subprocess", "pathlib", "urllib", "http", "time", "random"}
    wrong = {file.name: sorted(imported(file) & doors) for file in (ROOT / "leaflets").rglob("*.py") if imported(file) & doors}
    assert not wrong
