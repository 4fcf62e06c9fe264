"""In which order leaflets that answer stand, and why. Pure.

    RANKING (a table, strongest first) -> reasons() of one question -> clauses of its query -> those that a leaflet met, told by OpenSearch

Every reason is worth a fixed number, whatever the index holds: a score is a sum of the table's weights and nothing else, so that it can
be told in words, and is the same on every copy of the index. Which leaflets may be shown at all is decided before (query's filter).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leaflets import Category, Section
from leaflets.labels import phrase, printed
from searchapi.sections import SAME_CONTENT
from searchapi.sought import Sought, Thing
from searchapi.understand import Understanding
from searchapi.vocabulary import Drug

Clause = dict[str, object]

TEXT_FIELDS = [f"sections.{section}" for section in Section]


@dataclass(frozen=True, slots=True)
class Weight:
    """One line of the ranking table: what is asked of which field, what it is worth, and why."""

    clause: str
    field: str
    weight: float
    why: str


# The whole ranking, strongest first. Each weight is more than all below it together, the words' for each of MOST_THINGS things. Scores are
# 32-bit floats, exact to 24 bits: the sum of all has 22, a hint's half needs one more; without a drug, where words count in sixteenths, the
# first two lines are not asked (tests/unit/test_ranking.py). Equal leaflets: the newest first.
RANKING = (
    Weight("brand", "called", 2**21, "the product of the brand asked for: before those whose names only begin with it"),
    Weight("substance_alone", "ingredient_count", 2**20, "the substances asked for and no other: combinations come after"),
    Weight("laboratory", "laboratory.exact", 2**19, "of the laboratory asked for"),
    Weight("form", "forms", 2**18, "comes in the pharmaceutical form asked for"),
    Weight("dose", "doses", 2**17, "comes in the strength asked for"),
    Weight("audience", "audience", 2**16, "written for the readers asked for"),
    Weight("states", "sections", 2**15, "states all that was asked about, in the sections that answer"),
    Weight("section", "sections", 2**14, "holds the section asked for: where it is missing, another only touches on it"),
    Weight("exact_name", "called", 2**13, "called as was typed, accents and all"),
    Weight("folded_name", "called.folded", 2**12, "called as was typed, but for accents"),
    Weight("begins", "called.folded, name", 2**11, "its name begins with what was typed, or holds it: a generic before a brand"),
    Weight("reference", "category", 2**10, "the reference, or a new product: what others are compared with"),
    Weight("not_similar", "category", 2**9, "no similar: these come after what they are similar to"),
    Weight("active", "active", 2**8, "its registration stands, or nobody says that it ended"),
    Weight("leading_section", "sections", 4, "the section asked for has the word"),
    Weight("other_section", "sections", 2, "a section that may answer too has the word"),
    Weight("anywhere", "sections", 1, "the leaflet has the word"),
)
# Words of one question that are ranked by. 300 characters hold more only when nobody could read them out.
MOST_THINGS = 31
_WEIGHTS = {weight.clause: weight for weight in RANKING}


@dataclass(frozen=True, slots=True)
class Reason:
    """One line of the table as a question asks it: `query` finds what meets it, `about` says of what, `name` tells it from all others."""

    weight: Weight
    query: Clause
    about: str = ""
    share: float = 1.0

    @property
    def name(self) -> str:
        """What OpenSearch calls it."""
        return f"{self.weight.clause} {self.about}".strip()

    def clause(self, *, named: bool) -> Clause:
        """Its part of the query: worth its weight, however often and wherever it is met. Where `named`, each hit says whether it met it."""
        name = {"_name": self.name} if named else {}
        return {"constant_score": {"filter": self.query, "boost": self.weight.weight * self.share, **name}}


@dataclass(frozen=True, slots=True)
class Told:
    """One line of why a result stands where it does; a weight of 0 is a reason for others to stand before it."""

    clause: str
    field: str
    weight: float
    why: str


def reasons(
    meant: Understanding, wanted: Sought, leading: tuple[Section, ...], rarity: Mapping[str, float] | None = None
) -> tuple[Reason, ...]:
    """What a question asks of its leaflets, strongest first. `rarity`: how much a word tells, one where it is silent."""
    # Without a drug and a section, what is asked is what helps.
    sections = leading or (() if meant.drug else (Section.INDICATIONS,))
    words = _words(wanted, sections, rarity or {})
    return (
        *_named(meant),
        *_asked(meant),
        *_states(wanted, sections),
        *_section(meant, leading),
        *_called(meant),
        *_registered(meant),
        *words,
    )


def explained(asked: tuple[Reason, ...], met: Mapping[str, float], leaflet_id: str, updated_at: str) -> tuple[Told, ...]:
    """Why a product stands where its best leaflet does: each reason of the question's, with the score that OpenSearch gave for it."""
    lines = [Told(r.weight.clause, r.weight.field, met.get(r.name, 0.0), _sentence(r, stands=r.name in met)) for r in asked]
    return (*lines, Told("newest", "updated_at", 0.0, f"of equals the newest stands first; {leaflet_id} is of {updated_at}"))


def _sentence(reason: Reason, *, stands: bool) -> str:
    about = f" ({reason.about})" if reason.about else ""
    return f"{reason.weight.why}{about}" if stands else f"not so: {reason.weight.why}{about}"


