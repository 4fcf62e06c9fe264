"""Names that could be taken for one another."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets.names import key
from opensearch.documents import ingredient_keys
from opensearch.names import Named
from opensearch.synonyms import Synonyms, synonyms
from searchapi.lookalikes import Listed, Lookalike, LookAlikes, LookalikesRejected, listed
from searchapi.vocabulary import By, Drug, Vocabulary, vocabulary

SYNONYMS: Synonyms = synonyms()


def named(name: str, *ingredients: str) -> Named:
    """The names of one leaflet."""
    return Named(name, ingredients, tuple(ingredient_keys(ingredients)), "", ())


SUBSTANCES = """hidroxizina hidralazina clonazepam lorazepam losartana valsartana prednisona prednisolona cefalexina cefalotina dexametasona
betametasona vincristina vimblastina dopamina dobutamina fanciclovir ganciclovir azitromicina eritromicina citalopram escitalopram
carbamazepina oxcarbazepina clorpromazina clorpropamida albendazol mebendazol calcitriol calcipotriol omeprazol pantoprazol metformina
paracetamol ibuprofeno amoxicilina levotiroxina sinvastatina ciprofloxacino cafeína codeína""".split()


def vocabulary_of(*leaflets: Named) -> Vocabulary:
    """The vocabulary of some leaflets."""
    return vocabulary(leaflets, SYNONYMS, stamp="1", generation="leaflets-000001")


NAMES = vocabulary_of(
    *(named(substance.capitalize(), substance) for substance in SUBSTANCES),
    named("Cloridrato de Hidroxizina", "cloridrato de hidroxizina"),
    named("Losec", "omeprazol"),
    named("Lasix", "furosemida"),
    named("Glifage XR 500 mg", "cloridrato de metformina"),
    named("Glinape", "hidroclorotiazida"),
    named("Aradois", "losartana potássica"),
    named("Losartan", "losartana"),
    named("Losartana Potássica + Hidroclorotiazida", "losartana potássica", "hidroclorotiazida"),
    named("Valsartana + Hidroclorotiazida", "valsartana", "hidroclorotiazida"),
    named("Ácido Fólico", "ácido fólico"),
    named("Ácido Folínico", "ácido folínico"),
    named("Ácido Valproico", "ácido valproico"),
    named("Vitamina D", "colecalciferol"),
    named("Vitamina C", "ácido ascórbico"),
    named("Aciclovir", "aciclovir"),
    named("Aciclovyr", "acyclovir"),
)


COMPUTED = LookAlikes(NAMES, SYNONYMS, Listed())
NOTHING = LookAlikes(vocabulary_of(), SYNONYMS, Listed())


def of(name: str, lookalikes: LookAlikes = COMPUTED) -> tuple[Lookalike, ...]:
    """The look-alikes of what a name resolves to."""
    drug = NAMES.drug(name)
    assert drug, name
    return lookalikes.of(drug)


def names_of(name: str, lookalikes: LookAlikes = COMPUTED) -> list[str]:
    """Their names, folded."""
    return [key(other.name) for other in of(name, lookalikes)]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("hidroxizina", "hidralazina"),
        ("clonazepam", "lorazepam"),
        ("losartana", "valsartana"),
        ("prednisona", "prednisolona"),
        ("cefalexina", "cefalotina"),
        ("dexametasona", "betametasona"),
        ("vincristina", "vimblastina"),
        ("dopamina", "dobutamina"),
        ("fanciclovir", "ganciclovir"),
        ("azitromicina", "eritromicina"),
        ("citalopram", "escitalopram"),
        ("clorpromazina", "clorpropamida"),
        ("albendazol", "mebendazol"),
        ("calcitriol", "calcipotriol"),
        ("losec", "lasix"),
        ("glifage", "glinape"),
        ("acido folico", "acido folinico"),
    ],
)
def test_names_that_have_been_confused_are_told_both_ways(name: str, other: str) -> None:
    """Substances, brands, names of several words; the most alike of all comes first."""
    assert names_of(name)[0] == other
    assert name in names_of(other)


@pytest.mark.parametrize(
    ("name", "other"),
    [("omeprazol", "pantoprazol"), ("metformina", "levotiroxina"), ("acido folico", "acido valproico"), ("vitamina d", "vitamina c")],
)
def test_names_that_share_a_class_or_a_word_are_not_told(name: str, other: str) -> None:
    """A warning that is always there warns of nothing."""
    assert other not in names_of(name)


def test_two_names_of_one_substance_are_never_look_alikes() -> None:
    """Not a brand and its substance, not two spellings, not the salt."""
    assert "losartan" not in names_of("losartana")
    assert "losartana" not in names_of("losartan")
    assert "cloridrato de hidroxizina" not in names_of("hidroxizina")
    assert "aciclovyr" not in names_of("aciclovir")


def test_a_combination_is_told_from_another_and_not_from_its_parts() -> None:
    """Losartana with hidroclorotiazida is not valsartana with it."""
    drug = Drug("losartana + hidroclorotiazida", By.ACTIVE_INGREDIENT, substances=(("losartana",), ("hidroclorotiazida",)))
    assert [(one.name, one.mine) for one in COMPUTED.of(drug)] == [("hidroclorotiazida + valsartana", "hidroclorotiazida LOsartana")]


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("hidroxizina", ("hidrOXIzina", "hidrALAzina")),
        ("clonazepam", ("CLONazepam", "LORazepam")),
        ("prednisona", ("prednisONa", "prednisOLONa")),
        ("citalopram", ("Citalopram", "ESCitalopram")),
        ("acido folico", ("ácido fólICo", "ácido folÍNICo")),
    ],
)
def test_the_letters_that_differ_are_in_capitals(name: str, contrast: tuple[str, str]) -> None:
    """CD3: from the left and from the right up to the first that differs. Where one name lies in the other, those beside the gap."""
    found = of(name)[0]
    assert (found.mine, found.theirs) == contrast


def test_there_are_at_most_five_and_each_says_why() -> None:
    """The most alike first, the same each time."""
    assert all(len(names_of(name)) <= 5 for name in SUBSTANCES if NAMES.drug(name))
    assert names_of("cefalexina") == names_of("cefalexina")
    assert {str(one.by) for name in SUBSTANCES if NAMES.drug(name) for one in of(name)} == {"spelling", "phonetic"}


def test_a_synonym_is_compared_as_it_was_typed() -> None:
    """Who says "Lasix" may have read "Losec", whatever furosemida looks like."""
    drug = Drug("furosemida", By.SYNONYM, substances=(("furosemida",),))
    found = COMPUTED.of(drug, "lasix")
    assert [(one.name, one.mine, one.theirs) for one in found] == [("Losec", "lASIX", "lOSEC")]


def test_a_drug_by_its_number_is_known_by_its_name() -> None:
    """The box in the hand of the caller has a name too."""
    drug = Drug("Cloridrato de Hidroxizina", By.REGISTRATION, registration="100000001")
    assert "hidralazina" in [one.name for one in COMPUTED.of(drug)]


@given(st.text(max_size=40))
def test_any_name_is_compared_without_failing(name: str) -> None:
    """Also in an index without names."""
    drug = Drug(name, By.EAN, ean="1")
    COMPUTED.of(drug)
    NOTHING.of(drug)


# --- the customer's own list ----------------------------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    """A list with this text."""
    file = folder / "lookalikes.txt"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_customers_pairs_are_told_first_and_muted_ones_never(tmp_path: Path) -> None:
    """Whatever is computed; salts, accents and capitals do not count, and the other need not be in the index."""
    text = "# nossa lista\nOmeprazol ; Pantoprazol\nMETFORMINA; Metronidazol # caso 12\n- cefalexina ; Cefalotina sódica\n"
    own = LookAlikes(NAMES, SYNONYMS, listed(written(tmp_path, text)))
    first = of("pantoprazol", own)[0]
    assert (first.name, str(first.by), first.mine, first.theirs) == ("Omeprazol", "list", "PANTOprazol", "OMEprazol")
    assert names_of("omeprazol", own)[0] == "pantoprazol"
    assert names_of("metformina", own)[0] == "metronidazol"
    assert "cefalotina" not in names_of("cefalexina", own)
    assert "cefalexina" not in names_of("cefalotina", own)


def test_no_list_is_no_pair_and_each_edit_another_version(tmp_path: Path) -> None:
    """The version is part of every cached answer's key."""
    assert listed(None) == Listed()
    first = listed(written(tmp_path, "Losec ; Lasix\n")).version
    assert first
    assert listed(written(tmp_path, "Losec ; Lasix\nDiovan ; Diamox\n")).version != first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Losec Lasix\n", "line 1 is no pair: write two names with one ';' between them"),
        ("# x\nLosec ;\n", "line 2 is no pair"),
        ("a ; b ; c\n", "line 1 is no pair"),
        ("Dipirona sódica ; dipirona\n", "line 1 names one drug twice (salts, accents and capitals do not count)"),
        ("Losec ; Lasix\nLASIX ; losec\n", "line 2: this pair already stands in line 1: keep one of them"),
        ("Losec ; Lasix\n- Losec ; Lasix\n", "line 2: this pair already stands in line 1"),
    ],
)
def test_each_fault_of_the_list_is_told_with_its_line_and_its_mend(tmp_path: Path, text: str, said: str) -> None:
    """Who writes it is a pharmacist."""
    with pytest.raises(LookalikesRejected) as error:
        listed(written(tmp_path, text))
    assert said in str(error.value)


def test_a_list_that_is_not_text_says_how_to_save_it(tmp_path: Path) -> None:
    """A spreadsheet program writes another encoding."""
    file = tmp_path / "lookalikes.txt"
    file.write_bytes("Ácido fólico ; Ácido folínico".encode("cp1252"))
    with pytest.raises(LookalikesRejected, match="save it as UTF-8"):
        listed(file)
