"""In which order leaflets stand, and that it is the same whenever and wherever it is asked: on a real OpenSearch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from opensearchpy import OpenSearch

from indexer.pull import Stores
from indexer.write import Batch
from leaflets import Audience, Category, Change, Content, Facts, Leaflet, Section, Withdrawal
from leaflets.reading import leaflet
from opensearch.generations import Indices
from searchapi.keys import Role, new
from searchapi.settings import TO_ANYONE
from tests.conftest import app_of

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_VERSIONS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Product:
    """One leaflet as an ERP would tell it, with what the ranking looks at; each is a product of its own by its laboratory."""

    id: str
    name: str = "Losartana Potássica"
    substances: tuple[str, ...] = ("losartana potássica",)
    laboratory: str = ""
    category: Category | None = None
    active: bool | None = None
    audience: Audience = Audience.PATIENT
    days: int = 0
    sections: dict[Section, str] = field(default_factory=dict)

    def leaflet(self) -> Leaflet:
        """As the indexer reads it."""
        laboratory = self.laboratory or f"Laboratório {self.id}"
        facts = Facts(self.name, self.substances, laboratory, "", (), self.audience, self.category, self.active)
        told = {Section.INDICATIONS: "Indicado para o que se indica.", **self.sections}
        contents = tuple(Content(text.encode(), "text/plain", "utf-8", section) for section, text in told.items())
        change = Change(self.id, FIRST + timedelta(days=self.days), next(_VERSIONS), facts, contents)
        return leaflet("erp", change, tuple(told.values()))


@dataclass(frozen=True, slots=True)
class Desk:
    """An installation of its own: what it holds, and what it answers to one who may ask why."""

    client: OpenSearch
    indices: Indices
    stores: Stores
    app: Flask
    secret: str

    def hold(self, *products: Product, gone: tuple[Product, ...] = ()) -> None:
        """Writes leaflets, and withdraws some."""
        withdrawals = tuple(Withdrawal(product.id, next(_VERSIONS)) for product in gone)
        receipt = self.stores.writer.write(Batch("erp", tuple(product.leaflet() for product in products), withdrawals))
        assert not receipt.rejected
        self.client.indices.refresh(index=self.indices.alias)
        assert self.app.extensions["desk"].state.look()

    def results(self, question: str, **given: str) -> list[Any]:
        """The results, explained: never from the cache."""
        response = self.app.test_client().get(
            "/v1/search",
            query_string={"q": question, "size": "50", "explain": "1", **given},
            headers={"Authorization": f"Bearer {self.secret}"},
        )
        assert response.status_code == 200, response.get_data(as_text=True)
        found: list[Any] = response.get_json()["results"]
        return found

    def order(self, question: str, **given: str) -> list[str]:
        """The ids of the products, in their order."""
        return [result["id"].split(":")[1] for result in self.results(question, **given)]


@pytest.fixture
def desk(client: OpenSearch, opensearch_url: str, redis_url: str, indices: Indices, stores: Stores, tmp_path: Path) -> Iterator[Desk]:
    """An empty desk."""
    made = new("tests", frozenset({Role.EXPLAIN}))
    file = tmp_path / "keys.toml"
    file.write_text(made.line)
    app = app_of(opensearch_url, redis_url, indices, API_KEYS_FILE=str(file), SEARCHAPI_OPEN=TO_ANYONE)
    yield Desk(client, indices, stores, app, made.secret)
    app.extensions["desk"].state.stop()


def test_the_name_as_printed_stands_before_it_without_accents_and_before_its_beginnings(desk: Desk) -> None:
    """Exact above folded above prefix, though each is older than the next."""
    desk.hold(
        Product("begins", "Ácido Fólico Duo", ("ácido fólico",), days=3),
        Product("plain", "ACIDO FOLICO", ("ácido fólico",), days=2),
        Product("accents", "Ácido Fólico", ("ácido fólico",), days=1),
        Product("brand", "Folital", ("ácido fólico",), days=4),
    )
    assert desk.order("Ácido Fólico") == ["accents", "plain", "begins", "brand"]
    assert desk.order("ácido fólico para que serve") == ["accents", "plain", "begins", "brand"]
    assert desk.order("acido folico") == ["plain", "accents", "begins", "brand"]


def test_the_brand_asked_for_stands_before_those_that_begin_with_it(desk: Desk) -> None:
    """Even where the other comes in the strength, of the laboratory and in the form that were asked for: it may be another drug."""
    combined = Product("h", "Aradois H", ("losartana potássica", "hidroclorotiazida"), "Biolab", Category.REFERENCE, days=9)
    combined = replace(combined, sections={Section.IDENTIFICATION: "Comprimido de 50 mg + 12,5 mg"})
    desk.hold(combined, Product("alone", "Aradois", laboratory="Biosintética", category=Category.SIMILAR))
    assert desk.order("aradois 50 mg comprimido biolab") == ["alone", "h"]
    assert desk.order("aradois h") == ["h"]


def test_the_substance_alone_stands_before_its_combinations(desk: Desk) -> None:
    """Whatever a combination has to say for itself."""
    combined = Product("combined", "Losartana Potássica + Hidroclorotiazida", ("losartana potássica", "hidroclorotiazida"), "EMS", days=9)
    desk.hold(replace(combined, category=Category.REFERENCE), Product("alone", "Corus", category=Category.SIMILAR, active=False))
    assert desk.order("losartana ems") == ["alone", "combined"]
    assert desk.order("losartana + hidroclorotiazida") == ["combined"]


def test_references_stand_before_others_and_similars_last(desk: Desk) -> None:
    """By their category; the newest is the similar."""
    desk.hold(
        Product("similar", "Corus", category=Category.SIMILAR, days=3),
        Product("unknown", "Losarel", days=2),
        Product("reference", "Cozaar", category=Category.REFERENCE, days=1),
    )
    assert desk.order("losartana") == ["reference", "unknown", "similar"]
    assert [(r["category"], r["active"]) for r in desk.results("losartana")] == [("reference", None), (None, None), ("similar", None)]


def test_active_registrations_stand_before_inactive_ones(desk: Desk) -> None:
    """One of which nobody says that it ended is taken to stand."""
    desk.hold(Product("ended", active=False, days=3), Product("unknown", days=2), Product("stands", active=True, days=1))
    assert desk.order("losartana") == ["unknown", "stands", "ended"]


ASKED: list[tuple[str, Callable[[Product], Product]]] = [
    ("ems", lambda p: replace(p, laboratory="EMS S/A")),
    ("xarope", lambda p: replace(p, sections={Section.IDENTIFICATION: "Xarope: frasco de 120 mL"})),
    ("25 mg", lambda p: replace(p, sections={Section.IDENTIFICATION: "Embalagem de 25 mg"})),
    ("bula do profissional", lambda p: replace(p, audience=Audience.PROFESSIONAL)),
    ("gravidez", lambda p: replace(p, sections={Section.WARNINGS: "Não use na gravidez."})),
]


@pytest.mark.parametrize(("words", "meets"), ASKED)
def test_what_the_question_says_of_the_product_comes_before_what_nobody_asked(
    desk: Desk, words: str, meets: Callable[[Product], Product]
) -> None:
    """Laboratory, form, strength, readers, what is asked about: an old inactive similar that has it stands before a new reference."""
    other = Product("other", category=Category.REFERENCE, active=True, days=9)
    desk.hold(other, meets(Product("asked", "Corus", category=Category.SIMILAR, active=False)))
    assert desk.order(f"losartana {words}") == ["asked", "other"]


@pytest.mark.parametrize(("stronger", "weaker"), list(itertools.combinations(range(len(ASKED)), 2)))
def test_of_what_was_asked_the_laboratory_counts_most_then_form_strength_and_readers(desk: Desk, stronger: int, weaker: int) -> None:
    """In the order of the table, where no leaflet has both."""
    (first, meets_first), (second, meets_second) = ASKED[stronger], ASKED[weaker]
    desk.hold(meets_second(Product("second", days=9)), meets_first(Product("first")))
    assert desk.order(f"losartana {first} {second}") == ["first", "second"]


def test_a_question_that_names_one_product_gives_that_product_first(desk: Desk) -> None:
    """Brand or substance, laboratory, strength and form: among all that share some of them."""
    laboratories, strengths, forms = ("EMS", "Medley", "Eurofarma"), ("25 mg", "50 mg"), ("Comprimido revestido", "Xarope")
    products = [
        Product(
            f"{lab}/{form.split()[0]}/{strength}",
            laboratory=f"{lab} {form} {strength}",
            sections={Section.IDENTIFICATION: f"{form} {strength}"},
        )
        for lab, strength, form in itertools.product(laboratories, strengths, forms)
    ]
    desk.hold(*products)
    for product in products:
        lab, form, strength = product.id.split("/")
        for question in (f"losartana {lab} {strength} {form}", f"LOSARTANA POT {strength.replace(' ', '')} {form} {lab}"):
            assert desk.order(question)[0] == product.id, question


def test_leaflets_that_state_what_is_asked_in_its_section_stand_first(desk: Desk) -> None:
    """Then where a section that may answer too has the words, then anywhere, then nowhere; however often it is said."""
    desk.hold(
        Product("nowhere", days=9),
        Product("anywhere", sections={Section.STORAGE: "gravidez " * 50}, days=8),
        Product("may", sections={Section.CONTRAINDICATIONS: "Não use na gravidez."}, days=7),
        Product("leads", sections={Section.WARNINGS: "Na gravidez, fale com o médico."}),
    )
    assert desk.order("losartana gravidez") == ["leads", "may", "anywhere", "nowhere"]


def test_leaflets_that_hold_the_section_asked_for_stand_before_newer_ones_without_it(desk: Desk) -> None:
    """The professional's leaflet has no section on a missed dose: its posology is a second best."""
    desk.hold(
        Product("patient", audience=Audience.PATIENT, sections={Section.MISSED_DOSE: "Tome assim que lembrar."}),
        Product("professional", audience=Audience.PROFESSIONAL, days=9, sections={Section.POSOLOGY: "Um comprimido por dia."}),
    )
    assert desk.order("losartana esqueci de tomar") == ["patient", "professional"]
    assert desk.order("losartana dose") == ["professional", "patient"]


