"""Frappe, and ERPNext on it, by its REST API.

    [sources.loja]
    type = "frappe"
    url = "https://erpnext.example"
    api_key = "0a1b2c3d4e5f"
    api_secret = { env = "LOJA_SECRET" }
    attachments = true
    fields = { text = "custom_bula", registration = "custom_registro" }
    # headers = { Host = "farmacia.example" }        where one server has several sites

Products come by ascending `name`, Frappe's own key. `modified` has microseconds and no zone: it is in the site's, which is asked for
once. A disabled item is withdrawn; one that is deleted is told by the list "Deleted Document", which only a System Manager may read: to
others the whole listing tells it. A renamed one is another product, and its old name goes with the next whole listing. Child tables (an
item's barcodes among them) are not in lists. Frappe publishes no limits; a site's own answers 429 with Retry-After.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import quote, unquote, urljoin
from zoneinfo import ZoneInfo

from pydantic import Field

from indexer.sources.base import Ahead, SourceChanged, SourceRefused
from indexer.sources.erp import Attachment, Deletion, ErpFields, ErpTable, Row, Wire, by_key, columns, listing, standard
from indexer.sources.http import Answer, Line, Question, Standing
from indexer.sources.records import moment, truthy
from indexer.sources.retries import Tries
from indexer.sources.tables import Expression, Patterns, Secret, Zone
from indexer.sources.window import wall

# With leaflets of 50 kB as HTML an answer of 100 has 5 MB.
_PAGE = 100
# gunicorn, which serves Frappe, takes lines of 4,094 bytes: the fields asked for and the rest of the address need some of them.
_LONGEST_LIST = 1500
_REFUSALS = frozenset({403, 404, 417})
_FORBIDDEN = 403
_FILE = ("attached_to_name", "content_hash", "file_name", "file_url", "modified", "name")
_TIMES = ("creation", "modified")
_TICK = timedelta(microseconds=1)


class FrappeFields(ErpFields):
    """Which field of the item says what."""

    id: Expression = Field(default=standard("name"), examples=['"name"'])
    """The item's key; deletions are told by it alone."""

    name: Expression | None = Field(default=standard("item_name"), examples=['"item_name"'])
    """The item's name."""

    updated_at: Expression | None = Field(default=standard("modified"), examples=['"modified"'])
    """When it was last edited."""

    timezone: Zone = Field(default=ZoneInfo("UTC"), examples=['"America/Sao_Paulo"'])
    """The site's zone. Left out, the site is asked for it."""

    deleted: Expression | None = Field(default=standard("disabled"), examples=['"disabled"'])
    """Says that it is disabled; of a doctype without such a field for example "docstatus == `2`", cancelled."""

    text: Expression | None = Field(default=standard("description"), examples=['"custom_bula"'])
    """The field that holds the leaflet."""


class FrappeTable(ErpTable):
    """A source of type frappe."""

    type: Literal["frappe"] = Field(examples=['"frappe"'])
    """A Frappe site, such as ERPNext."""

    api_key: str = Field(examples=['"0a1b2c3d4e5f"'], min_length=1)
    """The API key of a user who may read items (and files)."""

    api_secret: Secret = Field(examples=['{ env = "LOJA_SECRET" }'])
    """That key's secret."""

    doctype: str = Field(default="Item", examples=['"Item"'], min_length=1)
    """The doctype whose documents are the products."""

    fields: FrappeFields = Field(default_factory=FrappeFields, examples=['{ text = "custom_bula" }'])
    """Which of its fields says what."""

    # Up to version 13 a wrong name in `fields` is the database's error, with status 500.
    permanent_errors: Patterns = Field(default=(re.compile("Unknown column '", re.IGNORECASE),), examples=["[\"Unknown column '[^']+'\"]"])
    """Regular expressions for errors that do not pass though their status says so."""

    def wire(self, tries: Tries) -> Wire:
        """See ErpTable."""
        return _Frappe(self, tries)


