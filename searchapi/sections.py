"""Which section a question asks for, from its words: the professional's and the caller's.

    left of a question ("posso tomar gravida") -> asked() -> Asked: the section that leads, those that may answer too, what to look for

The table is read from the top: the first line that matches leads, all others that match may answer too. Where words could mean two
sections, RDC 47/2009 decides: pregnancy, driving and other illnesses stand in "advertências e precauções", doses for children, the old and
the ill in "posologia".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from leaflets import Section
from leaflets.names import phonetic_keys
from searchapi.ordinary import ordinary_words


class Use(Enum):
    """What the words of a line are besides asking for a section."""

    # "posologia": they say nothing else, and are looked for nowhere.
    ASK = 1
    # "validade": the passage is likelier where they stand, but a section may answer without them.
    HINT = 2
    # "gravidez": the thing asked about. A leaflet without it does not state it.
    THING = 3


@dataclass(frozen=True, slots=True)
class Wording:
    """Words that ask for a section, as a pattern over the folded question; the first section leads, the others may answer too."""

    sections: tuple[Section, ...]
    use: Use
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a drug.

    `section` leads, `also` may answer too, best first. `spent` are the words that only ask; `hints` are looked for, though a section may
    answer without them; `things` are words known to be what is asked about. `words` is the whole question without the drug, its slips
    mended; `typed` is each word as it was typed. All but `spent` and `typed` are mended.
    """

    words: tuple[str, ...] = ()
    section: Section | None = None
    also: tuple[Section, ...] = ()
    spent: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    things: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()


NOTHING_ASKED = Asked()

_TAKE = (
    "(?:usar?|uso|tom[aeo]r?|aplic(?:ar|a|o)|administrar?|dar|dou|pass(?:ar|a|o)|utilizar|ingerir|beber|ping(?:ar|o|a)|engolir|injetar|inalar"
    "|colocar|fazer)"
)
_TOOK = "(?:usei|usou|tomei|tomou|tomaram|apliquei|aplicou|ingeri|ingeriu|engoli|engoliu|bebi|bebeu|dei|deu|injetei|injetou|pinguei|pingou)"
_CHILD = r"(?:crianc\w+|beb[ei]\w*|nenem|nene|menin[oa]s?|filh[oa]\w*|net[oa]s?|cachorr[oa]|gat[oa])"
_THE = "(?:(?:d?[oa]s?|um|uma|de|minha|meu|essa|esse|esta|este|del[ea]|no|na) )*"
_A = "(?: (?:a|o|as|os|uma|um|duas|2|de|tomar|na|no|da|do|para|pra))*"
_DOSE = r"(?:doses?|horarios?|horas?|comprimidos?|dias?|injec\w+)"
_MUCH = "(?:demais|muit[oa]s?|mais|a mais|alem|excesso|duas vezes|2 vezes|dobrad[oa]|em dobro)"
_COUNTED = (
    r"(?:gotas?|comprimidos?|capsulas?|vezes|ml|mg|gramas?|g|dias?|horas?|doses?|jatos?|ampolas?|unidades?|ui|colher\w*|frascos?|puffs?)"
)
_PORTION = "(?:ml|gotas?|comprimidos?|capsulas?|mg|frasco|ampola|dose)"
_ORGAN = r"(?:rena(?:l|is)|hepatic\w+|rim|rins|figado|cardiac\w+|coracao|estomago|pulmao|tireoide|prostata)"

