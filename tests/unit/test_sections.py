"""The anatomy of a leaflet: which words are which section's, and none lost."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets import Audience, Section
from leaflets.sections import Anatomy, anatomy, passage
from leaflets.text import clean

S = Section
QUESTIONS = {
    S.INDICATIONS: "1. PARA QUE ESTE MEDICAMENTO É INDICADO?",
    S.MECHANISM: "2. COMO ESTE MEDICAMENTO FUNCIONA?",
    S.CONTRAINDICATIONS: "3. QUANDO NÃO DEVO USAR ESTE MEDICAMENTO?",
    S.WARNINGS: "4. O QUE DEVO SABER ANTES DE USAR ESTE MEDICAMENTO?",
    S.STORAGE: "5. ONDE, COMO E POR QUANTO TEMPO POSSO GUARDAR ESTE MEDICAMENTO?",
    S.POSOLOGY: "6. COMO DEVO USAR ESTE MEDICAMENTO?",
    S.MISSED_DOSE: "7. O QUE DEVO FAZER QUANDO EU ME ESQUECER DE USAR ESTE MEDICAMENTO?",
    S.ADVERSE_REACTIONS: "8. QUAIS OS MALES QUE ESTE MEDICAMENTO PODE ME CAUSAR?",
    S.OVERDOSE: "9. O QUE FAZER SE ALGUÉM USAR UMA QUANTIDADE MAIOR DO QUE A INDICADA DESTE MEDICAMENTO?",
}
TECHNICAL = {
    S.INDICATIONS: "1. INDICAÇÕES",
    S.EFFICACY: "2. RESULTADOS DE EFICÁCIA",
    S.PHARMACOLOGY: "3. CARACTERÍSTICAS FARMACOLÓGICAS",
    S.CONTRAINDICATIONS: "4. CONTRAINDICAÇÕES",
    S.WARNINGS: "5. ADVERTÊNCIAS E PRECAUÇÕES",
    S.INTERACTIONS: "6. INTERAÇÕES MEDICAMENTOSAS",
    S.STORAGE: "7. CUIDADOS DE ARMAZENAMENTO DO MEDICAMENTO",
    S.POSOLOGY: "8. POSOLOGIA E MODO DE USAR",
    S.ADVERSE_REACTIONS: "9. REAÇÕES ADVERSAS",
    S.OVERDOSE: "10. SUPERDOSE",
}
COVER = (
    "I - IDENTIFICAÇÃO DO MEDICAMENTO\nCalmobel®\nvalerilina\nAPRESENTAÇÕES\nComprimidos de 20 mg.\nCOMPOSIÇÃO\nvalerilina ........ 20 mg\n"
)
LEGAL = "III - DIZERES LEGAIS\nRegistro 1.9999.0001\nVENDA SOB PRESCRIÇÃO\n"
HISTORY = (
    "Histórico de alteração da bula\nDados da submissão eletrônica\nData do expediente\nNº expediente\nItens de bula\n"
    "01/02/2024\n0123456/24-1\n10450 - SIMILAR - Notificação de Alteração de Texto de Bula - RDC 60/12\n"
    "6. COMO DEVO USAR ESTE MEDICAMENTO?\nVP/VPS\n4. CONTRAINDICAÇÕES\nDIZERES LEGAIS\n"
)


def told(section: Section) -> str:
    """Some words that only this section says."""
    return f"Aqui se diz {section.value} desta valerilina."


def body(headings: dict[Section, str]) -> str:
    """Each heading, with its section's words below it."""
    return "".join(f"{title}\n{told(section)}\n" for section, title in headings.items())


PATIENT = f"{COVER}II - INFORMAÇÕES AO PACIENTE\n{body(QUESTIONS)}{LEGAL}"
PROFESSIONAL = f"{COVER}II - INFORMAÇÕES TÉCNICAS AOS PROFISSIONAIS DE SAÚDE\n{body(TECHNICAL)}{LEGAL}"


