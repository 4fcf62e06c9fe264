"""OData as SAP's products speak it, versions 2 to 4: addresses, literals, a page's rows, and errors in the words of whoever refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote, urljoin

import requests

from indexer.sources.base import SourceChanged, SourceDown, SourceRefused
from indexer.sources.erp import Row, listing, quoted, standard
from indexer.sources.http import Answer, Expired
from indexer.sources.paging import Sheet

TOLD = frozenset({400, 403, 404, 405, 406, 409, 412, 422, 501})
"""Statuses whose bodies say more than they do; what may pass (429, any other 5xx) is left to the line."""

# "$" and what literals are made of stay as SAP's documentation writes them; a blank is %20, because not every server takes a + for one.
_PLAIN = "$,()'/:=*-."
_LINK = standard('"@odata.nextLink" || "odata.nextLink" || d."__next"')


def address(url: str, options: Mapping[str, str]) -> str:
    """An address with these options."""
    return url + "?" + "&".join(f"{quote(name, _PLAIN)}={quote(value, _PLAIN)}" for name, value in options.items())


def both(*clauses: str) -> str:
    """A $filter that all of these clauses must meet; those that are empty say nothing."""
    return " and ".join(clause for clause in clauses if clause)


@dataclass(frozen=True, slots=True)
class Asker:
    """How a list is asked for: `where` a clause of $filter holds, or at the `address` that the page before named.

    `linked` says that the server names the next page wherever there is one, so that one which names none is the last.
    """

    where: Callable[[str], Sheet]
    address: Callable[[str], Sheet]
    linked: bool


def ascending(ask: Asker, key: str) -> Iterator[Sequence[Row]]:
    """Pages in the order of their keys, each asked for by the key that the one before ended with, until one is empty.

    Not by the links between pages: those count rows, so what is deleted meanwhile moves others past us. Only where a server refuses or
    does not heed that clause are they followed; then SourceDown is raised where a page, asked for once more, ends otherwise than before.
    """

    def keys(sheet: Sheet) -> list[str]:
        found = [row.get(key) if isinstance(row, dict) else None for row in sheet.records]
        if not all(isinstance(one, str) and one for one in found):
            msg = f"{_bare(sheet)} gives products without {key}: check the key's name"
            raise SourceChanged(msg)
        return [str(one) for one in found]

    asked = ""
    ends: set[str] = set()
    sheet = ask.where(asked)
    while sheet.records:
        if keys(sheet)[-1] in ends:
            msg = f"{_bare(sheet)} ends a page where another did: its pages go round in a loop"
            raise SourceChanged(msg)
        ends.add(keys(sheet)[-1])
        clause = f"{key} gt {quoted(keys(sheet)[-1])}"
        yield _rows(sheet)
        following = _after(ask, clause, sheet, keys)
        if following is None:
            yield from _linked(ask, partial(ask.where, asked), sheet, keys)
            return
        asked, sheet = clause, following


def _after(ask: Asker, clause: str, sheet: Sheet, keys: Callable[[Sheet], list[str]]) -> Sheet | None:
    """The page after this one by its keys; None where the server refuses or does not heed that and names pages itself."""
    named = sheet.link is not None or ask.linked
    try:
        following = ask.where(clause)
    except Expired:
        raise
    except SourceRefused:
        if not named:
            raise
        return None
    return None if named and following.records and keys(following) == keys(sheet) else following


def _linked(ask: Asker, again: Callable[[], Sheet], sheet: Sheet, keys: Callable[[Sheet], list[str]]) -> Iterator[Sequence[Row]]:
    """The pages after this one, which `again` asks for, by their links; all but the last are asked for twice."""
    links: set[str] = set()
    ends: list[_End] = []
    while sheet.link is not None:
        if sheet.link in links:
            msg = f"{_bare(sheet)} names as the next page one that was read already: its pages go round in a loop"
            raise SourceChanged(msg)
        links.add(sheet.link)
        ends.append(_End(again, keys(sheet)[-1:]))
        again = partial(ask.address, sheet.link)
        sheet = again()
        keys(sheet)
        yield _rows(sheet)
    for end in ends:
        if keys(end.again())[-1:] != end.keys:
            msg = f"{_bare(sheet)}: rows were deleted while its pages were read, so some may have been passed over; it is read again"
            raise SourceDown(msg)


@dataclass(frozen=True, slots=True)
class _End:
    """How a page is asked for, and the key of its last row."""

    again: Callable[[], Sheet]
    keys: list[str]


def _bare(sheet: Sheet) -> str:
    return sheet.url.partition("?")[0]


def _rows(sheet: Sheet) -> list[Row]:
    return [row for row in sheet.records if isinstance(row, dict)]


def page(answer: Answer) -> Sheet:
    """A page: its rows, in `value` (versions 3 and 4), `d.results` or `d` (version 2), and the next one's address."""
    told = answer.json()
    match told:
        case {"value": found} | {"d": {"results": found}} | {"d": list() as found}:
            records = listing(found, answer.bare, "rows")
        case _:
            msg = f"{answer.bare} answered without rows: does it speak OData, and of the version that sources.toml says?"
            raise SourceChanged(msg)
    link = _LINK.search(told)
    return Sheet(answer.url, None, tuple(records), urljoin(answer.url, str(link)) if link else None)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error in the server's words. Its code is a number in some versions and a text in others; here it is a text."""

    code: str
    message: str


def problem(answer: Answer) -> Problem | None:
    """The error that an answer is, if it is one and says so in JSON."""
    if answer.body.lstrip()[:1] != b"{":
        return None
    match answer.json():
        case {"error": {"message": {"value": message}} as error} | {"error": {"message": message} as error}:
            return Problem(str(error.get("code", "")).strip(), str(message).strip())
        case {"error": str() as message}:
            return Problem("", message)
    return None


def refusal(answer: Answer, error: Problem | None, advice: str) -> SourceRefused:
    """What to raise for an answer of a status of TOLD."""
    msg = f"{answer.bare} answered {answer.status}"
    if error is not None:
        msg += f" with the error {error.code or 'without a code'}: {error.message[:300]}"
    if answer.status == requests.codes.forbidden:
        return SourceRefused(f"{msg}; {advice}; or our credentials may not read this")
    return SourceRefused(f"{msg}; {advice}")
