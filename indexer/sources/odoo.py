"""Odoo: JSON-RPC up to version 18, JSON-2 with an API key from 19 on.

    [sources.loja]
    type = "odoo"
    url = "https://odoo.example"
    database = "farmacia"
    username = "sac"
    password = { env = "LOJA_PASSWORD" }           # or an API key; with api = "json2" the key alone, no username
    attachments = true
    fields = { registration = "x_registro_anvisa" }

Products come by ascending id. One that is archived is withdrawn; one that is deleted leaves no trace, so the whole listing tells. Its times
are UTC, cut to seconds when they are shown and compared by microseconds (Odoo 16): what was written within the last second comes twice.
Texts are translated: an edit changes the editor's language alone, so they are read in the language of the user whom the source asks as.
"""

from __future__ import annotations

import base64
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, model_validator

from indexer.sources.base import Ahead, SourceChanged, SourceDown, SourceRefused
from indexer.sources.erp import Attachment, ErpFields, ErpTable, Row, Wire, by_key, columns, listing, standard
from indexer.sources.http import Answer, Expired, Line, Question, Standing
from indexer.sources.records import moment
from indexer.sources.retries import Tries
from indexer.sources.tables import Expression, Secret

# With leaflets of 50 kB as HTML an answer of 100 has 5 MB.
_PAGE = 100
# Of JSON-2, with an error in the body; 401 is a key that it does not know.
_REFUSALS = frozenset({400, 403, 404, 409, 422})
_NAME = standard("error.data.name")
_MESSAGE = standard("error.data.message || error.message || error")
_FORMAT = "%Y-%m-%d %H:%M:%S"
# Errors that a login may cure; all others are the question's.
_SIGNED_OUT = frozenset({"odoo.http.SessionExpiredException", "odoo.exceptions.AccessDenied"})
# What passes by itself: two transactions met.
_PASSING = frozenset({"psycopg2.errors.SerializationFailure", "psycopg2.OperationalError", "odoo.exceptions.ConcurrencyError"})


class OdooFields(ErpFields):
    """Which field of product.template says what."""

    name: Expression | None = Field(default=standard("name"), examples=['"name"'])
    """The product's name."""

    ean: Expression | None = Field(default=standard("barcode"), examples=['"barcode"'])
    """Its EAN."""

    updated_at: Expression | None = Field(default=standard("write_date"), examples=['"write_date"'])
    """When it was last edited."""

    deleted: Expression | None = Field(default=standard("active == `false`"), examples=['"active == `false`"'])
    """Says that it is archived."""

    text: Expression | None = Field(default=standard("description"), examples=['"x_bula"'])
    """The field that holds the leaflet."""


class OdooTable(ErpTable):
    """A source of type odoo."""

    type: Literal["odoo"] = Field(examples=['"odoo"'])
    """An Odoo server."""

    api: Literal["rpc", "json2"] = Field(default="rpc", examples=['"json2"'])
    """Which of its APIs: rpc up to Odoo 18, json2 from 19 on (Odoo Online has it in the plan "Custom" alone)."""

    database: str = Field(examples=['"farmacia"'])
    """The database's name."""

    username: str = Field(default="", examples=['"sac"'])
    """A user who may read products and attachments; json2 needs none."""

    password: Secret = Field(examples=['{ env = "LOJA_PASSWORD" }'])
    """That user's password or API key; for json2 the API key."""

    model: str = Field(default="product.template", examples=['"product.template"'], pattern=r"^[a-z0-9_.]+$")
    """The model whose records are the products."""

    language: str = Field(default="", examples=['"pt_BR"'], pattern=r"^([a-z]{2,3}(_[A-Z]{2})?)?$")
    """In which language its texts are read; left out, in that of the user, as Odoo itself shows them to him."""

    fields: OdooFields = Field(default_factory=OdooFields, examples=['{ text = "x_bula" }'])
    """Which of its fields says what."""

    @model_validator(mode="after")
    def _names_a_user(self) -> OdooTable:
        if self.api == "rpc" and not self.username:
            msg = 'username is missing; for example username = "sac"'
            raise ValueError(msg)
        return self

    @property
    def account(self) -> str:
        """See HttpTable."""
        return f"{self.url} {self.database}"

    def wire(self, tries: Tries) -> Wire:
        """See ErpTable."""
        return _Odoo(self, _Json2(self, tries) if self.api == "json2" else _Rpc(self, tries))


