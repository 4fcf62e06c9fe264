"""Real servers as our children: started, waited for, stopped or killed, with errors that a person can act on."""

from __future__ import annotations

import errno
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from opensearch.settings import WrongSettings

LOOPBACK = "127.0.0.1"
LEAST_ROOM = 64 * 2**20  # An empty OpenSearch takes 0.1 MB; the rest is for its log and a small index.
PATIENCE_TO_STOP = 20.0  # Seconds. OpenSearch closes in 0.2 to 0.6 s at rest; the rest is for a write under way.


class NotStarted(Exception):
    """A server did not start; the text says what was wrong and what to do."""

    @classmethod
    def because(cls, server: str, reason: str, remedy: str) -> Self:
        """The one sentence in which every such error is told."""
        return cls(f"{server} did not start: {reason}; {remedy}")


def loopback_port(url: str, variable: str) -> int:
    """The port on which an embedded server is found by this URL; raises WrongSettings where it could not be."""
    parts = urlsplit(url)
    if "," in url or parts.hostname not in (LOOPBACK, "localhost") or not parts.port:
        message = f"{variable} is {url}, where no embedded server can answer: unset it, or do not start an embedded one"
        raise WrongSettings(message)
    return parts.port


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs as our child. `output` is the file with what it wrote to its console."""

    url: str
    output: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self) -> None:
        """Ends it as an operator would (SIGTERM) and waits until it is gone; one that is gone already stays so."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_TO_STOP)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends it as a power cut would (SIGKILL)."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running(command: Sequence[str], *, url: str, output: Path, answers: Callable[[], bool], within: float) -> Iterator[Server]:
    """Runs a server until the block ends; gives it once it answers, or raises NotStarted with the last line it wrote."""
    with output.open("wb") as console:
        # Its own session: Ctrl-C reaches us alone, and the block ends before the server does.
        process = subprocess.Popen(  # noqa: S603 - a command of ours.
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True
        )
    server = Server(url, output, process)
    try:
        _wait(server, answers, within)
        yield server
    finally:
        server.stop()


def _wait(server: Server, answers: Callable[[], bool], within: float) -> None:
    until = time.monotonic() + within
    while not answers():
        if server.process.poll() is not None:
            raise NotStarted(_last_line(server.output) or f"{server.url} did not start: its process ended without a word; try again")
        if time.monotonic() > until:
            raise NotStarted.because(server.url, f"it does not answer after {within:.0f} s", f"see the end of {server.output}")
        time.sleep(0.05)


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def require_port(port: int, server: str, instead: str) -> None:
    """Raises NotStarted when a server could not listen on this port of the loopback; `instead` tells how to choose another."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason, remedy = f"port {port} of {LOOPBACK} is taken", "if another `make demo` or `make up` has it, stop that one, or "
            else:
                reason, remedy = f"port {port} of {LOOPBACK} cannot be had ({error.strerror})", ""
            raise NotStarted.because(server, reason, f"{remedy}choose another with {instead}") from None


def require_room(directory: Path, server: str) -> None:
    """Makes the directory; raises NotStarted when it cannot be written or its disk is nearly full."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory) as probe:
            probe.write(b"bulario")
        free = shutil.disk_usage(directory).free
    except OSError as error:
        reason = f"{directory} cannot be written ({error.strerror})"
        raise NotStarted.because(server, reason, "mend that, or set BULARIO_HOME to another directory") from None
    if free < LEAST_ROOM:
        reason = f"the disk of {directory} has {free >> 20} MB left, and it needs {LEAST_ROOM >> 20} MB"
        raise NotStarted.because(server, reason, "free some, or set BULARIO_HOME to a directory on another disk")


def free_port() -> int:
    """A port of the loopback that nobody has now; somebody else may take it before you do."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
