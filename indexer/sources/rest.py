"""Any ERP with a JSON API, declared wholly in sources.toml: where its records are, how they are paged, which field says what.

    [sources.matriz]
    type = "rest"
    url = "https://erp.example/api"
    path = "leaflets"
    records = "items"
    auth = { type = "bearer", token = { env = "MATRIZ_TOKEN" } }
    paging = { by = "page", parameter = "page", size_parameter = "pageSize", size = 100, more = "hasNext" }
    changed_since = { parameter = "modifiedSince" }
    fields = { id = "code", name = "name", updated_at = "modified", text = "html", text_type = "text/html", deleted = "inactive" }

Sort the records by something that does not change (`params = { order = "id" }`) where the ERP can: with page numbers and offsets, a record
that moves to the front while the pages are read pushes none away then.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from indexer.sources.auth import Auth, NoAuth
from indexer.sources.base import Ahead, Page, SourceChanged, SourceRefused
from indexer.sources.http import Answer, HttpTable, Line, Question, Standing, origin
from indexer.sources.paging import OnePage, Paging, Sheet, Turn, first, found, sheets
from indexer.sources.records import Fields, UnreadableRecord, media_type, reading, words
from indexer.sources.retries import Tries
from indexer.sources.tables import Described, Expression, Parameter, Surroundings, Table, WebAddress, Zone, plain
from indexer.sources.window import Window, wall
from leaflets import Change, Content, Unreadable, Withdrawal


class RestFields(Fields[Expression]):
    """Which field of a record says what; each is a JMESPath expression, so join(' ', [date, time]) makes one of two."""

    content_base64: Expression | None = Field(default=None, examples=['"pdf"'])
    """The leaflet as a file, in Base64."""

    content_type: Literal["auto", "application/pdf", "text/html", "text/plain", "application/rtf"] = Field(
        default="auto", examples=['"application/pdf"']
    )
    """What `content_base64` and `document_url` hold; auto looks at each."""

    document_url: Expression | None = Field(default=None, examples=['"links.pdf"'])
    """Where the leaflet's file is: an address on the ERP's host, or on one of `document_hosts`."""

    @model_validator(mode="after")
    def _holds_a_leaflet(self) -> RestFields:
        if not (self.text or self.sections or self.content_base64 or self.document_url):
            msg = "needs a field that holds the leaflet: text, sections, content_base64 or document_url"
            raise ValueError(msg)
        return self


class ChangedSince(Table):
    """How the ERP is asked for what changed since a time. The first pull asks without it, for everything."""

    parameter: str = Field(examples=['"modifiedSince"'])
    """The parameter that takes it; it replaces one of `params` of the same name."""

    format: str = Field(default="{iso}", examples=["\"LastChange gt '%Y-%m-%dT%H:%M:%S'\""])
    """What to put there: strftime codes, or {iso}, {epoch} or {epoch_ms}, with any words around them."""

    timezone: Zone = Field(default=ZoneInfo("UTC"), examples=['"America/Sao_Paulo"'])
    """The zone in which the time is written."""

    def written(self, start: datetime) -> str:
        """The parameter's value; whole seconds, rounded down, because many ERPs know no smaller."""
        at = wall(start, self.timezone).replace(tzinfo=self.timezone)
        seconds = int(at.timestamp())
        iso = at.isoformat().replace("+00:00", "Z")
        return at.strftime(self.format).replace("{iso}", iso).replace("{epoch}", str(seconds)).replace("{epoch_ms}", f"{seconds}000")


class RestTable(HttpTable):
    """A source of type rest."""

    type: Literal["rest"] = Field(examples=['"rest"'])
    """A JSON API, described by the keys below."""

    path: str = Field(default="", examples=['"leaflets"'])
    """What to put behind `url`."""

    method: Literal["GET", "POST"] = Field(default="GET", examples=['"GET"'])
    """How to ask. With POST, all parameters go into the JSON body."""

    params: dict[str, Parameter] = Field(default_factory=dict, examples=['{ order = "id" }'])
    """Parameters of every request."""

    body: dict[str, Any] = Field(default_factory=dict, examples=['{ call = "ListLeaflets" }'])
    """What a POST's JSON body has beside the parameters."""

    auth: Auth = Field(default=NoAuth(), examples=['{ type = "bearer", token = { env = "ERP_TOKEN" } }'])
    """How to show the ERP who asks."""

    paging: Paging = Field(default=OnePage(), examples=['{ by = "page", size = 100 }'])
    """How the records are dealt out."""

    records: Expression = Field(examples=['"items"'])
    """Where in an answer the list of records is; "@" where the answer is the list."""

    empty_status: frozenset[int] = Field(default=frozenset(), examples=["[404]"])
    """Statuses by which the ERP says that there are no (more) records."""

    changed_since: ChangedSince | None = Field(default=None, examples=['{ parameter = "modifiedSince" }'])
    """How to ask only for what changed; left out, every pull reads every record."""

    document_hosts: frozenset[WebAddress] = Field(default=frozenset(), examples=['["https://files.example"]'])
    """Other hosts from which leaflets' files may be fetched, without any credentials."""

    fields: RestFields = Field(examples=['{ id = "code", text = "leaflet" }'])
    """Which field of a record says what."""

    @model_validator(mode="after")
    def _body_is_posted(self) -> RestTable:
        if self.body and self.method != "POST":
            msg = 'body is sent only with method = "POST"'
            raise ValueError(msg)
        return self

    def source(self, name: str, where: Surroundings) -> RestSource:
        """The source that this table describes."""
        return RestSource(name, self, where)


