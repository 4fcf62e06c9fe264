"""Names: folded, without salts, by sound."""

from __future__ import annotations

import csv
import gzip
import itertools
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets.names import fold, ingredient, ingredients, key, phonetic_keys, words

PRODUCTS = Path(__file__).parents[3] / "shared" / "data" / "anvisa_products.csv.gz"


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("losartana potássica", "losartana"),
        ("Cloridrato de Metformina", "metformina"),
        ("dipirona monoidratada", "dipirona"),
        ("azitromicina di-hidratada", "azitromicina"),
        ("fosfato sódico de prednisolona", "prednisolona"),
        ("valproato de sódio", "valproato"),
        ("clavulanato de potássio", "clavulanato"),
        ("hemitartarato de zolpidem", "zolpidem"),
    ],
)
def test_a_salt_does_not_make_another_drug(name: str, bare: str) -> None:
    """The substance is what is left when the salt or the water is taken off."""
    assert ingredient(name) == bare


@pytest.mark.parametrize(
    "name",
    [
        "carbonato de calcio",
        "sulfato ferroso",
        "cloreto de sodio",
        "benzilpenicilina benzatina",
        "tenofovir alafenamida",
        "sulfato de magnesio",
    ],
)
def test_a_salt_that_is_the_drug_stays(name: str) -> None:
    """Minerals are their salts, and an ester or prodrug has a dose of its own."""
    assert ingredient(name) == name


def test_a_line_of_substances_is_split_at_its_signs() -> None:
    """ERPs join substances with +, ; or a slash; a number's comma is not such a sign."""
    assert ingredients("amoxicilina tri-hidratada + clavulanato de potássio") == ("amoxicilina tri-hidratada", "clavulanato de potássio")
    assert ingredients("álcool 2,4-diclorobenzílico; amilmetacresol") == ("álcool 2,4-diclorobenzílico", "amilmetacresol")


@pytest.mark.parametrize(
    ("heard", "name"),
    [
        ("siprofloxassino", "ciprofloxacino"),
        ("asitromissina", "azitromicina"),
        ("dypirona", "dipirona"),
        ("lozartana", "losartana"),
        ("idroclorotiasida", "hidroclorotiazida"),
        ("rivotriu", "rivotril"),
        ("glifaje", "glifage"),
        ("solpiden", "zolpidem"),
        ("sefalecsina", "cefalexina"),
        ("fluocsetina", "fluoxetina"),
    ],
)
def test_what_is_heard_alike_has_a_key_in_common(heard: str, name: str) -> None:
    """The slips of a Brazilian ear that no edit distance of two reaches."""
    assert set(phonetic_keys(heard)) & set(phonetic_keys(name))


@pytest.mark.parametrize(
    "pair", ["clonazepam lorazepam", "hidroxizina hidralazina", "prednisona prednisolona", "albendazol mebendazol", "cefalexina cefalotina"]
)
def test_drugs_that_look_alike_do_not_sound_the_same(pair: str) -> None:
    """A key that joined two drugs would offer one for the other."""
    first, second = map(phonetic_keys, pair.split())
    assert not set(first) & set(second)


@pytest.mark.skipif(not PRODUCTS.exists(), reason="the registered products (../shared/data) are not here")
def test_no_two_registered_substances_share_a_sound() -> None:
    """Over all registered substances only spellings of one name fall together."""
    column = "PRINCIPIO ATIVO"
    with gzip.open(PRODUCTS, "rt", encoding="utf-8") as file:
        substances = {ingredient(s) for row in csv.DictReader(file) for s in ingredients(row[column].replace(",", "+"))}
    by_sound: dict[str, set[str]] = defaultdict(set)
    for word in {w for s in substances for w in s.split() if len(w) > 5}:
        for sound in phonetic_keys(word):
            by_sound[sound].add(word)
    together = {frozenset(pair) for found in by_sound.values() for pair in itertools.combinations(sorted(found), 2)}
    assert together == {
        frozenset({"influenza", "influenzae"}),
        frozenset({"beladona", "belladona"}),
        frozenset({"beladona", "belladonna"}),
        frozenset({"belladona", "belladonna"}),
    }


@given(st.text())
def test_names_of_any_text_never_raise_and_folding_is_stable(text: str) -> None:
    """Whatever an ERP or a person sends has a key, and folding it again changes nothing."""
    assert key(key(text)) == key(text)
    assert all(fold(word) == word for word in words(text))
    phonetic_keys(text)
    ingredient(text)
    ingredients(text)