class _Odoo(Wire):
    def __init__(self, table: OdooTable, api: _Api) -> None:
        self._table = table
        self._api = api
        self._names = sorted({"id", "write_date", "active", *columns(table.fields)})

    def rows(self, since: datetime | None, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire."""
        del ahead
        return self._pages(self._table.model, [["write_date", ">=", _written(since)]] if since else [], self._names)

    def key(self, row: Row) -> str:
        """See Wire."""
        return str(row["id"])

    def named(self, keys: Sequence[str]) -> Iterator[Sequence[Row]]:
        """See Wire."""
        return self._pages(self._table.model, [["id", "in", [int(key) for key in keys]]], self._names)

    def touched(self, since: datetime) -> Iterator[str]:
        """See Wire."""
        changed = [["res_model", "=", self._table.model], ["write_date", ">=", _written(since)]]
        return (str(one["res_id"]) for page in self._pages("ir.attachment", changed, ["res_id"]) for one in page if one["res_id"])

    def attached(self, rows: Sequence[Row], ahead: Ahead) -> Mapping[str, Sequence[Attachment]]:
        """See Wire."""
        del ahead
        # res_field is set for a model's own binary fields, such as its picture.
        domain = [
            ["res_model", "=", self._table.model],
            ["res_id", "in", [row["id"] for row in rows]],
            ["res_field", "=", False],
            ["type", "=", "binary"],
        ]
        found: dict[str, list[Attachment]] = {}
        for page in self._pages("ir.attachment", domain, ["id", "name", "res_id", "write_date"]):
            for one in page:
                edited = moment(one["write_date"], _FORMAT, self._table.fields.timezone)
                found.setdefault(str(one["res_id"]), []).append(Attachment(str(one["name"]), edited, self._bytes_of(one["id"])))
        return found

    def _bytes_of(self, attachment: int) -> Callable[[], bytes]:
        def fetch() -> bytes:
            # Without bin_size, which would give "1.33 Kb" in place of the bytes.
            found = self._api.search_read("ir.attachment", [["id", "=", attachment]], ["datas"])
            try:
                return base64.b64decode(found[0]["datas"] or "") if found else b""
            except ValueError:
                msg = "its bytes are not Base64"
                raise SourceChanged(msg) from None

        return fetch

    def _pages(self, model: str, domain: Sequence[object], names: Sequence[str]) -> Iterator[Sequence[Row]]:
        return by_key(lambda last: self._api.search_read(model, [*domain, ["id", ">", int(last)]], ["id", *names]), self.key, "0")


class _Api(ABC):
    """Reads records by one of Odoo's APIs, in the language of whoever asks."""

    def __init__(self, table: OdooTable) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._context: Mapping[str, object] | None = None

    def search_read(self, model: str, domain: Sequence[object], names: Sequence[str]) -> list[Row]:
        """The records that a domain finds, by id, archived ones too."""
        told = {"domain": domain, "fields": list(names), "limit": _PAGE, "order": "id asc", "context": self._as_shown()}
        return listing(self._called(model, "search_read", told), f"{self._table.url} ({model})", "records")

    def _as_shown(self) -> Mapping[str, object]:
        """The context in which texts are those that people read: an edit changes the editor's language alone, not the others'."""
        with self._lock:
            if self._context is None:
                language = self._table.language or self._language()
                self._context = {"active_test": False} | ({"lang": language} if language else {})
            return self._context

    def _language(self) -> str:
        try:
            told = self._called("res.users", "context_get", {})
        except Expired:
            raise
        except SourceRefused:
            # Not every user may ask; then it is Odoo's own choice.
            return ""
        return str(told.get("lang") or "") if isinstance(told, dict) else ""

    @abstractmethod
    def _called(self, model: str, method: str, told: Mapping[str, object]) -> object:
        """What a model's method gives for these named arguments."""


class _Rpc(_Api):
    """JSON-RPC: whoever asks says each time who he is, by a number that a login gives."""

    def __init__(self, table: OdooTable, tries: Tries) -> None:
        super().__init__(table)
        self._url = f"{table.url}/jsonrpc"
        self._line = Line(table, Standing(), tries)
        self._uid: int | None = None

    def _called(self, model: str, method: str, told: Mapping[str, object]) -> object:
        table = self._table
        if self._uid is None:
            self._uid = self._login()
        named = dict(told)
        args = [named.pop("domain")] if "domain" in named else []
        return self._asked(
            "object", "execute_kw", [table.database, self._uid, table.password.get_secret_value(), model, method, args, named]
        )

    def _login(self) -> int:
        table = self._table
        uid = self._asked("common", "authenticate", [table.database, table.username, table.password.get_secret_value(), {}])
        if not isinstance(uid, int) or isinstance(uid, bool):
            msg = f"{self._url} did not let {table.username!r} in: check `database`, `username` and `password`"
            raise Expired(msg)
        return uid

    def _asked(self, service: str, method: str, args: Sequence[object]) -> object:
        body = {"jsonrpc": "2.0", "method": "call", "params": {"service": service, "method": method, "args": args}, "id": 1}
        return self._line.ask(Question(self._url, method="POST", body=body), _result)


class _Json2(_Api):
    """JSON-2: an API key, and a bare value as answer."""

    def __init__(self, table: OdooTable, tries: Tries) -> None:
        super().__init__(table)
        told = {"Authorization": f"Bearer {table.password.get_secret_value()}", "X-Odoo-Database": table.database}
        self._line = Line(table, Standing(told), tries)

    def _called(self, model: str, method: str, told: Mapping[str, object]) -> object:
        question = Question(f"{self._table.url}/json/2/{model}/{method}", method="POST", body=told, accepted=_REFUSALS)
        return self._line.ask(question, _value)


def _value(answer: Answer) -> object:
    """What a call of JSON-2 gave."""
    told = answer.json()
    if answer.status not in _REFUSALS:
        return told
    name, message = (str(told.get(key) or "") if isinstance(told, dict) else "" for key in ("name", "message"))
    raise _error(answer, name, message)


def _result(answer: Answer) -> object:
    """What an RPC gave; Odoo sends its errors with status 200."""
    told = answer.json()
    if not isinstance(told, dict) or not ("result" in told or "error" in told):
        msg = f"{answer.bare} answered without a result: is it Odoo, and is `api` right for its version?"
        raise SourceChanged(msg)
    if "error" not in told:
        return told["result"]
    raise _error(answer, *(str(told_of.search(told) or "") for told_of in (_NAME, _MESSAGE)))


def _error(answer: Answer, name: str, message: str) -> Exception:
    """What an error means for the caller, by its name in Odoo."""
    shown = f"{answer.bare} answered with the error {name or 'without a name'}: {message[:200]}"
    if name in _PASSING and "does not exist" not in message:
        return SourceDown(shown)
    if name in _SIGNED_OUT or "does not exist" in message:
        return Expired(f"{shown}; check `database`, `username` and `password`")
    return SourceRefused(f"{shown}; check `model` and the names in `fields`")


def _written(since: datetime) -> str:
    return since.astimezone(UTC).strftime(_FORMAT)
