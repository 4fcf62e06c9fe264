"""Which sentences of a section to show: whole ones, around the words that were asked for, best first. Pure.

Text comes with found words between two mark characters and leaves as HTML: escaped, with `<mark>` alone as markup.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from leaflets.names import fold
from searchapi.query import MARK_END, MARK_START

_MARKED = re.compile(f"{MARK_START}([^{MARK_END}]*){MARK_END}")
# A sentence ends at . ! ? ; or : before a blank and a capital, digit or bullet, and at every line's end. Not after an abbreviation
# ("Dr.", "p. ex.", "máx.") nor inside a number ("1.000 mg", "0,5 mg"): there no blank follows, or no capital.
_END = re.compile(r"(?<=[.!?])[ \t]+(?=[A-ZÀ-Ý0-9\"“(•\-–" + MARK_START + r"])|\n+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:dra?|sra?|prof|ex|p|m[áa]x|m[íi]n|aprox|vol|art|n[ºo°]?|reg|resp|farm|obs|ltda|s\.a|fig|tab|i\.v|i\.m|v\.o)\.$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its marks and the blank or line end before it."""

    text: str
    before: str

    @property
    def plain_length(self) -> int:
        """Characters shown."""
        return len(self.text) - self.text.count(MARK_START) - self.text.count(MARK_END)

    @property
    def words(self) -> frozenset[str]:
        """The different marked words, folded and cut to their stem's likely length."""
        return frozenset(fold(word)[:6] for word in _MARKED.findall(self.text))


@dataclass(frozen=True, slots=True)
class _Run:
    """Sentences that stand together, from `first` to `last`."""

    first: int
    last: int


def sentences(marked: str) -> tuple[Sentence, ...]:
    """The sentences of a text; together they are the text."""
    found: list[Sentence] = []
    start, before = 0, ""
    for end in _END.finditer(marked):
        text = marked[start : end.start()]
        if "\n" not in end.group() and _ABBREVIATION.search(text):
            continue
        if text.strip():
            found.append(Sentence(text.strip(), before))
        start, before = end.end(), "\n" if "\n" in end.group() else " "
    if marked[start:].strip():
        found.append(Sentence(marked[start:].strip(), before))
    return tuple(found)


def passage(marked: str, most: int) -> str:
    """The best run of whole sentences of at most `most` characters, as safe HTML; one longer sentence is cut between words."""
    told = sentences(marked)
    if not told:
        return ""
    run = _best_run(told, most)
    shown = "".join((s.before if i else "") + s.text for i, s in enumerate(told[run.first : run.last + 1]))
    cut = _cut(shown, most)
    return ("… " if run.first else "") + as_html(cut) + (" …" if run.last < len(told) - 1 or cut != shown else "")


def found_words(marked: str) -> int:
    """How many different words are marked in a text."""
    return len(frozenset(fold(word)[:6] for word in _MARKED.findall(marked)))


def as_html(marked: str) -> str:
    """A whole text as safe HTML."""
    return html.escape(marked, quote=True).replace(MARK_START, "<mark>").replace(MARK_END, "</mark>")


def _best_run(told: tuple[Sentence, ...], most: int) -> _Run:
    """The run that holds the most different words, then the most marked sentences, then the earliest; filled up to `most`."""
    best, best_worth = _Run(0, _reach(told, 0, most)), (0, 0)
    for at, sentence in enumerate(told):
        if not sentence.words:
            continue
        start = _opening(told, at, most // 2)
        last = _reach(told, start, most)
        run = told[start : last + 1]
        worth = (len(frozenset().union(*(s.words for s in run))), sum(bool(s.words) for s in run))
        if worth > best_worth:
            best, best_worth = _Run(start, last), worth
    return best


def _opening(told: tuple[Sentence, ...], at: int, most: int) -> int:
    """Where what a sentence says begins: its paragraph's first sentence, and the line that opens its list, if they are near enough.

    Never the paragraph before: what it says of adults would stand above what is said of children.
    """
    start, length = at, 0
    while start > 0 and (told[start].before == " " or told[start - 1].text.endswith(":")):
        length += told[start - 1].plain_length + 1
        if length > most:
            break
        start -= 1
    return start


def _reach(told: tuple[Sentence, ...], start: int, most: int) -> int:
    """The last sentence of a run from `start` that stays within `most` characters; at least `start` itself."""
    length, last = told[start].plain_length, start
    while last + 1 < len(told) and length + 1 + told[last + 1].plain_length <= most:
        last += 1
        length += 1 + told[last].plain_length
    return last


def _cut(shown: str, most: int) -> str:
    """At most about `most` characters, cut at a blank that stands outside marks and not between a number and its unit."""
    if len(shown) <= most + 2 * shown.count(MARK_START):
        return shown
    for blank in reversed([m.start() for m in re.finditer(r"(?<!\d) (?!\d)", shown[:most])]):
        if shown.rfind(MARK_START, 0, blank) <= shown.rfind(MARK_END, 0, blank):
            return shown[:blank]
    return shown
