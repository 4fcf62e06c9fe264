"""How a leaflet's text lies on its pages: lines, what is printed on every page, and the paragraphs that the lines once were."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from leaflets.text import bare


@dataclass(frozen=True, slots=True)
class Line:
    """A printed line; `apart` where a blank line or the edge of a page stands before it."""

    text: str
    page: int
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Print:
    """A text's lines in order, without its furniture: headers, footers and page numbers, each as often as it was printed."""

    lines: tuple[Line, ...]
    furniture: tuple[str, ...]


def printed(text: str) -> Print:
    """The lines of clean text whose pages are separated by form feeds."""
    pages = [[line.strip() for line in page.split("\n")] for page in text.split("\f")]
    furniture = _furniture(pages)
    lines: list[Line] = []
    dropped: list[str] = []
    for number, page in enumerate(pages):
        apart = True
        for place, line in enumerate(page):
            if (number, place) in furniture:
                dropped.append(line)
            elif line:
                lines.append(Line(line, number, apart))
                apart = False
            else:
                apart = True
    return Print(tuple(lines), tuple(dropped))


# --- furniture ----------------------------------------------------------------------------------------------------------------------

# Real headers have up to six lines (an address), real footers up to four.
_EDGE = 6
# On fewer pages than this, and than one page in four, a line at the edge may be text.
_OFTEN = 3
_PAGE_OF = re.compile(r"\bp[aá]g(?:ina)?s?\.?\s*:?\s*\d{1,3}(?:\s*(?:de|/)\s*\d{1,3})?|\b\d{1,3}\s*(?:de|/)\s*\d{1,3}$", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")
_ONLY_A_NUMBER = re.compile(r"[\W_]*\d{1,3}[\W_]*")
_LETTERS = re.compile(r"[^\W\d_]")
# Repeated on every page of the table, and needed to find it.
_NEVER = re.compile(r"dados\s+d|hist[oó]rico", re.IGNORECASE)


def _furniture(pages: Sequence[Sequence[str]]) -> set[tuple[int, int]]:
    """The places (page, line) of what is printed at the edge of page after page, from the edge inward."""
    edges = [edge for number, page in enumerate(pages) for edge in _edges(number, page)]
    often = Counter(key for edge in edges for key in {key for _, key in edge})
    enough = max(_OFTEN, len(pages) / 4)
    found: set[tuple[int, int]] = set()
    for edge in edges:
        for place, key in edge:
            if often[key] < enough or not key:
                break
            found.add(place)
    return found


_Edge = list[tuple[tuple[int, int], str]]


def _edges(number: int, page: Sequence[str]) -> tuple[_Edge, _Edge]:
    """The first and the last lines of a page, each from the edge inward, with what they share with those of other pages."""
    filled = [place for place, line in enumerate(page) if line]
    return _keyed(number, page, filled[:_EDGE], "top"), _keyed(number, page, filled[::-1][:_EDGE], "bottom")


def _keyed(number: int, page: Sequence[str], places: Sequence[int], edge: str) -> _Edge:
    keyed: _Edge = []
    numbered = False
    for place in places:
        key = _key(page[place], number + 1)
        # One page number an edge: a second bare number is a table's.
        if key == "#":
            key, numbered = ("" if numbered else "#"), True
        keyed.append(((number, place), f"{edge} {key}" if key else ""))
    return keyed


def _key(line: str, page: int) -> str:
    """What a header says on whatever page; empty for what is never one."""
    if _NEVER.match(line) or len(line) > 300:
        return ""
    if _ONLY_A_NUMBER.fullmatch(line):
        return "#"
    shared = _PAGE_OF.sub("#", line)
    return _NUMBER.sub(lambda n: "#" if abs(int(n[0][:9]) - page) <= 1 and len(n[0]) < 4 else n[0], shared).casefold()


# --- paragraphs ---------------------------------------------------------------------------------------------------------------------

_ITEMS = "•●○▪■□◦∙·➢➔►✓✔*+–—-o"
_ITEM = re.compile(rf"(?:[{re.escape(_ITEMS[:-1])}]|o(?=\s[A-ZÀ-Ý])|\(?(?:\d{{1,2}}|[a-z])[.)](?!\d))(?!\w)")
_ROW = re.compile(r"\.{4,}|…{2,}|\s\|\s|_{4,}")
_LEADER = re.compile(r" ?[.…](?: ?[.…]){5,} ?")
_ENDS = re.compile(r"[.!?:;…][\"”’')\]]*$")
_GOES_ON = re.compile(r"[a-zà-ÿ(%,;.)\d/+=<>≤≥]")
_LONGEST_WORD = 30
# Narrower than any column a leaflet is printed in.
_NARROWEST = 40
_NEVER_FULL = 1_000_000_000
_HYPHENATED = re.compile(r"([^\W\d_]{2,})-$")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Measure:
    """What a text's lines say of each other: the length of full ones, and, where words are broken, those that are whole (bare)."""

    width: int
    words: frozenset[str]


def measure(lines: Sequence[Line]) -> Measure:
    """Nine in ten lines are not longer than full ones, and full ones stop anywhere: where they end in a full stop, nobody broke them."""
    lengths = sorted(len(line.text) for line in lines)
    width = max(lengths[len(lengths) * 9 // 10], _NARROWEST) if lengths else _NARROWEST
    full = [line.text for line in lines if len(line.text) >= width * 0.8]
    stopping = sum(bool(_ENDS.search(text, len(text) - 3)) for text in full)
    broken = any(line.text.endswith("-") and _HYPHENATED.search(line.text[-_LONGEST_WORD:]) for line in lines)
    words = frozenset(_WORD.findall(bare("\n".join([line.text for line in lines])))) if broken else frozenset()
    return Measure(width if stopping * 5 < len(full) * 3 else _NEVER_FULL, words)


def paragraphs(lines: Sequence[Line], sizes: Measure) -> str:
    """The text of the lines, each paragraph, list item and table row on one line, sentences whole.

    A line goes on in the next where the next one's first word had no place left in it and nothing ended. A hyphen at the end of a
    line goes only where the leaflet writes the word without it elsewhere.
    """
    whole: list[list[str]] = []
    for before, line in zip((None, *lines), lines, strict=False):
        if before is not None and (start := _broken(before, line)):
            whole[-1][-1] = whole[-1][-1][: -_lost(start, line, sizes.words) or None]
            whole[-1].append(line.text)
        elif before is not None and _continues(before, line, sizes.width):
            whole[-1].append(f" {line.text}")
        else:
            whole.append([line.text])
    text = "\n".join(["".join(parts) for parts in whole])
    return _LEADER.sub(" ..... ", text) if "....." in text or "…" in text or ". . ." in text else text


def _continues(before: Line, line: Line, width: int) -> bool:
    """Whether `line` is the rest of the paragraph that `before` is in."""
    if len(before.text) < width * 0.6 - _LONGEST_WORD or len(before.text) == 1:
        return before.text in _ITEMS
    reach = (len(before.text) + 1 + len(line.text.split(" ", 1)[0])) / width
    goes_on = bool(_GOES_ON.match(line.text))
    if _ENDS.search(before.text, len(before.text) - 3):
        same = not line.apart and reach > 1 and before.text[-1] not in ":;"
    elif line.apart:
        same = goes_on and reach > 0.85
    else:
        same = reach > (0.6 if goes_on else 0.85)
    return same and not (_ITEM.match(line.text) or _ROW.search(before.text) or _ROW.search(line.text))


def _broken(before: Line, line: Line) -> str:
    """The beginning of a word that `before` ends in and `line` goes on with; empty where none is broken."""
    if before.text[-1] != "-" or not line.text[0].islower():
        return ""
    found = _HYPHENATED.search(before.text[-_LONGEST_WORD:])
    return found[1] if found else ""


def _lost(start: str, line: Line, words: frozenset[str]) -> int:
    """How many letters go from the end of a broken line: its hyphen, where the leaflet has the word without it elsewhere."""
    found = _WORD.match(line.text[:_LONGEST_WORD])
    rest = found[0] if found else ""
    return int(bare(start + rest) in words and bare(f"{start}-{rest}") not in words)
