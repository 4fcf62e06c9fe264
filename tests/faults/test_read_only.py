"""Both processes as the compose file runs them: nothing but the temporary directory and BULARIO_HOME can be written to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from bench.clients import Client, search
from opensearch.generations import Indices
from opensearch.process import free_port
from tests.faults.test_cli import sources
from tests.faults.test_rolling_restart import workers
from tests.faults.test_sync import Erp, held, record
from tests.sources.standin import serving

BIN = Path(sys.executable).parent
# Of this process alone: every file system that has files of ours or of the system's, but for $1, which is memory.
READ_ONLY = """
set -e
mount -t tmpfs none "$1"
awk '$3 !~ /^(proc|sysfs|devtmpfs|devpts|mqueue|cgroup2?)$/ { print $2 }' /proc/mounts | while read -r place; do
    test "$place" = "$1" || test "$place" = /dev/shm || mount -o remount,bind,ro "$place"
done
if touch /var/tmp/bulario 2>/dev/null; then echo "the root can still be written to" >&2; exit 99; fi
export TMPDIR="$1"
cd /
shift
exec "$@"
"""


@contextmanager
def locked_in(place: Path, *command: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A command for which nothing but `place` can be written to."""
    if os.geteuid():
        pytest.skip("only root can make a file system read-only")
    whole = ["unshare", "--mount", "--propagation", "private", "sh", "-c", READ_ONLY, "sh", str(place), *command]
    with subprocess.Popen(whole, env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.usefixtures("production")
def test_both_processes_write_nothing_beside_what_compose_gives_them(
    tmp_path: Path, client: OpenSearch, opensearch_url: str, redis_url: str
) -> None:
    """A sync, an answer, a scrape, a reload; each with a read-only root."""
    place = tmp_path / "memory"
    place.mkdir()
    servers = {"OPENSEARCH_URL": opensearch_url, "REDIS_URL": redis_url}
    with serving(Erp(record("001", name="Losartana"))) as erp:
        sources(tmp_path, erp)
        kept = {"SOURCES_FILE": str(tmp_path / "sources.toml"), "BULARIO_HOME": str(place)}
        with locked_in(place, str(BIN / "indexer"), "sync", **servers, **kept) as syncing:
            _, said = syncing.communicate(timeout=60)
            assert syncing.returncode == 0, said
    client.indices.refresh(index=Indices().alias)
    assert held(client, Indices())
    port = free_port()
    with locked_in(place, str(BIN / "searchapi"), **servers, PORT=str(port), WORKERS="2", ANSWER_WITHIN="30s") as desk:
        until_ready(desk, port)
        assert Client(port).ask(search("losartana")).status == 200
        before, until = workers(desk), time.monotonic() + 60
        desk.send_signal(signal.SIGHUP)
        while workers(desk) & before or len(workers(desk)) < 2:
            assert time.monotonic() < until, "the workers were not replaced"
            time.sleep(0.1)
        until_ready(desk, port)
        assert b"searchapi_request_seconds_count" in Client(port).ask("/metrics").body
        desk.terminate()
        _, said = desk.communicate(timeout=60)
        assert (desk.returncode, "Read-only file system" in said) == (0, False), said


def until_ready(desk: subprocess.Popen[str], port: int) -> None:
    """Waits until it answers from the index."""
    until = time.monotonic() + 60
    while desk.poll() is None and Client(port).ask("/readyz").status != 200:
        assert time.monotonic() < until, "searchapi is not ready"
        time.sleep(0.1)
