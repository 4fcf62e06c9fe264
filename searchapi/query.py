"""A question's meaning in OpenSearch's words. Pure: each function gives one clause.

filter   the drug, the chosen facets, nothing withdrawn                  decides what may be shown
should   RANKING below                                                   decides in which order
"""

from __future__ import annotations

from dataclasses import dataclass

from leaflets import Section
from leaflets.names import phonetic_keys
from searchapi.sections import ELSEWHERE
from searchapi.understand import Understanding
from searchapi.vocabulary import Drug

Clause = dict[str, object]

# Marks put around found words by the highlighter: two private-use characters, which no leaflet holds (leaflets.text takes them out).
MARK_START, MARK_END = "\ue000", "\ue001"


@dataclass(frozen=True, slots=True)
class Weight:
    """One line of the ranking table."""

    clause: str
    weight: float
    why: str


# The whole ranking, strongest first. Each constant outweighs all below it together: the text's own score (BM25) was 26 at most in the
# questions tried on 834 real leaflets.
RANKING = {
    w.clause: w
    for w in (
        Weight("exact_name", 3000, "the product is called just what was asked"),
        Weight("only_substance", 1000, "the substances asked for and no other: combinations come after"),
        Weight("named_for_it", 500, "the product carries the substance's name: a generic before a brand, where the substance was asked"),
        Weight("dose", 200, "the product comes in the strength asked for"),
        Weight("leading_section", 4, "the words stand in the section asked for"),
        Weight("other_sections", 1, "the words stand anywhere in the leaflet"),
        Weight("name", 20, "without a known drug: the words stand in the product's name"),
    )
}

# A page of results has at most 50 products; a product stands in a handful of sources.
MOST_TELLINGS = 1000
_TEXT_FIELDS = [f"sections.{section}" for section in Section]
_SHOWN = ["source", "source_id", "audience", "name", "active_ingredients", "laboratory", "registration", "updated_at", "titles"]


@dataclass(frozen=True, slots=True)
class Filters:
    """What the attendant narrowed the search to; empty means any."""

    audience: str = ""
    section: Section | None = None
    laboratory: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Which page of the results: `page` counts from 1."""

    page: int = 1
    size: int = 10


def leading(meant: Understanding, filters: Filters) -> tuple[Section, ...]:
    """The section that answers, then those that may; none where none was asked for."""
    section = filters.section or meant.section
    return (section, *ELSEWHERE.get(section, ())) if section else ()


def search(meant: Understanding, filters: Filters, window: Window) -> Clause:
    """The body that ranks products: one hit a product and audience, in the order of its best leaflet."""
    return {
        "from": (window.page - 1) * window.size,
        "size": window.size,
        "track_total_hits": False,
        "query": {"bool": {"filter": _filter(meant, filters), "must": _must(meant), "should": _should(meant, leading(meant, filters))}},
        # Equal scores: the newest, then by product, so that one question has one order on every replica.
        "sort": [{"_score": "desc"}, {"updated_at": "desc"}, {"product": "asc"}],
        "collapse": {"field": "product"},
        "_source": False,
        "docvalue_fields": ["product"],
        "aggs": _facets(),
    }


def tellings(products: list[str]) -> Clause:
    """The body that finds every leaflet of some products, the newest first: which one stands for each, and which tell it differently."""
    return {
        "size": MOST_TELLINGS,
        "query": {"bool": {"filter": [{"terms": {"product": products}}, _standing()]}},
        "sort": [{"updated_at": "desc"}, {"source": "asc"}, {"source_id": "asc"}],
        "_source": False,
        "docvalue_fields": ["product", "source", "laboratory.exact", "section_hashes"],
    }


def shown(ids: list[str], meant: Understanding, sections: tuple[Section, ...]) -> Clause:
    """The body that fetches what is shown of some leaflets: the sections that may answer, and all in which words are found, marked."""
    fields = [f"sections.{section}" for section in sections or (Section.INDICATIONS,)]
    return {
        "size": len(ids),
        "query": {"bool": {"filter": [{"ids": {"values": ids}}]}},
        "_source": _SHOWN + fields,
        "highlight": _highlight(meant),
    }


def names_near(words: tuple[str, ...]) -> Clause:
    """The body that finds products whose name begins with, or sounds like, one of some folded words: one hit a name."""
    begins = [{"match": {"name.prefix": word}} for word in words]
    sounds: list[Clause] = [{"terms": {"sounds": list(heard)}} for word in words if (heard := phonetic_keys(word))]
    return {
        "size": 5,
        "query": {"bool": {"filter": [_standing()], "should": [*begins, *sounds], "minimum_should_match": 1}},
        "sort": [{"_score": "desc"}, {"name_key": "asc"}],
        "collapse": {"field": "name_key"},
        "_source": ["name"],
    }


def leaflet(leaflet_id: str, meant: Understanding | None) -> Clause:
    """The body that fetches one whole leaflet, with the question's words marked."""
    ours: Clause = {"bool": {"filter": [{"ids": {"values": [leaflet_id]}}, _standing()]}}
    if meant is None or not meant.rest:
        return {"size": 1, "query": ours}
    return {"size": 1, "query": {"bool": {"filter": [ours], "should": [_words(meant.rest, _TEXT_FIELDS)]}}, "highlight": _highlight(meant)}


