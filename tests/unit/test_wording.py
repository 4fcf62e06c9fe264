"""What a text says, apart from its layout."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets.wording import wording, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tome 1 comprimido ao dia.", "TOME  1 comprimido\nao dia ."),
        ("1. Lave as mãos;\n2. Abra o frasco.", "• Lave as mãos;\n– Abra o frasco."),
        ("a) Lave as mãos.\nb) Abra o frasco.", "Lave as mãos.\nAbra o frasco."),
        ("não use “gelo”", "não use gelo"),
        ("10 – 20 mg", "10-20 mg"),
        ("5mg", "5 mg"),
        ("5 µg", "5 μg"),
    ],
)
def test_layout_is_no_difference(one: str, other: str) -> None:
    """Blanks, capitals, bullets, the numbers of lists, quotes, kinds of dashes."""
    assert wording(one) == wording(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0,5 mg", "5 mg"),
        ("0,5 mg", "0.5 mg"),
        ("1.000 mg", "1000 mg"),
        ("tome\n2. Guarde", "tome\nGuarde"),
        ("1.5 mg", "mg"),
        ("5 mg", "mg"),
        ("Tome:\n5 mg", "Tome:\nmg"),
        ("10 20", "1020"),
        ("10 mg", "-10 mg"),
        ("até\n- 10 °C", "até\n10 °C"),
        ("< 18 anos", "18 anos"),
        ("não, use", "não use"),
        ("avo", "avó"),
        ("10² mg", "102 mg"),
    ],
)
def test_every_number_sign_and_accent_is_a_difference(one: str, other: str) -> None:
    """One of them may be the dose."""
    assert wording(one) != wording(other)


@given(st.text(alphabet=st.sampled_from("aBé12.,;:-–•*\"'\n () ½²ß"), max_size=80))
def test_the_words_are_the_wording_in_their_places(text: str) -> None:
    """Whoever marks words marks what was compared."""
    found = words(text)
    assert " ".join(word.told for word in found) == wording(text)
    assert all(word.start < word.end for word in found)
    assert all(before.end <= after.start for before, after in pairwise(found))
