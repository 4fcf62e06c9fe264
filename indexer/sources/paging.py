"""How an ERP deals its records out in pages: the `paging` table of sources.toml, and the walk through them.

    sheets(paging, ask, ahead)  ->  Sheet, Sheet, Sheet ...   each with records, until the ERP has no more

Page numbers and offsets are asked for ahead, without waiting to learn how many there are; cursors and links only come one by one.

A record that is deleted while pages are read by number moves all later ones up, and one of them from a page not yet read to one that was:
nobody sees it. `total` or `recheck` notice; then the pull fails, its cursor stays, and all is read again on the next round.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from threading import Event
from typing import Annotated, Any, Literal

from jmespath.exceptions import JMESPathTypeError
from pydantic import Field, model_validator

from indexer.sources.base import Ahead, SourceChanged, SourceDown
from indexer.sources.records import truthy
from indexer.sources.tables import Expression, Table

# A page's length and number come from the ERP's own paging, so this only ends what would not end: 10,000 pages of 100 are
# more than all products that ANVISA ever registered (42,608) twenty times over.
_MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True)
class Turn:
    """Which page to ask for: by `parameters`, or by the `link` that the page at the address `after` named."""

    parameters: Mapping[str, str | int] = field(default_factory=dict)
    link: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page as it came: its address, its JSON body, the records in it, and the next page's address where a header named one."""

    url: str
    body: Any  # JSON of the ERP's own shape
    records: tuple[object, ...]
    link: str | None


Ask = Callable[[Turn], Sheet]


def found(expression: Expression, body: object, key: str) -> object:
    """What an expression finds in an answer; raises SourceChanged where the answer's shape does not suit it."""
    try:
        return expression.search(body)
    except JMESPathTypeError as error:
        msg = f"`{key}` does not suit the answer: {error.function_name}() got a value of type {error.actual_type}"
        raise SourceChanged(msg) from None


class _Paged(Table):
    max_pages: int = Field(default=_MOST_PAGES, ge=1, examples=["10_000"])
    """The most pages that one pull may have; more are taken for a loop."""


class _Sized(_Paged):
    size_parameter: str | None = Field(default=None, examples=['"pageSize"'])
    """The parameter that sets how many records a page has, if the ERP has one."""

    size: int = Field(default=100, ge=1, examples=["100"])
    """How many records a page is to have."""

    def sized(self) -> dict[str, str | int]:
        """The parameter that asks for pages of this size."""
        return {self.size_parameter: self.size} if self.size_parameter else {}


class _Numbered(_Sized):
    """Pages that can be asked for without knowing those before them; they are asked for ahead."""

    more: Expression | None = Field(default=None, examples=['"hasNext"'])
    """Where the answer says whether more pages follow."""

    total: Expression | None = Field(default=None, examples=['"total"'])
    """Where the answer says how many records there are: where that shrinks from one page to the next, records were deleted meanwhile."""

    last: Literal["short", "empty"] = Field(default="short", examples=['"empty"'])
    """Which page is the last where the answer does not say: the first that is shorter than those before, or only one without records."""

    recheck: Expression | None = Field(default=None, examples=['"code"'])
    """Where a record has its key, if the records are sorted by it or by something else that stays. After the last page the last record of
    each page before it is asked for again, by itself: another one there means that records were deleted meanwhile."""

    @model_validator(mode="after")
    def _can_ask_for_one(self) -> _Numbered:
        if self.recheck is not None and self.size_parameter is None:
            msg = "needs size_parameter for recheck, which asks for pages of one record"
            raise ValueError(msg)
        return self

    def turn(self, index: int) -> Turn:
        """How to ask for the page with this index, from 0."""
        raise NotImplementedError

    def pages(self, body: object) -> int | None:
        """How many pages there are, where the answer says so."""
        del body
        return None


class ByPage(_Numbered):
    """Pages by their number."""

    by: Literal["page"] = Field(examples=['"page"'])
    """Pages have numbers."""

    parameter: str = Field(default="page", examples=['"page"'])
    """The parameter that takes the number."""

    start: int = Field(default=1, ge=0, examples=["1"])
    """The first page's number."""

    total_pages: Expression | None = Field(default=None, examples=['"total_pages"'])
    """Where the answer says how many pages there are."""

    def turn(self, index: int) -> Turn:
        """How to ask for the page with this index, from 0."""
        return Turn({self.parameter: self.start + index, **self.sized()})

    def pages(self, body: object) -> int | None:
        """How many pages there are, where the answer says so."""
        told = None if self.total_pages is None else found(self.total_pages, body, "paging.total_pages")
        return int(str(told)) if str(told).isdecimal() else None


class ByOffset(_Numbered):
    """Pages by how many records go before them."""

    by: Literal["offset"] = Field(examples=['"offset"'])
    """Pages start after a number of records."""

    parameter: str = Field(default="offset", examples=['"offset"'])
    """The parameter that takes the number."""

    start: int = Field(default=0, ge=0, examples=["0"])
    """The first record's number."""

    def turn(self, index: int) -> Turn:
        """How to ask for the page with this index, from 0."""
        return self.after(index * self.size)

    def after(self, records: int) -> Turn:
        """How to ask for what comes after so many records."""
        return Turn({self.parameter: self.start + records, **self.sized()})


