"""Every name in the index, ready to be looked up: what a word or phrase of a question may name.

    Named (a leaflet's names) ... -> Vocabulary -> Drug

Built whole from one state of the index and never changed; a newer state makes a newer vocabulary. Names are phrases as
`leaflets.labels.phrase` makes them: folded, without "de", "e", "com", "+".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from leaflets.labels import Kind, form_of, phrase, title, tokens
from leaflets.names import ingredient, ingredients, is_salt, key, salts_beginning
from opensearch.names import Named
from opensearch.synonyms import Synonyms
from searchapi.spelling import Lexicon, lexicon

# Words. A bound on the work: whoever knows more of a name than this has named it.
LONGEST_PHRASE = 8
# Letters. Shorter names joined or parted are other words.
SHORTEST_JOINED = 6

# All folded keys under which the sources hold one substance: ("acido acetilsalicilico", "aas").
Substance = tuple[str, ...]


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
    substances: tuple[Substance, ...] = ()
    registration: str = ""
    ean: str = ""

    @property
    def held(self) -> bool:
        """Whether the index may hold leaflets of it."""
        return bool(self.names or self.substances or self.registration or self.ean)


@dataclass(frozen=True)
class Vocabulary:
    """The names of one state of the index (`stamp`)."""

    stamp: str
    generation: str
    drugs: Mapping[str, Drug]
    # From a name written as one word to its phrase: "acidofolico", and "buscopan" for who writes "busco pan".
    joined: Mapping[str, str]
    registrations: Mapping[str, str]
    eans: Mapping[str, str]
    # The substances of each product that has several.
    combinations: frozenset[frozenset[str]]
    # Names of one substance that a synonym vouches for: whoever writes one is offered the name that the boxes carry.
    same_names: frozenset[str]
    # Single words that names are made of, to correct spelling, and for each the phrases that hold it, the shortest first.
    lexicon: Lexicon
    phrases_with: Mapping[str, tuple[str, ...]]
    # From a first word that names nothing alone ("insulina") to the names that begin with it, in the order of the alphabet.
    families: Mapping[str, tuple[str, ...]]
    # From a word of a laboratory's name to the names that hold it, as the index writes them.
    laboratories: Mapping[str, tuple[str, ...]]
    # From a product's folded name to its substances.
    made_of: Mapping[str, frozenset[str]]
    # Words of the language: a name that is one too ("cálcio", "leite") names a drug only where nothing else does.
    ordinary: frozenset[str]

    def drug(self, words: str) -> Drug | None:
        """The drug that a phrase names exactly."""
        return self.drugs.get(words)

    def name_of(self, words: str) -> str:
        """A phrase as the index writes it."""
        drug = self.drugs[words]
        return words if drug.by is By.SYNONYM and words not in self.same_names else drug.name

    @cached_property
    def single_names(self) -> tuple[str, ...]:
        """Names of one word that the index holds leaflets of, in the order of the alphabet."""
        return tuple(sorted(name for name, drug in self.drugs.items() if " " not in name and drug.held))

    def same_drug(self, name: str, other: str) -> bool:
        """Whether two names lead to leaflets of the same substances: a brand and its substance are no look-alikes."""
        return bool(self.substances_of(self.drugs[name]) & self.substances_of(self.drugs[other]))

    def substances_of(self, drug: Drug) -> frozenset[str]:
        """The keys of all substances of a drug's products."""
        told = {one for substance in drug.substances for one in substance}
        return frozenset(told).union(*(self.made_of.get(product, frozenset()) for product in drug.names))

    def substance(self, keys: Substance) -> str:
        """A substance as the index writes it."""
        known = (self.drugs.get(phrase(one)) for one in keys)
        return next((drug.name for drug in known if drug and drug.by is By.ACTIVE_INGREDIENT), keys[0])

    def combination(self, substances: Iterable[Substance]) -> bool:
        """Whether some product holds all these substances."""
        wanted = [set(substance) for substance in substances]
        return any(all(substance & held for substance in wanted) for held in self.combinations)


