"""Tryton, by its JSON-RPC (7.0 and 8.2).

    [sources.tryton]
    type = "tryton"
    url = "https://tryton.example"
    database = "pharmacy"
    username = "sac"
    password = { env = "TRYTON_PASSWORD" }
    fields = { text = "description", laboratory = "template.laboratory" }
    attachments = true

A product counts as edited when it, its template or, where they are read, one of its attachments was: Tryton dates each by itself.
Products come in the order of their ids, so none is missed or read twice however many are edited meanwhile. One that is archived
(`active` unset) is withdrawn. One that is deleted leaves no trace that can be asked for.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, model_validator

from indexer.sources.base import Ahead, Page, SourceChanged, SourceRefused
from indexer.sources.http import Answer, HttpTable, Line, Question, Standing
from indexer.sources.records import Fields, reading
from indexer.sources.retries import Tries
from indexer.sources.tables import Described, Secret, Surroundings
from indexer.sources.window import Window
from leaflets import Change, Content, Unreadable, Withdrawal

# Tryton's clients read 1,000 ids at a time; with leaflets of 50 kB 100 of them keep an answer within 5 MB.
_PAGE = 100
_TIMES = ("write_date", "create_date")
_PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")
# Not ["active", "in", [True, False]] in the domain: Tryton then still hides archived records from each OR within it (8.2.1).
_ARCHIVED_TOO = {"active_test": False}
# Stand for what no one field says: when the product, or what counts as its own, was edited, and that it is archived.
_EDITED, _ARCHIVED = ":edited", ":archived"

Record = Mapping[str, Any]  # a record's fields, as many kinds as Tryton has


class TrytonFields(Fields[str]):
    """Which field of the product says what; `template.name` and the like lead to other records."""

    id: str = Field(default="id", examples=['"id"'])
    """The product's own, lasting id."""

    name: str | None = Field(default="template.name", examples=['"template.name"'])
    """The product's name."""

    text: str | None = Field(default="description", examples=['"description"'])
    """The field that holds the leaflet's text."""

    @model_validator(mode="after")
    def _leaves_to_tryton(self) -> TrytonFields:
        if self.updated_at or self.deleted:
            msg = "cannot set updated_at or deleted: Tryton itself says when a record was edited, and archives it"
            raise ValueError(msg)
        return self


class TrytonTable(HttpTable):
    """A source of type tryton."""

    type: Literal["tryton"] = Field(examples=['"tryton"'])
    """A Tryton server."""

    database: str = Field(examples=['"pharmacy"'])
    """The database's name."""

    username: str = Field(examples=['"sac"'])
    """A user who may read products (and attachments)."""

    password: Secret = Field(examples=['{ env = "TRYTON_PASSWORD" }'])
    """That user's password. Tryton answers ever more slowly after wrong ones, then not at all for a while."""

    rpc: Literal["rpc/", ""] = Field(default="rpc/", examples=['"rpc/"'])
    """Where below the database the RPC is: "rpc/" since Tryton 8.0, "" before."""

    model: str = Field(default="product.product", examples=['"product.product"'], pattern=r"^[a-z0-9_.]+$")
    """The model whose records are the products."""

    edited_with: tuple[str, ...] = Field(default=("template",), examples=['["template"]'])
    """The fields that lead to records whose edits count as the product's own."""

    attachments: bool = Field(default=False, examples=["true"])
    """Whether PDFs attached to a product are its leaflets; a product without any has the text of its field."""

    fields: TrytonFields = Field(default_factory=TrytonFields, examples=['{ text = "description" }'])
    """Which field of the product says what."""

    def source(self, name: str, where: Surroundings) -> TrytonSource:
        """The source that this table describes."""
        del where
        return TrytonSource(name, self)


