"""What a leaflet's own text says of its product: name, active ingredients, laboratory, registration, EANs.

The ERP's facts come before these; they are read only where the ERP left something out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from leaflets.leaflet import Section
from leaflets.names import fold, ingredients
from leaflets.sections import Anatomy
from leaflets.text import bare


@dataclass(frozen=True, slots=True)
class Identity:
    """What was found; empty where nothing was."""

    name: str
    active_ingredients: tuple[str, ...]
    laboratory: str
    registration: str
    eans: tuple[str, ...]


def identity(text: str, anatomy: Anatomy) -> Identity:
    """What clean text says of its product, best effort: on its first pages and in its legal part."""
    opening = _opening(text, frozenset(anatomy.furniture.split("\n")))
    name = _name(opening)
    legal = anatomy.text(Section.LEGAL)
    return Identity(
        name,
        _ingredients(opening, name) or _measured(anatomy.text(Section.COMPOSITION)),
        _laboratory(legal.split("\n")) or _laboratory(opening),
        _registration_in(legal) or _registration_in("\n".join(passage.text for passage in anatomy.passages)),
        eans(*_EAN.findall(text)),
    )


# --- numbers ------------------------------------------------------------------------------------------------------------------------

_DOTTED = re.compile(r"(?<!\d)(?<!\d[.,/-])1\s?[.-]\s?(\d{4})\s?[.-]\s?(\d{4})(?!\d)(?:\s?[.-]?\s?(\d{3})\s?[.-]\s?(\d)(?!\d))?")
_LABELLED = re.compile(r"\b(?:registro|reg|m\.?\s?s)\b[^\d\n]{0,25}(1\d{8}(?:\d{4})?)(?!\d)")
_EAN = re.compile(r"(?<!\d)(?:789|790)\d{10}(?!\d)")
_DIGITS = re.compile(r"\d")


def registration(written: str) -> str:
    """A registration as its 9 or 13 digits ("1.0235.1107.010-2" -> "1023511070102"); empty for anything else."""
    digits = "".join(_DIGITS.findall(written))
    # Gazettes mask the last digit ("1.0235.1107.010-X"): the first nine name the product.
    if len(digits) == 12 and written.rstrip()[-1] in "xX":
        return digits[:9]
    return digits if len(digits) in {9, 13} else ""


def eans(*written: str) -> tuple[str, ...]:
    """The EAN-13 codes among these whose check digit is right, in their order, each once; of 12 and 14 digits too."""
    digits = ("".join(_DIGITS.findall(one)) for one in written)
    found = (one.removeprefix("0").zfill(13) for one in digits if len(one) in {12, 13, 14})
    return tuple(dict.fromkeys(ean for ean in found if len(ean) == 13 and _checks(ean)))


def _checks(ean: str) -> bool:
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(ean)) % 10 == 0


def _registration_in(text: str) -> str:
    if dotted := _DOTTED.search(text):
        return "1" + "".join(part for part in dotted.groups() if part)
    labelled = _LABELLED.search(bare(text))
    return labelled[1] if labelled else ""


# --- names --------------------------------------------------------------------------------------------------------------------------

# The first lines, up to the presentations: a cover and what stands below "Identificação do medicamento".
_OPENING = 60
# Longer lines are sentences; only their beginnings are looked at.
_LONGEST = 200
_OPENING_ENDS = re.compile(
    r"\W*(?:formas? farmac[eê]uticas?\b.{0,12})?(?:apresenta[cç](?:[aã]o|[oõ]es)\b|composi[cç](?:[aã]o|[oõ]es)\W*$)"
    r"|\W*1\W.{0,20}(?:para qu|indica)",
    re.IGNORECASE,
)
_SAYS_NAME = re.compile(r"nome (?:comercial|do (?:medicamento|produto))\s*:\s*(.+)", re.IGNORECASE)
_SAYS_INGREDIENT = re.compile(
    r"(?:nome gen[eé]rico|princ[ií]pio\(?s?\)? ativo\(?s?\)?|denomina[cç][aã]o gen[eé]rica|dcb)[^:]{0,40}:\s*(.+)", re.IGNORECASE
)
_IDENTIFICATION = re.compile(r"\W*(?:[IVX]{1,3}\b\W*)?identifica[cç][aã]o d", re.IGNORECASE)
_GENERIC = re.compile(r"medicamento\s+gen[eé]rico", re.IGNORECASE)
# What stands around a name on first pages.
_NO_NAME_WORDS = """adesivos? adulto aerossol agente ampolas? anvisa apresentac\\w+ aplicador atencao av avenida bulas? capsulas? cartucho
ccds cep classe cnpj colirio comercial composicao comprimidos? concentracao concentrado confidencial contem contendo creme dosagem doses?
drageas? elixir embalage\\w+ emulsao equivalente familia farmaceutica fitoterapico folheto fone formas? frascos? fundacao gel generico gotas
granulado http identificacao inalador\\w* industria infusao injetavel institucional instituto internal jatos laboratorios? laboratory lei
leia liberacao locao ltda medicamento modelo nomenclatura oral ovulos? pacientes? pag pagina parte pastilhas? pediatrico pharma
pharmaceuticals? planta po pomada produto profissional quimicos? rdc refil refis registro resolucao rodovia rua s/a s\\.a seringas? similar
sistema solucao spray supositorios? suspensao tel texto unidades? uso versao vias? volume vp vps www xarope"""
_NO_NAME = re.compile(rf"\b(?:{'|'.join(_NO_NAME_WORDS.split())})\b|[@_:|]")
_COMPANY_NAME = re.compile(r"\b(?:instituto|funda[cç][aã]o|laborat[oó]rios?|ind[uú]stria|ltda|anexo)\b", re.IGNORECASE)
_CODE = re.compile(r"\d{2}/\w{2,4}/\d{2,4}|[A-Z]{2,}[-_]?\d{3,}|\d{5,}|\d[A-Z]{3}\d")
_STRENGTH = re.compile(r"[\s(,-]*\b\d[\d.,]*\s*(?:mg|mcg|µg|g|ml|ui|%|u)(?![^\W\d_]).*$", re.IGNORECASE)
_AFTER_A_DASH = re.compile(r"\s[-–—|]\s.*$")
_UNFINISHED = re.compile(r"(?:\+|\bde|\be|\bcom)$", re.IGNORECASE)
# Substances are printed in small letters, plants with their Latin name.
_SUBSTANCE = re.compile(r"[a-zà-ÿ]|extrato|[A-Z][a-z]+ (?!de\b|e\b)[a-z]{4,}(?: [A-Z(].*)?$")
_LETTERS = re.compile(r"[^\W\d_]{3}")


def _opening(text: str, furniture: frozenset[str]) -> list[str]:
    lines = [line for line in text[:12_000].replace("\f", "\n").split("\n") if line][:_OPENING]
    first = lines[: next((at for at, line in enumerate(lines) if at and _OPENING_ENDS.match(line)), len(lines))]
    # A header may be the laboratory's, or the product's own name: then it is all there is. A first page may be an empty form.
    own = [line for line in first if line not in furniture]
    return next((some for some in (own, first) if _names(some)), lines)


def _name(opening: list[str]) -> str:
    """The product's name: as labelled, else the line told most often, the first below "Identificação" before others."""
    if said := _said(_SAYS_NAME, opening):
        return said
    begins = next((at + 1 for at, line in enumerate(opening) if _IDENTIFICATION.match(line)), len(opening))
    names = [*_names(opening[begins:])[:1], *_names(opening[:begins]), *_names(opening[begins:])[1:]]
    return max(names, key=lambda one: min(2, sum(fold(other).startswith(fold(one)) for other in names)), default="")


