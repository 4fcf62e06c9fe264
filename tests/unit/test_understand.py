"""What a question means: the drug first, then the section, then the words that are left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets import Section
from opensearch.documents import ingredient_keys
from opensearch.names import Named
from opensearch.synonyms import Synonyms, synonyms
from searchapi.understand import Understanding, Usage, read, typed, understood
from searchapi.vocabulary import By, Vocabulary, vocabulary

SYNONYMS: Synonyms = synonyms()


def named(name: str, *ingredients: str, registration: str = "", ean: str = "") -> Named:
    """The names of one leaflet."""
    return Named(name, ingredients, tuple(ingredient_keys(ingredients)), registration, (ean,) if ean else ())


NAMES: Vocabulary = vocabulary(
    (
        named("Dipirona Monoidratada", "dipirona monoidratada", registration="100001101"),
        named("Novalgina", "dipirona monoidratada", registration="100001102"),
        named("Losartana Potássica", "losartana potássica", registration="1000012010011", ean="2001201000001"),
        named("Aradois", "losartana potássica"),
        named("Losartana Potássica + Hidroclorotiazida", "losartana potássica", "hidroclorotiazida"),
        named("Hidroclorotiazida", "hidroclorotiazida"),
        named("Cloridrato de Hidroxizina", "cloridrato de hidroxizina"),
        named("Cloridrato de Hidralazina", "cloridrato de hidralazina"),
        named("Amoxicilina", "amoxicilina tri-hidratada"),
        named("Amoxicilina + Clavulanato de Potássio", "amoxicilina tri-hidratada", "clavulanato de potássio"),
        named("Cloridrato de Ciprofloxacino", "cloridrato de ciprofloxacino"),
        named("Azitromicina", "azitromicina di-hidratada"),
        named("Clonazepam", "clonazepam"),
        named("Rivotril", "clonazepam"),
        named("Glifage XR", "cloridrato de metformina"),
        named("AAS", "ácido acetilsalicílico"),
        named("Ibuprofeno", "ibuprofeno"),
        named("Varfarina Sódica", "varfarina sódica"),
    ),
    SYNONYMS,
    stamp="1",
    generation="leaflets-000001",
)


def meaning(text: str, *ordinary: str) -> Understanding:
    """What a question means where leaflets use the `ordinary` words."""
    return understood(read(text, NAMES), Usage(ordinary=frozenset(ordinary)), NAMES)


@pytest.mark.parametrize(
    ("text", "name", "by"),
    [
        ("dipirona em crianca", "dipirona", By.ACTIVE_INGREDIENT),
        ("dipirona sódica gotas", "dipirona", By.ACTIVE_INGREDIENT),
        ("NOVALGINA dose", "Novalgina", By.BRAND),
        ("glifage", "Glifage", By.BRAND),
        ("glifage xr 500 mg", "Glifage XR", By.BRAND),
        ("ácido acetilsalicilico", "ácido acetilsalicílico", By.ACTIVE_INGREDIENT),
        ("aas infantil", "AAS", By.BRAND),
        ("hctz", "hidroclorotiazida", By.SYNONYM),
        ("cozaar 50mg", "losartana", By.SYNONYM),
        ("losartana potassica", "losartana", By.ACTIVE_INGREDIENT),
        ("registro 1.0000.1101", "Dipirona Monoidratada", By.REGISTRATION),
        ("1000011010018", "Dipirona Monoidratada", By.REGISTRATION),
        ("1.0000.1201.001-1", "Losartana Potássica", By.REGISTRATION),
        ("2001201000001", "Losartana Potássica", By.EAN),
    ],
)
def test_a_name_is_resolved_however_it_is_given(text: str, name: str, by: By) -> None:
    """Registration, EAN, brand, substance with or without salt, synonym."""
    drug = meaning(text).drug
    assert drug is not None
    assert (drug.name, drug.by) == (name, by)


@pytest.mark.parametrize(
    "text", ["amoxicilina + clavulanato", "clavulanato com amoxicilina", "clavulin", "amoxicilina clavulanato de potássio"]
)
def test_a_combination_is_one_drug_in_any_order(text: str) -> None:
    """Its leaflets hold both substances."""
    drug = meaning(text).drug
    assert drug is not None
    assert set(drug.substances) == {("amoxicilina",), ("acido clavulanico", "clavulanato")}


def test_two_drugs_that_no_product_joins_are_a_question_of_interaction() -> None:
    """The first is the drug asked for; the second is looked for in its interactions."""
    meant = meaning("posso tomar ibuprofeno com varfarina")
    assert meant.drug is not None
    assert meant.drug.name == "ibuprofeno"
    assert meant.section is Section.INTERACTIONS
    assert "varfarina" in meant.rest


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("quem toma varfarina pode usar ibuprofeno", "ibuprofeno"),
        ("quem usa azitromicina qual o limite de clonazepam", "clonazepam"),
        ("paciente em uso de varfarina e losartana pode tomar ibuprofeno?", "ibuprofeno"),
        ("minha mãe já toma losartana, pode dipirona?", "dipirona"),
        ("posso dar ibuprofeno pra quem toma varfarina", "ibuprofeno"),
        ("quem toma varfarina pode comer couve", "varfarina"),
        ("quem toma varfarina com ibuprofeno corre risco", "varfarina"),
    ],
)
def test_what_somebody_takes_already_is_not_the_drug_asked_about(text: str, name: str) -> None:
    """Unless it is all that is named: the dose, the limit, the leave to use it is asked of the other."""
    drug = meaning(text, "couve", "risco", "limite", "mae").drug
    assert drug is not None
    assert drug.name == name


def test_a_number_that_we_do_not_hold_is_still_the_drug_asked_for() -> None:
    """Falling through to a search for words would show other drugs under its number."""
    drug = meaning("1.9999.9999 posologia").drug
    assert drug is not None
    assert (drug.registration, drug.by) == ("199999999", By.REGISTRATION)


def test_a_name_that_we_know_and_do_not_hold_is_still_the_drug_asked_for() -> None:
    """Here "xarelto" stands for rivaroxabana; without a leaflet of it nothing may be shown."""
    drug = meaning("xarelto com anticoncepcional").drug
    assert drug is not None
    assert (drug.name, drug.by, drug.substances, drug.names) == ("rivaroxabana", By.SYNONYM, (), ())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("siprofloxassino dose", "ciprofloxacino"),
        ("asitromissina", "azitromicina"),
        ("rivotriu", "Rivotril"),
        ("losartanna", "losartana"),
        ("amoxilina", "amoxicilina"),
        ("ibuprofen", "ibuprofeno"),
        ("hidroxisina", "hidroxizina"),
        ("hidralasina", "hidralazina"),
        ("azitromi", "azitromicina"),
    ],
)
def test_a_misspelling_offers_the_right_name_first_and_resolves_nothing(text: str, name: str) -> None:
    """It never silently becomes a drug."""
    meant = meaning(text)
    assert meant.drug is None
    assert meant.suggestions[0].name == name
    assert len(meant.suggestions) <= 5


def test_a_suggestion_keeps_the_rest_of_the_question() -> None:
    """One click asks what was meant."""
    assert meaning("dose de Siprofloxassino p/ adulto").suggestions[0].query == "dose de ciprofloxacino p/ adulto"


def test_an_ordinary_word_is_no_broken_name() -> None:
    """The index says which words are leaflets' own."""
    assert not meaning("gripe forte", "gripe", "forte").suggestions
    assert not meaning("pressao", "pressao").suggestions


