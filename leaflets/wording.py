"""What a text says, apart from how it is laid out: its words, numbers and signs.

Two tellings of a section differ where their wording does. Blanks, capitals, bullets, the numbers of a list, quotes and kinds of dashes
are layout; every letter, accent, number, comma and sign is wording, because "0,5 mg" and "5 mg" are two doses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A word, number or sign as it is compared, and where it stands in its text."""

    told: str
    start: int
    end: int


_BULLETS = "•▪▫◦●○■□◆◇►▶➢➤✓✔‣⁃∙·*"
_QUOTES = "\"'“”„«»‘’´`"
_WORD = re.compile(rf"[^\W\d_]+|\d+(?:[.,]\d+)*|[^\s{_BULLETS}{_QUOTES}]")
# One sign each: dashes, and the two characters for "micro".
_SAME = {"–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "μ": "µ"}
# A dash before a number may be its sign.
_BULLET = re.compile(rf"^\s*(?:[{re.escape(_BULLETS)}]\s*|[-–—]\s+(?=\D))+", re.MULTILINE)
# "1. Lave as mãos": the number of a list, where the line before has ended; anywhere else "2." may be the end of "tome 2.", and "1.5" or
# "5" is never one.
_NUMBER = re.compile(r"(\A|[.:;!?][ \t]*\n)(\s*(?:\d{1,2}[.)]|[a-z]\))[ \t]+)(?=[^\W\d_])", re.IGNORECASE)


def wording(text: str) -> str:
    """Equal for two texts that say the same."""
    return " ".join(_WORD.findall(_plain(text).casefold()))


def words(text: str) -> tuple[Word, ...]:
    """The wording of a text, in its order, with its places."""
    return tuple(Word(found.group().casefold(), *found.span()) for found in _WORD.finditer(_plain(text)))


def _plain(text: str) -> str:
    """The text, each sign written one way, with blanks in the place of bullets and of the numbers of lists; as long as it was."""
    bare = _BULLET.sub(lambda found: _blank(found.group()), text)
    bare = _NUMBER.sub(lambda found: found[1] + _blank(found[2]), bare)
    for sign, same in _SAME.items():  # 12 times as fast as str.translate on text that is no ASCII
        bare = bare.replace(sign, same)
    return bare


def _blank(layout: str) -> str:
    return re.sub(r"[^\n]", " ", layout)