def _ingredients(opening: list[str], name: str) -> tuple[str, ...]:
    """The active ingredients: as labelled, else the line after the name, else the name where the product is a generic."""
    if said := _said(_SAYS_INGREDIENT, opening):
        return ingredients(said)
    if any(_GENERIC.search(line[:_LONGEST]) for line in opening):
        return ingredients(name)
    names = _names(opening)
    after = (later for now, later in pairwise(names) if fold(now) == fold(name) and fold(later) != fold(name))
    return ingredients(next((one for one in after if _SUBSTANCE.match(one)), ""))


# "levodopa ..... 200 mg", but no excipient.
_MEASURED = re.compile(r"(?m)^[^\w\n]{0,10}(?!excipiente|ve[ií]culo|\w+ q\.?s\.?p)([^.\d\n]{4,90}?)[*\s]*\.{3,}", re.IGNORECASE)


def _measured(composition: str) -> tuple[str, ...]:
    first = _MEASURED.search(composition)
    return ingredients(_shown(first[1])) if first else ()


def _said(label: re.Pattern[str], opening: list[str]) -> str:
    """What follows a label; a form that was never filled in repeats the label."""
    told = (_shown(found[1]) for line in opening if (found := label.search(line[:_LONGEST])))
    return next((one for one in told if one and not re.match(r"nome comercial|princ[ií]pio ativo|n/?a$", one, re.IGNORECASE)), "")


