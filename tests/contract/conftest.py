"""The tools that check what operations install, wherever this machine has them or can get them."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

# Seconds that one step of getting a tool may take.
PATIENCE = 120


@pytest.fixture(scope="session")
def promtool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prometheus's own checker of its rules."""
    return _tool("promtool", "prometheus", tmp_path_factory.mktemp("prometheus"))


@pytest.fixture(scope="session")
def amtool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alertmanager's own checker."""
    return _tool("amtool", "prometheus-alertmanager", tmp_path_factory.mktemp("alertmanager"))


@pytest.fixture(scope="session")
def systemd_analyze() -> Path:
    """systemd's own checker of its units. Its package starts nothing where systemd does not run."""
    if not shutil.which("systemd-analyze") and os.geteuid() == 0 and shutil.which("apt-get"):
        _quietly(Path("/"), "apt-get", "update")
        _quietly(Path("/"), "apt-get", "install", "--yes", "--no-install-recommends", "systemd")
    found = shutil.which("systemd-analyze")
    return Path(found) if found else _without("systemd-analyze", "systemd")


def _tool(name: str, package: str, place: Path) -> Path:
    """The tool on PATH, else unpacked from its Debian package: not installed, so that no server is started and nobody need be root."""
    if found := shutil.which(name):
        return Path(found)
    if shutil.which("apt-get") and shutil.which("dpkg"):
        _quietly(place, "apt-get", "download", package)
        if not any(place.glob("*.deb")) and os.geteuid() == 0:  # A new machine has no lists of packages yet.
            _quietly(place, "apt-get", "update")
            _quietly(place, "apt-get", "download", package)
        for archive in place.glob("*.deb"):
            _quietly(place, "dpkg", "-x", str(archive), str(place))
    unpacked = place / "usr" / "bin" / name
    return unpacked if unpacked.exists() else _without(name, package)


def _without(name: str, package: str) -> Path:
    """Where it cannot be had the tests are skipped, but fail in CI, which has to see them."""
    reason = f"no {name} on PATH and none could be unpacked: install Debian's `{package}`"
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    raise AssertionError(reason)


def _quietly(place: Path, *command: str) -> None:
    with suppress(subprocess.TimeoutExpired, OSError):
        subprocess.run(command, cwd=place, check=False, capture_output=True, timeout=PATIENCE)
