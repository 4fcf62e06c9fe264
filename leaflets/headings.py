"""The headings of Brazilian leaflets (RDC 47/2009, and the forms that older and careless leaflets give them)."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from leaflets.layout import Line
from leaflets.leaflet import Section
from leaflets.text import bare


class Kind(Enum):
    """Whose heading it is: that of the patient's leaflet, of the professional's, or of both."""

    PATIENT = 1
    PROFESSIONAL = 2
    BOTH = 3
    # A sub-heading inside the patient's warnings.
    INTERACTIONS = 4


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading found at `line`, `length` lines long; `rest` is what its last line says after it.

    `sure` in capitals; else it is one only where the leaflet has no better, for running text quotes headings in small letters.
    `numbered` where the number before it is the one that RDC 47 gives it.
    """

    section: Section
    kind: Kind
    order: int
    line: int
    length: int
    title: str
    rest: str
    sure: bool
    numbered: bool


def _words(pattern: str) -> str:
    """A pattern in which a blank stands for any white space, also a new line, and " ?" for none as well."""
    return pattern.replace(" ?", r"\s*").replace(" ", r"\s+")


_THING = "(?:medicamentos?|produtos?(?: tradicional)?(?: fitoterapico)?|fitoterapicos?|vacinas?|soros?|imunobiologicos?|imunoglobulina)"
_THIS = f"(?:(?:[dn]?est[ea]s?|[dn]?ess[ea]s?|o|a|d[oae]) ?)?{_THING}"
# The product by its own name, which only capitals or a number make a heading; it needs its question mark.
_NAMED = r"[^?\n]{1,40}(?:\n[^?\n]{1,40})?"
_OF_THIS = rf"(?:{_THIS} ?\??|(?P<named>{_NAMED}) ?\?)"
_THIS_DOES = rf"(?:{_THIS}|(?P<named>{_NAMED}))"
_USE = "(?:usar|utilizar|tomar|receber|aplicar|ingerir|administrar|fazer uso|(?:iniciar )?o? ?uso|comecar a usar)(?: d[eoa])?"
_KEEP = "(?:[gq]uardar|armazenar|conservar)"

_PATIENT: Final = (
    (Section.INDICATIONS, rf"(?:para|por) ?que {_THIS_DOES} ?(?:e|foi|esta|pode ser)? ?(?:indicad[oa]|usad[oa]|utilizad[oa]) ?\??"),
    (Section.MECHANISM, rf"como {_THIS_DOES} (?:funciona|age|atua) ?\??"),
    (Section.CONTRAINDICATIONS, rf"quando (?:eu )?nao (?:devo|posso|deve-se|se deve) {_USE} {_OF_THIS}"),
    (Section.WARNINGS, rf"(?:o )?que (?:eu )?devo saber antes (?:de |do )?{_USE} {_OF_THIS}"),
    (Section.STORAGE, rf"onde ?(?:,|e)? ?como,? ?(?:e )?(?:por quanto tempo )?(?:eu )?(?:posso|devo) {_KEEP} {_OF_THIS}"),
    (Section.POSOLOGY, rf"como (?:eu )?(?:devo|posso) {_USE} {_OF_THIS}"),
    (
        Section.MISSED_DOSE,
        rf"(?:o )?que (?:eu )?(?:devo )?(?:fazer )?(?:quando|se|caso) (?:eu )?(?:me )?esque(?:cer|ci|ca) (?:de )?(?:{_USE} )?{_OF_THIS}",
    ),
    (Section.ADVERSE_REACTIONS, rf"(?:quais|que) ?(?:sao )?(?:os )?males (?:que )?{_THIS_DOES} ?pode(?:m|ria)? (?:me |ser )?causar ?\??"),
    (
        Section.OVERDOSE,
        (
            rf"(?:o )?que (?:eu )?(?:devo )?fazer (?:se|caso|quando) (?:alguem|eu|voce) {_USE} (?:uma )?(?:grande )?(?:quantidade|dose)"
            rf"(?: (?:muito )?maior)?(?: ?(?:do )?que ?a? ?(?:quantidade |dose )?(?:indicada|recomendada|prescrita))? {_THIS}"
            r"(?: de uma (?:so|unica) vez)? ?\??|(?:o )?que fazer se alguem (?P<named>[^?]{1,120})\?"
        ),
    ),
)