def _names(lines: list[str]) -> list[str]:
    """The lines that may be a product's or a substance's name, broken ones put together."""
    found: list[str] = []
    open_ended = False
    for line in lines:
        one = "" if _COMPANY_NAME.search(line[:_LONGEST]) else _shown(line)
        open_ended = open_ended or (one.startswith("+") and bool(found))
        if _may_name(one):
            if open_ended:
                found[-1] = f"{found[-1]} {one}"
            else:
                found.append(one)
            open_ended = bool(_UNFINISHED.search(one))
    return found


def _shown(line: str) -> str:
    """A line without what surrounds a name: strength, what follows a dash, brackets, marks."""
    bare_name = _AFTER_A_DASH.sub("", _STRENGTH.sub("", line[:_LONGEST]))
    return " ".join(bare_name.replace("®", " ").replace("™", " ").strip(" .,;:*()[]\"“”'-–•").split())


def _may_name(one: str) -> bool:
    return (
        bool(_LETTERS.search(one))
        and len(one) <= 90
        and len(one.split()) <= 12
        and not _NO_NAME.search(bare(one))
        and not _CODE.search(one)
    )


# --- laboratory ---------------------------------------------------------------------------------------------------------------------

_HOLDER = re.compile(r"(?:registrado|detentor do registro|titular)[^:]{0,30}:\s*(.{0,200})", re.IGNORECASE)
_COMPANY = re.compile(
    r"[A-ZÀ-Ý0-9][^|;:]{1,80}?(?i:\bltda\b\.?|\bs\.?\s?/?\s?a\b\.?(?=\W|$)|\binc\b\.?|\bgmbh\b|\bs\.?p\.?a\b)"
    r"|(?=[LIF])(?i:laborat[oó]rios?|instituto|funda[cç][aã]o)\s[^|;:]{3,60}"
)
_ADDRESS = re.compile(r"\s[-–—,]\s?(?:rua|av\b|avenida|rod|est|cnpj|cidade|ind[uú]stria brasileira).*$", re.IGNORECASE)
_ABROAD = re.compile(r"\b(?:inc|gmbh|s\.?p\.?a|limited|corp|llc|b\.?v|ag)\b", re.IGNORECASE)


def _laboratory(lines: list[str]) -> str:
    """The holder of the registration, else the first company named."""
    for at, line in enumerate(lines):
        if holder := _HOLDER.search(line):
            told = f"{holder[1]} {lines[at + 1] if at + 1 < len(lines) and len(holder[1]) < 4 else ''}"
            if company := _COMPANY.search(told):
                return _company(company[0])
    named = [company[0] for line in lines if (company := _COMPANY.search(line[:_LONGEST]))]
    # Makers abroad stand beside the holder, which is a Brazilian company.
    return _company(next((one for one in named if not _ABROAD.search(one)), (named or [""])[0]))


def _company(found: str) -> str:
    return " ".join(_ADDRESS.sub("", found).split()).strip(" -–,()")
