"""The HTTP API over the demonstration: as /openapi.json promises, whatever is asked of it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opensearch.client import connect
from opensearch.generations import Indices
from opensearch.process import free_port
from tests.conftest import Demo, app_of


@pytest.fixture
def api(demo: Demo) -> FlaskClient:
    """The demonstration's API."""
    return demo.app.test_client()


def body(response: TestResponse) -> Any:
    """The JSON of an answer, which its client found as /openapi.json says (tests/promised.py)."""
    return response.get_json()


QUESTIONS = [
    "dipirona em crianca", "losartana", "siprofloxassino", "febre e dor", "xarelto", "1.0000.1201", "hidroxizina", "metformina 850 mg",
    "zzzzqqq", "7891234567895", "1.9999.9999", "febre zzzzqqq",
]  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_answer_is_as_openapi_says(api: FlaskClient, question: str) -> None:
    """Found, nothing, suggested, look-alikes, doses: one shape."""
    assert body(api.get("/v1/search", query_string={"q": question}))["query"]["text"] == question
    body(api.get("/v1/suggest", query_string={"q": question}))


@pytest.fixture
def keyed(demo: Demo, opensearch_url: str, redis_url: str, tmp_path: Path) -> FlaskClient:
    """The same with a file of keys: ana's opens the search and explanations, rui's the search alone, eva's nothing."""
    file = tmp_path / "keys.toml"
    file.write_text(
        "\n".join(f'{name} = {{ sha256 = "{sha256(name.encode()).hexdigest()}", roles = {roles} }}' for name, roles in KEYS.items())
    )
    return app_of(opensearch_url, redis_url, demo.indices, API_KEYS_FILE=str(file)).test_client()


KEYS = {"ana": '["search", "explain"]', "rui": '["search"]', "eva": "[]"}


def explained(api: FlaskClient, authorization: str) -> TestResponse:
    """The answer to who asks why."""
    headers = {"Authorization": authorization} if authorization else {}
    return api.get("/v1/search", query_string={"q": "dipirona em crianca", "explain": "1"}, headers=headers)


def test_an_explanation_is_as_openapi_says(keyed: FlaskClient) -> None:
    """Each result says why it stands where it does."""
    told = body(explained(keyed, "Bearer ana"))
    assert all(result["explanation"] for result in told["results"])
    assert {line["clause"] for line in told["results"][0]["explanation"]} >= {"substance_alone", "begins", "reference", "active", "newest"}


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer ivo", "Basic ana", "Basic !", "ana", "bearer ana x", "Bearer ana, Bearer ana"]
)
def test_without_a_good_key_an_answer_is_401_that_says_what_to_do(keyed: FlaskClient, authorization: str) -> None:
    """With both ways a key is sent, and what makes one."""
    response = explained(keyed, authorization)
    assert response.status_code == 401
    assert response.headers.getlist("WWW-Authenticate") == ['Bearer realm="Bulas"', 'Basic realm="Bulas", charset="UTF-8"']
    assert "searchapi keys new NAME --role search" in body(response)["detail"]
    assert "ivo" not in response.get_data(as_text=True)


def test_without_a_file_of_keys_an_explanation_is_401(api: FlaskClient) -> None:
    """Whatever key is sent; all else needs none."""
    assert explained(api, "Bearer ana").status_code == 401
    assert "API_KEYS_FILE" in body(explained(api, ""))["detail"]


@pytest.mark.parametrize(("name", "lacks"), [("rui", "explain"), ("eva", "search")])
def test_a_key_without_the_role_is_403(keyed: FlaskClient, name: str, lacks: str) -> None:
    """It is known, and may not."""
    response = explained(keyed, f"Bearer {name}")
    assert response.status_code == 403
    assert f"lacks the role {lacks}" in body(response)["detail"]


def test_the_page_explains_to_nobody(keyed: FlaskClient) -> None:
    """It has no key to ask for."""
    page = keyed.get("/", query_string={"q": "dipirona", "explain": "1"}, headers={"Authorization": "Bearer ana"})
    assert page.status_code == 200
    assert "substance_alone" not in page.get_data(as_text=True)


def test_results_say_what_anvisa_registered(api: FlaskClient) -> None:
    """From five ERPs' own words for it."""
    told = {
        r["name"]: (r["category"], r["active"])
        for q in ("dipirona", "cefalotina", "aradois", "omeprazol", "salbutamol")
        for r in body(api.get("/v1/search", query_string={"q": q}))["results"]
    }
    assert told["Dipirona Monoidratada"] == ("generic", True)
    assert told["Novalgina"] == ("reference", True)
    assert told["Aradois"] == ("similar", True)
    assert told["Omeprazol"] == ("generic", True)
    assert told["Cefalotina Sódica"] == ("generic", False)
    assert ("reference", True) in told.values()


