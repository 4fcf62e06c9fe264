"""What an answer that found nothing offers instead: over the demonstration's leaflets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Demo


def search(demo: Demo, question: str, **given: str) -> Any:
    """The JSON of a search."""
    response = demo.app.test_client().get("/v1/search", query_string={"q": question, **given})
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def offered(told: Any) -> dict[str, str]:
    """What an answer offers instead, by why."""
    return {one["why"]: one["query"] for one in told["instead"]}


@pytest.mark.parametrize(
    ("question", "filters", "instead"),
    [
        ("febre zzzzqqq", {}, {"without_rarest_word": "febre"}),
        ("bombinha para pressão alta", {}, {"without_rarest_word": "pressão alta"}),
        ("losartana na gravidez", {"source": "nenhuma"}, {"without_filters": "losartana na gravidez", "drug_alone": "losartana"}),
        ("febre", {"laboratory": "Nenhum"}, {"without_filters": "febre"}),
        ("1.9999.9999 losartana", {}, {"drug_alone": "losartana"}),
        ("1.9999.9999", {}, {}),
        ("zzzzqqq", {}, {}),
        ("zzzzqqq na gravidez", {}, {}),
    ],
)
def test_nothing_found_offers_what_can_be_found(demo: Demo, question: str, filters: dict[str, str], instead: dict[str, str]) -> None:
    """Smaller questions: without the filters, the rarest word, all but the section, all but the drug."""
    told = search(demo, question, **filters)
    assert (told["total"], told["results"]) == (0, [])
    assert offered(told) == instead


@pytest.mark.parametrize(
    "question", ["bombinha losartana gravidez", "dipirona zzzzqqq guardar na geladeira", "rivotril 1.9999.9999 com alcool"]
)
def test_each_offer_finds_what_it_says_and_keeps_the_drug(demo: Demo, question: str) -> None:
    """Asked as it stands, without filters."""
    told = search(demo, question, laboratory="Nenhum")
    assert told["instead"]
    for one in told["instead"]:
        again = search(demo, one["query"])
        assert again["total"] == one["total"] > 0
        assert again["instead"] == []
        drug = told["query"]["drug"]
        assert again["query"]["drug"] == drug or drug["by"] == "registration"


@pytest.mark.parametrize("question", ["losartana gravidez", "rivotriu com alcool", "siprofloxassino"])
def test_what_found_something_or_is_in_doubt_offers_nothing_else(demo: Demo, question: str) -> None:
    """A misspelt name is chosen from the names near it, never left out."""
    assert search(demo, question)["instead"] == []


@pytest.mark.parametrize(("question", "name"), [("dipi zzzzqqq", "dipirona"), ("novalg", "Novalgina"), ("sin", "sinvastatina")])
def test_names_near_what_nobody_found_are_suggested(demo: Demo, question: str, name: str) -> None:
    """Also of a word that is still being typed."""
    told = search(demo, question)
    assert told["results"] == []
    assert name.lower() in {suggestion["name"].lower() for suggestion in told["suggestions"]}


def test_beyond_the_last_page_something_was_found(demo: Demo) -> None:
    """An empty page is no empty answer."""
    told = search(demo, "losartana", page="50")
    assert told["results"] == []
    assert told["total"] > 0
    assert told["instead"] == told["suggestions"] == []


@pytest.mark.parametrize(
    "question", ["pomada para febre de crianca", "comprimido para dor e febre", "remedio para pressão alta que baixa rápido"]
)
def test_not_every_word_of_a_caller_must_stand(demo: Demo, question: str) -> None:
    """Forms and words of every day only rank."""
    assert search(demo, question)["results"]


def test_a_word_that_may_be_an_unknown_drugs_name_is_never_passed_over(demo: Demo) -> None:
    """Leaflets of other drugs would stand there as if they were its own."""
    for question in ("ozempik para febre e dor de crianca", "febre e dor ozempik"):
        assert search(demo, question)["total"] == 0


def test_what_found_nothing_is_not_kept_in_the_cache(demo: Demo) -> None:
    """Who asks again is counted too, and what is offered holds words of the question."""
    client = demo.app.test_client()
    for _ in range(2):
        response = client.get("/v1/search", query_string={"q": "febre zzzzqqq"})
        assert response.headers["Cache-Status"] == "searchapi; fwd=miss"
