"""The Tryton source against a real Tryton: its RPC, its times, its archive and its attachments."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from indexer.sources.base import SourceDown, SourceRefused
from leaflets import Change, Content, Withdrawal
from tests.sources.standin import one_by_one, pull, source_of

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-tryton"
REQUIREMENTS = Path(__file__).with_name("tryton-requirements.txt")
PASSWORD = "s3cret-of-admin"


def installed() -> Path:
    """The folder of Tryton's programs; installed into .venv-tryton if they are not there."""
    programs = VENV / "bin"
    if not (programs / "trytond").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True, capture_output=True)
            pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(REQUIREMENTS)]
            subprocess.run(pip, check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(VENV, ignore_errors=True)
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"Tryton cannot be installed into .venv-tryton: {error.stderr.decode().strip().splitlines()[-1:]}")
    return programs


class Tryton:
    """A running Tryton server, and an administrator's RPC to it."""

    def __init__(self, url: str) -> None:
        self.url = url
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
        answer = self._session.post(f"{self.url}/bulas/rpc/", json={"id": 0, "method": method, "params": params}, timeout=60)
        answer.raise_for_status()
        told = answer.json()
        assert "error" not in told, told
        return told["result"]

    def add(self, count: int) -> list[int]:
        """So many products with leaflets, in one transaction, and so of one and the same time."""
        leaflets = [{"suffix_code": uuid.uuid4().hex, "description": f"Bula nº {n} – ação ≤ 30 min"} for n in range(count)]
        rows = [
            {"name": f"Remédio {n}", "default_uom": 1, "type": "goods", "products": [["create", [leaflet]]]}
            for n, leaflet in enumerate(leaflets)
        ]
        self.rpc("model.product.template.create", rows, {})
        found: list[int] = self.rpc("model.product.product.search", [["active", "in", [True, False]]], 0, None, [["id", "ASC"]], {})
        return found[-count:]

    def write(self, product: int, **values: object) -> None:
        """Edits a product."""
        self.rpc("model.product.product.write", [product], values, {})

    def write_template(self, product: int, **values: object) -> None:
        """Edits a product's template."""
        template = self.rpc("model.product.product.read", [product], ["template"], {})[0]["template"]
        self.rpc("model.product.template.write", [template], values, {})

    def attach(self, product: int, name: str, body: bytes) -> None:
        """Attaches a file to a product."""
        packed = {"__class__": "bytes", "base64": base64.b64encode(body).decode()}
        self.rpc(
            "model.ir.attachment.create", [{"name": name, "type": "data", "resource": f"product.product,{product}", "data": packed}], {}
        )


@pytest.fixture(scope="module")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    """A real Tryton with the product module, on SQLite, for the module's tests."""
    programs, home = installed(), tmp_path_factory.mktemp("tryton")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (home / "db").mkdir()
    (home / "db" / "bulas.sqlite").touch()
    (home / "password").write_text(PASSWORD)
    conf = home / "trytond.conf"
    conf.write_text(f"[database]\nuri = sqlite://\npath = {home / 'db'}\n[web]\nlisten = 127.0.0.1:{port}\n")
    admin = [str(programs / "trytond-admin"), "-c", str(conf), "-d", "bulas"]
    environ = {**os.environ, "TRYTONPASSFILE": str(home / "password")}
    for step in (["--all", "--email", "admin@example.com", "-l", "en"], ["-u", "product", "--activate-dependencies"]):
        subprocess.run([*admin, *step], check=True, env=environ, capture_output=True)
    command = [str(programs / "trytond"), "-c", str(conf), "-d", "bulas"]
    with (home / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True) as server:
        try:
            ready = Retrying(
                retry=retry_if_exception_type(requests.ConnectionError), stop=stop_after_delay(60), wait=wait_fixed(0.1), reraise=True
            )
            yield ready(Tryton, f"http://127.0.0.1:{port}")
        finally:
            os.killpg(server.pid, signal.SIGKILL)