class ByCursor(_Sized):
    """Each page names a cursor for the next."""

    by: Literal["cursor"] = Field(examples=['"cursor"'])
    """Pages follow a cursor, one after the other."""

    parameter: str = Field(default="cursor", examples=['"cursor"'])
    """The parameter that takes the cursor."""

    cursor: Expression = Field(examples=['"next_cursor"'])
    """Where the answer holds the next page's cursor; none there ends the pages."""

    def next(self, sheet: Sheet) -> Turn | None:
        """How to ask for the page after this one, if there is one."""
        told = found(self.cursor, sheet.body, "paging.cursor")
        return Turn({self.parameter: str(told), **self.sized()}) if told not in (None, "", False) else None


class ByNextLink(_Sized):
    """Each page names the next one's address."""

    by: Literal["next_link"] = Field(examples=['"next_link"'])
    """Pages follow a link, one after the other."""

    link_in: Literal["body", "header"] = Field(default="body", examples=['"header"'], alias="in")
    """Where the link stands: in the body, or in a Link header with rel=next (RFC 8288)."""

    link: Expression | None = Field(default=None, examples=["'\"@odata.nextLink\"'"])
    """Where in the body it stands; none there ends the pages."""

    @model_validator(mode="after")
    def _says_where(self) -> ByNextLink:
        if (self.link is None) == (self.link_in == "body"):
            msg = 'needs either link (a JMESPath expression for the body) or in = "header"'
            raise ValueError(msg)
        return self

    def next(self, sheet: Sheet) -> Turn | None:
        """How to ask for the page after this one, if there is one."""
        told = sheet.link if self.link is None else found(self.link, sheet.body, "paging.link")
        return Turn(link=str(told), after=sheet.url) if told else None


class OnePage(_Paged):
    """All records in one answer."""

    by: Literal["none"] = Field(default="none", examples=['"none"'])
    """There are no pages."""


Paging = Annotated[ByPage | ByOffset | ByCursor | ByNextLink | OnePage, Field(discriminator="by")]


def first(paging: Paging) -> Turn:
    """How to ask for the first page."""
    match paging:
        case ByPage() | ByOffset():
            return paging.turn(0)
        case ByCursor() | ByNextLink():
            return Turn(paging.sized())
    return Turn()


def sheets(paging: Paging, ask: Ask, ahead: Ahead) -> Iterator[Sheet]:
    """Every page with records, in order. Raises SourceChanged where they come round again or do not end."""
    match paging:
        case ByPage() | ByOffset():
            yield from _numbered(paging, ask, ahead)
        case ByCursor() | ByNextLink():
            yield from _linked(paging, ask)
        case OnePage():
            yield ask(Turn())


