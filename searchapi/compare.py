"""Two leaflets side by side: which facts and sections they tell differently, and which words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Indel

from leaflets import Facts, Passage, Section
from leaflets.names import ingredient, key
from leaflets.wording import Word, wording, words
from searchapi.passages import as_html
from searchapi.sentences import MARK_END, MARK_START

# Words of the one times words of the other: 0.05 s and 50 MB. Longer sections are compared line by line; the longest real leaflet has
# 49,000 words in all, its longest section 25,000.
MOST = 400_000_000
# Where less than so much of the shorter text is the same, a few same words in a row are chance, and are marked with those around them.
ALIKE, CHANCE = 0.5, 3


# What a comparison calls the facts of a leaflet.
Fact = Literal["name", "active_ingredients", "laboratory", "registration", "eans", "audience"]


@dataclass(frozen=True, slots=True)
class Telling:
    """What one leaflet tells in a section, as safe HTML in which the words that the other has not are marked."""

    title: str
    html: str


@dataclass(frozen=True, slots=True)
class Compared:
    """One section of two leaflets; None where a leaflet does not have it."""

    section: Section
    differs: bool
    a: Telling | None
    b: Telling | None


def sections(a: Mapping[Section, Passage], b: Mapping[Section, Passage]) -> tuple[Compared, ...]:
    """Every section that either leaflet has, in the order of the closed set. It differs where its wording does, however it is laid out."""
    return tuple(_section(section, a.get(section), b.get(section)) for section in Section if section in a or section in b)


def facts(a: Facts, b: Facts) -> tuple[Fact, ...]:
    """The facts that two leaflets tell differently, whatever their spelling; a registration is compared by its product's nine digits."""
    return tuple(name for name, one in _folded(a).items() if one != _folded(b)[name])


def _folded(told: Facts) -> dict[Fact, object]:
    return {
        "name": key(told.name),
        "active_ingredients": {ingredient(name) for name in told.active_ingredients},
        "laboratory": key(told.laboratory),
        "registration": told.registration[:9],
        "eans": set(told.eans),
        "audience": told.audience,
    }


def _section(section: Section, a: Passage | None, b: Passage | None) -> Compared:
    if a is None or b is None or wording(a.text) == wording(b.text):
        return Compared(section, a is None or b is None, _plain(a), _plain(b))
    mine, theirs = words(a.text), words(b.text)
    if len(mine) * len(theirs) > MOST:
        mine, theirs = _lines(a.text), _lines(b.text)
    own = _own(mine, theirs)
    return Compared(
        section,
        differs=True,
        a=Telling(a.title, _marked(a.text, mine, own.of_a)),
        b=Telling(b.title, _marked(b.text, theirs, own.of_b)),
    )


def _plain(passage: Passage | None) -> Telling | None:
    return Telling(passage.title, as_html(passage.text)) if passage else None


def _lines(text: str) -> tuple[Word, ...]:
    """The lines of a text, each as one word."""
    found, at = [], 0
    for line in text.split("\n"):
        if told := wording(line):
            found.append(Word(told, at, at + len(line)))
        at += len(line) + 1
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Own:
    """The places of the words that only the one and only the other has."""

    of_a: frozenset[int]
    of_b: frozenset[int]


def _own(a: Sequence[Word], b: Sequence[Word]) -> _Own:
    steps = Indel.opcodes([word.told for word in a], [word.told for word in b])
    same = sum(step.src_end - step.src_start for step in steps if step.tag == "equal")
    chance = CHANCE if same < ALIKE * min(len(a), len(b)) else 0
    own_a: set[int] = set()
    own_b: set[int] = set()
    for step in steps:
        if step.tag != "equal" or step.src_end - step.src_start < chance:
            own_a.update(range(step.src_start, step.src_end))
            own_b.update(range(step.dest_start, step.dest_end))
    return _Own(frozenset(own_a), frozenset(own_b))


def _marked(text: str, told: Sequence[Word], own: frozenset[int]) -> str:
    """The text with runs of its own words marked; a mark ends with its line."""
    parts: list[str] = []
    at = 0
    for place, word in enumerate(told):
        before = text[at : word.start]
        goes_on = place - 1 in own and place in own and "\n" not in before
        if place - 1 in own and not goes_on:
            parts.append(MARK_END)
        parts.append(before)
        if place in own and not goes_on:
            parts.append(MARK_START)
        parts.append(text[word.start : word.end])
        at = word.end
    if len(told) - 1 in own:
        parts.append(MARK_END)
    return as_html("".join(parts) + text[at:])
