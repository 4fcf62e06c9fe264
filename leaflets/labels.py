"""Product lines as boxes, invoices and ERPs print them: which words name, and which tell strength, form, pack or sales category.

    "RISPERIDONA 2 MG CX C 300 CPGEN" -> name: risperidona; strength: 2 mg; pack: cx c 300; form: comprimido; category: gen

A caller's question is read by the same rules: what is no name there is never taken for a broken one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from leaflets.names import fold


class Kind(StrEnum):
    """What a word of a line tells."""

    WORD = "word"
    NUMBER = "number"
    UNIT = "unit"
    FORM = "form"
    PACK = "pack"
    JOINT = "joint"


@dataclass(frozen=True, slots=True)
class Token:
    """One folded word of a line and where it stands in it; `form` is the pharmaceutical form that a FORM tells."""

    word: str
    kind: Kind
    start: int
    end: int
    form: str = ""


# Pharmaceutical forms by the words and abbreviations of invoices (NF-e), tenders and boxes; folded. Source: the products registered with
# ANVISA and the presentations printed on leaflets.
_FORMS = {
    "comprimido": "comprimido comprimidos compr comprim comp comps cpr cprs cprd cps cp cpd cpdo compd tabl tablete tabletes rev revest "
    "revestido revestidos eferv efervescente efervescentes mast mastigavel mastigaveis subl sublingual orodisp orodispersivel",
    "capsula": "capsula capsulas caps cap capsgel gelcaps microcapsulas",
    "dragea": "dragea drageas drg drgs drag",
    "gotas": "gotas gota gts gta gt got",
    "xarope": "xarope xaropes xpe xar xrp xpo",
    "suspensao": "suspensao susp suspens",
    "solucao": "solucao sol solu elixir elix",
    "injetavel": "injetavel injetaveis inj injet injecao ampola ampolas amp amps fa frasco-ampola liof liofilo liofilizado serp",
    "creme": "creme cremes cr crem crm",
    "pomada": "pomada pomadas pom pda",
    "gel": "gel geleia",
    "locao": "locao loc xampu shampoo",
    "colirio": "colirio col oft oftalmica oftalmico",
    "spray": "spray spr aerossol aerosol aer aeros inalatorio inalatoria inalacao inal nebulizacao jatos",
    "supositorio": "supositorio supositorios supos",
    "ovulo": "ovulo ovulos ovl vaginal vag",
    "adesivo": "adesivo adesivos ades transdermico",
    "po": "po granulado granulados gran sache saches sach envelope envelopes env",
    "pastilha": "pastilha pastilhas past",
    "emulsao": "emulsao emul",
}
# Words of packs, routes, categories and handling: they name no drug.
_PACKS = frozenset(
    """ad adulto adultos al ambar aplicador aplicadores bg bis bisn bisnaga bisnagas bl blister blisteres blt bnag bol bols bolsa caixa
    caixas cart cartela cartelas cartucho cd copo ct cx cxs derm dermatologico dosador doses emb embalagem estojo ev fco fechado
    fr frasco frascos frs g gen gener generic generico genericos hosp hospitalar im inf infantil int iv kit lt ltda med mip
    multidose nasal oral otc pct pcts ped pediatrico plas plast pvc recarga ref referencia refil reg sa sc ser seringa seringas
    sim similar sist strip tb tbo top topica topico tubo tubos un und uni unid unidade unidades unids uso vd vidro vo x""".split()
)
_UNITS = frozenset("mg mgs mcg ug g gr grs kg ml mls l ui iu u meq mmol mci % mgml mcgml".split())
_JOINTS = frozenset("de do da dos das e com c p + /".split())

_FORM_OF = {word: form for form, written in _FORMS.items() for word in written.split()}
# "300 CPGEN", "30COMPREV": abbreviations written as one word.
_ABBREVIATIONS = sorted((w for w in (*_FORM_OF, *_PACKS) if 1 < len(w) < 6), key=len, reverse=True)
_GLUED = re.compile(rf"({'|'.join(_ABBREVIATIONS)})({'|'.join(_ABBREVIATIONS)})+")
_PIECE = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’´`][^\W\d_]{2,})?\d*|%|\+|/")
_LETTERS_THEN_DIGITS = re.compile(r"([a-z]+)(\d+)")


def tokens(line: str) -> tuple[Token, ...]:
    """The words of a line or question in their order; punctuation but "+", "/" and "%" is dropped."""
    return tuple(_tokens(line))


def form_of(word: str) -> str:
    """The pharmaceutical form that a folded word tells; empty where it tells none."""
    return _FORM_OF.get(word, "")


def forms(text: str) -> tuple[str, ...]:
    """The forms that a product's own words tell (its name and presentations), each once, in the order of the alphabet."""
    return tuple(sorted({token.form for token in _tokens(text) if token.form}))


