"""What `make demo` and `make up` run: the embedded servers, a first sync, then indexer and searchapi until Ctrl-C.

OpenSearch, Redis -> [stand-in ERPs] -> indexer sync -> indexer run + searchapi
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import requests
from honcho.manager import Manager  # type: ignore[import-untyped]  # honcho ships no types
from rich.console import Console

from demo import erps
from opensearch.node import NodeSettings, node
from opensearch.process import NotStarted
from opensearch.settings import WrongSettings, read
from searchapi.redis_server import redis_server
from searchapi.settings import Settings

console = Console(highlight=False)
BIN = Path(sys.executable).parent
# The demo's ERPs change when you edit them; an hour would hide it.
DEMO_PACE = "1m"
ENDED_BY_PERSON = {130, 143}  # SIGINT and SIGTERM, as honcho tells them


class Steps:
    """Shows each step with what it took."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def done(self, step: str) -> None:
        """Tells that a step ended."""
        console.print(f"[green]✓[/] {step} [dim]({time.monotonic() - self.began:.1f} s)[/]")
        self.began = time.monotonic()


def main() -> None:
    """Runs everything; exits 2 where something must be mended first, with a sentence that says what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stand-ins", action="store_true", help="start the demonstration ERPs and pull them instead of sources.toml")
    stand_ins = parser.parse_args().stand_ins
    try:
        settings = read(Settings, os.environ)
        embedded = read(NodeSettings, os.environ)
        with ExitStack() as running:
            sys.exit(_up(settings, embedded, running, stand_ins=stand_ins))
    except (NotStarted, WrongSettings) as error:
        console.print(f"[red]✗[/] {error}")
        sys.exit(2)


def _up(settings: Settings, embedded: NodeSettings, running: ExitStack, *, stand_ins: bool) -> int:
    """Starts everything in its order and stays until one part ends; gives the exit status."""
    steps, home = Steps(), embedded.bulario_home
    running.enter_context(node(home, urlsplit(settings.opensearch_url).port or 9230, version=embedded.opensearch_version))
    steps.done(f"OpenSearch {embedded.opensearch_version} answers at {settings.opensearch_url}, its data in {home}/opensearch")
    running.enter_context(redis_server(home, urlsplit(settings.redis_url).port or 6390))
    steps.done(f"Redis answers at {settings.redis_url}")
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    if stand_ins:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        erps.furnish(home / "demo")
        running.callback(erps.serve(erps.PORTS, erps.LATENCY))
        environ |= {"SOURCES_FILE": str(home / "demo" / "sources.toml"), **erps.SECRETS}
        environ.setdefault("SYNC_EVERY", DEMO_PACE)
        # What happens is told in a line a source; a person who looks for more sets LOG_LEVEL.
        environ.setdefault("LOG_LEVEL", "WARNING")
        steps.done("stand-in ERPs: Protheus, SAP and ERPNext over HTTP, a SQLite database, a folder of PDFs")
    synced = subprocess.run([BIN / "indexer", "sync"], env=environ, check=False)
    if synced.returncode == 2:  # misconfigured, and indexer has said how
        return synced.returncode
    steps.done("first sync")
    return _serve(settings, environ)


def _serve(settings: Settings, environ: dict[str, str]) -> int:
    """indexer and searchapi until one of them ends, or Ctrl-C."""
    manager = Manager()
    for name, command in (("indexer", "indexer run"), ("searchapi", "searchapi")):
        manager.add_process(name, f"{BIN / command}", env=environ)
    threading.Thread(target=_tell_when_ready, args=(f"http://127.0.0.1:{settings.port}",), daemon=True).start()
    manager.loop()
    return 0 if manager.returncode in ENDED_BY_PERSON else int(manager.returncode or 0)


def _tell_when_ready(url: str) -> None:
    """Says where the page is, once it answers."""
    while True:
        try:
            if requests.get(f"{url}/readyz", timeout=2).ok:
                break
        except requests.RequestException:
            pass
        time.sleep(0.2)
    console.print(f"[green]✓[/] the SAC page answers: [bold]{url}[/]   (Ctrl-C ends everything)")
    console.print(f"  try: {url}/?q=dipirona+em+crianca")


if __name__ == "__main__":
    main()
