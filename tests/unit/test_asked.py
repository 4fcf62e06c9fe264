"""Which section a question asks for, in the words of doctors, nurses, shops, patients and their families."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets import Section
from leaflets.names import fold
from searchapi.sections import ELSEWHERE, asked

QUESTIONS = {
    Section.MISSED_DOSE: """
        esqueci de tomar
        pulei uma dose
        perdi a dose de ontem
        atrasei o comprimido
        minha mãe esqueceu de tomar ontem
        não tomei ontem, tomo dois hoje?
        dose esquecida
        passou da hora
        esquesi de tomar
    """,
    Section.OVERDOSE: """
        passou da dose
        tomei 2 comprimidos
        tomou a caixa toda
        tomei dois sem querer
        criança engoliu
        bebê tomou escondido
        tomei demais
        superdosagem antídoto
        ingeriu grande quantidade
        intoxicação
        tomar mais do que o indicado
        dose dobrada
    """,
    Section.STORAGE: """
        onde guardar
        vai na geladeira
        pode ficar fora da geladeira
        depois de aberto vale quanto tempo
        frasco aberto dura quantos dias
        prazo de validade
        posso levar no avião
        pode congelar
        estabilidade após diluição
        na geladera
    """,
    Section.INTERACTIONS: """
        com álcool
        posso beber
        com cerveja
        pode tomar junto com leite
        interage com anticoncepcional
        corta o efeito da pílula
        interação medicamentosa
        com alcol
    """,
    Section.WARNINGS: """
        tá grávida
        pode na gravidez
        amamentando
        posso dar de mamar
        tenho pressão alta posso
        sou diabético
        quem tem problema de rim
        insuficiência hepática
        pode dirigir
        precauções
        gravides
    """,
    Section.CONTRAINDICATIONS: """
        contraindicação
        quem não pode tomar
        quando não devo usar
        contra-indicado
    """,
    Section.ADVERSE_REACTIONS: """
        efeito colateral
        dá sono
        engorda
        reações adversas
        causa queda de cabelo
        faz mal
        vicia
        efeito colaterau
    """,
    Section.MECHANISM: """
        em quanto tempo faz efeito
        como age
        como este medicamento funciona
        demora quanto pra fazer efeito
        mecanismo de ação
    """,
    Section.POSOLOGY: """
        como tomar
        quantas gotas por kg
        qual a dose máxima
        de quantas em quantas horas
        pode partir
        pode triturar e dar por sonda
        em jejum ou depois de comer
        ajuste de dose na insuficiência renal
        clearance 30
        velocidade de infusão
        como diluir
        reconstituição
        pode dar pra criança
        meu filho de 3 anos
        idoso
        por quantos dias
        posologia na gravidez
        pozologia
    """,
    Section.COMPOSITION: """
        tem lactose
        contém glúten
        tem açúcar
        corante
        excipientes
        quantas gotas tem 1 ml
    """,
    Section.IDENTIFICATION: """
        qual a apresentação
        vem quantos comprimidos
    """,
    Section.LEGAL: """
        precisa de receita
        quem fabrica
        é controlado
    """,
    Section.INDICATIONS: """
        pra que serve
        indicações
        serve para dor de dente
        é bom pra gripe
    """,
    Section.PHARMACOLOGY: """
        meia-vida
        biodisponibilidade
        farmacocinética
    """,
    Section.EFFICACY: """
        resultados de eficácia
        estudos clínicos
    """,
}


def folded(question: str) -> str:
    """A question as `understand` gives it: folded words, one blank apart."""
    return " ".join(fold(question).replace("-", " ").replace(",", " ").replace("?", " ").split())


@pytest.mark.parametrize(
    ("question", "section"),
    [(line.strip(), section) for section, lines in QUESTIONS.items() for line in lines.strip().splitlines()],
)
def test_the_section_is_recognised_in_the_words_of_whoever_asks(question: str, section: Section) -> None:
    """Lay or professional, with a slip or without."""
    assert asked(folded(question)).section is section


@pytest.mark.parametrize("question", ["", "dor de cabeça", "tontura", "500"])
def test_words_that_ask_for_no_section_ask_for_none(question: str) -> None:
    """The text of all sections decides."""
    assert asked(folded(question)).section is None


def test_the_name_of_a_section_goes_before_the_things_asked_about_in_it() -> None:
    """Pregnancy is told in the warnings, unless contraindications are asked for; the other may answer too."""
    found = asked("contraindicacao na gravidez")
    assert found.section is Section.CONTRAINDICATIONS
    assert Section.WARNINGS in found.also


def test_words_that_only_ask_are_told_from_things() -> None:
    """Nowhere is "posologia" looked for, "validade" is only a hint, "gravidez" is what was asked about."""
    assert asked("posologia").spent == ("posologia",)
    assert asked("validade").hints == ("validade",)
    assert asked("na gravidez").things == ("gravidez",)


def test_a_slip_is_mended_and_what_was_typed_is_kept() -> None:
    """It is spent as it was typed."""
    found = asked("pozologia gravides")
    assert found.words == ("posologia", "gravidez")
    assert found.typed == ("pozologia", "gravides")
    assert found.spent == ("pozologia",)


@given(st.text(max_size=200))
def test_any_words_are_read_without_failing(text: str) -> None:
    """What is spent was typed."""
    question = folded(text)
    found = asked(question)
    assert len(found.words) == len(found.typed) == len(question.split())
    assert set(found.spent) <= set(found.typed)


def test_every_section_that_leads_elsewhere_leads_to_others() -> None:
    """And never to itself."""
    assert all(section not in others for section, others in ELSEWHERE.items())
