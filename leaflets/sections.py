"""The anatomy of a leaflet: which words are which section's.

Sections follow the headings of RDC 47/2009, whoever printed them; the change-history table, which quotes those headings, is cut off
first. Each section is one passage, its parts joined where a file tells it more than once (a leaflet for each strength).

A file may hold the patient's leaflet and the professional's. Their sections are never mixed: one gives the passages (the audience
asked for, else the one that comes first), the other stands whole in `other`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from leaflets.headings import Heading, Kind, heading
from leaflets.history import Cut, without_history
from leaflets.layout import Line, Measure, measure, paragraphs, printed
from leaflets.leaflet import Audience, Passage, Section


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A leaflet's passages in the order of their first words, and what is in none of them.

    `history` is the change-history table; `furniture` is what is printed on page after page, and headings with nothing below them.
    No word of the text is lost: each is in the passages (text or title), in `history` or in `furniture`.
    """

    audience: Audience
    passages: tuple[Passage, ...]
    history: str
    furniture: str

    def text(self, section: Section) -> str:
        """What one section says; empty where the leaflet has none."""
        return next((p.text for p in self.passages if p.section is section), "")


@dataclass(frozen=True, slots=True)
class _Leaflet:
    """The lines from `start` up to `end` of a file, whose headings are those of one kind of leaflet."""

    kind: Kind
    start: int
    end: int
    headings: tuple[Heading, ...]


@dataclass(slots=True)
class _Part:
    """Some lines below one heading."""

    section: Section
    title: str = ""
    lines: list[Line] = field(default_factory=list)


def anatomy(text: str, audience: Audience | None = None) -> Anatomy:
    """The anatomy of clean text, whose pages are separated by form feeds where it had pages."""
    page = printed(text)
    cut = without_history(page.lines)
    leaflets = _leaflets(cut, _headings(cut.body))
    wanted = next((one for one in leaflets if _AUDIENCES.get(one.kind) is audience), leaflets[0])
    parts = [part for one in leaflets for part in (_parts(cut, one) if one is wanted else [_whole(cut, one)])]
    return Anatomy(
        _AUDIENCES[wanted.kind] if len(leaflets) > 1 else _audience(wanted, text),
        _passages(parts, measure(cut.body)),
        paragraphs(cut.history, measure(cut.history)),
        "\n".join([*page.furniture, *(part.title for part in parts if part.title and not part.lines)]),
    )


def passage(section: Section, text: str) -> Passage:
    """The passage of a section that an ERP keeps in a field of its own; its heading, where the field repeats it, is the title."""
    lines = printed(text).lines
    here = heading(lines, 0) if lines else None
    if here is None or here.section is not section:
        return Passage(section, "", paragraphs(lines, measure(lines)))
    rest = [Line(here.rest, 0, apart=True)] if here.rest else []
    return Passage(section, here.title, paragraphs([*rest, *lines[here.length :]], measure(lines)))


def _headings(lines: Sequence[Line]) -> list[Heading]:
    found: list[Heading] = []
    at = 0
    while at < len(lines):
        here = heading(lines, at)
        if here:
            found.append(here)
        at += here.length if here else 1
    return found


# --- which leaflet ------------------------------------------------------------------------------------------------------------------

# Headings of one kind that make a leaflet that kind's: fewer are sub-headings or quotations.
_ENOUGH = 4
# Of both kinds in one file, more are asked: patients' leaflets have technical sub-headings.
_ENOUGH_FOR_TWO = 6


def _leaflets(cut: Cut, found: Sequence[Heading]) -> list[_Leaflet]:
    """The file's one leaflet, or its two where all headings of one kind come before all of the other."""
    end = len(cut.body)
    for headings in ([h for h in found if h.sure], found):
        questions = [h for h in headings if h.kind is Kind.PATIENT]
        technical = [h for h in headings if h.kind is Kind.PROFESSIONAL]
        if min(_different(questions), _different(technical)) >= _ENOUGH_FOR_TWO:
            first, second = sorted((questions, technical), key=lambda some: some[0].line)
            if first[-1].line < second[0].line:
                border = _border(cut, found, first[-1].line)
                return [_leaflet(first[0].kind, found, 0, border), _leaflet(second[0].kind, found, border, end)]
    return [_leaflet(_kind(found), found, 0, end)]


