"""A section's text as sentences, each with the lines that say what it speaks of. Pure.

    "Crianças" / "A dose é de 5 mL." / "Não use se tiver:" / "- asma;" / "- gota."

Here "Crianças" heads what follows, and "Não use se tiver:" opens the list: neither item means anything without it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Marks put around found words by the highlighter: two private-use characters, which no leaflet holds (leaflets.text takes them out).
MARK_START, MARK_END = "\ue000", "\ue001"

# A sentence ends at . ! or ? before a blank and a capital, digit or bullet, and at a line's end unless the next line goes on in small
# letters (a cell of a table, a broken line). Not after an abbreviation ("Dr.", "p. ex.", "máx.") nor inside a number ("1.000 mg"): there
# no blank follows, or no capital.
_MARKS = MARK_START + MARK_END
_END = re.compile(rf"(?<=[.!?])[{MARK_END}]?[ \t]+(?=[{MARK_START}]?[A-ZÀ-Ý0-9\"“(•\-–])|\n+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:dra?|sra?|prof|ex|p|m[áa]x|m[íi]n|aprox|vol|art|n[ºo°]?|reg|resp|farm|obs|ltda|s\.a|fig|tab|i\.v|i\.m|v\.o|cols?|etc)\.$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(rf"[{_MARKS}]*[a-zà-ý(≥≤<>%]")
_SMALL = re.compile(rf"[{_MARKS}]*[a-zà-ý]")
_ENDED = re.compile(rf"[.:;!?…][\"”)]*[{_MARKS}]*$")
_BULLET = re.compile(rf"[{_MARKS}]*(?:[•\-–—*·►▪o]\s|\d{{1,2}}[.)\-]\s|[a-z]\)\s)")
# Characters. Joined lines longer than this are a table, not a sentence.
_LONGEST_JOINED = 300
_LONGEST_HEADING = 90
# Words. "Gravidez. Nos três primeiros meses ...": a first sentence so short names what its line speaks of.
_MOST_WORDS = 4


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its marks, the blank or line end before it, and the place of the sentence that opens its list or heads it.

    `paragraph` is the place of the first sentence of its line.
    """

    text: str
    before: str
    length: int
    paragraph: int
    opener: int | None
    heading: int | None
    is_heading: bool


def sentences(marked: str) -> tuple[Sentence, ...]:
    """The sentences of a text; together they are the text."""
    pieces = _pieces(marked)
    found: list[Sentence] = []
    paragraph, opener, heading = 0, None, None
    for place, (text, before) in enumerate(pieces):
        plain = text.replace(MARK_START, "").replace(MARK_END, "")
        new_line = before != " "
        alone = new_line and (place + 1 == len(pieces) or pieces[place + 1][1] == "\n")
        bullet = bool(_BULLET.match(text))
        is_heading = alone and not bullet and place + 1 < len(pieces) and _heads(plain)
        if new_line:
            paragraph = place
            if is_heading or (opener is not None and not bullet and not _in_list(found[-1].text)):
                opener = None
            if opener is None and place and _SMALL.match(text):
                opener = place - 1  # "... os medicamentos listados a seguir." / "ciclosporina; danazol;"
        found.append(Sentence(text, before, len(plain), paragraph, opener, None if is_heading else heading, is_heading))
        if plain.endswith(":") or (new_line and not alone and plain.count(" ") < _MOST_WORDS):
            opener = place
        if is_heading:
            heading = place
    return tuple(found)


def _pieces(marked: str) -> list[tuple[str, str]]:
    """Each sentence's text and what stands before it: nothing, a blank or a line's end."""
    pieces: list[tuple[str, str]] = []
    start, before = 0, ""
    for end in _END.finditer(marked):
        text = marked[start : end.start()].strip()
        if not text:
            start = end.end()
            continue
        if _goes_on(text, marked, end.end()) if "\n" in end.group() else _ABBREVIATION.search(text[-12:]):
            continue
        pieces.append((text, before))
        start, before = end.end(), "\n" if "\n" in end.group() else " "
    if marked[start:].strip():
        pieces.append((marked[start:].strip(), before))
    return pieces


def _goes_on(text: str, marked: str, at: int) -> bool:
    """Whether the line at `at` is the rest of a broken one."""
    if _ENDED.search(text) or len(text) >= _LONGEST_JOINED:
        return False
    return bool(_GOES_ON.match(marked, at)) and not _BULLET.match(marked, at)


def _heads(plain: str) -> bool:
    """Whether a line alone heads what follows it: "Crianças:" does, "Não use este medicamento se você tiver:" only opens its list."""
    if len(plain) > _LONGEST_HEADING or plain[-1:] in ".;,!" or not (plain[0].isupper() or plain[0].isdigit()):
        return False
    return plain[-1] != ":" or plain.count(" ") < _MOST_WORDS


def _in_list(last: str) -> bool:
    """Whether a list goes on after this line."""
    return last.rstrip(_MARKS)[-1:] in {":", ";", ","} or last.endswith((" e", " ou"))
