"""The shapes of the API's answers. `present` gives them, mypy holds it to them, and /openapi.json is made from them.

A field's type and docstring are what the document says of it (where a shape is inherited, Annotated: pydantic reads a class's own
docstrings only). A field that an answer may lack is NotRequired; no other is ever left out.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic reads no other TypedDict before Python 3.12

from leaflets import Audience, Category, Section
from searchapi.compare import Fact
from searchapi.lookalikes import Alike
from searchapi.nothing import Instead
from searchapi.spelling import Why
from searchapi.vocabulary import By

_shape = with_config(ConfigDict(extra="forbid", use_attribute_docstrings=True))

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-20T12:00:00Z"])]
Count = Annotated[int, Field(ge=0)]
LeafletId = Annotated[str, Field(description="`source:source_id:audience`.", examples=["matriz:001101:patient"])]
NEXT = (
    "Goes on where this page ends, as `cursor`, whatever is written into the index meanwhile; null at the end. "
    "Left out where a `page` beyond the first was asked for."
)
INSTEAD = "Filled only where nothing was found: questions that find something when asked without filters. A drug that was named is in each."


@_shape
class Product(TypedDict):
    """What is told of a leaflet's product wherever it is told."""

    id: LeafletId
    name: str
    active_ingredients: list[str]
    laboratory: str
    registration: Annotated[str, Field(description="As boxes print it, 1.0000.0000; empty where nobody says.")]
    category: Annotated[Category | None, Field(description="What ANVISA registered the product as; null where nobody says.")]
    active: Annotated[bool | None, Field(description="Whether its registration stands; null where nobody says.")]
    audience: Audience
    source: str
    updated_at: Moment


@_shape
class Passage(TypedDict):
    """A passage of a section."""

    section: Section
    title: str
    """As the leaflet prints it."""
    html: str
    """Safe to insert: the text is escaped, only <mark> is markup."""


@_shape
class AlsoIn(TypedDict):
    """The same product in another source."""

    id: LeafletId
    source: str
    differs: list[Section]
    """The sections that it tells differently."""


@_shape
class Explanation(TypedDict):
    """One reason of the ranking; a weight of 0 is a reason for others to stand before it."""

    clause: str
    field: str
    weight: float
    why: str


@_shape
class Hit(Product):
    """A result: one product's newest leaflet."""

    score: float
    highlights: list[Passage]
    """Whole sentences that answer, best first."""
    not_stated: list[str]
    """What was asked about, as typed, and this leaflet does not state: its silence is no answer. Empty where it states all, or where no
    drug was recognised."""
    also_in: list[AlsoIn]
    explanation: NotRequired[list[Explanation]]
    """With explain=1 alone: why the result stands where it does, strongest first. A weight of 0 is a reason for others to stand before
    it."""


@_shape
class Drug(TypedDict):
    """The drug that was recognised, and by what."""

    name: str
    by: By


@_shape
class Meant(TypedDict):
    """What was understood of a question."""

    drug: Annotated[Drug | None, Field(description="Null where no name was recognised.")]
    section: Annotated[Section | None, Field(description="The section that answers; null where none was asked for.")]
    doses: list[str]
    laboratory: str | None
    forms: list[str]


@_shape
class Understood(Meant):
    """A question and what was understood of it."""

    text: str


@_shape
class Suggestion(TypedDict):
    """A name that may have been meant."""

    name: str
    why: Why
    query: str
    """The question with this name in it."""


@_shape
class Smaller(TypedDict):
    """A smaller question that finds something when asked without filters."""

    why: Instead
    query: str
    total: Annotated[int, Field(ge=1)]


@_shape
class Lookalike(TypedDict):
    """A name that could be taken for the one asked for."""

    name: str
    contrast: Annotated[list[str], Field(min_length=2, max_length=2, examples=[["hidrOXIzina", "hidrALAzina"]])]
    """The name asked for and the other, the letters that differ in capitals."""
    by: Alike
    """It is written like it, it sounds like it, or the customer's own list says so."""


@_shape
class Facet(TypedDict):
    """A value by which the results can be narrowed, and how many products have it."""

    value: str
    count: Count


@_shape
class Facets(TypedDict):
    """What the results can be narrowed by."""

    audience: list[Facet]
    laboratory: list[Facet]
    source: list[Facet]


