"""Names in the index that could be taken for the one asked for (LASA), with the letters that tell them apart in capitals.

    Vocabulary, Listed (the customer's own pairs) -> LookAlikes -> Lookalike ...

Computed between our own names, by how they are spelt and how they sound; no licensed list is shipped. The contrast follows the CD3 rule:
from the left up to the first letter that differs, from the right likewise, and what lies between in capitals (Ministério da Saúde,
protocolo anexo à Portaria 2.095/2013).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from leaflets.labels import phrase, title
from leaflets.names import fold, ingredient, ingredients, phonetic_keys
from opensearch.synonyms import Synonyms
from searchapi.vocabulary import By, Drug, Vocabulary


class Alike(StrEnum):
    """Why a name could be taken for another: it is written or sounds like it, or the customer's list says so."""

    SPELLING = "spelling"
    PHONETIC = "phonetic"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A name like the one asked for; `mine` and `theirs` are both with the differing letters in capitals."""

    name: str
    mine: str
    theirs: str
    by: Alike


# Of 130 pairs said to be confused, many by class rather than by name, 72 are as alike as this: hidroxizina/hidralazina (0.85),
# losartana/valsartana (0.75), vincristina/vimblastina (0.71); omeprazol/pantoprazol (0.64) are not. Among all 10,000 names registered with
# ANVISA a name then has two others like it. Jaro-Winkler and common subsequences found no more of the pairs with as many warnings.
ALIKE = 0.7
# Short names that begin alike and have one rhythm are confused with less in common: Losec/Lasix (0.62) have been given for one another.
SHORT, SHORT_ALIKE, SHORT_RHYTHM = 6, 0.62, 0.79
# What first letters in common add at most: each of four a twentieth of what is missing.
FIRST_LETTERS, EACH = 4, 0.05
# Letters. Shorter names differ in every letter (the ISMP asks for five letters before anything is offered).
SHORTEST = 4
MOST = 5


class LookalikesRejected(Exception):
    """The customer's list has faults; nothing was started. Mend the lines named in the text."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The customer's own pairs, each both ways: from a name as it is compared to the others as they are written, told or muted."""

    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    muted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: str = ""


def listed(file: Path | None) -> Listed:
    """The pairs of a file, one a line: `name ; name` is told, `- name ; name` is not, whatever is computed; `#` begins a comment.

    Raises LookalikesRejected with every fault found in it. No file: no pairs.
    """
    if file is None:
        return Listed()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LookalikesRejected(f"{file}: cannot be read as UTF-8 text ({error}); save it as UTF-8") from error
    pairs: dict[frozenset[str], int] = {}
    found: dict[bool, dict[str, list[str]]] = {True: {}, False: {}}
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        pair = line.split("#", 1)[0].strip()
        if not pair:
            continue
        names = [name.strip() for name in pair.removeprefix("-").split(";")]
        folded = [compared(name) for name in names]
        both = frozenset(folded)
        if len(names) != 2 or not all(folded):
            faults.append(f"line {number} is no pair: write two names with one ';' between them, such as 'Losec ; Lasix'")
        elif len(both) == 1:
            faults.append(f"line {number} names one drug twice (salts, accents and capitals do not count): write the other name")
        elif both in pairs:
            faults.append(f"line {number}: this pair already stands in line {pairs[both]}: keep one of them")
        else:
            pairs[both] = number
            for mine, theirs in (folded, names[::-1]), (folded[::-1], names):
                found[not pair.startswith("-")].setdefault(mine[0], []).append(theirs[0])
    if faults:
        raise LookalikesRejected(f"{file.name}: " + "; ".join(faults))
    told, muted = ({mine: tuple(others) for mine, others in found[kind].items()} for kind in (True, False))
    return Listed(told, muted, hashlib.sha256(text.encode()).hexdigest()[:12])


@dataclass(frozen=True, slots=True)
class _Name:
    """A name as the index writes it, whole and as far as it is compared (folded, without salts), and what it is made of."""

    written: str
    whole: str
    compared: str
    made: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Near:
    """A name that may be alike, and how much it is at most."""

    name: str
    at_most: float


@dataclass(frozen=True, slots=True)
class _Alike:
    """Two names, and how alike they are."""

    mine: _Name
    theirs: _Name
    likeness: float


class LookAlikes:
    """The names of one state of the index, ready to be compared with any drug's; what was compared is kept."""

    def __init__(self, names: Vocabulary, synonyms: Synonyms, own: Listed) -> None:
        self._names = names
        self._synonyms = synonyms
        self._own = own
        # A drug by a number may be any number; of names there are fewer.
        self._kept = lru_cache(maxsize=10_000)(self._compared_with_all)
        known: dict[str, _Name] = {}
        for drug in (*names.drugs.values(), *(_combination(substances, names) for substances in names.combinations)):
            if drug.held and drug.by in {By.BRAND, By.ACTIVE_INGREDIENT}:
                name = self._name(drug)
                held = known.get(name.compared, name)
                shorter = min(held, name, key=lambda one: (len(one.written), one.written))
                known[name.compared] = replace(shorter, made=held.made | name.made)
        self._known = known
        self._compared = tuple(sorted(known))
        self._spelt = _Forms(self._compared)
        self._heard = _Forms([_rhythm(name) for name in self._compared])

    def of(self, drug: Drug, typed: str = "") -> tuple[Lookalike, ...]:
        """The names that could be taken for a drug's: the listed ones, then at most five computed, the most alike first.

        Where a synonym was `typed` it is compared too: who says "Lasix" may have read "Losec", whatever furosemida looks like.
        """
        return self._kept(drug, typed if drug.by is By.SYNONYM else "")

    def _compared_with_all(self, drug: Drug, typed: str) -> tuple[Lookalike, ...]:
        mine = self._name(drug)
        as_typed = compared(typed)
        asked = [mine, _Name(typed, as_typed, as_typed, mine.made)] if as_typed else [mine]
        own = {other: (name, written) for name in asked for other, written in _others(name, self._own.told)}
        muted = {other for name in asked for other, _ in _others(name, self._own.muted)}
        told = tuple(_lookalike(name, _Name(written, other, other), Alike.LIST) for other, (name, written) in own.items())
        return told + self._computed(asked, muted | own.keys())

    def _computed(self, asked: list[_Name], but: AbstractSet[str]) -> tuple[Lookalike, ...]:
        found: dict[str, _Alike] = {}
        for one in sorted((one for mine in asked for one in self._best(mine, but)), key=lambda one: (-one.likeness, one.theirs.compared)):
            found.setdefault(one.theirs.compared, one)
        return tuple(
            _lookalike(one.mine, one.theirs, _by(*_apart(one.mine.compared, one.theirs.compared))) for one in list(found.values())[:MOST]
        )

    def _best(self, mine: _Name, but: AbstractSet[str]) -> list[_Alike]:
        """The names most like one; those that come after five better ones need not all be there."""
        best: list[_Alike] = []
        for near in self._near(mine.compared):
            if len(best) >= MOST and sorted(one.likeness for one in best)[-MOST] > near.at_most:
                break
            theirs = self._known[near.name]
            likeness = _likeness(*_apart(mine.compared, near.name))
            if likeness and not {near.name, theirs.whole} & but and not _same_drug(mine, theirs):
                best.append(_Alike(mine, theirs, likeness))
        return best

    def _near(self, name: str) -> Iterator[_Near]:
        """The names that may be alike enough, best first, as `_likeness` weighs them but all at once: 10,000 one by one take 24 ms."""
        beginning = EACH * self._spelt.first_letters(name)
        least = (SHORT_ALIKE if len(name) <= SHORT else ALIKE) - 0.001
        # At most so alike by their letters and lengths: six in seven names need no comparing.
        alike = (self._spelt.at_most(name) + self._heard.at_most(_rhythm(name))) / 2
        rows = np.nonzero(alike + beginning * (1 - alike) >= least)[0]
        alike = (self._spelt.alike(name, rows) + self._heard.alike(_rhythm(name), rows)) / 2
        alike += beginning[rows] * (1 - alike)
        rows, alike = rows[alike >= least], alike[alike >= least]
        return (_Near(self._compared[rows[place]], float(alike[place]) + 0.001) for place in np.argsort(-alike, kind="stable"))

    def _name(self, drug: Drug) -> _Name:
        whole = compared(drug.name)
        first = whole.split(" ", 1)[0]
        brand = self._names.drug(first)
        # "Glifage XR" is heard as "Glifage": the brand, where its beginning alone stands for it.
        short = first if brand and brand.by is By.BRAND else whole
        # By a registration or EAN nothing is said of what it is made of; its name says it.
        named = drug if drug.names or drug.substances else self._names.drug(phrase(title(drug.name)))
        made = self._names.substances_of(named) if named else frozenset()
        return _Name(drug.name, whole, short, frozenset(self._synonyms.substance(substance) for substance in made))


