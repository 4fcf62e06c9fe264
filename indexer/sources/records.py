"""From one ERP record to a Change: which of its fields says what, and what each may look like."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from types import MappingProxyType
from typing import Generic, Literal, NoReturn, TypeVar
from zoneinfo import ZoneInfo

from jmespath.exceptions import JMESPathTypeError
from pydantic import Field

from indexer.sources.tables import Table, Zone
from indexer.sources.window import Window, version
from leaflets import Audience, Change, Content, Facts, Section, Unreadable, Withdrawal, register

Place = TypeVar("Place")
"""Where in a record a value stands: a JMESPath expression, or a column's name."""

# OpenSearch's ids have at most 512 bytes; the source's name and the audience go before and behind.
_LONGEST_ID = 400
# What is kept of a record that could not be read, for the person who mends it.
_LONGEST_ORIGINAL = 200_000
_NO = frozenset({"", "0", "false", "f", "n", "no", "não", "nao", "tno"})
_AUDIENCES = {
    "vp": Audience.PATIENT,
    "patient": Audience.PATIENT,
    "paciente": Audience.PATIENT,
    "vps": Audience.PROFESSIONAL,
    "professional": Audience.PROFESSIONAL,
    "profissional": Audience.PROFESSIONAL,
    "unknown": Audience.UNKNOWN,
}
# MySQL's "0000-00-00 00:00:00", and what is left of it in "00/00/0000" and "00000000".
_ZEROS = re.compile(r"0[0./: T-]*")
# OData 2's JSON, section 4 of its "Verbose JSON Format": milliseconds, and for an Edm.DateTimeOffset the minutes of the offset.
_ODATA = re.compile(r"/Date\((-?\d+)([+-]\d+)?\)/")
_HTML = re.compile(rb"<\s*(!doctype|html|body|p|div|br|span|table|b|strong|i|em|ul|ol|li|h[1-6])\b[^>]*>", re.IGNORECASE)


class UnreadableRecord(Exception):
    """A record cannot become a leaflet; the text says why."""


class Fields(Table, Generic[Place]):
    """Which of a record's fields says what. Only `id` and one that holds the leaflet are needed; the rest is read from the leaflet."""

    id: Place = Field(examples=['"code"'])
    """The product's own, lasting id."""

    name: Place | None = Field(default=None, examples=['"description"'])
    """The product's name."""

    active_ingredients: Place | None = Field(default=None, examples=['"substances"'])
    """Its active ingredients: a list, or a text with +, ; or , between them."""

    laboratory: Place | None = Field(default=None, examples=['"maker"'])
    """Who makes it."""

    registration: Place | None = Field(default=None, examples=['"anvisa"'])
    """Its ANVISA registration."""

    ean: Place | None = Field(default=None, examples=['"barcode"'])
    """Its EAN: one, a list, or a text with ; or , between them."""

    audience: Place | None = Field(default=None, examples=['"kind"'])
    """For whom the leaflet is written: VP or patient, VPS or professional, or as `audience_values` says."""

    audience_values: dict[str, Audience] = Field(default_factory=dict, examples=['{ "1" = "patient", "2" = "professional" }'])
    """What the ERP's own words for the audiences mean."""

    category: Place | None = Field(default=None, examples=['"regulatory_category"'])
    """What ANVISA registered it as: Referência or Novo, Genérico, Similar, Biológico, Fitoterápico, Específico. Other words say nothing."""

    active: Place | None = Field(default=None, examples=['"registration_status"'])
    """Whether its registration stands: true, S, Ativo, Válido, or false, N, Inativo, Caduco, Cancelado. Other words say nothing."""

    updated_at: Place | None = Field(default=None, examples=['"modified"'])
    """When the record was last edited. Left out, every pull reads every record, and its own time stands for the edit's."""

    updated_at_format: str = Field(default="iso", examples=['"%d/%m/%Y %H:%M:%S"'])
    """How that time is written: iso, epoch (seconds), epoch_ms, odata (/Date(...)/ or iso), or a strptime pattern."""

    timezone: Zone = Field(default=ZoneInfo("UTC"), examples=['"America/Sao_Paulo"'])
    """The zone of times that name none."""

    deleted: Place | None = Field(default=None, examples=['"inactive"'])
    """Says that the leaflet is withdrawn: where it is true, and none of 0, n, no, false, tNO; or as `deleted_values` says."""

    deleted_values: tuple[str, ...] = Field(default=(), examples=['["S", "E"]'])
    """The values of `deleted` that mean withdrawn, if only some do."""

    text: Place | None = Field(default=None, examples=['"leaflet_html"'])
    """The leaflet's text, if it is one field."""

    text_type: Literal["auto", "text/plain", "text/html", "application/rtf"] = Field(default="auto", examples=['"text/html"'])
    """What `text` and `sections` hold; auto looks at each."""

    sections: dict[Section, Place] = Field(default_factory=dict, examples=['{ posology = "dosage", storage = "keeping" }'])
    """The fields of an ERP that keeps each section in one of its own."""


