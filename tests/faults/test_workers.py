"""The real `searchapi` with several workers: its metrics are of all of them, also of those that ended; what it writes tells no question."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest
import requests

from opensearch.process import free_port
from searchapi.keys import Role, new
from tests.faults.test_cli import run, sources
from tests.sources.standin import StandIn

SEARCHAPI = Path(sys.executable).with_name("searchapi")
ASKED = 'searchapi_request_seconds_count{route="/openapi.json",status="200"}'
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass(frozen=True, slots=True)
class Running:
    """A searchapi that runs: its process, where it answers and where its words are."""

    process: psutil.Process
    url: str
    said: Path

    def workers(self) -> set[int]:
        """Which processes answer."""
        return {child.pid for child in self.process.children()}

    def told(self, sample: str) -> float:
        """What the metrics say of one sample; 0 where they do not have it."""
        response = requests.get(f"{self.url}/metrics", timeout=30)
        assert response.ok, response.text
        found = re.search(rf"^{re.escape(sample)} (\S+)$", response.text, re.MULTILINE)
        return float(found[1]) if found else 0.0


@contextmanager
def searchapi(folder: Path, workers: int, **environ: str) -> Iterator[Running]:
    """A searchapi of so many workers that says all it can."""
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH"}}
    told = {"PORT": str(port), "WORKERS": str(workers), "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json", "TMPDIR": str(folder)}
    said = folder / "said.txt"
    with said.open("w") as out, subprocess.Popen([SEARCHAPI], cwd=folder, env=clean | told | environ, stdout=out, stderr=out) as process:
        running = Running(psutil.Process(process.pid), f"http://127.0.0.1:{port}", said)
        try:
            wait_until(lambda: process.poll() is not None or (len(ready(folder)) == workers and alive(running.url)))
            assert process.poll() is None, said.read_text()
            yield running
        finally:
            process.terminate()


def wait_until(true: Callable[[], bool]) -> None:
    """Waits a minute at most for what must come."""
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


def alive(url: str) -> bool:
    """Whether it answers."""
    try:
        return requests.get(f"{url}/livez", timeout=30).ok
    except requests.RequestException:
        return False


def files(folder: Path) -> set[str]:
    """Which files of metrics there are."""
    return {file.name for file in folder.glob("bulario-metrics-*/*.db")}


def ready(folder: Path) -> set[str]:
    """Those of the workers that answer: each makes its own when it does."""
    return {name for name in files(folder) if name.startswith("gauge_")}


def ask(url: str, times: int) -> list[int]:
    """So many requests over connections of their own, some at once, so that each worker has its share."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: requests.get(f"{url}/openapi.json", timeout=30).status_code, range(times)))


def test_metrics_are_of_all_workers_also_of_those_that_ended(tmp_path: Path) -> None:
    """One is killed, one told to go, all are replaced: the sums lose no request, and of the dead one pair of files stays."""
    with searchapi(tmp_path, workers=3) as running:
        assert set(ask(running.url, 60)) == {200}
        assert running.told(ASKED) == 60
        for sign, victim in ((signal.SIGKILL, min(running.workers())), (signal.SIGTERM, max(running.workers()))):
            os.kill(victim, sign)
            wait_until(partial(_replaced, running, tmp_path, {victim}))
            assert running.told(ASKED) == 60
        assert set(ask(running.url, 40)) == {200}
        assert running.told(ASKED) == 100
        before = running.workers()
        running.process.send_signal(signal.SIGHUP)
        wait_until(partial(_replaced, running, tmp_path, before))
        assert running.told(ASKED) == 100
        assert {name for name in files(tmp_path) if name.startswith("histogram_")} >= {"histogram_gone.db"}
        assert running.told("searchapi_in_flight") == 1
    assert not files(tmp_path)


def _replaced(running: Running, folder: Path, gone: set[int]) -> bool:
    """Whether others have the place of these workers, and their files are gone."""
    left = any(f"_{pid}.db" in name for pid in gone for name in files(folder))
    return not left and not running.workers() & gone and len(ready(folder)) == 3 and alive(running.url)


