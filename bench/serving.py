"""searchapi as a desk meets it: a real gunicorn, OpenSearch and Redis, over the demonstration's leaflets.

cached    a kept answer beside a Flask that says as many bytes by heart, under the same server with the same settings
load      16 clients for BENCH_SECONDS: failures, times, growth of memory
outage    16 clients while OpenSearch is killed and started again: what they are told, and how soon all is as before
memory    a million kept answers: what Redis takes

Clients are our own (bench/clients.py): prepared bytes over kept connections, so that they cost the same little beside both.
"""

from __future__ import annotations

import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import redis

from bench.clients import Client, Tally, load, search
from demo import erps
from indexer.cursors import Cursors
from indexer.pull import Stores, sync
from indexer.readers import Readers
from indexer.rejected import RejectedLeaflets
from indexer.sources.config import configured
from indexer.write import Writer
from opensearch.client import connect
from opensearch.generations import Indices, prepare
from opensearch.node import node
from opensearch.process import free_port
from opensearch.synonyms import synonyms
from searchapi.redis_server import redis_server

SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
ANSWERS = int(os.environ.get("BENCH_ANSWERS", "1000000"))
# An even number, so that each comes first as often.
ROUNDS, A_ROUND = 6, 400
CLIENTS = 16
# What is asked for: of INTERFACE's promises.
MOST_P50, LEAST_RATE, RECOVERED = 1.3, 0.7, 5.0
SEARCHAPI = "from searchapi.cli import main; main()"
QUESTION = "dipirona em crianca"
_NAMES = "dipirona losartana ibuprofeno amoxicilina paracetamol omeprazol metformina sinvastatina loratadina fluconazol".split()
_ASKED = ["para que serve", "na gravidez", "dose máxima", "reações adversas"]
QUESTIONS = [f"{name} {what}" for name in _NAMES for what in _ASKED]


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything runs."""

    home: Path
    opensearch_port: int
    redis_url: str

    @property
    def environ(self) -> dict[str, str]:
        """What our processes read."""
        return {
            **os.environ,
            "OPENSEARCH_URL": f"http://127.0.0.1:{self.opensearch_port}",
            "REDIS_URL": self.redis_url,
            "LOG_LEVEL": "ERROR",
        }


def main() -> None:
    """Prints the lines."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder), free_port()) as cache:
        place = Place(Path(folder), free_port(), cache.url)
        with node(place.home, place.opensearch_port) as server:
            fill(place)
            with running(place.environ, "-c", SEARCHAPI) as ours:
                print(_cached(place, ours), flush=True)
                print(_load(ours), flush=True)
            with running(place.environ, "-c", SEARCHAPI) as ours:
                print(_outage(place, ours, server.kill), flush=True)
        print(_memory(place), flush=True)


def fill(place: Place) -> None:
    """The demonstration, as it is pulled from its stand-ins."""
    ports = {name: free_port() for name in erps.PORTS}
    erps.furnish(place.home)
    file = place.home / "sources.toml"
    told = file.read_text()
    for name, port in erps.PORTS.items():
        told = told.replace(str(port), str(ports[name]))
    file.write_text(told)
    stop = erps.serve(ports, dict.fromkeys(ports, 0.0))
    client, indices = connect(place.environ["OPENSEARCH_URL"]), Indices()
    prepare(client, indices, synonyms())
    with Readers() as readers:
        stores = Stores(Writer(client, indices), Cursors(client, indices), RejectedLeaflets(client, indices))
        sync(configured(file, {**os.environ, **erps.SECRETS}), stores, readers)
    client.indices.refresh(index=f"{indices.alias},{indices.cursors}")
    stop()


@dataclass(frozen=True, slots=True)
class Running:
    """A server under gunicorn."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def memory(self) -> float:
        """What its workers hold, in MB."""
        return sum(child.memory_info().rss for child in psutil.Process(self.process.pid).children()) / 2**20


@contextmanager
def running(environ: dict[str, str], *command: str) -> Iterator[Running]:
    """A server of ours, from when it answers a search."""
    port = free_port()
    with subprocess.Popen([sys.executable, *command], env={**environ, "PORT": str(port)}) as process:
        try:
            until = time.monotonic() + 120
            while Client(port).ask(search(QUESTION)).status != 200:
                if time.monotonic() > until:
                    sys.exit(f"serving: {command} does not answer")
                time.sleep(0.2)
            yield Running(port, process)
        finally:
            process.terminate()
            process.wait(60)


def _cached(place: Place, ours: Running) -> str:
    """Kept answers and the floor, round by round, so that both meet the same machine."""
    target, client = search(QUESTION), Client(ours.port)
    size = len(_until_kept(client, target))
    with running(place.environ, "-m", "bench.hello", str(size)) as floor:
        servers = {"ours": ours, "hello": floor}
        clients = {name: Client(server.port) for name, server in servers.items()}
        times: dict[str, list[float]] = {name: [] for name in servers}
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(ROUNDS):
            for name, one in clients.items():
                times[name] += [one.ask(target).seconds for _ in range(A_ROUND)]
            for name, server in servers.items():
                rates[name].append(len(load(server.port, [target], clients=CLIENTS, seconds=2).seconds) / 2)
    p50 = {name: statistics.median(seconds) * 1000 for name, seconds in times.items()}
    rate = {name: statistics.median(each) for name, each in rates.items()}
    return (
        f"cached: p50 {p50['ours']:.2f} ms for {size} bytes; hello-world of as many p50 {p50['hello']:.2f} ms, ours is "
        f"{p50['ours'] / p50['hello']:.2f} of it (at most {MOST_P50}); {rate['ours']:.0f}/s beside {rate['hello']:.0f}/s "
        f"with {CLIENTS} clients, {rate['ours'] / rate['hello']:.2f} of it (at least {LEAST_RATE})"
    )


def _until_kept(client: Client, target: str) -> bytes:
    """A kept answer's body."""
    for _ in range(200):
        answer = client.ask(target)
        if b"Cache-Status: searchapi; hit" in answer.head:
            return answer.body
        time.sleep(0.1)
    sys.exit("serving: the answer is never kept")


