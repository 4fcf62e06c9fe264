"""What a campaign happens in: six ERPs, an OpenSearch, a Redis, a desk, and the `indexer` processes that are started among them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from opensearchpy import OpenSearch

from opensearch.client import connect
from opensearch.process import free_port
from opensearch.settings import read
from searchapi.app import create_app
from searchapi.redis_server import redis_server
from searchapi.settings import Settings
from tests.faults.erps import SECRETS, Erp, HttpErp, erps
from tests.faults.processes import INDEXER, Node, Process
from tests.faults.proxy import Trap, proxying
from tests.faults.shelf import Story
from tests.faults.verdict import Tally
from tests.sources.standin import Request

CLOCK = Path(__file__).with_name("clock")

LEASE = 1.0
"""Seconds; the processes' LEASE. What is stopped for thrice as long has lost its sources."""

PATIENCE = 120.0
"""Seconds that one process may take before it counts as stalled: an indexer waits up to 60 for OpenSearch, as behind the write block of a
reindex that was killed, which the next one to begin takes away."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What `indexer sync --json` tells of one source."""

    source: str
    outcome: str
    written: int
    withdrawn: int
    error: str


_BROKEN = re.compile("Traceback|uncaught exception")


class House:
    """See the module. `complaints` gathers the processes that broke, stalled or ended as they should not."""

    def __init__(self, home: Path, seed: int, stack: ExitStack) -> None:
        self.chance = Random(f"{seed} campaign")
        self.story = Story()
        self.tally = Tally(self.story)
        self.home = home
        self.complaints: list[str] = []
        self._runs = 0
        self._changing = threading.Lock()
        self.node = Node(home)
        self.node.start()
        stack.callback(self.node.end, kill=False)
        self.client: OpenSearch = connect(self.node.url)
        self._redis = ExitStack()
        self._redis_port = free_port()
        self._redis_server = self._redis.enter_context(redis_server(home, self._redis_port))
        stack.callback(self._redis.close)
        self.erps: tuple[Erp, ...] = stack.enter_context(erps(home, seed, self.story, self.tally))
        (home / "sources.toml").write_text("\n\n".join(erp.table for erp in self.erps), encoding="utf-8")
        self.can_reindex = subprocess.run([INDEXER, "reindex", "--help"], capture_output=True, check=False).returncode == 0
        if self.quiet_sync() is None:
            self.complaints.append("the first sync did not succeed")
        app = create_app(read(Settings, {"OPENSEARCH_URL": self.node.url, "REDIS_URL": f"redis://127.0.0.1:{self._redis_port}/0"}))
        self._desk = app.test_client()
        stack.callback(app.extensions["desk"].state.stop)

    @contextmanager
    def without_redis(self) -> Iterator[None]:
        """No Redis while the block runs; an empty one afterwards."""
        self._redis_server.kill()
        try:
            yield
        finally:
            self._redis.close()
            self._redis_server = self._redis.enter_context(redis_server(self.home, self._redis_port))

    def rejected(self) -> dict[str, str]:
        """The reason of each rejected record, by its id."""
        command: list[str | Path] = [INDEXER, "rejected", "list", "--json"]
        told = subprocess.run(command, cwd=self.home, env=self._environ(self.node.url), capture_output=True, text=True, check=True)
        return {one["id"]: one["reason"] for one in json.loads(told.stdout)["rejected"]}

    def quiet_sync(self) -> Sequence[Pulled] | None:
        """`indexer sync --full` until each source is done: leases of killed ones must run out first. None: some were not in two minutes.

        Where a guard asks whether so many leaflets are really gone, a person says yes: they are.
        """
        until, confirm = time.monotonic() + 120, False
        while True:
            command: list[str | Path] = [INDEXER, "sync", "--full", "--json", *(["--confirm-withdrawals"] if confirm else [])]
            told = subprocess.run(command, cwd=self.home, env=self._environ(self.node.url), capture_output=True, text=True, check=False)
            pulled = [
                Pulled(**{name: one[name] for name in Pulled.__match_args__})
                for one in json.loads(told.stdout or '{"sources": []}')["sources"]
            ]
            shown = ", ".join(f"{one.source} {one.outcome} {one.error}".strip() for one in pulled)
            self.story.tell("", "", f"quiet sync ended with {told.returncode}: {shown}")
            if pulled and all(one.outcome == "done" for one in pulled):
                return pulled
            confirm = told.returncode == 3
            if time.monotonic() > until or told.returncode == 2:
                self.complaints.append(f"quiet sync: exit status {told.returncode}: {shown} {end_of(told.stderr)}")
                return None
            time.sleep(0.5)

    @contextmanager
    def tormented(self) -> Iterator[None]:
        """ERPs that fail and change while the block runs, also between two pages of one pull."""
        with self._changing:
            for erp in self.erps:
                erp.plan(self.chance.randint(1, 4) if isinstance(erp, HttpErp) else int(self.chance.random() < 0.2))
                if isinstance(erp, HttpErp):
                    erp.between = self._between
        over = threading.Event()
        changer = threading.Thread(target=self._go_on_changing, args=(over,), daemon=True)
        changer.start()
        try:
            yield
        finally:
            over.set()
            changer.join()
            with self._changing:
                for erp in self.erps:
                    erp.calm()

    def _between(self, erp: HttpErp, request: Request) -> None:
        """Now and then a record goes away between two pages, and all that follow move up."""
        later = request.query.get("page", "1") != "1" or request.query.get("offset", "0") != "0"
        if later and self.chance.random() < 0.05 and erp.shelf.delete_one():
            self.tally("record deleted between two pages", erp.shelf.source)

    def _go_on_changing(self, over: threading.Event) -> None:
        while not over.wait(0.3):
            self.change(1)

    def change(self, times: int) -> None:
        """So many changes, each in an ERP at random."""
        for _ in range(times):
            with self._changing:
                self.chance.choice([erp for erp in self.erps if erp.open]).shelf.happen()

    @contextmanager
    def process(
        self, *arguments: str, traps: Callable[[Process], Sequence[Trap]] = lambda _: (), clock: int = 0, **environ: str
    ) -> Iterator[Process]:
        """An `indexer` behind traps, started now and waited for at the block's end; how it ends is looked at."""
        self._runs += 1
        with proxying(self.node.port, lambda trap: self.tally(trap.kind)) as proxy:
            process = Process(proxy, self.home / f"run-{self._runs:04}.log")
            proxy.arm(*traps(process))
            self.story.tell("", "", f"run {self._runs}: indexer {' '.join(arguments)}{f' with its clock {clock} s off' if clock else ''}")
            process.start(arguments, self._environ(proxy.url, clock) | environ, self.home)
            number = self._runs
            try:
                yield process
            finally:
                process.go_on()
                status = process.wait(PATIENCE)
            self.story.tell("", "", f"run {number} ended with {status}")
            self._look(process, arguments, status)

    def _look(self, process: Process, arguments: Sequence[str], status: int | None) -> None:
        """Complains of a process that stalled, broke or ended as none should."""
        expected = {0, 1, 3} | ({-signal.SIGKILL} if process.killed else set())
        # A killed one's readers may complain that it has gone.
        if status is None:
            self.complaints.append(f"`indexer {' '.join(arguments)}` did not end within {PATIENCE:.0f} s: {end_of(process.said)}")
        elif status not in expected or (_BROKEN.search(process.said) and not process.killed):
            self.complaints.append(f"`indexer {' '.join(arguments)}` broke, exit status {status}: {end_of(process.said)}")

    def _environ(self, url: str, clock: int = 0) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "PYTHONPATH"}}
        if clock:
            kept |= {"CLOCK_STEP": str(clock), "PYTHONPATH": os.pathsep.join(filter(None, (str(CLOCK), kept.get("PYTHONPATH"))))}
        ours = {
            "OPENSEARCH_URL": url,
            "REDIS_URL": f"redis://127.0.0.1:{self._redis_port}/0",
            "LEASE": f"{LEASE:.0f}s",
            "LOG_FORMAT": "json",
            "INDEXER_METRICS_PORT": str(free_port()),
        }
        return kept | SECRETS | ours

    def ask_the_desk(self) -> None:
        """A search must be answered whatever else fails, as long as OpenSearch is there."""
        wanted = self.chance.choice(sorted(self.erps[0].shelf.standing()))
        answer = self._desk.get("/v1/search", query_string={"q": f"remedio {wanted.split(':')[1]}"})
        if answer.status_code != 200:
            self.complaints.append(f"the desk was answered {answer.status_code}: {answer.get_data(as_text=True)[:300]}")


def end_of(said: str) -> str:
    """The last lines of what a process said."""
    return " | ".join(said.strip().splitlines()[-6:])[-1500:]
