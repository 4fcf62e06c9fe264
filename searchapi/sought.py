"""What to look for in the text of a leaflet: the question's things, each with the words that leaflets have for it. Pure.

OpenSearch marks the words it found, with its own stems and synonyms; here each marked word finds the thing that it was marked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from leaflets import Section
from leaflets.labels import form_of
from leaflets.names import fold, words
from opensearch.mapping import STOP_WORDS
from opensearch.synonyms import Synonyms
from searchapi.ordinary import everyday_words
from searchapi.sections import Asked
from searchapi.understand import Understanding

# What hints at the passage counts less than what was asked about; so does a number, which stands in many places. A word that everybody
# says tells next to nothing.
HINT = 0.5
EVERYDAY = 0.2
# Words. The longest phrase of synonyms.txt.
_LONGEST_PHRASE = 5
_STOPS = frozenset(STOP_WORDS)
# Letters.
_LONG_ENOUGH = 5
_VERB_ENDING = re.compile("(?:[aei]r|ou|ei|iu|[aei]ndo)$")
_DANGERS = (Section.CONTRAINDICATIONS, Section.WARNINGS, Section.INTERACTIONS)
# What callers say around what they ask: nobody looks in a leaflet for it.
_TALK = frozenset(
    """alo apareceu apareceram atendimento avo bula ce cliente clientes coloquei comprei consulta doutor doutora duvida esposa esposo
    ficando hein irma irmao ligando mae marido medica moca moco namorada namorado oi ok oque orientacao orientar pai perguntando
    perguntou pq pro pros prum pruma querendo receitou recomenda remedinho ruim senhor senhora senhores sentindo sogra sogro sr sra ta tb
    tbm tia tio tomada tomado tomam tomava tomei tomo tomou usei usou vc vcs vizinha vizinho vo vovo""".split()
)


class Asks(Enum):
    """What kind of words an answer has."""

    NUMBER = 1
    TIME = 2
    WHETHER = 3


_ASKS = {
    Asks.TIME: re.compile(
        r"\b(?:quant[oa]s? (?:\w+ )?(?:tempo|dias?|horas?|meses|semanas?|minutos?|anos?)|validade|vale|dura\w*|demora|leva|intervalo|prazo"
        r"|em quant[oa]s?|depois de|apos|tempo|meia vida|atras\w+|ate quando)\b"
    ),
    Asks.NUMBER: re.compile(
        r"\b(?:quant[oa]s?|doses?|dosagem|posologia|maxim[oa]s?|minim[oa]s?|gotas?|clearance|ajust\w+|kg|concentracao|temperatura|idade"
        r"|dilu\w+|velocidade)\b"
    ),
    Asks.WHETHER: re.compile(
        r"\b(?:pode\w*|posso|da p(?:a)?ra|deve\w*|precisa|tem problema|faz mal|tem risco|e seguro|proibid\w+|contraindicad\w+|libera\w*)\b"
    ),
}


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing asked about: its words, folded, as they were typed, and all words by which a leaflet may tell it.

    `weight`: what hints at the passage counts less than what was asked about. `must_be_stated`: a leaflet's silence on it is told.
    """

    words: tuple[str, ...]
    typed: str
    wordings: frozenset[str]
    weight: float
    must_be_stated: bool

    @property
    def name(self) -> str:
        """What tells it from the question's other things."""
        return " ".join(self.words)

    def share(self, told: set[str]) -> float:
        """How much of it is told by these of its wordings: words of its own phrase may stand apart, those of a synonym never do."""
        if not told <= set(self.words):
            return 1.0
        return 1.0 if len(told) == len(self.words) else 0.4


@dataclass(frozen=True, slots=True)
class Found:
    """A thing, by its place, and the wording by which it was found."""

    thing: int
    wording: str


@dataclass(frozen=True)
class Sought:
    """All that is looked for. `text` is what OpenSearch is asked to mark; `apart` are the words of its phrases, each alone."""

    things: tuple[Thing, ...] = ()
    asks: frozenset[Asks] = frozenset()
    text: str = ""
    apart: str = ""
    _known: dict[str, frozenset[Found]] = field(default_factory=dict, compare=False, repr=False)

    def marked_for(self, marked_word: str) -> frozenset[Found]:
        """Which things a marked word was marked for: those whose words begin most like it."""
        found = self._known.get(marked_word)
        if found is None:
            likest = [_likest(words(marked_word), thing) for thing in self.things]
            best = max((one.alike for one in likest), default=0.0)
            found = frozenset(Found(i, one.wording) for i, one in enumerate(likest) if best and one.alike == best)
            self._known[marked_word] = found
        return found

    def shares(self, marked_words: Iterable[str]) -> dict[int, float]:
        """How much of each thing some marked words tell: all of it, or of a phrase some words alone."""
        told: dict[int, set[str]] = {}
        for word in marked_words:
            for found in self.marked_for(word):
                told.setdefault(found.thing, set()).add(found.wording)
        return {i: self.things[i].share(wordings) for i, wordings in told.items()}


