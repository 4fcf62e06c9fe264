"""Every name in the index, ready to be looked up: what a word or phrase of a question may name.

    Named (a leaflet's names) ... -> Vocabulary -> Drug

Built whole from one state of the index and never changed; a newer state makes a newer vocabulary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from leaflets.names import ingredient, ingredients, key, phonetic_keys, words
from opensearch.synonyms import Synonyms

# Words. A bound on the work: whoever knows more of a name than this has named it.
LONGEST_PHRASE = 8


class By(StrEnum):
    """How a drug was named."""

    REGISTRATION = "registration"
    EAN = "ean"
    BRAND = "brand"
    ACTIVE_INGREDIENT = "active_ingredient"
    SYNONYM = "synonym"


@dataclass(frozen=True, slots=True)
class Drug:
    """A drug asked for, and what picks its leaflets out.

    By `registration` (9 digits) or `ean`; else the products whose folded name is in `names` and those that hold all `substances`. All
    empty: a name we know of which the index holds no leaflet.
    """

    name: str
    by: By
    names: tuple[str, ...] = ()
    substances: tuple[str, ...] = ()
    registration: str = ""
    ean: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """The names of one indexed leaflet."""

    name: str
    active_ingredients: tuple[str, ...]
    ingredient_keys: tuple[str, ...]
    registration: str
    eans: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The names of one state of the index (`stamp`)."""

    stamp: str
    generation: str
    drugs: Mapping[str, Drug]
    registrations: Mapping[str, str]
    eans: Mapping[str, str]
    combinations: frozenset[frozenset[str]]
    # Single words that names are made of, to correct spelling: the word, and the name that it stands for.
    name_words: Mapping[str, str]
    sounds: Mapping[str, tuple[str, ...]]
    # From a product's folded name to its substances.
    made_of: Mapping[str, frozenset[str]]

    def drug(self, phrase: str) -> Drug | None:
        """The drug that a folded phrase names exactly."""
        return self.drugs.get(phrase)

    def name_of(self, word: str) -> str:
        """The name that a word of `name_words` stands for, as the index writes it: "clavulanato" -> "clavulanato"."""
        phrase = self.name_words[word]
        drug = self.drugs[phrase]
        return phrase if drug.by is By.SYNONYM else drug.name

    @cached_property
    def single_names(self) -> tuple[str, ...]:
        """Names of one word that the index holds leaflets of, in the order of the alphabet."""
        return tuple(sorted(name for name, drug in self.drugs.items() if " " not in name and (drug.names or drug.substances)))

    def same_drug(self, name: str, other: str) -> bool:
        """Whether two names lead to leaflets of the same substances: a brand and its substance are no look-alikes."""
        return bool(self._substances_of(name) & self._substances_of(other))

    def _substances_of(self, name: str) -> frozenset[str]:
        drug = self.drugs[name]
        return frozenset(drug.substances).union(*(self.made_of.get(product, frozenset()) for product in drug.names))

    def combination(self, substances: Iterable[str]) -> bool:
        """Whether some product holds all these substances."""
        wanted = frozenset(substances)
        return any(wanted <= held for held in self.combinations)


def vocabulary(leaflets: Iterable[Named], synonyms: Synonyms, *, stamp: str, generation: str) -> Vocabulary:
    """The vocabulary of these leaflets' names, with the synonyms of [names]."""
    named = tuple(leaflets)
    drugs = _substances(named)
    brands = _brands(named)
    # A product called by its substance whose ERP and text do not say of what it is made looks like a brand: it is found by both.
    both = {name: replace(drugs[name], names=brands[name].names) for name in drugs.keys() & brands.keys()}
    known = {**brands, **drugs, **both}
    drugs = {**_synonyms(synonyms, known), **known}
    name_words = _name_words(drugs)
    sounds: dict[str, list[str]] = defaultdict(list)
    for word in name_words:
        for sound in phonetic_keys(word):
            sounds[sound].append(word)
    return Vocabulary(
        stamp=stamp,
        generation=generation,
        drugs=drugs,
        registrations={n.registration[:9]: n.name for n in named if n.registration},
        eans={ean: n.name for n in named for ean in n.eans},
        combinations=frozenset(frozenset(n.ingredient_keys) for n in named if len(n.ingredient_keys) > 1),
        name_words=name_words,
        sounds={sound: tuple(found) for sound, found in sounds.items()},
        made_of={key(n.name): frozenset(n.ingredient_keys) for n in named},
    )


