"""The real app, asked by schemathesis what /openapi.json allows and what it does not: it answers as promised, and never with 500."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONFIG = Path(__file__).with_name("schemathesis.toml")
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def test_every_answer_is_as_promised(desk_url: str, tmp_path: Path) -> None:
    """Statuses, media types, headers and schemas; what is valid is accepted, what is not is refused, other methods are 405."""
    command = [str(SCHEMATHESIS), "--no-color", "--config-file", str(CONFIG), "run", f"{desk_url}/openapi.json"]
    asked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert asked.returncode == 0, asked.stdout
    assert "No issues found" in asked.stdout