@pytest.fixture(autouse=True)
def _no_products(tryton: Tryton) -> Iterator[None]:
    """Each test finds the server as new."""
    yield
    templates = tryton.rpc("model.product.template.search", [["active", "in", [True, False]]], 0, None, None, {})
    tryton.rpc("model.product.template.delete", templates, {})


def source(folder: Path, tryton: Tryton, *lines: str, password: str = PASSWORD) -> Any:
    """A source of type tryton; it reads back no further than it must, so that tests see what a pull adds."""
    head = [
        'type = "tryton"',
        f'url = "{tryton.url}"',
        'database = "bulas"',
        'username = "admin"',
        'password = { env = "PASSWORD" }',
        'lag = "0s"',
    ]
    return source_of(folder, "\n".join([*head, *lines]), PASSWORD=password)


def moment(tryton: Tryton) -> str:
    """A cursor behind all that was done so far: Tryton's own latest time, and a microsecond."""
    fields = ["write_date", "create_date", "template.write_date", "template.create_date"]
    found = tryton.rpc("model.product.product.search_read", [["active", "in", [True, False]]], 0, None, None, fields, {})
    times = [value for row in found for value in [*row.values(), *row["template."].values()] if isinstance(value, dict) and "year" in value]
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    year, month, day, hour, minute, second, microsecond = max(tuple(time[part] for part in parts) for time in times)
    return f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{microsecond + 1:06}Z"


def test_all_products_of_a_bulk_edit_are_read(tryton: Tryton, tmp_path: Path) -> None:
    """Two and a half pages of products with five times in all: pages by time would lose some, pages by id do not."""
    products = [product for _ in range(5) for product in tryton.add(50)]
    pulled = pull(source(tmp_path, tryton))
    assert pulled.ids == [str(product) for product in products]
    change = pulled.changes[0]
    assert isinstance(change, Change)
    assert change.facts.name == "Remédio 0"
    assert change.contents == (Content("Bula nº 0 – ação ≤ 30 min".encode(), "text/plain", "utf-8"),)
    assert len({change.version for change in pulled.changes}) == 5


def test_the_next_pull_gives_what_was_edited_and_what_was_archived(tryton: Tryton, tmp_path: Path) -> None:
    """An edit of the text, a new name of the template (which leaves the product's own time as it was), an archived product."""
    products = tryton.add(25)
    erp = source(tmp_path, tryton)
    first = pull(erp)
    since = moment(tryton)
    tryton.write(products[3], description="Bula nova")
    tryton.write_template(products[7], name="Outro nome")
    tryton.write(products[11], active=False)
    second = pull(erp, since)
    assert second.ids == [str(products[n]) for n in (3, 7, 11)]
    edited, renamed, archived = second.changes
    assert isinstance(edited, Change)
    assert edited.contents[0].body == b"Bula nova"
    assert isinstance(renamed, Change)
    assert renamed.facts.name == "Outro nome"
    assert isinstance(archived, Withdrawal)
    before = {change.source_id: change.version for change in first.changes}
    assert all(change.version > before[change.source_id] for change in second.changes)


def test_a_pull_of_everything_is_complete(tryton: Tryton, tmp_path: Path) -> None:
    """The first one, and one that is meant to be whole though there is a cursor."""
    tryton.add(2)
    erp = source(tmp_path, tryton)
    first, since = pull(erp), moment(tryton)
    pulls = [first, pull(erp, since), pull(erp, since, whole=True)]
    assert [(len(pulled.ids), pulled.complete) for pulled in pulls] == [(2, True), (0, False), (2, True)]


def test_the_cursor_reads_the_newest_again(tryton: Tryton, tmp_path: Path) -> None:
    """A transaction is dated when it began and seen when it ends, so the window starts before the newest, not behind it."""
    products = tryton.add(20)
    erp = source(tmp_path, tryton)
    assert pull(erp, pull(erp).cursor).ids == [str(product) for product in products]


