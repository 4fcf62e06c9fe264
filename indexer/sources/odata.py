"""OData as SAP's products speak it, versions 2 to 4: addresses, literals, a page's rows, and errors in the words of whoever refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import requests

from indexer.sources.base import SourceChanged, SourceRefused
from indexer.sources.erp import Row, by_key, listing, quoted
from indexer.sources.http import Answer

TOLD = frozenset({400, 403, 404, 405, 406, 409, 412, 422, 501})
"""Statuses whose bodies say more than they do; what may pass (429, any other 5xx) is left to the line."""

# "$" and what literals are made of stay as SAP's documentation writes them; a blank is %20, because not every server takes a + for one.
_PLAIN = "$,()'/:=*-."


def address(url: str, options: Mapping[str, str]) -> str:
    """An address with these options."""
    return url + "?" + "&".join(f"{quote(name, _PLAIN)}={quote(value, _PLAIN)}" for name, value in options.items())


def both(*clauses: str) -> str:
    """A $filter that all of these clauses must meet; those that are empty say nothing."""
    return " and ".join(clause for clause in clauses if clause)


def ascending(ask: Callable[[str], Sequence[Row]], key: str, where: str) -> Iterator[Sequence[Row]]:
    """Pages in the order of their keys, each asked for by the key that the one before ended with; `ask` takes that as a clause of $filter.

    Not by the links between pages: those count rows, so what is deleted meanwhile would move others past us. Raises SourceChanged where a
    server heeds no $filter.
    """

    def keyed(row: Row) -> str:
        if not isinstance(row.get(key), str) or not row[key]:
            msg = f"{where} gives products without {key}: check the key's name"
            raise SourceChanged(msg)
        return str(row[key])

    yield from by_key(lambda last: ask(f"{key} gt {quoted(last)}" if last else ""), keyed)


def rows(told: object, where: str) -> list[Row]:
    """A page's rows: in `value` (versions 3 and 4), `d.results` or `d` (version 2)."""
    match told:
        case {"value": found} | {"d": {"results": found}} | {"d": list() as found}:
            return listing(found, where, "rows")
    msg = f"{where} answered without rows: does it speak OData, and of the version that sources.toml says?"
    raise SourceChanged(msg)


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
