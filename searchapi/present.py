"""Answers as the JSON that INTERFACE promises. Pure; the page is rendered from the same values."""

from __future__ import annotations

import json
from collections.abc import Sequence

from leaflets import Audience, Category, Facts, Section
from searchapi import shapes
from searchapi.answers import Answer, Changes, Comparison, Facet, Highlight, Hit, Side, WholeLeaflet
from searchapi.changes import Changed
from searchapi.compare import Telling
from searchapi.query import Filters, Window
from searchapi.seen import Freshness, Seen, SourceFreshness
from searchapi.understand import Suggestion, Understanding


def search(answer: Answer, filters: Filters, window: Window) -> shapes.Kept:
    """What is the same for everyone who asks this, and so is kept in the cache: all but the question's text and the freshness."""
    told: shapes.Kept = {
        "query": _query(answer.meant, filters),
        "results": [hit(h) for h in answer.hits],
        "total": answer.total,
        "page": window.page,
        "size": window.size,
        "suggestions": suggestions(answer.meant.suggestions),
        "instead": [{"why": one.why, "query": one.query, "total": one.total} for one in answer.instead],
        "lookalikes": [{"name": o.name, "contrast": [o.mine, o.theirs], "by": o.by} for o in answer.lookalikes],
        "facets": {
            "audience": _facet(answer.facets["audience"]),
            "laboratory": _facet(answer.facets["laboratory"]),
            "source": _facet(answer.facets["source"]),
        },
    }
    if window.goes_on:
        told["next"] = answer.next
    return told


def kept(body: shapes.Kept) -> bytes:
    """A search's JSON as it is kept: `whole` puts into these bytes what is not."""
    return _JSON.encode(body).encode()


def whole(kept_body: bytes, text: str, fresh: bytes) -> bytes:
    """A search's JSON with the question's text and the freshness in their places."""
    asked = _JSON.encode(text).encode()
    return b'%s"text": %s, %s, "freshness": %s}' % (_BEGINNING, asked, kept_body[len(_BEGINNING) : -1], fresh)


# `json.dumps` makes one each time, unless all is as it is by default.
_JSON = json.JSONEncoder(ensure_ascii=False)
# What every search's JSON begins with (`search` above), in which `query` is never empty.
_BEGINNING = b'{"query": {'


def _query(meant: Understanding, filters: Filters) -> shapes.Meant:
    return {
        "drug": {"name": meant.drug.name, "by": meant.drug.by} if meant.drug else None,
        "section": filters.section or meant.section,
        "doses": list(meant.doses),
        "laboratory": meant.laboratories[0] if meant.laboratories else None,
        "forms": list(meant.forms),
    }


def hit(found: Hit) -> shapes.Hit:
    """One result."""
    told: shapes.Hit = {
        **_product(found),  # type: ignore[typeddict-item]  # mypy thinks that a product might have an explanation of another type
        "score": found.score,
        "highlights": [_highlight(h) for h in found.highlights],
        "not_stated": list(found.not_stated),
        "also_in": [{"id": o.id, "source": o.source, "differs": [Section(name) for name in o.differs]} for o in found.also_in],
    }
    if found.explanation is not None:
        told["explanation"] = [{"clause": r.clause, "field": r.field, "weight": r.weight, "why": r.why} for r in found.explanation]
    return told


def leaflet(found: WholeLeaflet) -> shapes.Leaflet:
    """A whole leaflet by section."""
    sections = [_highlight(s) for s in found.sections]
    return {**_product(found.hit), "doses": list(found.doses), "sections": sections, "history": found.history}


def comparison(found: Comparison) -> shapes.Comparison:
    """Two leaflets side by side."""
    return {
        "a": _side(found.a),
        "b": _side(found.b),
        "differs": list(found.differs),
        "sections": [
            {"section": s.section, "differs": s.differs, "a": _telling(s.section, s.a), "b": _telling(s.section, s.b)}
            for s in found.sections
        ],
    }


def changes(found: Changes) -> shapes.Changes:
    """What changed between a leaflet's versions."""
    return {**_product(found.hit), "known_since": found.known_since, "changes": [_changed(one) for one in found.changes]}