_PROFESSIONAL: Final = (
    (Section.INDICATIONS, "indicac(?:ao|oes)(?: terapeuticas?| e acao farmacologica)?"),
    (Section.EFFICACY, "resultados? d[ea] eficacia(?: e seguranca)?"),
    (Section.PHARMACOLOGY, "(?:caracteristicas|propriedades) farmacologicas"),
    (Section.CONTRAINDICATIONS, "(?:toxicidade ?/ ?)?contra ?-? ?indicac(?:ao|oes)"),
    (Section.WARNINGS, "(?:advertencias? e precauc(?:oes|ao)|precauc(?:oes|ao) e advertencias?|advertencias|precaucoes)"),
    (Section.INTERACTIONS, "interac(?:ao|oes) (?:medicamentosas?|com outros medicamentos)"),
    (Section.STORAGE, rf"(?:cuidados (?:de|na|para) ?(?:a )?)?(?:armazenamento|conservacao|armazenagem)(?: e conservacao)?(?: {_THIS})?"),
    (Section.POSOLOGY, "(?:(?:posologia|dosagem)(?: e (?:modo de )?(?:usar|uso|administracao))?|modo de usar(?: e posologia)?)"),
    (Section.ADVERSE_REACTIONS, "(?:reac(?:ao|oes)|eventos?|efeitos?) (?:advers[ao]s?|colaterais)(?: (?:a|ao|do)s? medicamentos?)?"),
    (Section.OVERDOSE, "super ?-?(?:dose|dosagem|dosage)(?:ns)?"),
)

_DRUG = "(?:medicamento|produto(?: tradicional)?(?: fitoterapico)?|fitoterapico|vacina)"
_BOTH: Final = (
    (Section.IDENTIFICATION, f"identificacao (?:d[oa] )?{_DRUG}"),
    (
        Section.IDENTIFICATION,
        (
            "(?:formas? farmaceuticas?,? ?(?:e|/)? ?)?(?:vias? de administracao,? ?e? ?)?apresentac(?:ao|oes)"
            "(?: (?:comercia(?:l|is)|e formas? farmaceuticas?))?"
        ),
    ),
    (Section.COMPOSITION, "composic(?:ao|oes)(?: (?:completa|do medicamento|qualitativa e quantitativa|centesimal))?"),
    (Section.OTHER, "informac(?:ao|oes) (?:ao|aos|a|para o) pacientes?"),
    (Section.OTHER, "informac(?:ao|oes) tecnicas? (?:ao|aos|para os?) profission(?:al|ais) d[ea] saude"),
    (Section.LEGAL, "dizeres legais"),
)
_INTERACTIONS = "interac(?:ao|oes) (?:medicamentosas?|medicamento|com (?:outr[oa]s?|medicamentos?|alimentos?|alcool)|entre)[^.?\n]{0,90}"


@dataclass(frozen=True, slots=True)
class _Wording:
    """How a section's heading is worded, and which number it has."""

    section: Section
    kind: Kind
    order: int
    pattern: re.Pattern[str]


_WORDINGS: Final = tuple(
    _Wording(section, kind, order, re.compile(_words(pattern)))
    for kind, forms in (
        (Kind.PATIENT, _PATIENT),
        (Kind.PROFESSIONAL, _PROFESSIONAL),
        (Kind.BOTH, _BOTH),
        (Kind.INTERACTIONS, ((Section.INTERACTIONS, _INTERACTIONS),)),
    )
    for order, (section, pattern) in enumerate(forms, 1)
)

