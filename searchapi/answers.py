"""Answers a question: asks the index what is meant and what is told about it.

text -> understand -> [drug, section, words] -> query -> OpenSearch -> Answer
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from opensearchpy import OpenSearch

from leaflets import Section
from opensearch.generations import Indices
from searchapi import passages, query
from searchapi.lookalikes import Lookalike, lookalikes
from searchapi.query import Clause, Filters, Window
from searchapi.state import Snapshot
from searchapi.understand import Suggestion, Understanding, nearest, read, understood
from searchapi.vocabulary import Vocabulary

# OpenSearch's own JSON; it ends in this module.
Json = Any
# What a person reads at a glance: the first result's passage may be long, the others only remind.
FIRST_PASSAGE = 800
OTHER_PASSAGE = 300
# A word near a name is ordinary where one leaflet in a hundred uses it; fewer may be the same slip made in a leaflet.
COMMON = 0.01


@dataclass(frozen=True, slots=True)
class Highlight:
    """A passage of a section, as safe HTML."""

    section: Section
    title: str
    html: str


@dataclass(frozen=True, slots=True)
class AlsoIn:
    """The same product in another source or record, and the sections it tells differently."""

    id: str
    source: str
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One product's leaflet, the newest of those that the sources hold."""

    id: str
    name: str
    active_ingredients: tuple[str, ...]
    laboratory: str
    registration: str
    audience: str
    source: str
    updated_at: str
    score: float
    highlights: tuple[Highlight, ...]
    also_in: tuple[AlsoIn, ...]


@dataclass(frozen=True, slots=True)
class Facet:
    """One value by which the results can be narrowed, and how many products have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What was understood and what was found. `total` counts products."""

    meant: Understanding
    hits: tuple[Hit, ...]
    total: int
    facets: Mapping[str, tuple[Facet, ...]]
    lookalikes: tuple[Lookalike, ...] = ()


@dataclass(frozen=True, slots=True)
class WholeLeaflet:
    """A leaflet with all its sections, in their order, as safe HTML."""

    hit: Hit
    sections: tuple[Highlight, ...]
    doses: tuple[str, ...]
    history: str