class RestSource(Described):
    """See the module. Safe for several threads at once."""

    def __init__(self, name: str, table: RestTable, where: Surroundings) -> None:
        super().__init__(name, table)
        self._table = table
        tries = Tries(self.breaker, table.pace(where))
        self._line = Line(table, table.auth.credentials(table), tries)
        bare = [table.model_copy(update={"url": host, "headers": {}}) for host in table.document_hosts]
        self._documents = {origin(other.url): Line(other, Standing(), tries) for other in bare} | {origin(table.url): self._line}

    def pages(self, since: str | None, ahead: Ahead, *, whole: bool = False, names: bool = False) -> Iterator[Page]:
        """See Source. Only the last page has a cursor."""
        del names
        window = Window(since, self._table.lag, filtered=self._table.changed_since is not None, whole=whole)
        ask = partial(self._sheet, self._parameters(window))
        return window.pages(self._changes(sheet, window, ahead) for sheet in sheets(self._table.paging, ask, ahead))

    def check(self) -> str:
        """See Source."""
        window = Window(None, self._table.lag)
        sheet = self._sheet(self._parameters(window), first(self._table.paging))
        if not sheet.records:
            return f"{self._table.url} answered, without any record"
        match self._change(window, sheet.records[0]):
            case Unreadable(reason=reason):
                return f"{self._table.url} answered with {len(sheet.records)} records, but the first cannot be read: {reason}"
            case change:
                return f"{self._table.url} answered with {len(sheet.records)} records on its first page; the first is {change.source_id!r}"

    def _parameters(self, window: Window) -> Mapping[str, str | int]:
        told = {name: plain(value) for name, value in self._table.params.items()}
        since = self._table.changed_since
        if since is not None and window.start is not None:
            told[since.parameter] = since.written(window.start)
        return told

    def _sheet(self, parameters: Mapping[str, str | int], turn: Turn) -> Sheet:
        """One page, asked for and parsed."""
        return self._line.ask(self._question(parameters, turn), self._parsed)

    def _parsed(self, answer: Answer) -> Sheet:
        if answer.status in self._table.empty_status:
            return Sheet(answer.url, None, (), None)
        body = answer.json()
        records = found(self._table.records, body, "records")
        if not isinstance(records, list):
            raise SourceChanged(self._no_list(records, body))
        return Sheet(answer.url, body, tuple(records), answer.link)

    def _question(self, parameters: Mapping[str, str | int], turn: Turn) -> Question:
        table = self._table
        url = f"{table.url}/{table.path.lstrip('/')}" if table.path else table.url
        if turn.link is not None:
            link = urljoin(turn.after or url, turn.link)
            return Question(link, method=table.method, body=table.body or None, accepted=table.empty_status)
        told = {**parameters, **turn.parameters}
        if table.method == "POST":
            return Question(url, method="POST", body={**table.body, **told}, accepted=table.empty_status)
        return Question(url, {name: str(value) for name, value in told.items()}, accepted=table.empty_status)

    def _no_list(self, records: object, body: object) -> str:
        kind = "nothing" if records is None else f"a {type(records).__name__}"
        keys = f"; the answer has the keys {', '.join(str(key)[:40] for key in list(body)[:10])}" if isinstance(body, dict) else ""
        hint = '; where the ERP leaves an empty list out, write records = "items || `[]`"' if records is None else ""
        return f"{self._table.url}: `records` is a list no longer, it gave {kind}{keys}{hint}"

    def _changes(self, sheet: Sheet, window: Window, ahead: Ahead) -> Iterator[Change | Withdrawal | Unreadable]:
        if self._table.fields.document_url is None:
            return (self._change(window, record) for record in sheet.records)
        return ahead(partial(self._change, window, record) for record in sheet.records)

    def _change(self, window: Window, record: object) -> Change | Withdrawal | Unreadable:
        return reading(
            self._table.fields,
            lambda expression: expression.search(record),
            window,
            lambda: json.dumps(record, ensure_ascii=False, indent=1),
            lambda: tuple(self._files(record)),
        )

    def _files(self, record: object) -> Iterator[Content]:
        """The leaflet's files: the one in the record, and the one that it points to."""
        fields = self._table.fields
        if fields.content_base64 is not None and (told := words(fields.content_base64.search(record))):
            yield self._content(_unpacked(told), None)
        if fields.document_url is not None and (told := words(fields.document_url.search(record))):
            answer = self._fetched(urljoin(f"{self._table.url}/", told))
            yield self._content(answer.body, answer.charset)

    def _content(self, body: bytes, charset: str | None) -> Content:
        kind = self._table.fields.content_type
        return Content(body, media_type(body) if kind == "auto" else kind, charset)

    def _fetched(self, url: str) -> Answer:
        line = self._documents.get(origin(url))
        if line is None:
            told = f"its document is on {urlsplit(url).netloc!r}, which is neither the ERP nor one of `document_hosts`"
            raise UnreadableRecord(told)
        try:
            return line.ask(Question(url), lambda answer: answer)
        except (SourceRefused, SourceChanged) as error:
            told = f"its document cannot be had: {error}"
            raise UnreadableRecord(told) from None


def _unpacked(encoded: str) -> bytes:
    try:
        return base64.b64decode("".join(encoded.rpartition("base64,")[2].split()), validate=True)
    except binascii.Error:
        told = "its content_base64 is not Base64"
        raise UnreadableRecord(told) from None