def test_one_content_under_two_headings_is_one_section(desk: Desk) -> None:
    """The patient's leaflet tells interactions among its warnings: the newer one stands first, whosever it is."""
    desk.hold(
        Product("professional", audience=Audience.PROFESSIONAL, sections={Section.INTERACTIONS: "Com lítio."}),
        Product("patient", audience=Audience.PATIENT, days=9, sections={Section.WARNINGS: "Avise se usa lítio."}),
    )
    assert desk.order("losartana interações") == ["patient", "professional"]


def test_of_equals_the_newest_stands_first_then_the_order_is_by_product(desk: Desk) -> None:
    """Whatever the length of the text and how often it says the word."""
    texts = {"b": "gravidez " * 30, "a": "gravidez", "c": "gravidez " + "e mais " * 300}
    desk.hold(*(Product(id_, days=id_ == "c", sections={Section.WARNINGS: text}) for id_, text in texts.items()))
    assert desk.order("losartana gravidez") == ["c", "a", "b"]


def test_words_never_outweigh_the_register(desk: Desk) -> None:
    """A leaflet that has each of many words does not pass one whose registration stands."""
    words = [f"{a}{b}{c}o" for a, b, c in itertools.product("bdfgl", "aeiou", "lmnrs")][:40]
    desk.hold(
        Product("wordy", active=False, sections={Section.WARNINGS: " ".join(words), Section.POSOLOGY: " ".join(words)}, days=9),
        Product("stands", sections={Section.STORAGE: " ".join(words[:39])}),
    )
    found = desk.results("losartana " + " ".join(words[:39]) + " nada")
    scores = {result["id"].split(":")[1]: result["score"] for result in found}
    assert scores["stands"] > scores["wordy"], found


