"""Doses: canonical, the same for a question and a leaflet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets.doses import doses


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("500 mg", "500mg"),
        ("500mg", "500mg"),
        ("Dipirona500mg", "500mg"),
        ("500 miligramas", "500mg"),
        ("50 µg", "50mcg"),
        ("50 μg", "50mcg"),
        ("50 microgramas", "50mcg"),
        ("50 mcg", "50mcg"),
        ("2 gramas", "2g"),
        ("10 mL", "10ml"),
        ("0,9 %", "0.9%"),
        ("5.000 U.I.", "5000ui"),
        ("5.000 unidades internacionais", "5000ui"),
        ("100 U/mL", "100ui/ml"),
        ("100 unidades/mL", "100ui/ml"),
        ("10 mEq", "10meq"),
    ],
)
def test_a_unit_is_one_however_it_is_written(written: str, told: str) -> None:
    """Blank or none, sign or word, Greek letter of either kind."""
    assert doses(written) == (told,)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("1.000 mg", "1000mg"),
        ("1,000 mg", "1mg"),
        ("0,5 mg", "0.5mg"),
        ("0.5 mg", "0.5mg"),
        ("0.125 mg", "0.125mg"),
        ("2.5 mg", "2.5mg"),
        ("2,50 mg", "2.5mg"),
        ("1.200.000 UI", "1200000ui"),
        ("1.234,5 mg", "1234.5mg"),
        ("1,234.5 mg", "1234.5mg"),
        ("10 000 UI", "10000ui"),
        ("05 mg", "5mg"),
    ],
)
def test_numbers_are_brazilian(written: str, told: str) -> None:
    """The point parts thousands, the comma decimals: "1.000 mg" must never be found as one milligram, nor "1,000 mg" as a thousand."""
    assert doses(written) == (told,)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("250 mg/5 mL", ("250mg/5ml",)),
        ("2,5 mg/mL", ("2.5mg/ml",)),
        ("2,5 mg por mL", ("2.5mg/ml",)),
        ("40 mg/1 mL", ("40mg/ml",)),
        ("10 mg/kg/dia", ("10mg/kg/dia",)),
        ("600 mg/5 g", ("600mg/5g",)),
        ("126 mg/dL", ("126mg/dl",)),
        ("100 mcg/dose", ("100mcg",)),
        ("500 mg/comprimido", ("500mg",)),
        ("500 mg por comprimido", ("500mg",)),
        ("875 mg + 125 mg", ("125mg", "875mg")),
        ("50 mg/12,5 mg", ("12.5mg", "50mg")),
        ("50/12,5 mg", ("12.5mg", "50mg")),
        ("250 mg + 62,5 mg/5 mL", ("250mg/5ml", "62.5mg/5ml")),
        ("200 mg/40 mg/5 mL", ("200mg/5ml", "40mg/5ml")),
        ("5, 10 e 20 mg", ("10mg", "20mg", "5mg")),
        ("100 a 300mg por dia", ("100mg/dia", "300mg/dia")),
        ("10 mg, 10 mg e 20 mg", ("10mg", "20mg")),
    ],
)
def test_what_belongs_to_a_number_stays_with_it(written: str, told: tuple[str, ...]) -> None:
    """A strength in so much liquid is not the strength of a tablet, and numbers that share a unit all have it."""
    assert doses(written) == told


@pytest.mark.parametrize(
    "written",
    [
        "",
        "de 8 em 8 horas",
        "acima de 12 anos",
        "70 kg",
        "15 a 30 °C",
        "20 gotas",
        "30 unidades",
        "2 comprimidos",
        "0 mg",
        "1.2.3 mg",
        "Lei nº 9.787",
    ],
)
def test_other_numbers_are_no_doses(written: str) -> None:
    """Times, ages, weights, temperatures and counts."""
    assert doses(written) == ()


@given(st.text() | st.text("0123456789.,+/- emgculi%ou"))
def test_any_text_has_sorted_doses_each_once(text: str) -> None:
    """It never raises, and both sides can compare what it gives."""
    found = doses(text)
    assert list(found) == sorted(set(found))
    assert all(one[0].isdigit() for one in found)


@given(st.integers(1, 999_999), st.integers(0, 999))
def test_a_dose_in_a_question_is_the_dose_in_a_leaflet(whole: int, thousandths: int) -> None:
    """Grouped or not, with trailing zeros or without."""
    grouped = f"{whole:,}".replace(",", ".")
    assert doses(f"tomar {grouped},{thousandths:03} mg ao deitar") == doses(f"{whole},{thousandths:03}0mg") != ()