def begins(word: str) -> str:
    """What all forms of a folded word begin with, without the letters that endings take; empty for short words, which have none to spare.

    So is told what the stemmer splits: "mastigar" and "mastigado", "nascer" and "nascimento", "giardia" and "giardíase".
    """
    verb = _VERB_ENDING.sub("", word)
    if verb != word:
        return word[: max(len(verb), 3)]
    return word[: max(len(word) - 3, min(len(word) - 1, 5))] if len(word) >= _LONG_ENOUGH else ""


def sought(meant: Understanding, synonyms: Synonyms) -> Sought:
    """What to look for: the words of a question that are neither the drug's name nor noise, and those that hint at the passage."""
    asked = meant.asked
    words_ = asked.words or meant.rest
    mended = dict(zip(asked.typed, asked.words, strict=True))
    rest = frozenset(mended.get(word, word) for word in meant.rest)
    kept = _kept(words_, (rest - _TALK) | (frozenset(asked.hints) - _STOPS))
    phrases = synonyms.phrases
    # Two words of one rule are one thing: "beber cerveja".
    things: dict[tuple[str, ...], Thing] = {}
    at = 0
    while at < len(kept):
        lengths = range(min(_LONGEST_PHRASE, len(kept) - at), 0, -1)
        length = next((n for n in lengths if " ".join(words_[i] for i in kept[at : at + n]) in phrases), 1)
        places = kept[at : at + length]
        phrase = tuple(words_[i] for i in places)
        at += length
        if not all(word in _STOPS for word in phrase):
            others = phrases.get(" ".join(phrase), ())
            typed = _typed([(asked.typed or words_)[i] for i in places], meant.text)
            things[others or phrase] = _thing(phrase, typed, others, meant)
    question = " ".join(words_)
    return Sought(
        things=tuple(things.values()),
        asks=_asks(question, meant.section),
        text=" ".join(words_[i] for i in kept),
        apart=" ".join(word for thing in things.values() if len(thing.words) > 1 for word in thing.words),
    )


def _asks(question: str, section: Section | None) -> frozenset[Asks]:
    """What kind of answer is asked for. Who asks of a danger asks whether: "com cerveja" is "posso tomar com cerveja"."""
    asks = {asks for asks, pattern in _ASKS.items() if pattern.search(question)}
    if section in _DANGERS:
        asks.add(Asks.WHETHER)
    return frozenset(asks - {Asks.NUMBER} if Asks.TIME in asks else asks)


def _thing(phrase: Sequence[str], typed: str, others: Sequence[str], meant: Understanding) -> Thing:
    named = tuple(word for word in phrase if word not in _STOPS)
    wordings = frozenset(word for words_ in (phrase, *(other.split() for other in others)) for word in words_ if word not in _STOPS)
    weight = max(_weight(word, meant.asked, known=bool(others)) for word in named)
    return Thing(named, typed, wordings, weight, must_be_stated=bool(meant.drug) and weight == 1.0)


def _weight(word: str, asked: Asked, *, known: bool) -> float:
    """How much a word tells of what is asked; `known`: it stands in synonyms.txt."""
    if word.isdigit() or word in asked.hints:
        return HINT
    if word in asked.things or known:
        return 1.0
    if form_of(word):
        return HINT
    return EVERYDAY if word in everyday_words() else 1.0


def _typed(phrase: Sequence[str], question: str) -> str:
    """A folded phrase as the attendant typed it."""
    places = [(fold(found.group()), found.start(), found.end()) for found in re.finditer(r"[^\W_]+", question)]
    for first in range(len(places) - len(phrase) + 1):
        if all(place[0] == word for place, word in zip(places[first:], phrase, strict=False)):
            return question[places[first][1] : places[first + len(phrase) - 1][2]]
    return " ".join(phrase)


def _kept(question: Sequence[str], wanted: frozenset[str]) -> tuple[int, ...]:
    """The places of the wanted words, and of the stop words between two of them: "dor de cabeça" is one phrase."""
    kept: list[int] = []
    between: list[int] = []
    for place, word in enumerate(question):
        if word in wanted:
            kept += [*between, place]
            between = []
        elif kept and word in _STOPS:
            between.append(place)
        else:
            between = []
    return tuple(kept)


@dataclass(frozen=True, slots=True)
class _Likest:
    alike: float
    wording: str


def _likest(parts: Sequence[str], thing: Thing) -> _Likest:
    """The wording of a thing that begins most like one of some words; of equals the question's own."""
    wordings = sorted(thing.wordings, key=lambda wording: (wording not in thing.words, wording))
    likest = _Likest(0.0, "")
    for part in parts:
        for wording in wordings:
            alike = _begin_alike(part, wording)
            if alike > likest.alike:
                likest = _Likest(alike, wording)
    return likest


def _begin_alike(one: str, other: str) -> float:
    """How much of two words their common beginning is; 0 below what the stemmer leaves of a word."""
    shared = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        shared += 1
    return shared / max(len(one), len(other)) if shared >= min(3, len(one) - 1, len(other) - 1) else 0.0