def test_an_explanation_adds_up_to_the_score_and_the_scores_to_the_order(desk: Desk) -> None:
    """It tells of the query that ran: each clause's weight is the score that OpenSearch gave for it."""
    desk.hold(
        *(
            Product(
                f"p{number}",
                name="Corus" if number % 3 else "Losartana Potássica",
                laboratory=f"EMS {number}" if number % 2 else f"Medley {number}",
                category=list(Category)[number % 6],
                active=number % 4 != 0,
                sections={Section.WARNINGS: "gravidez" if number % 5 else "febre", Section.IDENTIFICATION: "Comprimido 50 mg"},
            )
            for number in range(12)
        )
    )
    results = desk.results("losartana potassica 50 mg comprimido medley gravidez febre")
    assert len(results) == 12
    for result in results:
        assert result["score"] == sum(line["weight"] for line in result["explanation"])
        assert all(line["why"].startswith("not so") == (line["weight"] == 0) for line in result["explanation"][:-1])
    assert [r["score"] for r in results] == sorted((r["score"] for r in results), reverse=True)
    laboratory = next(line for line in results[0]["explanation"] if line["clause"] == "laboratory")
    assert laboratory["weight"]
    assert "Medley" in laboratory["why"]


def test_the_same_question_has_the_same_order_whatever_else_the_index_has_gone_through(desk: Desk) -> None:
    """Two copies of an index differ by the deleted documents that each still counts, and BM25 with them; our scores count none.

    Here one copy is brought from one such state to others: rewritten and withdrawn leaflets are still counted, and segments merged.
    """
    text = "gravidez e febre e dor. " + "Fale com o médico. "
    kept = [
        Product(f"k{i:02}", sections={Section.WARNINGS: text * (i % 5 + 1), Section.POSOLOGY: "gravidez " * (i % 7)}) for i in range(30)
    ]
    others = [Product(f"o{i:02}", "Dipirona", ("dipirona",), sections={Section.WARNINGS: "gravidez febre " * i}) for i in range(30)]
    questions = ("losartana gravidez", "losartana febre dor gravidez", "gravidez e febre", "losartana")
    desk.hold(*kept)

    def told() -> list[list[tuple[str, float]]]:
        return [[(r["id"], r["score"]) for r in desk.results(q) if r["name"] != "Dipirona"] for q in questions]

    def bm25() -> float:
        body = {
            "size": 1,
            "query": {"bool": {"must": [{"match": {"sections.warnings": "gravidez"}}], "filter": [{"term": {"source_id": "k00"}}]}},
        }
        return float(desk.client.search(index=desk.indices.alias, body=body)["hits"]["hits"][0]["_score"])

    first, before = told(), bm25()
    assert all(len(order) == 30 for order in first)
    assert told() == first
    generation = f"{desk.indices.alias}-000001"
    desk.hold(*others)
    desk.hold(*(replace(product, days=0, laboratory="Outro", sections={Section.WARNINGS: "febre"}) for product in others))
    desk.hold(gone=tuple(others))
    desk.hold(*(replace(product, sections={**product.sections, Section.STORAGE: "Guarde."}) for product in kept))
    assert desk.client.indices.stats(index=generation)["_all"]["primaries"]["docs"]["deleted"] > 0
    assert bm25() != before
    assert told() == first
    desk.client.indices.forcemerge(index=generation, params={"max_num_segments": 1})
    desk.client.indices.refresh(index=generation)
    assert told() == first


def test_explanations_never_come_from_the_cache_nor_enter_it(desk: Desk) -> None:
    """They say more than everybody may know of how the desk works."""
    desk.hold(Product("one"))
    asking = desk.app.test_client()
    key = {"Authorization": f"Bearer {desk.secret}"}
    for given, headers, status in (
        ({"explain": "1"}, key, "fwd=bypass"),
        ({}, {}, "fwd=miss"),
        ({}, key, "hit"),
        ({"explain": "1"}, key, "fwd=bypass"),
        ({"explain": "0"}, {}, "hit"),
    ):
        response = asking.get("/v1/search", query_string={"q": "losartana", **given}, headers=headers)
        assert response.headers["Cache-Status"] == f"searchapi; {status}"
        assert ("explanation" in response.get_json()["results"][0]) == (status == "fwd=bypass")