def says(found: Anatomy, section: Section) -> bool:
    """Whether the section says its own words, and no other section's."""
    return told(section) in found.text(section) and not any(told(other) in found.text(section) for other in Section if other is not section)


def lost(text: str, found: Anatomy) -> Counter[str]:
    """The letters and digits of the text that are nowhere in its anatomy."""
    kept = "".join([*(p.title + p.text for p in found.passages), found.history, found.furniture])
    return Counter(c for c in text if c.isalnum()) - Counter(c for c in kept if c.isalnum())


def test_a_patients_leaflet_has_its_nine_sections() -> None:
    """RDC 47, annex I: questions 1 to 9 between identification and legal part."""
    found = anatomy(PATIENT)
    assert found.audience is Audience.PATIENT
    assert [p.section for p in found.passages] == [S.IDENTIFICATION, S.COMPOSITION, *QUESTIONS, S.LEGAL]
    assert all(says(found, section) for section in QUESTIONS)
    assert {p.section: p.title for p in found.passages}.items() >= QUESTIONS.items()


def test_a_professionals_leaflet_has_its_ten_sections() -> None:
    """RDC 47, annex II."""
    found = anatomy(PROFESSIONAL)
    assert found.audience is Audience.PROFESSIONAL
    assert [p.section for p in found.passages] == [S.IDENTIFICATION, S.COMPOSITION, *TECHNICAL, S.LEGAL]
    assert all(says(found, section) for section in TECHNICAL)


@pytest.mark.parametrize(
    ("section", "printed"),
    [
        (S.INDICATIONS, "PARA QUE ESTE MEDICAMENTO É INDICADO?"),
        (S.INDICATIONS, "1 – PARA QUÊ ESTE MEDICAMENTO FOI INDICADO ?"),
        (S.INDICATIONS, "1) POR QUE ESTE MEDICAMENTO É INDICADO"),
        (S.INDICATIONS, "1.PARA QUE ESTA VACINA É INDICADA?"),
        (S.MECHANISM, "2. COMO ESTE PRODUTO FUNCIONA?"),
        (S.MECHANISM, "2. COMO O CALMOBEL FUNCIONA?"),
        (S.CONTRAINDICATIONS, "3-QUANDO NAO DEVO USAR ESTE MEDICAMENTO?"),
        (S.CONTRAINDICATIONS, "3. QUANDO NÃO DEVO UTILIZAR ESTE MEDICAMENTO? (leia também as questões 4 e 8)"),
        (S.WARNINGS, "4. O QUE DEVO SABER ANTES DE USAR ESTE\nMEDICAMENTO?"),
        (S.WARNINGS, "4.\nO QUE DEVO SABER ANTES DE UTILIZAR ESTE MEDICAMENTO?"),
        (S.STORAGE, "5. ONDE COMO E POR QUANTO TEMPO POSSO QUARDAR ESTE MEDICAMENTO?"),
        (S.STORAGE, "5.\nONDE,\nCOMO\nE\nPOR\nQUANTO\nTEMPO\nPOSSO\nGUARDAR\nESTE\nMEDICAMENTO?"),
        (S.POSOLOGY, "6.   COMO DEVO USAR ESTE PRODUTO TRADICIONAL FITOTERÁPICO?"),
        (S.POSOLOGY, "6. COMO DEVO USAR\n\nESTE MEDICAMENTO?"),
        (S.MISSED_DOSE, "7. O QUE DEVO FAZER QUANDO EU ESQUECER DE USAR ESTE MEDICAMENTO?"),
        (S.MISSED_DOSE, "7. O QUE FAZER QUANDO EU ME ESQUECER DE TOMAR ESTE MEDICAMENTO?"),
        (S.ADVERSE_REACTIONS, "8. QUAIS OS MALES QUE ESTE MEDICAMENTO PODE CAUSAR?"),
        (S.ADVERSE_REACTIONS, "8. QUE MALES ESTE MEDICAMENTO PODE ME CAUSAR?"),
        (S.OVERDOSE, "9. O QUE FAZER SE ALGUÉM USAR UMA QUANTIDADE MAIOR QUE A INDICADA DESTE MEDICAMENTO?"),
        (S.OVERDOSE, "9. O QUE FAZER SE ALGUÉM USAR UMA GRANDE QUANTIDADE DESTE MEDICAMENTO DE UMA SÓ VEZ?"),
        (S.OVERDOSE, "9. O QUE FAZER SE ALGUÉM USAR UMA QUANTIDADE MAIOR DO QUE A INDICADA DESTE MEDICA-\nMENTO?"),
        (S.OVERDOSE, "9. O QUE FAZER SE ALGUÉM USAR UMA QUANTIDADE\nMAIOR DO QUE A INDICADA DESTEMEDICAMENTO?"),
    ],
)
def test_a_careless_heading_is_still_a_heading(section: Section, printed: str) -> None:
    """As laboratories printed them, or as their PDFs came apart."""
    found = anatomy(body(QUESTIONS | {section: printed}))
    assert [p.section for p in found.passages] == list(QUESTIONS)
    assert all(says(found, one) for one in QUESTIONS)