_MISSED = (Section.MISSED_DOSE, Section.POSOLOGY)
_OVERDOSE = (Section.OVERDOSE,)
_STORAGE = (Section.STORAGE, Section.POSOLOGY)
_CONTRAINDICATIONS = (Section.CONTRAINDICATIONS, Section.WARNINGS)
_WARNINGS = (Section.WARNINGS, Section.CONTRAINDICATIONS, Section.INTERACTIONS, Section.POSOLOGY)
_INTERACTIONS = (Section.INTERACTIONS, Section.WARNINGS, Section.CONTRAINDICATIONS, Section.POSOLOGY)
_ADVERSE = (Section.ADVERSE_REACTIONS, Section.WARNINGS)
_MECHANISM = (Section.MECHANISM, Section.PHARMACOLOGY, Section.POSOLOGY, Section.INDICATIONS)
_PHARMACOLOGY = (Section.PHARMACOLOGY, Section.MECHANISM, Section.WARNINGS, Section.POSOLOGY)
_POSOLOGY = (Section.POSOLOGY, Section.WARNINGS, Section.INTERACTIONS, Section.CONTRAINDICATIONS)
_PREPARATION = (Section.POSOLOGY, Section.STORAGE, Section.INTERACTIONS, Section.WARNINGS)
_EFFICACY = (Section.EFFICACY, Section.INDICATIONS, Section.PHARMACOLOGY)
_INDICATIONS = (Section.INDICATIONS, Section.MECHANISM)
_COMPOSITION = (Section.COMPOSITION, Section.WARNINGS, Section.IDENTIFICATION, Section.INTERACTIONS)
_IDENTIFICATION = (Section.IDENTIFICATION, Section.COMPOSITION)
_LEGAL = (Section.LEGAL, Section.IDENTIFICATION)


def _wordings(sections: tuple[Section, ...], use: Use, patterns: str) -> tuple[Wording, ...]:
    """One wording a line."""
    return tuple(Wording(sections, use, re.compile(rf"\b(?:{line.strip()})\b")) for line in patterns.strip().splitlines())