def vocabulary(
    leaflets: Iterable[Named], synonyms: Synonyms, *, stamp: str, generation: str, ordinary: frozenset[str] = frozenset()
) -> Vocabulary:
    """The vocabulary of these leaflets' names, with the synonyms of [names]."""
    named = tuple(leaflets)
    same = _same_substances(named, synonyms)
    drugs = _substances(named, same, ordinary)
    brands = _brands(named, ordinary)
    # A product called by its substance whose ERP and text do not say of what it is made looks like a brand: it is found by both.
    both = {name: replace(drugs[name], names=brands[name].names) for name in drugs.keys() & brands.keys()}
    known = {**brands, **drugs, **both}
    drugs = {**_synonyms(synonyms, known), **known}
    phrases_with = _phrases_with(drugs)
    carried = Counter(word for n in named for word in {w for told in (n.name, *n.active_ingredients) for w in phrase(told).split()})
    return Vocabulary(
        stamp=stamp,
        generation=generation,
        drugs=drugs,
        joined={written: words for words in sorted(drugs, reverse=True) if len(written := words.replace(" ", "")) >= SHORTEST_JOINED},
        registrations={n.registration[:9]: n.name for n in named if n.registration},
        eans={ean: n.name for n in named for ean in n.eans},
        combinations=frozenset(frozenset(n.ingredient_keys) for n in named if len(n.ingredient_keys) > 1),
        same_names=frozenset(phrase(word) for rule in synonyms.rules if rule.one_substance for word in rule.left),
        lexicon=lexicon({word: carried[word] for word in phrases_with}),
        phrases_with=phrases_with,
        families=_families(drugs),
        laboratories=_laboratories(named, drugs),
        made_of={key(n.name): frozenset(one for k in n.ingredient_keys for one in same.get(k, (k,))) for n in named},
        ordinary=ordinary,
    )


def _same_substances(named: tuple[Named, ...], synonyms: Synonyms) -> dict[str, Substance]:
    """From each key to all under which the sources hold one substance, by another name or another spelling ("nifedipina", "nifedipino")."""
    held = {one for leaflet in named for one in leaflet.ingredient_keys}
    vouched = {word for rule in synonyms.rules if rule.one_substance for word in rule.left}
    keys: dict[str, list[str]] = defaultdict(list)
    for one in sorted(held | vouched):
        keys[synonyms.substance(one)].append(one)
    return {one: tuple(found) for found in keys.values() if len(found) > 1 for one in found}


def _substances(named: tuple[Named, ...], same: Mapping[str, Substance], ordinary: frozenset[str]) -> dict[str, Drug]:
    """By substance, with and without its salt; and by the word that tells it, for all that hold it: "olmesartana" for "... medoxomila"."""
    drugs = {
        words: Drug(words, By.ACTIVE_INGREDIENT, substances=(tuple(sorted(keys)),)) for words, keys in _telling_parts(named, same, ordinary)
    }
    for leaflet in named:
        for written in leaflet.active_ingredients:
            bare = ingredient(written)
            if bare:
                drug = Drug(_as_written(bare, written), By.ACTIVE_INGREDIENT, substances=(same.get(bare, (bare,)),))
                held = drugs.get(phrase(bare))
                # The word alone stands for more, under the name that sources print.
                drug = replace(held, name=drug.name) if held and phrase(held.name) == phrase(bare) else held or drug
                drugs[phrase(bare)] = drug
                drugs.setdefault(phrase(written), drug)
                # "AAS (ácido acetilsalicílico)": what stands in brackets is another name of it.
                for other in _in_brackets(written):
                    drugs.setdefault(phrase(other), drug)
    return drugs


def _telling_parts(named: tuple[Named, ...], same: Mapping[str, Substance], ordinary: frozenset[str]) -> Iterator[tuple[str, set[str]]]:
    """Parts of substances' names that tell them from all others, and the keys that hold each, where these are more than the part."""
    holding: dict[str, set[str]] = defaultdict(set)
    for one in {one for leaflet in named for one in leaflet.ingredient_keys}:
        parts = phrase(one).split()
        words = [w for w in parts if len(w) > 4 and w.isalpha() and w not in _SAY_NOTHING and w not in ordinary and not is_salt(w)]
        # "Fator IX" for "fator IX de coagulação": two words and more of its beginning.
        beginnings = [" ".join(parts[:length]) for length in range(2, len(parts)) if not is_salt(parts[length - 1])]
        for part in (*words, *beginnings):
            holding[part].update(same.get(one, (one,)))
    return ((part, keys) for part, keys in holding.items() if len(keys) > 1 or part not in keys)


def _in_brackets(written: str) -> tuple[str, ...]:
    _, _, inside = written.partition("(")
    name = inside.partition(")")[0]
    return (name,) if len(key(name)) > 4 and not form_of(key(name)) else ()


