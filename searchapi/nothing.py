"""What a question can do without: which of its words must be found, and what may be asked instead where nothing was. Pure.

    Understanding -> must_stand() -> the words that decide what is found      (where no drug was recognised; rarity() orders it)
    Understanding -> smaller()    -> smaller questions, the nearest first     (the index is asked which of them find something)

No smaller question leaves out a drug that was named; nor, where a section is asked for, a word that may name a drug we do not know.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from leaflets.labels import Kind, Token, form_of, tokens
from searchapi.ordinary import everyday_words
from searchapi.query import Filters
from searchapi.understand import Understanding
from searchapi.vocabulary import By, Vocabulary

# Words left out of one question, one after another. What asks with fewer than half of its words asks something else.
MOST_LEFT_OUT = 3


class Instead(StrEnum):
    """Why a smaller question is offered: what of the question it keeps."""

    WITHOUT_FILTERS = "without_filters"
    WITHOUT_RAREST_WORD = "without_rarest_word"
    SECTION_ALONE = "section_alone"
    DRUG_ALONE = "drug_alone"


@dataclass(frozen=True, slots=True)
class Smaller:
    """A question to be asked without any filter, and how many products it finds once the index was asked."""

    why: Instead
    query: str
    total: int = 0


def must_stand(rest: tuple[str, ...], held: Mapping[str, int], names: Vocabulary) -> tuple[str, ...]:
    """The words without which a leaflet is no answer, where no drug was recognised; the others only rank.

    A drug that nobody here knows may be among them: its name is said first, or is rarer in leaflets (`held`: how many hold each word) than
    what is asked of it, or is no word of the language; and it is none of the words that are said every day. Over 36 callers' questions
    and 811 leaflets, 0.71 of the first five products are indicated for what was asked; where every word must stand, 0.60.
    """
    telling = [word for word in rest if not form_of(word) and not word.isdigit()]
    names_one = [word for word in telling if word not in everyday_words()] or telling or list(rest)
    if not names_one:
        return ()
    rarest = min(names_one, key=lambda word: held.get(word, 0))
    return tuple(word for word in names_one if word in {names_one[0], rarest} or word not in names.ordinary)


def rarity(held: Mapping[str, int], leaflets: int) -> dict[str, float]:
    """How much each word tells: all (1) where few leaflets hold it, an eighth where most do. In eighths, so that scores stay exact."""
    most = math.log(leaflets + 1)
    return {word: max(1, round(8 * math.log((leaflets + 1) / (count + 1)) / most)) / 8 for word, count in held.items() if most}


def smaller(meant: Understanding, filters: Filters, held: Mapping[str, int], names: Vocabulary) -> tuple[Smaller, ...]:
    """Smaller questions for one that found nothing, the nearest to it first. Whoever offers one asks the index what it finds."""
    found = [Smaller(Instead.WITHOUT_FILTERS, meant.text)] if filters != Filters() else []
    if meant.drug or not _asked_of_a_stranger(meant, held, names):
        found += [Smaller(Instead.WITHOUT_RAREST_WORD, query) for query in _without_rarest(meant, held, names)]
        found.append(Smaller(Instead.SECTION_ALONE, _section_alone(meant)))
    found += [Smaller(Instead.DRUG_ALONE, query) for query in _drug_alone(meant)]
    once: dict[str, Smaller] = {}
    for one in found:
        once.setdefault(one.query, one)
    return tuple(one for query, one in once.items() if query)


def keeps_the_drug(less: Understanding, meant: Understanding) -> bool:
    """Whether a smaller question asks for the drug that was named; of one named by a number, for the name beside it."""
    if less.suggestions:
        return False
    numbers = {By.REGISTRATION, By.EAN}
    beside = meant.drug and less.drug and meant.drug.by in numbers and less.drug.by not in numbers
    return bool(beside) or less.drug == meant.drug


def _asked_of_a_stranger(meant: Understanding, held: Mapping[str, int], names: Vocabulary) -> bool:
    """Whether a section is asked of a word that neither the language nor any leaflet knows: a drug, as like as not."""
    return meant.asked.section is not None and any(word not in names.ordinary and not held.get(word) for word in meant.rest)


def _section_alone(meant: Understanding) -> str:
    """The drug and the words that ask for the section, without the others; empty where there are no others."""
    asking = {*meant.asked.spent, *meant.asked.hints, *meant.asked.things}
    if meant.section is None or not asking or set(meant.rest) <= asking:
        return ""
    asked = _typed((token for token in tokens(meant.text) if token.word in asking), meant.text)
    return f"{meant.drug.name} {asked}" if meant.drug else asked


def _without_rarest(meant: Understanding, held: Mapping[str, int], names: Vocabulary) -> tuple[str, ...]:
    """The question without its rarest word, then without its two rarest, and so on, as long as half of its words stay.

    Of equally rare ones first those that the language does not know. None beside a drug: there all words only rank.
    """
    if meant.drug:
        return ()
    rarest = sorted(meant.rest, key=lambda word: (held.get(word, 0), word in names.ordinary))
    most = min(MOST_LEFT_OUT, len(rarest) // 2)
    return tuple(_without(meant.text, frozenset(rarest[:count])) for count in range(1, most + 1))


def _drug_alone(meant: Understanding) -> tuple[str, ...]:
    """The drug and nothing else; of one named by a number, what else the question names."""
    if meant.drug is None:
        return ()
    number = meant.drug.registration or meant.drug.ean
    # Of a number that nobody holds, the drug's name is the number as it was typed.
    beside = " ".join(meant.text.replace(meant.drug.name, " ").split()) if number else ""
    return (number or meant.drug.name, beside)


def _without(text: str, words: frozenset[str]) -> str:
    """A question without some words and the "de", "com" that lead to them."""
    kept: list[Token] = []
    for token in tokens(text):
        if token.word not in words:
            kept.append(token)
            continue
        while kept and _leads(kept[-1]):
            kept.pop()
    while kept and _leads(kept[0]):
        kept.pop(0)
    return _typed(kept, text)


def _leads(token: Token) -> bool:
    return token.kind is Kind.JOINT or token.word in _LEADING


_LEADING = frozenset("a ao com contra da das de do dos e em na nas no nos o os para pra por que sem".split())


def _typed(kept: Iterable[Token], text: str) -> str:
    return " ".join(text[token.start : token.end] for token in kept)