def test_a_dose_is_read_as_one_and_is_no_word_to_look_for() -> None:
    """In Portuguese "1.000 mg" is one thousand, whatever the blanks."""
    assert meaning("dipirona 1.000 mg").doses == ("1000mg",)
    assert meaning("dipirona 500mg posologia").rest == ()


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("dipirona em crianca", Section.POSOLOGY),
        ("posologia da losartana", Section.POSOLOGY),
        ("como tomar amoxicilina", Section.POSOLOGY),
        ("losartana contraindicações", Section.CONTRAINDICATIONS),
        ("quem não pode tomar dipirona", Section.CONTRAINDICATIONS),
        ("reações adversas do clonazepam", Section.ADVERSE_REACTIONS),
        ("ibuprofeno efeitos colaterais", Section.ADVERSE_REACTIONS),
        ("esqueci de tomar losartana", Section.MISSED_DOSE),
        ("losartana na gravidez", Section.WARNINGS),
        ("pode dipirona grávida", Section.WARNINGS),
        ("onde guardar amoxicilina", Section.STORAGE),
        ("amoxicilina geladeira", Section.STORAGE),
        ("tomei demais clonazepam", Section.OVERDOSE),
        ("passou da dose de rivotril", Section.OVERDOSE),
        ("superdose aas", Section.OVERDOSE),
        ("rivotril com alcool", Section.INTERACTIONS),
        ("interação ibuprofeno", Section.INTERACTIONS),
        ("para que serve losartana", Section.INDICATIONS),
        ("como funciona a losartana", Section.MECHANISM),
        ("excipientes azitromicina", Section.COMPOSITION),
        ("meia vida varfarina", Section.PHARMACOLOGY),
    ],
)
def test_the_section_is_recognised_in_the_professionals_and_the_callers_words(text: str, section: Section) -> None:
    """Its field leads, whatever the audience of the leaflet."""
    assert meaning(text).section is section