TABLE: tuple[Wording, ...] = (
    # --- what happened: a dose too few or too many
    *_wordings(
        _MISSED,
        Use.ASK,
        rf"""
        (?:me )?esque[cs]\w*(?: {_TAKE})?(?: (?:de|da|a|uma|o|do|que) \w+)*
        doses? (?:esquecidas?|perdidas?|atrasadas?|puladas?|omitidas?)
        (?:pul(?:ar|ei|ou|o|a)|perd(?:i|eu|er)|falh(?:ei|ou)|omiti[ru]?){_A} {_DOSE}
        atras(?:ei|ou|ar|ado|ada|o|a){_A} {_DOSE}
        nao (?:tomei|tomou|usei|apliquei|aplicou)(?: (?:ontem|hoje|a dose|no horario|na hora))?
        passou (?:da hora|do horario)
        fora d[oa] hor(?:a|ario)
        (?:deixei|deixou) de (?:tomar|usar)
        """,
    ),
    *_wordings(
        _OVERDOSE,
        Use.ASK,
        rf"""
        super ?-?dos(?:e|es|agem|agens)|overdoses?|sobredos(?:e|es|agem|agens)
        pass(?:ei|ou|ar|ando) da (?:dose|conta|medida)
        intoxic\w*|envenen\w*
        {_TOOK}(?: \w+)? {_THE}{_MUCH}(?: (?:do|da|de) \w+)*
        {_TOOK}(?: {_THE}\w+)? (?:a mais|em excesso|em dobro|duas vezes|2 vezes)
        {_TOOK}(?: {_THE}\w+)? {_THE}(?:caixa|cartela|vidro|frasco)(?: (?:toda|todo|inteir[oa]))?
        {_TOOK}(?: sem querer)? (?:\d+|dois|duas|tres|quatro|cinco|dez|varios|varias|metade)(?: {_COUNTED})?
        {_TAKE} (?:a )?(?:mais (?:do )?que|demais|alem)
        {_CHILD}(?: \w+){{0,3}} (?:tomou|engoliu|bebeu|ingeriu|comeu)(?: sem querer| escondido)?
        doses? (?:a mais|demais|dobradas?|duplas?|excessivas?|maior(?:es)?|exagerad[oa]s?)
        (?:excesso|exagero) d[ea] doses?
        (?:grandes?|muita) quantidades?|quantidades? (?:maior|excessiva|grande)
        tent(?:ou|ativa)(?: de)? (?:suicidio|se matar)
        """,
    ),
    *_wordings(_OVERDOSE, Use.HINT, r"antidotos?|lavagem (?:gastrica|estomacal)|carvao ativado|socorro|letal|dose toxica"),
    # --- the section by its own name, the professional's or the patient's
    *_wordings(_CONTRAINDICATIONS, Use.ASK, r"contra ?-?indica\w*"),
    *_wordings(
        _ADVERSE,
        Use.ASK,
        r"""
        (?:reac(?:ao|oes)|efeitos?|eventos?|sintomas?) (?:mais )?(?:comuns? )?(?:advers|colatera|indesejav|indesejad|secundari)\w+
        colatera(?:l|is)|ram|rams|tolerabilidade
        (?:que |quais )?(?:os )?males
        """,
    ),
    *_wordings(_INTERACTIONS, Use.ASK, r"intera(?:cao|coes|ge|gem|gir|gindo)(?: medicamentos\w+| alimentar\w*)?"),
    *_wordings(
        _POSOLOGY,
        Use.ASK,
        r"""
        posologias?|posologic\w+|dosagens|dosagem|modos? de (?:usar|uso|usa)
        doses? (?:usual|usuais|recomendadas?|correta|certa)
        """,
    ),
    *_wordings(_STORAGE, Use.ASK, r"(?:cuidados (?:de|com|no) )?(?:armazenamento|conservacao)"),
    *_wordings(_INDICATIONS, Use.ASK, r"indicac(?:ao|oes)(?: terapeuticas?)?"),
    *_wordings(
        _COMPOSITION, Use.ASK, r"composicao|excipientes?|principios? ativos?|formula|substancia ativa|veiculo|inativos|ingredientes?"
    ),
    *_wordings(_EFFICACY, Use.ASK, r"(?:resultados de )?eficacia"),
    *_wordings(_EFFICACY, Use.HINT, r"estudos? clinicos?|ensaios? clinicos?|taxa de (?:resposta|cura|sucesso)|placebo"),
    *_wordings(
        _PHARMACOLOGY,
        Use.ASK,
        r"(?:caracteristicas|propriedades) farmacologicas|farmaco(?:cinetic[oa]|dinamic[oa]|logia|logic[oa])s?",
    ),
    *_wordings(
        _PHARMACOLOGY,
        Use.HINT,
        r"""
        (?:tempo de )?meia ?-?vida|biodisponibilidade|absorcao|absorvid[oa]|metabolismo|metabolizad[oa]
        excrecao|excretad[oa]|eliminacao|eliminad[oa]|cmax|tmax|cyp\w*|citocromo
        ligacao (?:a|as) proteinas?|volume de distribuicao|pico plasmatico|concentracao plasmatica
        (?:quanto tempo )?(?:fica|dura|sai|permanece) (?:no|do) (?:corpo|organismo|sangue)
        """,
    ),
    *_wordings(_MECHANISM, Use.ASK, r"mecanismo(?: de acao)?|como (?:\w+ ){0,2}(?:funciona|age|atua)"),
    *_wordings(
        _MECHANISM,
        Use.HINT,
        r"""
        (?:em )?quant[oa]s? (?:tempo|minutos|horas|dias|semanas)(?: \w+){0,3} (?:efeito|agir|age|resultado|melhora|funciona\w*|atua\w*)
        (?:demora|leva|tempo)(?: \w+){0,4} (?:efeito|agir|age|resultado|melhora|funciona\w*|acao)
        (?:inicio|duracao|tempo) d[eao] (?:acao|efeito)|(?:efeito|acao) dura(?: \w+)*|dura(?: \w+)? (?:o )?efeito
        comeca a (?:agir|fazer efeito)
        """,
    ),
    # --- keeping
    *_wordings(
        _STORAGE,
        Use.ASK,
        r"""
        (?:onde |como )?(?:posso |devo |deve |se )?(?:guard|armazen|conserv)\w*
        (?:vai|fica|deixar|deixei|ficou|colocar|coloco|manter)(?: \w+)? (?:na|no|pra|em|fora da)(?= (?:geladeira|freezer|carro|sol)\b)
        """,
    ),
    *_wordings(
        _STORAGE,
        Use.HINT,
        r"""
        (?:prazo de )?validade|vencid[oa]|venceu|vence|val(?:e|ido|ida) (?:por )?(?:quanto tempo|quantos dias)
        (?:depois|apos|dps)(?: de| que)?(?: a)? (?:abert|abri|abre|pronto|prepara|mistura|reconstitu|dilui)\w*
        (?:(?:frasco|vidro|tubo|caneta|bisnaga|ja) (?:\w+ )?)?abert[oa]|estabilidade|estavel
        descart\w+|jog(?:ar|o|a) fora|cor|aspecto|aparencia|cheiro|transporte|transportar
        """,
    ),
    *_wordings(
        _STORAGE,
        Use.THING,
        r"""
        geladeira|temperatura(?: ambiente)?|refrigera\w+|congel\w+|freezer|isopor|umidade|luz|sol|calor|graus
        viaj\w+|viagem|aviao|mala|bagagem
        """,
    ),
    # --- what it is made of, how it is sold, by whom
    *_wordings(
        _COMPOSITION,
        Use.THING,
        r"""
        lactose|gluten|corantes?|tartrazina|sacarose|acucar(?! (?:no|do) sangue)|aspartam[eo]|sorbitol|parabenos?|conservantes?|gelatina
        soja|amendoim|edulcorantes?|adocantes?|fenilalanina|benzoato|sulfitos?|propilenoglicol|ovo|latex|porco|suin[oa]|vegan[oa]
        """,
    ),
    *_wordings(
        _COMPOSITION,
        Use.HINT,
        rf"""
        quant[oa]s? (?:{_COUNTED} )?(?:tem|equivale\w*|corresponde\w*|sao|da|contem)(?: (?:em|cada|um|1|uma|a|por|no|na))* {_PORTION}
        (?:1|um|uma|cada) {_PORTION}(?: \w+)? (?:tem|equivale|contem|corresponde|sao|da)(?: a)?(?: quant[oa]s?(?: {_COUNTED})?)?
        quant[oa]s? {_COUNTED} (?:por|em|no|na|tem|tem no|tem na|cada)(?: (?:1|um|uma|cada))? {_PORTION}
        concentracao
        """,
    ),
    *_wordings(
        _IDENTIFICATION,
        Use.ASK,
        r"""
        apresentac(?:ao|oes)|embalagens?|identificacao|formas? farmaceuticas?|vias? de administracao
        existe em|vem em|tem em|generico|tem (?:xarope|gotas|comprimido|injetavel|pomada|creme)
        (?:vem|tem)(?: \w+)? quant[oa]s(?: \w+)?
        quant[oa]s \w+ (?:vem|tem|ha)(?: (?:na|no|a|em|por))* (?:caixa|cartela|embalagem|vidro|frasco|blister)
        """,
    ),
    *_wordings(
        _LEGAL,
        Use.HINT,
        r"""
        (?:precis[ao]|exige|necessita|vende|vendid[oa]|compra\w*|com|sem)(?: \w+)? (?:receitas?|receita medica|prescricao)
        receit(?:a|uario)\w*|retencao|retem|tarja|controlad[oa]s?|prescricao medica|mip|portaria 344|uso (?:restrito|hospitalar)
        dizeres legais|fabrican?t\w*|fabrica(?:do|da)?|quem (?:faz|produz|fabrica|registra|importa)|farmaceutic[oa] responsavel|crf
        registro(?: ms| anvisa)?|cnpj|laboratorio|sac|telefone|0800|importad[oa]r?\w*|endereco|lote|produzid[oa]|distribuid\w+
        """,
    ),
    # --- with what
    *_wordings(
        _INTERACTIONS,
        Use.THING,
        r"""
        alcool\w*|bebidas?(?: alcoolica\w*)?|cerveja\w*|vinho\w*|cachaca|pinga|vodka|whisky|chopp?|ressaca
        beber(?! (?:com )?(?:agua|leite|suco)\b)
        com (?:leite|suco|cafe|cha|refrigerante|iogurte|queijo)
        grapefruit|toranja|pomelo|erva de sao joao|hiperico|antiacidos?|anti ?-?(?:inflamatori|depressiv|coagulant|concepciona|biotic)\w+
        diureticos?|corticoides?|vitaminas?|suplementos?|vacina\w*|imaos?|exames?
        """,
    ),
    *_wordings(
        _INTERACTIONS,
        Use.ASK,
        rf"""
        (?:{_TAKE} )?(?:juntos?|mistura[rd][oa]?|associa[rd][oa]?|combina[rd]?[oa]?|concomitant\w+|ao mesmo tempo|simultane\w+)(?: com| de)?
        (?:corta|tira|anula|diminui) o efeito|atrapalha|interfere\w*
        """,
    ),
    # --- what it does to one who takes it
    *_wordings(
        _ADVERSE,
        Use.THING,
        r"""
        da (?:sono|alergia|enjoo|tontura|diarreia|gases|coceira|insonia|azia|dor|fome|taquicardia|queda|febre|ansia|vomito|tremor|espinhas?)
        engord\w*|emagre\w*|ganh[oa]r? (?:de )?peso|perd(?:a|e|er) (?:de )?peso|aument\w+ (?:de |do |o )?peso|ganho ponderal
        incha\w*|vicia\w*|vicio|dependencia|arde\w*|queima\w*
        """,
    ),
    *_wordings(
        _ADVERSE,
        Use.ASK,
        r"""
        (?:pode )?(?:causa|causar|causando|provoca|provocar)(?= \w+)|pode dar(?= (?!pr?[ao]\b|para\b|ao?\b)\w+)
        faz(?:em)? mal|efeitos?|reac(?:ao|oes)|sintomas?
        """,
    ),
    # --- how much, for whom, how
    *_wordings(
        _POSOLOGY,
        Use.HINT,
        r"""
        (?:doses? |dose diaria |quantidade )?(?:maxim|minim)[oa]s?(?: (?:diari[oa]|por dia|ao dia|de|dose))*
        doses? (?:inicial|iniciais|de ataque|de manutencao|diarias?|unica)
        ajust\w+(?: (?:de|da|a|na))?(?: doses?)?|clearance|clcr|depuracao|tfg|creatinina|dialise|hemodialise
        (?:reduz|diminui|aumenta)\w* (?:a )?dose|(?:mg|ml|gotas?|mcg|dose)(?: por| /|/)? ?(?:kg|quilo|peso)|por (?:kg|quilo)|peso
        (?:por )?quant(?:o|os) (?:tempo|dias|meses|semanas|anos)(?: (?:de|do|devo|posso|deve|pode|e o|o|tratamento|tomar|usar|por|dura))*
        duracao do tratamento|tempo de tratamento|horarios?|\d+ vezes|(?:qual )?(?:o )?intervalo(?: entre)?
        de quant[oa]s? em quant[oa]s?(?: (?:horas?|tempo|dias?))?|de \d+ em \d+(?: horas?)?
        par(?:ar|ei|ou|o|e)(?: de)? (?:tomar|usar|uma vez|repente)|pode parar|interromper|suspender|desmam\w+|retirada
        tempo de infusao|velocidade(?: de infusao)?|gotejamento|correr|bolus
        """,
    ),
    *_wordings(
        _POSOLOGY,
        Use.ASK,
        rf"""
        doses?|quant[oa]s?|quantidade
        como (?:e que )?(?:se )?(?:eu )?(?:devo |deve |posso |pode |vou |que )?{_TAKE}
        quant[oa]s? {_COUNTED}(?: (?:por|ao|no|em um) dia)?
        quanto (?:que )?(?:eu )?(?:devo |deve |posso |pode )?{_TAKE}
        """,
    ),
    *_wordings(
        _PREPARATION,
        Use.HINT,
        r"""
        dilu\w+|reconstitu\w+|prepar(?:ar|o|acao|a|ado|ada)|mistur\w+|dissolv\w+|infusao|infundir|agit\w+|agulha|seringa
        soro(?: (?:fisiologico|glicosado))?|glicose 5|ringer|(?:in)?compati[bv]\w+|bomba|equipo|cateter
        (?:intra|endo)venos\w+|intramuscular\w*|subcutane\w+|im|ev|iv|sc|na veia|no musculo|na barriga|via (?:oral|im|ev|iv|sc)
        onde (?:aplica\w*|injeta\w*)|local (?:de|da) (?:aplicacao|injecao)|administrac(?:ao|oes)|administrad[oa]
        """,
    ),
    *_wordings(
        _POSOLOGY,
        Use.THING,
        r"""
        part(?:ir|ido|e|i|ilo)|cort(?:ar|ado|o|a)|divid\w+|meio comprimido|no meio|metade|quebrar|mastig\w+|tritur\w+|amass\w+|esmag\w+
        macer\w+|abrir (?:a )?capsula|abr(?:ir|e|o)|chupar|sond[ae]s?|sng|sne|gastrostomia|sublingual|debaixo da lingua
        jejum|estomago (?:vazio|cheio)|comida|refeic\w+|alimentos?|(?:antes|depois|apos|sem) (?:de )?(?:comer|almoco|jantar|dormir)
        (?:de|a|pela|durante a|na) (?:noite|manha|tarde|hora de dormir)|ao deitar|com agua
        """,
    ),
    # --- for whom it is not, or not without care
    *_wordings(
        _WARNINGS,
        Use.THING,
        r"""
        gravid\w*|engravid\w*|gesta\w*|amament\w*|lacta(?:cao|nte|ntes|ndo)|aleitamento|mamando|(?:de|da|dar) mama\w*|leite materno
        tentante|feto|trimestre|fertilidade|idade fertil|alerg\w+|hipersensib\w+
        dirig\w*|conduzir|volante|motorista|moto|(?:operar|usar|mexer com|trabalhar com)(?: \w+)? maquinas?|maquinas
        (?:doencas?|insuficiencia|problemas?|disfuncao|comprometimento|falencia|mal)(?: \w+)? {_ORGAN}
        {_ORGAN}|diabet\w*|hipertens[oa]s?|asma(?:tic[oa]s?)?|cardiopat\w+|epilep\w+|glaucoma|ulcera|gastrite|anemia|lupus|cirrose
        pressao (?:alta|baixa)|arritmia|infarto|avc|derrame|trombose|depressao|cancer|hiv|hepatite|dengue|covid
        cirurgia|operar|anestesia|dentista
        """.replace("{_ORGAN}", _ORGAN),
    ),
    *_wordings(_WARNINGS, Use.ASK, r"advertencias?|precauc(?:ao|oes)|cuidados?|riscos?|perigos?[oa]?|o que (?:devo )?saber antes"),
    *_wordings(
        _CONTRAINDICATIONS,
        Use.ASK,
        rf"""
        quando (?:eu )?nao (?:devo|deve|pode|posso)(?: {_TAKE})?
        (?:quem|que|ninguem) nao (?:pode|deve|podem|devem)(?: {_TAKE})?
        proibid[oa]s?
        """,
    ),
    # --- what for
    *_wordings(
        _INDICATIONS,
        Use.ASK,
        r"""
        (?:para |pra )?(?:o )?que (?:e que )?(?:ele |ela )?serve(?: para| pra)?|(?:para|pra) (?:o )?que (?:e )?(?:indicad[oa]|usad[oa]|usa)?
        indicad[oa]s?(?: para| pra| em| no| na)?|serve (?:para|pra|em)|usad[oa] (?:para|pra|em|no|na)
        (?:e )?b(?:om|oa) (?:para|pra)|trata\w*|cura|combate
        """,
    ),
    # For whom, and nothing else: then how much.
    *_wordings(
        (Section.POSOLOGY, Section.WARNINGS, Section.CONTRAINDICATIONS, Section.IDENTIFICATION),
        Use.THING,
        r"""
        criancas?|bebes?|lactentes?|recem ?-?nascid\w+|idos[oa]s?|velh[oa]s?|adultos?|pediatri\w+|infantil|infancia|adolescentes?
        prematuros?|neonat\w+|geriatric\w+|nenem|nene|filh[oa]s?|net[oa]s?|menin[oa]s?
        menor(?:es)?(?: de \d+(?: anos?)?)?|maior(?:es)? de \d+(?: anos?)?|\d+ (?:anos?|meses)
        """,
    ),
)