def word_counts(word: str) -> Clause:
    """Counts the leaflets whose text holds a folded word."""
    return {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": [{"term": {"words": word}}, _standing()]}}}


def _standing() -> Clause:
    return {"term": {"withdrawn": False}}


def _filter(meant: Understanding, filters: Filters) -> list[Clause]:
    chosen = {"audience": filters.audience, "laboratory.exact": filters.laboratory, "source": filters.source}
    clauses: list[Clause] = [_standing()]
    clauses += [{"term": {field: value}} for field, value in chosen.items() if value]
    if meant.drug:
        clauses.append(_drug(meant.drug))
    if filters.section:
        clauses.append({"exists": {"field": f"sections.{filters.section}"}})
    return clauses


def _drug(drug: Drug) -> Clause:
    """Only leaflets of this drug; none at all where we know the name and hold no leaflet of it."""
    if drug.registration:
        return {"prefix": {"registration": drug.registration}}
    if drug.ean:
        return {"term": {"eans": drug.ean}}
    ways: list[Clause] = []
    if drug.names:
        ways.append({"terms": {"name_key": list(drug.names)}})
    if drug.substances:
        ways.append({"bool": {"filter": [{"terms": {"ingredient_keys": list(keys)}} for keys in drug.substances]}})
    return {"bool": {"should": ways, "minimum_should_match": 1}} if ways else {"match_none": {}}


def _must(meant: Understanding) -> list[Clause]:
    """Without a drug the words themselves must be there; with one they only rank."""
    if meant.drug:
        return []
    if not meant.rest:
        return [{"match_none": {}}]
    text = " ".join(meant.rest)
    everywhere = {
        "multi_match": {
            "query": text,
            "type": "cross_fields",
            "fields": _TEXT_FIELDS,
            "operator": "and",
        }
    }
    named = {"match": {"name": {"query": text, "operator": "and", "boost": RANKING["name"].weight}}}
    return [{"dis_max": {"queries": [everywhere, named], "tie_breaker": 0.3}}]


def _should(meant: Understanding, sections: tuple[Section, ...]) -> list[Clause]:
    clauses: list[Clause] = []
    drug = meant.drug
    if drug and drug.names:
        clauses.append(_worth("exact_name", {"term": {"name_key": drug.names[0] if len(drug.names) == 1 else _shortest(drug.names)}}))
    if drug and drug.substances:
        alone = [{"term": {"ingredient_count": len(drug.substances)}}]
        clauses.append(_worth("only_substance", {"bool": {"filter": alone}}))
        named: list[Clause] = [
            {"bool": {"should": [{"match_phrase": {"name": spelled}} for spelled in keys], "minimum_should_match": 1}}
            for keys in drug.substances
        ]
        clauses.append(_worth("named_for_it", {"bool": {"filter": named}}))
    if meant.doses:
        clauses.append(_worth("dose", {"terms": {"doses": list(meant.doses)}}))
    if meant.rest:
        leading_fields = [f"sections.{section}^{RANKING['leading_section'].weight}" for section in sections[:1]]
        leading_fields += [f"sections.{section}^{RANKING['leading_section'].weight / 2}" for section in sections[1:]]
        clauses.append(_words(meant.rest, leading_fields + [f for f in _TEXT_FIELDS if f not in {f"sections.{s}" for s in sections}]))
    return clauses


def _shortest(names: tuple[str, ...]) -> str:
    return min(names, key=len)


def _worth(clause: str, query: Clause) -> Clause:
    return {"constant_score": {"filter": query, "boost": RANKING[clause].weight}}


def _words(rest: tuple[str, ...], fields: list[str]) -> Clause:
    return {"multi_match": {"query": " ".join(rest), "type": "most_fields", "fields": fields}}


def _highlight(meant: Understanding) -> Clause:
    """Every section whole with the found words marked: which sentences to show is decided by `passages`."""
    if not meant.rest:
        return {"fields": {}}
    return {
        "pre_tags": [MARK_START],
        "post_tags": [MARK_END],
        "number_of_fragments": 0,
        "highlight_query": _words(meant.rest, _TEXT_FIELDS),
        "fields": {field: {} for field in _TEXT_FIELDS},
    }


def _facets() -> Clause:
    """How many products there are in all and by each value that the search can be narrowed by."""
    # Exact up to 1,000 products; beyond, nobody counts (a higher threshold costs memory for each of 100 buckets: 30 ms a search).
    products = {"products": {"cardinality": {"field": "product", "precision_threshold": 1000}}}
    facets: Clause = {
        facet: {"terms": {"field": field, "size": 50, "order": [{"_count": "desc"}, {"_key": "asc"}]}, "aggs": products}
        for facet, field in (("audience", "audience"), ("laboratory", "laboratory.exact"), ("source", "source"))
    }
    return facets | products
