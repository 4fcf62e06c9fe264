"""What ANVISA registered a product as, from whatever words say it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets import Category
from leaflets.register import active, category, printed_category


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("Referência", Category.REFERENCE),
        ("NOVO", Category.REFERENCE),
        ("NOVO (REFERÊNCIA)", Category.REFERENCE),
        ("SIMILAR (REFERÊNCIA)", Category.REFERENCE),
        ("R", Category.REFERENCE),
        ("GENÉRICO", Category.GENERIC),
        ("Medicamento genérico  ", Category.GENERIC),
        ("G", Category.GENERIC),
        ("Similar", Category.SIMILAR),
        ("Similar equivalente", Category.SIMILAR),
        ("similar equivalente ao medicamento de referência", Category.SIMILAR),
        ("BIOLÓGICOS", Category.BIOLOGICAL),
        ("Biossimilar", Category.BIOLOGICAL),
        ("FITOTERÁPICO", Category.HERBAL),
        ("ESPECÍFICO", Category.OTHER),
        ("PRODUTO DE TERAPIA AVANÇADA", Category.OTHER),
        ("Notificação simplificada", Category.OTHER),
        *((str(known), known) for known in Category),
    ],
)
def test_categories_are_read_as_erps_and_open_data_write_them(told: str, meant: Category) -> None:
    """Whatever the capitals, the accents and what stands beside."""
    assert category(told) is meant


@pytest.mark.parametrize("told", ["", "-", "MIP", "tarja vermelha", "X", None, 7, True, ["Genérico"], {"tipo": "G"}])
def test_unknown_words_are_no_category(told: object) -> None:
    """And no error: an ERP's odd value must not cost us its leaflet."""
    assert category(told) is None


@pytest.mark.parametrize("told", ["Ativo", "ATIVA", "Válido", "Registro vigente", "S", "sim", "1", 1, True, "tYES", "A"])
def test_a_registration_that_stands(told: object) -> None:
    """As ERPs and ANVISA's open data write it."""
    assert active(told) is True


@pytest.mark.parametrize(
    "told", ["Inativo", "CADUCO/CANCELADO", "Caducado", "cancelado a pedido", "Não ativo", "vencido", "N", "não", "0", 0, False, "tNO", "I"]
)
def test_a_registration_that_ended(told: object) -> None:
    """One word that it ended is enough."""
    assert active(told) is False


@pytest.mark.parametrize("told", ["", " ", None, "-", "não informado", "a definir", "2", "em análise", ["S"], 3.5])
def test_what_says_neither_is_unknown(told: object) -> None:
    """A product of which nobody says anything comes after nobody."""
    assert active(told) is None


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
def test_no_value_of_an_erp_raises(told: object) -> None:
    """Whatever stands in the field."""
    category(told)
    active(told)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Losartana\nMedicamento genérico, Lei nº 9.787, de 1999", Category.GENERIC),
        ("losartana\n“Medicamento Genérico Lei n°. 9787 de 1999”", Category.GENERIC),
        ("clonazepam – genérico (Lei nº 9.787/99)", Category.GENERIC),
        ("Produto genérico amparado pela Lei nº 9.787/99", Category.GENERIC),
        ("ARADOIS\nMEDICAMENTO SIMILAR EQUIVALENTE AO MEDICAMENTO DE REFERÊNCIA.", Category.SIMILAR),
        ("Boldo\nI – IDENTIFICAÇÃO DO PRODUTO TRADICIONAL FITOTERÁPICO", Category.HERBAL),
        ("MEDICAMENTO FITOTERÁPICO", Category.HERBAL),
        ("Calmumabe\nProduto biológico", Category.BIOLOGICAL),
        ("Calmobel\nNome genérico: calmobelato", None),
        ("A erva-de-são-joão é um medicamento fitoterápico usado contra a depressão.", None),
        ("Informe o uso de medicamentos biológicos", None),
        ("", None),
    ],
)
def test_a_leaflets_own_words_say_what_it_is(text: str, meant: Category | None) -> None:
    """Only those that speak of itself."""
    assert printed_category(text) is meant
