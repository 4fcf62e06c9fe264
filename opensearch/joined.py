"""Which synonyms would join two drugs that an index holds. Pure.

    Synonyms, Named ... -> Refusal ...

A drug is what it is made of. Two phrases of one rule that both name drugs of the index must name drugs of the same substances: else who
asks for the one would be shown the other. Why it is refused and not left out in silence: docs/adr/0005-synonyms-that-join-drugs.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from leaflets.labels import phrase, title
from leaflets.names import ingredient
from opensearch.names import Named
from opensearch.synonyms import Rule, Synonyms

# What a drug is made of, each substance as `Synonyms.substance` gives it.
Made = frozenset[str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that may not be used with this index, and what to tell who wrote it."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class _Held:
    """What the index holds under a phrase: what it is made of, by one or several sources; `whole`: it is no mere beginning of a name."""

    made: frozenset[Made]
    whole: bool


def joined(synonyms: Synonyms, named: Iterable[Named]) -> tuple[Refusal, ...]:
    """The rules that would join two drugs of these leaflets, in their order."""
    drugs = _Drugs(synonyms, named)
    found = (_of_names(rule, drugs) if rule.of_names else _of_words(rule, drugs) for rule in synonyms.rules)
    return tuple(refusal for refusal in found if refusal)


def sentence(refusals: Iterable[Refusal]) -> str:
    """All refusals in one sentence."""
    return "; ".join(f"line {refusal.line}: {refusal.why}" for refusal in refusals)


def _of_names(rule: Rule, drugs: _Drugs) -> Refusal | None:
    held = [(one, found) for one in rule.phrases if (found := drugs.held(one))]
    for (one, mine), (other, theirs) in combinations(held, 2):
        if not _same_drug(mine, theirs):
            names_of_one = drugs.is_substance(one) and drugs.is_substance(other)
            vouching = f", or write '{one} = {other}' if both are names of one substance" if names_of_one else ""
            both = f"{drugs.shown(one, mine)} and {drugs.shown(other, theirs)}"
            return Refusal(rule.line, f"the index holds {both} as two drugs: take one of them out{vouching}")
    return None


def _of_words(rule: Rule, drugs: _Drugs) -> Refusal | None:
    for one in rule.phrases:
        held = drugs.held(one)
        if held and held.whole:
            shown = drugs.shown(one, held)
            return Refusal(rule.line, f"the index holds {shown} as a drug: take it out of [words], or give it a line under [names]")
    return None


def _same_drug(mine: _Held, theirs: _Held) -> bool:
    """Whether some source holds both as the same; for a mere beginning of a name it is enough that they share a substance."""
    if mine.whole and theirs.whole:
        return bool(mine.made & theirs.made)
    return any(made & other for made in mine.made for other in theirs.made)


class _Drugs:
    """The drugs of an index by the phrases that name them."""

    def __init__(self, synonyms: Synonyms, named: Iterable[Named]) -> None:
        self._synonyms = synonyms
        whole: dict[str, set[Made]] = defaultdict(set)
        beginnings: dict[str, set[Made]] = defaultdict(set)
        self._written: dict[str, str] = {}
        for leaflet in {(n.name, n.active_ingredients): n for n in named}.values():
            made = frozenset(synonyms.substance(substance) for substance in leaflet.ingredient_keys)
            for substance in (*leaflet.ingredient_keys, *leaflet.active_ingredients):
                bare = synonyms.substance(ingredient(substance))
                whole[phrase(substance)].add(frozenset({bare}))
                self._written.setdefault(bare, ingredient(substance))
            if not made:
                continue  # nobody says of what it is made
            brand = phrase(title(leaflet.name))
            whole[brand].add(made)
            whole[phrase(leaflet.name)].add(made)
            parts = brand.split()
            for length in range(1, len(parts)):
                beginnings[" ".join(parts[:length])].add(made)
        self._whole: Mapping[str, set[Made]] = whole
        self._beginnings: Mapping[str, set[Made]] = beginnings

    def held(self, words: str) -> _Held | None:
        """What the index holds under a phrase: a name, the substances of a combination, or the beginning of names."""
        one = phrase(words)
        if one in self._whole:
            return _Held(frozenset(self._whole[one]), whole=True)
        parts = self._combination(one.split())
        if parts:
            return _Held(frozenset({parts}), whole=True)
        return _Held(frozenset(self._beginnings[one]), whole=False) if one in self._beginnings else None

    def is_substance(self, words: str) -> bool:
        """Whether some leaflet holds it as a substance."""
        return frozenset({self._synonyms.substance(words)}) in self._whole.get(phrase(words), ())

    def shown(self, words: str, held: _Held) -> str:
        """A phrase, and what it is made of where that is not what it says: "'aradois h' (hidroclorotiazida + losartana)"."""
        made = " + ".join(sorted(self._written[substance] for substance in min(held.made, key=sorted)))
        return f"'{words}'" if made == words else f"'{words}' ({made})"

    def _combination(self, words: list[str]) -> Made:
        """The substances of a phrase made of nothing else; empty where some word of it is none."""
        if not words:
            return frozenset()
        for length in range(len(words), 0, -1):
            alone = [made for made in self._whole.get(" ".join(words[:length]), ()) if len(made) == 1]
            rest = self._combination(words[length:])
            if alone and (rest or length == len(words)):
                return alone[0] | rest
        return frozenset()