@pytest.mark.parametrize("address", ["/livez", "/readyz", "/v1/sources"])
def test_operations_answer_as_openapi_says(api: FlaskClient, address: str) -> None:
    """What probes and dashboards read."""
    body(api.get(address))


def test_a_whole_leaflet_is_given_by_section_with_the_words_marked(api: FlaskClient) -> None:
    """In the order of the leaflet, its history apart."""
    whole = body(api.get("/v1/leaflets/matriz:001101:patient", query_string={"q": "dipirona em crianca"}))
    assert whole["name"] == "Dipirona Monoidratada"
    assert [s["section"] for s in whole["sections"]][-1] == "legal"
    posology = next(s for s in whole["sections"] if s["section"] == "posology")
    assert "<mark>" in posology["html"]
    assert whole["history"]
    assert not any("submissão eletrônica" in s["html"] for s in whole["sections"])


def test_two_leaflets_stand_side_by_side_with_the_differing_words_marked(api: FlaskClient) -> None:
    """One product in two ERPs: one section differs, and only its differing words are marked."""
    told = body(api.get("/v1/compare", query_string={"a": "matriz:001101:patient", "b": "filial:A01101:patient"}))
    assert (told["a"]["source"], told["b"]["source"]) == ("matriz", "filial")
    assert told["differs"] == ["eans"]  # matriz's ERP has a field for one
    assert set(told["a"]["eans"]) < set(told["b"]["eans"])
    assert [s["section"] for s in told["sections"] if s["differs"]] == ["posology"]
    posology = next(s for s in told["sections"] if s["section"] == "posology")
    assert "<mark>" in posology["a"]["html"] + posology["b"]["html"]
    assert not any("<mark>" in s["a"]["html"] for s in told["sections"] if not s["differs"])


def test_two_products_side_by_side_tell_their_facts_apart(api: FlaskClient) -> None:
    """A section of one alone stands beside nothing."""
    told = body(api.get("/v1/compare", query_string={"a": "matriz:001101:patient", "b": "matriz:001101:patient"}))
    assert not told["differs"]
    assert not any(s["differs"] for s in told["sections"])
    other = next(r["id"] for r in api.get("/v1/search", query_string={"q": "cefalotina"}).get_json()["results"])
    told = body(api.get("/v1/compare", query_string={"a": "matriz:001101:patient", "b": other}))
    assert set(told["differs"]) >= {"name", "active_ingredients", "registration", "audience"}
    assert any(s["a"] is None or s["b"] is None for s in told["sections"])


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"a": "matriz:001101:patient"}, 400, "b must be the id of a leaflet"),
        ({"a": "", "b": "matriz:001101:patient"}, 400, "a must be the id of a leaflet"),
        ({"a": "x" * 600, "b": "matriz:001101:patient"}, 400, "a must be the id of a leaflet"),
        ({"a": "x", "b": "y", "q": "z"}, 400, "there is no parameter 'q'"),
        ({"a": "matriz:001101:patient", "b": "matriz:nada:patient"}, 404, "there is no leaflet b=matriz:nada:patient"),
        ({"a": "x", "b": "y"}, 404, "there is no leaflet a=x and none b=y"),
    ],
)
def test_a_comparison_without_both_leaflets_says_which_is_missing(api: FlaskClient, given: dict[str, str], status: int, said: str) -> None:
    """And how an id looks."""
    response = api.get("/v1/compare", query_string=given)
    assert response.status_code == status
    assert said in body(response)["detail"]


def test_a_leaflet_that_is_not_there_is_404_with_what_to_do(api: FlaskClient) -> None:
    """It may have been withdrawn."""
    response = api.get("/v1/leaflets/matriz:nada:patient")
    assert response.status_code == 404
    assert "withdrawn" in body(response)["detail"]


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({}, "q"),
        ({"q": "x" * 10_000}, "q"),
        ({"q": "\x00\x01\x02"}, "q"),
        ({"q": "losartana", "page": "0"}, "page"),
        ({"q": "losartana", "size": "10000"}, "size"),
        ({"q": "losartana", "section": "bula"}, "section"),
        ({"q": "losartana", "sise": "10"}, "sise"),
        ({"q": "losartana", "explain": "yes"}, "explain"),
    ],
)
def test_a_wrong_parameter_is_400_and_named(api: FlaskClient, given: dict[str, str], parameter: str) -> None:
    """As application/problem+json."""
    response = api.get("/v1/search", query_string=given)
    assert response.status_code == 400
    assert body(response)["parameter"] == parameter