def _substances(named: tuple[Named, ...]) -> dict[str, Drug]:
    """By substance, with and without its salt."""
    drugs: dict[str, Drug] = {}
    for leaflet in named:
        for written in leaflet.active_ingredients:
            bare = ingredient(written)
            if bare:
                drug = Drug(_as_written(bare, written), By.ACTIVE_INGREDIENT, substances=(bare,))
                drugs.setdefault(bare, drug)
                drugs.setdefault(key(written), drugs[bare])
    return drugs


def _as_written(bare: str, written: str) -> str:
    """The accents of a name without its salt: "Ácido Acetilsalicílico" -> "ácido acetilsalicílico"."""
    accented = {key(word): word.strip(",.;()").lower() for word in written.split()}
    return " ".join(accented.get(word, word) for word in bare.split())


def _brands(named: tuple[Named, ...]) -> dict[str, Drug]:
    """By brand: the whole name, and its beginning where other products share it ("Glifage" for "Glifage XR")."""
    brands: dict[str, str] = {}
    for leaflet in named:
        folded = key(leaflet.name)
        if folded and not _is_generic(leaflet):
            brands.setdefault(folded, leaflet.name)
    beginnings: dict[str, list[str]] = defaultdict(list)
    for folded in brands:
        parts = folded.split()
        for length in range(1, len(parts) + 1):
            beginnings[" ".join(parts[:length])].append(folded)
    return {
        beginning: Drug(brands.get(beginning, _beginning(brands[names[0]], beginning)), By.BRAND, names=tuple(sorted(names)))
        for beginning, names in beginnings.items()
        if beginning in brands or _says_enough(beginning)
    }


def _is_generic(leaflet: Named) -> bool:
    """Whether a product is called by its substances, whatever their order and salts."""
    called = {ingredient(part) for part in ingredients(leaflet.name)}
    return bool(leaflet.ingredient_keys) and called <= set(leaflet.ingredient_keys)


def _beginning(name: str, folded: str) -> str:
    return " ".join(name.split()[: len(folded.split())])


# First words that many names share and that name no drug alone.
_SAY_NOTHING = frozenset(
    """acido agua alcool associacao bromidrato calcio cloreto cloridrato complexo composto comprimido creme dicloridrato elixir extrato
    fator fosfato fumarato gel hidroxido insulina maleato mesilato nitrato oleo oxido pomada polivitaminico sal sais solucao soro succinato
    sulfato suspensao tartarato vacina vitamina xarope carbonato bicarbonato citrato gliconato besilato bissulfato hemifumarato
    hemitartarato acetato""".split()
)


def _says_enough(beginning: str) -> bool:
    """Whether the beginning of a brand may stand for it: one letter or "vacina" may not."""
    first, *_ = beginning.split()
    return len(first) > 3 and first not in _SAY_NOTHING and not first.isdigit()


def _synonyms(synonyms: Synonyms, known: Mapping[str, Drug]) -> dict[str, Drug]:
    """By a name that the boxes do not carry. One whose target the index does not hold is still known to be a drug's name."""
    found: dict[str, Drug] = {}
    for word, others in synonyms.names.items():
        held = next((known[other] for other in others if other in known), None)
        parts = next((parts for other in others if (parts := _substances_of(other, known))), ())
        drug = (
            Drug(held.name, By.SYNONYM, held.names, held.substances)
            if held
            else Drug(" + ".join(parts) or others[0], By.SYNONYM, (), parts)
        )
        found.setdefault(word, drug)
        for other in others:
            # What a synonym stands for names its drug outright; unless nobody holds it, it is in the vocabulary as such.
            found.setdefault(other, replace(drug, by=By.ACTIVE_INGREDIENT))
    return found


def _substances_of(phrase: str, known: Mapping[str, Drug]) -> tuple[str, ...]:
    """The substances of a phrase such as "amoxicilina clavulanato", where each of its words names one; else none."""
    drugs = [known.get(word) for word in phrase.split()]
    return tuple(s for drug in drugs if drug for s in drug.substances) if all(drugs) else ()


def _name_words(drugs: Mapping[str, Drug]) -> dict[str, str]:
    """The words by which a misspelt name can be found, each with a name that it begins or is."""
    found: dict[str, str] = {}
    for phrase in sorted(drugs, key=lambda p: (len(p.split()), p)):
        for word in words(phrase):
            if len(word) > 3 and word not in _SAY_NOTHING and not any(c.isdigit() for c in word):
                found.setdefault(word, phrase)
    return found
