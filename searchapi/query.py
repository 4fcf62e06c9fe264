"""A question's meaning in OpenSearch's words. Pure: each function gives one clause.

filter   the drug, the chosen facets, nothing withdrawn                  decides what may be shown
should   the reasons of `ranking`                                        decides in which order
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from leaflets import Section
from opensearch.mapping import LONGEST_LEAFLET
from searchapi.ranking import TEXT_FIELDS, Clause, Reason
from searchapi.sections import ELSEWHERE
from searchapi.sentences import MARK_END, MARK_START
from searchapi.sought import Sought, Thing, begins
from searchapi.understand import Understanding
from searchapi.vocabulary import Drug

# A page of results has at most 50 products; a product stands in a handful of sources.
MOST_TELLINGS = 1000
# Exact up to 1,000 products; beyond, nobody counts (a higher threshold costs memory for each of 100 buckets: 30 ms a search).
_PRODUCTS: Clause = {"products": {"cardinality": {"field": "product", "precision_threshold": 1000}}}
# Of the leaflets of one product the newest stands; of equally new ones always the same.
_NEWEST: list[Clause] = [{"updated_at": "desc"}, {"source": "asc"}, {"source_id": "asc"}]
_SHOWN = "source source_id audience name active_ingredients laboratory registration category active updated_at titles".split()


@dataclass(frozen=True, slots=True)
class Filters:
    """What the attendant narrowed the search to; empty means any."""

    audience: str = ""
    section: Section | None = None
    laboratory: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Which page of the results: `page` counts from 1. With a `cursor` (searchapi/paging.py) the first not `given` yet."""

    page: int = 1
    size: int = 10
    cursor: str = ""
    given: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether its answer has a cursor for what comes after it. A later page by number does not know what the pages before it gave."""
        return self.page == 1 or bool(self.cursor)


def leading(meant: Understanding, filters: Filters) -> tuple[Section, ...]:
    """The section that answers, then those that may; none where none was asked for."""
    section = filters.section or meant.section
    if section is None:
        return ()
    others = meant.asked.also if section is meant.asked.section else ELSEWHERE.get(section, ())
    return (section, *others)


def search(
    meant: Understanding, filters: Filters, window: Window, asked: tuple[Reason, ...], must: tuple[str, ...], *, explain: bool = False
) -> Clause:
    """The body that ranks products by what is asked of them: one hit a product and audience, in the order of its best leaflet.

    `must` are the words that have to be found where no drug was recognised (`nothing.must_stand`).
    """
    ranked = [reason.clause(named=explain) for reason in asked]
    return {
        # Of the first `given` + size + 1 at least size + 1 were not given yet; the one more tells whether anything follows.
        "from": 0 if window.goes_on else (window.page - 1) * window.size,
        "size": window.given + window.size + window.goes_on,
        "track_total_hits": False,
        "query": {"bool": {"filter": [*_filter(meant, filters), *_must(meant, must)], "should": ranked}},
        # To the end: of two that differ in nothing else, the order of their ids, so that one question has one order on every copy.
        "sort": [{"_score": "desc"}, {"updated_at": "desc"}, {"product": "asc"}, {"source": "asc"}, {"source_id": "asc"}],
        "collapse": {"field": "product"},
        # Even a hit's `_id` stands in the block with all of its text, which takes an eighth of the search to unpack.
        **({"_source": False} if explain else {"stored_fields": "_none_"}),
        "docvalue_fields": ["product", "updated_at"],
    }


def facets(meant: Understanding, filters: Filters, must: tuple[str, ...]) -> Clause:
    """The body that counts what `search` ranks: the products in all, and by each value that the search can be narrowed by.

    Apart, because OpenSearch ranks faster without counting, and keeps these counts until the index changes, whatever is asked of a drug.
    """
    return {"size": 0, "track_total_hits": False, "query": _found(meant, filters, must), "aggs": _facets()}


def tellings(products: Sequence[str]) -> Clause:
    """The body that finds every leaflet of some products, the newest first: where else each stands, and which tell it differently."""
    return {
        "size": MOST_TELLINGS,
        "query": {"bool": {"filter": [{"terms": {"product": list(products)}}, _standing()]}},
        "sort": _NEWEST,
        "stored_fields": "_none_",
        "docvalue_fields": ["product", "source", "source_id", "audience", "section_hashes"],
    }


def shown(products: Sequence[str], filters: Filters, wanted: Sought, sections: tuple[Section, ...]) -> Clause:
    """The body that fetches what is shown of each of some products: of the newest leaflet that the attendant's filters let stand for it.

    That is: the sections that may answer, and all in which words are found, marked.
    """
    leading = [f"sections.{section}" for section in sections]
    may_answer = leading or [f"sections.{Section.INDICATIONS}"]
    # Words that only hint ("dose", "máxima") stand in every section: they choose a sentence of those that may answer, and find no other.
    looked_through = TEXT_FIELDS if not leading or any(thing.weight == 1.0 for thing in wanted.things) else leading
    near = [_near(thing) for thing in wanted.things if thing.must_be_stated]
    chosen: list[Clause] = [{"terms": {"product": list(products)}}, _standing(), *_chosen(filters)]
    return {
        "size": len(products),
        "query": {"bool": {"filter": chosen, "should": near}},
        "sort": _NEWEST,
        "collapse": {"field": "product"},
        "_source": _SHOWN if wanted.text else _SHOWN + may_answer,
        "docvalue_fields": ["product", "source", "section_hashes"],
        "highlight": _highlight(wanted, looked_through, may_answer),
    }


def leaflet(leaflet_id: str, wanted: Sought) -> Clause:
    """The body that fetches one whole leaflet, with the question's words marked."""
    ours: Clause = {"bool": {"filter": [{"ids": {"values": [leaflet_id]}}, _standing()]}}
    return {"size": 1, "query": ours, "highlight": _highlight(wanted, TEXT_FIELDS)}