def test_only_words_that_text_can_hold_are_left_to_look_for() -> None:
    """The word "gravidez" stands in the passage; "posologia" and "como tomar" do not answer anything."""
    assert meaning("losartana na gravidez").rest == ("gravidez",)
    assert meaning("como tomar losartana").rest == ()


@pytest.mark.parametrize(
    ("text", "first"), [("novalg", "Novalgina"), ("losart", "losartana"), ("rivo", "Rivotril"), ("cipro", "ciprofloxacino")]
)
def test_names_come_while_they_are_typed(text: str, first: str) -> None:
    """The last word may be unfinished."""
    assert typed(text, NAMES)[0].name == first


@given(st.text(max_size=300))
def test_any_question_is_understood_without_failing(text: str) -> None:
    """Whatever is typed or pasted."""
    meaning(text)
    typed(text, NAMES)


# --- what invoices and callers write -------------------------------------------------------------------------------------------------

SHELF: Vocabulary = vocabulary(
    (
        Named(
            "Amoxicilina + Clavulanato 500 mg EMS",
            ("amoxicilina", "clavulanato de potássio"),
            ("amoxicilina", "clavulanato"),
            "",
            (),
            "EMS S/A",
        ),
        Named("Amoxicilina 500 mg Cápsula", ("amoxicilina",), ("amoxicilina",), "", (), "Laboratório Teuto Brasileiro S/A"),
        Named("Losartana Potássica 50 mg", ("losartana potássica",), ("losartana",), "", (), "Medley Farmacêutica Ltda"),
        Named("Ácido Fólico 5 mg", ("ácido fólico",), ("acido folico",), "", (), "EMS S/A"),
        Named("Cloreto de Sódio 0,9%", ("cloreto de sódio",), ("cloreto de sodio",), "", (), "Baxter Hospitalar Ltda"),
        Named("Insulina Glargina Lantus", ("insulina glargina",), ("insulina glargina",), "", (), "Sanofi"),
        Named("Insulina NPH", ("insulina humana",), ("insulina humana",), "", (), "Lilly"),
        Named("Glicose 50 mg/mL Bolsa", ("glicose",), ("glicose",), "", (), "Baxter Hospitalar Ltda"),
        Named("Cálcio 500", ("carbonato de cálcio",), ("carbonato de calcio",), "", (), "EMS S/A"),
        Named("Vitamina D 400 UI", ("colecalciferol",), ("colecalciferol",), "", (), "EMS S/A"),
        Named("Clonazepam", ("clonazepam",), ("clonazepam",), "", (), "Medley Farmacêutica Ltda"),
        Named("Olmecor", ("olmesartana medoxomila",), ("olmesartana medoxomila",), "", (), "Torrent"),
        Named("Dipirona Gotas", ("dipirona",), ("dipirona",), "", (), "EMS S/A"),
        Named("Annita", ("nitazoxanida",), ("nitazoxanida",), "", (), "FQM"),
        Named("Paracetamol", ("paracetamol",), ("paracetamol",), "", (), "EMS S/A"),
    ),
    SYNONYMS,
    stamp="1",
    generation="leaflets-000001",
    ordinary=frozenset(
        """alcool anita calcio com crianca dar dor fosfato glicose gotas gripe insulina leite minha na posso sulfato tomar uniao vitamina
        vida""".split()
    ),
)


def on_the_shelf(text: str) -> Understanding:
    """What a line means where these products are held."""
    return understood(read(text, SHELF), Usage(), SHELF)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("AMOXICILINA 500MG CX C/21 CAPS GEN", "amoxicilina"),
        ("LOSARTANA POT 50MG C/30CPR MEDLEY", "losartana"),
        ("AC FOLICO 5MG CPR", "ácido fólico"),
        ("CLOR SODIO 0,9% 500ML BAXTER", "cloreto de sódio"),
        ("SOL FISIOLOGICA 0,9% 250 ML", "cloreto de sódio"),
        ("dipirona500mg", "dipirona"),
        ("para cetamol 750", "paracetamol"),
        ("acidofolico", "ácido fólico"),
        ("lantus 100 UI/ML", "Insulina Glargina Lantus"),
        ("insulina glargina lantus", "Insulina Glargina Lantus"),
        ("olmesartana 20 mg", "olmesartana"),
        ("GLICOSE 5% 500ML BOLSA BAXTER", "glicose"),
        ("clavulanato + amoxicilina", "clavulanato + amoxicilina"),
    ],
)
def test_a_line_of_an_invoice_names_its_drug(text: str, name: str) -> None:
    """Strengths, forms, packs, salts and laboratories are what they are."""
    meant = on_the_shelf(text)
    assert meant.drug is not None
    assert meant.drug.name == name
    assert (meant.rest, meant.suggestions) == ((), ())


