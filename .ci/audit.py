"""Asks whether what we depend on has known vulnerabilities: pip-audit over a lock file, told in a line each.

Exit status 1 where one was found. An advisory service that cannot be asked is told in one line and fails nothing: a release must not wait
for somebody else's server. Python alone; pip-audit has an environment of its own, so that it is no part of what it audits.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Seconds for each service. PyPI answers all of lock/runtime.txt in some five.
WITHIN = 180
SERVICES = ("pypi", "osv")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one service told: how many packages it knew, those it did not, and a line a vulnerability."""

    asked: int
    unknown: tuple[str, ...]
    found: tuple[str, ...]


def verdict(report: str) -> Verdict | None:
    """What pip-audit's JSON says; None where it said nothing, as when it could not reach the service."""
    try:
        told = json.loads(report)["dependencies"]
    except (ValueError, KeyError):
        return None
    known = [one for one in told if "skip_reason" not in one]
    found = [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in known
        for flaw in one["vulns"]
    ]
    return Verdict(len(known), tuple(one["name"] for one in told if "skip_reason" in one), tuple(found))


def sentence(service: str, told: Verdict | None) -> str:
    """One service's verdict in one line."""
    if told is None or not told.asked:
        return f"audit: {service} could not be asked about any package; nothing was audited there"
    unknown = f"; {len(told.unknown)} it does not know: {', '.join(told.unknown)}" if told.unknown else ""
    return f"audit: {service} knows {len(told.found)} vulnerabilities in {told.asked} packages{unknown}"


def main(pip_audit: Path, lock: str) -> int:
    """Asks one service after another, until one knows packages."""
    for service in SERVICES:
        told = verdict(_report(pip_audit, service, lock))
        print(sentence(service, told))  # noqa: T201 - what this is for
        if told and told.asked:
            print("\n".join(told.found), end="\n" if told.found else "")  # noqa: T201 - the same
            return 1 if told.found else 0
    return 0


def _report(pip_audit: Path, service: str, lock: str) -> str:
    command = [pip_audit, "-s", service, "-f", "json", "--no-deps", "--disable-pip", "--progress-spinner", "off", "-r", lock]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN)  # noqa: S603 - a command of ours
    except subprocess.TimeoutExpired:
        return ""
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main(Path(sys.executable).with_name("pip-audit"), sys.argv[1]))
