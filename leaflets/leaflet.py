"""What the indexer and the search both mean by a leaflet (bula).

An ERP's record becomes a :class:`Change`; its :class:`Content` becomes text, the text becomes :class:`Passage` s, and all of it a
:class:`Leaflet`. Everything here is frozen and knows nothing of networks or disks.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Audience(StrEnum):
    """For whom a leaflet is written: VP (patient) or VPS (professional)."""

    PATIENT = "patient"
    PROFESSIONAL = "professional"
    UNKNOWN = "unknown"


class Category(StrEnum):
    """What ANVISA registered a product as. What it calls new is a reference: what generics and similars are compared with."""

    REFERENCE = "reference"
    GENERIC = "generic"
    SIMILAR = "similar"
    BIOLOGICAL = "biological"
    HERBAL = "herbal"
    OTHER = "other"


class Section(StrEnum):
    """The closed set of sections, of both audiences (RDC 47/2009, annexes I and II)."""

    INDICATIONS = "indications"
    MECHANISM = "mechanism"
    CONTRAINDICATIONS = "contraindications"
    WARNINGS = "warnings"
    INTERACTIONS = "interactions"
    STORAGE = "storage"
    POSOLOGY = "posology"
    MISSED_DOSE = "missed_dose"
    ADVERSE_REACTIONS = "adverse_reactions"
    OVERDOSE = "overdose"
    EFFICACY = "efficacy"
    PHARMACOLOGY = "pharmacology"
    IDENTIFICATION = "identification"
    COMPOSITION = "composition"
    LEGAL = "legal"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Passage:
    """One section of one leaflet: its heading as printed and its text, paragraphs separated by newlines."""

    section: Section
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a leaflet as an ERP sent them.

    `media_type` is one of text/plain, text/html, application/rtf, application/pdf, without parameters; `charset` is what the sender
    declared, if anything. `section` is set where the ERP keeps each section in a field of its own.
    """

    body: bytes
    media_type: str
    charset: str | None = None
    section: Section | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the ERP says of the product beside the leaflet's text; whatever it leaves out is read from the text."""

    name: str = ""
    active_ingredients: tuple[str, ...] = ()
    laboratory: str = ""
    registration: str = ""
    eans: tuple[str, ...] = ()
    audience: Audience | None = None
    category: Category | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A leaflet as it now stands in its ERP. `version` grows with every edit there: microseconds since 1970 of `updated_at`."""

    source_id: str
    updated_at: datetime
    version: int
    facts: Facts
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A leaflet that its ERP says is gone. `audience` is None where the ERP withdrew the product, whatever its audiences."""

    source_id: str
    version: int
    audience: Audience | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that could not become a leaflet: why, in words for the person who mends the ERP, and what was sent.

    `present` says that its source does hold a leaflet of this id; not so where the record names none, or only speaks of one.
    """

    source_id: str
    version: int
    reason: str
    original: str
    present: bool = True


def leaflet_id(source: str, source_id: str, audience: str) -> str:
    """A leaflet's id: one record of one ERP has at most one leaflet for each audience."""
    return f"{source}:{source_id}:{audience}"


@dataclass(frozen=True, slots=True)
class Leaflet:
    """One leaflet, ready to be indexed.

    `category` and `active` (whether the product's registration stands) are None where nobody says; `doses` are canonical ("500mg",
    "0.5mg"); `history` is the change-history table, kept apart from the sections because it quotes their titles; `text` is the whole
    original text, from which the index can be rebuilt without asking the ERP.
    """

    source: str
    source_id: str
    audience: Audience
    name: str
    active_ingredients: tuple[str, ...]
    laboratory: str
    registration: str
    eans: tuple[str, ...]
    category: Category | None
    active: bool | None
    passages: tuple[Passage, ...]
    doses: tuple[str, ...]
    history: str
    text: str
    facts: Facts
    updated_at: datetime
    version: int
    content_hash: str = field(init=False)
    """Equal for two readings of an unchanged leaflet: all that is shown, without the times the ERP put on it."""

    @property
    def id(self) -> str:
        """The leaflet's id everywhere."""
        return leaflet_id(self.source, self.source_id, self.audience)

    def __post_init__(self) -> None:
        told = [
            self.name,
            self.active_ingredients,
            self.laboratory,
            self.registration,
            self.eans,
            self.category,
            self.active,
            [(p.section, p.title, p.text) for p in self.passages],
            self.history,
        ]
        digest = hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()[:32]
        # Once: whoever writes a leaflet asks for it several times.
        object.__setattr__(self, "content_hash", digest)
