"""TOTVS Protheus: its REST server, asked for products page by page as the TTALK contract has it.

    [sources.matriz]
    type = "protheus"
    url = "https://erp.example/rest"
    username = "sac"
    password = { env = "MATRIZ_PASSWORD" }
    tenant = "01,02"                               # company and branch, where the server has several
    path = "api/bulas/v1/produtos"                 # a service of the house; left out: the framework's genericList over `alias`
    order = "filial,codigo"
    changed_since = { parameter = "filter", format = "stamp ge '%Y-%m-%d %H:%M:%S'" }
    fields = { id = "codigo", text = "bula", updated_at = "stamp", deleted = "deletado == '*'" }

Protheus keeps no time of edit in its fields. The database has one (S_T_A_M_P_, in UTC, once DBAccess is told to write it), which a
service or view of the house must hand out; without `changed_since` every pull reads every product. Values are padded with blanks, which
are taken off, and names of columns (b1_cod) count in capitals. R_E_C_N_O_ is no id: it may be given anew. Rows marked with D_E_L_E_T_ = '*'
are withdrawn, as are blocked products (B1_MSBLQL). Pages have numbers, so what is deleted meanwhile moves them: each page's end is looked
at once more.
Not verified on a real server: the shape of genericList's answer beyond items and hasNext, and whether B1_OBS can be asked of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Literal

import requests
from jmespath.exceptions import JMESPathError
from pydantic import Field, model_validator

from indexer.sources.auth import access_token, basic
from indexer.sources.base import Ahead, SourceChanged, SourceRefused
from indexer.sources.erp import ErpFields, ErpTable, Row, Wire, columns, standard
from indexer.sources.http import Answer, Line, Question, Session, Standing
from indexer.sources.paging import ByPage, Sheet, Turn, found, sheets
from indexer.sources.rest import ChangedSince
from indexer.sources.retries import Tries
from indexer.sources.tables import Expression, Parameter, Patterns, Secret, plain

_GENERIC = "api/framework/v1/genericList"
_TOKENS = "api/oauth2/v1/token"
# The columns that the database and not the dictionary has: no service gives them because it is asked to.
_INNER = re.compile(r"(?:[A-Z]_)+")
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9]{1,2}_[A-Za-z0-9_]+|(?:[A-Za-z]_)+")
# Errors whose own words are worth more than their status; what may pass (429, 5xx) is left to the line.
_TOLD = frozenset({400, 403, 404, 405, 406, 409, 412, 422})


class ProtheusFields(ErpFields):
    """Which field of a product says what; by default columns of SB1."""

    id: Expression = Field(
        default=standard("[B1_FILIAL, B1_COD][?@ != null && @ != ''] | join('-', @)"), examples=["\"join('-', [filial, codigo])\""]
    )
    """The product's own, lasting id: branch and code. A branch of blanks, which shares its products with all, is left out."""

    name: Expression | None = Field(default=standard("B1_DESC"), examples=['"descricao"'])
    """The product's name."""

    laboratory: Expression | None = Field(default=standard("B1_FABRIC"), examples=['"fabricante"'])
    """Who makes it."""

    ean: Expression | None = Field(default=standard("B1_CODBAR"), examples=['"ean"'])
    """Its EAN."""

    updated_at: Expression | None = Field(default=None, examples=['"S_T_A_M_P_"'])
    """When it was last edited, where the service hands that out. An empty S_T_A_M_P_, of rows older than it, counts as long ago."""

    deleted: Expression | None = Field(default=standard("D_E_L_E_T_ == '*' || B1_MSBLQL == '1'"), examples=["\"D_E_L_E_T_ == '*'\""])
    """Says that it is deleted or blocked."""

    text: Expression | None = Field(default=standard("B1_OBS"), examples=['"B1_XBULA"'])
    """The field that holds the leaflet. SB1 has none for leaflets: most houses add their own."""


