"""Sankhya: its services by JSON, through the API gateway or at a server of the house.

    [sources.matriz]
    type = "sankhya"
    client_id = "0123-4567"
    client_secret = { env = "SANKHYA_SECRET" }
    token = { env = "SANKHYA_TOKEN" }              # the X-Token of the gateway
    fields = { text = "AD_BULA", registration = "AD_REGISTRO" }

login = "appkey" is the gateway's older way (token, appkey, username, password), login = "session" a server of the house (url, username,
password). Products come by ascending CODPROD; a server that does not keep to that order is read by offsetPage, and its keys once more.
Which column holds the time of edit is found out: public integrations ask Produto for DTALTER, the vendor's examples for DHALTER. It is
in the server's own time, in whole seconds. Deletions are told by the change log alone, which an administrator must switch on:
change_log = true reads it, and `indexer check` refuses an empty one. The shape of its answers is not published, so only keys are taken
from it, and a product counts as gone when it cannot be loaded any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from indexer.sources.base import Ahead, SourceChanged, SourceDown, SourceRefused
from indexer.sources.erp import Deletion, ErpFields, ErpTable, Row, Wire, columns, listing, standard
from indexer.sources.http import Answer, Expired, Line, Question, Session, Standing
from indexer.sources.retries import Tries
from indexer.sources.tables import Expression, Secret, WebAddress, Zone
from indexer.sources.window import wall

_LOAD = "CRUDServiceProvider.loadRecords"
_LOG = "GatewayServiceProviderSP.logAlteracoesTabelas"
_LOGIN = "MobileLoginSP.login"
_FORMAT = "%d/%m/%Y %H:%M:%S"
_DATE = re.compile(r"\d\d/\d\d/\d{4}")
# How many entries of the log are asked for at once, and how many keys are looked for in one question.
_LOGGED, _AT_ONCE = 100, 50
# More pages than this are a loop: 10,000 of 50 are more than all products that ANVISA ever registered ten times over.
_MOST_PAGES = 10_000
_SIGNED_OUT = re.compile(
    r"n[ãa]o autorizad|sess[ãa]o.{0,30}(expirad|inv[áa]lid)|(token|bearer).{0,30}(expirad|inv[áa]lid)|n[ãa]o (est[áa] )?logad",
    re.IGNORECASE,
)
_PASSING = re.compile(r"deadlock|ORA-00060|time-?out|tempo (limite|excedido|esgotado)|connection reset|indispon[íi]vel", re.IGNORECASE)
_SWITCH_ON = (
    "Sankhya's change log is empty, so it tells of no deletion: have an administrator switch on LOGTABOPER (Preferências; from version "
    "4.35 on the log of changes in Instance Logs Monitor, and then a restart), outside working hours because tables are locked meanwhile; "
    "where it is on, edit a product and check again. Without it leave out change_log: the whole listing (scan_every) tells what is gone"
)


class SankhyaFields(ErpFields):
    """Which column of Produto says what."""

    id: Expression = Field(default=standard("CODPROD"), examples=['"CODPROD"'])
    """The product's own, lasting id."""

    name: Expression | None = Field(default=standard("DESCRPROD"), examples=['"DESCRPROD"'])
    """The product's name."""

    laboratory: Expression | None = Field(default=standard("MARCA"), examples=['"MARCA"'])
    """Who makes it."""

    ean: Expression | None = Field(default=standard("REFERENCIA"), examples=['"REFERENCIA"'])
    """Its EAN."""

    updated_at: Expression | None = Field(default=standard("DHALTER || DTALTER || '00/00/0000'"), examples=['"AD_DHALTER"'])
    """When it was last edited; what changed is asked for by the first column in it that the entity has. Never edited counts as long ago."""

    updated_at_format: str = Field(default=_FORMAT, examples=['"%d/%m/%Y %H:%M:%S"'])
    """How that time is written; a date alone is taken for its midnight."""

    timezone: Zone = Field(default=ZoneInfo("America/Sao_Paulo"), examples=['"America/Sao_Paulo"'])
    """The zone of its times, which name none: the server's."""

    deleted: Expression | None = Field(default=standard("ATIVO == 'N'"), examples=["\"ATIVO == 'N'\""])
    """Says that it is inactive."""

    text: Expression | None = Field(default=standard("CARACTERISTICAS"), examples=['"AD_BULA"'])
    """The column that holds the leaflet."""