def phrase(line: str) -> str:
    """What two ways to write one name share: its folded words without "de", "e", "com", "+" between them.

    "Sulfametoxazol + Trimetoprima" and "sulfametoxazol e trimetoprima" are one; "vitamina E" keeps its letter.
    """
    return " ".join(re.sub("[.,]", "", token.word) for token in _tokens(line) if token.kind is not Kind.JOINT)


def printed(line: str) -> str:
    """The words of a name as printed, but for capitals and the "de", "e", "+" between them: "Ácido Fólico®" -> "ácido fólico"."""
    return " ".join(re.sub("[.,]", "", line[token.start : token.end].lower()) for token in _tokens(line) if token.kind is not Kind.JOINT)


def title(line: str) -> str:
    """The part of a product line that names it, as printed: up to the first strength, form or pack that follows a word.

    "Fentanest 0,05 mg/ml Solução Injetável" -> "Fentanest"; "Colchicina (gota)" -> "Colchicina"; the line itself where nothing names.
    """
    end, named = 0, False
    for token in _tokens(line.split("(", 1)[0]):
        if token.kind is Kind.WORD or (token.kind is Kind.NUMBER and not named):
            end, named = token.end, named or token.kind is Kind.WORD
        elif named and token.kind is not Kind.JOINT:
            break
    return line[:end].strip(" ,;-–+/") if named else line


def _tokens(line: str) -> Iterator[Token]:
    before = ""
    for piece in _PIECE.finditer(line):
        word = fold(piece.group()).replace("'", "").replace("’", "").replace("´", "").replace("`", "")
        kind, form = _kind(word, before)
        split = _LETTERS_THEN_DIGITS.fullmatch(word) if kind is Kind.WORD else None
        if split and (split[1] == "c" or (len(split[1]) > 1 and (split[1] in _FORM_OF or split[1] in _PACKS))):
            # "c30", "cx12": a pack and its count; "b12", "d3", "k2" are names.
            middle = piece.start() + len(split[1])
            kind, form = _kind(split[1], before)
            yield Token(split[1], kind, piece.start(), middle, form)
            yield Token(split[2], Kind.NUMBER, middle, piece.end())
        else:
            yield Token(word, kind, piece.start(), piece.end(), form)
        before = word


def _kind(word: str, before: str) -> tuple[Kind, str]:
    """What a folded word tells after the word `before` it, and the form where it tells one."""
    kind, form = Kind.WORD, ""
    of_vitamin = before.startswith("vit") and len(word) == 1  # "vitamina C", "vit e"
    glued = _GLUED.fullmatch(word) if before[:1].isdigit() else None
    if word[0].isdigit():
        kind = Kind.NUMBER
    elif of_vitamin:
        pass
    elif word in _JOINTS:
        kind = Kind.JOINT
    elif word in _UNITS and (len(word) > 1 or not before or before[0].isdigit()):
        kind = Kind.UNIT
    elif form := _FORM_OF.get(glued[1] if glued else word, ""):
        kind = Kind.FORM
    elif glued or word in _PACKS:
        kind = Kind.PACK
    return kind, form
