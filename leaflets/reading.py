"""A change in an ERP, with the text of its contents, to a leaflet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from leaflets.doses import doses
from leaflets.identity import Identity, eans, identity, registration
from leaflets.leaflet import Change, Content, Leaflet, Passage, Section
from leaflets.names import ingredients
from leaflets.register import printed_category
from leaflets.sections import anatomy, passage
from leaflets.text import clean


class NotALeaflet(ValueError):
    """The record holds no leaflet: keep it as rejected, with this reason, until someone mends it in the ERP."""


def leaflet(source: str, change: Change, texts: tuple[str, ...]) -> Leaflet:
    """The leaflet that a change tells, `texts[i]` being the text of `change.contents[i]`; raises NotALeaflet.

    The ERP's facts come first; what they leave out is read from the text. A content with a section of its own is that passage, whatever
    headings it quotes.
    """
    return reread(source, change, _together(change.contents, texts))


def reread(source: str, change: Change, text: str) -> Leaflet:
    """The leaflet again, from the `text` that an earlier reading kept: a rebuild needs no ERP, and `change` no contents."""
    whole, fields = _apart(text)
    _refuse_unreadable(text)
    facts = change.facts
    told = anatomy(whole, facts.audience)
    known = facts.name and facts.active_ingredients and facts.laboratory and facts.registration and facts.eans
    read = _NOTHING if known else identity(whole, told)
    name = _tidy(facts.name) or read.name
    if not name:
        raise NotALeaflet("neither the ERP nor the text names the product; give it a name in the ERP")
    passages = _joined([*told.passages, *fields])
    if not passages:
        raise NotALeaflet("the text has a heading and nothing below it; fill in the leaflet's text in the ERP")
    return Leaflet(
        source=source,
        source_id=change.source_id,
        audience=facts.audience or told.audience,
        name=name,
        active_ingredients=_each(facts.active_ingredients) or read.active_ingredients,
        laboratory=_tidy(facts.laboratory) or read.laboratory,
        registration=registration(facts.registration) or read.registration,
        eans=eans(*facts.eans) or read.eans,
        category=facts.category or printed_category(text),
        active=facts.active,
        passages=passages,
        doses=doses("\n".join([name, *(p.text for p in passages if p.section in _TELL_DOSES)])),
        history=told.history,
        text=text,
        facts=facts,
        updated_at=change.updated_at,
        version=change.version,
    )


# What the text says of the product is not looked for where the ERP has said it all.
_NOTHING = Identity("", (), "", "", ())
_TELL_DOSES = frozenset({Section.IDENTIFICATION, Section.COMPOSITION, Section.POSOLOGY})
# Stands before each content that is a section of its own. No clean text has this character.
_FIELD = "\x1e"


def _together(contents: Sequence[Content], texts: Sequence[str]) -> str:
    """One text of all contents: those without a section as pages, the others each behind a mark and its section's name."""
    cleaned = [(content.section, clean(text)) for content, text in zip(contents, texts, strict=True)]
    pages = [text for section, text in cleaned if text and section is None]
    fields = [f"{section}\n{text}" for section, text in cleaned if text and section is not None]
    return _FIELD.join(["\f".join(pages), *fields])


def _apart(text: str) -> tuple[str, list[Passage]]:
    whole, *fields = text.split(_FIELD)
    told = (field.partition("\n") for field in fields)
    return whole, [passage(Section(section), words) for section, _, words in told]


def _joined(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    """One passage a section, in the order they first come."""
    joined: dict[Section, Passage] = {}
    for one in passages:
        first = joined.get(one.section)
        text = f"{first.text}\n{one.text}" if first else one.text
        joined[one.section] = Passage(one.section, first.title if first and first.title else one.title, text)
    return tuple(joined.values())


def _tidy(words: str) -> str:
    return " ".join(clean(words).split())


def _each(named: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for line in named for one in ingredients(_tidy(line))))


# Fonts without a meaning give letters of many alphabets; leaflets have Latin and Greek ones.
_STRANGE = re.compile("[\u0250-\u02af\u0400-\u1dff\u2c00-\ud7ff\uf900-\ufdff\ufffd]")
_LETTER = re.compile(r"[^\W\d_]")


def _refuse_unreadable(text: str) -> None:
    if not _LETTER.search(text):
        raise NotALeaflet("the record has no text; attach the leaflet, or fill in its text, in the ERP (a scanned PDF needs OCR first)")
    strange = sum(text.count(c) for c in set(text) if _STRANGE.match(c))
    if strange * 20 > len(text):
        raise NotALeaflet(
            f"{strange} of {len(text)} characters are of no alphabet leaflets use; the PDF's fonts carry no meaning, send another"
        )