def test_headings_in_small_letters_are_found_where_there_are_no_others() -> None:
    """An ERP's HTML has them so."""
    found = anatomy(body({section: title.capitalize() for section, title in QUESTIONS.items()}))
    assert all(says(found, section) for section in QUESTIONS)
    assert found.audience is Audience.PATIENT


def test_sections_in_another_order_are_still_sections() -> None:
    """What is printed in capitals needs no order."""
    found = anatomy(body(dict(reversed(QUESTIONS.items()))))
    assert all(says(found, section) for section in QUESTIONS)


@pytest.mark.parametrize(
    "quotation",
    [
        "Leia o item “4. O que devo saber antes de usar este medicamento?” antes de tudo.",
        "Não use se tiver febre (vide item\n4. O QUE DEVO SABER ANTES DE USAR ESTE MEDICAMENTO?).",
        "Não use se tiver febre (ver\n8. Quais os males que este medicamento pode me causar?).",
        "Isto se descreve em “\nCOMO DEVO USAR ESTE MEDICAMENTO?” desta bula.",
        "Não use, conforme descrito no item 4. O\nQUE DEVO SABER ANTES DE USAR ESTE MEDICAMENTO?. A dose é outra.",
        "Pergunte ao médico\ncomo devo usar este medicamento? em viagens.",
        "Há\nreações adversas raras.",
    ],
)
def test_a_heading_quoted_in_a_sentence_begins_no_section(quotation: str) -> None:
    """Else what follows it would be told as another section's."""
    text = body(QUESTIONS).replace(told(S.CONTRAINDICATIONS), f"{quotation}\n{told(S.CONTRAINDICATIONS)}")
    found = anatomy(text)
    assert [p.section for p in found.passages] == list(QUESTIONS)
    assert all(says(found, section) for section in QUESTIONS)


def test_technical_sub_headings_of_a_patients_leaflet_begin_no_section() -> None:
    """A leaflet keeps to one kind of headings."""
    text = PATIENT.replace(told(S.POSOLOGY), f"POSOLOGIA\nUm.\nCONTRAINDICAÇÕES\nNenhuma.\n{told(S.POSOLOGY)}")
    found = anatomy(text)
    assert "CONTRAINDICAÇÕES\nNenhuma." in found.text(S.POSOLOGY)
    assert all(says(found, section) for section in QUESTIONS)


def test_sub_headings_without_their_number_begin_no_section_among_numbered_ones() -> None:
    """A professional's leaflet speaks of adverse reactions in its studies too."""
    text = PROFESSIONAL.replace(told(S.EFFICACY), f"REAÇÕES ADVERSAS\nPoucas no estudo.\n{told(S.EFFICACY)}")
    assert "Poucas no estudo." in anatomy(text).text(S.EFFICACY)


