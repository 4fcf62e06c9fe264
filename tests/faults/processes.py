"""What a campaign starts, stops and kills: an OpenSearch of its own, and `indexer` processes behind their proxies."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from opensearch.process import Server, free_port
from tests.engines import node
from tests.faults.proxy import Proxy

INDEXER = Path(sys.executable).with_name("indexer")


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
