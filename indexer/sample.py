"""What a source's mapping makes of a few real rows, for the person who writes it: each field, and the leaflet read of it.

source.pages -> the first Change, Withdrawal or Unreadable ... -> Readers -> lines of text
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice

from indexer.readers import Readers
from indexer.sources.base import Source, in_turn
from leaflets import Change, Content, Unreadable, Withdrawal

_NOTHING = "-"
# As much of a leaflet's text as shows whether it is the right field and the right encoding.
_SHOWN = 60
_ORIGINAL_LINES = 12


def sample(source: Source, rows: int, readers: Readers) -> Iterator[str]:
    """Lines about the first rows of a source, asked one page after the other and no further than needed; raises as `Source.pages`."""
    pages = source.pages(None, in_turn, whole=True)
    with closing(pages):  # type: ignore[type-var]  # sources give generators
        changes = (change for page in pages for change in page.changes)
        for number, change in enumerate(islice(changes, rows), 1):
            yield f"  {number}. {change.source_id}"
            yield from (f"     {line}" for line in _told(source.name, change, readers))


def _told(source: str, change: Change | Withdrawal | Unreadable, readers: Readers) -> Iterator[str]:
    match change:
        case Withdrawal(audience=audience):
            yield f"withdrawn{f' ({audience})' if audience else ''}"
        case Unreadable(reason=reason, original=original):
            yield f"cannot be read: {reason}"
            lines = original.splitlines()
            yield from (f"  {line[:120]}" for line in lines[:_ORIGINAL_LINES])
            if len(lines) > _ORIGINAL_LINES:
                yield f"  ... {len(lines) - _ORIGINAL_LINES} more lines"
        case Change():
            yield from _fields(change)
            leaflet = readers.read(source, change)
            if isinstance(leaflet, str):
                yield f"{'leaflet':<19} cannot be read: {leaflet}"
                return
            sections = ", ".join(dict.fromkeys(str(passage.section) for passage in leaflet.passages))
            made = " + ".join(leaflet.active_ingredients) or "no active ingredient"
            yield f"{'leaflet':<19} {leaflet.name} ({made}), {leaflet.audience}: {sections}"


def _fields(change: Change) -> Iterator[str]:
    """What the mapping gave, field by field."""
    facts = change.facts
    told = {
        "name": facts.name,
        "active_ingredients": ", ".join(facts.active_ingredients),
        "laboratory": facts.laboratory,
        "registration": facts.registration,
        "ean": ", ".join(facts.eans),
        "audience": facts.audience,
        "category": facts.category,
        "active": None if facts.active is None else str(facts.active).lower(),
        "updated_at": f"{change.updated_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    for name, value in told.items():
        yield f"{name:<19} {value or _NOTHING}"
    for content in change.contents:
        yield f"{content.section or 'content':<19} {_content(content)}"


def _content(content: Content) -> str:
    told = f"{content.media_type}, {len(content.body):,} bytes"
    if content.media_type == "application/pdf":
        return told
    begins = " ".join(content.body[: 4 * _SHOWN].decode(content.charset or "utf-8", "replace").split())[:_SHOWN]
    return f"{told}: {begins!r}"