def test_sums_never_go_back_while_workers_come_and_go(tmp_path: Path) -> None:
    """A counter that went back would be read as a restart, and what it had as new."""
    with searchapi(tmp_path, workers=2) as running:
        ask(running.url, 20)
        seen = [running.told(ASKED)]
        for _ in range(4):
            os.kill(min(running.workers()), signal.SIGKILL)
            until = time.monotonic() + 2
            while time.monotonic() < until:
                try:
                    seen.append(running.told(ASKED))
                except requests.ConnectionError:  # the worker that was killed had it
                    continue
            wait_until(lambda: len(ready(tmp_path)) == 2 and alive(running.url))
        assert seen == sorted(seen)
        assert set(seen) == {20.0}


def test_the_command_is_read_without_the_metrics() -> None:
    """The library decides on its import where values live: the command has to make the place first."""
    told = subprocess.run(
        [sys.executable, "-c", "import sys, searchapi.cli; print('prometheus_client' in sys.modules)"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert told.stdout == "False\n"


@pytest.mark.usefixtures("production")
def test_nothing_that_is_asked_is_written_anywhere(tmp_path: Path, opensearch_url: str, redis_url: str, erp: StandIn) -> None:
    """In whatever way it is asked, and with OpenSearch away: not in logs, metrics, the access log or traces; nor any key."""
    sources(tmp_path, erp)
    assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url, REDIS_URL=redis_url).returncode == 0
    key = new("balcao", frozenset(Role), "1000/second")
    (tmp_path / "keys.toml").write_text(key.line)
    environ = {"API_KEYS_FILE": "keys.toml", "REDIS_URL": redis_url}
    told = ""
    for number, url in enumerate((opensearch_url, f"http://127.0.0.1:{free_port()}")):
        log = tmp_path / f"access-{number}.log"
        with searchapi(tmp_path, 2, OPENSEARCH_URL=url, ACCESS_LOG=str(log), **environ) as running:
            _ask_in_every_way(running.url, key.secret)
            told += requests.get(f"{running.url}/metrics", headers={"Authorization": f"Bearer {key.secret}"}, timeout=30).text
        told += running.said.read_text() + log.read_text()
    assert "searchapi_request_seconds_count" in told
    assert '"route": "/v1/search"' in told
    assert '"key": "balcao"' in told
    assert json.loads(log.read_text().splitlines()[-1])["trace"]
    for secret in ("segredo", "SEGREDO", "vorbexil", "dipirona", "Dipirona", key.secret):
        assert secret not in told, secret


def _ask_in_every_way(url: str, secret: str) -> None:
    headers = {
        "Authorization": f"Bearer {secret}",
        "traceparent": TRACE,
        "User-Agent": "segredo",
        "Referer": "http://segredo/",
        "X-segredo": "1",
    }
    for address in (
        "/v1/search?q=dipirona+segredo", "/v1/search?q=segredo&explain=1", "/v1/search?q=vorbexil", "/v1/suggest?q=segredo",
        "/?q=segredo", "/?q=segredo&fragment=1", "/v1/leaflets/erp:001:patient?q=segredo", "/leaflets/erp:001:patient?q=segredo",
        "/leaflets/segredo:segredo",
        "/v1/compare?a=segredo&b=dipirona", "/v1/search?segredo=1", "/v1/search?q=segredo&page=segredo", "/segredo", "/static/segredo",
        "/v1/search?q=" + "segredo" * 100,
    ):  # fmt: skip
        for _ in range(2):
            requests.get(url + address, headers=headers, timeout=30)
    requests.request("SEGREDO", f"{url}/v1/search?q=segredo", headers=headers, timeout=30)
    requests.get(f"{url}/v1/search?q=segredo", headers=headers | {"traceparent": "segredo", "Authorization": "Bearer segredo"}, timeout=30)
    requests.get(f"{url}/v1/search?q=segredo", headers=headers | {"Authorization": "Basic segredo"}, timeout=30)
    requests.get(f"{url}/v1/search?q=segredo", data=b"segredo" * 1000, headers=headers, timeout=30)