@pytest.mark.parametrize(
    "title", ["Interações medicamentosas", "INTERAÇÕES MEDICAMENTOSAS:", "Interações com outros medicamentos e alimentos"]
)
def test_interactions_in_a_patients_warnings_are_a_section(title: str) -> None:
    """Attendants are asked for them; what follows under another sub-heading is warnings again."""
    text = PATIENT.replace(
        told(S.WARNINGS), f"{told(S.WARNINGS)}\n{title}\n{told(S.INTERACTIONS)}\nGravidez e amamentação\nPergunte antes."
    )
    found = anatomy(text)
    assert says(found, S.INTERACTIONS)
    assert says(found, S.WARNINGS)
    assert found.text(S.WARNINGS).endswith("Gravidez e amamentação\nPergunte antes.")


def test_warnings_that_are_all_interactions_stay_warnings() -> None:
    """A patient's leaflet always has its question 4."""
    text = PATIENT.replace(told(S.WARNINGS), f"Interações medicamentosas\n{told(S.WARNINGS)}")
    assert told(S.WARNINGS) in anatomy(text).text(S.WARNINGS)


def test_the_history_table_is_cut_off_and_kept() -> None:
    """It quotes section titles of both kinds: left in, patients' leaflets look like professionals'."""
    found = anatomy(PATIENT + HISTORY)
    assert found.passages == anatomy(PATIENT).passages
    assert found.history.startswith("Histórico de alteração da bula")
    assert "0123456/24-1" in found.history


@pytest.mark.parametrize(
    "title",
    [
        "Anexo B\nHISTÓRICO DE ALTERAÇÕES PARA A BULA",
        "CALMOBEL® Histórico de Alteração da Bula",
        "Bula do paciente - Histórico de alteração do texto de bula",
        "Dados da submissão \neletrônica",
        "Data do\nexpediente",
    ],
)
def test_a_history_table_is_known_by_any_of_its_titles(title: str) -> None:
    """Title, group of columns or column: whichever came first out of the PDF."""
    found = anatomy(f"{PATIENT}{title}\n0123456/24-1\n4. O QUE DEVO SABER ANTES DE USAR ESTE MEDICAMENTO?\nVP\n")
    assert found.passages == anatomy(PATIENT).passages
    assert "0123456/24-1" in found.history


def test_a_sentence_about_a_history_is_no_table() -> None:
    """Leaflets ask for the patient's history all the time."""
    text = PATIENT.replace(told(S.WARNINGS), f"Avise se tem\nhistórico de alterações do coração, e\ndados de exames.\n{told(S.WARNINGS)}")
    assert all(says(anatomy(text), section) for section in QUESTIONS)
    assert not anatomy(text).history


LONG = " ".join(["A solução é preparada com cuidado por quem sabe o que faz."] * 12)


def test_two_strengths_in_one_file_are_joined_by_section() -> None:
    """Each followed by its table; the second one's headings stand where it begins."""
    second = PATIENT.replace("Comprimidos de 20 mg.", f"Gotas. {LONG}").replace("Aqui", "Ali")
    found = anatomy(f"{PATIENT}{HISTORY}\f{second}\f{HISTORY}")
    assert [p.section for p in found.passages] == [S.IDENTIFICATION, S.COMPOSITION, *QUESTIONS, S.LEGAL]
    posology = found.text(S.POSOLOGY)
    assert posology == f"{told(S.POSOLOGY)}\n{QUESTIONS[S.POSOLOGY]}\n{told(S.POSOLOGY).replace('Aqui', 'Ali')}"
    assert found.history.count("Itens de bula") == 2