@pytest.mark.parametrize("text", ["amoxicilina + clavulonato", "amoxilina + clavulanato"])
def test_a_combination_half_known_is_offered_first_and_never_shown_in_part(text: str) -> None:
    """Amoxicilina alone is another drug than amoxicilina with clavulanato."""
    meant = on_the_shelf(text)
    assert meant.drug is None
    assert meant.suggestions[0].name == "amoxicilina + clavulanato"


@pytest.mark.parametrize("text", ["losartana + paracetamol", "CALCIO CARBONATO 500MG + VIT D 400UI", "losartana/hctz 50/12,5"])
def test_a_combination_that_nobody_holds_is_not_answered_by_its_part(text: str) -> None:
    """It finds nothing rather than one of its substances."""
    drug = on_the_shelf(text).drug
    assert drug is not None
    assert " + " in drug.name
    assert not SHELF.combination(drug.substances)


def test_a_broken_name_before_an_ordinary_one_is_what_was_asked() -> None:
    """Álcool is in some leaflets' ingredients; the question is about clonazepam."""
    meant = on_the_shelf("clonasepam com glicose")
    assert meant.drug is None
    assert meant.suggestions[0].query == "clonazepam com glicose"


def test_a_broken_name_after_a_known_one_is_offered_beside_its_answer() -> None:
    """Losartana is known; what it is taken with may be paracetamol."""
    meant = on_the_shelf("posso tomar losartana com paracetamo")
    assert meant.drug is not None
    assert meant.drug.name == "losartana"
    assert meant.suggestions[0].query == "posso tomar losartana com paracetamol"


@pytest.mark.parametrize("text", ["falta de calcio", "dor e leite", "minha vida com glicose"])
def test_a_name_that_is_an_ordinary_word_names_nothing_inside_a_sentence(text: str) -> None:
    """Nobody asks for a leaflet there."""
    assert on_the_shelf(text).drug is None


def test_a_kind_of_drug_gives_the_choice_of_its_names() -> None:
    """No insulin is another."""
    meant = on_the_shelf("insulina")
    assert meant.drug is None
    assert {"insulina glargina", "insulina humana"} <= {s.name for s in meant.suggestions}


def test_a_word_of_the_language_alone_that_sounds_like_a_name_is_offered() -> None:
    """Anita is a woman, or Annita misheard; inside a sentence she is a woman."""
    assert [s.name for s in on_the_shelf("anita").suggestions] == ["Annita"]
    assert on_the_shelf("minha anita dor").suggestions == ()


def test_the_laboratory_form_and_reader_asked_for_are_told() -> None:
    """They rank; they are not words to look for."""
    meant = on_the_shelf("losartana comprimido da medley, bula do profissional")
    assert meant.laboratories == ("Medley Farmacêutica Ltda",)
    assert meant.forms == ("comprimido",)
    assert meant.audience == "professional"
    assert meant.rest == ()


def test_a_code_that_begins_with_one_is_a_registration_even_with_an_eans_check_digit() -> None:
    """One registration in ten would pass for an EAN."""
    drug = meaning("1000012010009").drug
    assert drug is not None
    assert drug.by is By.REGISTRATION


def test_a_combination_cut_short_is_known_where_both_beginnings_agree_in_one_product() -> None:
    """An invoice's "AMOXIC+CLAVU"; one cut name alone is only offered."""
    drug = on_the_shelf("AMOXICI+CLAVULA 875/125MG C/14CPR").drug
    assert drug is not None
    assert drug.name == "amoxicilina + clavulanato"
    assert on_the_shelf("AMOXICI 500MG C/21").drug is None


def test_a_drug_that_nobody_holds_is_known_by_how_leaflets_tell_it() -> None:
    """Leaflets that speak of propranolol among their interactions are no answer to a question about it."""
    for usage in (Usage(drugs=frozenset({"quinidona"}), ordinary=frozenset({"quinidona"})), Usage(ordinary=frozenset({"quinidona"}))):
        meant = understood(read("quinidona", SHELF), usage, SHELF)
        assert (meant.drug is not None) == bool(usage.drugs)
    unheld = understood(read("propranolol", SHELF), Usage(ordinary=frozenset({"propranolol"})), SHELF).drug
    assert unheld is not None
    assert not unheld.held