class TrytonSource(Described):
    """See the module. Products are asked for page by page; only attachments are fetched several at a time."""

    def __init__(self, name: str, table: TrytonTable) -> None:
        super().__init__(name, table)
        self._table = table
        self._rpc = _Rpc(table, Tries(self.breaker))

    def pages(self, since: str | None, ahead: Ahead, *, whole: bool = False, names: bool = False) -> Iterator[Page]:
        """See Source. Only the last page has a cursor."""
        del names
        window = Window(since, self._table.lag, whole=whole)
        return window.pages(self._changes(window, records, ahead) for records in self._changed(window))

    def check(self) -> str:
        """See Source."""
        found = self._rpc.search_read(self._table.model, [], 1, self._names())
        told = f"the first of its {self._table.model} is {found[0]['id']}" if found else f"it has no {self._table.model}"
        return f"{self._table.url} answered; {told}"

    def _changed(self, window: Window) -> Iterator[Sequence[Record]]:
        """The records of the window, archived ones too, in pages by id."""
        domain = [self._domain(window.start)] if window.start else []
        return self._pages(self._table.model, domain, self._names())

    def _pages(self, model: str, domain: Sequence[object], names: Sequence[str]) -> Iterator[list[Record]]:
        last = 0
        while records := self._rpc.search_read(model, [*domain, ["id", ">", last]], _PAGE, names):
            yield records
            last = records[-1]["id"]

    def _names(self) -> list[str]:
        fields = self._table.fields
        told = {fields.id, fields.name, fields.active_ingredients, fields.laboratory, fields.registration, fields.ean, fields.audience}
        told |= {fields.category, fields.active, fields.text, *fields.sections.values(), "active", *_TIMES}
        told |= {f"{link}.{time}" for link in self._table.edited_with for time in _TIMES}
        return sorted(name for name in told if name)

    def _domain(self, start: datetime) -> list[object]:
        """The domain of what was edited since a time: the record itself, what it leads to, and what is attached to it."""
        clauses = [_edited_since(link, start) for link in ("", *(f"{link}." for link in self._table.edited_with))]
        if self._table.attachments:
            model = f"{self._table.model},"
            domain = [["resource", "like", f"{model}%"], _edited_since("", start)]
            resources = {one["resource"] for page in self._pages("ir.attachment", domain, ["resource"]) for one in page if one["resource"]}
            clauses.append(["id", "in", sorted(int(resource.removeprefix(model)) for resource in resources)])
        return ["OR", *clauses]

    def _changes(self, window: Window, records: Sequence[Record], ahead: Ahead) -> Iterator[Change | Withdrawal | Unreadable]:
        attached = self._attached([record["id"] for record in records if record["active"]]) if self._table.attachments else []
        contents = dict(zip([one["id"] for one in attached], ahead(partial(self._pdf, one["id"]) for one in attached), strict=True))
        for record in records:
            own = [one for one in attached if one["resource"] == f"{self._table.model},{record['id']}"]
            latest = max(filter(None, map(self._edited, [record, *own])), default=None)
            # A leaflet for each PDF, because a patient's and a professional's hang side by side.
            for content in [contents[one["id"]] for one in own] or [None]:
                yield self._reading(window, record, latest, content)

    def _reading(self, window: Window, record: Record, latest: datetime | None, pdf: Content | None) -> Change | Withdrawal | Unreadable:
        def told(name: str) -> object:
            return {_EDITED: latest, _ARCHIVED: not record["active"]}[name] if name in (_EDITED, _ARCHIVED) else _value(record, name)

        places = {"updated_at": _EDITED, "deleted": _ARCHIVED} | ({"text": None} if pdf else {})
        fields = self._table.fields.model_copy(update=places)
        return reading(fields, told, window, lambda: json.dumps(record, ensure_ascii=False, indent=1), lambda: (pdf,) if pdf else ())

    def _attached(self, ids: Sequence[int]) -> list[Record]:
        """The PDFs attached to these records, without their bytes."""
        domain = [["resource", "in", [f"{self._table.model},{one}" for one in ids]], ["type", "=", "data"], ["name", "ilike", "%.pdf"]]
        return [one for page in self._pages("ir.attachment", domain, ["resource", *_TIMES]) for one in page]

    def _pdf(self, attachment: int) -> Content:
        found = self._rpc.search_read("ir.attachment", [["id", "=", attachment]], 1, ["data"])
        body = _plain(found[0]["data"]) if found else None
        return Content(body if isinstance(body, bytes) else b"", "application/pdf")

    def _edited(self, record: Record) -> datetime | None:
        """When a record, or one that its product counts as edited with, was edited last."""
        names = [f"{link}{time}" for link in ("", *(f"{link}." for link in self._table.edited_with)) for time in _TIMES]
        return max((at for at in (_value(record, name) for name in names) if isinstance(at, datetime)), default=None)