class SankhyaTable(ErpTable):
    """A source of type sankhya."""

    hangs: ClassVar[bool] = False

    type: Literal["sankhya"] = Field(examples=['"sankhya"'])
    """Sankhya's gateway or server."""

    url: WebAddress = Field(default="https://api.sankhya.com.br", examples=['"https://api.sandbox.sankhya.com.br"'])
    """The gateway, or with login = "session" the server, such as "http://10.0.0.5:8180"."""

    login: Literal["oauth2", "appkey", "session"] = Field(default="oauth2", examples=['"session"'])
    """How it lets us in: oauth2 and appkey at the gateway, session at a server of the house."""

    client_id: str = Field(default="", examples=['"0123-4567"'])
    """The application's client id, for oauth2."""

    client_secret: Secret | None = Field(default=None, examples=['{ env = "SANKHYA_SECRET" }'])
    """The application's client secret, for oauth2."""

    token: Secret | None = Field(default=None, examples=['{ env = "SANKHYA_TOKEN" }'])
    """The token that the ERP's screen Configurações Gateway shows, for oauth2 and appkey."""

    appkey: Secret | None = Field(default=None, examples=['{ env = "SANKHYA_APPKEY" }'])
    """The application's key, for appkey."""

    username: str = Field(default="", examples=['"SAC"'])
    """A user who may read products, for appkey and session."""

    password: Secret | None = Field(default=None, examples=['{ env = "SANKHYA_PASSWORD" }'])
    """That user's password."""

    entity: str = Field(default="Produto", examples=['"Produto"'], pattern=r"^\w+$")
    """The entity whose records are the products."""

    key: str = Field(default="CODPROD", examples=['"CODPROD"'], pattern=r"^[A-Z][A-Z0-9_]*$")
    """The entity's key, a whole number."""

    change_log: bool = Field(default=False, examples=["true"])
    """Whether deletions are read from the change log (LOGTABOPER), which is off where nobody switched it on."""

    fields: SankhyaFields = Field(default_factory=SankhyaFields, examples=['{ text = "AD_BULA" }'])
    """Which of its columns says what."""

    @model_validator(mode="after")
    def _has_what_its_login_needs(self) -> SankhyaTable:
        needed = {
            "oauth2": ("client_id", "client_secret", "token"),
            "appkey": ("token", "appkey", "username", "password"),
            "session": ("username", "password"),
        }[self.login]
        if missing := [name for name in needed if not getattr(self, name)]:
            msg = f'needs {" and ".join(missing)} for login = "{self.login}"'
            raise ValueError(msg)
        return self

    @property
    def account(self) -> str:
        """See HttpTable."""
        return f"{self.url} {self.client_id or self.username}"

    def wire(self, tries: Tries) -> Wire:
        """See ErpTable."""
        return _Sankhya(self, _Services(self, tries))


@dataclass(frozen=True, slots=True)
class _Condition:
    """A part of a criterion: an expression with ? for each of its values, which have one type (I a number, H a time)."""

    expression: str
    values: tuple[str, ...]
    type: Literal["I", "H"]


class _Refused(SourceRefused):
    """Sankhya turned a service's question down; a session is not what it lacks."""


