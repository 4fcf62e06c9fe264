"""What a question means: which drug, which section, which dose, and the words that are left to look for. Pure.

    text -> read() -> Reading -> (the index says which doubtful words are ordinary) -> understood() -> Understanding

The drug comes first: registration, EAN, brand, active ingredient, synonym. A word that is no name and no ordinary word of leaflets is
taken for a broken name and gives suggestions; it never silently becomes another drug.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from leaflets import Section
from leaflets.doses import doses
from leaflets.identity import eans
from leaflets.names import fold, words
from opensearch.mapping import STOP_WORDS
from searchapi import sections
from searchapi.spelling import Near, Why, near
from searchapi.vocabulary import LONGEST_PHRASE, By, Drug, Vocabulary

# Words of a question that no passage answers by holding them.
_NOISE = frozenset(STOP_WORDS) | frozenset(
    """com sem ate bula remedio remedios medicamento medicamentos medicacao pode podem posso devo deve preciso quero saber informacao
    informacoes sobre qual quais quanto quanta quantos quantas quando onde porque tomar tomando toma usar usando usa uso dar fazer
    paciente pacientes cliente favor produto fica ficar tenho esta estou mg ml mcg g ui vezes dia""".split()
)
_SALT_WORDS = re.compile(r"(?:mono|di|tri|hemi|sesqui)?-?h?idratad[oa]|(?:di|mono)?s[o]dic[oa]|potassic[oa]|calcic[oa]|magnesic[oa]")
_REGISTRATION = re.compile(r"(?<!\d)1[.\s]?\d{4}[.\s]?\d{4}(?:[.\s]?\d{3}[-.\s]?\d)?(?!\d)")
_EAN = re.compile(r"(?<!\d)\d{8}(?:\d{4,6})?(?!\d)")
_DOSE = re.compile(r"\d+(?:[.,]\d+)*\s*(?:mg|mcg|µg|g|ml|ui|%)\b(?:\s*/\s*(?:\d+(?:[.,]\d+)?\s*)?(?:ml|g|dose|comprimido))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A word that may be a broken name, and the names it is near."""

    word: str
    names: tuple[Near, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A name that may have been meant, and the question with it in its place."""

    name: str
    why: Why
    query: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A question read against the vocabulary, before the index is asked anything."""

    text: str
    drug: Drug | None
    section: Section | None
    doses: tuple[str, ...]
    rest: tuple[str, ...]
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True, slots=True)
class Understanding:
    """What is searched for. Where `suggestions` stand, the drug asked for is not known and nothing is searched."""

    text: str
    drug: Drug | None
    section: Section | None
    doses: tuple[str, ...]
    rest: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class _Mention:
    """A drug's name in the question: the words from `start` up to `end`."""

    drug: Drug
    start: int
    end: int


def read(text: str, names: Vocabulary) -> Reading:
    """A question's drug, section and doses, and the words that may be broken names."""
    numbered = _numbered(text, names)
    plain = _DOSE.sub(" ", _EAN.sub(" ", _REGISTRATION.sub(" ", text)) if numbered else text)
    tokens = words(plain)
    mentions = _mentions(tokens, names)
    drug = numbered or _drug(mentions, names)
    left = _unspent(tokens, mentions, drug)
    asked = sections.asked(" ".join(left))
    section = asked.section if asked else None
    if section is None and len(mentions) > 1 and drug and len(drug.substances) < 2:
        section = Section.INTERACTIONS  # one drug with another, and no word on what is asked of them
    rest = _without(left, asked.spent if asked else ())
    doubts = () if drug else tuple(Doubt(w, found) for w in rest if w not in _NOISE and (found := near(w, names)))
    return Reading(text, drug, section, doses(text), tuple(w for w in rest if w not in _NOISE), doubts)


def understood(reading: Reading, ordinary: frozenset[str], names: Vocabulary) -> Understanding:
    """The reading, with its doubts settled: words in `ordinary` are words of leaflets, the others are broken names."""
    broken = [doubt for doubt in reading.doubts if doubt.word not in ordinary]
    suggestions = tuple(suggestion for doubt in broken[:1] for suggestion in _suggestions(reading.text, doubt, names))
    return Understanding(reading.text, reading.drug, reading.section, reading.doses, reading.rest, suggestions)


