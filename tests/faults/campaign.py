"""The campaign: leaflets change in six ERPs while everything fails, and at the end the index holds what the ERPs hold.

    python -m tests.faults.campaign [--faults 3000] [--seed 7]        `make faults`

    round after round:  ERPs change, faults are set, one or two `indexer` processes work, are killed, stopped, run beside each other
    now and then:       faults off, one quiet `indexer sync --full`, and the index is compared with every ERP

Everything random comes from the seed. Threads and processes race as they do, so a seed gives the same faults and changes, not the same
moments; what a comparison finds is told with each leaflet's story.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from opensearchpy import OpenSearch

from opensearch.client import connect
from opensearch.generations import Indices
from opensearch.node import node
from opensearch.process import Server, free_port
from opensearch.settings import read
from searchapi.app import create_app
from searchapi.redis_server import redis_server
from searchapi.settings import Settings
from tests.faults.erps import SECRETS, Erp, HttpErp, erps
from tests.faults.proxy import Action, Forward, Proxy, Reply, Trap, lost, proxying, refused, refused_items, reset
from tests.faults.shelf import Story
from tests.sources.standin import Request

INDEXER = Path(sys.executable).with_name("indexer")
CLOCK = Path(__file__).with_name("clock")
LEASE = 1.0
"""Seconds; the processes' LEASE. What is stopped for thrice as long has lost its sources."""

BETWEEN = 250
"""Faults between two comparisons: few enough that a mismatch is near its cause."""

PATIENCE = 60.0
"""Seconds that one process may take, faults included, before it counts as stalled."""


class Tally:
    """Counts the faults that happened, by kind, and tells the story of each."""

    def __init__(self, story: Story) -> None:
        self.counts: Counter[str] = Counter()
        self._story = story
        self._lock = threading.Lock()

    def __call__(self, kind: str, where: str = "") -> None:
        with self._lock:
            self.counts[kind] += 1
        self._story.tell(where, "", f"FAULT {kind}")

    @property
    def total(self) -> int:
        """All faults so far."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One way in which the index differs from an ERP: lost, stale, resurrected, duplicated, not listed, listed in vain."""

    kind: str
    id: str
    told: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a campaign ended. `complaints` are processes that broke, stalled or exited as they should not."""

    seed: int
    faults: Mapping[str, int]
    changes: Mapping[str, int]
    rounds: int
    leaflets: int
    rejected: int
    seconds: float
    mismatches: tuple[Mismatch, ...]
    complaints: tuple[str, ...]
    stories: str = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether index and ERPs were the same each time, and nothing broke."""
        return not self.mismatches and not self.complaints

    def __str__(self) -> str:
        found = Counter(mismatch.kind for mismatch in self.mismatches)
        total = sum(self.faults.values())
        lines = [f"{'fault':<44}{'times':>6}", *(f"{kind:<44}{count:>6}" for kind, count in sorted(self.faults.items()))]
        lines += ["", f"{'change in an ERP':<44}{'times':>6}", *(f"{kind:<44}{count:>6}" for kind, count in sorted(self.changes.items()))]
        lines += [
            "",
            f"seed {self.seed}: {total} faults of {len(self.faults)} kinds and {sum(self.changes.values())} changes in {self.rounds} rounds, "
            f"{self.seconds:.0f} s; index == ERPs: {self.leaflets} leaflets, {self.rejected} rejected; {found['lost']} lost, "
            f"{found['stale']} stale, {found['resurrected']} resurrected, {found['duplicated']} duplicated, "
            f"{found['not listed'] + found['listed in vain']} rejects wrong, {len(self.complaints)} complaints",
        ]
        lines += [f"  {m.kind}: {m.id}: {m.told}" for m in self.mismatches]
        lines += [f"  {complaint}" for complaint in self.complaints]
        return "\n".join(lines) + self.stories


