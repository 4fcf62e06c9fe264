"""Product lines: what names, and what tells strength, form, pack."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets.labels import Kind, forms, phrase, title, tokens


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Losartana Potássica 50 mg Comprimido Revestido com 30", "Losartana Potássica"),
        ("RISPERIDONA 2 MG CX C 300 CPGEN", "RISPERIDONA"),
        ("Colchicina (gota)", "Colchicina"),
        ("Glifage XR 500mg", "Glifage XR"),
        ("Vitamina C 1 g efervescente", "Vitamina C"),
        ("Insulina NPH 100 UI/mL", "Insulina NPH"),
        ("Puran T4 25mcg", "Puran T4"),
        ("Dipirona Gotas", "Dipirona"),
        ("500 mg", "500 mg"),
    ],
)
def test_the_title_of_a_line_is_what_names_the_product(line: str, name: str) -> None:
    """Up to the first strength, form or pack; the whole line where nothing names."""
    assert title(line) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sulfametoxazol + Trimetoprima", "sulfametoxazol e trimetoprima"),
        ("Cloreto de Sódio", "CLORETO SODIO"),
        ("Citoneurin 5.000", "citoneurin 5000"),
    ],
)
def test_two_ways_to_write_a_name_are_one_phrase(one: str, other: str) -> None:
    """Joints, accents and the points of numbers make no other name."""
    assert phrase(one) == phrase(other)


def test_vitamins_keep_their_letter() -> None:
    """Vitamina E is not "vitamina e"."""
    assert phrase("Vitamina E") == "vitamina e"
    assert phrase("vit c") == "vit c"


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("MAL DE DEXCLORFENIRAMINA XPE 120 ML", "word joint word form number unit"),
        ("C/30CPR", "joint joint number form"),
        ("CX12 300CPGEN", "pack number number form"),
        ("amox+clav", "word joint word"),
        ("vitamina b12", "word word"),
        ("0,9% 500ML", "number unit number unit"),
    ],
)
def test_each_word_of_a_line_is_what_it_is(line: str, kinds: str) -> None:
    """Also where invoices write them as one."""
    assert [str(token.kind) for token in tokens(line)] == kinds.split()


def test_a_name_that_looks_like_abbreviations_is_a_name() -> None:
    """Abbreviations are written as one only behind a count: "alfa" is not al + fa."""
    assert [token.kind for token in tokens("alfa")] == [Kind.WORD]


def test_forms_are_told_by_their_abbreviations() -> None:
    """As the question and the product's own words are compared."""
    assert forms("XPE 120ML") == ("xarope",)
    assert forms("solução injetável, ampolas de 2 mL") == ("injetavel", "solucao")


@given(st.text())
def test_any_text_has_tokens_that_stand_where_they_say(text: str) -> None:
    """Never raises; spans follow one another inside the text."""
    found = tokens(text)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert all(0 <= t.start < t.end <= len(text) and t.word for t in found)
