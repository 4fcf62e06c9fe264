"""The campaign's stand-in ERPs: four over HTTP, a database and a folder of PDFs, with the faults of their wires in store.

matriz     pages by number, sorted by code; OAuth 2 tokens that expire; a clock of whole seconds
filial     pages by offset, sorted by date; nothing says that more follow; deletes without trace
deposito   pages by cursor; names no audience
posto      all records in every answer, no changed-since; a clock of whole minutes
legado     a table in SQLite
pasta      PDFs
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Protocol

from fpdf import FPDF

from leaflets import Audience
from tests.faults.shelf import Habits, Record, Shelf, Story
from tests.faults.wire import LYING, PATIENCE, SESSION, Fired, Wire
from tests.sources.standin import Reply, Request, serving, told

SECRETS = {"MATRIZ_SECRET": "nothing-secret", "POSTO_KEY": "nothing-secret"}
_KINDS = {Audience.PATIENT: "VP", Audience.PROFESSIONAL: "VPS"}
_FIELDS = "id = 'code', name = 'name', laboratory = 'maker', updated_at = 'modified', text = 'text'"
_PAGE = 4


class Erp(Protocol):
    """One stand-in ERP as the campaign knows it."""

    @property
    def shelf(self) -> Shelf:
        """What it holds."""

    @property
    def table(self) -> str:
        """How sources.toml describes it."""

    @property
    def open(self) -> bool:
        """Whether its leaflets can change just now."""

    def plan(self, faults: int) -> None:
        """So many faults of its own, in what it is asked from now on, in place of those still in store."""

    def calm(self) -> None:
        """No more faults."""


# --- over HTTP ----------------------------------------------------------------------------------------------------------------------


class HttpErp:
    """An ERP over HTTP. `by` is how it pages, `since` whether it can be asked for what changed, `auth` how it is shown who asks."""

    def __init__(self, shelf: Shelf, wire: Wire, *, by: str, since: bool, auth: str = "") -> None:
        self.shelf = shelf
        self.open = True
        self.url = ""
        # Called with each page's number before it is answered: what the campaign does between two pages.
        self.between: Callable[[HttpErp, Request], None] = lambda _erp, _request: None
        self._wire = wire
        self._by = by
        self._since = since
        self._auth = auth
        self._token = "token-1"

    @property
    def table(self) -> str:
        """See Erp."""
        paging = {
            "page": f"paging = {{ by = 'page', size = {_PAGE}, more = 'hasNext' }}",
            "offset": f"paging = {{ by = 'offset', size = {_PAGE}, size_parameter = 'limit' }}",
            "cursor": "paging = { by = 'cursor', parameter = 'after', cursor = 'next' }",
            "none": "",
        }[self._by]
        auth = {
            "oauth": f"auth = {{ type = 'oauth2_client_credentials', token_url = '{self.url}/token', client_id = 'sac', "
            "client_secret = { env = 'MATRIZ_SECRET' } }",
            "header": "auth = { type = 'header', name = 'X-Key', value = { env = 'POSTO_KEY' } }",
            "": "",
        }[self._auth]
        kind = "" if self._by == "cursor" else ", audience = 'kind'"
        lines = [
            f"[sources.{self.shelf.source}]",
            "type = 'rest'",
            f"url = '{self.url}'",
            f"timeout = {PATIENCE}",
            "lag = '2s'",
            paging,
            auth,
            "records = 'items'",
            "changed_since = { parameter = 'since' }" if self._since else "",
            f"fields = {{ {_FIELDS}{kind}, deleted = 'gone' }}",
        ]
        return "\n".join(line for line in lines if line)

    def plan(self, faults: int) -> None:
        """See Erp."""
        self._wire.plan(faults)

    def calm(self) -> None:
        """See Erp."""
        self._wire.calm()
        self.between = lambda _erp, _request: None

    def __call__(self, request: Request) -> Reply:
        """The answer to one request, or what a fault leaves of it."""
        kind = self._wire.due()
        if kind == SESSION and self._auth == "oauth":
            self._token = f"token-{time.monotonic_ns()}"
            kind = ""
        if request.path == "/token":
            return self._wire.spoilt(kind, told({"access_token": self._token}))
        if self._auth == "oauth" and request.headers.get("Authorization") != f"Bearer {self._token}":
            return Reply(b"{}", status=401)
        self.between(self, request)
        return self._wire.spoilt(kind, self._page(request, kind))

    def _page(self, request: Request, fault: str) -> Reply:
        with self.shelf.lock:
            since = datetime.fromisoformat(request.query.get("since", "1970-01-01T00:00:00Z"))
            held = [r for r in self.shelf.records.values() if r.dated >= since]
        held.sort(key=(lambda r: (r.dated, r.code)) if self._by == "offset" else (lambda r: r.code))
        match self._by:
            case "page":
                start = (int(request.query["page"]) - 1) * _PAGE
            case "offset":
                start = int(request.query["offset"])
            case "cursor":
                after = request.query.get("after", "")
                start = next((n for n, r in enumerate(held) if r.code > after), len(held)) if after else 0
            case _:
                start = 0
        size = len(held) if self._by == "none" else _PAGE
        shown = [] if fault == "an empty answer" else held[start : start + size]
        more = start + size < len(held) and fault not in LYING
        body: dict[str, object] = {"items": [self._item(r) for r in shown], "hasNext": more}
        if self._by == "cursor":
            body["next"] = shown[-1].code if more else None
        return told(body)

    def _item(self, record: Record) -> dict[str, object]:
        kind = "?" if record.broken == "audience" else _KINDS.get(record.audience, "")
        item = {"code": record.code, "name": record.name, "maker": "Lab", "modified": _iso(record), "text": record.text}
        return item | {"kind": kind, "gone": record.withdrawn}


def _iso(record: Record) -> str:
    return record.dated.isoformat(timespec="microseconds").replace("+00:00", "Z")


# --- a database ---------------------------------------------------------------------------------------------------------------------


class _Rows(Shelf):
    """A shelf that is also a table in SQLite."""

    def __init__(self, file: Path, source: str, chance: Random, story: Story, habits: Habits) -> None:
        super().__init__(source, chance, story, habits)
        self.file = file
        self.run("CREATE TABLE bulas (code TEXT PRIMARY KEY, name, maker, kind, modified, text, gone)")

    def run(self, statement: str, values: tuple[object, ...] = ()) -> None:
        """One statement, committed."""
        with closing(sqlite3.connect(self.file, timeout=60)) as connection, connection:
            connection.execute(statement, values)

    def kept(self, record: Record) -> None:
        """See Shelf."""
        kind = "?" if record.broken == "audience" else _KINDS[record.audience]
        dated = record.dated.strftime("%Y-%m-%d %H:%M:%S")
        row = (record.code, record.name, "Lab", kind, dated, record.text, int(record.withdrawn))
        self.run("INSERT OR REPLACE INTO bulas VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def dropped(self, code: str) -> None:
        """See Shelf."""
        self.run("DELETE FROM bulas WHERE code = ?", (code,))


class Database:
    """An ERP whose table is read with SQL; now and then somebody locks the file for a moment, or the table is not there."""

    def __init__(self, shelf: _Rows, chance: Random, fired: Fired) -> None:
        self.shelf: Shelf = shelf
        self._rows = shelf
        self._chance = chance
        self._fired = fired
        self.open = True

    @property
    def table(self) -> str:
        """See Erp."""
        query = "SELECT * FROM bulas WHERE modified >= :since ORDER BY modified, code"
        return (
            f"[sources.{self.shelf.source}]\ntype = 'sql'\nurl = 'sqlite:///{self._rows.file}'\nlag = '2s'\nquery = '{query}'\n"
            f"fields = {{ {_FIELDS}, audience = 'kind', updated_at_format = '%Y-%m-%d %H:%M:%S', deleted = 'gone' }}"
        )

    def plan(self, faults: int) -> None:
        """See Erp."""
        self.calm()
        if not faults:
            return
        if self._chance.random() < 0.5:
            threading.Thread(target=self._lock_for, args=(2.0,), daemon=True).start()
            self._fired("ERP database locked", self.shelf.source)
        else:
            self._rows.run("ALTER TABLE bulas RENAME TO bulas_old")
            self.open = False
            self._fired("ERP table missing", self.shelf.source)

    def calm(self) -> None:
        """See Erp."""
        if not self.open:
            self._rows.run("ALTER TABLE bulas_old RENAME TO bulas")
            self.open = True

    def _lock_for(self, seconds: float) -> None:
        with closing(sqlite3.connect(self._rows.file, timeout=60)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            connection.rollback()


# --- a folder -----------------------------------------------------------------------------------------------------------------------


class _Files(Shelf):
    """A shelf that is also a folder of PDFs."""

    def __init__(self, folder: Path, source: str, chance: Random, story: Story, habits: Habits) -> None:
        super().__init__(source, chance, story, habits)
        self.folder = folder
        folder.mkdir()

    def kept(self, record: Record) -> None:
        """See Shelf."""
        (self.folder / f"{record.code}.pdf").write_bytes(b"%PDF-1.4 a scan that broke off" if record.broken else printed(record.text))

    def dropped(self, code: str) -> None:
        """See Shelf."""
        (self.folder / f"{code}.pdf").unlink()


def printed(text: str) -> bytes:
    """A PDF with this text."""
    document = FPDF()
    document.set_font("helvetica")
    document.add_page()
    document.multi_cell(0, text=text)
    return bytes(document.output())


class Folder:
    """A folder of PDFs; now and then its share is not mounted, or a file is only half copied."""

    def __init__(self, shelf: _Files, chance: Random, fired: Fired) -> None:
        self.shelf: Shelf = shelf
        self._files = shelf
        self._chance = chance
        self._fired = fired
        self._away = False
        self._mend = ExitStack()

    @property
    def open(self) -> bool:
        """See Erp."""
        return not self._away

    @property
    def table(self) -> str:
        """See Erp."""
        return f"[sources.{self.shelf.source}]\ntype = 'folder'\npath = '{self._files.folder}'"

    def plan(self, faults: int) -> None:
        """See Erp."""
        self.calm()
        if not faults:
            return
        self._away = True
        kind = self._chance.choice(("not mounted", "mounted empty", "file half copied"))
        self._fired(f"ERP folder {kind}", self.shelf.source)
        folder = self._files.folder
        if kind == "file half copied":
            file = self._chance.choice(sorted(folder.glob("*.pdf")))
            whole = file.read_bytes()
            file.write_bytes(whole[: len(whole) // 2])
            self._mend.callback(file.write_bytes, whole)
            return
        aside = folder.rename(folder.with_name("aside"))
        self._mend.callback(aside.rename, folder)
        if kind == "mounted empty":
            folder.mkdir()
            self._mend.callback(folder.rmdir)

    def calm(self) -> None:
        """See Erp."""
        self._mend.close()
        self._away = False


# --- all of them --------------------------------------------------------------------------------------------------------------------


@contextmanager
def erps(home: Path, seed: int, story: Story, fired: Fired) -> Iterator[tuple[Erp, ...]]:
    """All stand-ins, filled, for as long as the block runs."""

    def chance(name: str) -> Random:
        return Random(f"{seed} {name}")

    unknown = Habits(tick=timedelta(microseconds=1), breaks=("letters",), audiences=(Audience.UNKNOWN,))
    shelves = {
        "matriz": Habits(),
        "filial": Habits(tick=timedelta(microseconds=1), flags=False),
        "deposito": unknown,
        "posto": Habits(tick=timedelta(minutes=1), flags=False),
    }
    kinds = {
        "matriz": ("page", True, "oauth"),
        "filial": ("offset", True, ""),
        "deposito": ("cursor", True, ""),
        "posto": ("none", False, "header"),
    }
    found: list[Erp] = []
    with ExitStack() as stack:
        for name, (by, since, auth) in kinds.items():
            shelf = Shelf(name, chance(name), story, shelves[name])
            http = HttpErp(shelf, Wire(name, chance(f"{name}'s wire"), fired), by=by, since=since, auth=auth)
            http.url = stack.enter_context(serving(http)).url
            found.append(http)
        rows = _Rows(home / "legado.sqlite", "legado", chance("legado"), story, Habits())
        found.append(Database(rows, chance("legado's faults"), fired))
        pdfs = Habits(flags=False, breaks=("letters",), audiences=(Audience.UNKNOWN,))
        files = _Files(home / "pasta", "pasta", chance("pasta"), story, pdfs)
        found.append(Folder(files, chance("pasta's faults"), fired))
        for erp in found:
            erp.shelf.fill(8 if isinstance(erp, Folder) else 14)
        yield tuple(found)
        for erp in found:
            erp.calm()
