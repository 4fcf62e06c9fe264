"""`indexer` as operations meet it: what it says and how it exits when something is wrong, and when nothing is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from opensearchpy import OpenSearch

from opensearch.process import free_port
from tests.faults.test_sync import Erp, record
from tests.sources.standin import StandIn, serving

INDEXER = Path(sys.executable).with_name("indexer")
FOLDER = "[sources.pasta]\ntype = 'folder'\npath = 'bulas'\n"


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command, in a folder of its own."""
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return subprocess.run([INDEXER, *arguments], cwd=folder, env=clean | environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def erp() -> Iterator[StandIn]:
    """A stand-in ERP of three leaflets."""
    with serving(Erp(record("001"), record("002"), record("003"))) as server:
        yield server


def sources(folder: Path, server: StandIn) -> None:
    """A sources.toml that names the stand-in."""
    (folder / "sources.toml").write_text(
        f"[sources.erp]\ntype = 'rest'\nurl = '{server.url}'\npaging = {{ by = 'page', size = 2, more = 'hasNext' }}\nrecords = 'items'\n"
        "fields = { id = 'code', name = 'name', laboratory = 'maker', audience = 'kind', updated_at = 'modified', text = 'text' }\n"
    )


@pytest.fixture
def own_indices(client: OpenSearch) -> Iterator[None]:
    """The command writes under the name of production; what it wrote is removed."""
    yield
    client.indices.delete(index="leaflets-*")


@pytest.mark.parametrize("command", ["sync", "check", "status"])
def test_without_a_sources_file_it_says_how_to_write_one(tmp_path: Path, command: str) -> None:
    """Exit status 2: nothing was touched."""
    told = run(tmp_path, command)
    assert told.returncode == 2
    assert "there is no sources file at sources.toml: write one" in told.stderr


def test_a_wrong_environment_is_told_whole_with_examples(tmp_path: Path) -> None:
    """Every wrong variable by its name, in one go."""
    (tmp_path / "sources.toml").write_text(FOLDER)
    told = run(tmp_path, "sync", OPENSEARCH_URL="localhost", SYNC_EVERY="hourly", LOG_FORMAT="xml")
    assert told.returncode == 2
    for expected in ("OPENSEARCH_URL", "SYNC_EVERY=30m", "LOG_FORMAT=json"):
        assert expected in told.stderr


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With those that are."""
    (tmp_path / "sources.toml").write_text(FOLDER)
    told = run(tmp_path, "sync", "--source", "pastas")
    assert told.returncode == 2
    assert "there is no source 'pastas' in sources.toml; it has pasta" in told.stderr


def test_without_opensearch_it_says_where_it_looked_and_what_to_run(tmp_path: Path) -> None:
    """Exit status 1, and no traceback."""
    (tmp_path / "sources.toml").write_text(FOLDER)
    port = free_port()
    for command in ("sync", "status", "check"):
        told = run(tmp_path, command, OPENSEARCH_URL=f"http://127.0.0.1:{port}")
        assert told.returncode == 1
        assert f"OpenSearch does not answer at http://127.0.0.1:{port}. Start it (`make up`" in told.stderr
        assert "Traceback" not in told.stderr


@pytest.mark.usefixtures("own_indices")
def test_sync_status_and_rejected_tell_what_happened(tmp_path: Path, opensearch_url: str, erp: StandIn) -> None:
    """The whole of a day's commands, with one leaflet that cannot be indexed."""
    sources(tmp_path, erp)
    first = run(tmp_path, "sync", "--json", OPENSEARCH_URL=opensearch_url)
    assert first.returncode == 0, first.stderr
    (told,) = json.loads(first.stdout)["sources"]
    assert (told["outcome"], told["written"], told["rejected"]) == ("done", 3, 0)
    second = run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url)
    assert "3 unchanged" in second.stdout
    assert "one after another it would have taken" in second.stdout
    (line,) = json.loads(run(tmp_path, "status", "--json", OPENSEARCH_URL=opensearch_url).stdout)["sources"]
    assert (line["outcome"], line["leaflets"], line["rejected"]) == ("done", 3, 0)
    assert run(tmp_path, "rejected", "list", OPENSEARCH_URL=opensearch_url).stdout == "0 rejected\n"
    assert run(tmp_path, "rejected", "show", "erp:001", OPENSEARCH_URL=opensearch_url).returncode == 2


@pytest.mark.usefixtures("own_indices")
def test_a_rejected_leaflet_is_shown_and_tried_again(tmp_path: Path, opensearch_url: str) -> None:
    """What is wrong with it stays wrong until its ERP is mended."""
    with serving(Erp(record("001", more="lost: \ufffd"), record("002"))) as server:
        sources(tmp_path, server)
        assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url).returncode == 0
    assert "erp:001" in run(tmp_path, "rejected", "list", OPENSEARCH_URL=opensearch_url).stdout
    shown = run(tmp_path, "rejected", "show", "erp:001", OPENSEARCH_URL=opensearch_url).stdout
    assert "U+FFFD" in shown
    assert '"source_id": "001"' in shown
    again = run(tmp_path, "rejected", "retry", OPENSEARCH_URL=opensearch_url)
    assert again.returncode == 1
    assert "still rejected" in again.stdout


@pytest.mark.usefixtures("own_indices")
def test_run_pulls_serves_metrics_and_ends_when_told(tmp_path: Path, opensearch_url: str, erp: StandIn) -> None:
    """What `make up` and the compose file start."""
    sources(tmp_path, erp)
    port = free_port()
    environ = {"OPENSEARCH_URL": opensearch_url, "INDEXER_METRICS_PORT": str(port), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([INDEXER, "run"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "3 written" in process.stdout.readline()
        told = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
        assert 'indexer_leaflets_total{outcome="written",source="erp"} 3.0' in told
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        print(f"ended {time.monotonic() - started:.1f} s after SIGTERM")