class _Sankhya(Wire):
    def __init__(self, table: SankhyaTable, services: _Services) -> None:
        self._table = table
        self._services = services
        self._times = columns(table.fields, "updated_at")
        self._time: str | None = self._times[0] if len(self._times) == 1 else None
        self._lock = Lock()
        self._in_order = True
        self.filtered = bool(self._times)

    def rows(self, since: datetime | None, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire."""
        del ahead
        return self._pages(() if since is None else (self._since(since),))

    def first(self) -> Sequence[Row]:
        """See Wire."""
        return self._loaded((), self._columns())

    def names(self, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire."""
        del ahead
        return self._pages((), self._columns("id", "audience", "deleted"))

    def key(self, row: Row) -> str:
        """See Wire."""
        return str(row[self._table.key])

    def named(self, keys: Sequence[str]) -> Iterator[Sequence[Row]]:
        """See Wire."""
        return self._pages((self._among(keys),))

    def deleted(self, since: datetime) -> Iterator[Deletion]:
        """See Wire."""
        if not self._table.change_log:
            return
        keys = sorted(set(self._logged(since)))
        now = datetime.now(UTC)
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            there = {self.key(row) for rows in self._pages((self._among(some),), (self._table.key,)) for row in rows}
            yield from (Deletion(key, now) for key in some if key not in there)

    def lacking(self) -> str:
        """See Wire."""
        if not self._table.change_log or next(self._logged(None), None) is not None:
            return ""
        # Where there is no product there is nothing to log.
        return _SWITCH_ON if self.first() else ""

    def _since(self, since: datetime) -> _Condition:
        # Later than the second before: times are whole seconds, and this is how the vendor's examples ask.
        before = wall(since, self._table.fields.timezone) - timedelta(seconds=1)
        return _Condition(f"this.{self._edited()} > ?", (before.strftime(_FORMAT),), "H")

    def _among(self, keys: Sequence[str]) -> _Condition:
        return _Condition(f"this.{self._table.key} IN ({', '.join('?' * len(keys))})", tuple(keys), "I")

    def _columns(self, *keys: str) -> tuple[str, ...]:
        others = set(columns(self._table.fields, *keys)) - set(self._times)
        return tuple(sorted(others | {self._table.key, *([self._edited()] if self._times else ())}))

    def _edited(self) -> str:
        """The column that holds the time of edit: the first of those in `updated_at` which may be asked for."""
        with self._lock:
            if self._time is None:
                self._time = self._found()
            return self._time

    def _found(self) -> str:
        # No product is dated two days after today, so this is the smallest answer that shows whether the column is there.
        then = (datetime.now(UTC) + timedelta(days=2)).strftime(_FORMAT)
        *others, last = self._times
        for name in others:
            try:
                self._loaded((_Condition(f"this.{name} > ?", (then,), "H"),), (self._table.key, name))
            except _Refused:
                continue
            return name
        return last

    def _pages(self, conditions: tuple[_Condition, ...], names: tuple[str, ...] | None = None) -> Iterator[list[Row]]:
        """The records that meet some conditions: by ascending key, so that what is deleted meanwhile moves none.

        A server that does not keep to the order of keys, or cannot be asked for what comes after one, is read by page number.
        """
        names = names or self._columns()
        last: int | None = None
        while self._in_order:
            after = () if last is None else (_Condition(f"this.{self._table.key} > ?", (str(last),), "I"),)
            try:
                rows = self._loaded((*conditions, *after), names)
            except _Refused:
                if not after:
                    raise
                # It takes the question, but not with this part of it.
                self._in_order = False
                break
            if not rows:
                return
            keys = [self._number(row) for row in rows]
            before = [-1 if last is None else last, *keys]
            if any(key <= earlier for earlier, key in zip(before, keys, strict=False)):
                self._in_order = False
            else:
                yield rows
                last = keys[-1]
        yield from self._numbered(conditions, names)

    def _numbered(self, conditions: tuple[_Condition, ...], names: tuple[str, ...]) -> Iterator[list[Row]]:
        """The same by page number, and then by key what a second look at all keys finds beside: records moved up meanwhile."""
        read: set[str] = set()
        pages = 0
        for rows in self._by_number(conditions, names):
            pages += 1
            read.update(map(self.key, rows))
            yield rows
        if pages < 2:
            return
        passed = sorted({self.key(row) for rows in self._by_number(conditions, (self._table.key,)) for row in rows} - read)
        for start in range(0, len(passed), _AT_ONCE):
            yield from self._by_number((self._among(passed[start : start + _AT_ONCE]),), names)

    def _by_number(self, conditions: tuple[_Condition, ...], names: tuple[str, ...]) -> Iterator[list[Row]]:
        before: list[Row] = []
        for page in range(_MOST_PAGES):
            found = self._services.records(self._question(conditions, names, page))
            rows = self._named(found)
            if not rows:
                return
            if rows == before:
                msg = f"{_LOAD} gives the same records for the next offsetPage: its pages go round in a loop"
                raise SourceChanged(msg)
            yield rows
            before = rows
            if str(found.get("hasMoreResult", "")).lower() == "false":
                return
        msg = f"there were more than {_MOST_PAGES:,} pages: they have no end"
        raise SourceChanged(msg)

    def _loaded(self, conditions: tuple[_Condition, ...], names: tuple[str, ...]) -> list[Row]:
        return self._named(self._services.records(self._question(conditions, names, 0)))

    def _question(self, conditions: tuple[_Condition, ...], names: tuple[str, ...], page: int) -> Mapping[str, object]:
        table = self._table
        told: dict[str, object] = {
            "rootEntity": table.entity,
            "includePresentationFields": "N",
            "tryJoinedFields": "true",
            "offsetPage": str(page),
            "orderByExpression": f"this.{table.key}",
            "entity": [{"path": "", "fieldset": {"list": ",".join(names)}}],
        }
        if conditions:
            told["criteria"] = {
                "expression": {"$": " AND ".join(one.expression for one in conditions)},
                "parameter": [{"$": value, "type": one.type} for one in conditions for value in one.values],
            }
        return told

    def _number(self, row: Row) -> int:
        told = str(row.get(self._table.key) or "")
        if not told.isdecimal():
            msg = f"a record of {self._table.entity} has no whole number in {self._table.key}: is `key` the entity's key?"
            raise SourceChanged(msg)
        return int(told)

    def _named(self, entities: Mapping[str, Any]) -> list[Row]:  # Sankhya's JSON
        """Records as columns by their names: Sankhya numbers them (f0, f1), and says once which is which."""
        metadata = entities.get("metadata") or {}
        names = [str(one.get("name")) for one in _many((metadata.get("fields") or {}).get("field"), "columns")]
        rows: list[Row] = []
        for record in _many(entities.get("entity"), "records"):
            row = {_name(key, names): _plain(value) for key, value in record.items()}
            for name in self._times:
                told = row.get(name)
                row[name] = f"{told} 00:00:00" if isinstance(told, str) and _DATE.fullmatch(told) else told
            rows.append(row)
        return rows

    def _logged(self, since: datetime | None) -> Iterator[str]:
        """The keys that the change log names since a time, or ever."""
        told: dict[str, object] = {"size": _LOGGED, "entidades": [{"nome": self._table.entity}]}
        if since is not None:
            told["dhAlter"] = wall(since, self._table.fields.timezone).isoformat()
        before: list[str] = []
        for page in range(_MOST_PAGES):
            keys = list(_keys(self._services.answer(_LOG, told | {"page": page}), self._table.key))
            if not keys or keys == before:
                return
            yield from keys
            before = keys


class _Services:
    """Sankhya's services, and how each login opens them."""

    def __init__(self, table: SankhyaTable, tries: Tries) -> None:
        self._table = table
        self._root = table.url.removesuffix("/gateway/v1").removesuffix("/mge")
        self._url = f"{self._root}{'' if table.login == 'session' else '/gateway/v1'}/mge/service.sbr"
        self._door = Line(table, Standing())
        opened = {"oauth2": self._by_oauth2, "appkey": self._by_appkey, "session": self._by_session}[table.login]
        self._line = Line(table, Session(opened), tries)

    def records(self, data_set: Mapping[str, object]) -> Mapping[str, Any]:  # Sankhya's JSON
        """The `entities` of an answer of loadRecords; empty where there is none."""
        found = self.answer(_LOAD, {"dataSet": data_set}).get("entities") or {}
        if not isinstance(found, dict):
            msg = f"{self._url} answered {_LOAD} with something else than entities"
            raise SourceChanged(msg)
        return found

    def answer(self, service: str, body: Mapping[str, object]) -> Mapping[str, Any]:  # Sankhya's JSON
        """What a service answered."""
        return self._line.ask(self._question(service, body), _body)

    def _question(self, service: str, body: Mapping[str, object]) -> Question:
        told = {"serviceName": service, "requestBody": body}
        asked = {"serviceName": service, "outputType": "json"}
        return Question(self._url, asked, method="POST", body=told, accepted=frozenset({400, 403, 500}))

    def _by_oauth2(self) -> Mapping[str, str]:
        table = self._table
        form = {"grant_type": "client_credentials", "client_id": table.client_id, "client_secret": _told(table.client_secret)}
        return self._bearer("authenticate", {"X-Token": _told(table.token)}, "access_token", form)

    def _by_appkey(self) -> Mapping[str, str]:
        table = self._table
        shown = {"token": _told(table.token), "appkey": _told(table.appkey), "username": table.username, "password": _told(table.password)}
        return {**self._bearer("login", shown, "bearerToken", None), "appkey": _told(table.appkey)}

    def _bearer(self, path: str, shown: Mapping[str, str], name: str, form: Mapping[str, str] | None) -> Mapping[str, str]:
        question = Question(f"{self._root}/{path}", method="POST", form=form, headers=shown, accepted=frozenset({400, 401, 403}))
        answer = self._door.ask(question, lambda answer: answer)
        told = answer.json() if answer.status == 200 else None
        bearer = told.get(name) if isinstance(told, dict) else None
        if not isinstance(bearer, str) or not bearer:
            # None of its own words, which may repeat what it was shown.
            needed = "`client_id`, `client_secret` and `token`" if form else "`token`, `appkey`, `username` and `password`"
            msg = f"{answer.bare} answered {answer.status} and let us not in: check {needed}"
            raise SourceRefused(msg)
        return {"Authorization": f"Bearer {bearer}"}

    def _by_session(self) -> Mapping[str, str]:
        table = self._table
        body = {"NOMUSU": {"$": table.username}, "INTERNO": {"$": _told(table.password)}, "KEEPCONNECTED": {"$": "S"}}
        try:
            found = self._door.ask(self._question(_LOGIN, body), lambda answer: {**answer.cookies, **_session(_body(answer))})
        except SourceRefused:
            found = {}
        if not found.get("JSESSIONID"):
            msg = f"{self._url} did not let {table.username!r} in: check `username` and `password`"
            raise SourceRefused(msg)
        return {"Cookie": f"JSESSIONID={found['JSESSIONID']}"}


def _body(answer: Answer) -> Mapping[str, Any]:  # Sankhya's JSON
    """The responseBody of an answer; Sankhya says with status 200 that it failed."""
    told = answer.json()
    if not isinstance(told, dict) or not ("status" in told or "error" in told):
        msg = f"{answer.bare} answered without a status: is it Sankhya, and is `login` right?"
        raise SourceChanged(msg)
    status, words = str(told.get("status", "")), _words(told)
    if answer.status == 200 and status in ("1", "2"):
        body = told.get("responseBody")
        return body if isinstance(body, dict) else {}
    shown = f"{answer.bare} answered {answer.status}, status {status or 'none'}: {words[:200]}"
    if status == "3" or _SIGNED_OUT.search(words):
        raise Expired(shown)
    if _PASSING.search(words) or (answer.status == 500 and not words):
        raise SourceDown(shown)
    msg = f"{shown}; check `entity`, `key` and the names in `fields`"
    raise _Refused(msg)


def _words(told: Mapping[str, Any]) -> str:  # Sankhya's JSON
    """What it says of an error: a service's statusMessage, or the gateway's error."""
    error = told.get("error")
    if isinstance(error, dict):
        error = " ".join(str(part) for part in error.values() if isinstance(part, str))
    return str(told.get("statusMessage") or error or "")


def _session(body: Mapping[str, Any]) -> dict[str, str]:  # Sankhya's JSON
    told = _plain(body.get("jsessionid"))
    return {"JSESSIONID": told} if isinstance(told, str) and told else {}


def _many(found: object, what: str) -> list[Row]:
    """Sankhya's lists: none where there is nothing, and one alone without a list around it."""
    return listing([found] if isinstance(found, dict) and found else found or [], _LOAD, what)


def _name(key: str, names: Sequence[str]) -> str:
    if (number := re.fullmatch(r"f(\d+)", key)) is None:
        return key
    if int(number[1]) >= len(names):
        msg = f"{_LOAD} answered with the column {key}, which its metadata does not name"
        raise SourceChanged(msg)
    return names[int(number[1])]


def _plain(value: object) -> object:
    """A value without its wrapping: {"$": "7"} is 7, and {} is nothing."""
    return value.get("$") if isinstance(value, dict) else value


def _keys(told: object, key: str) -> Iterator[str]:
    """The keys that an answer of any shape names: CODPROD = 7 in a text, or as a name with its value."""
    match told:
        case dict():
            for name, value in told.items():
                plain = _plain(value)
                named = name.upper() in (key, "CHAVE", "PK") and isinstance(plain, str | int) and str(plain).strip().isdecimal()
                yield from [str(plain).strip()] if named else _keys(value, key)
        case list():
            for one in told:
                yield from _keys(one, key)
        case str():
            yield from re.findall(rf"\b{key}\W{{1,5}}(\d+)", told)


def _told(secret: Any) -> str:
    return str(secret.get_secret_value())