def _border(cut: Cut, found: Sequence[Heading], last: int) -> int:
    """Where the second leaflet begins: where the text goes on after a history table, else at a heading that is not the legal part's."""
    heading_at = next(h.line for h in found if h.line > last and h.section is not Section.LEGAL)
    return min((at for at in cut.resumes if last < at <= heading_at), default=heading_at)


def _leaflet(kind: Kind, found: Sequence[Heading], start: int, end: int) -> _Leaflet:
    return _Leaflet(kind, start, end, tuple(h for h in found if start <= h.line < end))


def _kind(found: Sequence[Heading]) -> Kind:
    """Whose headings the leaflet has; BOTH where it has too few to tell."""
    questions = [h for h in found if h.kind is Kind.PATIENT]
    technical = [h for h in found if h.kind is Kind.PROFESSIONAL]
    sure = [h for h in questions if h.sure], [h for h in technical if h.sure and h.numbered]
    for asked, told in (sure, (questions, technical)):
        if max(_different(asked), _different(told)) >= _ENOUGH:
            return Kind.PATIENT if _different(asked) >= _different(told) else Kind.PROFESSIONAL
    return Kind.BOTH


def _different(headings: Iterable[Heading]) -> int:
    return len({h.section for h in headings})


_AUDIENCES = {Kind.PATIENT: Audience.PATIENT, Kind.PROFESSIONAL: Audience.PROFESSIONAL}
# A cover and a first page.
_FIRST_PAGES = 6_000
_FOR_PATIENTS = re.compile(r"bula\s+(?:\w+\s+){0,3}paciente|informa[cç][oõ]es\s+(?:ao|aos|para\s+os?)\s+paciente", re.IGNORECASE)
_FOR_PROFESSIONALS = re.compile(r"bula\s+(?:\w+\s+){0,3}profissiona|informa[cç][oõ]es\s+t[eé]cnicas\s+aos?\s+profissiona", re.IGNORECASE)


def _audience(leaflet: _Leaflet, text: str) -> Audience:
    """For whom the leaflet is: by its questions, by its ten numbered headings, else by what its first pages say."""
    numbered = _different(h for h in leaflet.headings if h.kind is Kind.PROFESSIONAL and h.numbered)
    if leaflet.kind is Kind.PATIENT or (leaflet.kind is Kind.PROFESSIONAL and numbered >= _ENOUGH):
        return _AUDIENCES[leaflet.kind]
    patients, professionals = _FOR_PATIENTS.search(text, 0, _FIRST_PAGES), _FOR_PROFESSIONALS.search(text, 0, _FIRST_PAGES)
    if bool(patients) == bool(professionals):
        return Audience.UNKNOWN
    return Audience.PATIENT if patients else Audience.PROFESSIONAL


# --- which headings -----------------------------------------------------------------------------------------------------------------

_PLACES = {Section.IDENTIFICATION: -3, Section.COMPOSITION: -2, Section.OTHER: -1, Section.LEGAL: 99}


def _place(h: Heading) -> int:
    return _PLACES[h.section] if h.kind is Kind.BOTH else h.order


def _chosen(leaflet: _Leaflet) -> dict[int, Heading]:
    """The headings that begin a section, by their line: those in capitals, and others only where a section would have none.

    Where the leaflet keeps to the order of RDC 47, the others must stand in that order: running text quotes headings, and sub-headings
    look like them.
    """
    kinds = {leaflet.kind, Kind.BOTH} if leaflet.kind is not Kind.BOTH else {Kind.PATIENT, Kind.PROFESSIONAL, Kind.BOTH}
    ours = [h for h in leaflet.headings if h.kind in kinds]
    numbered = _different(h for h in ours if h.kind is Kind.PROFESSIONAL and h.sure and h.numbered) >= _ENOUGH
    ordered = numbered or leaflet.kind is Kind.PATIENT
    chosen = {h.line: h for h in ours if h.sure and (h.numbered or not numbered or h.kind is Kind.BOTH)}
    begun = {h.section for h in chosen.values()}
    first = {_place(h): h.line for h in reversed(chosen.values())}
    last = {_place(h): h.line for h in chosen.values()}
    for h in ours:
        place = _place(h)
        in_order = all(at < h.line for other, at in last.items() if other < place) and all(
            at > h.line for other, at in first.items() if other > place
        )
        if h.section not in begun and (in_order or not ordered):
            chosen[h.line] = h
            begun.add(h.section)
            first[place] = last[place] = h.line
    return dict(sorted(chosen.items()))


# --- which lines --------------------------------------------------------------------------------------------------------------------