class _Forbidden(SourceRefused):
    """This user may not read that; what else there is to read may go on."""


class _Frappe(Wire):
    def __init__(self, table: FrappeTable, tries: Tries) -> None:
        self._table = table
        token = f"token {table.api_key}:{table.api_secret.get_secret_value()}"
        self._line = Line(table, Standing({"Authorization": token}), tries)
        self._names = sorted({"name", "modified", *columns(table.fields)})
        self._lock = threading.Lock()
        self._known = table.fields.timezone if "timezone" in table.fields.model_fields_set else None

    def rows(self, since: datetime | None, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire."""
        del ahead
        return self._products([["modified", ">", self._before(since)]] if since else [])

    def key(self, row: Row) -> str:
        """See Wire."""
        return str(row["name"])

    def named(self, keys: Sequence[str]) -> Iterator[Sequence[Row]]:
        """See Wire."""
        for some in _short(keys):
            yield from self._products([["name", "in", some]])

    def touched(self, since: datetime) -> Iterator[str]:
        """See Wire."""
        changed = [["attached_to_doctype", "=", self._table.doctype], ["modified", ">", self._before(since)]]
        return (str(one["attached_to_name"]) for page in self._pages("File", changed, _FILE) for one in page if one["attached_to_name"])

    def attached(self, rows: Sequence[Row], ahead: Ahead) -> Mapping[str, Sequence[Attachment]]:
        """See Wire."""
        del ahead
        found: dict[str, dict[str, Attachment]] = {}
        for some in _short([self.key(row) for row in rows]):
            hanging = [["attached_to_doctype", "=", self._table.doctype], ["attached_to_name", "in", some]]
            for page in self._pages("File", hanging, _FILE):
                for one in page:
                    # The same file, attached twice, has two records and one hash.
                    told = found.setdefault(str(one["attached_to_name"]), {})
                    told[str(one.get("content_hash") or one["name"])] = self._attachment(one)
        return {key: tuple(told.values()) for key, told in found.items()}

    def deleted(self, since: datetime) -> Iterator[Deletion]:
        """See Wire. None to a user who may not read them."""
        gone = [["deleted_doctype", "=", self._table.doctype], ["creation", ">", self._before(since)]]
        try:
            for page in self._pages("Deleted Document", gone, ["name", "deleted_name", "creation", "restored"]):
                for one in page:
                    if not truthy(one.get("restored")):
                        yield Deletion(str(one["deleted_name"]), moment(one["creation"], "iso", self._zone()))
        except _Forbidden:
            return

    def _attachment(self, one: Row) -> Attachment:
        name = str(one.get("file_name") or one["name"])
        return Attachment(name, moment(one["modified"], "iso", self._zone()), self._bytes_of(str(one.get("file_url") or ""), name))

    def _bytes_of(self, address: str, name: str) -> Callable[[], bytes]:
        # Frappe keeps addresses as people read them: spaces, accents and all. Others' (https://...) are refused by Line.
        url = urljoin(f"{self._table.url}/", quote(unquote(address), safe="/:"))

        def fetch() -> bytes:
            return self._line.ask(Question(url), lambda answer: _file(answer, name)) if address else b""

        return fetch

    def _products(self, filters: Sequence[object]) -> Iterator[Sequence[Row]]:
        for page in self._pages(self._table.doctype, filters, self._names):
            yield [self._dated(row) for row in page]

    def _dated(self, row: Row) -> Row:
        """A row whose times name their zone; one that has none of ours stays as it is, and is told as a record that cannot be read."""
        told = dict(row)
        for name in _TIMES:
            if isinstance(value := told.get(name), str):
                try:
                    told[name] = moment(value, "iso", self._zone()).isoformat()
                except ValueError:
                    continue
        return told

    def _pages(self, doctype: str, filters: Sequence[object], names: Sequence[str]) -> Iterator[Sequence[Row]]:
        url = f"{self._table.url}/api/resource/{quote(doctype)}"

        def ask(last: str) -> Sequence[Row]:
            params = {
                "fields": json.dumps(names, ensure_ascii=False),
                "filters": json.dumps([*filters, *([["name", ">", last]] if last else [])], ensure_ascii=False),
                "order_by": "name asc",
                "limit_start": "0",
                "limit_page_length": str(_PAGE),
            }
            told = self._line.ask(Question(url, params, accepted=_REFUSALS), _told)
            return listing(told.get("data"), url, "documents")

        return by_key(ask, self.key)

    def _before(self, since: datetime) -> str:
        """The moment before a time, as the site writes it."""
        return (wall(since, self._zone()) - _TICK).strftime("%Y-%m-%d %H:%M:%S.%f")

    def _zone(self) -> ZoneInfo:
        with self._lock:
            if self._known is None:
                self._known = self._asked_zone()
            return self._known

    def _asked_zone(self) -> ZoneInfo:
        url = f"{self._table.url}/api/method/frappe.client.get_time_zone"
        mend = 'set its zone by hand, for example fields = { timezone = "America/Sao_Paulo" }'
        try:
            told = self._line.ask(Question(url, accepted=_REFUSALS), _told).get("message")
        except SourceRefused as error:
            msg = f"{error}; the site's times name no zone, and it does not tell it: {mend}"
            raise SourceRefused(msg) from None
        name = told.get("time_zone") if isinstance(told, dict) else told
        try:
            return ZoneInfo(str(name or ""))
        except (KeyError, ValueError, OSError):
            shown = repr(name)[:60]
            msg = f"{url} told the time zone {shown}, which is none: {mend}"
            raise SourceRefused(msg) from None


def _told(answer: Answer) -> Mapping[str, object]:
    """What a call gave; raises SourceRefused for what Frappe refuses, in its own words but never with its tracebacks."""
    if answer.status in _REFUSALS and answer.media_type != "application/json":
        page = f"{answer.bare} answered {answer.status} with a web page"
        if answer.status == _FORBIDDEN:
            raise _Forbidden(f"{page}: it does not accept our credentials, or they may not read this")
        raise SourceRefused(f"{page}: is `url` that of the site, and does `headers` name its Host where there are several?")
    told = answer.json()
    if not isinstance(told, dict):
        msg = f"{answer.bare} answered with something else than an object: is it Frappe?"
        raise SourceChanged(msg)
    if answer.status not in _REFUSALS:
        return told
    shown = f"{answer.bare} answered {answer.status} {str(told.get('exc_type') or '')[:60]}: {_words(told)}"
    if answer.status == _FORBIDDEN:
        raise _Forbidden(f"{shown}; give the user of `api_key` a role that may read it")
    raise SourceRefused(f"{shown}; check `doctype` and the names in `fields`")


def _words(told: Mapping[str, object]) -> str:
    """What Frappe says to people: the last of the messages that it packs as JSON in JSON, else the error's own line."""
    try:
        packed = json.loads(str(told["_server_messages"]))[-1]
        said = json.loads(packed)["message"] if isinstance(packed, str) else packed["message"]
    except (KeyError, ValueError, TypeError, IndexError):
        said = str(told.get("exception") or told.get("message") or "no reason").partition("\n")[0]
    return re.sub(r"<[^>]*>", "", str(said))[:200]


def _file(answer: Answer, name: str) -> bytes:
    if answer.media_type == "text/html" and not name.lower().endswith((".html", ".htm")):
        msg = f"{answer.bare} answered with a web page in place of the file"
        raise SourceChanged(msg)
    return answer.body


def _short(names: Sequence[str]) -> Iterator[list[str]]:
    """Names in lists that an address can hold."""
    some: list[str] = []
    length = 0
    for name in names:
        one = len(quote(json.dumps(name, ensure_ascii=False))) + len(quote(", "))
        if some and length + one > _LONGEST_LIST:
            yield some
            some, length = [], 0
        some.append(name)
        length += one
    if some:
        yield some
