"""SAP Business One: the Service Layer, version 1 (OData 3) or 2 (OData 4).

    [sources.matriz]
    type = "sap_b1"
    url = "https://b1.example:50000"               # or with /b1s/v1 or /b1s/v2 behind it
    company = "SBO_FARMACIA"
    username = "sac"
    password = { env = "MATRIZ_PASSWORD" }
    ca_cert = "/etc/ssl/b1.pem"                    # its certificate is its own, as a rule
    attachments = true
    fields = { text = "U_Bula", registration = "U_RegistroAnvisa" }

Items come by ascending ItemCode, of each only the fields that the mapping reads. Those that are not Valid or are Frozen are withdrawn;
deleted ones leave no trace, so the whole listing tells. Times are the company's own, without a zone, and $filter compares them by the
minute. Attachments are read with their item and with each whole listing: the Service Layer cannot be asked which changed.
One login serves all threads, because sessions count against the licence; it is let go by its own time-out.
Not verified on a real server: whether each version's items have UpdateTime, CreateDate and CreateTime (where one is refused, it is asked
without), and that UpdateDate is empty before the first edit, for which CreateDate stands in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pydantic import Field

from indexer.sources.base import Ahead, SourceChanged, SourceDown, SourceRefused
from indexer.sources.erp import Attachment, ErpFields, ErpTable, Row, Wire, columns, standard
from indexer.sources.http import Answer, Expired, Line, Question, Session, Standing
from indexer.sources.odata import TOLD, Asker, address, ascending, both, page, problem, refusal
from indexer.sources.paging import Sheet
from indexer.sources.records import moment
from indexer.sources.retries import Tries
from indexer.sources.tables import Expression, Secret, Zone
from indexer.sources.window import wall

# A session that is not known (any more); nothing found; the folder of attachments, a network share, cannot be read.
_UNKNOWN_SESSION, _NOTHING, _NO_SHARE = "301", "-2028", "-5002"
# How a login is refused.
_REFUSED = TOLD | {401}
# What not every version's items have, the least needed first.
_OPTIONAL = ("CreateTime", "CreateDate", "UpdateTime")


class SapB1Fields(ErpFields):
    """Which field of an item says what."""

    id: Expression = Field(default=standard("ItemCode"), examples=['"ItemCode"'])
    """The item's own, lasting id."""

    name: Expression | None = Field(default=standard("ItemName"), examples=['"ItemName"'])
    """The item's name."""

    ean: Expression | None = Field(default=standard("BarCode"), examples=['"BarCode"'])
    """Its EAN."""

    updated_at: Expression | None = Field(default=standard("join('T', [UpdateDate, UpdateTime])"), examples=['"U_Editado"'])
    """When it was last edited. An item without these, as before its first edit, has here the date and time at which it was made."""

    timezone: Zone = Field(default=ZoneInfo("America/Sao_Paulo"), examples=['"America/Sao_Paulo"'])
    """The company's zone: the Service Layer names none."""

    deleted: Expression | None = Field(default=standard("Valid == 'tNO' || Frozen == 'tYES'"), examples=["\"Frozen == 'tYES'\""])
    """Says that it is inactive."""

    text: Expression | None = Field(default=standard("User_Text"), examples=['"U_Bula"'])
    """The field that holds the leaflet: its remarks, or a field of the customer's own."""


class SapB1Table(ErpTable):
    """A source of type sap_b1."""

    type: Literal["sap_b1"] = Field(examples=['"sap_b1"'])
    """SAP Business One's Service Layer."""

    api: Literal["v1", "v2"] = Field(default="v2", examples=['"v1"'])
    """Its version: v2 from 10.0 on, v1 before (given up as of FP 2405). An address that ends with one needs no other word."""

    company: str = Field(examples=['"SBO_FARMACIA"'])
    """The company's database, CompanyDB."""

    username: str = Field(examples=['"sac"'])
    """A user who may read items and attachments."""

    password: Secret = Field(examples=['{ env = "MATRIZ_PASSWORD" }'])
    """That user's password."""

    page_size: int = Field(default=100, ge=1, examples=["100"])
    """How many items a page is to have."""

    # Each request holds one of the Service Layer's few processes; SAP names no rate.
    max_in_flight: int = Field(default=2, ge=1, le=64, examples=["2"])
    """How many requests the Service Layer may have to answer at once."""

    fields: SapB1Fields = Field(default_factory=SapB1Fields, examples=['{ text = "U_Bula" }'])
    """Which of an item's fields says what."""

    @property
    def account(self) -> str:
        """See HttpTable."""
        return f"{self.url} {self.company} {self.username}"

    @property
    def root(self) -> str:
        """Where the Service Layer starts."""
        return self.url if self.url.endswith(("/b1s/v1", "/b1s/v2")) else f"{self.url}/b1s/{self.api}"

    def wire(self, tries: Tries) -> Wire:
        """See ErpTable."""
        return _SapB1(self, tries)


