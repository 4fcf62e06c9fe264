"""The right drug, its right section, its own words: over the demonstration's leaflets."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import Demo


def search(demo: Demo, question: str, **given: str) -> Any:
    """The JSON of a search."""
    response = demo.app.test_client().get("/v1/search", query_string={"q": question, **given})
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


@pytest.mark.parametrize(
    ("question", "drug", "section", "words"),
    [
        ("dipirona em crianca", "dipirona", "posology", "crianças"),
        ("dose de ibuprofeno infantil", "ibuprofeno", "posology", "crianças"),
        ("losartana na gravidez", "losartana", "warnings", "gravidez"),
        ("rivotril com alcool", "Rivotril", "interactions", "alcoólica"),
        ("esqueci de tomar amoxicilina", "amoxicilina", "missed_dose", "lembrar"),
        ("onde guardar amoxicilina + clavulanato", "amoxicilina + clavulanato", "storage", "geladeira"),
        ("passou da dose de paracetamol", "paracetamol", "overdose", "emergência"),
        ("contraindicação metformina", "metformina", "contraindications", "filtração"),
        ("para que serve levotiroxina", "levotiroxina", "indications", "hipotireoidismo"),
        ("reações adversas carvedilol", "carvedilol", "adverse_reactions", "tontura"),
        ("SINVASTATINA COMO TOMAR", "sinvastatina", "posology", "noite"),
    ],
)
@pytest.mark.engines
def test_the_first_answer_is_the_right_passage_of_the_right_leaflet(demo: Demo, question: str, drug: str, section: str, words: str) -> None:
    """In the section that was asked for, or where this leaflet tells it."""
    told = search(demo, question)
    assert told["query"]["drug"]["name"] == drug
    assert told["query"]["section"] == section
    passages = [h["html"] for r in told["results"][:2] for h in r["highlights"]]
    assert any(words.lower() in re.sub("<.*?>", "", passage).lower() for passage in passages), passages


@pytest.mark.parametrize("drug", ["losartana", "prednisona", "hidralazina", "clonazepam", "albendazol", "amoxicilina", "metformina", "aas"])
def test_no_leaflet_without_the_drug_is_ever_shown(demo: Demo, drug: str) -> None:
    """Not even one that speaks of it in every line."""
    for question in (drug, f"{drug} com alcool", f"{drug} interação com varfarina", f"{drug} gravidez febre dor"):
        for result in search(demo, question, size="50")["results"]:
            names = " ".join([result["name"], *result["active_ingredients"]]).lower()
            assert drug in names or (drug == "aas" and "acetilsalicílico" in names)


def test_the_substance_alone_comes_before_its_combinations(demo: Demo) -> None:
    """Who asks for amoxicilina does not mean it with clavulanato."""
    names = [r["name"] for r in search(demo, "losartana dose", size="50")["results"]]
    combined = [("Hidroclorotiazida" in name) for name in names]
    assert combined == sorted(combined)
    assert any(combined)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("siprofloxassino dose", "ciprofloxacino"),
        ("asitromissina", "azitromicina"),
        ("rivotriu gravidez", "Rivotril"),
        ("hidroxisina", "hidroxizina"),
        ("predinisona", "prednisona"),
        ("losartan", "losartana"),
    ],
)
def test_a_misspelt_name_gives_a_choice_and_no_leaflet(demo: Demo, question: str, name: str) -> None:
    """The right name first; one click asks what was meant."""
    told = search(demo, question)
    assert told["results"] == []
    assert told["query"]["drug"] is None
    assert told["suggestions"][0]["name"] == name
    assert search(demo, told["suggestions"][0]["query"])["results"]


@pytest.mark.parametrize(("question", "name"), [("dip", "Dipirona Monoidratada"), ("novalg", "Novalgina"), ("sin", "Sinvastatina")])
@pytest.mark.engines
def test_a_name_that_is_still_being_typed_is_suggested_by_the_index(demo: Demo, question: str, name: str) -> None:
    """By its beginning; nothing is shown as if it were meant."""
    told = search(demo, question)
    assert told["results"] == []
    assert told["query"]["drug"] is None
    assert name.split(maxsplit=1)[0].lower() in {s["name"].split()[0].lower() for s in told["suggestions"]}


def test_words_without_a_drug_search_all_leaflets(demo: Demo) -> None:
    """Lay words find the leaflets' own: "pressão alta" is "hipertensão" there."""
    told = search(demo, "pressão alta")
    assert told["query"]["drug"] is None
    assert told["suggestions"] == []
    assert any("hipertensão" in h["html"].lower() for r in told["results"] for h in r["highlights"])


