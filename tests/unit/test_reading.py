"""A change in an ERP to a leaflet: its facts first, then what the text itself says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leaflets import Audience, Category, Change, Content, Facts, Leaflet, Section
from leaflets.identity import eans, registration
from leaflets.reading import NotALeaflet, leaflet, reread

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TEXT = """CALMOBEL®
(cloridrato de valerilina)
Laboratórios Sossego Ltda.
Comprimidos revestidos
1.000 mg
\f
CALMOBEL®
cloridrato de valerilina
APRESENTAÇÕES
Comprimidos de 1.000 mg: embalagem com 30 unidades.
USO ORAL
COMPOSIÇÃO
cloridrato de valerilina ........................ 1.000 mg
II - INFORMAÇÕES AO PACIENTE
1. PARA QUE ESTE MEDICAMENTO É INDICADO?
Para dormir.
2. COMO ESTE MEDICAMENTO FUNCIONA?
Acalma.
3. QUANDO NÃO DEVO USAR ESTE MEDICAMENTO?
Na gravidez.
4. O QUE DEVO SABER ANTES DE USAR ESTE MEDICAMENTO?
Dá sono.
6. COMO DEVO USAR ESTE MEDICAMENTO?
Meio comprimido (500 mg) ao deitar.
III - DIZERES LEGAIS
MS-1.9999.0123.001-4
EAN 7891234567895
Fabricado por: Makers Abroad GmbH
Registrado por:
Indústria Farmacêutica Sossego S.A. - Rua das Redes, 10
"""


def change(facts: Facts | None = None, *sections: Section | None) -> Change:
    """A change with a plain text for each of these sections."""
    contents = tuple(Content(b"", "text/plain", section=section) for section in sections or (None,))
    return Change("77", NOW, 5, facts or Facts(), contents)


def read(text: str, facts: Facts | None = None) -> Leaflet:
    """The leaflet of one plain text."""
    return leaflet("matriz", change(facts), (text,))


def test_what_the_erp_leaves_out_is_read_from_the_text() -> None:
    """A folder of PDFs has no facts at all."""
    found = read(TEXT)
    assert found.id == "matriz:77:patient"
    assert found.name == "CALMOBEL"
    assert found.active_ingredients == ("cloridrato de valerilina",)
    assert found.laboratory == "Indústria Farmacêutica Sossego S.A."
    assert found.registration == "1999901230014"
    assert found.eans == ("7891234567895",)


def test_what_the_erp_says_comes_first() -> None:
    """It knows its product; the file may be another strength's."""
    facts = Facts(
        name="Calmobel  Forte",
        active_ingredients=("valerilina", "lupulina + melissa"),
        laboratory="Sossego",
        registration="1.8888.0001",
        eans=("7890000000017",),
        audience=Audience.PROFESSIONAL,
        category=Category.SIMILAR,
        active=False,
    )
    found = read(TEXT, facts)
    assert found.name == "Calmobel Forte"
    assert found.active_ingredients == ("valerilina", "lupulina", "melissa")
    assert (found.laboratory, found.registration, found.eans) == ("Sossego", "188880001", ("7890000000017",))
    assert found.audience is Audience.PROFESSIONAL
    assert (found.category, found.active) == (Category.SIMILAR, False)
    assert found.facts == facts


def test_facts_that_cannot_be_are_left_out() -> None:
    """A registration cut short in a spreadsheet, an EAN with a wrong digit: the text knows better, and nothing breaks."""
    found = read(TEXT, Facts(registration="1060000000", eans=("7891234567890", "", "sem")))
    assert (found.registration, found.eans) == ("1999901230014", ("7891234567895",))


def test_a_generic_is_its_own_ingredient() -> None:
    """Its name is the substance's."""
    found = read("valerilina sódica\nMedicamento genérico, Lei nº 9.787, de 1999\nAPRESENTAÇÃO\nComprimidos.\nMS: 1.9999.0001\n")
    assert (found.name, found.active_ingredients) == ("valerilina sódica", ("valerilina sódica",))
    assert (found.category, found.active) == (Category.GENERIC, None)


@pytest.mark.parametrize(
    ("cover", "name"),
    [
        ("Nome comercial: Calmobel®\nNome genérico: valerilina", "Calmobel"),
        ("MODELO DE BULA PARA O PACIENTE\nBula de acordo com a RDC 47/2009\nCALMOBEL® 20 mg/mL gotas", "CALMOBEL"),
        ("Sossego Farmacêutica Ltda.\nCalmobel® – comprimido – Bula para o paciente\nCalmobel®\nvalerilina", "Calmobel"),
        ("I - IDENTIFICAÇÃO DO MEDICAMENTO\nvalerilina + cloridrato de\nlupulina", "valerilina + cloridrato de lupulina"),
        ("valerilina\nComprimido\n20 mg\nI - IDENTIFICAÇÃO DO MEDICAMENTO\nvalerilina\nAnsiolítico", "valerilina"),
    ],
)
def test_a_name_is_found_among_what_else_a_first_page_says(cover: str, name: str) -> None:
    """Forms, strengths, laws, companies and document codes are no names."""
    assert read(f"{cover}\nAPRESENTAÇÕES\nFrasco com 20 mL.\n").name == name


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1.9999.0123", "199990123"),
        ("1.9999.0123.001-4", "1999901230014"),
        (" 1999901230014 ", "1999901230014"),
        ("1.9999.0123.001-X", "199990123"),
        ("1060000000", ""),
        ("isento", ""),
        ("", ""),
    ],
)
def test_a_registration_is_its_nine_or_thirteen_digits(written: str, kept: str) -> None:
    """As text, never a number; a wrong length is no registration."""
    assert registration(written) == kept


