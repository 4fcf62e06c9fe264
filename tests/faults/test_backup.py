"""A backup as docs/operations.md says it: taken while syncing goes on, restored into an empty node, and the sync goes on from there."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from opensearch.client import connect
from opensearch.generations import Indices
from opensearch.process import free_port
from tests.conftest import ROOT
from tests.engines import node
from tests.faults.test_cli import run, sources
from tests.faults.test_sync import Erp, held, record
from tests.sources.standin import serving

MANUAL = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
# One for the whole run: midnight may come between a backup and its restore.
TODAY = datetime.now(UTC).strftime("%Y%m%d")


@dataclass(frozen=True, slots=True)
class Command:
    """A curl command of the manual."""

    method: str
    path: str
    body: str | None

    def run(self, url: str) -> None:
        """What curl would do with it today."""
        path = self.path.replace("$(date +%Y%m%d)", TODAY)
        answer = requests.request(self.method, url + path, data=self.body, headers={"Content-Type": "application/json"}, timeout=60)
        assert answer.ok, answer.text


def commands(title: str) -> list[Command]:
    """The curl commands of one section of the manual, in its order."""
    section = MANUAL.split(f"\n### {title}\n")[1].split("\n##")[0]
    lines = [line.strip() for line in section.splitlines() if line.strip().startswith("curl ")]
    return [
        Command(
            method=(re.findall(r" -X (\w+) ", line) or ["GET"])[0],
            path=re.findall(r'"\$OPENSEARCH_URL(/[^"]+)"', line)[0],
            body=(re.findall(r" -d '(.+)'$", line) or [None])[0],
        )
        for line in lines
    ]


def served(url: str) -> dict[str, str]:
    """What a desk of this node would find."""
    client = connect(url)
    client.indices.refresh(index="leaflets")
    return held(client, Indices())


# Two nodes are started, one after the other, and each may take a minute on a busy machine.
@pytest.mark.timeout(400)
def test_a_restored_backup_goes_on_syncing(tmp_path: Path) -> None:
    """What changed in the ERP after the backup arrives, what was withdrawn before or after it stays away, nothing is pulled in vain."""
    erp = Erp(*(record(f"{n:03}") for n in range(6)))
    before, after = tmp_path / "before", tmp_path / "after"
    with serving(erp) as server:
        sources(tmp_path, server)
        file = tmp_path / "sources.toml"
        file.write_text(
            file.read_text().replace("text = 'text' }", "text = 'text', deleted = 'gone' }\nchanged_since = { parameter = 'since' }")
        )
        name, snapshot = commands("To a folder")
        with node(before, free_port()) as first:
            assert run(tmp_path, "sync", OPENSEARCH_URL=first.url).returncode == 0
            erp.records[0] |= {"gone": True, "modified": "2026-11-02T00:00:00Z"}
            assert run(tmp_path, "sync", OPENSEARCH_URL=first.url).returncode == 0
            name.run(first.url)
            snapshot.run(first.url)
            erp.records[1] |= {"gone": True, "modified": "2026-11-03T00:00:00Z"}
            erp.records[2] = record("002", more="Depois do backup.", modified="2026-11-03T00:00:00Z")
            erp.records.append(record("900", modified="2026-11-03T00:00:00Z"))
            # A sync that the backup has not seen.
            assert run(tmp_path, "sync", OPENSEARCH_URL=first.url).returncode == 0
            wanted = served(first.url)
        shutil.copytree(before / "opensearch" / "snapshots", after / "opensearch" / "snapshots")
        with node(after, free_port()) as second:
            name.run(second.url)
            listed, restore = commands("Restore")
            listed.run(second.url)
            restore.run(second.url)
            assert set(served(second.url)) == {f"erp:{n:03}:patient" for n in range(1, 6)}
            # An ERP that puts an older version of a withdrawn leaflet back does not resurrect it: tombstones were restored too.
            erp.records[0] = record("000", modified="2026-11-01T12:00:00Z")
            told = run(tmp_path, "sync", "--json", OPENSEARCH_URL=second.url)
            assert told.returncode == 0, told.stderr
            assert served(second.url) == wanted
            assert '"written": 2, "unchanged": 3, "older": 1, "withdrawn": 1, "rejected": 0' in told.stdout
            again = run(tmp_path, "sync", "--json", OPENSEARCH_URL=second.url)
            assert '"written": 0' in again.stdout
    assert set(wanted) == {f"erp:{n:03}:patient" for n in (2, 3, 4, 5, 900)}
    assert "Depois do backup." in wanted["erp:002:patient"]


def test_the_manual_has_a_command_for_each_step() -> None:
    """Named, taken, kept nightly, looked at, restored: each a request that curl would send."""
    told = [(c.method, c.path.partition("?")[0]) for title in ("To a folder", "To S3", "Every night", "Restore") for c in commands(title)]
    assert told == [
        ("PUT", "/_snapshot/bulario"),
        ("PUT", "/_snapshot/bulario/leaflets-$(date +%Y%m%d)"),
        ("PUT", "/_snapshot/bulario-s3"),
        ("POST", "/_plugins/_sm/policies/bulario"),
        ("GET", "/_snapshot/bulario/_all"),
        ("POST", "/_snapshot/bulario/leaflets-$(date +%Y%m%d)/_restore"),
    ]
