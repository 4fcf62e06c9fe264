"""GNU Health 5 as it is installed, with the 442 essential medicines of the WHO: no field need be named to read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from indexer.readers import Readers
from indexer.sources.base import Source
from leaflets import Change, Leaflet, Section, Unreadable
from tests.sources.standin import pull, source_of
from tests.sources.trytons import PASSWORD, Trytond

MEDICAMENT = "model.gnuhealth.medicament"
MEDICINES = 442


def source(folder: Path, server: Trytond, more: str = "") -> Source:
    """Seven lines of sources.toml."""
    head = f'type = "tryton"\nurl = "{server.url}"\ndatabase = "saude"\nusername = "admin"\npassword = {{ env = "P" }}\nlag = "0s"\n'
    return source_of(folder, f'{head}model = "gnuhealth.medicament"\n{more}', P=PASSWORD)


@pytest.fixture
def ids(gnu_health: Trytond) -> list[int]:
    """All medicaments that are there."""
    found: list[int] = gnu_health.rpc(f"{MEDICAMENT}.search", [], 0, None, [["id", "ASC"]], {})
    return found


def test_all_medicines_arrive(gnu_health: Trytond, ids: list[int], tmp_path: Path) -> None:
    """Those with a text as leaflets, the others told by their ids; a first pull is complete, and its pages hold a hundred."""
    pulled = pull(source(tmp_path, gnu_health))
    assert len(ids) in (MEDICINES, MEDICINES - 1)  # Where the one was deleted already.
    assert pulled.ids == [str(one) for one in ids]
    assert pulled.complete
    unreadable = [change for change in pulled.changes if isinstance(change, Unreadable)]
    noted = gnu_health.rpc(f"{MEDICAMENT}.search", [["notes", "!=", None], ["notes", "!=", ""]], 0, None, None, {})
    assert len(pulled.changes) - len(unreadable) >= len(noted) > 400
    assert all("no leaflet" in change.reason for change in unreadable)


def test_its_texts_are_sections_and_its_names_the_products(gnu_health: Trytond, ids: list[int], readers: Readers, tmp_path: Path) -> None:
    """Each of its fields is one of a leaflet's sections, and a leaflet can be made of them."""
    texts: dict[str, str] = {
        "indications": "Anestesia geral.",
        "composition": "Halotano 100%.",
        "dosage": "Por inalação, 1%.",
        "overdosage": "Suspender o uso.",
        "adverse_reaction": "Náuseas.",
        "pregnancy": "Não usar no primeiro trimestre.",
        "storage": "Abaixo de 25 graus.",
        "presentation": "Frasco de 250 ml.",
        "notes": "Para hospitais.",
    }
    erp = source(tmp_path, gnu_health)
    cursor = pull(erp).cursor
    gnu_health.rpc(f"{MEDICAMENT}.write", [ids[0]], texts, {})
    (change,) = [change for change in pull(erp, cursor).changes if change.source_id == str(ids[0])]
    assert isinstance(change, Change)
    assert (change.facts.name, change.facts.active_ingredients) == ("halothane", ("halothane",))
    told = {content.section: content.body.decode() for content in change.contents}
    assert told == {
        Section.INDICATIONS: texts["indications"],
        Section.COMPOSITION: texts["composition"],
        Section.POSOLOGY: texts["dosage"],
        Section.OVERDOSE: texts["overdosage"],
        Section.ADVERSE_REACTIONS: texts["adverse_reaction"],
        Section.WARNINGS: texts["pregnancy"],
        Section.STORAGE: texts["storage"],
        Section.IDENTIFICATION: texts["presentation"],
        Section.OTHER: texts["notes"],
    }
    leaflet = readers.read("saude", change)
    assert isinstance(leaflet, Leaflet), leaflet
    assert {passage.section for passage in leaflet.passages} == set(told)


def test_a_new_name_of_the_product_counts_as_an_edit(gnu_health: Trytond, ids: list[int], tmp_path: Path) -> None:
    """It stands two records away, in the template of the medicament's product."""
    erp = source(tmp_path, gnu_health)
    before = {change.source_id: change.version for change in pull(erp).changes}
    cursor = pull(erp).cursor
    found: list[Any] = gnu_health.rpc(f"{MEDICAMENT}.read", [ids[4]], ["product.template"], {})
    gnu_health.rpc("model.product.template.write", [found[0]["product."]["template"]], {"name": "propofol de teste"}, {})
    (change,) = [change for change in pull(erp, cursor).changes if change.source_id == str(ids[4])]
    assert isinstance(change, Change)
    assert change.facts.name == "propofol de teste"
    assert change.version > before[str(ids[4])]


def test_a_session_that_was_lost_is_opened_again(gnu_health: Trytond, ids: list[int], tmp_path: Path) -> None:
    """As after a reset of its password."""
    erp = source(tmp_path, gnu_health)
    pull(erp)
    gnu_health.forget_sessions()
    assert len(pull(erp).ids) == len(ids)


def test_a_mapping_of_ones_own_adds_to_its_fields(gnu_health: Trytond, ids: list[int], tmp_path: Path) -> None:
    """What is not named stays as it is known."""
    change = pull(source(tmp_path, gnu_health, 'fields = { laboratory = "product.template.default_uom.name" }')).changes[0]
    assert isinstance(change, Change)
    assert change.facts.name == "halothane"
    assert change.facts.laboratory
    assert f"the first is '{ids[0]}'" in source(tmp_path, gnu_health).check()


def test_one_that_is_deleted_is_missing_from_the_next_whole_listing(gnu_health: Trytond, ids: list[int], tmp_path: Path) -> None:
    """Which is complete, and so withdraws it."""
    erp = source(tmp_path, gnu_health)
    cursor = pull(erp).cursor
    gnu_health.rpc(f"{MEDICAMENT}.delete", [ids[-1]], {})
    assert str(ids[-1]) not in pull(erp, cursor).ids
    whole = pull(erp, cursor, whole=True)
    assert whole.complete
    assert whole.ids == [str(one) for one in ids[:-1]]