@pytest.mark.parametrize("label", ["M.S. ", "MS - ", "Registro: .", "Reg. MS nº ", "Registro MS: ", "Registro - "])
@pytest.mark.parametrize("number", ["1.9999.0123", "1.9999. 0123"])
def test_a_registration_is_found_behind_any_label(label: str, number: str) -> None:
    """And never in the holder's tax number."""
    text = f"Calmobel\nAPRESENTAÇÃO\nGotas.\nDIZERES LEGAIS\nCNPJ 11.999.0001/0001-19\n{label}{number}\n"
    assert read(text).registration == "199990123"


def test_only_eans_with_a_right_check_digit_are_kept() -> None:
    """In their order, each once, with or without the zero that other lengths have in front."""
    assert eans("7891234567895", "789-1234567895", "7891234567890", "036000291452", "07890000000017", "123") == (
        "7891234567895",
        "0036000291452",
        "7890000000017",
    )


def test_doses_are_those_of_the_product_and_its_use() -> None:
    """From name, identification, composition and posology, not from what other sections mention."""
    found = read(TEXT.replace("Dá sono.", "Não tome com 999 mg de outro."), Facts("Calmobel 2,5 mg"))
    assert found.doses == ("1000mg", "2.5mg", "500mg")


def test_a_content_with_a_section_is_that_passage() -> None:
    """Whatever headings it quotes; the others give the rest."""
    one = change(Facts("Calmobel"), None, Section.POSOLOGY, Section.WARNINGS)
    found = leaflet(
        "matriz", one, ("Calmobel acalma.", "6. COMO DEVO USAR ESTE MEDICAMENTO?\nUm ao dia.\n4. CONTRAINDICAÇÕES\nNada.", "Dá sono.")
    )
    told = {p.section: (p.title, p.text) for p in found.passages}
    assert told == {
        Section.OTHER: ("", "Calmobel acalma."),
        Section.POSOLOGY: ("6. COMO DEVO USAR ESTE MEDICAMENTO?", "Um ao dia.\n4. CONTRAINDICAÇÕES\nNada."),
        Section.WARNINGS: ("", "Dá sono."),
    }


def test_two_fields_of_one_section_are_one_passage() -> None:
    """The index holds a section once."""
    found = leaflet("matriz", change(Facts("Calmobel"), Section.WARNINGS, Section.WARNINGS), ("Dá sono.", "Não dirija."))
    assert [p.text for p in found.passages] == ["Dá sono.\nNão dirija."]


@pytest.mark.parametrize("text", ["", " \n\f ", "...", "12 / 34"])
def test_no_text_is_no_leaflet(text: str) -> None:
    """A scanned PDF, an empty field."""
    with pytest.raises(NotALeaflet, match="has no text"):
        read(text, Facts("Calmobel"))


def test_a_leaflet_nobody_names_is_refused() -> None:
    """It could not be found, nor told from another."""
    with pytest.raises(NotALeaflet, match="give it a name in the ERP"):
        read("APRESENTAÇÕES\nComprimidos de 20 mg em caixa.\nUSO ORAL\n")


def test_letters_of_no_alphabet_are_refused() -> None:
    """PDFs whose fonts carry no meaning come out so."""
    with pytest.raises(NotALeaflet, match="no meaning"):
        read("Calmobel \u0621\u0622\u0623 \u4e00\u4e01\u4e02 \u0e01\u0e02\u0e03", Facts("Calmobel"))
    assert read("TNF-α e β-lactâmicos, 5 µg ≤ x", Facts("Calmobel")).passages


def test_a_leaflet_is_read_again_from_its_own_text() -> None:
    """A rebuild needs no ERP: text and facts are kept, and give the same leaflet, sections in fields of their own included."""
    one = change(Facts("Calmobel"), None, Section.POSOLOGY)
    found = leaflet("matriz", one, (TEXT, "4. CONTRAINDICAÇÕES\nUm ao dia."))
    assert reread("matriz", replace(one, contents=()), found.text) == found


def test_reading_twice_gives_the_same_leaflet() -> None:
    """Or every row read again would be written again."""
    assert read(TEXT) == read(TEXT)
    assert read(TEXT).content_hash == read(TEXT.replace("\n", "\r\n")).content_hash


LINES = st.sampled_from([*TEXT.split("\n"), "Registrado por:", "Nome comercial:", "\f", "\x1e", "\x1eposology"])


@given(
    st.lists(LINES | st.text(max_size=30), max_size=40).map("\n".join),
    st.text(max_size=20),
    st.text("0123456789.-X ", max_size=20),
    st.sampled_from([None, *Section]),
)
@example("III - DIZERES LEGAIS", "", "", None)
def test_no_text_raises_anything_but_not_a_leaflet(text: str, name: str, number: str, section: Section | None) -> None:
    """One record's rubbish must not stop a sync; and whatever was read can be read again."""
    one = change(Facts(name, (name,), name, number, (number,)), section)
    try:
        found = leaflet("matriz", one, (text,))
    except NotALeaflet:
        return
    assert found.name
    assert found.passages
    assert reread("matriz", replace(one, contents=()), found.text) == found