class Node:
    """The campaign's own OpenSearch, which is killed and comes back on the same port with the same data."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self.up = threading.Event()
        self._home = home
        self._server: Server | None = None
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """Where it answers, when it does."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self._server = self._stack.enter_context(node(self._home, self.port))
        self.up.set()

    def end(self, *, kill: bool) -> None:
        """Ends it: by a power cut, or as an operator would."""
        self.up.clear()
        if kill and self._server:
            self._server.kill()
        self._stack.close()


class Process:
    """One `indexer`, behind a proxy of its own, in its own folder; stopped and killed as a trap says."""

    def __init__(self, proxy: Proxy, log: Path) -> None:
        self.proxy = proxy
        self.log = log
        self.killed = False
        self._popen: subprocess.Popen[bytes] | None = None
        self._started = threading.Event()

    def start(self, arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        """Starts it."""
        with self.log.open("wb") as out:
            self._popen = subprocess.Popen([INDEXER, *arguments], cwd=folder, env=dict(environ), stdout=out, stderr=subprocess.STDOUT)
        self._started.set()

    def kill(self) -> None:
        """SIGKILL."""
        self._started.wait(10)
        self.killed = True
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """SIGSTOP: as a host that swaps, or a virtual machine that is moved."""
        self._started.wait(10)
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """SIGTERM."""
        self._signal(signal.SIGTERM)

    def wait(self, seconds: float) -> int | None:
        """Its exit status; None where it did not end in time, and then it is killed."""
        assert self._popen is not None
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            return None

    def _signal(self, number: int) -> None:
        if self._popen is not None and self._popen.poll() is None:
            self._popen.send_signal(number)

    @property
    def said(self) -> str:
        """What it wrote."""
        return self.log.read_text(errors="replace")


# Each boundary between two stages, as the request at which the indexer is killed: before OpenSearch hears of it, or once it is done.
BOUNDARIES = (
    ("prepare", 2),
    ("cursor read", 1),
    ("cursor moved", 1),
    ("mget", 1),
    ("cursor read", 8),
    ("bulk", 1),
    ("bulk", 2),
    ("rejected read", 1),
    ("reject kept", 1),
    ("cursor moved", 6),
    ("cursor moved", 8),
    ("refresh", 1),
)
REINDEX_STEPS = ("generation made", "read whole", "bulk", "write block", "alias swapped", "operation moved", "any")


class Campaign:
    """See the module."""

    def __init__(self, home: Path, seed: int, stack: ExitStack) -> None:
        self.seed = seed
        self.chance = Random(f"{seed} campaign")
        self.story = Story()
        self.tally = Tally(self.story)
        self.home = home
        self.complaints: list[str] = []
        self.mismatches: list[Mismatch] = []
        self.stories = ""
        self.rounds = 0
        self._runs = 0
        self._changing = threading.Lock()
        self._started = time.monotonic()
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
        if self._quiet_sync() is None:
            self.complaints.append("the first sync did not succeed")
        app = create_app(read(Settings, {"OPENSEARCH_URL": self.node.url, "REDIS_URL": f"redis://127.0.0.1:{self._redis_port}/0"}))
        self._desk = app.test_client()
        stack.callback(app.extensions["desk"].state.stop)

    # --- rounds ---------------------------------------------------------------------------------------------------------------------

    def run(self, faults: int) -> Verdict:
        """Rounds until so many faults happened, compared every BETWEEN of them and at the end."""
        bag: list[Callable[[], None]] = []
        compared = self.tally.total
        while self.tally.total < faults or bag:
            if not bag:
                bag = self._bag()
            bag.pop()()
            self.rounds += 1
            self._ask_the_desk()
            if self.tally.total - compared >= BETWEEN:
                self.compare()
                compared = self.tally.total
            if self.mismatches:
                break
        if self.tally.total > compared and not self.mismatches:
            self.compare()
        return self._verdict()

    def _bag(self) -> list[Callable[[], None]]:
        """One of each kind of round, with every boundary once, in random order."""
        kills = [lambda b=b, after=after: self._killed(*b, after=after) for b, after in zip(BOUNDARIES, self._sides(), strict=True)]
        rounds: list[Callable[[], None]] = [
            *kills,
            self._plain,
            self._two_at_once,
            self._stopped,
            self._late_bulk,
            self._killed_at_an_erp,
            self._clock_stepped,
            self._node_ends,
            self._write_block,
            self._redis_killed,
            self._erp_clock_stepped,
            self._running,
        ]
        if self.can_reindex:
            rounds += [self._reindexed, self._reindex_killed, self._reindex_killed]
        self.chance.shuffle(rounds)
        return rounds

    def _sides(self) -> list[bool]:
        return [self.chance.random() < 0.5 for _ in BOUNDARIES]

    def _plain(self) -> None:
        with self._tormented(), self._process("sync", traps=self._index_faults):
            pass

    def _two_at_once(self) -> None:
        self.tally("two indexers at once")
        with self._tormented(), self._process("sync", traps=self._index_faults), self._process("sync", "--full", traps=self._index_faults):
            pass

    def _killed(self, step: str, nth: int, *, after: bool) -> None:
        """One is killed at a boundary; another, at work beside it, goes on."""
        kind = f"indexer killed {'after' if after else 'before'}: {step}"

        def traps(process: Process) -> list[Trap]:
            return [Trap(kind, step, nth, _killing(process, after=after))]

        with self._tormented(), self._process("sync", "--full", traps=traps):
            if self.chance.random() < 0.5:
                with self._process("sync"):
                    pass

    def _killed_at_an_erp(self) -> None:
        """Killed while it asks an ERP for a page."""
        with self._tormented(), self._process("sync", "--full") as process:

            def kill(erp: HttpErp, _request: Request) -> None:
                if not process.killed:
                    process.kill()
                    self.tally("indexer killed at: an ERP's page", erp.shelf.source)

            chosen = self.chance.choice([erp for erp in self.erps if isinstance(erp, HttpErp)])
            chosen.between = kill

    def _stopped(self) -> None:
        """One stands still longer than its lease, between two requests; another takes its sources over; the first wakes up."""
        step, nth = self.chance.choice((("mget", 2), ("cursor read", 7), ("cursor moved", 3), ("bulk", 1)))
        at = threading.Event()

        def traps(process: Process) -> list[Trap]:
            def stop(forward: Forward, body: bytes) -> Reply | None:
                process.stop()
                at.set()
                return forward(body)

            return [Trap(f"indexer stopped at: {step}", step, nth, stop)]

        with self._tormented(), self._process("sync", "--full", traps=traps) as process:
            if at.wait(20):
                self._change(4)
                time.sleep(3 * LEASE)
                with self._process("sync", "--full"):
                    pass
                self._change(4)
            process.go_on()

    def _late_bulk(self) -> None:
        """A bulk is on its way for longer than the lease, its sender standing still; another writes newer leaflets meanwhile."""
        at, released = threading.Event(), threading.Event()

        def traps(process: Process) -> list[Trap]:
            def hold(forward: Forward, body: bytes) -> Reply | None:
                process.stop()
                at.set()
                released.wait(60)
                return forward(body)

            return [Trap("bulk that arrives late", "bulk", 1, hold)]

        self._change(6)
        with self._tormented(), self._process("sync", "--full", traps=traps) as process:
            if at.wait(20):
                self._change(10)
                time.sleep(3 * LEASE)
                with self._process("sync", "--full"):
                    pass
            released.set()
            time.sleep(0.3)
            process.go_on()

    def _clock_stepped(self) -> None:
        """One whose own clock is wrong, then one whose clock is right."""
        step = self.chance.choice((-3600, -120))
        self.tally("our clock stepped back")
        with self._tormented(), self._process("sync", clock=step):
            pass
        with self._tormented(), self._process("sync"):
            pass

    def _erp_clock_stepped(self) -> None:
        """The ERPs' clocks go wrong and are set right again."""
        for erp in self.erps:
            forward = self.chance.random() < 0.5
            erp.shelf.clock = timedelta(minutes=self.chance.randint(1, 120)) * (1 if forward else -1)
            self.tally("ERP clock stepped forward" if forward else "ERP clock stepped back", erp.shelf.source)
        self._change(6)
        with self._tormented(), self._process("sync"):
            pass
        for erp in self.erps:
            erp.shelf.clock = timedelta()

    def _node_ends(self) -> None:
        """OpenSearch goes in the middle of a sync, and comes back while it goes on."""
        kill = self.chance.random() < 0.7
        kind = "OpenSearch killed" if kill else "OpenSearch restarted"
        gone = threading.Event()

        def traps(_: Process) -> list[Trap]:
            def end(_forward: Forward, _body: bytes) -> None:
                self.node.end(kill=kill)
                gone.set()

            return [Trap(kind, self.chance.choice(("bulk", "mget", "cursor moved")), 2, end)]

        with self._tormented(), self._process("sync", "--full", traps=traps):
            if gone.wait(20):
                self.node.start()

    def _write_block(self) -> None:
        """The index takes no writes for a while: a disk that is nearly full, or the last step of a reindex."""

        def traps(_: Process) -> list[Trap]:
            def block(forward: Forward, body: bytes) -> Reply | None:
                self._block(on=True)
                threading.Timer(1.5, self._block, kwargs={"on": False}).start()
                return forward(body)

            return [Trap("OpenSearch write block", "bulk", 1, block)]

        self._change(6)
        with self._tormented(), self._process("sync", "--full", traps=traps):
            time.sleep(2)
        self._block(on=False)

    def _block(self, *, on: bool) -> None:
        self.client.indices.put_settings(index=Indices().alias, body={"index.blocks.write": on or None})

    def _redis_killed(self) -> None:
        """The cache goes; what is asked is answered all the same."""
        self._redis_server.kill()
        self.tally("Redis killed")
        self._ask_the_desk()
        with self._tormented(), self._process("sync"):
            pass
        self._ask_the_desk()
        self._redis.close()
        self._redis_server = self._redis.enter_context(redis_server(self.home, self._redis_port))

    def _running(self) -> None:
        """`indexer run` at a quick pace through faults, told to end in the middle."""
        with self._tormented(), self._process("run", traps=self._index_faults, SYNC_EVERY="1s") as process:
            time.sleep(self.chance.uniform(3, 6))
            self.tally("indexer told to end (SIGTERM)")
            process.end()
            began = time.monotonic()
            status = process.wait(PATIENCE)
            took = time.monotonic() - began
            if status != 0 or took > 10:
                self.complaints.append(f"`indexer run` ended with {status} {took:.1f} s after SIGTERM: {_end(process.said)}")

    def _reindexed(self) -> None:
        self.tally("reindex in the middle of a sync")
        with self._tormented(), self._process("sync", "--full", traps=self._index_faults), self._process("reindex"):
            pass

    def _reindex_killed(self) -> None:
        step = self.chance.choice(REINDEX_STEPS)
        nth = self.chance.randint(1, 60) if step == "any" else self.chance.randint(1, 2)
        after = self.chance.random() < 0.5
        kind = f"reindex killed {'after' if after else 'before'}: {step}"

        def traps(process: Process) -> list[Trap]:
            return [Trap(kind, step, nth, _killing(process, after=after))]

        with self._tormented(), self._process("reindex", traps=traps), self._process("sync"):
            pass

    # --- what rounds are made of ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _tormented(self) -> Iterator[None]:
        """ERPs that fail and change while the block runs, also between two pages of one pull."""
        with self._changing:
            for erp in self.erps:
                erp.plan(self.chance.choice((0, 1, 2, 3)) if isinstance(erp, HttpErp) else int(self.chance.random() < 0.15))
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
        while not over.wait(0.15):
            self._change(1)

    def _change(self, times: int) -> None:
        for _ in range(times):
            with self._changing:
                self.chance.choice([erp for erp in self.erps if erp.open]).shelf.happen()

    def _index_faults(self, _: Process) -> list[Trap]:
        """One to four of OpenSearch's bad moments."""
        bulk: list[tuple[str, Action]] = [
            ("bulk refused with 429", refused(429)),
            ("bulk refused with 503", refused(503)),
            ("bulk items refused with 429", refused_items(429)),
            ("bulk items refused with 503", refused_items(503)),
            ("bulk reset", reset),
            ("bulk done, answer lost", lost),
        ]
        others = [
            Trap("cursor moved, answer lost", "cursor moved", self.chance.randint(1, 10), lost),
            Trap("cursor not moved: reset", "cursor moved", self.chance.randint(1, 10), reset),
            Trap("mget reset", "mget", self.chance.randint(1, 4), reset),
            Trap("mget refused with 503", "mget", self.chance.randint(1, 4), refused(503)),
            Trap("mget refused with 429", "mget", self.chance.randint(1, 4), refused(429)),
            Trap("cursor not moved: 503", "cursor moved", self.chance.randint(1, 10), refused(503)),
            Trap("cursor not read: reset", "cursor read", self.chance.randint(1, 8), reset),
            Trap("reject kept, answer lost", "reject kept", 1, lost),
        ]
        picked = [Trap(kind, "bulk", self.chance.randint(1, 4), action) for kind, action in self.chance.sample(bulk, 2)]
        return picked + self.chance.sample(others, self.chance.randint(0, 2))

    @contextmanager
    def _process(
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
        if status is None:
            self.complaints.append(f"`indexer {' '.join(arguments)}` did not end within {PATIENCE:.0f} s: {_end(process.said)}")
        elif status not in expected or "Traceback" in process.said:
            self.complaints.append(f"`indexer {' '.join(arguments)}` broke, exit status {status}: {_end(process.said)}")

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

    def _ask_the_desk(self) -> None:
        """A search must be answered whatever else fails, as long as OpenSearch is there."""
        wanted = self.chance.choice(sorted(self.erps[0].shelf.standing()))
        answer = self._desk.get("/v1/search", query_string={"q": f"remedio {wanted.split(':')[1]}"})
        if answer.status_code != 200:
            self.complaints.append(f"the desk was answered {answer.status_code}: {answer.get_data(as_text=True)[:300]}")

    # --- the oracle -----------------------------------------------------------------------------------------------------------------

    def compare(self) -> None:
        """Faults off, a quiet sync of everything, and the index beside what the ERPs hold; then another that has nothing to write."""
        self.story.tell("", "", "faults off: a quiet sync")
        if self._quiet_sync() is None:
            self.complaints.append("the quiet sync did not succeed within two minutes")
        self._look_at_leaflets()
        self._look_at_rejected()
        again = self._quiet_sync()
        written = sum(int(one["written"]) + int(one["withdrawn"]) for one in again["sources"]) if again else 0
        if written:
            self.complaints.append(f"a second quiet sync wrote {written} leaflets")
        for mismatch in self.mismatches[:5]:
            source, code, *_ = mismatch.id.split(":")
            self.stories += f"\n\n  the story of {mismatch.id} ({mismatch.kind}):\n{self.story.of(source, code)}"

    def _quiet_sync(self) -> dict[str, list[dict[str, str]]] | None:
        """`indexer sync --full` until it succeeds: leases of killed ones and breakers must run out first. None: it did not in two minutes."""
        until = time.monotonic() + 120
        while True:
            command = [INDEXER, "sync", "--full", "--json"]
            told = subprocess.run(command, cwd=self.home, env=self._environ(self.node.url), capture_output=True, text=True, check=False)
            self.story.tell("", "", f"quiet sync ended with {told.returncode}")
            if told.returncode == 0:
                found: dict[str, list[dict[str, str]]] = json.loads(told.stdout)
                return found
            if time.monotonic() > until or told.returncode == 2:
                self.complaints.append(f"quiet sync: exit status {told.returncode}: {_end(told.stdout + told.stderr)}")
                return None
            time.sleep(1)

    def _look_at_leaflets(self) -> None:
        standing = {leaflet: word for erp in self.erps for leaflet, word in erp.shelf.standing().items()}
        unreadable = {one for erp in self.erps for one in erp.shelf.unreadable()}
        held = self._held()
        for leaflet, word in standing.items():
            if leaflet not in held:
                self._mismatch("lost", leaflet, f"the ERP holds {word}, the index nothing")
            elif held[leaflet] != word:
                self._mismatch("stale", leaflet, f"the ERP holds {word}, the index {held[leaflet]}")
        for leaflet in held.keys() - standing.keys():
            # One that became unreadable keeps what was last read of it.
            if leaflet.rpartition(":")[0] not in unreadable:
                self._mismatch("resurrected", leaflet, f"the ERP holds nothing, the index {held[leaflet]}")
        records = Counter(leaflet.rpartition(":")[0] for leaflet in held)
        for record, count in records.items():
            if count > 1 and record not in unreadable:
                self._mismatch("duplicated", record, f"stands {count} times")

    def _look_at_rejected(self) -> None:
        unreadable = {one for erp in self.erps for one in erp.shelf.unreadable()}
        command = [INDEXER, "rejected", "list", "--json"]
        told = subprocess.run(command, cwd=self.home, env=self._environ(self.node.url), capture_output=True, text=True, check=True)
        listed = {one["id"]: one["reason"] for one in json.loads(told.stdout)["rejected"]}
        for record in unreadable - listed.keys():
            self._mismatch("not listed", record, "is unreadable in its ERP and not listed as rejected")
        for record in listed.keys() - unreadable:
            self._mismatch("listed in vain", record, f"is listed as rejected, though its ERP holds nothing unreadable: {listed[record]}")
        self.complaints += [f"{record} is rejected without a reason" for record, reason in listed.items() if not reason]

    def _held(self) -> dict[str, str]:
        """What the index holds: by leaflet's id the word (or words, where it is mixed up) of its text."""
        self.client.indices.refresh(index=Indices().alias)
        body = {"size": 10_000, "query": {"term": {"withdrawn": False}}, "_source": ["sections"]}
        hits = self.client.search(index=Indices().alias, body=body)["hits"]["hits"]
        return {hit["_id"]: " ".join(sorted(set(re.findall(r"\bv[a-z]{4}x\b", json.dumps(hit["_source"]))))) for hit in hits}

    def _mismatch(self, kind: str, leaflet: str, told: str) -> None:
        self.mismatches.append(Mismatch(kind, leaflet, told))

    def _verdict(self) -> Verdict:
        changes: Counter[str] = sum((erp.shelf.changed for erp in self.erps), Counter())
        return Verdict(
            seed=self.seed,
            faults=dict(self.tally.counts),
            changes=dict(changes),
            rounds=self.rounds,
            leaflets=len(self._held()),
            rejected=sum(len(erp.shelf.unreadable()) for erp in self.erps),
            seconds=time.monotonic() - self._started,
            mismatches=tuple(self.mismatches),
            complaints=tuple(self.complaints),
            stories=self.stories,
        )


def _killing(process: Process, *, after: bool) -> Action:
    def kill(forward: Forward, body: bytes) -> None:
        if after:
            forward(body)
        process.kill()

    return kill


def _end(said: str) -> str:
    return " | ".join(said.strip().splitlines()[-6:])[-1500:]


def campaign(home: Path, seed: int, faults: int) -> Verdict:
    """A whole campaign."""
    with ExitStack() as stack:
        return Campaign(home, seed, stack).run(faults)


def main() -> None:
    """Runs one, prints its table, and exits 1 where index and ERPs differ or something broke."""
    parser = argparse.ArgumentParser(description="The fault campaign: prints a table and exits 1 where the index differs from the ERPs.")
    parser.add_argument("--faults", type=int, default=3000, help="how many faults")
    parser.add_argument("--seed", type=int, default=None, help="the seed of a campaign that is to be repeated")
    told = parser.parse_args()
    seed = told.seed if told.seed is not None else int(time.time()) % 100_000
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as home:
        verdict = campaign(Path(home), seed, told.faults)
    print(verdict)
    sys.exit(0 if verdict.passed else 1)


if __name__ == "__main__":
    main()