class _Forms:
    """Words to be compared with one, all at once. `letters` has a bit for each letter: one slip changes at most two."""

    def __init__(self, forms: Sequence[str]) -> None:
        self._forms = np.array(forms, dtype=object)
        self._first = np.array([_first(form) for form in forms], dtype=np.uint32)
        self._letters = np.array([_letters(form) for form in forms], dtype=np.uint32)
        self._lengths = np.array([len(form) for form in forms], dtype=np.float32)

    def at_most(self, form: str) -> NDArray[np.float32]:
        """How alike each may be at most, from 0 to 1."""
        others = np.bitwise_count(self._letters ^ np.uint32(_letters(form)))
        slips = np.maximum(others / np.float32(2), np.abs(self._lengths - len(form)))
        return np.asarray(1 - slips / np.maximum(self._lengths, max(1, len(form))), dtype=np.float32)

    def first_letters(self, form: str) -> NDArray[np.float32]:
        """How many of the first four letters each shares with a form."""
        others = self._first ^ np.uint32(_first(form))
        return np.asarray(sum((others >> np.uint32(8 * place) == 0) for place in range(FIRST_LETTERS)), dtype=np.float32)

    def alike(self, form: str, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """How alike those of some rows are."""
        chosen = self._forms[rows].tolist()
        return np.asarray(process.cdist([form], chosen, scorer=OSA.normalized_similarity, dtype=np.float32)[0], dtype=np.float32)


def _first(form: str) -> int:
    """The first four letters, the first of them the highest byte."""
    return int.from_bytes(form[:FIRST_LETTERS].ljust(FIRST_LETTERS).encode("ascii", "replace"))


def _letters(form: str) -> int:
    bits = 0
    for letter in form:
        bits |= 1 << (ord(letter) - 97) if "a" <= letter <= "z" else 0
    return bits


def _others(name: _Name, pairs: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """The names that a list pairs with this one, each as it is compared and as it is written there."""
    for one in dict.fromkeys((name.whole, name.compared)):
        for written in pairs.get(one, ()):
            yield compared(written), written


def compared(name: str) -> str:
    """A name as it is compared: folded, without salts, forms and strengths; the parts of a combination in the order of the alphabet."""
    return phrase(" + ".join(sorted(ingredient(part) for part in ingredients(title(name)))))


def _combination(substances: frozenset[str], names: Vocabulary) -> Drug:
    ordered = tuple((substance,) for substance in sorted(substances))
    return Drug(" + ".join(names.substance(one) for one in ordered), By.ACTIVE_INGREDIENT, substances=ordered)


def _same_drug(mine: _Name, theirs: _Name) -> bool:
    """Whether one holds all that the other is made of; where nobody says of what, whether one name holds the other."""
    if mine.made and theirs.made:
        return mine.made <= theirs.made or theirs.made <= mine.made
    words, others = set(mine.whole.split()), set(theirs.whole.split())
    return words <= others or others <= words


def _likeness(name: str, other: str) -> float:
    """The mean of spelling and rhythm, and a little for each of the first letters that they share; 0 where that is not alike enough."""
    if min(len(name), len(other)) < SHORTEST:
        return 0
    spelling = OSA.normalized_similarity(name, other)
    sound = OSA.normalized_similarity(_rhythm(name), _rhythm(other))
    alike = (spelling + sound) / 2
    alike += EACH * min(FIRST_LETTERS, _shared(name, other)) * (1 - alike)
    short = max(len(name), len(other)) <= SHORT and name[0] == other[0] and sound >= SHORT_RHYTHM
    return alike if alike >= (SHORT_ALIKE if short else ALIKE) else 0


def _by(name: str, other: str) -> Alike:
    heard = OSA.normalized_similarity(_sound(name), _sound(other))
    return Alike.PHONETIC if heard > OSA.normalized_similarity(name, other) else Alike.SPELLING


def _apart(name: str, other: str) -> tuple[str, str]:
    """What tells two names apart: "ácido fólico" and "ácido folínico" are as alike as their second words."""
    mine, theirs = name.split(), other.split()
    own = " ".join(word for word in mine if word not in theirs)
    others = " ".join(word for word in theirs if word not in mine)
    return (own, others) if own and others else (name, other)


@lru_cache(maxsize=100_000)
def _sound(name: str) -> str:
    return " ".join((phonetic_keys(word) or (word,))[0] for word in name.split())


@lru_cache(maxsize=100_000)
def _rhythm(name: str) -> str:
    """How a name sounds, its vowels all one: they are what is heard worst."""
    return re.sub("[aeiou]", "a", _sound(name))


def _shared(name: str, other: str) -> int:
    """How many letters two words begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name, other, strict=False)))


def _lookalike(mine: _Name, theirs: _Name, by: Alike) -> Lookalike:
    return Lookalike(
        name=theirs.written,
        mine=_contrast(_accented(mine), mine.compared, theirs.compared),
        theirs=_contrast(_accented(theirs), theirs.compared, mine.compared),
        by=by,
    )


def _accented(name: _Name) -> str:
    """A name as far as it is compared, with the accents that the index writes."""
    written = {fold(word): word.lower() for word in re.findall(r"[^\W_]+", name.written)}
    accented = " ".join(written.get(word, word) for word in name.compared.split())
    return accented if len(accented) == len(name.compared) else name.compared


def _contrast(accented: str, name: str, other: str) -> str:
    """The name with the letters that the other has not in its place in capitals."""
    start = _shared(name, other)
    end = min(_shared(name[::-1], other[::-1]), min(len(name), len(other)) - start)
    if start + end == min(len(name), len(other)):
        # One name lies whole in the other ("prednisona", "prednisolona"): the letters beside the gap tell it.
        start, end = max(0, start - 1), max(0, end - 1)
    return accented[:start] + accented[start : len(name) - end].upper() + accented[len(name) - end :]
