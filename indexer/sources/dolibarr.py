"""Dolibarr, by its REST API (its module "API / Web services" and "Products" switched on).

    [sources.loja]
    type = "dolibarr"
    url = "https://dolibarr.example"
    api_key = { env = "LOJA_KEY" }
    attachments = true
    fields = { text = "array_options.options_bula", registration = "array_options.options_anvisa" }

Products come by ascending rowid. Their times have whole seconds and no zone: they are the server's own (`fields.timezone`). One that is
not for sale (`status`) is withdrawn; one that is deleted leaves no trace, so the whole listing tells. "Nothing found" is status 404 in
version 16 and an empty list in later ones. An SQL error is 503: those that do not pass are named in `permanent_errors`. Customers' own
fields are in `array_options`, each with options_ before its name. A file put on a product does not edit it, and no list has the files of
all: with `attachments` every product's files are asked for, one request a product. No limits are published.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from indexer.sources.base import Ahead, SourceChanged, SourceRefused
from indexer.sources.erp import Attachment, ErpFields, ErpTable, Row, Wire, by_key, listing, standard
from indexer.sources.http import Answer, Line, Question, Standing
from indexer.sources.records import moment
from indexer.sources.retries import Tries
from indexer.sources.tables import Expression, Patterns, Secret, Zone
from indexer.sources.window import wall

_API = "/api/index.php"
# Dolibarr's own default; with leaflets of 50 kB as HTML an answer has 5 MB.
_PAGE = 100
_NOT_FOUND = 404
_SECOND = timedelta(seconds=1)
_NO_PRODUCT = re.compile("No products? found", re.IGNORECASE)
# "Search for modulepart product with Id 1 does not return any document."; and the product may have been deleted meanwhile.
_NO_DOCUMENT = re.compile("document|Product not found", re.IGNORECASE)
_SQL_ERRORS = (
    re.compile("Unknown column '", re.IGNORECASE),
    re.compile("error in your SQL syntax", re.IGNORECASE),
    re.compile('column "?[\\w.]+"? does not exist', re.IGNORECASE),
    re.compile("validating parameter sqlfilters", re.IGNORECASE),
)
# What Dolibarr does not let stand in the name of a product's folder (dol_sanitizeFileName).
_NOT_IN_FOLDERS = re.compile(r'[<>/\\?*|":°$;]')


class DolibarrFields(ErpFields):
    """Which field of the product says what."""

    name: Expression | None = Field(default=standard("label"), examples=['"label"'])
    """The product's name."""

    ean: Expression | None = Field(default=standard("barcode"), examples=['"barcode"'])
    """Its EAN."""

    updated_at: Expression | None = Field(default=standard("date_modification"), examples=['"date_modification"'])
    """When it was last edited."""

    timezone: Zone = Field(default=ZoneInfo("America/Sao_Paulo"), examples=['"America/Sao_Paulo"'])
    """The zone of the server, whose times name none."""

    deleted: Expression | None = Field(default=standard("to_string(status) == '0'"), examples=["\"to_string(status_buy) == '0'\""])
    """Says that its leaflet is withdrawn: where the product is not for sale, though it may still be bought."""

    text: Expression | None = Field(default=standard("description"), examples=['"array_options.options_bula"'])
    """The field that holds the leaflet."""


class DolibarrTable(ErpTable):
    """A source of type dolibarr."""

    type: Literal["dolibarr"] = Field(examples=['"dolibarr"'])
    """A Dolibarr server."""

    api_key: Secret = Field(examples=['{ env = "LOJA_KEY" }'])
    """The API key of a user who may read products (and their files)."""

    fields: DolibarrFields = Field(default_factory=DolibarrFields, examples=['{ text = "array_options.options_bula" }'])
    """Which of its fields says what."""

    permanent_errors: Patterns = Field(default=_SQL_ERRORS, examples=["[\"Unknown column '[^']+'\"]"])
    """Regular expressions for errors that do not pass though their status says so."""

    def wire(self, tries: Tries) -> Wire:
        """See ErpTable."""
        return _Dolibarr(self, tries)