def _changed(one: Changed) -> shapes.Edit:
    before, after = _facts(one.before.facts), _facts(one.after.facts)
    return {
        "updated_at": one.after.updated_at,
        "before_updated_at": one.before.updated_at,
        "facts": [{"fact": name, "before": before[name], "after": after[name]} for name in one.facts],
        "sections": [
            {
                "section": s.section,
                "title": (s.b and s.b.title) or (s.a and s.a.title) or _TITLES[s.section],
                "before": s.a.html if s.a else None,
                "after": s.b.html if s.b else None,
            }
            for s in one.sections
        ],
    }


def _facts(told: Facts) -> dict[str, str]:
    return {
        "name": told.name,
        "active_ingredients": " + ".join(told.active_ingredients),
        "laboratory": told.laboratory,
        "registration": registration(told.registration),
        "eans": ", ".join(told.eans),
    }


def _side(side: Side) -> shapes.Side:
    return {**_product(side.hit), "eans": list(side.eans), "doses": list(side.doses)}


def _telling(section: Section, told: Telling | None) -> shapes.Telling | None:
    return {"title": told.title or _TITLES[section], "html": told.html} if told else None


def _product(found: Hit) -> shapes.Product:
    """What is told of a product wherever it is told."""
    return {
        "id": found.id,
        "name": found.name,
        "active_ingredients": list(found.active_ingredients),
        "laboratory": found.laboratory,
        "registration": registration(found.registration),
        "category": Category(found.category) if found.category else None,
        "active": found.active,
        "audience": Audience(found.audience),
        "source": found.source,
        "updated_at": found.updated_at,
    }


def suggestions(found: Sequence[Suggestion]) -> list[shapes.Suggestion]:
    """Names that may have been meant, best first."""
    return [{"name": s.name, "why": s.why, "query": s.query} for s in found]


def freshness(seen: Seen, answer_age: float | None = None) -> shapes.Freshness:
    """How fresh the index is, by its stalest source. `answer_age`: of an answer that nobody can check now, as OpenSearch is away."""
    fresh = seen.freshness
    oldest = fresh.oldest
    told: shapes.Freshness = {
        "generation": seen.generation,
        "oldest": {"source": oldest.source, "synced_at": _time(oldest)} if oldest else None,
        "stale": answer_age is not None or any(fresh.stale(source) for source in fresh.sources),
    }
    if answer_age is not None:
        told["answer_age_seconds"] = int(answer_age)
    return told


def sources(fresh: Freshness) -> shapes.Sources:
    """Each source's freshness."""
    return {
        "sources": [
            {
                "source": source.source,
                "outcome": source.outcome,
                "synced_at": _time(source),
                "leaflets": source.leaflets,
                "stale": fresh.stale(source),
            }
            for source in fresh.sources
        ]
    }


def registration(digits: str) -> str:
    """A registration as the boxes print it: 9 digits 1.0000.0000, 13 digits 1.0000.0000.000-0."""
    parts = [digits[:1], digits[1:5], digits[5:9]] + ([f"{digits[9:12]}-{digits[12:]}"] if len(digits) == 13 else [])
    return ".".join(part for part in parts if part)


def _highlight(found: Highlight) -> shapes.Passage:
    return {"section": found.section, "title": found.title or _TITLES[found.section], "html": found.html}


def _facet(values: Sequence[Facet]) -> list[shapes.Facet]:
    return [{"value": value.value, "count": value.count} for value in values]


def _time(source: SourceFreshness) -> str | None:
    return source.synced_at.isoformat(timespec="seconds").replace("+00:00", "Z") if source.synced_at else None


# For a section whose leaflet printed no heading.
_TITLES = {
    Section.INDICATIONS: "Indicações",
    Section.MECHANISM: "Como funciona",
    Section.CONTRAINDICATIONS: "Contraindicações",
    Section.WARNINGS: "Advertências e precauções",
    Section.INTERACTIONS: "Interações medicamentosas",
    Section.STORAGE: "Armazenamento",
    Section.POSOLOGY: "Posologia e modo de usar",
    Section.MISSED_DOSE: "Esquecimento de dose",
    Section.ADVERSE_REACTIONS: "Reações adversas",
    Section.OVERDOSE: "Superdose",
    Section.EFFICACY: "Resultados de eficácia",
    Section.PHARMACOLOGY: "Características farmacológicas",
    Section.IDENTIFICATION: "Identificação do medicamento",
    Section.COMPOSITION: "Composição",
    Section.LEGAL: "Dizeres legais",
    Section.OTHER: "Outras informações",
}
SECTION_NAMES = {str(section): name for section, name in _TITLES.items()}