@pytest.mark.engines
def test_the_same_product_in_two_erps_is_one_result_that_says_how_they_differ(demo: Demo) -> None:
    """The newest stands; the others are listed with the sections they tell differently."""
    results = search(demo, "dipirona posologia", audience="patient")["results"]
    dipirona = next(r for r in results if r["name"] == "Dipirona Monoidratada")
    assert dipirona["source"] == "matriz"
    assert dipirona["also_in"] == [{"id": "filial:A01101:patient", "source": "filial", "differs": ["posology"]}]


@pytest.mark.engines
def test_a_registration_and_an_ean_find_their_product(demo: Demo) -> None:
    """With whatever punctuation."""
    for question in ("1.0000.1201", "100001201", "registro 1.0000.1201.001-5 interações"):
        told = search(demo, question)
        assert told["query"]["drug"]["by"] == "registration"
        assert {r["registration"] for r in told["results"]} == {"1.0000.1201"}
    assert search(demo, "1.0000.9999")["results"] == []


def test_a_known_name_that_no_source_holds_finds_nothing_rather_than_its_mentions(demo: Demo) -> None:
    """Leaflets that warn of rivaroxabana are no answer to a question about Xarelto."""
    told = search(demo, "xarelto")
    assert told["query"]["drug"] == {"name": "rivaroxabana", "by": "synonym"}
    assert told["results"] == []


def test_look_alike_names_are_told_with_the_letters_that_differ(demo: Demo) -> None:
    """hidroxizina and hidralazina have been given for one another."""
    told = search(demo, "hidroxizina")
    assert {"name": "hidralazina", "contrast": ["hidrOXIzina", "hidrALAzina"], "by": "spelling"} in told["lookalikes"]


@pytest.mark.engines
def test_the_strength_asked_for_ranks_the_product_that_comes_in_it_first(demo: Demo) -> None:
    """Metformina 850 mg is not sold as Glifage XR."""
    assert search(demo, "metformina 850 mg")["results"][0]["name"] == "Cloridrato de Metformina"


@pytest.mark.engines
def test_highlights_are_whole_sentences_of_bounded_length(demo: Demo) -> None:
    """About 800 characters for the first result, 300 for the others."""
    for question in ("losartana gravidez", "febre", "ibuprofeno posologia", "dor de cabeca"):
        for number, result in enumerate(search(demo, question)["results"]):
            shown = sum(len(re.sub("<.*?>", "", h["html"])) for h in result["highlights"])
            assert shown <= (800 if number == 0 else 300) + 20


def test_the_same_question_gives_the_same_order(demo: Demo) -> None:
    """Also when it does not come from the cache (the page's size makes another key)."""
    orders = {tuple(r["id"] for r in search(demo, "hipertensão", size=str(size))["results"][:10]) for size in range(10, 20)}
    assert len(orders) == 1


def test_the_demo_is_synced_whole(demo: Demo) -> None:
    """Five ERPs, nothing rejected."""
    assert [outcome.outcome for outcome in demo.outcomes] == ["done"] * 5
    assert sum(outcome.counts.rejected for outcome in demo.outcomes) == 0
    assert sum(outcome.counts.written for outcome in demo.outcomes) >= 50
