"""`indexer reindex` and `indexer rollback` as operations meet them: what they say, how they exit, and what a killed one leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from opensearch.generations import Indices, generations
from opensearch.process import free_port
from tests.faults.test_cli import INDEXER, run, sources
from tests.faults.test_sync import Erp, record
from tests.sources.standin import StandIn, serving


class Slow:
    """An ERP that, once `hanging`, answers nobody until `released`."""

    def __init__(self) -> None:
        self.erp = Erp(record("001"), record("002"), record("003"))
        self.hanging, self.released = threading.Event(), threading.Event()
        self.erp.fault = self._hang

    def _hang(self, _: object) -> None:
        if self.hanging.is_set():
            self.released.wait(120)


@pytest.fixture
def slow() -> Iterator[Slow]:
    """Such an ERP, released at the end."""
    told = Slow()
    yield told
    told.released.set()


@pytest.fixture
def server(slow: Slow) -> Iterator[StandIn]:
    """It, served."""
    with serving(slow.erp) as standin:
        yield standin
        slow.released.set()


def names(client: OpenSearch) -> list[str]:
    """The generations of the installation that the commands use."""
    return [one.name for one in generations(client, Indices())]


@pytest.fixture
def hanging(tmp_path: Path, opensearch_url: str, client: OpenSearch, slow: Slow, server: StandIn) -> Iterator[subprocess.Popen[str]]:
    """A synced index, and a reindex that hangs with its generation half made."""
    sources(tmp_path, server)
    assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url).returncode == 0
    slow.hanging.set()
    environ = {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH"}} | {"OPENSEARCH_URL": opensearch_url}
    with subprocess.Popen(
        [INDEXER, "reindex", "--from-sources"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 60
        while len(names(client)) < 2:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until, "the reindex never began"
            time.sleep(0.1)
        yield process
        process.kill()


@pytest.mark.usefixtures("production")
def test_reindex_and_rollback_say_what_they_did(tmp_path: Path, opensearch_url: str, server: StandIn) -> None:
    """In a line; before there is anything to work on, why not, with exit status 3."""
    environ = {"OPENSEARCH_URL": opensearch_url}
    told = run(tmp_path, "reindex", **environ)
    assert (told.returncode, told.stderr) == (3, "indexer: refused: there is no index yet: run `indexer sync` once\n")
    sources(tmp_path, server)
    assert run(tmp_path, "sync", **environ).returncode == 0
    told = run(tmp_path, "rollback", **environ)
    assert told.returncode == 3
    assert "no generation is kept" in told.stderr
    for command, now, kept in (
        (["reindex"], 2, 1),
        (["reindex", "--from-sources"], 3, 2),
        (["rollback"], 2, 3),
        (["rollback"], 3, 2),
    ):
        told = run(tmp_path, *command, **environ)
        assert told.returncode == 0, told.stderr
        assert told.stdout.startswith(f"leaflets-00000{now} is searched now, 3 leaflets. It took ")
        assert f"leaflets-00000{kept} is kept: `indexer rollback` goes back to it" in told.stdout
    assert "3 unchanged" in run(tmp_path, "sync", **environ).stdout


def test_without_opensearch_both_say_where_they_looked(tmp_path: Path) -> None:
    """Exit status 1."""
    port = free_port()
    for command in ("reindex", "rollback"):
        told = run(tmp_path, command, OPENSEARCH_URL=f"http://127.0.0.1:{port}")
        assert told.returncode == 1
        assert f"OpenSearch does not answer at http://127.0.0.1:{port}" in told.stderr


@pytest.mark.usefixtures("production")
def test_a_second_one_is_refused_and_sigterm_leaves_nothing(
    tmp_path: Path, opensearch_url: str, client: OpenSearch, hanging: subprocess.Popen[str]
) -> None:
    """Two at once would fill two generations; one that is stopped clears its own, though an ERP keeps it waiting."""
    told = run(tmp_path, "reindex", OPENSEARCH_URL=opensearch_url)
    assert told.returncode == 3
    assert "another operation goes on with the index (reindex: pulling every source into leaflets-000002)" in told.stderr
    hanging.send_signal(signal.SIGTERM)
    _, complaint = hanging.communicate(timeout=60)
    assert (hanging.returncode, complaint) == (1, "indexer: stopped; what was half made is cleared, the index stands\n")
    assert names(client) == ["leaflets-000001"]


@pytest.mark.usefixtures("production")
def test_what_a_killed_one_leaves_is_cleared_by_the_next_sync(
    tmp_path: Path, opensearch_url: str, client: OpenSearch, hanging: subprocess.Popen[str], slow: Slow
) -> None:
    """Killed with -9 it can clear nothing itself; no sync is refused or lost for it."""
    hanging.kill()
    hanging.wait(timeout=60)
    slow.released.set()
    assert names(client) == ["leaflets-000001", "leaflets-000002"]
    slow.erp.records[0] = record("001", more="Depois da queda.", modified="2026-11-05T00:00:00Z")
    told = run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url)
    assert told.returncode == 0, told.stderr
    assert "1 written" in told.stdout
    assert names(client) == ["leaflets-000001"]
    assert run(tmp_path, "reindex", OPENSEARCH_URL=opensearch_url).returncode == 0