def typed(text: str, names: Vocabulary) -> tuple[Suggestion, ...]:
    """Names for what has been typed so far: its last word may be unfinished."""
    tokens = words(text)
    if not tokens:
        return ()
    return _suggestions(text, Doubt(tokens[-1], near(tokens[-1], names, typing=True)), names)


def nearest(meant: Understanding, name: str) -> Suggestion:
    """The suggestion of a name that the index found near one of the words that were asked."""
    begun = next((word for word in meant.rest if any(part.startswith(word) for part in words(name))), None)
    word = begun or meant.rest[-1]
    return Suggestion(name, Why.PREFIX if begun else Why.PHONETIC, _replaced(meant.text, word, name))


def _numbered(text: str, names: Vocabulary) -> Drug | None:
    """The drug of a registration or EAN in the question. A number that the index does not hold names a drug that we do not hold."""
    for found in _EAN.findall(text):
        if found in names.eans or (len(found) == 13 and eans(found)):
            return Drug(names.eans.get(found, found), By.EAN, ean=found)
    for found in _REGISTRATION.findall(text):
        digits = re.sub(r"\D", "", found)[:9]
        return Drug(names.registrations.get(digits, found.strip()), By.REGISTRATION, registration=digits)
    return None


def _mentions(tokens: tuple[str, ...], names: Vocabulary) -> tuple[_Mention, ...]:
    """Every name in the question, the longest first wherever two begin at one word."""
    mentions = []
    start = 0
    while start < len(tokens):
        for end in range(min(len(tokens), start + LONGEST_PHRASE), start, -1):
            drug = names.drug(" ".join(tokens[start:end]))
            if drug:
                mentions.append(_Mention(drug, start, end))
                start = end - 1
                break
        start += 1
    return tuple(mentions)


def _drug(mentions: tuple[_Mention, ...], names: Vocabulary) -> Drug | None:
    """The drug asked for: the combination that holds all that was named, else what was named first."""
    if not mentions:
        return None
    first = mentions[0].drug
    substances = tuple(dict.fromkeys(s for m in mentions for s in m.drug.substances))
    if len(substances) > len(first.substances) and all(m.drug.substances for m in mentions) and names.combination(substances):
        return Drug(" + ".join(dict.fromkeys(m.drug.name for m in mentions)), first.by, substances=substances)
    return first


def _unspent(tokens: tuple[str, ...], mentions: tuple[_Mention, ...], drug: Drug | None) -> tuple[str, ...]:
    """The words that do not name the drug. Another drug that was named stays: it is looked for in the text."""
    spent: set[int] = set()
    for mention in mentions:
        if drug and (mention.drug == drug or set(mention.drug.substances) & set(drug.substances)):
            spent.update(range(mention.start, mention.end))
    after = {m.end for m in mentions}
    return tuple(t for i, t in enumerate(tokens) if i not in spent and not (i in after and _SALT_WORDS.fullmatch(t)))


def _without(left: tuple[str, ...], spent: tuple[str, ...]) -> tuple[str, ...]:
    rest = list(left)
    for word in spent:
        rest.remove(word)
    return tuple(rest)


def _suggestions(text: str, doubt: Doubt, names: Vocabulary) -> tuple[Suggestion, ...]:
    """The names that the doubtful word is near, each once, with the question that has the name in its place."""
    found: dict[str, Suggestion] = {}
    for one in doubt.names:
        name = names.name_of(one.word)
        found.setdefault(name, Suggestion(name, one.why, _replaced(text, doubt.word, name)))
    return tuple(found.values())


def _replaced(text: str, word: str, name: str) -> str:
    """The text with the first word that folds to `word` replaced."""
    for found in re.finditer(r"[^\W_]+", text):
        if fold(found.group()) == word:
            return text[: found.start()] + name + text[found.end() :]
    return name