class _Rpc:
    """One database's RPC, with the session that its login opened."""

    def __init__(self, table: TrytonTable, tries: Tries) -> None:
        self._url = f"{table.url}/{quote(table.database)}/{table.rpc}"
        self._line = Line(table, _Session(table, self._url), tries)

    def search_read(self, model: str, domain: Sequence[object], most: int, names: Sequence[str]) -> list[Record]:
        """The records that a domain finds, by id."""
        body = {"id": 0, "method": f"model.{model}.search_read", "params": [domain, 0, most, [["id", "ASC"]], names, _ARCHIVED_TOO]}
        found = _result(self._line.ask(Question(self._url, method="POST", body=body), Answer.json), self._url)
        if not isinstance(found, list):
            message = f"{self._url} answered a search with something else than a list of records"
            raise SourceChanged(message)
        return found


class _Session:
    """The session that a login opens, opened anew when Tryton no longer knows it; for several threads at once."""

    def __init__(self, table: TrytonTable, url: str) -> None:
        self._table = table
        self._url = url
        self._line = Line(table, Standing())
        self._lock = threading.Lock()
        self._open: Mapping[str, str] | None = None

    def headers(self) -> Mapping[str, str]:
        """See Credentials."""
        with self._lock:
            if self._open is None:
                self._open = {"Authorization": f"Session {self._token()}"}
            return self._open

    def renewed(self, refused: Mapping[str, str]) -> bool:
        """See Credentials."""
        with self._lock:
            if self._open == refused:
                self._open = None
        return True

    def _token(self) -> str:
        table = self._table
        body = {"id": 0, "method": "common.db.login", "params": [table.username, {"password": table.password.get_secret_value()}]}
        opened = _result(self._line.ask(Question(self._url, method="POST", body=body), Answer.json), self._url)
        if not isinstance(opened, list) or len(opened) < len(("user", "token")):
            message = f"{self._url} did not let {table.username!r} in: check `username` and `password`"
            raise SourceRefused(message)
        return base64.b64encode(f"{table.username}:{opened[0]}:{opened[1]}".encode()).decode()


def _result(told: object, url: str) -> object:
    """What an RPC gave; Tryton sends its errors with status 200."""
    if not isinstance(told, dict) or not ("result" in told or "error" in told):
        message = f"{url} answered without a result: is it Tryton's RPC, and is `rpc` right for its version?"
        raise SourceChanged(message)
    if "error" in told:
        error = json.dumps(told["error"], ensure_ascii=False)[:200]
        message = f"{url} answered with an error: {error}; check `model` and the names in `fields`"
        raise SourceRefused(message)
    return told["result"]


def _edited_since(link: str, start: datetime) -> list[object]:
    """The domain of records edited since a time. A record that was never edited has no write_date."""
    at = {"__class__": "datetime"} | {part: getattr(start, part) for part in _PARTS}
    return ["OR", [f"{link}write_date", ">=", at], [[f"{link}write_date", "=", None], [f"{link}create_date", ">=", at]]]


def _value(record: Record, name: str) -> object:
    """A field's value; Tryton puts what `template.name` leads to below the key `template.`."""
    *links, last = name.split(".")
    found: Any = record
    for link in links:
        found = (found or {}).get(f"{link}.")
    return _plain((found or {}).get(last))


def _plain(value: Any) -> object:
    """A value out of Tryton's JSON, which wraps what JSON has no type for."""
    match value:
        case {"__class__": "datetime"}:
            return datetime.min.replace(**{part: value.get(part, 0) for part in _PARTS}, tzinfo=UTC)
        case {"__class__": "Decimal", "decimal": str(digits)}:
            return Decimal(digits)
        case {"__class__": "bytes", "base64": str(packed)}:
            return base64.b64decode(packed)
    return value