class _SapB1(Wire):
    def __init__(self, table: SapB1Table, tries: Tries) -> None:
        self._table = table
        self._line = Line(table, Session(_Login(table).headers), tries)
        hung = ("AttachmentEntry",) if table.attachments else ()
        self._wanted = {"ItemCode", "UpdateDate", *_OPTIONAL, *hung, *columns(table.fields)}
        self._lacking: set[str] = set()

    def rows(self, since: datetime | None, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire."""
        del ahead
        return ascending(Asker(partial(self._items, since), self._page, linked=True), "ItemCode")

    def key(self, row: Row) -> str:
        """See Wire."""
        return str(row["ItemCode"])

    def attached(self, rows: Sequence[Row], ahead: Ahead) -> Mapping[str, Sequence[Attachment]]:
        """See Wire."""
        with_any = [row for row in rows if row.get("AttachmentEntry")]
        found = ahead(partial(self._attachments, int(row["AttachmentEntry"])) for row in with_any)
        return {self.key(row): attachments for row, attachments in zip(with_any, found, strict=True)}

    def _items(self, since: datetime | None, after: str) -> Sheet:
        while True:
            where = both("" if since is None else self._changed(since), after)
            options = {"$select": ",".join(sorted(self._wanted - self._lacking)), "$orderby": "ItemCode"}
            options |= {"$filter": where} if where else {}
            try:
                return self._page(address(f"{self._table.root}/Items", options))
            except SourceRefused as error:
                missing = next((name for name in _OPTIONAL if name not in self._lacking and f"'{name}'" in str(error)), None)
                if missing is None:
                    raise
                self._lacking.add(missing)

    def _page(self, url: str) -> Sheet:
        # The size is forgotten from page to page, and 20 without it.
        headers = {"Prefer": f"odata.maxpagesize={self._table.page_size}"}
        return self._line.ask(Question(url, accepted=TOLD, headers=headers), _read)

    def _changed(self, since: datetime) -> str:
        """A time of day counts on its own day alone: UpdateTime ge T by itself would pass over what is edited early on a later day."""
        at = wall(since, self._table.fields.timezone)
        day, minute = f"{at:%Y-%m-%d}", f"{at:%H:%M}:00"
        if self._table.root.endswith("v1"):
            day, minute = f"'{day}'", f"'{minute}'"
        lacking = self._lacking
        edited = (
            f"UpdateDate ge {day}"
            if "UpdateTime" in lacking
            else f"UpdateDate gt {day} or (UpdateDate eq {day} and UpdateTime ge {minute})"
        )
        return f"({edited})" if "CreateDate" in lacking else f"({edited} or CreateDate ge {day})"

    def _attachments(self, entry: int) -> Sequence[Attachment]:
        url = f"{self._table.root}/Attachments2({entry})"
        told = self._line.ask(Question(url, accepted=TOLD), _entity)
        lines = told.get("Attachments2_Lines") or []
        return [self._attachment(url, line) for line in lines if isinstance(line, dict) and line.get("FileName")]

    def _attachment(self, url: str, line: Mapping[str, Any]) -> Attachment:
        name = ".".join(str(part) for part in (line["FileName"], line.get("FileExtension")) if part)
        day = _day(line.get("AttachmentDate"))
        edited = moment(day, "iso", self._table.fields.timezone) if day else None
        return Attachment(name, edited, self._bytes_of(url, name))

    def _bytes_of(self, url: str, name: str) -> Callable[[], bytes]:
        question = Question(f"{url}/$value?filename='{quote(name.replace(chr(39), chr(39) * 2), safe=chr(39))}'", accepted=TOLD)
        return lambda: self._line.ask(question, _bytes)


class _Login:
    """Where sessions are had."""

    def __init__(self, table: SapB1Table) -> None:
        self._table = table
        self._url = f"{table.root}/Login"
        self._line = Line(table, Standing())

    def headers(self) -> Mapping[str, str]:
        """The cookies of a new session, sent by hand: the server's Set-Cookie has no Path, and another request would not carry them."""
        table = self._table
        body = {"CompanyDB": table.company, "UserName": table.username, "Password": table.password.get_secret_value()}
        question = Question(self._url, method="POST", body=body, accepted=_REFUSED)
        return {"Cookie": self._line.ask(question, self._cookie)}

    def _cookie(self, answer: Answer) -> str:
        error = problem(answer)
        if answer.status in _REFUSED or error is not None:
            advice = "check `url`, `api`, `company`, `username` and `password`, and that the user has a licence free"
            raise refusal(answer, error, advice)
        told = answer.json()
        session = answer.cookies.get("B1SESSION") or (told.get("SessionId") if isinstance(told, dict) else None)
        if not session:
            msg = f"{self._url} answered without a session: is it a Service Layer?"
            raise SourceChanged(msg)
        # By ROUTEID the balancer in front finds the node that knows the session.
        cookies = {"B1SESSION": session, **{name: value for name, value in answer.cookies.items() if name != "B1SESSION"}}
        return "; ".join(f"{name}={value}" for name, value in cookies.items())


def _read(answer: Answer) -> Sheet:
    if _checked(answer, "check the names in `fields`") == _NOTHING:
        return Sheet(answer.url, None, (), None)
    sheet = page(answer)
    return replace(sheet, records=tuple(_dated(row) for row in sheet.records if isinstance(row, dict)))


def _entity(answer: Answer) -> Mapping[str, Any]:
    if _checked(answer, "may this user read attachments?") == _NOTHING:
        return {}
    told = answer.json()
    if not isinstance(told, dict):
        msg = f"{answer.bare} answered with something else than attachments"
        raise SourceChanged(msg)
    return told


def _bytes(answer: Answer) -> bytes:
    if answer.status in TOLD:
        _checked(answer, "it was attached, and cannot be had")
        msg = f"{answer.bare} answered {answer.status}: the file is not there any more"
        raise SourceRefused(msg)
    return answer.body


def _checked(answer: Answer, advice: str) -> str:
    """The code of an error that says that there is nothing, empty for an answer that is none; raises for any other."""
    error = problem(answer) if answer.status in TOLD else None
    if error is None and answer.status not in TOLD:
        return ""
    if error is not None and error.code == _UNKNOWN_SESSION:
        raise Expired(f"{answer.bare} answered with the error {error.code}: {error.message[:200]}")
    if error is not None and error.code == _NOTHING:
        return error.code
    if error is not None and (error.code == _NO_SHARE or "mount point" in error.message.lower()):
        # Not one file's fault: all of them are away until the share is back.
        raise SourceDown(f"{answer.bare} cannot read the folder of attachments ({error.code}: {error.message[:200]}): look at its share")
    raise refusal(answer, error, advice)


def _dated(row: Row) -> Row:
    """An item with the date and the time of its last edit as ten and eight characters, whichever way this version writes them."""
    edited = _day(row.get("UpdateDate"))
    day, time = (edited, row.get("UpdateTime")) if edited else (_day(row.get("CreateDate")), row.get("CreateTime"))
    return {**row, "UpdateDate": day or "0000-00-00", "UpdateTime": _time(time)}


def _day(value: object) -> str:
    return str(value or "")[:10]


def _time(value: object) -> str:
    """09:15:00, 9:15, 915 and 91500, and 00:00:00 for none."""
    told = str(value or "0000")
    if told.isdecimal():
        told = told.zfill(4 if len(told) <= len("0915") else 6)
        told = ":".join(told[start : start + 2] for start in range(0, len(told), 2))
    parts = [*told.split(":"), "00"]
    return ":".join(part.zfill(2) for part in parts[:3])
