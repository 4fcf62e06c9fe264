"""Which section a question asks for, from its words: the professional's and the caller's.

The table is read from the top; the first line that matches decides. `keeps` says whether the words are also what to look for in the
text ("gravidez" is; "como tomar" is not: every posology says so).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from leaflets import Section


@dataclass(frozen=True, slots=True)
class Wording:
    """Words that ask for a section, as a pattern over the folded question."""

    section: Section
    pattern: re.Pattern[str]
    keeps: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """The section asked for, and which of the question's words only said so."""

    section: Section
    spent: tuple[str, ...]


def _wordings(section: Section, *patterns: str, keeps: bool = False) -> tuple[Wording, ...]:
    return tuple(Wording(section, re.compile(rf"\b(?:{pattern})\b"), keeps) for pattern in patterns)


_TAKE = r"(?:usar|tomar|aplicar|administrar|dar|utilizar|ingerir|beber|pingar)"
_TOOK = r"(?:usei|tomei|tomou|usou|apliquei|ingeriu|engoliu|bebeu)"

TABLE: tuple[Wording, ...] = (
    *_wordings(
        Section.MISSED_DOSE,
        r"esquec\w*(?: (?:de|da|a|uma|o) \w+)*",
        r"dose (?:esquecida|perdida|atrasada)",
        r"pul(?:ei|ou) (?:a |uma )?dose",
        r"(?:perd|atras)(?:i|ei|eu|ou) (?:a |o |uma )?(?:dose|horario)",
    ),
    *_wordings(
        Section.OVERDOSE,
        r"super ?dos(?:e|es|agem)",
        r"overdose",
        r"pass(?:ei|ou|ar) da dose",
        r"intoxic\w*",
        rf"{_TOOK} (?:a )?(?:demais|muito|muitos|mais)",
        r"dose (?:a mais|demais|dobrada|excessiva|maior)",
        r"quantidade maior",
        r"envenen\w*",
    ),
    *_wordings(
        Section.STORAGE,
        r"(?:onde |como )?(?:guard|armazen|conserv)\w*",
        r"(?:vai|fica|deixar|colocar|ir) (?:na|para a|em) geladeira",
        r"prazo de validade|validade|depois de abert\w+|apos abert\w+|apos (?:a )?reconstituicao|depois de pront\w+",
    ),
    *_wordings(Section.STORAGE, r"geladeira|temperatura|refrigera\w+", keeps=True),
    *_wordings(
        Section.CONTRAINDICATIONS,
        r"contra ?indica\w*",
        rf"quando nao (?:devo|deve|pode|posso)(?: {_TAKE})?",
        rf"(?:quem|que) nao (?:pode|deve)(?: {_TAKE})?",
        r"proibid[oa]s?",
    ),
    *_wordings(
        Section.INTERACTIONS,
        r"intera(?:cao|coes|ge|gir)(?: medicamentos\w+)?",
        rf"(?:pode|posso|da para) (?:{_TAKE} )?(?:junto|misturar|associar|combinar)(?: com)?",
        rf"{_TAKE} (?:junto|associado)(?: com)?",
        r"misturar com|junto com|combina com",
    ),
    *_wordings(Section.INTERACTIONS, r"com (?:alcool|bebida\w*|cerveja|vinho|leite|suco|cafe|antibiotico|anticoncepcional)", keeps=True),
    *_wordings(
        Section.ADVERSE_REACTIONS,
        r"(?:reac(?:ao|oes)|efeitos?|evento?s?) (?:advers\w+|colatera\w+|indesejav\w+|secundari\w+)",
        r"(?:efeitos? )?colatera(?:l|is)",
        r"reac(?:ao|oes)",
        r"(?:que )?males",
    ),
    *_wordings(
        Section.ADVERSE_REACTIONS, r"(?:pode )?(?:causa|causar|provoca|provocar) \w+|da (?:sono|alergia|enjoo|tontura|diarreia)", keeps=True
    ),
    *_wordings(
        Section.WARNINGS,
        r"gravid\w*|gesta\w*|amament\w*|lacta\w*|aleitamento",
        r"dirigi\w*|conduzir|operar maquinas?",
        r"alcool|bebida\w* alcoolica\w*",
        r"(?:doenca|insuficiencia|problema)s? (?:no |nos |do |dos )?(?:renal|hepatic\w+|rim|rins|figado|cardiac\w+|coracao)",
        r"diabetic\w*|hipertens[oa]s?|asmatic\w*|cardiac[oa]s?",
        keeps=True,
    ),
    *_wordings(Section.WARNINGS, r"advertencias?|precauc(?:ao|oes)|cuidados?|o que (?:devo )?saber antes"),
    *_wordings(
        Section.MECHANISM,
        r"como (?:\w+ )?(?:funciona|age|atua)",
        r"mecanismo(?: de acao)?",
        r"(?:demora|tempo) (?:\w+ ){0,3}(?:efeito|agir)",
    ),
    *_wordings(
        Section.PHARMACOLOGY,
        r"farmaco(?:cinetica|dinamica|logia|logicas?)",
        r"meia vida",
        r"absorcao|metabolismo|excrecao|biodisponibilidade",
    ),
    *_wordings(Section.EFFICACY, r"eficacia|resultados de eficacia|estudos? clinicos?"),
    *_wordings(
        Section.POSOLOGY,
        r"posologia|dosagem|modo de usar|dose (?:maxima|minima|diaria|usual|recomendada|inicial)|doses?",
        rf"como (?:devo |deve |se )?{_TAKE}",
        r"quant[oa]s? (?:gotas?|comprimidos?|capsulas?|vezes|ml|mg|gramas?|dias?|horas?|doses?)(?: por dia| ao dia)?",
        rf"quanto (?:devo |deve |posso )?{_TAKE}",
        r"de quant[oa]s? em quant[oa]s?(?: horas?)?",
        r"intervalo",
        r"administracao|administrar",
    ),
    *_wordings(Section.POSOLOGY, r"gotas?|partir|mastigar|triturar|jejum|antes das? refeic\w+|peso", keeps=True),
    *_wordings(
        Section.INDICATIONS,
        r"(?:para |pra )?(?:o )?que (?:e que )?(?:ele |ela )?serve(?: \w+)?",
        r"indicac(?:ao|oes)|indicad[oa]s?",
        r"serve (?:para|pra)",
        r"usad[oa] (?:para|pra|em|no|na)",
    ),
    *_wordings(Section.COMPOSITION, r"composicao|excipientes?|principio ativo|formula"),
    *_wordings(Section.COMPOSITION, r"lactose|gluten|corantes?|tartrazina|contem \w+|tem (?:acucar|lactose|gluten|corante)", keeps=True),
    *_wordings(Section.IDENTIFICATION, r"apresentac(?:ao|oes)|embalagens?|identificacao"),
    *_wordings(Section.LEGAL, r"dizeres legais|fabricante|farmaceutico responsavel|registro ms"),
    # For whom, and nothing else: then how much.
    *_wordings(
        Section.POSOLOGY,
        r"criancas?|bebes?|lactentes?|recem nascid\w+|idos[oa]s?|adultos?|pediatric[oa]s?|infantil|adolescentes?",
        keeps=True,
    ),
)

# Where the other audience, or an older leaflet, tells what was asked for. The VP/VPS map: RDC 47/2009.
ELSEWHERE: dict[Section, tuple[Section, ...]] = {
    Section.MECHANISM: (Section.PHARMACOLOGY,),
    Section.PHARMACOLOGY: (Section.MECHANISM,),
    Section.INTERACTIONS: (Section.WARNINGS,),
    Section.WARNINGS: (Section.CONTRAINDICATIONS, Section.INTERACTIONS),
    Section.MISSED_DOSE: (Section.POSOLOGY,),
    Section.COMPOSITION: (Section.IDENTIFICATION,),
    Section.IDENTIFICATION: (Section.COMPOSITION,),
    Section.EFFICACY: (Section.INDICATIONS,),
    Section.POSOLOGY: (Section.WARNINGS,),
    Section.CONTRAINDICATIONS: (Section.WARNINGS,),
}


def asked(folded_question: str) -> Asked | None:
    """The section that a folded question asks for; None where its words ask for none."""
    for wording in TABLE:
        found = wording.pattern.search(folded_question)
        if found:
            return Asked(wording.section, () if wording.keeps else tuple(found.group().split()))
    return None
