"""`make audit`: what it says of pip-audit's report, and when it fails."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AUDIT = runpy.run_path(str(ROOT / ".ci/audit.py"))

UNKNOWN = {"name": "flask", "skip_reason": "Dependency not found on PyPI and could not be audited: flask (3.1.3)"}
SOUND = {"name": "redis", "version": "8.1.0", "vulns": []}
FLAWED = {"name": "urllib3", "version": "2.6.2", "vulns": [{"id": "CVE-2026-21441", "fix_versions": ["2.6.3"], "aliases": []}]}


@pytest.mark.parametrize(
    ("report", "says"),
    [
        ("", "pypi could not be asked about any package"),
        ("Traceback (most recent call last):", "pypi could not be asked about any package"),
        (json.dumps({"dependencies": [UNKNOWN]}), "pypi could not be asked about any package"),
        (json.dumps({"dependencies": [SOUND, UNKNOWN]}), "pypi knows 0 vulnerabilities in 1 packages; 1 it does not know: flask"),
        (json.dumps({"dependencies": [SOUND, FLAWED]}), "pypi knows 1 vulnerabilities in 2 packages"),
    ],
)
def test_the_line_says_what_was_asked_and_what_was_not(report: str, says: str) -> None:
    """Nobody should read silence as soundness."""
    assert says in AUDIT["sentence"]("pypi", AUDIT["verdict"](report))


def test_a_vulnerability_is_named_with_its_mend() -> None:
    """So that whoever reads the failure knows what to raise."""
    assert AUDIT["verdict"](json.dumps({"dependencies": [FLAWED]})).found == ("urllib3 2.6.2: CVE-2026-21441, mended in 2.6.3",)


@pytest.mark.parametrize(("told", "status"), [([SOUND], 0), ([FLAWED], 1), ([UNKNOWN], 0), (None, 0)])
def test_only_a_vulnerability_fails(told: list[object] | None, status: int, tmp_path: Path) -> None:
    """A service that is away fails nothing; pip-audit itself is stood in for, as its service cannot be had here."""
    (tmp_path / "pip-audit").write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps({'dependencies': told}) if told else 'no network'}\nEND\n")
    (tmp_path / "pip-audit").chmod(0o755)
    assert AUDIT["main"](tmp_path / "pip-audit", "lock/runtime.txt") == status