def _as_written(bare: str, written: str) -> str:
    """The accents of a name without its salt: "Ácido Acetilsalicílico" -> "ácido acetilsalicílico"."""
    accented = {key(word): word.strip(",.;()").lower() for word in written.split()}
    return " ".join(accented.get(word, word) for word in bare.split())


def _brands(named: tuple[Named, ...], ordinary: frozenset[str]) -> dict[str, Drug]:
    """By brand: the part of a product's name that names it, and its beginning where it says enough ("Glifage" for "Glifage XR")."""
    brands: dict[str, str] = {}
    products: dict[str, set[str]] = defaultdict(set)
    beginnings: dict[str, set[str]] = defaultdict(set)
    substances = {word for n in named for k in n.ingredient_keys for word in k.split()}
    substances |= {word for n in named for word in _laboratory_words(n.laboratory)}
    for leaflet in named:
        called = _without_laboratory(title(leaflet.name), leaflet.laboratory) or _without_laboratory(leaflet.name, leaflet.laboratory)
        brand = phrase(called)
        if not brand or _is_generic(called, leaflet):
            continue
        parts = brand.split()
        for whole in {brand, phrase(leaflet.name)}:
            brands.setdefault(whole, called)
            products[whole].add(key(leaflet.name))
        for length in range(1, len(parts) + 1):
            beginning = " ".join(parts[:length])
            if beginning == brand or _says_enough(beginning, ordinary):
                beginnings[beginning].add(key(leaflet.name))
                brands.setdefault(beginning, _beginning(called, length))
        # "Insulina Glargina Lantus", "Furp - Etambutol": a later word may be the brand, if it is a word of nothing else.
        for word in parts[1:]:
            if len(word) > 4 and word.isalpha() and _says_enough(word, ordinary) and word not in substances and not form_of(word):
                beginnings[word].add(key(leaflet.name))
                brands.setdefault(word, called)
    return {
        words: Drug(brands[words], By.BRAND, names=tuple(sorted(beginnings.get(words, set()) | products.get(words, set()))))
        for words in brands
    }


def _without_laboratory(called: str, laboratory: str) -> str:
    """The name without its laboratory: "Furp - Etambutol" and "Etambutol EMS" are Etambutol. Empty where nothing else is told."""
    whose = _laboratory_words(laboratory)
    words = [token for token in tokens(called) if token.kind is not Kind.JOINT]
    own = [token for token in words if token.word not in whose]
    return called[own[0].start : own[-1].end] if own else ""


def _is_generic(called: str, leaflet: Named) -> bool:
    """Whether a product is called by its substances, whatever their order, salts and abbreviations of salts."""
    told = {word for substance in leaflet.ingredient_keys for word in phrase(substance).split()}
    words = {word for word in phrase(called).split() if not is_salt(word) and not salts_beginning(word)}
    if told and words == told:
        return True
    return bool(leaflet.ingredient_keys) and {ingredient(part) for part in ingredients(called)} <= set(leaflet.ingredient_keys)


def _beginning(called: str, length: int) -> str:
    """The printed beginning of a name that holds so many words of its phrase."""
    words = called.split()
    for end in range(1, len(words) + 1):
        if len(phrase(" ".join(words[:end])).split()) >= length:
            return " ".join(words[:end]).strip(",;-–+/ ")
    return called


# First words that many names share and that name no drug alone.
_SAY_NOTHING = frozenset(
    """acido agua alcool associacao calcio complexo composto creme elixir extrato fator gel insulina oleo pomada polivitaminico sal sais
    solucao soro suspensao vacina vitamina xarope""".split()
)


def _says_enough(beginning: str, ordinary: frozenset[str]) -> bool:
    """Whether the beginning of a brand may stand for it: one letter, "vacina" or a word of the language may not."""
    first, *more = beginning.split()
    if len(first) < 4 or first.isdigit() or first in _SAY_NOTHING or is_salt(first):
        return False
    return bool(more) or first not in ordinary