# Where else a leaflet may tell what a section is asked for: the other audience's heading, or an older leaflet's. RDC 47/2009; the patient's
# leaflet has no section of interactions, so whatever stands below that sub-heading of its warnings is in one or the other.
ELSEWHERE: dict[Section, tuple[Section, ...]] = {
    sections[0]: sections[1:]
    for sections in (
        _MISSED, _STORAGE, _CONTRAINDICATIONS, _WARNINGS, _INTERACTIONS, _ADVERSE, _MECHANISM, _PHARMACOLOGY, _POSOLOGY, _INDICATIONS,
        _COMPOSITION, _IDENTIFICATION, _LEGAL, _EFFICACY,
    )
}  # fmt: skip


# One content under two headings, the professional's and the patient's (RDC 47/2009): who has either has the section.
SAME_CONTENT: dict[Section, Section] = {
    Section.INTERACTIONS: Section.WARNINGS,
    Section.PHARMACOLOGY: Section.MECHANISM,
    Section.MECHANISM: Section.PHARMACOLOGY,
}

# What asks in a hint and hints at nothing itself.
_HOW_MUCH = frozenset("a cada com de do e em leva na no o por qual quanta quantas quanto quantos se tem tempo um uma 1".split())
# Words that callers' questions turn on, from which slips are told: "gravides", "alcol", "pozologia".
_TURN_ON = tuple(
    """absorcao adverso advertencia alcool alcoolica alergia aleitamento alimento almoco amamentacao amamentando amamentar
    antibiotico anticoncepcional antidoto antiinflamatorio apresentacao armazenar bebida bebidas capsula cerveja cirurgia
    clearance colateral colaterais comprimido comprimidos composicao contraindicacao contraindicacoes contraindicado corante crianca
    criancas cuidado cuidados depressao diabete diabetes diabetico diabetica diarreia diluicao diluir dirigir dosagem efeito efeitos
    embalagem emagrece engorda engordar enjoo esqueci esqueceu excipiente excipientes fabricante figado geladeira gestacao gestante glaucoma
    gluten gravida gravidez guardar hepatica hepatico hipertensao hipertenso horario idoso idosos indicacao indicacoes infantil infusao
    injecao insonia insuficiencia interacao interacoes intervalo intoxicacao jejum lactante lactose mastigar mecanismo meia musculo overdose
    partir pediatrico posologia precaucao precaucoes prescricao pressao reacao reacoes receita refeicao renal reconstituicao rins sonolencia
    superdosagem superdose temperatura tontura triturar validade velocidade vencido vomito""".split()
)
_BY_SOUND = {sound: word for word in reversed(_TURN_ON) for sound in phonetic_keys(word)}
# Letters. Shorter words have too many neighbours one letter away.
_LONG_ENOUGH = 6