class _Rounds:
    """Notices pages that were there before."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def closed_by(self, told: object) -> bool:
        """Whether this was told before."""
        mark = sha256(json.dumps(told, default=str, sort_keys=True).encode()).digest()
        known = mark in self._seen
        self._seen.add(mark)
        return known


def _linked(paging: ByCursor | ByNextLink, ask: Ask) -> Iterator[Sheet]:
    rounds, turn = _Rounds(), first(paging)
    for _ in range(paging.max_pages):
        sheet = ask(turn)
        following = paging.next(sheet)
        if sheet.records and rounds.closed_by(sheet.records):
            raise SourceChanged(_loop(sheet, "gives the same records a second time"))
        if sheet.records:
            yield sheet
        if following is None:
            return
        if rounds.closed_by([dict(following.parameters), following.link]):
            raise SourceChanged(_loop(sheet, "names as the next page one that was read already"))
        turn = following
    raise SourceChanged(_endless(paging.max_pages))


class _Asker:
    """Asks for numbered pages, until one says that it is the last: what was to be asked ahead and has not left yet need not any more.

    `pages` is how many there are at most, or how many the ERP said that there are.
    """

    def __init__(self, paging: ByPage | ByOffset, ask: Ask) -> None:
        self._paging = paging
        self._ask = ask
        self._ended = Event()
        self.pages = paging.max_pages

    def sheets(self, ahead: Ahead) -> Iterator[Sheet]:
        """The pages from the first one on, those past the end without records."""
        # Where the first page tells how many there are it goes alone: whoever asks past the end is punished by some (Omie).
        alone = isinstance(self._paging, ByPage) and self._paging.total_pages is not None
        if alone:
            yield self._sheet(self._paging.turn(0))
        yield from ahead(self._calls(1 if alone else 0))

    def _calls(self, index: int) -> Iterator[Callable[[], Sheet]]:
        # `pages` may have been learnt meanwhile.
        while index < self.pages:
            yield partial(self._sheet, self._paging.turn(index))
            index += 1

    def _sheet(self, turn: Turn) -> Sheet:
        if self._ended.is_set():
            return Sheet("", None, (), None)
        sheet = self._ask(turn)
        more = self._paging.more
        if not sheet.records or (more is not None and not truthy(found(more, sheet.body, "paging.more"))):
            self._ended.set()
        return sheet


def _numbered(paging: ByPage | ByOffset, ask: Ask, ahead: Ahead) -> Iterator[Sheet]:
    rounds = _Rounds()
    steady = _Steady(paging, ask)
    asker = _Asker(paging, ask)
    size = before = 0
    for index, sheet in enumerate(asker.sheets(ahead)):
        here = len(sheet.records)
        size = size or here
        if not here:
            steady.stay(ahead, cut=True)
            return
        if rounds.closed_by(sheet.records):
            # Some ERPs answer a number past the end with the last page; one that was full would have been followed by another.
            if before < paging.size and paging.more is None:
                steady.stay(ahead)
                return
            raise SourceChanged(_loop(sheet, "gives the same records a second time"))
        steady.note(sheet)
        yield sheet
        told = paging.pages(sheet.body)
        asker.pages = min(asker.pages, told if told is not None else asker.pages)
        if _is_last(paging, sheet, full=size, index=index, known=told):
            steady.stay(ahead)
            return
        if isinstance(paging, ByOffset) and here < paging.size:
            _nothing_between(paging, ask, index * paging.size + here)
        before = here
    if asker.pages == paging.max_pages:
        raise SourceChanged(_endless(paging.max_pages))


@dataclass(frozen=True, slots=True)
class _End:
    """Where a page ended: how many records had been read by then, and the key of the last of them."""

    read: int
    key: object


class _Steady:
    """Notices that records were deleted while their pages were read."""

    def __init__(self, paging: ByPage | ByOffset, ask: Ask) -> None:
        self._paging = paging
        self._ask = ask
        self._total: int | None = None
        self._url = ""
        self._read = 0
        self._ends: list[_End] = []

    def note(self, sheet: Sheet) -> None:
        """One more page; raises SourceDown where the ERP has fewer records than it had at the page before."""
        paging = self._paging
        self._url = sheet.url
        if paging.total is not None:
            told = str(found(paging.total, sheet.body, "paging.total"))
            total = int(told) if told.isdecimal() else None
            if total is not None and self._total is not None and total < self._total:
                raise SourceDown(_moved(sheet.url))
            self._total = total
        self._read += len(sheet.records)
        if paging.recheck is not None:
            self._ends.append(_End(self._read, self._keys(sheet)[-1]))

    def stay(self, ahead: Ahead, *, cut: bool = False) -> None:
        """After the last page: raises SourceDown where another record stands where a page ended.

        Or where the pages ended with an empty one (`cut`) before there were as many records as the ERP has.
        """
        if cut and self._total is not None and self._read < self._total:
            raise SourceDown(_moved(self._url))
        ends = self._ends[:-1]
        sheets = ahead(partial(self._ask, self._only(end.read - 1)) for end in ends)
        for index, (end, sheet) in enumerate(zip(ends, sheets, strict=True)):
            if self._keys(sheet) == [end.key]:
                continue
            # An ERP that keeps to a size of its own has something else there: then the whole page, asked for as before, tells.
            if self._keys(self._ask(self._paging.turn(index)))[-1:] != [end.key]:
                raise SourceDown(_moved(sheet.url))

    def _only(self, index: int) -> Turn:
        """How to ask for the record with this index, from 0, alone."""
        return Turn({self._paging.parameter: self._paging.start + index, str(self._paging.size_parameter): 1})

    def _keys(self, sheet: Sheet) -> list[object]:
        recheck = self._paging.recheck
        return [] if recheck is None else [found(recheck, record, "paging.recheck") for record in sheet.records]


def _moved(url: str) -> str:
    return f"{url.partition('?')[0]}: records were deleted while its pages were read, so some may have been passed over; it is read again"


def _is_last(paging: ByPage | ByOffset, sheet: Sheet, *, full: int, index: int, known: int | None) -> bool:
    """Whether no page follows.

    Where the ERP does not say, a page shorter than the first one is the last, unless only an empty one is. The first one cannot be:
    an ERP that gives fewer records than asked for makes every page as short.
    """
    if paging.more is not None:
        return not truthy(found(paging.more, sheet.body, "paging.more"))
    if known is not None:
        return index + 1 >= known
    return paging.last == "short" and len(sheet.records) < full


def _nothing_between(paging: ByOffset, ask: Ask, after: int) -> None:
    """Raises SourceChanged where the ERP gives fewer records than asked for, so that the next offset would leap over some."""
    if ask(paging.after(after)).records:
        msg = f"pages have fewer than the {paging.size} records asked for, though more follow: set paging.size to what they have"
        raise SourceChanged(msg)


def _loop(sheet: Sheet, what: str) -> str:
    return f"{sheet.url.partition('?')[0]} {what}: its pages go round in a loop; check `paging` in sources.toml"


def _endless(pages: int) -> str:
    return f"there were more than {pages:,} pages (`paging.max_pages`): either they have no end, or `paging.size` is too small"
