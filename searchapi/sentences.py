"""A section's text as sentences, each with the lines that say what it speaks of. Pure.

    "Crianças" / "A dose é de 5 mL." / "Não use se tiver:" / "- asma;" / "- gota."

Here "Crianças" heads what follows, and "Não use se tiver:" opens the list: neither item means anything without it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import attrgetter

# Marks put around found words by the highlighter: two private-use characters, which no leaflet holds (leaflets.text takes them out).
MARK_START, MARK_END = "\ue000", "\ue001"

# A sentence ends at . ! or ? before a blank and a capital, digit or bullet, and at a line's end unless the next line goes on in small
# letters (a cell of a table, a broken line). Not after an abbreviation ("Dr.", "p. ex.", "máx.") nor inside a number ("1.000 mg"): there
# no blank follows, or no capital.
_END = re.compile(r"(?<=[.!?])[ \t]+(?=[A-ZÀ-Ý0-9\"“(•\-–])|\n+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:dra?|sra?|prof|ex|p|m[áa]x|m[íi]n|aprox|vol|art|n[ºo°]?|reg|resp|farm|obs|ltda|s\.a|fig|tab|i\.v|i\.m|v\.o|cols?|etc)\.$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"[a-zà-ý(≥≤<>%]")
_SMALL = re.compile(r"[a-zà-ý]")
_ENDED = re.compile(r"[.:;!?…][\"”)]*$")
_BULLET = re.compile(r"(?:[•\-–—*·►▪o]\s|\d{1,2}[.)\-]\s|[a-z]\)\s)")
_MARK = re.compile(f"[{MARK_START}{MARK_END}]")
# Sections whose sentences are kept: some 50 leaflets are asked about all day, for ten things each. Of those that answer in 811 real
# leaflets, 2.6 KB in the mean, so many take 9 MB.
_KEPT = 1000
# Characters. Joined lines longer than this are a table, not a sentence.
_LONGEST_JOINED = 300
_LONGEST_HEADING = 90
# Words. "Gravidez. Nos três primeiros meses ...": a first sentence so short names what its line speaks of.
_MOST_WORDS = 4


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence without marks, the blank or line end before it, and the place of the sentence that opens its list or heads it.

    `paragraph` is the place of the first sentence of its line. `said` is what it says with those that head it and open its list: "não é
    necessário ajuste" is said of the old and of the ill.
    """

    text: str
    before: str
    start: int
    paragraph: int
    opener: int | None
    heading: int | None
    is_heading: bool
    said: tuple[str, ...]

    @property
    def length(self) -> int:
        """Characters."""
        return len(self.text)

    @property
    def end(self) -> int:
        """Where it ends in its section."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Sentences:
    """The sentences of a section; together they are its text. `marked` are those with marks, as they are with them, by their places."""

    told: tuple[Sentence, ...]
    marked: Mapping[int, str]

    def text(self, at: int) -> str:
        """A sentence with its marks."""
        return self.marked.get(at) or self.told[at].text


def sentences(marked: str) -> Sentences:
    """The sentences of a text. Marks change none: a text is split once, whatever is looked for in it."""
    *before, last = _MARK.split(marked)
    if not before:
        return Sentences(_split(marked), {})
    # Where each mark stands in the text without marks.
    at = list(accumulate(map(len, before)))
    told = _split("".join((*before, last)))
    found: dict[int, str] = {}
    first = 0
    while told and first < len(at):
        place = max(0, bisect_right(told, at[first], key=attrgetter("start")) - 1)
        sentence = told[place]
        # Those beyond its end stand between two sentences, and mark nothing.
        after = bisect_right(at, sentence.end, first)
        found[place] = marked[sentence.start + first : sentence.end + after]
        first = max(after, first + 1)
    return Sentences(told, found)


@lru_cache(maxsize=_KEPT)
def _split(plain: str) -> tuple[Sentence, ...]:
    """The sentences of a text without marks."""
    pieces = _pieces(plain)
    found: list[Sentence] = []
    paragraph, opener, heading = 0, None, None
    for place, piece in enumerate(pieces):
        text, new_line = piece.text, piece.before != " "
        alone = new_line and (place + 1 == len(pieces) or pieces[place + 1].before == "\n")
        bullet = bool(_BULLET.match(text))
        is_heading = alone and not bullet and place + 1 < len(pieces) and _heads(text)
        if new_line:
            paragraph = place
            if is_heading or (opener is not None and not bullet and not _in_list(found[-1].text)):
                opener = None
            if opener is None and place and _SMALL.match(text):
                opener = place - 1  # "... os medicamentos listados a seguir." / "ciclosporina; danazol;"
        own: int | None = None if is_heading else heading
        said = tuple(pieces[one].text for one in (own, opener) if one is not None)
        found.append(Sentence(text, piece.before, piece.start, paragraph, opener, own, is_heading, (*said, text)))
        if text.endswith(":") or (new_line and not alone and text.count(" ") < _MOST_WORDS):
            opener = place
        if is_heading:
            heading = place
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence's text, where it starts, and what stands before it: nothing, a blank or a line's end."""

    text: str
    start: int
    before: str


def _pieces(plain: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    start, before = 0, ""
    for end in _END.finditer(plain):
        text = plain[start : end.start()].strip()
        if not text:
            start = end.end()
            continue
        if _goes_on(text, plain, end.end()) if "\n" in end.group() else _ABBREVIATION.search(text[-12:]):
            continue
        pieces.append(_piece(plain, start, end.start(), before))
        start, before = end.end(), "\n" if "\n" in end.group() else " "
    if plain[start:].strip():
        pieces.append(_piece(plain, start, len(plain), before))
    return pieces


def _piece(plain: str, start: int, end: int, before: str) -> _Piece:
    told = plain[start:end]
    return _Piece(told.strip(), start + len(told) - len(told.lstrip()), before)


def _goes_on(text: str, plain: str, at: int) -> bool:
    """Whether the line at `at` is the rest of a broken one."""
    if _ENDED.search(text) or len(text) >= _LONGEST_JOINED:
        return False
    return bool(_GOES_ON.match(plain, at)) and not _BULLET.match(plain, at)


def _heads(plain: str) -> bool:
    """Whether a line alone heads what follows it: "Crianças:" does, "Não use este medicamento se você tiver:" only opens its list."""
    if len(plain) > _LONGEST_HEADING or plain[-1:] in ".;,!" or not (plain[0].isupper() or plain[0].isdigit()):
        return False
    return plain[-1] != ":" or plain.count(" ") < _MOST_WORDS


def _in_list(last: str) -> bool:
    """Whether a list goes on after this line."""
    return last[-1:] in {":", ";", ","} or last.endswith((" e", " ou"))
