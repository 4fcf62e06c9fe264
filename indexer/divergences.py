"""What several sources tell differently of one product, for the people who mend the ERPs.

    index -> Telling (a leaflet without its text) ... -> Divergence ...

Worst of all are two drugs under one number: who asks for it is shown the one or the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, groupby
from typing import Any

from opensearchpy import OpenSearch

from leaflets import Section
from leaflets.names import key
from opensearch.generations import Indices
from opensearch.synonyms import Synonyms

# Leaflets a request: 2,000 are about 2 MB of names and hashes.
PAGE = 2000
_ORDER = ("product", "source", "source_id", "audience")
_FIELDS = (*_ORDER, "name_key", "laboratory.exact", "registration", "eans", "ingredient_keys", "section_hashes", "updated_at")


@dataclass(frozen=True, slots=True)
class Telling:
    """One leaflet as its source tells it; its name is folded until it is reported. `sections` holds a hash of each section's wording."""

    id: str
    source: str
    product: str
    name: str
    laboratory: str
    registration: str
    eans: tuple[str, ...]
    active_ingredients: tuple[str, ...]
    updated_at: str
    sections: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing:
    """A section that only some sources have, and those that have it not."""

    section: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Divergence:
    """One product of several sources, and what they tell differently. `dangerous`: two drugs under one registration or EAN."""

    product: str
    dangerous: bool
    tellings: tuple[Telling, ...]
    facts: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()

    @property
    def newest(self) -> str:
        """When one of the leaflets was last edited."""
        return max(telling.updated_at for telling in self.tellings)


def divergences(client: OpenSearch, indices: Indices, synonyms: Synonyms) -> tuple[Divergence, ...]:
    """Every divergence in the index: the dangerous ones, then the others, the newest first."""
    numbers = _Numbers(synonyms)
    found = []
    for product, together in groupby(_tellings(client, indices), key=lambda telling: telling.product):
        tellings = tuple(together)
        for telling in tellings:
            numbers.add(telling)
        divergence = _divergence(product, tellings, synonyms)
        if divergence:
            found.append(divergence)
    newest_first = sorted(sorted(found, key=lambda d: d.product), key=lambda d: d.newest, reverse=True)
    return _named(client, indices, numbers.dangerous() + tuple(newest_first))


def _named(client: OpenSearch, indices: Indices, found: tuple[Divergence, ...]) -> tuple[Divergence, ...]:
    """The divergences with their products' names as printed, which stand in no column."""
    ids = sorted({telling.id for one in found for telling in one.tellings})
    printed: dict[str, str] = {}
    for start in range(0, len(ids), PAGE):
        body = {"ids": ids[start : start + PAGE]}
        documents = client.mget(index=indices.alias, body=body, params={"_source_includes": "name"})["docs"]
        printed |= {document["_id"]: document["_source"]["name"] for document in documents if document["found"]}
    return tuple(replace(one, tellings=tuple(replace(t, name=printed.get(t.id, t.name)) for t in one.tellings)) for one in found)


def _tellings(client: OpenSearch, indices: Indices) -> Iterator[Telling]:
    """Every leaflet that stands, by product. No text is read: all comes from the columns that the index sorts by."""
    after: list[object] | None = None
    while True:
        body: dict[str, object] = {
            "size": PAGE,
            "query": {"term": {"withdrawn": False}},
            "sort": [{name: "asc"} for name in _ORDER],
            "_source": False,
            "docvalue_fields": list(_FIELDS),
        }
        hits = client.search(index=indices.alias, body=body | ({"search_after": after} if after else {}))["hits"]["hits"]
        yield from map(_telling, hits)
        if len(hits) < PAGE:
            return
        after = hits[-1]["sort"]


def _telling(hit: Any) -> Telling:  # OpenSearch's own JSON
    fields = hit["fields"]
    return Telling(
        id=hit["_id"],
        source=fields["source"][0],
        product=fields["product"][0],
        name=fields["name_key"][0],
        laboratory=fields.get("laboratory.exact", [""])[0],
        registration=fields.get("registration", [""])[0],
        eans=tuple(fields.get("eans", ())),
        active_ingredients=tuple(fields.get("ingredient_keys", ())),
        updated_at=fields["updated_at"][0],
        sections=dict(told.split(" ", 1) for told in fields.get("section_hashes", ())),
    )