def test_attached_pdfs_are_leaflets_of_their_own_edits(tryton: Tryton, tmp_path: Path) -> None:
    """Attaching leaves the product's time as it was, and is seen all the same; other files are not read."""
    first, second = tryton.add(2)
    erp = source(tmp_path, tryton, "attachments = true")
    assert len(pull(erp).ids) == 2
    since = moment(tryton)
    tryton.attach(second, "bula.pdf", b"%PDF-1.4 paciente")
    tryton.attach(second, "profissional.PDF", b"%PDF-1.4 profissional" + bytes(range(256)))
    tryton.attach(second, "foto.png", b"png")
    changes = pull(erp, since).changes
    assert [change.source_id for change in changes] == [str(second), str(second)]
    bodies = [change.contents[0].body for change in changes if isinstance(change, Change)]
    assert bodies == [b"%PDF-1.4 paciente", b"%PDF-1.4 profissional" + bytes(range(256))]
    whole = pull(erp).changes
    assert [change.source_id for change in whole] == [str(first), str(second), str(second)]


def test_its_own_fields_say_what_anvisa_registered(tryton: Tryton, tmp_path: Path) -> None:
    """Whichever they are; what says nothing of it is no error. Tryton's own `active` stays the archive's."""
    stands, ended = tryton.add(2)
    tryton.write_template(stands, consumable=True)
    tryton.write_template(ended, consumable=False)
    changes = pull(source(tmp_path, tryton, 'fields = { category = "template.type", active = "template.consumable" }')).changes
    assert [(c.source_id, c.facts.category, c.facts.active) for c in changes if isinstance(c, Change)] == [
        (str(stands), None, True),
        (str(ended), None, False),
    ]


def test_a_product_without_a_leaflet_stops_no_other(tryton: Tryton, tmp_path: Path) -> None:
    """It is told."""
    products = tryton.add(2)
    tryton.write(products[0], description=None)
    wrong, right = pull(source(tmp_path, tryton)).changes
    assert "no leaflet" in getattr(wrong, "reason", "")
    assert isinstance(right, Change)


def test_a_session_that_tryton_forgot_is_opened_anew(tryton: Tryton, tmp_path: Path) -> None:
    """As after a reset of its password; the pull goes on."""
    tryton.add(1)
    erp = source(tmp_path, tryton)
    assert len(pull(erp).ids) == 1
    tryton.forget_sessions()
    assert len(pull(erp).ids) == 1


def test_a_wrong_password_is_refused_at_once(tryton: Tryton, tmp_path: Path) -> None:
    """And is not tried again: Tryton locks the user after a few. It is not shown."""
    with pytest.raises(SourceRefused, match="credentials") as refused:
        pull(source(tmp_path, tryton, password="wr0ng"))
    assert "wr0ng" not in str(refused.value)


@pytest.mark.parametrize("lines", ['model = "product.nowhere"', 'fields = { text = "nowhere" }'])
def test_a_model_or_field_that_is_not_there_is_refused(tryton: Tryton, tmp_path: Path, lines: str) -> None:
    """Tryton says so with status 200."""
    tryton.add(1)
    with pytest.raises(SourceRefused, match="nowhere"):
        pull(source(tmp_path, tryton, lines))


def test_a_tryton_that_is_not_there_is_down(tmp_path: Path) -> None:
    """Nothing listens on port 9."""
    toml = 'type = "tryton"\nurl = "http://127.0.0.1:9"\ndatabase = "d"\nusername = "u"\npassword = { env = "P" }'
    with pytest.raises(SourceDown, match="refused"):
        next(iter(source_of(tmp_path, toml, P="x").pages(None, one_by_one)))


def test_check_says_what_answered(tryton: Tryton, tmp_path: Path) -> None:
    """With the first product's id."""
    products = tryton.add(1)
    assert f"1 products on its first page; the first is '{products[0]}'" in source(tmp_path, tryton).check()
