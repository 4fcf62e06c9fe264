"""Answers as the JSON that INTERFACE promises. Pure; the page is rendered from the same values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from leaflets import Section
from searchapi.answers import Answer, Comparison, Facet, Highlight, Hit, Side, WholeLeaflet
from searchapi.compare import Telling
from searchapi.query import Filters, Window
from searchapi.seen import Freshness, Seen, SourceFreshness
from searchapi.understand import Suggestion, Understanding

Json = dict[str, object]


def search(answer: Answer, filters: Filters, window: Window) -> Json:
    """What is the same for everyone who asks this, and so is kept in the cache: all but the question's text and the freshness."""
    return {
        "query": _query(answer.meant, filters),
        "results": [hit(h) for h in answer.hits],
        "total": answer.total,
        "page": window.page,
        "size": window.size,
        "suggestions": suggestions(answer.meant.suggestions),
        "instead": [{"why": str(one.why), "query": one.query, "total": one.total} for one in answer.instead],
        "lookalikes": [{"name": o.name, "contrast": [o.mine, o.theirs], "by": str(o.by)} for o in answer.lookalikes],
        "facets": {name: _facet(values) for name, values in answer.facets.items()},
    }


def kept(body: Json) -> bytes:
    """A search's JSON as it is kept: `whole` puts into these bytes what is not."""
    return json.dumps(body, ensure_ascii=False).encode()


def whole(kept_body: bytes, text: str, fresh: bytes) -> bytes:
    """A search's JSON with the question's text and the freshness in their places."""
    asked = json.dumps(text, ensure_ascii=False).encode()
    return b'%s"text": %s, %s, "freshness": %s}' % (_BEGINNING, asked, kept_body[len(_BEGINNING) : -1], fresh)


# What every search's JSON begins with, in which `query` is never empty.
_BEGINNING = b'{"query": {'


def _query(meant: Understanding, filters: Filters) -> Json:
    section = filters.section or meant.section
    return {
        "drug": {"name": meant.drug.name, "by": str(meant.drug.by)} if meant.drug else None,
        "section": str(section) if section else None,
        "doses": list(meant.doses),
        "laboratory": meant.laboratories[0] if meant.laboratories else None,
        "forms": list(meant.forms),
    }


def hit(found: Hit) -> Json:
    """One result."""
    told: Json = {
        "id": found.id,
        "name": found.name,
        "active_ingredients": list(found.active_ingredients),
        "laboratory": found.laboratory,
        "registration": registration(found.registration),
        "category": found.category,
        "active": found.active,
        "audience": found.audience,
        "source": found.source,
        "updated_at": found.updated_at,
        "score": found.score,
        "highlights": [_highlight(h) for h in found.highlights],
        "not_stated": list(found.not_stated),
        "also_in": [{"id": other.id, "source": other.source, "differs": list(other.differs)} for other in found.also_in],
    }
    return told if found.explanation is None else told | {"explanation": [asdict(line) for line in found.explanation]}


def leaflet(found: WholeLeaflet) -> Json:
    """A whole leaflet by section."""
    return _product(found.hit) | {"doses": list(found.doses), "sections": [_highlight(s) for s in found.sections], "history": found.history}


def comparison(found: Comparison) -> Json:
    """Two leaflets side by side."""
    return {
        "a": _side(found.a),
        "b": _side(found.b),
        "differs": list(found.differs),
        "sections": [
            {"section": str(s.section), "differs": s.differs, "a": _telling(s.section, s.a), "b": _telling(s.section, s.b)}
            for s in found.sections
        ],
    }


def _side(side: Side) -> Json:
    return _product(side.hit) | {"eans": list(side.eans), "doses": list(side.doses)}


def _telling(section: Section, told: Telling | None) -> Json | None:
    return {"title": told.title or _TITLES[section], "html": told.html} if told else None


def _product(found: Hit) -> Json:
    """What is told of a product beside a search."""
    whole = hit(found)
    for of_a_result in ("score", "highlights", "not_stated", "also_in"):
        del whole[of_a_result]
    return whole


def suggestions(found: Sequence[Suggestion]) -> list[Json]:
    """Names that may have been meant, best first."""
    return [{"name": s.name, "why": str(s.why), "query": s.query} for s in found]


def freshness(seen: Seen, answer_age: float | None = None) -> Json:
    """How fresh the index is, by its stalest source. `answer_age`: of an answer that nobody can check now, as OpenSearch is away."""
    fresh = seen.freshness
    oldest = fresh.oldest
    told: Json = {
        "generation": seen.generation,
        "oldest": {"source": oldest.source, "synced_at": _time(oldest)} if oldest else None,
        "stale": answer_age is not None or any(fresh.stale(source) for source in fresh.sources),
    }
    return told if answer_age is None else told | {"answer_age_seconds": int(answer_age)}


def sources(fresh: Freshness) -> Json:
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


def _highlight(found: Highlight) -> Json:
    return {"section": str(found.section), "title": found.title or _TITLES[found.section], "html": found.html}


def _facet(values: Sequence[Facet]) -> list[Json]:
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
