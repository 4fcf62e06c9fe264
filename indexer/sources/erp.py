"""The source of every ERP that has a type of its own: what all of them share, around what is one vendor's wire.

    Wire.rows(since)      ->  products that were edited, page by page       |
    Wire.touched(since)   ->  products whose attachments were edited         >  ErpSource.pages  ->  Page, Page, Page ...
    Wire.deleted(since)   ->  products that are gone, where the vendor tells |

A vendor's module has its table of sources.toml and its Wire: how it lets us in, what a page of products is, what hangs on them. All else is
written once: which field says what (records.py), times and cursors (window.py), pages by number (paging.py), retries (retries.py), rates
and places (pace.py), sizes, hosts and encodings (http.py), attachments (here). docs/new-source.md shows how one is written.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, TypeVar

import jmespath
from jmespath.parser import ParsedResult
from pydantic import Field, model_validator

from indexer.sources.base import Ahead, Page, SourceChanged, SourceRefused, in_turn
from indexer.sources.http import HttpTable
from indexer.sources.records import Fields, UnreadableRecord, media_type, reading
from indexer.sources.retries import Tries
from indexer.sources.tables import Described, Expression, Patterns, Surroundings
from indexer.sources.window import Window, version
from leaflets import Change, Content, Unreadable, Withdrawal

T = TypeVar("T")
Row = Mapping[str, Any]
"""One product as the ERP's JSON has it."""

# Products of which attachments changed are asked for by their keys, so many at once: longer lists meet limits of addresses and SQL.
_AT_ONCE = 50
# What one file of a ZIP may unpack to; a leaflet's PDF has 0.1-3 MB.
_MOST_UNPACKED = 50_000_000
# Of a product whose leaflet is a file, or does not matter.
_NO_TEXT: Mapping[str, object] = {"text": None, "sections": {}}
_SOMETHING = Content(b"-", "text/plain")


def standard(expression: str) -> ParsedResult:
    """A vendor's own field, as the default of a key of `fields`."""
    return jmespath.compile(expression)


class ErpFields(Fields[Expression]):
    """Which field of a product says what; each is a JMESPath expression, so join(' ', [date, time]) makes one of two.

    What is not set here is where the vendor's standard has it; what the standard lacks is the customer's own field.
    """

    id: Expression = Field(default=standard("id"), examples=['"code"'])
    """The product's own, lasting id."""


class ErpTable(HttpTable, ABC):
    """The keys of every vendor's type. `hangs` says whether its wire knows of attachments."""

    hangs: ClassVar[bool] = True

    attachments: bool = Field(default=False, examples=["true"])
    """Whether PDFs attached to a product are its leaflets; a product without any has the text of its fields."""

    attachment_names: Patterns = Field(default=(re.compile(r"\.pdf$", re.IGNORECASE),), examples=["['bula.*\\.pdf$']"])
    """Regular expressions, upper and lower case alike, for the names of the attachments that are leaflets."""

    fields: ErpFields = Field(default_factory=ErpFields, examples=['{ text = "leaflet" }'])
    """Which field of a product says what."""

    @model_validator(mode="after")
    def _hangs(self) -> ErpTable:
        if self.attachments and not self.hangs:
            msg = f'cannot have attachments = true: those of type = "{self.type}" are not read; leave it out, and map a field to `text`'
            raise ValueError(msg)
        return self

    @abstractmethod
    def wire(self, tries: Tries) -> Wire:
        """This vendor's wire, each of whose requests goes through `tries`."""

    def source(self, name: str, where: Surroundings) -> ErpSource:
        """The source that this table describes."""
        return ErpSource(name, self, where)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that hangs on a product. `edited` is when it was hung there or changed, where the vendor says; `fetch` gives its bytes."""

    name: str
    edited: datetime | None
    fetch: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Deletion:
    """A product that is gone, by its vendor's key, and since when."""

    key: str
    at: datetime