@pytest.mark.parametrize(
    "question",
    [
        "<script>alert(1)</script>", "*:*", '"losartana', "losartana (", "losartana) AND (", "losartana OR 1=1 --", "{!join}", "a:b:c",
        "/.*/", "losartana~2", "+losartana -potassica", "\\", "losartana\x00gravidez", "🙂 losartana", "\u202elosartana",
        "'; DROP TABLE bulas; --",
        "losartana^9999999", "[* TO *]", "a" * 300, " ".join(["dipirona"] * 30),
    ],
)  # fmt: skip
def test_a_hostile_question_is_only_words(api: FlaskClient, question: str) -> None:
    """No syntax of any engine means anything, and no markup comes back as such."""
    response = api.get("/v1/search", query_string={"q": question})
    assert response.status_code in {200, 400}
    told = body(response)
    if response.status_code == 200:
        html = "".join(h["html"] for r in told["results"] for h in r["highlights"])
        assert "<" not in html.replace("<mark>", "").replace("</mark>", "")
        page = api.get("/", query_string={"q": question}).get_data(as_text=True)
        assert "<script>alert" not in page


def test_a_popular_answer_comes_from_redis_with_the_same_body(api: FlaskClient) -> None:
    """RFC 9211 says where from; capitals and blanks make no other question. A page of seven is nobody else's here."""
    first = api.get("/v1/search", query_string={"q": "Losartana  na GRAVIDEZ", "size": "7"})
    second = api.get("/v1/search", query_string={"q": "losartana na gravidez", "size": "7"})
    assert first.headers["Cache-Status"] == "searchapi; fwd=miss"
    assert second.headers["Cache-Status"] == "searchapi; hit"
    assert first.get_json()["results"] == second.get_json()["results"]
    assert second.get_json()["query"]["text"] == "losartana na gravidez"
    other = api.get("/v1/search", query_string={"q": "losartana na gravidez", "audience": "patient", "size": "7"})
    assert other.headers["Cache-Status"] == "searchapi; fwd=miss"


def test_an_unchanged_answer_is_304(api: FlaskClient) -> None:
    """An ETag over the whole body."""
    first = api.get("/v1/search", query_string={"q": "paracetamol"})
    again = api.get("/v1/search", query_string={"q": "paracetamol"}, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


def test_filters_narrow_and_facets_count_products(api: FlaskClient) -> None:
    """What a facet counts is what its filter gives."""
    everything = body(api.get("/v1/search", query_string={"q": "losartana"}))
    for facet in ("audience", "source", "laboratory"):
        for value in everything["facets"][facet]:
            narrowed = body(api.get("/v1/search", query_string={"q": "losartana", facet: value["value"]}))
            assert narrowed["total"] == value["count"] == len(narrowed["results"])


def test_pages_hold_each_result_once(api: FlaskClient) -> None:
    """The order is the same on every page."""
    whole = [r["id"] for r in body(api.get("/v1/search", query_string={"q": "febre", "size": "50"}))["results"]]
    paged = [
        r["id"]
        for page in range(1, 6)
        for r in body(api.get("/v1/search", query_string={"q": "febre", "size": "10", "page": page}))["results"]
    ]
    assert len(whole) > 10
    assert paged == whole[: len(paged)]
    assert len(paged) == len(whole)


def test_no_question_is_in_the_metrics(api: FlaskClient) -> None:
    """What people search for says something about their health."""
    api.get("/v1/search", query_string={"q": "segredo losartana"})
    told = api.get("/metrics").get_data(as_text=True)
    assert "searchapi_request_seconds_bucket" in told
    assert "segredo" not in told
    assert "losartana" not in told


def test_without_redis_it_is_only_slower(opensearch_url: str, demo: Demo) -> None:
    """Every failure of the cache is a miss."""
    away = app_of(opensearch_url, f"redis://127.0.0.1:{free_port()}/0", demo.indices).test_client()
    for _ in range(2):
        response = away.get("/v1/search", query_string={"q": "losartana"})
        assert (response.status_code, response.headers["Cache-Status"]) == (200, "searchapi; fwd=miss")
    assert away.get("/readyz").get_json()["redis"] == "away"


def test_without_opensearch_it_says_so_and_when_to_come_back(redis_url: str) -> None:
    """503 with Retry-After for programs, a sentence in Portuguese for the desk."""
    port = free_port()
    away = app_of(f"http://127.0.0.1:{port}", redis_url, Indices("nowhere")).test_client()
    response = away.get("/v1/search", query_string={"q": "losartana"})
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert f"OpenSearch does not answer at http://127.0.0.1:{port}" in body(response)["detail"]
    assert away.get("/readyz").status_code == 503
    assert away.get("/livez").status_code == 200
    assert away.get("/metrics").status_code == 200
    page = away.get("/", query_string={"q": "losartana"})
    assert page.status_code == 503
    assert "fora do ar" in page.get_data(as_text=True)


def test_before_the_first_sync_it_says_what_to_run(opensearch_url: str, redis_url: str) -> None:
    """An index that does not exist is no empty index."""
    assert connect(opensearch_url).ping()
    new = app_of(opensearch_url, redis_url, Indices("never-made")).test_client()
    response = new.get("/v1/search", query_string={"q": "losartana"})
    assert response.status_code == 503
    assert "indexer sync" in body(response)["detail"]
