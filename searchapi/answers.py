"""Answers a question: asks the index what is meant and what is told about it.

text -> understand -> [drug, section, words] -> query -> OpenSearch -> Answer
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import HTTP_EXCEPTIONS, TransportError

from leaflets import Section, leaflet_id
from opensearch.generations import Indices
from opensearch.history import History, Version, version
from opensearch.synonyms import Synonyms
from searchapi import compare, paging, passages, query, ranking
from searchapi.changes import Changed, changes
from searchapi.compare import Compared
from searchapi.deadline import Deadline, TooLate
from searchapi.guesses import Guesses
from searchapi.lookalikes import Lookalike
from searchapi.nothing import Instead, Smaller, keeps_the_drug, must_stand, rarity, smaller
from searchapi.query import Filters, Window
from searchapi.ranking import Clause
from searchapi.sought import Sought, sought
from searchapi.state import Snapshot
from searchapi.understand import Understanding, Usage, names_near, read, understood

# OpenSearch's own JSON; it ends in this module.
Json = Any
# One for all questions: the client makes one for each line.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# What a person reads at a glance: the first result's passage may be long, the others only remind.
FIRST_PASSAGE = 800
OTHER_PASSAGE = 300
# A word near a name is ordinary where one leaflet in a hundred uses it; fewer may be the same slip made in a leaflet.
COMMON = 0.01
# Seconds for a request that nobody waits for.
UNHURRIED = 5.0
# A word of no dictionary that leaflets tell this often among interactions is the name of a drug, whoever holds it. Over 811 real leaflets:
# propranolol 0.76, quinidina 0.62, terfenadina 0.48; rabdomiolise 0.19, creatinina 0.14. Fewer than three leaflets say nothing.
INTERACTING, FEWEST = 0.45, 3


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
    """One product's leaflet, the newest of those that the sources hold.

    `active`: whether its registration stands; None where nobody says. `not_stated`: what was asked about and it does not tell, as typed.
    `explanation`: why it stands where it does, where that was asked.
    """

    id: str
    name: str
    active_ingredients: tuple[str, ...]
    laboratory: str
    registration: str
    category: str | None
    active: bool | None
    audience: str
    source: str
    updated_at: str
    score: float
    highlights: tuple[Highlight, ...]
    not_stated: tuple[str, ...]
    also_in: tuple[AlsoIn, ...]
    explanation: tuple[ranking.Told, ...] | None = None


@dataclass(frozen=True, slots=True)
class Facet:
    """One value by which the results can be narrowed, and how many products have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What was understood and what was found. `total` counts products; where it is 0, `instead` holds questions that find something.

    `next` is the cursor of what comes after it, None at the end and where none was asked for.
    """

    meant: Understanding
    hits: tuple[Hit, ...]
    total: int
    facets: Mapping[str, tuple[Facet, ...]]
    lookalikes: tuple[Lookalike, ...] = ()
    instead: tuple[Smaller, ...] = ()
    next: str | None = None


@dataclass(frozen=True, slots=True)
class WholeLeaflet:
    """A leaflet with all its sections, in their order, as safe HTML."""

    hit: Hit
    sections: tuple[Highlight, ...]
    doses: tuple[str, ...]
    history: str


@dataclass(frozen=True, slots=True)
class Side:
    """One of two leaflets that are compared."""

    hit: Hit
    eans: tuple[str, ...]
    doses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two leaflets side by side; `differs` names the facts that they tell differently."""

    a: Side
    b: Side
    differs: tuple[compare.Fact, ...]
    sections: tuple[Compared, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """A leaflet's edits, newest first; `known_since` is when the oldest version that is known was of."""

    hit: Hit
    known_since: str
    changes: tuple[Changed, ...]


class NoLeaflet(Exception):
    """There is no leaflet of this id, or it was withdrawn; the text says which."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Asks one installation's index; raises TooLate where there is no whole answer before the deadline.

    `preference` names the copy of the index that is asked: all requests for one answer go to the same.
    """

    client: OpenSearch
    indices: Indices
    synonyms: Synonyms
    preference: str = ""
    deadline: Deadline | None = None
    guesses: Guesses = field(default_factory=Guesses)

    def by(self, deadline: Deadline) -> Answers:
        """The same, bounded by a deadline."""
        return replace(self, deadline=deadline)

    def understanding(self, text: str, snapshot: Snapshot) -> Understanding:
        """What a question means; the index tells ordinary words from broken names."""
        reading = read(text, snapshot.names)
        return understood(reading, self._usage((*(doubt.word for doubt in reading.doubts), *reading.strange)), snapshot.names)

    def search(self, meant: Understanding, filters: Filters, window: Window, snapshot: Snapshot, *, explain: bool = False) -> Answer:
        """The leaflets that answer. Nothing is searched while the drug's name is in doubt."""
        if meant.suggestions and not meant.drug:
            return Answer(meant, (), 0, {"audience": (), "laboratory": (), "source": ()})
        held = {} if meant.drug else self.held(meant.rest)
        leading, wanted = query.leading(meant, filters), sought(meant, self.synonyms)
        asked = ranking.reasons(meant, wanted, leading, rarity(held, _leaflets(snapshot)))
        must = must_stand(meant.rest, held, snapshot.names)
        page = _Page(filters, wanted, leading)
        guess = () if explain else self.guesses.of(meant, filters, window)
        bodies = [query.search(meant, filters, window, asked, must, explain=explain), query.facets(meant, filters, must)]
        # The scores of each reason are told for a search by itself only.
        found, counted, *guessed = map(self._ask, bodies) if explain else self._ask_at_once(bodies + page.bodies(guess))
        given = paging.given(window.cursor, meant.text, filters)
        left = [one for hit in found["hits"]["hits"] if not given.has((one := _ranked(hit, asked if explain else ())).product)]
        ranked = left[: window.size]
        told = counted["aggregations"]
        facets = {
            name: tuple(Facet(bucket["key"], bucket["products"]["value"]) for bucket in told[name]["buckets"] if bucket["key"])
            for name in ("audience", "laboratory", "source")
        }
        self.guesses.keep(meant, filters, window, tuple(one.product for one in ranked))
        hits = self._hits(ranked, page, window, _Told.of(guess, guessed))
        others = snapshot.lookalikes.of(meant.drug, meant.named) if meant.drug else ()
        follows = given.and_now(one.product for one in ranked).cursor if left[window.size :] else None
        # The counts may be of a moment before: what is shown was found.
        answer = Answer(meant, hits, max(told["products"]["value"], len(hits)), facets, others, next=follows)
        return answer if answer.total else self._nothing(answer, filters, held, snapshot)

    def _hits(self, ranked: list[_Ranked], page: _Page, window: Window, told: _Told) -> tuple[Hit, ...]:
        """The newest leaflet of each product, with its passage and where else the product stands: as told already, or asked for now."""
        missing = tuple(one.product for one in ranked if one.product not in told.products)
        told |= _Told.of(missing, self._ask_at_once(page.bodies(missing)))
        hits = []
        for number, one in enumerate(ranked):
            shown = told.standing.get(one.product)
            if shown is None:
                continue  # withdrawn between two questions to the index
            # Its own, and not of the tellings, which may be of a moment before: what stands is never left out.
            telling = _telling(shown["_id"], shown["fields"])
            most = FIRST_PASSAGE if number == 0 and window.page == 1 else OTHER_PASSAGE
            hit = _hit(shown, _answered(shown, page.wanted, page.leading, most))
            others = tuple(AlsoIn(t.id, t.source, telling.differs(t)) for t in told.tellings.get(one.product, ()) if t.id != telling.id)
            hits.append(replace(hit, score=one.score, also_in=others, explanation=one.explanation))
        return tuple(hits)

    def _nothing(self, answer: Answer, filters: Filters, held: Mapping[str, int], snapshot: Snapshot) -> Answer:
        """An answer that found nothing, with names that may have been meant and smaller questions that find something."""
        meant = answer.meant
        few = max(1.0, COMMON * _leaflets(snapshot))
        near = names_near(meant.text, [word for word, count in held.items() if count < few], snapshot.names)
        offered = self._instead(meant, filters, held, snapshot)
        return replace(answer, meant=replace(meant, suggestions=meant.suggestions or near), instead=offered)

    def _instead(self, meant: Understanding, filters: Filters, held: Mapping[str, int], snapshot: Snapshot) -> tuple[Smaller, ...]:
        """Of each kind the nearest smaller question that finds something."""
        asked = [(one, self.understanding(one.query, snapshot)) for one in smaller(meant, filters, held, snapshot.names)]
        asked = [(one, less) for one, less in asked if keeps_the_drug(less, meant)]
        held = self.held(dict.fromkeys(word for _, less in asked for word in less.rest))
        found = self._ask_at_once([query.total(less, must_stand(less.rest, held, snapshot.names)) for _, less in asked])
        offered: dict[Instead, Smaller] = {}
        for (one, _), told in zip(asked, found, strict=True):
            if total := told["aggregations"]["products"]["value"]:
                offered.setdefault(one.why, replace(one, total=total))
        return tuple(offered.values())

    def held(self, words: Iterable[str]) -> Mapping[str, int]:
        """How many leaflets hold each of some folded words, by a search for it."""
        asked = tuple(words)
        found = self._ask_at_once([query.holding(word) for word in asked])
        return {word: told["hits"]["total"]["value"] for word, told in zip(asked, found, strict=True)}

    def leaflet(self, leaflet_id: str, meant: Understanding | None) -> WholeLeaflet | None:
        """One whole leaflet, the question's words marked; None where there is none of this id or it was withdrawn."""
        wanted = sought(meant, self.synonyms) if meant else Sought()
        hits = self._ask(query.leaflet(leaflet_id, wanted))["hits"]["hits"]
        if not hits:
            return None
        told = hits[0]["_source"]
        marked = _marked(hits[0])
        sections = tuple(
            Highlight(Section(name), told["titles"].get(name, ""), passages.as_html(marked.get(Section(name), text)))
            for name, text in told["sections"].items()
        )
        return WholeLeaflet(_hit(hits[0]), sections, tuple(told["doses"]), told["history"])

    def comparison(self, a: str, b: str) -> Comparison:
        """Two leaflets side by side; raises NoLeaflet."""
        found = {hit["_id"]: hit for hit in self._ask(query.whole((a, b)))["hits"]["hits"]}
        missing = [f"{name}={leaflet_id}" for name, leaflet_id in (("a", a), ("b", b)) if leaflet_id not in found]
        if missing:
            raise NoLeaflet(f"there is no leaflet {' and none '.join(missing)}: it may have been withdrawn; search for its name")
        mine, theirs = _version(found[a]), _version(found[b])
        differs, sections = compare.facts(mine.facts, theirs.facts), compare.sections(mine.passages, theirs.passages)
        return Comparison(_side(found[a]), _side(found[b]), differs, sections)

    def changes(self, leaflet_id: str) -> Changes:
        """What changed between a leaflet's versions; raises NoLeaflet. What was withdrawn is shown to nobody, nor what it told before."""
        hits = self._ask(query.whole((leaflet_id,)))["hits"]["hits"]
        if not hits:
            raise NoLeaflet("there is no leaflet of this id: it may have been withdrawn; search for its name")
        standing, superseded = _version(hits[0]), self._history.of(leaflet_id)
        known = [one for one in superseded if one.number < standing.number]
        return Changes(_hit(hits[0]), known[-1].updated_at if known else standing.updated_at, changes(standing, known))

    def changed(self, leaflet_id: str) -> bool:
        """Whether anything is known of what a leaflet told before."""
        return self._history.changed(leaflet_id)

    @property
    def _history(self) -> History:
        return History(self.client, self.indices, self._left())

    def _usage(self, words: tuple[str, ...]) -> Usage:
        """How leaflets use words: broken names stand in next to none of them, names of other drugs among the interactions."""
        if not words:
            return Usage()
        everything: Clause = {"size": 0, "track_total_hits": True}
        *counts, all_leaflets = self._ask_at_once([*(query.word_counts(word) for word in words), everything])
        least = max(1, int(COMMON * all_leaflets["hits"]["total"]["value"]))
        holding = {word: count["hits"]["total"]["value"] for word, count in zip(words, counts, strict=True)}
        interacting = {word: count["aggregations"]["interactions"]["doc_count"] for word, count in zip(words, counts, strict=True)}
        return Usage(
            ordinary=frozenset(word for word in words if holding[word] >= least),
            drugs=frozenset(word for word in words if interacting[word] >= max(FEWEST, INTERACTING * holding[word])),
        )

    def _ask_at_once(self, bodies: list[Clause]) -> list[Json]:
        """The answers of several questions to the index, asked in one request."""
        if not bodies:
            return []
        left = self._left()
        header = {"index": self.indices.alias, "allow_partial_search_results": False}
        if self.preference:
            header["preference"] = self.preference
        head = _JSON.encode(header)
        lines = "".join(f"{head}\n{_JSON.encode(body | {'timeout': _seconds(left)})}\n" for body in bodies)
        found: list[Json] = self.client.msearch(body=lines, params={"request_timeout": left})["responses"]
        for told in found:
            if "error" in told:
                raise HTTP_EXCEPTIONS.get(told["status"], TransportError)(told["status"], told["error"]["type"])
        return [_whole(told) for told in found]

    def _ask(self, body: Clause) -> Json:
        left = self._left()
        params = {"request_timeout": left, "timeout": _seconds(left), "allow_partial_search_results": "false"}
        params |= {"include_named_queries_score": "true"} | ({"preference": self.preference} if self.preference else {})
        return _whole(self.client.search(index=self.indices.alias, body=body, params=params))

    def _left(self) -> float:
        """Seconds that a request may take."""
        return self.deadline.left() if self.deadline else UNHURRIED


def _seconds(left: float) -> str:
    """When OpenSearch is to give up: in whole seconds, as it keeps counts by the words that they were asked in. We ourselves go sooner."""
    return f"{math.ceil(left)}s"


def _whole(told: Json) -> Json:
    """An answer of OpenSearch; one that it cut short for want of time is none."""
    if told["timed_out"]:
        raise TooLate
    return told


def _leaflets(snapshot: Snapshot) -> int:
    return sum(source.leaflets for source in snapshot.freshness.sources)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A product, the score of its best leaflet, and why that one has it, where that was asked."""

    product: str
    score: float
    explanation: tuple[ranking.Told, ...] | None


@dataclass(frozen=True, slots=True)
class _Telling:
    """One leaflet of a product: `sections` hold a hash of what each says."""

    id: str
    source: str
    sections: Mapping[str, str]

    def differs(self, other: _Telling) -> tuple[str, ...]:
        """The sections that the other tells differently, or that only one of them has."""
        return tuple(str(section) for section in Section if self.sections.get(str(section)) != other.sections.get(str(section)))


@dataclass(frozen=True, slots=True)
class _Page:
    """What a page of results shows of its products, whichever they are."""

    filters: Filters
    wanted: Sought
    leading: tuple[Section, ...]

    def bodies(self, products: tuple[str, ...]) -> list[Clause]:
        """What to ask of some products; `_Told` reads the answers."""
        return [query.tellings(products), query.shown(products, self.filters, self.wanted, self.leading)] if products else []


@dataclass(frozen=True, slots=True)
class _Told:
    """What the index told of some products: all leaflets of each, and the one that stands for it."""

    products: frozenset[str]
    tellings: Mapping[str, tuple[_Telling, ...]]
    standing: Mapping[str, Json]

    @classmethod
    def of(cls, products: tuple[str, ...], answers: Sequence[Json]) -> _Told:
        """From the answers to a page's `bodies`."""
        if not products:
            return cls(frozenset(), {}, {})
        told, shown = answers
        tellings: dict[str, tuple[_Telling, ...]] = defaultdict(tuple)
        for hit in told["hits"]["hits"]:
            fields = hit["fields"]
            own = leaflet_id(fields["source"][0], fields["source_id"][0], fields["audience"][0])
            tellings[fields["product"][0]] += (_telling(own, fields),)
        return cls(frozenset(products), tellings, {hit["fields"]["product"][0]: hit for hit in shown["hits"]["hits"]})

    def __or__(self, other: _Told) -> _Told:
        return _Told(self.products | other.products, {**self.tellings, **other.tellings}, {**self.standing, **other.standing})


def _ranked(hit: Json, asked: tuple[ranking.Reason, ...]) -> _Ranked:
    met = hit.get("matched_queries", {})
    explanation = ranking.explained(asked, met, hit["_id"], hit["fields"]["updated_at"][0]) if asked else None
    return _Ranked(hit["fields"]["product"][0], hit["_score"], explanation)


def _telling(own: str, fields: Json) -> _Telling:
    return _Telling(own, fields["source"][0], dict(told.split(" ") for told in fields.get("section_hashes", ())))


def _answered(hit: Json, wanted: Sought, leading: tuple[Section, ...], most: int) -> passages.Answered:
    texts = {Section(name): text for name, text in hit["_source"].get("sections", {}).items()} | _marked(hit)
    return passages.answered(texts, wanted, leading, most, near=frozenset(hit.get("matched_queries", ())))


def _hit(hit: Json, answered: passages.Answered = passages.NOTHING_SHOWN) -> Hit:
    told = hit["_source"]
    return Hit(
        id=hit["_id"],
        name=told["name"],
        active_ingredients=tuple(told["active_ingredients"]),
        laboratory=told["laboratory"],
        registration=told["registration"],
        category=told.get("category"),
        active=told.get("active"),
        audience=told["audience"],
        source=told["source"],
        updated_at=told["updated_at"],
        score=0.0,
        highlights=tuple(Highlight(one.section, told["titles"].get(one.section, ""), one.html) for one in answered.shown),
        not_stated=tuple(thing.typed for thing in answered.not_stated),
        also_in=(),
    )


def _version(hit: Json) -> Version:
    return version(hit["_source"], hit["_version"])


def _side(hit: Json) -> Side:
    return Side(_hit(hit), tuple(hit["_source"]["eans"]), tuple(hit["_source"]["doses"]))


def _marked(hit: Json) -> dict[Section, str]:
    """The sections in which words were found, whole, with their marks."""
    return {Section(field.removeprefix("sections.")): texts[0] for field, texts in hit.get("highlight", {}).items()}