class _Dolibarr(Wire):
    def __init__(self, table: DolibarrTable, tries: Tries) -> None:
        self._zone = table.fields.timezone
        # Its documentation shows addresses with and without what comes before a resource's name.
        self._url = table.url.removesuffix(_API) + _API
        self._line = Line(table, Standing({"DOLAPIKEY": table.api_key.get_secret_value()}), tries)

    def rows(self, since: datetime | None, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire."""
        del ahead
        # The second before, because it is what comes after a time that is asked for.
        edited = f" and (t.tms:>:'{wall(since, self._zone) - _SECOND:%Y-%m-%d %H:%M:%S}')" if since else ""
        return by_key(lambda last: self._page(f"(t.rowid:>:{int(last)}){edited}"), self.key, "0")

    def key(self, row: Row) -> str:
        """See Wire."""
        return str(row["id"])

    def attached(self, rows: Sequence[Row], ahead: Ahead) -> Mapping[str, Sequence[Attachment]]:
        """See Wire."""
        told = ahead(partial(self._files, row) for row in rows)
        return {self.key(row): files for row, files in zip(rows, told, strict=True)}

    def _page(self, filters: str) -> Sequence[Row]:
        url = f"{self._url}/products"
        params = {"sortfield": "t.rowid", "sortorder": "ASC", "limit": str(_PAGE), "page": "0", "sqlfilters": filters}
        return [_row(row) for row in self._list(url, params, _NO_PRODUCT, "products")]

    def _files(self, row: Row) -> Sequence[Attachment]:
        params = {"modulepart": "product", "id": self.key(row)}
        found = self._list(f"{self._url}/documents", params, _NO_DOCUMENT, "documents")
        return [self._attachment(one, row) for one in found]

    def _attachment(self, one: Row, row: Row) -> Attachment:
        name = str(one.get("name") or "")
        try:
            edited = moment(one.get("date"), "epoch", self._zone)
        except (ValueError, OverflowError, OSError):
            edited = None
        # The folder that a product's files lie in: as the list says, else as it is made of the product's reference.
        folder = one.get("level1name") or _NOT_IN_FOLDERS.sub("_", str(row.get("ref") or ""))
        return Attachment(name, edited, self._bytes_of(f"{folder}/{name}"))

    def _bytes_of(self, path: str) -> Callable[[], bytes]:
        question = Question(f"{self._url}/documents/download", {"modulepart": "product", "original_file": path})
        return lambda: self._line.ask(question, _content)

    def _list(self, url: str, params: Mapping[str, str], nothing: re.Pattern[str], what: str) -> list[Row]:
        def read(answer: Answer) -> list[Row]:
            if answer.status != _NOT_FOUND:
                told = answer.json()
                # Files have numbers for keys where some were left out.
                return listing(list(told.values()) if isinstance(told, dict) and "error" not in told else told, answer.bare, what)
            if nothing.search(_complaint(answer)):
                return []
            msg = f'{answer.bare} answered 404: is `url` that of Dolibarr, and are its modules "API" and "Products" switched on?'
            raise SourceRefused(msg)

        return self._line.ask(Question(url, params, accepted=frozenset({_NOT_FOUND})), read)


def _row(row: Row) -> Row:
    """A row whose time of edit is written as by version 16: later ones may give seconds since 1970, and none of what was never edited."""
    told = row.get("date_modification") or row.get("date_creation")
    at = datetime.fromtimestamp(int(str(told)), UTC).isoformat() if str(told).isdecimal() else told
    return {**row, "date_modification": at}


def _complaint(answer: Answer) -> str:
    """What an error says; empty where it is none of Dolibarr's."""
    try:
        error = answer.json()["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (SourceChanged, KeyError, TypeError):
        return ""


def _content(answer: Answer) -> bytes:
    told = answer.json()
    if not isinstance(told, dict) or not isinstance(told.get("content"), str):
        msg = f"{answer.bare} answered without the file's content"
        raise SourceChanged(msg)
    try:
        return base64.b64decode(told["content"])
    except ValueError:
        msg = f"{answer.bare} answered with bytes that are not Base64"
        raise SourceChanged(msg) from None