@dataclass(frozen=True, slots=True)
class Answers:
    """Asks one installation's index. `deadline` in seconds bounds each request to it."""

    client: OpenSearch
    indices: Indices
    deadline: float = 5.0

    def understanding(self, text: str, snapshot: Snapshot) -> Understanding:
        """What a question means; the index tells ordinary words from broken names."""
        reading = read(text, snapshot.names)
        return understood(reading, self._ordinary(tuple(d.word for d in reading.doubts)), snapshot.names)

    def search(self, meant: Understanding, filters: Filters, window: Window, names: Vocabulary) -> Answer:
        """The leaflets that answer. Nothing is searched while the drug's name is in doubt."""
        if meant.suggestions and not meant.drug:
            return Answer(meant, (), 0, {"audience": (), "laboratory": (), "source": ()})
        found = self._ask(query.search(meant, filters, window))
        ranked = [_Ranked(hit["fields"]["product"][0], hit["_score"] or 0.0) for hit in found["hits"]["hits"]]
        told = found["aggregations"]
        facets = {
            name: tuple(Facet(bucket["key"], bucket["products"]["value"]) for bucket in told[name]["buckets"] if bucket["key"])
            for name in ("audience", "laboratory", "source")
        }
        hits = self._hits(ranked, meant, filters, window)
        if not ranked and not meant.drug and meant.rest:
            meant = replace(meant, suggestions=self._names_near(meant))
        return Answer(meant, hits, told["products"]["value"], facets, lookalikes(meant.drug, names) if meant.drug else ())

    def _hits(self, ranked: list[_Ranked], meant: Understanding, filters: Filters, window: Window) -> tuple[Hit, ...]:
        """The newest leaflet of each product, with its passage and where else the product stands."""
        if not ranked:
            return ()
        tellings: dict[str, list[_Telling]] = defaultdict(list)
        for hit in self._ask(query.tellings([one.product for one in ranked]))["hits"]["hits"]:
            tellings[hit["fields"]["product"][0]].append(_telling(hit))
        chosen = {product: [t for t in told if t.chosen_by(filters)] for product, told in tellings.items()}
        standing = {product: told[0] for product, told in chosen.items() if told}
        leading = query.leading(meant, filters)
        found = self._ask(query.shown([telling.id for telling in standing.values()], meant, leading))["hits"]["hits"]
        whole = {hit["_id"]: hit for hit in found}
        hits = []
        for number, one in enumerate(ranked):
            telling = standing.get(one.product)
            if telling is None or telling.id not in whole:
                continue  # withdrawn between two questions to the index
            hit = _hit(whole[telling.id], leading, FIRST_PASSAGE if number == 0 and window.page == 1 else OTHER_PASSAGE)
            others = tuple(AlsoIn(t.id, t.source, telling.differs(t)) for t in tellings[one.product] if t.id != telling.id)
            hits.append(replace(hit, score=round(one.score, 3), also_in=others))
        return tuple(hits)

    def _names_near(self, meant: Understanding) -> tuple[Suggestion, ...]:
        """Where nothing was found: names that begin with one of the words, or sound like it ("dip" is no broken name yet)."""
        hits = self._ask(query.names_near(meant.rest))["hits"]["hits"]
        return tuple(nearest(meant, hit["_source"]["name"]) for hit in hits)

    def leaflet(self, leaflet_id: str, meant: Understanding | None) -> WholeLeaflet | None:
        """One whole leaflet, the question's words marked; None where there is none of this id or it was withdrawn."""
        hits = self._ask(query.leaflet(leaflet_id, meant))["hits"]["hits"]
        if not hits:
            return None
        told = hits[0]["_source"]
        marked = _marked(hits[0])
        sections = tuple(
            Highlight(Section(name), told["titles"].get(name, ""), passages.as_html(marked.get(Section(name), text)))
            for name, text in told["sections"].items()
        )
        return WholeLeaflet(_hit(hits[0], (), OTHER_PASSAGE), sections, tuple(told["doses"]), told["history"])

    def _ordinary(self, words: tuple[str, ...]) -> frozenset[str]:
        """Those of the words that leaflets use: names stand in few leaflets, broken names in next to none."""
        if not words:
            return frozenset()
        lines: list[Clause] = []
        for word in words:
            lines += [{"index": self.indices.alias}, query.word_counts(word)]
        lines += [{"index": self.indices.alias}, {"size": 0, "track_total_hits": True}]
        *counts, all_leaflets = self.client.msearch(body=lines, request_timeout=self.deadline)["responses"]
        least = max(1, int(COMMON * all_leaflets["hits"]["total"]["value"]))
        return frozenset(word for word, count in zip(words, counts, strict=True) if count["hits"]["total"]["value"] >= least)

    def _ask(self, body: Clause) -> Json:
        return self.client.search(
            index=self.indices.alias, body=body, params={"request_timeout": self.deadline, "timeout": f"{int(self.deadline * 1000)}ms"}
        )


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A product and the score of its best leaflet."""

    product: str
    score: float


@dataclass(frozen=True, slots=True)
class _Telling:
    """One leaflet of a product: `sections` hold a hash of what each says."""

    id: str
    source: str
    laboratory: str
    sections: Mapping[str, str]

    def chosen_by(self, filters: Filters) -> bool:
        """Whether the attendant's filters let it stand for its product."""
        return filters.source in {"", self.source} and filters.laboratory in {"", self.laboratory}

    def differs(self, other: _Telling) -> tuple[str, ...]:
        """The sections that the other tells differently, or that only one of them has."""
        return tuple(str(section) for section in Section if self.sections.get(str(section)) != other.sections.get(str(section)))


def _telling(hit: Json) -> _Telling:
    fields = hit["fields"]
    hashes = dict(told.split(" ") for told in fields.get("section_hashes", ()))
    return _Telling(hit["_id"], fields["source"][0], fields.get("laboratory.exact", [""])[0], hashes)


def _hit(hit: Json, leading: tuple[Section, ...], most: int) -> Hit:
    told = hit["_source"]
    return Hit(
        id=hit["_id"],
        name=told["name"],
        active_ingredients=tuple(told["active_ingredients"]),
        laboratory=told["laboratory"],
        registration=told["registration"],
        audience=told["audience"],
        source=told["source"],
        updated_at=told["updated_at"],
        score=0.0,
        highlights=_highlights(hit, leading, most),
        also_in=(),
    )


def _marked(hit: Json) -> dict[Section, str]:
    """The sections in which words were found, whole, with their marks."""
    return {Section(field.removeprefix("sections.")): texts[0] for field, texts in hit.get("highlight", {}).items()}


def _highlights(hit: Json, leading: tuple[Section, ...], most: int) -> tuple[Highlight, ...]:
    """The passage of the section that answers; where none was asked for, of the two that hold most of the words."""
    marked = _marked(hit)
    texts = hit["_source"].get("sections", {})
    titles = hit["_source"]["titles"]
    shown = [section for section in leading if section in titles]
    if shown:
        # The section asked for, unless only its stand-in holds the words.
        best = shown[0] if shown[0] == leading[0] else next((s for s in shown if s in marked), shown[0])
        chosen = [best]
    else:
        chosen = sorted(marked, key=lambda section: -passages.found_words(marked[section]))[:2]
        chosen = chosen or [Section(name) for name in texts][:1]
    return tuple(
        Highlight(s, titles.get(str(s), ""), passages.passage(marked.get(s) or texts.get(str(s), ""), most // len(chosen))) for s in chosen
    )