class ProtheusTable(ErpTable):
    """A source of type protheus."""

    hangs: ClassVar[bool] = False

    type: Literal["protheus"] = Field(examples=['"protheus"'])
    """A Protheus REST server."""

    username: str = Field(examples=['"sac"'])
    """A user who may read products."""

    password: Secret = Field(examples=['{ env = "MATRIZ_PASSWORD" }'])
    """That user's password."""

    auth: Literal["auto", "basic", "token"] = Field(default="auto", examples=['"token"'])
    """How to show who asks: basic, a token of api/oauth2/v1/token, or auto: basic until the server refuses it, then a token."""

    tenant: str = Field(default="", examples=['"01,02"'], pattern=r"^[^\r\n]*$")
    """Company and branch, as the header TenantId wants them, for example T1,D MG 01; left out: the server's own."""

    path: str = Field(default=_GENERIC, examples=['"api/bulas/v1/produtos"'])
    """The service that lists the products, behind `url`."""

    alias: str = Field(default="SB1", examples=['"SB1"'], pattern=r"^[A-Z0-9]{3}$")
    """The table that genericList is asked for; other services are not told."""

    params: dict[str, Parameter] = Field(default_factory=dict, examples=["{ filter = \"B1_TIPO eq 'ME'\" }"])
    """Further parameters of every page."""

    order: str | None = Field(default=None, examples=['"filial,codigo"'])
    """What the service is to sort by, something that stays; genericList sorts by branch and code."""

    page_size: int = Field(default=100, ge=1, examples=["100"])
    """How many products a page is to have; a server that gives fewer is asked on."""

    records: Expression = Field(default=standard("items"), examples=['"objects"'])
    """Where in an answer the list of products is."""

    changed_since: ChangedSince | None = Field(
        default=None, examples=['{ parameter = "filter", format = "stamp ge \'%Y-%m-%d %H:%M:%S\'" }']
    )
    """How the service is asked only for what changed; left out, every pull reads every product."""

    empty_errors: Patterns = Field(default=(), examples=["['nenhum registro']"])
    """Regular expressions, upper and lower case alike, for errors by which a service says that there are no (more) products."""

    # The REST server has a few instances for all who ask (Instances=min,max), and answers 503 beyond; TOTVS names no rate.
    max_in_flight: int = Field(default=2, ge=1, le=64, examples=["2"])
    """How many requests Protheus may have to answer at once."""

    fields: ProtheusFields = Field(default_factory=ProtheusFields, examples=['{ text = "B1_XBULA" }'])
    """Which field of a product says what."""

    @model_validator(mode="after")
    def _dates_what_it_filters(self) -> ProtheusTable:
        if self.changed_since is not None and self.fields.updated_at is None:
            msg = 'changed_since needs fields.updated_at, the time that it asks by; for example fields = { updated_at = "S_T_A_M_P_" }'
            raise ValueError(msg)
        return self

    @property
    def account(self) -> str:
        """See HttpTable."""
        return f"{self.url} {self.username}"

    @property
    def generic(self) -> bool:
        """Whether the framework's own list is asked, which must be told which fields to give."""
        return self.path.strip("/") == _GENERIC

    def wire(self, tries: Tries) -> Wire:
        """See ErpTable."""
        return _Protheus(self, tries)


