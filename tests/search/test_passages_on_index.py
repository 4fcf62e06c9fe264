"""The right passage of the right leaflet, and silence told as silence: over the demonstration's leaflets."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from tests.conftest import Demo


def first(demo: Demo, question: str, **given: str) -> Any:
    """The first result of a search."""
    told = demo.app.test_client().get("/v1/search", query_string={"q": question, **given}).get_json()
    assert told["results"], told
    return told["results"][0]


def shown(result: Any) -> str:
    """All that is highlighted of a result, without markup."""
    return html.unescape(re.sub("<[^>]*>", "", " ".join(h["html"] for h in result["highlights"])))


PATIENT = "patient"


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("dipirona gravida de 8 meses pode", "Do sétimo mês em diante é proibido"),
        ("dipirona amamentando", "48 horas seguintes à última dose"),
        ("dipirona quantas gotas pra criança de 12 kg", "de 9 a 15 kg (1 a 3 anos), 3 a 10 gotas"),
        ("dipirona em quanto tempo faz efeito", "entre 30 e 60 minutos"),
        ("dipirona com metotrexato", "metotrexato (soma de efeitos tóxicos no sangue"),
        ("amoxicilina suspensão depois de pronta vai na geladeira?", "deve ir para a geladeira (2 °C a 8 °C)"),
        ("amoxicilina com cerveja", "Bebida alcoólica não anula a amoxicilina"),
        ("amoxicilina pode tomar em jejum", "pode ser tomada em jejum ou junto das refeições"),
        ("amoxicilina diabético pode", "a suspensão contém sacarose (açúcar)"),
        ("amoxicilina corta o efeito do anticoncepcional", "se houver vômito ou diarreia, use preservativo"),
        ("amoxicilina por quantos dias", "O tratamento dura de 5 a 14 dias"),
        ("ibuprofeno suspeita de dengue", "Na suspeita de dengue, não tome"),
        ("ibuprofeno quantas gotas por kg", "1 gota por quilo de peso"),
        ("ibuprofeno frasco aberto vale quanto tempo", "uma vez aberto, dura 6 meses"),
        ("ibuprofeno fezes pretas", "Fezes pretas como borra de café pedem socorro"),
        ("losartana tem lactose", "Este produto contém lactose"),
        ("losartana com ibuprofeno", "enfraquecem o efeito sobre a pressão"),
        ("losartana dose maxima", "A dose mais alta é de 100 mg por dia"),
        ("losartana idoso", "acima de 75 anos é comum começar com uma quantidade menor"),
        ("rivotril pode dirigir", "não deve dirigir veículos ou operar máquinas"),
        ("rivotril gotas depois de aberto vale quanto", "vale por 120 dias"),
        ("rivotril dose sindrome do panico", "dose inicial de 0,25 mg duas vezes ao dia"),
        ("rivotril parar de tomar de repente", "A suspensão repentina após uso prolongado"),
        ("levotiroxina grávida pode continuar", "Este medicamento pode ser utilizado durante a gravidez"),
        ("levotiroxina em jejum quanto tempo antes do café", "de 30 a 60 minutos antes do café da manhã"),
        ("levotiroxina queda de cabelo", "queda de cabelo passageira nas crianças"),
        ("levotiroxina viagem", "Em viagem, leve na bolsa de mão"),
        ("posso tomar levotiroxina junto com cálcio", "carbonato de cálcio, sulfato ferroso"),
    ],
)
def test_the_callers_answer_is_in_the_first_passage(demo: Demo, question: str, words: str) -> None:
    """In lay words, whatever section of the patient's leaflet tells it."""
    passage = shown(first(demo, question, audience=PATIENT))
    assert words in passage
    assert passage.index(words) < 800


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("cefalotina diluição bolus", "1 g em 10 mL, em 3 a 5 minutos"),
        ("cefalotina clearance 30", "25 a 50 mL/min: até 1,5 g a cada 6 horas"),
        ("cefalotina incompatibilidade", "não devem ser postos no mesmo frasco ou equipo"),
        ("cefalotina estabilidade após reconstituição", "até 12 horas em temperatura ambiente ou até 96 horas sob refrigeração"),
        ("cefalotina superdose convulsão", "tratar a convulsão com benzodiazepínico"),
        ("amoxicilina clavulanato dose hemodiálise", "uma dose a cada 24 horas e suplemento ao fim da sessão"),
        ("amoxicilina clavulanato varfarina", "prolongamento do INR"),
        ("amoxicilina clavulanato pode partir", "O comprimido pode ser partido no sulco"),
    ],
)
def test_the_professionals_answer_is_in_the_first_passage(demo: Demo, question: str, words: str) -> None:
    """In the words of doctors, nurses and pharmacists."""
    assert words in shown(first(demo, question, audience="professional"))


@pytest.mark.parametrize(
    ("question", "section"),
    [
        ("losartana contraindicação na gravidez", "contraindications"),
        ("losartana na gravidez", "warnings"),
        ("esqueci de tomar losartana", "missed_dose"),
        ("onde guardar losartana", "storage"),
        ("passou da dose de losartana", "overdose"),
        ("losartana posologia", "posology"),
        ("losartana composição", "composition"),
        ("losartana reações adversas", "adverse_reactions"),
    ],
)
def test_the_section_asked_for_leads(demo: Demo, question: str, section: str) -> None:
    """Its passage comes first."""
    assert first(demo, question, audience=PATIENT)["highlights"][0]["section"] == section


@pytest.mark.parametrize(
    ("question", "typed"),
    [
        ("losartana pode levar no Avião", ["Avião"]),
        ("dipirona com chocolate amargo", ["chocolate", "amargo"]),
        ("amoxicilina pode fazer tatuagem", ["tatuagem"]),
        ("ibuprofeno interação com sibutramina", ["sibutramina"]),
        ("rivotril da caspa", ["caspa"]),
    ],
)
def test_what_the_leaflet_does_not_tell_is_said_not_to_be_stated(demo: Demo, question: str, typed: list[str]) -> None:
    """As it was typed, beside the section that was asked for: silence is no "no"."""
    result = first(demo, question, audience=PATIENT)
    assert result["not_stated"] == typed
    assert shown(result)


@pytest.mark.parametrize(
    "question",
    [
        "losartana posologia",
        "losartana gravida",
        "losartana pressao alta",
        "losartana problema nos rins",
        "losartana bebidas alcoólicas",
        "losartana cerveja",
        "losartana da dor de cabeça",
        "losartana da sono",
        "losartana inchaço na perna",
        "losartana amamentação",
        "losartana engravidar",
        "losartana validade",
        "losartana comprimido partido",
        "amoxicilina geladeira",
        "amoxicilina gravides",
        "ibuprofeno antiinflamatorios",
        "quantas gotas de ibuprofeno para criança de 10 kg",
        "levotiroxina menopausa",
        "dipirona interações",
        "febre",
    ],
)
def test_what_the_leaflet_tells_in_other_words_is_never_said_not_to_be_stated(demo: Demo, question: str) -> None:
    """Plurals, stems, synonyms, compounds, slips; words that only ask; and no drug, no claim."""
    assert first(demo, question, audience=PATIENT)["not_stated"] == []


def test_asked_in_one_section_and_told_in_another_is_stated_and_shown(demo: Demo) -> None:
    """Lítio is asked of the interactions and stands in the warnings of this patient's leaflet, or below them."""
    result = first(demo, "losartana interação com lítio", audience=PATIENT)
    assert result["not_stated"] == []
    assert "a losartana diminui a saída do lítio pela urina" in shown(result)