def reading(
    fields: Fields[Place],
    told: Callable[[Place], object],
    window: Window,
    original: Callable[[], str],
    documents: Callable[[], tuple[Content, ...]] = tuple,
    also_edited: datetime | None = None,
) -> Change | Withdrawal | Unreadable:
    """What one record says, each of whose values `told` gives; never raises for what stands in it.

    `documents` gives what the leaflet has beside its texts, and may raise UnreadableRecord; it is not asked for a withdrawn leaflet.
    `also_edited` is when something that is not in the record, but belongs to it, was edited.
    """
    source_id, edited = "", 0
    try:
        source_id = _id(told(fields.id))
        at = _updated_at(fields, told, window)
        at = at if also_edited is None else max(at, window.edited(also_edited))
        edited = version(at)
        if fields.deleted is not None and _withdrawn(told(fields.deleted), fields.deleted_values):
            return Withdrawal(source_id, edited, _whose(fields, told))
        meant = _audience(fields, told)
        contents = (*_texts(fields, told), *documents())
        if not contents:
            _wrong("it has no leaflet: all the fields that may hold one are empty")
        return Change(source_id, at, edited, _facts(fields, told, meant), contents)
    except UnreadableRecord as error:
        reason = str(error)
    except JMESPathTypeError as error:
        # Not its own text, which quotes the value: that may be a leaflet.
        reason = f"{error.function_name}() of an expression in `fields` got a value of type {error.actual_type}"
    except UnicodeEncodeError:
        reason = "it holds half a character (a lone surrogate), which no text may"
    return unreadable(source_id, edited, reason, original())


def _whose(fields: Fields[Place], told: Callable[[Place], object]) -> Audience | None:
    """Whose leaflet was withdrawn; None, everybody's, where nobody can tell: what was withdrawn must not stay for a word's sake."""
    try:
        return _audience(fields, told)
    except (UnreadableRecord, JMESPathTypeError):
        return None


def _audience(fields: Fields[Place], told: Callable[[Place], object]) -> Audience | None:
    return None if fields.audience is None else audience(told(fields.audience), fields.audience_values)


def unreadable(source_id: str, edited: int, reason: str, original: str) -> Unreadable:
    """A record that could not be read, under its id or, where it has none, under one made of what it says."""
    clean = original.encode("utf-8", "backslashreplace").decode()
    if len(clean) > _LONGEST_ORIGINAL:
        clean = f"{clean[:_LONGEST_ORIGINAL]}... ({len(clean):,} characters in all)"
    told = source_id or f"unknown-{sha256(clean.encode()).hexdigest()[:16]}"
    return Unreadable(told, edited, reason, clean, present=bool(source_id))


def truthy(value: object) -> bool:
    """Whether a value means yes, as ERPs write it: true, 1, "S", "tYES", and not "0", "N", "false", "tNO"."""
    return value.strip().lower() not in _NO if isinstance(value, str) else bool(value)