class Wire(ABC):
    """One vendor's wire, for several threads at once; every method may raise SourceDown, SourceRefused or SourceChanged.

    `filtered` says whether `rows` can leave out what was not edited.
    """

    filtered: bool = True

    @abstractmethod
    def rows(self, since: datetime | None, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """The products edited since a time, None: all, page by page; inactive ones too.

        None is left out, however many are edited, added or deleted while the pages are read: by keys that ascend where the vendor can be
        asked so, else by what `paging.py` does about it. Some may come twice, and some that were edited before.
        """

    def first(self) -> Sequence[Row]:
        """Some products, for a look at what they are like; none where there are none."""
        return next(self.rows(None, in_turn), ())

    def names(self, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """All products, with no more than their id, audience and mark of withdrawal: where an ERP needs fewer questions for these."""
        return self.rows(None, ahead)

    @abstractmethod
    def key(self, row: Row) -> str:
        """By what the vendor itself names a product."""

    def named(self, keys: Sequence[str]) -> Iterator[Sequence[Row]]:
        """The products with these keys, at most 50, as `rows` gives them; those that are gone are left out."""
        raise NotImplementedError

    def touched(self, since: datetime) -> Iterator[str]:
        """The keys of the products whose attachments were edited since a time.

        Of a vendor that does not tell, none: then they are seen when the product is edited, and with the next whole listing.
        """
        del since
        return iter(())

    def attached(self, rows: Sequence[Row], ahead: Ahead) -> Mapping[str, Sequence[Attachment]]:
        """What hangs on these products, by their keys; asked for only where `attachments` is set."""
        del rows, ahead
        return {}

    def deleted(self, since: datetime) -> Iterator[Deletion]:
        """The products that are gone since a time, where the vendor has a feed of them; else the whole listing tells."""
        del since
        return iter(())

    def lacking(self) -> str:
        """What must be switched on in an ERP that would answer and yet tell of no change; empty where nothing is lacking."""
        return ""


class ErpSource(Described):
    """See the module. Only the last page has a cursor."""

    def __init__(self, name: str, table: ErpTable, where: Surroundings) -> None:
        super().__init__(name, table)
        self._table = table
        self._wire = table.wire(Tries(self.breaker, table.pace(where)))

    def pages(self, since: str | None, ahead: Ahead, *, whole: bool = False, names: bool = False) -> Iterator[Page]:
        """See Source."""
        window = Window(since, self._table.lag, filtered=self._wire.filtered, whole=whole)
        if names and window.start is None:
            return window.pages((self._named(window, row) for row in rows) for rows in self._wire.names(ahead))
        return window.pages(self._readings(window, ahead))

    def check(self) -> str:
        """See Source."""
        if lacking := self._wire.lacking():
            raise SourceRefused(lacking)
        window = Window(None, self._table.lag)
        rows = self._wire.first()
        if not rows:
            return f"{self._table.url} answered, without any product"
        match self._change(window, rows[0]):
            case Unreadable(reason=reason):
                return f"{self._table.url} answered with {len(rows)} products, but the first cannot be read: {reason}"
            case change:
                return f"{self._table.url} answered with {len(rows)} products on its first page; the first is {change.source_id!r}"

    def _readings(self, window: Window, ahead: Ahead) -> Iterator[Iterable[Change | Withdrawal | Unreadable]]:
        read: set[str] = set()
        for rows in self._wire.rows(window.start, ahead):
            read.update(map(self._wire.key, rows))
            yield self._changes(window, rows, ahead)
        if window.start is None:
            # All that is there was named, with all that hangs on it.
            return
        if self._table.attachments:
            keys = sorted({key for key in self._wire.touched(window.start) if key not in read})
            for start in range(0, len(keys), _AT_ONCE):
                for rows in self._wire.named(keys[start : start + _AT_ONCE]):
                    yield self._changes(window, rows, ahead)
        if self._table.fields.id.expression == type(self._table.fields).model_fields["id"].default.expression:
            # A feed names products by the vendor's key, which is the leaflet's id unless the customer chose another.
            yield (Withdrawal(gone.key, version(window.edited(gone.at))) for gone in self._wire.deleted(window.start))

    def _changes(self, window: Window, rows: Sequence[Row], ahead: Ahead) -> Iterator[Change | Withdrawal | Unreadable]:
        if not self._table.attachments:
            return (self._change(window, row) for row in rows)
        attached = self._wire.attached(rows, ahead)
        return ahead(call for row in rows for call in self._calls(window, row, attached.get(self._wire.key(row), ())))

    def _calls(self, window: Window, row: Row, attached: Sequence[Attachment]) -> Iterator[Callable[[], Change | Withdrawal | Unreadable]]:
        """What reads a product: a leaflet for each of its files, because a patient's and a professional's hang side by side."""
        leaflets = [one for one in attached if any(name.search(one.name) for name in self._table.attachment_names)]
        latest = max((one.edited for one in leaflets if one.edited), default=None)
        files: Sequence[Attachment | None] = leaflets or [None]
        return (partial(self._change, window, row, one, latest) for one in files)

    def _named(self, window: Window, row: Row) -> Change | Withdrawal | Unreadable:
        """That a product is there, or withdrawn; whatever its leaflet says."""
        return self._read(window, row, self._table.fields.model_copy(update=_NO_TEXT), lambda: (_SOMETHING,))

    def _change(
        self, window: Window, row: Row, file: Attachment | None = None, latest: datetime | None = None
    ) -> Change | Withdrawal | Unreadable:
        if file is None:
            return self._read(window, row, self._table.fields, tuple)
        return self._read(window, row, self._table.fields.model_copy(update=_NO_TEXT), lambda: (_content(file),), latest)

    def _read(
        self, window: Window, row: Row, fields: ErpFields, documents: Callable[[], tuple[Content, ...]], latest: datetime | None = None
    ) -> Change | Withdrawal | Unreadable:
        told = partial(json.dumps, row, ensure_ascii=False, indent=1, default=str)
        return reading(fields, lambda expression: expression.search(row), window, told, documents, latest)


def _content(file: Attachment) -> Content:
    """A file as a leaflet's content; raises UnreadableRecord where it cannot be had or is none."""
    try:
        body = file.fetch()
    except (SourceRefused, SourceChanged) as error:
        told = f"its attachment {file.name[:80]!r} cannot be had: {error}"
        raise UnreadableRecord(told) from None
    if body.startswith(b"PK\x03\x04"):
        body = _unzipped(body, file.name)
    if not body:
        told = f"its attachment {file.name[:80]!r} is empty"
        raise UnreadableRecord(told)
    return Content(body, media_type(body))


def _unzipped(body: bytes, name: str) -> bytes:
    """The one PDF in a ZIP, as some ERPs pack what they keep."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            leaflets = [one for one in packed.infolist() if one.filename.lower().endswith(".pdf")]
            if len(leaflets) != 1:
                told = f"its attachment {name[:80]!r} is a ZIP with {len(leaflets)} PDFs where one was expected: attach each by itself"
                raise UnreadableRecord(told)
            # As much as is unpacked, and not what the directory promises, which an attacker writes.
            with packed.open(leaflets[0]) as file:
                unpacked = file.read(_MOST_UNPACKED + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        told = f"its attachment {name[:80]!r} is a ZIP that cannot be unpacked ({type(error).__name__})"
        raise UnreadableRecord(told) from None
    if len(unpacked) > _MOST_UNPACKED:
        told = f"its attachment {name[:80]!r} is a ZIP that unpacks to more than {_MOST_UNPACKED:,} bytes"
        raise UnreadableRecord(told)
    return unpacked


def by_key(ask: Callable[[str], Sequence[Row]], key: Callable[[Row], str], first: str = "") -> Iterator[Sequence[Row]]:
    """Pages of rows whose keys ascend: `ask` gives those after a key, and the first empty page ends them.

    No page's length is believed, so neither a cap that the ERP does not tell of nor a last page that is full loses a row, and what is
    deleted meanwhile moves none. Raises SourceChanged where a page ends where the one before did.
    """
    last = first
    while rows := ask(last):
        yield rows
        following = key(rows[-1])
        if following == last:
            msg = f"its pages go round in a loop: after the key {last[:40]!r} comes the same one again"
            raise SourceChanged(msg)
        last = following


def columns(fields: ErpFields, *keys: str) -> tuple[str, ...]:
    """The fields of a row which the customer's mapping reads, or these keys of it, for an ERP that must be told which to give; sorted."""
    return tuple(sorted({path[0] for expression in expressions(fields, *keys) for path in paths(expression)}))


def expressions(fields: ErpFields, *keys: str) -> Iterator[ParsedResult]:
    """Every expression of the customer's mapping, or of these keys of it."""
    places = [getattr(fields, name) for name in keys or type(fields).model_fields] + ([] if keys else list(fields.sections.values()))
    return (place for place in places if isinstance(place, ParsedResult))


def paths(expression: ParsedResult) -> set[tuple[str, ...]]:
    """The fields that an expression reads, each behind those that lead to it: ("template", "name"). A name may hold a point itself."""
    return _paths(expression.parsed)


# Each part of these is looked for in what the one before found.
_CHAINS = frozenset({"subexpression", "index_expression", "pipe"})
# And of these all parts in what the first found.
_PROJECTIONS = frozenset({"projection", "value_projection", "filter_projection"})
_HERE = frozenset({"identity", "current", "index", "slice"})


def _paths(node: Mapping[str, Any], start: tuple[str, ...] = ()) -> set[tuple[str, ...]]:  # jmespath's own tree
    """The fields that an expression reads, below the one where it starts."""
    kind, children = node["type"], [child for child in node["children"] if isinstance(child, dict)]
    if kind == "field":
        return {(*start, node["value"])}
    if kind in _HERE:
        return {start} - {()}
    if kind in _CHAINS:
        found = _paths(children[0], start)
        for child in children[1:]:
            found = _within(found, child)
        return found
    if kind in _PROJECTIONS:
        leading = _paths(children[0], start)
        return {path for child in children[1:] for path in _within(leading, child)}
    return {path for child in children for path in _paths(child, start)}


def _within(leading: set[tuple[str, ...]], node: Mapping[str, Any]) -> set[tuple[str, ...]]:  # the same
    return {path for lead in leading for path in _paths(node, lead)}


def listing(found: object, where: str, what: str) -> list[Row]:
    """A list of rows out of an answer; raises SourceChanged where it is none."""
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        msg = f"{where} answered with something else than a list of {what}"
        raise SourceChanged(msg)
    return found


def quoted(text: str) -> str:
    """A text as a literal of SQL, OData and the like: in single quotes, those within doubled."""
    return "'" + text.replace("'", "''") + "'"
