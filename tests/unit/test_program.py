"""Which program made an answer."""

from __future__ import annotations

import shutil
from pathlib import Path

from searchapi.program import PACKAGES, ROOT, digest, version


def test_another_program_is_told_by_any_line_of_its_code(tmp_path: Path) -> None:
    """Wherever it is installed; and by a file more or less."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)

    def there() -> str:
        return digest(tmp_path / package for package in PACKAGES)

    assert there() == version()
    with (tmp_path / "searchapi" / "passages.py").open("a") as file:
        file.write("# mended\n")
    mended = there()
    (tmp_path / "leaflets" / "more.py").touch()
    assert len({version(), mended, there()}) == 3