@_shape
class Oldest(TypedDict):
    """The source that was synced longest ago."""

    source: str
    synced_at: Moment | None
    """Null where it never was."""


@_shape
class Freshness(TypedDict):
    """How fresh the index is."""

    generation: Annotated[str, Field(examples=["leaflets-000003"])]
    oldest: Oldest | None
    """Null before the first sync."""
    stale: bool
    """Whether a source is older than twice the time between two pulls, or this is a kept answer and OpenSearch is away."""
    answer_age_seconds: NotRequired[Count]
    """Only while OpenSearch is away: how long ago this kept answer was made."""


class _Found(TypedDict):
    results: list[Hit]
    total: Annotated[int, Field(ge=0, description="Products found; exact up to 1,000.")]
    page: Annotated[int, Field(ge=1)]
    size: Annotated[int, Field(ge=1)]
    next: Annotated[NotRequired[str | None], Field(description=NEXT)]
    suggestions: Annotated[list[Suggestion], Field(description="Names that may have been meant, best first.")]
    instead: Annotated[list[Smaller], Field(description=INSTEAD)]
    lookalikes: list[Lookalike]
    facets: Facets


@_shape
class Kept(_Found):
    """A search's answer as the cache keeps it, as bytes: without the question's text and what changes without the index."""

    query: Meant


@_shape
class Search(_Found):
    """A search's answer."""

    query: Understood
    freshness: Freshness


@_shape
class Question(TypedDict):
    """What was asked."""

    text: str


@_shape
class Suggest(TypedDict):
    """Names while typing."""

    query: Question
    suggestions: list[Suggestion]


@_shape
class Leaflet(Product):
    """A whole leaflet."""

    doses: list[str]
    sections: list[Passage]
    """In the leaflet's order."""
    history: str
    """The change-history table, as text."""


@_shape
class Side(Product):
    """One of two leaflets that are compared."""

    eans: list[str]
    doses: list[str]


@_shape
class Telling(TypedDict):
    """What one leaflet tells in a section."""

    title: str
    html: str
    """Safe to insert; the words that the other has not are marked."""


@_shape
class Compared(TypedDict):
    """A section of two leaflets."""

    section: Section
    differs: bool
    """Whether the wording differs, however it is laid out; also where only one has the section."""
    a: Telling | None
    """Null where this leaflet does not have the section."""
    b: Telling | None
    """Null where this leaflet does not have the section."""


@_shape
class Comparison(TypedDict):
    """Two leaflets side by side."""

    a: Side
    b: Side
    differs: list[Fact]
    """The facts that the two tell differently."""
    sections: list[Compared]


@_shape
class ChangedFact(TypedDict):
    """A fact that an edit changed."""

    fact: Fact
    before: str
    after: str


@_shape
class ChangedSection(TypedDict):
    """A section whose wording an edit changed, whole."""

    section: Section
    title: str
    before: str | None
    """Safe to insert; the words that went are marked. Null where the section is new."""
    after: str | None
    """Safe to insert; the words that came are marked. Null where the section went."""


@_shape
class Edit(TypedDict):
    """What one version of a leaflet tells otherwise than the one before."""

    updated_at: Moment
    """When the ERP made this edit."""
    before_updated_at: Moment
    """When the ERP made the edit before it."""
    facts: list[ChangedFact]
    sections: list[ChangedSection]
    """Only those whose wording changed."""


@_shape
class Changes(Product):
    """A leaflet's edits, as far as they are known."""

    known_since: Annotated[Moment, Field(description="When the ERP last changed the oldest version that is known.")]
    changes: list[Edit]


@_shape
class Source(TypedDict):
    """A source's freshness."""

    source: str
    outcome: str
    """How its last pull ended."""
    synced_at: Moment | None
    """When all that it held was in the index; null where it never was."""
    leaflets: Count
    stale: bool


@_shape
class Sources(TypedDict):
    """Each source's freshness."""

    sources: list[Source]


@_shape
class Alive(TypedDict):
    """The process lives."""

    status: Literal["alive"]


@_shape
class Ready(TypedDict):
    """Questions can be answered."""

    status: Literal["ready"]
    generation: str
    redis: Literal["up", "away"]
    """Away, answers are only slower."""


@_shape
class Problem(TypedDict):
    """Why a request failed, and what to do (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    parameter: NotRequired[str]
    """Of a 400: the parameter that cannot be used."""