class _Protheus(Wire):
    def __init__(self, table: ProtheusTable, tries: Tries) -> None:
        self._table = table
        self.filtered = table.changed_since is not None
        self._url = f"{table.url}/{table.path.lstrip('/')}"
        self._headers = {"TenantId": table.tenant} if table.tenant else {}
        shown = {"Authorization": basic(table.username, table.password.get_secret_value())}
        tokens = _Tokens(table, self._headers, first=shown if table.auth == "auto" else None)
        self._line = Line(table, Standing(shown) if table.auth == "basic" else Session(tokens.headers), tries)
        self._paging = ByPage(by="page", size_parameter="pageSize", size=table.page_size, more=standard("more"), recheck=standard("key"))

    def rows(self, since: datetime | None, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire."""
        ask = partial(self._sheet, self._parameters(since))
        return (_rows(sheet) for sheet in sheets(self._paging, ask, ahead))

    def key(self, row: Row) -> str:
        """See Wire. Without an id that can be read it is empty: the record is told of as it is."""
        try:
            return str(self._table.fields.id.search(row))
        except JMESPathError:
            return ""

    def lacking(self) -> str:
        """See Wire."""
        updated_at = self._table.fields.updated_at
        if self._table.changed_since is None or updated_at is None:
            return ""
        rows = _rows(self._sheet(self._parameters(None), self._paging.turn(0)))
        # A date of zeros is what an empty one became.
        if not rows or any(str(found(updated_at, row, "fields.updated_at") or "").strip("0-:/. T") for row in rows):
            return ""
        return (
            f"{self._url}: none of the first {len(rows)} products has a time of edit ({updated_at.expression}), so `changed_since` "
            "would find nothing that changes: have DBAccess write S_T_A_M_P_ and the service hand it out, or leave both keys out"
        )

    def _parameters(self, since: datetime | None) -> Mapping[str, str]:
        table = self._table
        told = {name: str(plain(value)) for name, value in table.params.items()}
        if table.generic:
            names = [name for name in columns(table.fields) if not _INNER.fullmatch(name)]
            told |= {"alias": table.alias, "fields": ",".join(names), "order": table.order or "B1_FILIAL,B1_COD"}
        elif table.order:
            told["order"] = table.order
        if since is not None and table.changed_since is not None:
            told[table.changed_since.parameter] = table.changed_since.written(since)
        return told

    def _sheet(self, parameters: Mapping[str, str], turn: Turn) -> Sheet:
        told = {**parameters, **{name: str(value) for name, value in turn.parameters.items()}}
        return self._line.ask(Question(self._url, told, accepted=_TOLD, headers=self._headers), self._read)

    def _read(self, answer: Answer) -> Sheet:
        """One page. Its `more` is hasNext or, of a service that does not keep to the contract, whether it held anything."""
        if answer.status in _TOLD and not _is_json(answer):
            raise _refused(answer, "")
        told = answer.json() if answer.body.strip() else []
        if fault := _fault(told, answer):
            if any(pattern.search(fault) for pattern in self._table.empty_errors):
                return Sheet(answer.url, {"more": False}, (), None)
            raise _refused(answer, fault)
        listed = told if isinstance(told, list) else found(self._table.records, told, "records")
        if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
            msg = f"{answer.bare} answered without a list of products: check `path` and `records`"
            raise SourceChanged(msg)
        if isinstance(told, dict):
            self._must_be_allowed(told, answer)
        rows = [_row(row) for row in listed]
        more = told.get("hasNext", bool(rows)) if isinstance(told, dict) else bool(rows)
        return Sheet(answer.url, {"more": more}, tuple({"key": self.key(row), "row": row} for row in rows), None)

    def _must_be_allowed(self, told: Mapping[str, object], answer: Answer) -> None:
        """Raises SourceRefused where fields that the mapping reads were held back: the leaflets would seem to be empty."""
        held = {str(name).upper() for key in ("protectedDataFields", "nivelFields") for name in _names(told.get(key))}
        if missing := sorted(held & set(columns(self._table.fields))):
            msg = (
                f"{answer.bare} holds back {', '.join(missing)} from {self._table.username!r}: give that user access to protected data and "
                "to the fields' level, or map other fields"
            )
            raise SourceRefused(msg)


def _rows(sheet: Sheet) -> list[Row]:
    return [record["row"] for record in sheet.records if isinstance(record, dict)]


class _Tokens:
    """Where tokens are had: by name and password in headers, which no server writes into its log as it does addresses.

    What is shown `first`, if anything, is not a token: that comes once the first is refused. The refresh token that comes along is not
    used: it would save nothing but the password's second trip.
    """

    def __init__(self, table: ProtheusTable, headers: Mapping[str, str], *, first: Mapping[str, str] | None) -> None:
        self._url = f"{table.url}/{_TOKENS}"
        self._first = first
        self._basic = first is not None
        shown = {**headers, "username": table.username, "password": table.password.get_secret_value()}
        self._line = Line(table, Standing(shown))

    def headers(self) -> Mapping[str, str]:
        """What to show: what comes first, then a new token each time."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        try:
            told = self._line.ask(Question(self._url, {"grant_type": "password"}, method="POST"), Answer.json)
        except SourceRefused as error:
            refused = "HTTP Basic was refused, and there is " if self._basic else ""
            msg = f"{refused}no token: {error}; check `username` and `password`, and that the server has {_TOKENS}"
            raise SourceRefused(msg) from None
        return {"Authorization": f"Bearer {access_token(told, self._url)}"}


def _row(row: Mapping[str, Any]) -> Row:
    """A product without the blanks that pad its values, its columns' names in capitals whoever asked how."""
    clean = {name.upper() if _COLUMN.fullmatch(name) else name: _unpadded(value) for name, value in row.items()}
    if clean.get("S_T_A_M_P_", "?") in (None, ""):
        clean["S_T_A_M_P_"] = "00000000"
    return clean


def _unpadded(value: Any) -> Any:  # any JSON
    match value:
        case str():
            return value.strip()
        case list():
            return [_unpadded(one) for one in value]
        case dict():
            return {name: _unpadded(one) for name, one in value.items()}
    return value


def _is_json(answer: Answer) -> bool:
    return answer.body.lstrip()[:1] in (b"{", b"[")


def _fault(told: object, answer: Answer) -> str:
    """What an error says, whether it is {code, message, detailedMessage} or {errorCode, errorMessage}; empty where it is none."""
    if not isinstance(told, dict) or not (answer.status in _TOLD or "errorMessage" in told or "errorCode" in told):
        return ""
    parts = [told.get(name) for name in ("code", "errorCode", "message", "errorMessage", "detailedMessage")]
    return " - ".join(str(part).strip() for part in parts if part) or "an error without words"


def _refused(answer: Answer, fault: str) -> SourceRefused:
    told = f"{answer.bare} answered {answer.status}{': ' if fault else ''}{fault[:300]}"
    if answer.status == requests.codes.forbidden:
        return SourceRefused(f"{told}; it does not accept our credentials, or they may not read this")
    return SourceRefused(f"{told}; check `url`, `path`, `params`, `order`, `changed_since` and the names in `fields`")


def _names(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else str(value or "").split(",")