def _reason(clause: str, query: Clause, about: str = "", share: float = 1.0) -> Reason:
    return Reason(_WEIGHTS[clause], query, about, share)


def _named(meant: Understanding) -> tuple[Reason, ...]:
    """Which of the drug's products is the one that was named."""
    drug, found = meant.drug, []
    if drug and drug.names and meant.named:
        found.append(_reason("brand", {"term": {"called.folded": phrase(meant.named)}}, meant.named))
    if drug and drug.substances:
        found.append(_reason("substance_alone", {"term": {"ingredient_count": len(drug.substances)}}))
    return tuple(found)


def _asked(meant: Understanding) -> tuple[Reason, ...]:
    """What else the question says of the product."""
    found = []
    if meant.laboratories:
        found.append(_reason("laboratory", {"terms": {"laboratory.exact": list(meant.laboratories)}}, ", ".join(meant.laboratories)))
    if meant.forms:
        # Of one drug the form decides; without a drug it is one word of the question: any tablet is no answer to "comprimido para azia".
        share = 1.0 if meant.drug else _WEIGHTS["anywhere"].weight / _WEIGHTS["form"].weight
        found.append(_reason("form", _all("forms", meant.forms), ", ".join(meant.forms), share))
    if meant.doses:
        found.append(_reason("dose", _all("doses", meant.doses), ", ".join(meant.doses)))
    if meant.audience:
        found.append(_reason("audience", {"term": {"audience": meant.audience}}, meant.audience))
    return tuple(found)


def _states(wanted: Sought, sections: tuple[Section, ...]) -> tuple[Reason, ...]:
    things = [thing for thing in wanted.things[:MOST_THINGS] if thing.must_be_stated]
    if not things:
        return ()
    stated: Clause = {"bool": {"filter": [_has(thing, sections) for thing in things]}}
    return (_reason("states", stated, ", ".join(thing.typed for thing in things)),)


def _section(meant: Understanding, leading: tuple[Section, ...]) -> tuple[Reason, ...]:
    if not meant.drug or not leading:
        return ()
    holding = [leading[0], *(SAME_CONTENT[section] for section in leading[:1] if section in SAME_CONTENT)]
    return (_reason("section", _any([{"exists": {"field": f"sections.{section}"}} for section in holding]), str(leading[0])),)


def _called(meant: Understanding) -> tuple[Reason, ...]:
    """How nearly the product's name is what was typed."""
    if not meant.drug and meant.rest:
        words = " ".join(meant.rest)
        return (_reason("begins", {"match": {"name": {"query": words, "operator": "and"}}}, words),)
    if not meant.drug or not meant.named:
        return ()
    folded = phrase(meant.named)
    begins: list[Clause] = [{"prefix": {"called.folded": f"{folded} "}}, {"term": {"called.folded": folded}}]
    if meant.drug.substances:
        begins.append(_holding(meant.drug))
    return (
        _reason("exact_name", {"term": {"called": printed(meant.named)}}, meant.named),
        _reason("folded_name", {"term": {"called.folded": folded}}, meant.named),
        _reason("begins", _any(begins), meant.named),
    )


def _holding(drug: Drug) -> Clause:
    """Products whose name holds every substance asked for, under one of its names."""
    return {"bool": {"filter": [_any([{"match_phrase": {"name": spelled}} for spelled in spellings]) for spellings in drug.substances]}}


def _registered(meant: Understanding) -> tuple[Reason, ...]:
    active = _reason("active", {"bool": {"must_not": [{"term": {"active": False}}]}})
    if meant.drug is None:
        # What others are compared with is so among products of one drug only: of different drugs the one that helps stands first.
        return (active,)
    return (
        _reason("reference", {"term": {"category": Category.REFERENCE}}),
        _reason("not_similar", {"bool": {"must_not": [{"term": {"category": Category.SIMILAR}}]}}),
        active,
    )


def _words(wanted: Sought, sections: tuple[Section, ...], rarity: Mapping[str, float]) -> tuple[Reason, ...]:
    """Where each thing that was asked about stands; one whose rarest word is common tells less."""
    found = []
    for thing in wanted.things[:MOST_THINGS]:
        share = thing.weight * max((rarity.get(word, 1.0) for word in thing.words), default=1.0)
        if sections:
            found.append(_reason("leading_section", _has(thing, sections[:1]), thing.typed, share))
        if sections[1:]:
            found.append(_reason("other_section", _has(thing, sections[1:]), thing.typed, share))
        found.append(_reason("anywhere", _has(thing, ()), thing.typed, share))
    return tuple(found)


def _has(thing: Thing, sections: tuple[Section, ...]) -> Clause:
    """Leaflets one of whose sections (any, where none is given) has the thing, in its own words or those of a synonym."""
    fields = [f"sections.{section}" for section in sections] or TEXT_FIELDS
    return {"multi_match": {"query": thing.typed, "type": "best_fields", "operator": "and", "fields": fields}}


def _all(field: str, values: tuple[str, ...]) -> Clause:
    return {"bool": {"filter": [{"term": {field: value}} for value in values]}}


def _any(clauses: list[Clause]) -> Clause:
    return {"bool": {"should": clauses, "minimum_should_match": 1}}