def _families(drugs: Mapping[str, Drug]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for words in sorted(drugs):
        first, *more = words.split()
        if first in _SAY_NOTHING and more and first not in drugs and drugs[words].held:
            found[first].setdefault(drugs[words].name, words)
    return {first: tuple(phrases.values()) for first, phrases in found.items()}


def _laboratories(named: tuple[Named, ...], drugs: Mapping[str, Drug]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = defaultdict(set)
    for laboratory in {n.laboratory for n in named if n.laboratory}:
        for word in _laboratory_words(laboratory):
            if word not in drugs:
                found[word].add(laboratory)
    return {word: tuple(sorted(laboratories)) for word, laboratories in found.items()}


# Words that the names of laboratories share; source: the laboratories of the products registered with ANVISA.
_ANY_LABORATORY = frozenset(
    """ahp and biofarmaceutica biociencias biologica biologicos biotecnologia brasil brasileira brasileiro cia com comercial comercio
    commerce company corporation cosmetica cosmeticos de distribuicao distribuidora do dos e eireli empreendimentos especialidades
    exportacao farma farmaceutica farmaceutico farmaceuticos for fundacao gmbh holding hospitalar importacao importadora inc industria
    industrial industrias instituto international internacional lab laboratorio laboratorios limited ltda ltd ltde medica medicamento
    medicamentos medicos nacional nordeste participacoes pharma pharmaceutical pharmaceuticals produtos quimica quimicas quimicos saude sa
    science sciences servicos sociedade sul tecnologia""".split()
)


def _laboratory_words(laboratory: str) -> frozenset[str]:
    """The words by which a laboratory is called: "Laboratório Teuto Brasileiro S/A" -> teuto."""
    # "Dr. Reddy's" is called reddy and reddys.
    written = (*key(laboratory).split(), *key(laboratory.replace("'", "").replace("’", "")).split())
    return frozenset(word for word in written if len(word) > 2 and word.isalpha() and word not in _ANY_LABORATORY)


def _synonyms(synonyms: Synonyms, boxes: Mapping[str, Drug]) -> dict[str, Drug]:
    """By a name that the boxes do not carry. One whose target the index does not hold is still known to be a drug's name."""
    spelt = {synonyms.substance(words): drug for words, drug in boxes.items() if drug.substances}
    told = {phrase(one) for rule in synonyms.rules if rule.of_names for one in rule.phrases}
    # A synonym may spell its drug otherwise than the boxes do: "nifedipino" for nifedipina.
    known = {**{words: spelt[same] for words in told if (same := synonyms.substance(words)) in spelt}, **boxes}
    found = {phrase(written): _synonym((*others, written), known) for written, others in synonyms.names.items()}
    for written, others in synonyms.names.items():
        for other in others:
            # What a synonym stands for names its drug outright; unless nobody holds it, it is in the vocabulary as such.
            found.setdefault(phrase(other), replace(found[phrase(written)], by=By.ACTIVE_INGREDIENT))
    return found


def _synonym(others: tuple[str, ...], known: Mapping[str, Drug]) -> Drug:
    """The drug of a name that stands for one of these others, and is their last: as the index holds it, or each part, or not at all."""
    held = next((known[phrase(other)] for other in others if phrase(other) in known), None)
    if held:
        return Drug(held.name, By.SYNONYM, held.names, held.substances)
    parts = next((parts for other in others if (parts := _parts(phrase(other), known))), ())
    name = " + ".join(part.name for part in parts) or others[0]
    by = By.ACTIVE_INGREDIENT if _parts(phrase(others[-1]), known) else By.SYNONYM
    return Drug(name, by, substances=tuple(substance for part in parts for substance in part.substances))


def _parts(words: str, known: Mapping[str, Drug]) -> tuple[Drug, ...]:
    """The drugs of a phrase such as "amoxicilina clavulanato", where each of its words names one; else none."""
    drugs = [known.get(word) for word in words.split()]
    return tuple(drug for drug in drugs if drug) if all(drugs) else ()


def _phrases_with(drugs: Mapping[str, Drug]) -> dict[str, tuple[str, ...]]:
    """The words by which a misspelt name can be found, each with the names that hold it, the shortest first."""
    found: dict[str, list[str]] = defaultdict(list)
    for words in sorted(drugs, key=lambda p: (len(p.split()), len(p), p)):
        for word in _telling(words):
            found[word].append(words)
        # "Urovaxon" for Uro Vaxom: a brand of two words is heard as one.
        if drugs[words].by is By.BRAND and words.count(" ") == 1 and words.replace(" ", "").isalpha():
            found[words.replace(" ", "")].append(words)
    return {word: tuple(phrases) for word, phrases in found.items()}


def _telling(words: str) -> Iterator[str]:
    for word in dict.fromkeys(words.split()):
        if len(word) > 3 and word.isalpha() and word not in _SAY_NOTHING and not form_of(word) and not (is_salt(word) and " " in words):
            yield word