# Sub-headings that end "Interações medicamentosas" inside the patient's warnings.
_WARNS_AGAIN = re.compile(
    r"\W*(?:gravidez|gesta|gr[aá]vidas|mulheres|homens|lacta|amamenta|aleitamento|fertilidade|diminui[cç][aã]o da fert|trabalho de parto"
    r"|(?:efeitos? )?terato|uso (?:em|na|no|durante|ped|ger)|crian[cç]as|pediatr|geriatr|idosos|pacientes (?:com|idosos|ped)|popula"
    r"|grupos de risco|precau|advert|cuidados|carcino|muta|abuso|depend[eê]ncia|doping|insufici[eê]ncia|disfun[cç]|comprometimento"
    r"|(?:efeitos? |altera\w+ )?(?:sobre |na )?a?\s?(?:capacidade|habilidade)|dirigir|condu[cç][aã]o|condu[zç])(?!.*[.;,]$).{0,70}$",
    re.IGNORECASE,
)
# Where the legal part begins in leaflets that give it no heading.
_LEGAL_BEGINS = re.compile(
    r"\W*(?:(?:reg(?:istro|\.)?\b.{0,12})?\bm\.?\s?s\.?\b\W{0,3}(?:n\W{0,2})?\d|registro\W{0,4}(?:m\.?s|anvisa|n\W|\d)"
    r"|farm(?:\.|ac[eê]utic[oa]) resp|(?:importado|registrado|fabricado|produzido)[^.]{0,30} por\b|(?:venda|uso) sob prescri"
    r"|siga corretamente o modo de usar)",
    re.IGNORECASE,
)


def _parts(cut: Cut, leaflet: _Leaflet) -> list[_Part]:
    """The leaflet's lines under their headings, in their order."""
    chosen = _chosen(leaflet)
    starts = list(chosen)
    sub_headings = {h.line: h for h in leaflet.headings if h.section is Section.INTERACTIONS and leaflet.kind is Kind.PATIENT}
    has_legal = any(h.section is Section.LEGAL for h in chosen.values())
    parts = [_Part(Section.IDENTIFICATION if chosen else Section.OTHER)]
    at = leaflet.start
    while at < leaflet.end:
        line, now = cut.body[at], parts[-1].section
        here = chosen.get(at) or (sub_headings.get(at) if now is Section.WARNINGS and parts[-1].lines else None)
        if here:
            parts.append(_Part(here.section, here.title, [Line(here.rest, line.page, apart=True)] if here.rest else []))
        elif at in cut.resumes:
            parts.append(_Part(_resumed(chosen, starts, at), lines=[line]))
        elif now is Section.INTERACTIONS and leaflet.kind is Kind.PATIENT and _warns_again(cut.body, at):
            parts.append(_Part(Section.WARNINGS, lines=[line]))
        elif now is Section.OVERDOSE and not has_legal and _LEGAL_BEGINS.match(line.text):
            parts.append(_Part(Section.LEGAL, lines=[line]))
        else:
            parts[-1].lines.append(line)
        at += here.length if here else 1
    return parts


def _warns_again(lines: Sequence[Line], at: int) -> bool:
    following = lines[at + 1].text if at + 1 < len(lines) else ""
    return bool(_WARNS_AGAIN.match(lines[at].text)) and not following[:1].islower()


def _resumed(chosen: dict[int, Heading], starts: Sequence[int], at: int) -> Section:
    """What a text that goes on after a history table begins with: the next leaflet's first page, else something unnamed."""
    following = bisect_left(starts, at)
    return Section.IDENTIFICATION if following < len(starts) and _place(chosen[starts[following]]) < 0 else Section.OTHER


def _whole(cut: Cut, leaflet: _Leaflet) -> _Part:
    title = next((h.title for h in leaflet.headings if h.section is Section.OTHER), "")
    return _Part(Section.OTHER, title, list(cut.body[leaflet.start : leaflet.end]))


def _passages(parts: Sequence[_Part], sizes: Measure) -> tuple[Passage, ...]:
    """One passage a section: its title is its first heading, and each heading below other text is a line too."""
    titles: dict[Section, str] = {}
    texts: dict[Section, list[str]] = {}
    for part in parts:
        if not part.lines:
            continue
        told = texts.setdefault(part.section, [])
        if part.title and told:
            told.append(part.title)
        titles[part.section] = titles.get(part.section) or part.title
        told.append(paragraphs(part.lines, sizes))
    return tuple(Passage(section, titles[section], "\n".join(told)) for section, told in texts.items())
