"""The change-history table that ANVISA asks for at the end of a leaflet: found by its title, left where a leaflet begins again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from leaflets.layout import Line

# Measured on 1,155 leaflets: the table is 13 % of the text (one in ten: 31 %), and with it 207 of them looked like another kind.
_CHANGES = r"(?:altera|vers|revis|atualiza|submiss)\w*(?:\s+(?:d[aeo]s?|para|n[ao]|em|a|o)){0,2}"
_TITLE = rf"hist[oó]rico\s+d[aeo]s?\s+(?:{_CHANGES}\s+)?(?:texto\s+d[ae]\s+bula|bula|texto|folheto)"
_MAY_BEGIN = re.compile(r"\W*(?:dados|data|anexo)\b", re.IGNORECASE)
_BEGINS = re.compile(
    rf"\W*(?:anexo b\W*\s)?\W*(?:dados\s+(?:d[ae]\s+)?submiss[aã]o\s+eletr[oô]nica|data\s+d[eo]\s+expediente|{_TITLE})", re.IGNORECASE
)
# After the product's name, and then alone on its line.
_BEGINS_LATER = re.compile(rf"[^.;:]{{0,60}}\b{_TITLE}\w*\W*$", re.IGNORECASE)
# What such a table is full of and a leaflet is not.
_TRACE = re.compile(
    r"expediente|\brdc\b|notifica[cç]|\d{6,7}[/-]\d\d|peti[cç][aã]o|submiss|\bvps?\b|itens d[ea] bula|texto d[ea] bula|\bn/?a\b"
    r"|\d\d/\d\d/\d{4}|\b10\d{3}\b",
    re.IGNORECASE,
)
_LEAFLET_BEGINS = re.compile(
    r"\W*(?:[IVX]{1,3}\b\W*)?(?:identifica[cç][aã]o\s+d[oa]\s|(?:formas?\s+farmac[eê]uticas?\s+e\s+)?apresenta[cç])", re.IGNORECASE
)
# No leaflet begins with a numbered section; pages of the table do.
_QUOTED = re.compile(r"\W*\d")
# The stretch that is looked at to tell a leaflet from a table: so many lines, so many letters of each; and the length of full lines,
# on which half of it must stand (cells of the table are shorter).
_STRETCH = 45
_MOST = 500
_FULL = 45
# A page with fewer letters is looked at with the next.
_COVER = 250


@dataclass(frozen=True, slots=True)
class Cut:
    """A text without its history tables; the body begins anew, after a table, at the lines `resumes`."""

    body: tuple[Line, ...]
    history: tuple[Line, ...]
    resumes: frozenset[int]


def without_history(lines: Sequence[Line]) -> Cut:
    """The tables cut out; a file of several leaflets has several."""
    body: list[Line] = []
    history: list[Line] = []
    resumes: set[int] = set()
    inside = False
    for at, line in enumerate(lines):
        if not inside:
            inside = _table_begins(lines, at)
        elif _leaflet_begins(lines, at):
            inside = False
            resumes.add(len(body))
        (history if inside else body).append(line)
    return Cut(tuple(body), tuple(history), frozenset(resumes))


def _table_begins(lines: Sequence[Line], at: int) -> bool:
    line = lines[at].text
    if not ("ist" in line or "IST" in line or _MAY_BEGIN.match(line)):
        return False
    return bool(_BEGINS.match(" ".join(line.text[:100] for line in lines[at : at + 4])) or _BEGINS_LATER.match(line))


def _leaflet_begins(lines: Sequence[Line], at: int) -> bool:
    """Whether a page or a first heading stands here, and prose below it."""
    new = lines[at - 1].page != lines[at].page or _LEAFLET_BEGINS.match(lines[at].text)
    return bool(new) and not _QUOTED.match(lines[at].text) and not _table_begins(lines, at) and _is_prose(lines[at : at + _STRETCH])


def _is_prose(lines: Sequence[Line]) -> bool:
    """Whether the first page of `lines` is a leaflet's, or a cover before one."""
    first = [line for line in lines if line.page == lines[0].page]
    lines = first if sum(len(line.text) for line in first) >= _COVER else lines
    text = "\n".join(line.text[:_MOST] for line in lines)
    full = sum(len(line) for line in text.split("\n") if len(line) >= _FULL)
    return len(text) > 300 and full * 2 > len(text) and len(_TRACE.findall(text)) * 60 < len(text.split())