@lru_cache(maxsize=10_000)
def asked(folded_question: str) -> Asked:
    """What the folded words of a question ask for; their drug has been taken out, so that "para que serve" is read once for all drugs."""
    typed = tuple(folded_question.split())
    words = tuple(_mended(word) for word in typed)
    text = " ".join(words)
    sections: dict[Section, None] = {}
    uses: dict[int, Use] = {}
    for wording in TABLE:
        for found in wording.pattern.finditer(text):
            sections.update(dict.fromkeys(wording.sections))
            for place in _places(text, found):
                how_much = wording.use is Use.HINT and words[place] in _HOW_MUCH
                uses.setdefault(place, Use.ASK if how_much else wording.use)
    leading, *also = sections or (None,)

    def used(use: Use, among: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(among[place] for place in sorted(uses) if uses[place] is use)

    return Asked(
        words=words,
        section=leading,
        also=tuple(section for section in also if section),
        spent=used(Use.ASK, typed),
        hints=used(Use.HINT, words),
        things=used(Use.THING, words),
        typed=typed,
    )


@lru_cache(maxsize=10_000)
def _mended(word: str) -> str:
    """A word, or the one of _TURN_ON that it sounds like, or is one slip away from where it is no word of the language."""
    if word in _TURN_ON:
        return word
    by_sound = next((_BY_SOUND[sound] for sound in phonetic_keys(word) if sound in _BY_SOUND), None)
    if by_sound or len(word) < _LONG_ENOUGH or word in ordinary_words():
        return by_sound or word
    near = process.extractOne(word, _TURN_ON, scorer=OSA.distance, score_cutoff=1)
    return near[0] if near else word


def _places(text: str, found: re.Match[str]) -> Iterator[int]:
    """Which words of the text a match holds whole."""
    first = text.count(" ", 0, found.start())
    at = text.rfind(" ", 0, found.start()) + 1
    for place, word in enumerate(text[at:].split(" "), start=first):
        if at >= found.start() and at + len(word) <= found.end():
            yield place
        at += len(word) + 1
        if at > found.end():
            return