def _load(ours: Running) -> str:
    """Kept and new answers for a while: pages of many sizes are many questions."""
    targets = [f"{search(question)}&{urlencode({'size': size})}" for size in range(1, 51) for question in QUESTIONS]
    load(ours.port, targets, clients=CLIENTS, seconds=min(5.0, SECONDS))
    before = ours.memory
    met = load(ours.port, targets, clients=CLIENTS, seconds=SECONDS)
    return (
        f"load: {CLIENTS} clients for {SECONDS:.0f} s: {_failed(met)} failed of {len(met.seconds)} (at most 0), "
        f"{len(met.seconds) / SECONDS:.0f}/s, p50 {statistics.median(met.seconds) * 1000:.1f} ms, p95 {p95(met.seconds):.1f} ms; memory "
        f"{before:.0f} MB at first, {ours.memory:.0f} MB at the end"
    )


def _outage(place: Place, ours: Running, kill: Any) -> str:  # a bound method of the running node
    """Half kept, half new answers; OpenSearch is killed, and started again on the same data."""
    client, raw = Client(ours.port), Client(place.opensearch_port)
    for question in QUESTIONS[::2]:
        _until_kept(client, search(question))
    tally, over = Tally(), threading.Event()

    def go_on(number: int) -> None:
        one = Client(ours.port)
        while not over.is_set():
            size = 10 if number % 2 else 11 + len(tally.seconds) % 40
            answer = one.ask(f"{search(QUESTIONS[::2][len(tally.seconds) % len(QUESTIONS[::2])])}&{urlencode({'size': size})}")
            tally.seconds.append(answer.seconds)
            tally.statuses[answer.status] += 1
            if answer.status == 503:
                time.sleep(0.2)  # sooner than Retry-After says

    clients = [threading.Thread(target=go_on, args=(number,)) for number in range(CLIENTS)]
    for one in clients:
        one.start()
    time.sleep(3)
    kill()
    time.sleep(5)
    with node(place.home, place.opensearch_port):
        while raw.ask(f"/{Indices().alias}/_search?size=0").status != 200:
            time.sleep(0.02)
        back = time.monotonic()
        while b"fwd=miss" not in client.ask(f"{search('varfarina sangramento')}&{urlencode({'size': 9})}").head:
            time.sleep(0.05)
        recovered = time.monotonic() - back
        over.set()
        for one in clients:
            one.join()
    others = tally.statuses.total() - tally.statuses[200] - tally.statuses[503]
    return (
        f"outage: OpenSearch killed for a while: {tally.statuses[200]} answered, {tally.statuses[503]} told 503, "
        f"{others} otherwise (at most 0); slowest {max(tally.seconds):.1f} s (deadline 3 s); new answers {recovered:.1f} s after it "
        f"searched again (at most {RECOVERED:.0f} s)"
    )


def _memory(place: Place) -> str:
    """More kept answers than there is room for."""
    client = redis.Redis.from_url(place.redis_url)
    most, body = 0, os.urandom(2048)
    for first in range(0, ANSWERS, 1000):
        steps = client.pipeline(transaction=False)
        for number in range(first, min(first + 1000, ANSWERS)):
            steps.set(f"bulario:answer:{number:064x}", body, ex=3600)
        steps.execute()
        most = max(most, int(client.info("memory")["used_memory"]))
    limit = int(str(client.config_get("maxmemory")["maxmemory"]))
    return (
        f"memory: {ANSWERS} answers kept, {client.dbsize()} stay; Redis took at most {most / 2**20:.0f} MB, {most / limit:.2f} of its limit"
    )


def _failed(met: Tally) -> int:
    return met.statuses.total() - met.statuses[200]


def p95(seconds: Sequence[float]) -> float:
    """What one in twenty exceeds, in milliseconds."""
    return statistics.quantiles(seconds, n=20)[-1] * 1000


if __name__ == "__main__":
    main()
