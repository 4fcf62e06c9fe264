"""A real OpenSearch without Docker, a system Java or root: Java from PyPI, jars from the lock of its version.

    python -m opensearch.node                        in the foreground, until Ctrl-C or SIGTERM
    with node(home, port) as server: server.url      as a child, given once it answers

All it keeps is below HOME/opensearch: data, logs, snapshots, and config/opensearch.yml, the place for settings of one's own.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import requests
import typer
from pydantic import Field

from opensearch.jars import Version, classpath, not_installed, shared_cache
from opensearch.process import LOOPBACK, NotStarted, Server, loopback_port, require_port, require_room, running
from opensearch.settings import CommonSettings, WrongSettings, read

HEAP = "512m"
LEAST_HEAP = 128  # MB. It starts with these; a bulk of leaflets wants more.
WITHIN = 180.0  # Seconds. On 2 cores it answers after 5 s when they are idle, and took 51 s when 14 programs wanted them (2026-11).


class NodeSettings(CommonSettings):
    """What an embedded server reads from the environment."""

    bulario_home: Path = Field(Path(".bulario"), description="where the embedded servers keep their data", examples=[".bulario"])
    opensearch_version: Version = Field(
        Version.NEWEST, description=f"which OpenSearch the embedded one is, {' or '.join(Version)}", examples=[str(Version.OLDEST)]
    )


@contextmanager
def node(home: Path, port: int, heap: str = HEAP, cluster: Sequence[str] = (), version: Version = Version.NEWEST) -> Iterator[Server]:
    """An OpenSearch on this port of the loopback, with what `home` held before, until the block ends; raises NotStarted.

    With a `cluster`, names and ports such as "one:9301", it is the first of these nodes, and given once enough of them are there: start
    them together. The first node on a machine fetches the jars, which the console shows.
    """
    classpath(shared_cache(), version)
    place = _place(home, port)
    command = [sys.executable, "-m", "opensearch.node", "--home", str(home.resolve()), "--port", str(port), "--heap", heap]
    command += ["--version", version]
    command += [word for peer in cluster for word in ("--peer", peer)]
    url = f"http://{LOOPBACK}:{port}"
    with running(command, url=url, output=place / "logs" / "console.log", answers=lambda: _answers(url), within=WITHIN) as server:
        yield server


def _place(home: Path, port: int) -> Path:
    place = home.resolve() / "opensearch"
    for directory in ("data", "config", "logs"):
        require_room(place / directory, "OpenSearch")
    require_port(port, "OpenSearch", "OPENSEARCH_URL=http://127.0.0.1:PORT")
    return place


def _answers(url: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False  # HTTP_PROXY is not for the loopback.
        try:
            # Yellow: the primaries of every index it has are open.
            return session.get(f"{url}/_cluster/health", params={"wait_for_status": "yellow", "timeout": "1s"}, timeout=5).ok
        except requests.RequestException:
            return False


def run(home: Path, port: int, heap: str, version: Version, cluster: Sequence[str] = ()) -> None:
    """OpenSearch in this process until SIGINT or SIGTERM; raises NotStarted."""
    size = re.fullmatch(r"(\d+)([mg])", heap)
    if not size or int(size[1]) * {"m": 1, "g": 1024}[size[2]] < LEAST_HEAP:
        raise NotStarted.because(
            server="OpenSearch",
            reason=f"it cannot have a heap of {heap!r}",
            remedy=f"write one from {LEAST_HEAP}m up, such as --heap {HEAP}",
        )
    place = _place(home, port)
    try:
        from opensearch import jvm  # noqa: PLC0415 - jpype is in the extra.
    except ModuleNotFoundError as error:
        raise not_installed(error) from None
    peers = [jvm.Peer(name, int(at)) for name, _, at in (peer.partition(":") for peer in cluster)]
    jvm.serve(place, port, heap, classpath(shared_cache(), version), peers)


def main(
    home: Annotated[Path | None, typer.Option(help="Where its data are; BULARIO_HOME unless given.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Its port on the loopback; that of OPENSEARCH_URL unless given.")
    ] = None,
    heap: Annotated[str, typer.Option(help="Java's heap, such as 512m or 2g.")] = HEAP,
    peer: Annotated[
        list[str] | None, typer.Option(metavar="NAME:PORT", help="Of a cluster: this node first, then each of the others.")
    ] = None,
    version: Annotated[Version | None, typer.Option(help="Which OpenSearch; OPENSEARCH_VERSION unless given.")] = None,
    lock: Annotated[bool, typer.Option("--lock", help="Only rewrite the version's lock from its roots.")] = False,  # noqa: FBT002 - a flag.
) -> None:
    """Runs an OpenSearch in the foreground."""
    try:
        settings = read(NodeSettings, os.environ)
        chosen = version or settings.opensearch_version
        if lock:
            from opensearch import maven  # noqa: PLC0415 - only this and a cold cache need it.

            typer.echo(f"{maven.relock(chosen)} jars of OpenSearch {chosen} locked")
            return
        at = port or loopback_port(settings.opensearch_url, "OPENSEARCH_URL")
        run(home or settings.bulario_home, at, heap, chosen, peer or ())
    except (NotStarted, WrongSettings) as error:
        typer.echo(error, err=True)
        raise typer.Exit(1 if isinstance(error, NotStarted) else 2) from None


if __name__ == "__main__":
    typer.run(main)