@pytest.mark.parametrize("asked", [None, Audience.PATIENT, Audience.PROFESSIONAL])
def test_of_two_leaflets_in_one_file_one_gives_the_sections(asked: Audience | None) -> None:
    """The one asked for, else the first; the other stands whole in `other`, so that no patient is told the professional's dose."""
    professional = PROFESSIONAL.replace("Comprimidos de 20 mg.", f"{LONG}\n{LONG}\n{LONG}").replace("Aqui", "Ali")
    found = anatomy(f"{PATIENT}{HISTORY}\f{professional}\f{HISTORY}", asked)
    assert found.audience is (asked or Audience.PATIENT)
    headings, first, second = (TECHNICAL, "Ali", "Aqui") if asked is Audience.PROFESSIONAL else (QUESTIONS, "Aqui", "Ali")
    assert all(told(section).replace("Aqui", first) in found.text(section) for section in headings)
    assert told(S.POSOLOGY).replace("Aqui", second) in found.text(S.OTHER)
    assert not any(second in found.text(section) for section in headings)


def test_a_legal_part_without_a_heading_is_found() -> None:
    """Registration and holder are not what to do about an overdose."""
    found = anatomy(PATIENT.replace("III - DIZERES LEGAIS\n", ""))
    assert found.text(S.OVERDOSE) == told(S.OVERDOSE)
    assert found.text(S.LEGAL).startswith("Registro 1.9999.0001")


def test_free_text_with_other_headings_has_sections_of_an_unknown_audience() -> None:
    """What a shop typed into its ERP."""
    found = anatomy("Calmobel 20 mg\nPosologia: um ao dia.\nIndicações: insônia.\nContraindicações\nGravidez.\n")
    assert found.audience is Audience.UNKNOWN
    assert found.text(S.POSOLOGY) == "um ao dia."
    assert found.text(S.INDICATIONS) == "insônia."
    assert found.text(S.CONTRAINDICATIONS) == "Gravidez."


def test_what_follows_a_heading_on_its_line_is_kept_whole() -> None:
    """However long the line: an ERP's field may be one."""
    found = anatomy(f"INDICAÇÕES: {LONG}\n6. COMO DEVO USAR ESTE MEDICAMENTO? {LONG}")
    assert found.text(S.INDICATIONS) == LONG
    assert found.text(S.POSOLOGY) == LONG


def test_text_without_headings_is_other() -> None:
    """It is still found by its words."""
    found = anatomy("Calmobel acalma.\nUm ao dia.")
    assert [(p.section, p.text) for p in found.passages] == [(S.OTHER, "Calmobel acalma.\nUm ao dia.")]


def pages(*texts: str) -> str:
    """Texts on pages with a header and a number."""
    return "\f".join(f"Calmobel - Bula para o paciente\n{text}\nPágina {number} de {len(texts)}\n" for number, text in enumerate(texts, 1))


def test_what_is_printed_on_every_page_is_furniture() -> None:
    """Headers and page numbers stand in the middle of sentences otherwise."""
    found = anatomy(pages("Um tem dor que não\npassa.", "Dois.", "Três dói\n3", "Quatro."))
    assert found.furniture.split("\n").count("Calmobel - Bula para o paciente") == 4
    assert "Página 3 de 4" in found.furniture
    assert [p.text.split("\n") for p in found.passages] == [["Um tem dor que não", "passa.", "Dois.", "Três dói", "3", "Quatro."]]


def test_what_two_pages_share_is_text() -> None:
    """Only what is certain is dropped."""
    assert anatomy("Aviso.\nUm.\fAviso.\nDois.").furniture == ""


WRAPPED = """Tome este medicamento com um copo de água cheio, sentado ou em pé, e não se deite
durante meia hora.
Não tome com leite. O efeito pode ser menor se for tomado com anti-
inflamatórios ou com leite, ou ainda com medi-
camentos, como:
- varfarina, que é usada por quem tem risco de trombose, e que precisa de exames do
sangue;
- lítio.
valerilina ......................................................................... 20 mg
corante ............................................................................ 1 mg"""