_NUMBER = r"[^\w(]{0,4}(?:(?P<number>\d{1,2})|(?P<part>[IVX]{1,4}))\b\s?[-.):–—º°]{0,3}\s?[-–—.]?\s*"
_NUMBERED = re.compile(_NUMBER)
# How a heading may begin, without the letters that have an accent: most lines are told from headings by this alone.
_STARTS = re.compile(
    r"[\W_]{0,4}(?:(?:\d{1,2}|[IVX]{1,4})\b[\W_]{0,6}(?:$|(?=[a-z])))?(?:$|para|por|como|quando|o(?:\s|$)|que\s|onde|qua|indica|resultado"
    r"|caracter|propried|contra|toxic|advert|precau|intera|cuidado|armaz|conserv|posolog|dosagem|modo|rea|evento|efeito|super|identif|forma"
    r"|via|apresenta|composi|informa|dizer)",
    re.IGNORECASE,
)
_HAS_NUMBER = re.compile(r"\W{0,4}\d")
# What a reference to a heading in running text has before it ("vide item 4. O que devo saber...") or after it.
_REFERS = re.compile(
    r"(?:\b(?:itens|item|sub-?item|se[cç][aã]o|se[cç][oõ]es|t[oó]picos?|vide|ver|veja|quest[aã]o|pergunta|cap[ií]tulo)|[(“\"‘'])"
    r"\s?(?:\d{1,2}\.?)?(?:\sO)?$|\w\.?\sO$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"[\"”’'),;/]|\.?\s*[a-zà-ÿ]|\s[eE]\s|\s*\((?!(?i:leia|ver|vide|veja))")
# Longest heading: that of section 9, on up to 18 lines where a justified line came as a line a word.
_MOST_LINES = 18
_MOST_LETTERS = 160


@dataclass(frozen=True, slots=True)
class _Shown:
    """The beginnings of a line and of as many of the next as a heading may take, and where in it each of them begins."""

    text: str
    starts: tuple[int, ...]


def heading(lines: Sequence[Line], at: int) -> Heading | None:
    """The heading that begins at line `at`, if one does: its wording, alone on its lines or in capitals."""
    first = lines[at].text
    if not _STARTS.match(first) or (at and _goes_on_from(lines[at - 1].text, first)):
        return None
    shown = _shown(lines, at)
    number = _NUMBERED.match(shown.text)
    start = number.end() if number else len(shown.text) - len(shown.text.lstrip(" -–—•*.:\n"))
    given = int(number["number"]) if number and number["number"] else 0
    plain = bare(shown.text)
    for wording in _WORDINGS:
        found = wording.pattern.match(plain, start)
        if not found:
            continue
        words = shown.text[start : found.end()]
        sure, numbered = _capitals(words), given == wording.order
        last = bisect_left(shown.starts, found.end()) - 1
        rest = lines[at + last].text[found.end() - shown.starts[last] :]
        by_its_name = bool(found.groupdict().get("named"))
        if _ends_there(words, rest, sure=sure) and (sure or numbered or not by_its_name):
            title = " ".join(shown.text[: found.end()].split())
            return Heading(wording.section, wording.kind, wording.order, at, last + 1, title, rest.lstrip(" .:-–—*?"), sure, numbered)
    return None


def _goes_on_from(before: str, line: str) -> bool:
    """Whether a line goes on with a reference begun on the line before; one that has its number ("ver item 5.") is complete."""
    refers = _REFERS.search(before[-30:])
    return bool(refers) and not (before.rstrip(". ")[-1:].isdigit() and _HAS_NUMBER.match(line))


def _shown(lines: Sequence[Line], at: int) -> _Shown:
    text = ""
    starts: list[int] = []
    for line in lines[at : at + _MOST_LINES]:
        if len(text) >= _MOST_LETTERS or "?" in text:
            break
        # A word broken at the end of a line is put together: no heading has a hyphen there.
        broken = text[-1:] == "-" and text[-2:-1].isupper() and line.text[0].isupper()
        text = text[:-1] if broken else text and text + "\n"
        starts.append(len(text))
        text += line.text[:_MOST_LETTERS]
    return _Shown(text, tuple(starts))


def _ends_there(words: str, rest: str, *, sure: bool) -> bool:
    """Whether a heading's words are a heading, and not the part of a sentence that goes on in `rest`."""
    if _GOES_ON.match(rest) or (words[-1].isalpha() and rest[:1].isalpha()):
        return False
    return sure or not rest.strip(" .:-–—*?") or rest.lstrip().startswith(":")


def _capitals(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return sum(c.isupper() for c in letters) * 4 >= len(letters) * 3