def whole(ids: tuple[str, ...]) -> Clause:
    """The body that fetches some whole leaflets."""
    return {
        "size": len(ids),
        "version": True,
        "query": {"bool": {"filter": [{"ids": {"values": list(ids)}}, _standing()]}},
        "_source": [*_SHOWN, "eans", "doses", "sections"],
    }


def word_counts(word: str) -> Clause:
    """Counts the leaflets whose text holds a folded word, and those of them that hold it among interactions."""
    interactions = {"interactions": {"filter": {"match": {f"sections.{Section.INTERACTIONS}": {"query": word, "analyzer": "text"}}}}}
    return _count([{"term": {"words": word}}]) | {"aggs": interactions}


def holding(word: str) -> Clause:
    """Counts the leaflets in which a search for a folded word finds it, by its stem or a synonym too."""
    return _count([{"multi_match": {"query": word, "fields": TEXT_FIELDS}}])


def total(meant: Understanding, must: tuple[str, ...]) -> Clause:
    """Counts the products that a question finds without filters."""
    return {"size": 0, "query": _found(meant, Filters(), must), "aggs": _PRODUCTS}


def _count(clauses: list[Clause]) -> Clause:
    return {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": [*clauses, _standing()]}}}


def _standing() -> Clause:
    return {"term": {"withdrawn": False}}


def _found(meant: Understanding, filters: Filters, must: tuple[str, ...]) -> Clause:
    """What a question finds, in no order."""
    return {"bool": {"filter": [*_filter(meant, filters), *_must(meant, must)]}}


def _filter(meant: Understanding, filters: Filters) -> list[Clause]:
    clauses: list[Clause] = [_standing(), *_chosen(filters)]
    if filters.audience:
        clauses.append({"term": {"audience": filters.audience}})
    if meant.drug:
        clauses.append(_drug(meant.drug))
    if filters.section:
        clauses.append({"exists": {"field": f"sections.{filters.section}"}})
    return clauses


def _chosen(filters: Filters) -> list[Clause]:
    """Only leaflets of the chosen laboratory and source: of one product they may differ. Its audience is part of what a product is."""
    chosen = {"laboratory.exact": filters.laboratory, "source": filters.source}
    return [{"term": {field: value}} for field, value in chosen.items() if value]


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


def _must(meant: Understanding, must: tuple[str, ...]) -> list[Clause]:
    """Without a drug these words must be there, in the text or in a name; with one all words only rank."""
    if meant.drug:
        return []
    if not must:
        return [{"match_none": {}}]
    text = " ".join(must)
    everywhere: Clause = {"multi_match": {"query": text, "type": "cross_fields", "fields": TEXT_FIELDS, "operator": "and"}}
    named: Clause = {"match": {"name": {"query": text, "operator": "and"}}}
    return [{"bool": {"should": [everywhere, named], "minimum_should_match": 1}}]


def _near(thing: Thing) -> Clause:
    """Finds leaflets with words that begin like those of a thing: a stem that the analyser does not know is no silence."""
    return {"bool": {"filter": [_like(word) for word in thing.words], "_name": thing.name}}


def _like(word: str) -> Clause:
    beginning = begins(word)
    return {"prefix": {"words": beginning}} if beginning else {"terms": {"words": [word, f"{word}s"]}}


def _highlight(wanted: Sought, fields: Sequence[str], whole: Collection[str] = ()) -> Clause:
    """Sections whole with the found words marked: which sentences to show is decided by `passages`.

    Of these fields those `whole` come without marks too, so that they need not be told twice, as a part of the source.
    """
    if not wanted.text:
        return {"fields": {}}
    marked: list[Clause] = [{"multi_match": {"query": wanted.text, "type": "most_fields", "fields": fields}}]
    if wanted.apart:
        # Phrases are marked whole only where they stand as asked or as a synonym: "aumenta o peso" is told as "aumento de 7% do peso" too.
        marked.append({"multi_match": {"query": wanted.apart, "type": "most_fields", "fields": fields, "analyzer": "text"}})
    return {
        "pre_tags": [MARK_START],
        "post_tags": [MARK_END],
        "number_of_fragments": 0,
        "highlight_query": {"bool": {"should": marked}},
        "fields": {field: {"no_match_size": LONGEST_LEAFLET} if field in whole else {} for field in fields},
    }


def _facets() -> Clause:
    """How many products there are in all and by each value that the search can be narrowed by."""
    facets: Clause = {
        facet: {"terms": {"field": field, "size": 50, "order": [{"_count": "desc"}, {"_key": "asc"}]}, "aggs": _PRODUCTS}
        for facet, field in (("audience", "audience"), ("laboratory", "laboratory.exact"), ("source", "source"))
    }
    return facets | _PRODUCTS
