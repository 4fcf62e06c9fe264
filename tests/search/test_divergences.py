"""What several sources tell differently of one product, as it stands in the index."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from indexer import divergences as diverging
from indexer.divergences import Divergence, Missing, divergences
from indexer.write import Batch, Writer
from leaflets import Audience, Change, Content, Facts, Leaflet, Section
from leaflets.reading import leaflet
from opensearch.generations import Indices, current, prepare
from opensearch.synonyms import SynonymsRejected, synonyms
from tests.conftest import Demo, app_of

SYNONYMS = synonyms()
TEXTS = {Section.INDICATIONS: "Para a dor.", Section.POSOLOGY: "Tome um comprimido.", Section.STORAGE: "Guarde em lugar seco."}


def told(source: str, source_id: str = "1", *, day: int = 1, texts: dict[Section, str] | None = None, **facts: object) -> Leaflet:
    """A leaflet as a source tells it."""
    texts = TEXTS | (texts or {})
    contents = tuple(Content(b"", "text/plain", section=section) for section, text in texts.items() if text)
    product = {
        "name": "Dipirona Monoidratada",
        "active_ingredients": ("dipirona monoidratada",),
        "laboratory": "Lab Um",
        "registration": "100001101",
        "audience": Audience.PATIENT,
    }
    change = Change(source_id, datetime(2026, 11, day, tzinfo=UTC), day, Facts(**product | facts), contents)  # type: ignore[arg-type]  # a test's own facts
    return leaflet(source, change, tuple(text for text in texts.values() if text))


def found(client: OpenSearch, indices: Indices, *leaflets: Leaflet) -> tuple[Divergence, ...]:
    """The divergences of an index that holds these leaflets."""
    for one in leaflets:
        receipt = Writer(client, indices).write(Batch(one.source, (one,)))
        assert receipt.written == 1, receipt
    client.indices.refresh(index=indices.alias)
    return divergences(client, indices, SYNONYMS)


def test_sections_and_facts_that_differ_or_are_missing_are_told(client: OpenSearch, indices: Indices) -> None:
    """With the leaflets, the newest first: who mends an ERP opens them."""
    texts = {Section.POSOLOGY: "Tome dois comprimidos.", Section.STORAGE: "", Section.WARNINGS: "Não dirija."}
    (one,) = found(client, indices, told("matriz"), told("filial", "A7", day=2, texts=texts, laboratory="Lab Dois", name="Dipirona EMS"))
    assert (one.product, one.dangerous) == ("registration 100001101 for patient", False)
    assert [t.id for t in one.tellings] == ["filial:A7:patient", "matriz:1:patient"]
    assert one.facts == ("name", "laboratory")
    assert one.differs == ("posology",)
    assert set(one.missing) == {Missing("storage", ("filial",)), Missing("warnings", ("matriz",))}
    assert one.tellings[0].name == "Dipirona EMS"


def test_layout_and_spelling_are_no_divergence(client: OpenSearch, indices: Indices) -> None:
    """Bullets, capitals, blanks; another name of the substance, its salt, an EAN that one source does not sell."""
    texts = {Section.POSOLOGY: "• TOME  um\ncomprimido."}
    other = told("filial", texts=texts, name="DIPIRONA  MONOIDRATADA", active_ingredients=("metamizol",), eans=("2001105000009",))
    assert found(client, indices, told("matriz"), other) == ()


def test_one_source_may_hold_a_products_tablets_and_drops(client: OpenSearch, indices: Indices) -> None:
    """Another source need only agree with one of them."""
    drops = {Section.POSOLOGY: "Tome dez gotas."}
    assert found(client, indices, told("matriz", "1"), told("matriz", "2", texts=drops), told("filial", texts=drops)) == ()


def test_two_drugs_under_one_number_come_first_and_are_marked(client: OpenSearch, indices: Indices) -> None:
    """A wrong drug waiting to happen: who asks for the number is shown the one or the other."""
    ean = ("2001105000009",)
    newest = told("filial", "9", day=9, texts={Section.POSOLOGY: "Outra."})
    right = told("matriz", "2", name="Losartana", active_ingredients=("losartana potássica",), registration="100001201", eans=ean)
    wrong = told("filial", "2", name="Valsartana", active_ingredients=("valsartana",), registration="100001202", eans=ean)
    first, *others = found(client, indices, told("matriz"), newest, right, wrong)
    assert (first.product, first.dangerous, first.facts) == ("ean 2001105000009", True, ("active_ingredients",))
    assert {t.id for t in first.tellings} == {"matriz:2:patient", "filial:2:patient"}
    assert [(one.product, one.dangerous) for one in others] == [("registration 100001101 for patient", False)]


def test_one_registration_with_two_substances_is_dangerous_whoever_reads_it(client: OpenSearch, indices: Indices) -> None:
    """Its patient's and its professional's leaflet stand under one number too."""
    other = told("filial", audience=Audience.PROFESSIONAL, active_ingredients=("paracetamol",), registration="1000011010019")
    (one,) = found(client, indices, told("matriz"), other)
    assert (one.product, one.dangerous) == ("registration 100001101", True)


def test_the_newest_edit_comes_first_and_a_withdrawn_leaflet_is_none(client: OpenSearch, indices: Indices) -> None:
    """In pages of whatever size."""
    other = {Section.POSOLOGY: "Outra."}
    pairs = [told("matriz", f"{n}", registration=f"10000{n:04}") for n in range(4)]
    pairs += [told("filial", f"{n}", day=n + 1, texts=other, registration=f"10000{n:04}") for n in range(4)]
    newest_first = [f"registration 10000{n:04} for patient" for n in (3, 2, 1, 0)]
    assert [one.product for one in found(client, indices, *pairs)] == newest_first
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diverging, "PAGE", 3)
        assert [one.product for one in divergences(client, indices, SYNONYMS)] == newest_first
    client.update(index=indices.alias, id="filial:3:patient", body={"doc": {"withdrawn": True}}, params={"refresh": "true"})
    assert [one.product for one in divergences(client, indices, SYNONYMS)] == newest_first[1:]


def test_the_demonstrations_erps_differ_as_they_were_made_to(client: OpenSearch, demo: Demo) -> None:
    """As `also_in` tells the attendant."""
    products = {one.product: one for one in divergences(client, demo.indices, SYNONYMS)}
    assert products["registration 100001101 for patient"].differs == ("posology",)


# --- synonyms that would join two drugs of an index -----------------------------------------------------------------------------------


LOSARTANA = told("matriz", "2", name="Losartana", active_ingredients=("losartana",), registration="100001201")


def edited(folder: Path, text: str) -> Path:
    """A file of synonyms."""
    file = folder / "synonyms.txt"
    file.write_text(text, encoding="utf-8")
    return file


def test_edited_synonyms_that_join_two_drugs_are_not_given_to_the_index(client: OpenSearch, indices: Indices, tmp_path: Path) -> None:
    """It keeps those that it has, and goes on being searched."""
    found(client, indices, told("matriz"), LOSARTANA)
    generation = current(client, indices)
    before = client.indices.get_settings(index=generation)
    with pytest.raises(SynonymsRejected, match="line 2: the index holds 'losartana' and 'dipirona' as two drugs"):
        prepare(client, indices, synonyms(edited(tmp_path, "[names]\nlosartana, dipirona\n")))
    assert client.indices.get_settings(index=generation) == before
    assert prepare(client, indices, synonyms(edited(tmp_path, "[names]\ncozaar => losartana\n"))) == generation


def test_searchapi_reads_the_names_without_a_synonym_that_joins_two_drugs(
    client: OpenSearch, indices: Indices, opensearch_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An ERP's new leaflet made an old rule wrong overnight: the desk works, the rule does not, and the metrics say so."""
    found(client, indices, told("matriz"), LOSARTANA)
    known = synonyms(edited(tmp_path, "[names]\nlosartana, dipirona\ncozaar => losartana\n"))
    monkeypatch.setattr("searchapi.app.synonyms", lambda: known)
    api = app_of(opensearch_url, redis_url, indices).test_client()
    names = {r["name"] for r in api.get("/v1/search", query_string={"q": "dipirona"}).get_json()["results"]}
    assert names == {"Dipirona Monoidratada"}
    assert api.get("/v1/search", query_string={"q": "cozaar"}).get_json()["results"][0]["name"] == "Losartana"
    assert "searchapi_synonyms_refused 1.0" in api.get("/metrics").get_data(as_text=True)