def media_type(body: bytes) -> str:
    """What kind of leaflet some bytes are, by their own look; raises UnreadableRecord for an office or ZIP file."""
    head = body[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"%PDF-" in body[:1024]:
        return "application/pdf"
    if head.startswith(b"{\\rtf"):
        return "application/rtf"
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        _wrong("it holds an office document or a ZIP file; only PDF, RTF, HTML and plain text can be read")
    return "text/html" if _HTML.search(body[:65536]) else "text/plain"


def listed(value: object, separators: str) -> tuple[str, ...]:
    """A list, or a text with separators between its parts, as its parts."""
    parts: Iterator[object] = iter(value) if isinstance(value, list | tuple) else iter(re.split(separators, words(value)))
    return tuple(part for part in map(words, parts) if part)


def words(value: object) -> str:
    """A value as a text in one piece; a missing one is empty."""
    match value:
        case None | False:
            return ""
        case str():
            value.encode()
            return value.strip()
        case bool() | list() | dict() | bytes():
            _wrong(f"a text or a number was expected where it has a {type(value).__name__}")
        case float() | Decimal() if math.isfinite(value) and value == int(value):
            return str(int(value))
    return str(value)


def audience(value: object, meanings: Mapping[str, Audience] = MappingProxyType({})) -> Audience | None:
    """The audience that a value names; raises UnreadableRecord where it names none that is known."""
    told = words(value)
    known = meanings.get(told) or _AUDIENCES.get(told.lower())
    if told and not known:
        _wrong(f"its audience is {told[:40]!r}, which is none of {', '.join(_AUDIENCES)}; `audience_values` can say what it means")
    return known


def _wrong(reason: str) -> NoReturn:
    raise UnreadableRecord(reason)


def _id(value: object) -> str:
    source_id = words(value)
    if not source_id:
        _wrong("it has no id")
    if len(source_id.encode()) > _LONGEST_ID:
        _wrong(f"its id is longer than {_LONGEST_ID} bytes")
    return source_id


def _updated_at(fields: Fields[Place], told: Callable[[Place], object], window: Window) -> datetime:
    if fields.updated_at is None:
        return window.began
    value = told(fields.updated_at)
    try:
        return window.edited(moment(value, fields.updated_at_format, fields.timezone))
    except (ValueError, OverflowError, OSError):
        shown = "missing" if value is None else repr(value)[:40]
        message = f"its time of edit is {shown}, which is no time in the format {fields.updated_at_format!r}"
        raise UnreadableRecord(message) from None


def moment(value: object, form: str, zone: ZoneInfo) -> datetime:
    """When an ERP says that something was, in this form and, where it names no zone, in this one; raises ValueError where it is no time.

    A date of zeros is how some databases say that they do not know: it counts as long ago.
    """
    if isinstance(value, str) and _ZEROS.fullmatch(value.strip()):
        return datetime.fromtimestamp(0, UTC)
    at = _moment(value, form)
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _moment(value: object, form: str) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 the caller knows its zone
    if value is None or isinstance(value, bool):
        raise ValueError
    match form:
        case "epoch" | "epoch_ms":
            return datetime.fromtimestamp(float(str(value)) / (1 if form == "epoch" else 1000), UTC)
        case "odata" if told := _ODATA.fullmatch(str(value).strip()):
            at = datetime.fromtimestamp(int(told[1]) / 1000, UTC)
            # Without an offset it is an Edm.DateTime, which counts in the server's own zone.
            return at if told[2] else at.replace(tzinfo=None)
        case "iso" | "odata":
            return datetime.fromisoformat(str(value).strip())
    return datetime.strptime(str(value).strip(), form)  # noqa: DTZ007 the caller knows its zone


def _withdrawn(value: object, meaning: tuple[str, ...]) -> bool:
    return words(value) in meaning if meaning else truthy(value)


def _facts(fields: Fields[Place], told: Callable[[Place], object], meant: Audience | None) -> Facts:
    def said(place: Place | None) -> object:
        return None if place is None else told(place)

    return Facts(
        name=words(said(fields.name)),
        # Not at the comma in names such as 2,4-diclorobenzílico.
        active_ingredients=listed(said(fields.active_ingredients), r"[+;]|,(?!\d)"),
        laboratory=words(said(fields.laboratory)),
        registration=words(said(fields.registration)),
        eans=listed(said(fields.ean), r"[;,]"),
        audience=meant,
        category=register.category(said(fields.category)),
        active=register.active(said(fields.active)),
    )


def _texts(fields: Fields[Place], told: Callable[[Place], object]) -> Iterator[Content]:
    if fields.text is not None:
        yield from _text(fields, told(fields.text), None)
    for section, place in fields.sections.items():
        yield from _text(fields, told(place), section)


def _text(fields: Fields[Place], value: object, section: Section | None) -> Iterator[Content]:
    body = words(value).encode()
    if body:
        yield Content(body, media_type(body) if fields.text_type == "auto" else fields.text_type, "utf-8", section)
