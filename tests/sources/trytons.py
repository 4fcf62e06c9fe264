"""Real Tryton servers: installed into a virtual environment of their own, started on SQLite, and an administrator's RPC to them."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from opensearch.process import free_port

ROOT = Path(__file__).parents[2]
PASSWORD = "s3cret-of-admin"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is installed and switched on, where, and where below its database its RPC is."""

    name: str
    venv: Path
    requirements: Path
    modules: tuple[str, ...]
    rpc: str


TRYTON = Kind("bulas", ROOT / ".venv-tryton", Path(__file__).with_name("tryton-requirements.txt"), ("product",), "rpc/")
GNU_HEALTH = Kind(
    "saude",
    ROOT / ".venv-gnuhealth",
    Path(__file__).with_name("gnuhealth-requirements.txt"),
    ("health", "health_who_essential_medicines"),
    "",
)


class Trytond:
    """A running server, and an administrator's RPC to it."""

    def __init__(self, kind: Kind, url: str, database: Path) -> None:
        self.kind = kind
        self.url = url
        self._rpc = f"{url}/{kind.name}/{kind.rpc}"
        self._database = database
        self._session = requests.Session()
        self._log_in()

    def _log_in(self) -> None:
        user, token, *_ = self.rpc("common.db.login", "admin", {"password": PASSWORD})
        self._session.headers["Authorization"] = "Session " + base64.b64encode(f"admin:{user}:{token}".encode()).decode()

    def forget_sessions(self) -> None:
        """Ends every session of the administrator, as a new password does, and opens one for itself again."""
        self.rpc("model.res.user.write", [1], {"password": PASSWORD}, {})
        self._log_in()

    def rpc(self, method: str, *params: object) -> Any:
        """One call's result."""
        answer = self._session.post(self._rpc, json={"id": 0, "method": method, "params": params}, timeout=60)
        answer.raise_for_status()
        told = answer.json()
        assert "error" not in told, told
        return told["result"]

    def set(self, table: str, record: int, **values: object) -> None:
        """Writes into a record past Tryton, which dates each edit itself and takes a while for it."""
        with closing(sqlite3.connect(self._database, timeout=30)) as database, database:
            assigned = ", ".join(f"{name} = ?" for name in values)
            database.execute(f"UPDATE {table} SET {assigned} WHERE id = ?", (*values.values(), record))

    def delete_products(self) -> None:
        """All of them, archived ones too."""
        templates = self.rpc("model.product.template.search", [["active", "in", [True, False]]], 0, None, None, {})
        self.rpc("model.product.template.delete", templates, {})

    def attach(self, resource: str, name: str, body: bytes) -> None:
        """A file attached to a record, or put in place of one of the same name."""
        packed = {"__class__": "bytes", "base64": base64.b64encode(body).decode()}
        there = self.rpc("model.ir.attachment.search", [["resource", "=", resource], ["name", "=", name]], 0, None, None, {})
        if there:
            self.rpc("model.ir.attachment.write", there, {"data": packed}, {})
        else:
            self.rpc("model.ir.attachment.create", [{"name": name, "type": "data", "resource": resource, "data": packed}], {})


@contextmanager
def running(kind: Kind, home: Path) -> Iterator[Trytond]:
    """A server with a database of its own, for as long as the block runs; the test is skipped where it cannot be installed."""
    port = free_port()
    database = home / "db" / f"{kind.name}.sqlite"
    database.parent.mkdir()
    conf = home / "trytond.conf"
    conf.write_text(f"[database]\nuri = sqlite://\npath = {database.parent}\n[web]\nlisten = 127.0.0.1:{port}\n")
    with kind.requirements.open() as locked:
        # The suite runs in two processes: one of them installs, and the other waits for it.
        fcntl.flock(locked, fcntl.LOCK_EX)
        programs = _installed(kind)
        shutil.copyfile(_furnished(kind, programs, home), database)
    command = [str(programs / "trytond"), "-c", str(conf), "-d", kind.name]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, "TZ": "UTC"})
        try:
            ready = Retrying(
                retry=retry_if_exception_type(requests.ConnectionError), stop=stop_after_delay(60), wait=wait_fixed(0.1), reraise=True
            )
            yield ready(Trytond, kind, f"http://127.0.0.1:{port}", database)
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _installed(kind: Kind) -> Path:
    """The folder of its programs."""
    programs = kind.venv / "bin"
    if not (programs / "trytond").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(kind.venv)], check=True, capture_output=True)
            # --no-deps: all that is needed is in the lock, which leaves out what these tests do without.
            pip = [
                str(programs / "python"),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--require-hashes",
                "-r",
                str(kind.requirements),
            ]
            subprocess.run(pip, check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(kind.venv, ignore_errors=True)
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"it cannot be installed into {kind.venv.name}: {error.stderr.decode().strip().splitlines()[-1:]}")
    return programs


def _furnished(kind: Kind, programs: Path, home: Path) -> Path:
    """A database with its modules, which takes half a minute to make and is kept beside the programs for the next run."""
    mark = hashlib.sha256(kind.requirements.read_bytes() + repr((kind.modules, PASSWORD)).encode()).hexdigest()[:16]
    kept = kind.venv / f"{kind.name}-{mark}.sqlite"
    if kept.exists():
        return kept
    made = home / "made" / f"{kind.name}.sqlite"
    made.parent.mkdir()
    made.touch()
    (home / "password").write_text(PASSWORD)
    conf = home / "made.conf"
    conf.write_text(f"[database]\nuri = sqlite://\npath = {made.parent}\n")
    admin = [str(programs / "trytond-admin"), "-c", str(conf), "-d", kind.name]
    environ = {**os.environ, "TRYTONPASSFILE": str(home / "password"), "TZ": "UTC"}
    for step in (["--all", "--email", "admin@example.com", "-l", "en"], ["-u", *kind.modules, "--activate-dependencies"]):
        subprocess.run([*admin, *step], check=True, env=environ, capture_output=True)
    # In one step, so that a run which is stopped leaves none that is half made.
    return made.rename(kept) if made.stat().st_dev == kind.venv.stat().st_dev else Path(shutil.copyfile(made, kept))