def test_hard_wrapped_lines_become_paragraphs() -> None:
    """A sentence is shown whole; list items and rows stay lines; a hyphen goes only where the leaflet writes the word without it."""
    assert anatomy(WRAPPED).text(S.OTHER).split("\n") == [
        "Tome este medicamento com um copo de água cheio, sentado ou em pé, e não se deite durante meia hora.",
        "Não tome com leite. O efeito pode ser menor se for tomado com anti-inflamatórios ou com leite, ou ainda com medi-camentos, como:",
        "- varfarina, que é usada por quem tem risco de trombose, e que precisa de exames do sangue;",
        "- lítio.",
        "valerilina ..... 20 mg",
        "corante ..... 1 mg",
    ]
    assert "ou ainda com medicamentos, como:" in anatomy(WRAPPED + "\nOutros medicamentos.").text(S.OTHER)


def test_a_paragraph_goes_on_over_the_edge_of_a_page() -> None:
    """Behind header and page number."""
    line = "Tome este medicamento com um copo de água cheio, sentado ou em pé, e não se deite"
    found = anatomy(pages(f"{line}\n{line}", "durante meia hora.", "Três.", "Quatro."))
    assert f"{line} durante meia hora." in found.passages[0].text


def test_lines_of_a_text_that_was_never_wrapped_stay_lines() -> None:
    """An ERP's list without bullets is no paragraph."""
    text = "Um parágrafo comprido que alguém escreveu de uma vez só, sem quebrar linha, como se faz hoje em dia.\ndor\nfebre\nmal-estar"
    assert anatomy(text).text(S.OTHER) == text


def test_a_field_of_one_section_is_that_passage() -> None:
    """Its own heading, where it repeats it, is the title; other headings in it are its text."""
    one = passage(S.POSOLOGY, f"{QUESTIONS[S.POSOLOGY]}\nUm ao dia.\n{QUESTIONS[S.WARNINGS]}\nNada.")
    assert (one.title, one.text) == (QUESTIONS[S.POSOLOGY], f"Um ao dia.\n{QUESTIONS[S.WARNINGS]}\nNada.")
    assert passage(S.POSOLOGY, "Um ao dia.").title == ""


PIECES = st.sampled_from(
    [
        *QUESTIONS.values(),
        *TECHNICAL.values(),
        *COVER.split("\n"),
        *LEGAL.split("\n"),
        *HISTORY.split("\n"),
        *WRAPPED.split("\n"),
        "Interações medicamentosas",
        "Gravidez",
        "1",
        "•",
        "O",
        "QUE",
        "Página 1 de 3",
        "\f",
        "",
        LONG,
        *(f"{title} {LONG}" for title in [*QUESTIONS.values(), *TECHNICAL.values()]),
        f"Posologia: {LONG}",
    ]
)


@given(st.lists(PIECES | st.text(max_size=40), max_size=60), st.sampled_from([None, *Audience]))
def test_no_word_is_ever_lost(lines: list[str], audience: Audience | None) -> None:
    """Each letter and digit is in a passage, in the history or in the furniture, as often as in the text; and nothing raises."""
    text = clean("\n".join(lines))
    found = anatomy(text, audience)
    assert not lost(text, found)
    sections = [p.section for p in found.passages]
    assert len(sections) == len(set(sections))
    assert all(p.text for p in found.passages)


@given(st.text(), st.sampled_from(Section))
def test_a_fields_words_are_never_lost(text: str, section: Section) -> None:
    """Nor those of a section in a field of its own."""
    cleaned = clean(text)
    one = passage(section, cleaned)
    assert Counter(c for c in cleaned if c.isalnum()) <= Counter(c for c in one.title + one.text if c.isalnum())


def test_a_heading_after_a_complete_reference_is_a_heading() -> None:
    """A reference such as "ver item 5." ends a sentence; the next line's own number begins a section."""
    found = anatomy(
        "1. INDICAÇÕES\nInfecções.\n4. CONTRAINDICAÇÕES\nHepatite anterior: ver item 5.\n"
        "5. ADVERTÊNCIAS E PRECAUÇÕES\nPode causar icterícia.\n6. INTERAÇÕES MEDICAMENTOSAS\nVarfarina.\n"
        "8. POSOLOGIA E MODO DE USAR\nUm comprimido.\n"
    )
    assert found.text(Section.WARNINGS) == "Pode causar icterícia."
