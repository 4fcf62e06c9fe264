"""Tryton by its JSON-RPC (7.0 and 8.2), and GNU Health, which runs on it.

    [sources.tryton]
    type = "tryton"
    url = "https://tryton.example"
    database = "pharmacy"
    username = "sac"
    password = { env = "TRYTON_PASSWORD" }
    fields = { text = "description", laboratory = "template.laboratory" }
    attachments = true
    # model = "gnuhealth.medicament"               GNU Health 5: its fields are known, none need be named

A product counts as edited when it, its template or, where they are read, one of its attachments was: Tryton dates each by itself.
Products come in the order of their ids, so none is missed or read twice however many are edited meanwhile. One that is archived
(`active` unset) is withdrawn. One that is deleted leaves no trace that can be asked for: the whole listing tells. Whoever logs in with a
wrong password waits ever longer, and after five of them even the right one is refused for five minutes: a refused one is not sent again for
ten, however often the source is pulled.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, model_validator

from indexer.sources.base import Ahead, Busy, SourceChanged, SourceDown, SourceRefused
from indexer.sources.erp import Attachment, ErpFields, ErpTable, Row, Wire, by_key, expressions, listing, paths, standard
from indexer.sources.http import Answer, Line, Question, Session, Standing
from indexer.sources.retries import Tries
from indexer.sources.tables import Expression, Secret

# Tryton's clients read 1,000 ids at a time; with leaflets of 50 kB 100 of them keep an answer within 5 MB.
_PAGE = 100
_TIMES = ("write_date", "create_date")
_PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")
# Not ["active", "in", [True, False]] in the domain: Tryton then still hides archived records from each OR within it (8.2.1).
_ARCHIVED_TOO = {"active_test": False}
# What no one field of a record says: when the product, or what counts as its own, was edited, and that it is archived.
_EDITED, _ARCHIVED = ":edited", ":archived"
_TOO_MANY = 429
# Tryton counts the failed logins of its last [session] timeout, which is five minutes where nobody changed it.
_LOGINS_FORGOTTEN = 300.0
_NOT_AGAIN_FOR = 2 * _LOGINS_FORGOTTEN
# What passes by itself: two transactions met. The last is SQLite's.
_PASSING = ("ConcurrencyException", "TimeOutException", "could not serialize", "deadlock detected", "database is locked")

_MEDICAMENT = "gnuhealth.medicament"
# GNU Health 5.0: a medicament leads to a product, and that to its template, which has the name.
_OF_MEDICAMENTS: Mapping[str, object] = {
    "rpc": "",
    "edited_with": ("product", "product.template"),
}
_MEDICAMENTS_FIELDS: Mapping[str, object] = {
    "name": "product.template.name",
    "active_ingredients": "active_component",
    "text": None,
    "sections": {
        "indications": "indications",
        "composition": "composition",
        "posology": "dosage",
        "overdose": "overdosage",
        "adverse_reactions": "adverse_reaction",
        "warnings": "pregnancy",
        "storage": "storage",
        "identification": "presentation",
        "other": "notes",
    },
}


class TrytonFields(ErpFields):
    """Which field of the product says what; `template.name` and the like lead to other records."""

    name: Expression | None = Field(default=standard("template.name"), examples=['"template.name"'])
    """The product's name."""

    updated_at: Expression | None = Field(default=standard(f'"{_EDITED}"'), examples=["(cannot be set)"])
    """Tryton itself says when a record was edited."""

    deleted: Expression | None = Field(default=standard(f'"{_ARCHIVED}"'), examples=["(cannot be set)"])
    """Tryton itself archives it."""

    text: Expression | None = Field(default=standard("description"), examples=['"description"'])
    """The field that holds the leaflet's text."""

    @model_validator(mode="after")
    def _leaves_to_tryton(self) -> TrytonFields:
        if self.model_fields_set & {"updated_at", "deleted"}:
            msg = "cannot set updated_at or deleted: Tryton itself says when a record was edited, and archives it"
            raise ValueError(msg)
        return self