def _divergence(product: str, tellings: tuple[Telling, ...], synonyms: Synonyms) -> Divergence | None:
    """What the sources of one product tell differently; None where it is nothing, or there is one source."""
    by_source: dict[str, list[Telling]] = defaultdict(list)
    for telling in tellings:
        by_source[telling.source].append(telling)
    told = tuple(tuple(one) for one in by_source.values())
    if len(told) < 2:
        return None
    facts = tuple(name for name, fact in _facts(synonyms).items() if not _agree(told, fact))
    facts += () if _same_boxes(told) else ("eans",)
    differs, missing = [], []
    for section in map(str, Section):
        lacking = tuple(one[0].source for one in told if not any(section in telling.sections for telling in one))
        having = tuple(one for one in told if one[0].source not in lacking)
        if not _agree(having, lambda telling, section=section: telling.sections.get(section)):  # type: ignore[misc]  # section is bound
            differs.append(section)
        if lacking and not all(any(section not in telling.sections for telling in one) for one in having):
            missing.append(Missing(section, lacking))
    if not (facts or differs or missing):
        return None
    return Divergence(
        product, dangerous=False, tellings=_newest_first(tellings), facts=facts, differs=tuple(differs), missing=tuple(missing)
    )


def _facts(synonyms: Synonyms) -> dict[str, Callable[[Telling], Hashable]]:
    """The facts that are compared, whatever their spelling; None where a leaflet does not tell."""
    return {
        "name": lambda telling: telling.name,
        "laboratory": lambda telling: key(telling.laboratory) or None,
        "active_ingredients": lambda telling: made_of(telling, synonyms) or None,
    }


def _agree(told: tuple[tuple[Telling, ...], ...], what: Callable[[Telling], Hashable]) -> bool:
    """Whether any two sources have a leaflet that tells the same, or one of them does not tell.

    One source may hold several leaflets of a product (its tablets, its drops): each other source need only agree with one of them.
    """
    values = [{what(telling) for telling in one} for one in told]
    return all(mine & theirs or None in mine or None in theirs for mine, theirs in combinations(values, 2))


def _same_boxes(told: tuple[tuple[Telling, ...], ...]) -> bool:
    """Whether of any two sources one names all the EANs of the other: a source may not sell every box."""
    boxes = [{ean for telling in one for ean in telling.eans} for one in told]
    return all(mine <= theirs or theirs <= mine for mine, theirs in combinations(boxes, 2))


def made_of(telling: Telling, synonyms: Synonyms) -> frozenset[str]:
    """The substances that a leaflet names, whatever their names' spelling."""
    return frozenset(synonyms.substance(name) for name in telling.active_ingredients)


class _Numbers:
    """What stands under each registration and EAN."""

    def __init__(self, synonyms: Synonyms) -> None:
        self._synonyms = synonyms
        self._held: dict[str, dict[frozenset[str], list[Telling]]] = defaultdict(lambda: defaultdict(list))

    def add(self, telling: Telling) -> None:
        """Notes a leaflet under its numbers."""
        made = made_of(telling, self._synonyms)
        if not made:
            return  # nobody says of what
        brief = replace(telling, sections={})
        for number in _numbers(telling):
            self._held[number][made].append(brief)

    def dangerous(self) -> tuple[Divergence, ...]:
        """The numbers under which two drugs stand, the newest first."""
        found = [
            Divergence(
                number, dangerous=True, tellings=_newest_first(t for same in drugs.values() for t in same), facts=("active_ingredients",)
            )
            for number, drugs in sorted(self._held.items())
            if len(drugs) > 1
        ]
        return tuple(sorted(found, key=lambda divergence: divergence.newest, reverse=True))


def _numbers(telling: Telling) -> Iterator[str]:
    if len(telling.registration) in {9, 13}:
        yield f"registration {telling.registration[:9]}"
    for ean in telling.eans:
        yield f"ean {ean}"


def _newest_first(tellings: Iterable[Telling]) -> tuple[Telling, ...]:
    return tuple(sorted(sorted(tellings, key=lambda one: one.id), key=lambda one: one.updated_at, reverse=True))