class TrytonTable(ErpTable):
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
    """Where below the database the RPC is: "rpc/" since Tryton 8.0, "" before, and so for gnuhealth.medicament."""

    model: str = Field(default="product.product", examples=['"product.product"'], pattern=r"^[a-z0-9_.]+$")
    """The model whose records are the products. For gnuhealth.medicament all other keys have defaults of their own."""

    edited_with: tuple[str, ...] = Field(default=("template",), examples=['["template"]'])
    """The fields that lead to records whose edits count as the product's own."""

    fields: TrytonFields = Field(default_factory=TrytonFields, examples=['{ text = "description" }'])
    """Which field of the product says what."""

    @model_validator(mode="before")
    @classmethod
    def _knows_gnu_health(cls, told: object) -> object:
        if not isinstance(told, dict) or told.get("model") != _MEDICAMENT or not isinstance(told.get("fields", {}), dict):
            return told
        return {**_OF_MEDICAMENTS, **told, "fields": {**_MEDICAMENTS_FIELDS, **told.get("fields", {})}}

    @property
    def account(self) -> str:
        """See HttpTable."""
        return f"{self.url} {self.database}"

    def wire(self, tries: Tries) -> Wire:
        """See ErpTable."""
        return _Tryton(self, tries)


class _Tryton(Wire):
    def __init__(self, table: TrytonTable, tries: Tries) -> None:
        self._table = table
        self._rpc = _Rpc(table, tries)
        self._links = ("", *(f"{link}." for link in table.edited_with))
        read = {path for expression in expressions(table.fields) for path in map(".".join, paths(expression)) if not path.startswith(":")}
        self._names = sorted(read | {"id", "active"} | {f"{link}{time}" for link in self._links for time in _TIMES})

    def rows(self, since: datetime | None, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire."""
        del ahead
        return self._products([["OR", *(_edited_since(link, since) for link in self._links)]] if since else [])

    def key(self, row: Row) -> str:
        """See Wire."""
        return str(row["id"])

    def named(self, keys: Sequence[str]) -> Iterator[Sequence[Row]]:
        """See Wire."""
        return self._products([["id", "in", [int(key) for key in keys]]])

    def touched(self, since: datetime) -> Iterator[str]:
        """See Wire."""
        changed = [["resource", "like", f"{self._table.model},%"], _edited_since("", since)]
        found = (one["resource"] for page in self._pages("ir.attachment", changed, ["resource"]) for one in page)
        return (resource.partition(",")[2] for resource in found if resource)

    def attached(self, rows: Sequence[Row], ahead: Ahead) -> Mapping[str, Sequence[Attachment]]:
        """See Wire."""
        del ahead
        resources = [f"{self._table.model},{row['id']}" for row in rows if not row[_ARCHIVED]]
        found: dict[str, list[Attachment]] = {}
        for page in self._pages("ir.attachment", [["resource", "in", resources], ["type", "=", "data"]], ["name", "resource", *_TIMES]):
            for one in page:
                edited = _edited(one, ("",))
                attachment = Attachment(str(one["name"]), datetime.fromisoformat(edited) if edited else None, self._bytes_of(one["id"]))
                found.setdefault(one["resource"].partition(",")[2], []).append(attachment)
        return found

    def _bytes_of(self, attachment: int) -> Callable[[], bytes]:
        def fetch() -> bytes:
            found = self._rpc.search_read("ir.attachment", [["id", "=", attachment]], 1, ["data"])
            body = found[0]["data"] if found else None
            return body if isinstance(body, bytes) else b""

        return fetch

    def _products(self, domain: Sequence[object]) -> Iterator[Sequence[Row]]:
        for page in self._pages(self._table.model, domain, self._names):
            yield [{**row, _EDITED: _edited(row, self._links), _ARCHIVED: not row["active"]} for row in page]

    def _pages(self, model: str, domain: Sequence[object], names: Sequence[str]) -> Iterator[Sequence[Row]]:
        return by_key(lambda last: self._rpc.search_read(model, [*domain, ["id", ">", int(last)]], _PAGE, names), self.key, "0")


class _Rpc:
    """One database's RPC, with the session that its login opened."""

    def __init__(self, table: TrytonTable, tries: Tries) -> None:
        self._url = f"{table.url}/{quote(table.database)}/{table.rpc}"
        self._line = Line(table, Session(_Login(table, self._url).headers), tries)

    def search_read(self, model: str, domain: Sequence[object], most: int, names: Sequence[str]) -> list[Row]:
        """The records that a domain finds, by id."""
        body = {"id": 0, "method": f"model.{model}.search_read", "params": [domain, 0, most, [["id", "ASC"]], names, _ARCHIVED_TOO]}
        found = self._line.ask(Question(self._url, method="POST", body=body), _result)
        return [_row(record) for record in listing(found, self._url, "records")]


class _Login:
    """Opens sessions, one at a time as Session asks for them, and does not knock again with what was refused a moment ago."""

    def __init__(self, table: TrytonTable, url: str) -> None:
        self._table = table
        self._url = url
        self._line = Line(table, Standing())
        self._refusal, self._not_before = "", 0.0

    def headers(self) -> Mapping[str, str]:
        """The headers of a new session."""
        if time.monotonic() < self._not_before:
            raise SourceRefused(self._refusal)
        try:
            return {"Authorization": f"Session {self._token()}"}
        except SourceRefused as error:
            minutes = int(_NOT_AGAIN_FOR / 60)
            self._refusal = f"{error}: check `username` and `password`, which are not sent again for {minutes} minutes"
            self._not_before = time.monotonic() + _NOT_AGAIN_FOR
            raise SourceRefused(self._refusal) from None

    def _token(self) -> str:
        table = self._table
        body = {"id": 0, "method": "common.db.login", "params": [table.username, {"password": table.password.get_secret_value()}]}
        opened = self._line.ask(Question(self._url, method="POST", body=body, accepted=frozenset({_TOO_MANY})), self._opened)
        if not isinstance(opened, list) or len(opened) < len(("user", "token")):
            msg = f"{self._url} did not accept our credentials"
            raise SourceRefused(msg)
        return base64.b64encode(f"{table.username}:{opened[0]}:{opened[1]}".encode()).decode()

    def _opened(self, answer: Answer) -> object:
        if answer.status == _TOO_MANY:
            shown = f"{self._url} lets nobody log in as {self._table.username!r} for a while, because too many logins failed"
            raise Busy(f"{shown}; check `password`", _LOGINS_FORGOTTEN if answer.wait is None else answer.wait)
        return _result(answer)


def _result(answer: Answer) -> object:
    """What an RPC gave; Tryton sends its errors with status 200."""
    told = answer.json()
    if not isinstance(told, dict) or not ("result" in told or "error" in told):
        msg = f"{answer.bare} answered without a result: is it Tryton's RPC, and is `rpc` right for its version?"
        raise SourceChanged(msg)
    if "error" not in told:
        return told["result"]
    shown = _complaint(told["error"])
    msg = f"{answer.bare} answered with an error: {shown}"
    if any(one in shown for one in _PASSING):
        raise SourceDown(msg)
    raise SourceRefused(f"{msg}; check `model` and the names in `fields`")


def _complaint(error: object) -> str:
    """An error as people may see it: its kind and its sentence, or its sentence alone; what follows is a traceback."""
    match error:
        case [str(kind), [str(sentence), *_]] if kind.isidentifier():
            told = f"{kind}: {sentence}"
        case [str(kind), str(sentence), *_] if kind.endswith("Exception"):
            told = f"{kind}: {sentence}"
        case [str(sentence), *_]:
            told = sentence
        case _:
            told = json.dumps(error, ensure_ascii=False)
    return told[:200]


def _edited_since(link: str, start: datetime) -> list[object]:
    """The domain of records edited since a time. A record that was never edited has no write_date."""
    at = {"__class__": "datetime"} | {part: getattr(start, part) for part in _PARTS}
    return ["OR", [f"{link}write_date", ">=", at], [[f"{link}write_date", "=", None], [f"{link}create_date", ">=", at]]]


def _edited(row: Row, links: Sequence[str]) -> str | None:
    """When a record, or one that it counts as edited with, was edited last."""
    times: list[str] = []
    for link in links:
        found: Any = row  # as deep as the link leads
        for name in link.split(".")[:-1]:
            found = (found or {}).get(name)
        times += filter(None, ((found or {}).get(time) for time in _TIMES))
    return max(times, default=None)


def _row(record: Mapping[str, Any]) -> Row:  # as many kinds as Tryton has
    """A record with the records it leads to in it: Tryton has what `template.name` finds below the key `template.`."""
    told = {name: _plain(value) for name, value in record.items() if not name.endswith(".")}
    for name, value in record.items():
        if name.endswith("."):
            told[name[:-1]] = [_row(one) for one in value] if isinstance(value, list) else value and _row(value)
    return told


def _plain(value: Any) -> object:  # any of Tryton's kinds
    """A value out of Tryton's JSON, which wraps what JSON has no type for; times so that they sort."""
    match value:
        case {"__class__": "datetime"}:
            at = datetime.min.replace(**{part: value.get(part, 0) for part in _PARTS}, tzinfo=UTC)
            return at.isoformat(timespec="microseconds")
        case {"__class__": "Decimal", "decimal": str(digits)}:
            return Decimal(digits)
        case {"__class__": "bytes", "base64": str(packed)}:
            with suppress(ValueError):
                return base64.b64decode(packed)
    return value
