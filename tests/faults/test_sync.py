"""A sync: what the ERPs hold is what the index holds, and what cannot be indexed is kept with its reason."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from indexer.cursors import CursorMoved, Cursors
from indexer.pull import Outcome, Stores, sync
from indexer.readers import Readers
from indexer.sources.base import Source
from indexer.sources.config import configured
from opensearch.generations import Indices
from tests.sources.standin import Reply, Request, StandIn, serving, told

Record = dict[str, Any]

TEXT = """{name}

APRESENTAÇÕES
Comprimidos de 500 mg.

1. PARA QUE ESTE MEDICAMENTO É INDICADO?
Este texto inventado fala de {name}.

6. COMO DEVO USAR ESTE MEDICAMENTO?
Tome com água. {more}
"""


def record(code: str, name: str = "", more: str = "", modified: str = "2026-11-01T00:00:00Z", **extra: object) -> Record:
    """A record of a stand-in ERP."""
    name = name or f"Remédio {code}"
    text = TEXT.format(name=name, more=more)
    return {"code": code, "name": name, "maker": "Lab", "kind": "VP", "text": text, "modified": modified, "gone": False} | extra


class Erp:
    """A stand-in ERP of pages of two records, whose records and faults a test changes."""

    def __init__(self, *records: Record) -> None:
        self.records = list(records)
        self.fault: Callable[[Request], Reply | None] = lambda _: None

    def __call__(self, request: Request) -> Reply:
        """A page of what changed since, or the fault that a test set."""
        fault = self.fault(request)
        if fault:
            return fault
        since = request.query.get("since", "")
        held = [r for r in self.records if r["modified"] >= since]
        page = int(request.query["page"])
        return told({"items": held[(page - 1) * 2 : page * 2], "hasNext": page * 2 < len(held)})


def source(folder: Path, name: str, server: StandIn, *lines: str) -> Source:
    """The rest source that reads an Erp."""
    file = folder / f"{name}.toml"
    fields = "id = 'code', name = 'name', laboratory = 'maker', audience = 'kind', updated_at = 'modified', text = 'text', deleted = 'gone'"
    table = [
        f"[sources.{name}]",
        "type = 'rest'",
        f"url = '{server.url}'",
        "paging = { by = 'page', size = 2, more = 'hasNext' }",
        "records = 'items'",
        "changed_since = { parameter = 'since' }",
        f"fields = {{ {fields} }}",
        *lines,
    ]
    file.write_text("\n".join(table), encoding="utf-8")
    return configured(file, {})[0]


def one(folder: Path, erp: Erp, stores: Stores, readers: Readers, *, full: bool = False) -> Outcome:
    """One sync of one ERP."""
    with serving(erp) as server:
        outcome = sync([source(folder, "erp", server)], stores, readers, full=full)[0]
    stores.writer.client.indices.refresh(index=stores.writer.indices.alias)
    return outcome


def held(client: OpenSearch, indices: Indices) -> dict[str, str]:
    """The posology of every leaflet that stands in the index, by id."""
    body = {"size": 1000, "query": {"term": {"withdrawn": False}}}
    found = client.search(index=indices.alias, body=body)["hits"]["hits"]
    return {hit["_id"]: hit["_source"]["sections"].get("posology", "") for hit in found}


def writes(client: OpenSearch, indices: Indices) -> int:
    """How many documents were ever written into the leaflets' index."""
    stats = client.indices.stats(index=indices.alias, metric="indexing")
    return int(stats["_all"]["primaries"]["indexing"]["index_total"])


@pytest.mark.engines
def test_a_second_run_with_nothing_changed_writes_nothing(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """Windows overlap, so rows are read again; what is stored is not written again."""
    erp = Erp(*(record(f"{n:03}") for n in range(5)))
    first = one(tmp_path, erp, stores, readers)
    assert (first.outcome, first.counts.written) == ("done", 5)
    before = writes(client, indices)
    for full in (False, True):
        again = one(tmp_path, erp, stores, readers, full=full)
        assert (again.outcome, again.counts.written) == ("done", 0)
    assert writes(client, indices) == before
    assert len(held(client, indices)) == 5


def test_an_edit_arrives_and_only_it_is_written(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """The changed-since parameter carries the cursor less the lag."""
    erp = Erp(*(record(f"{n:03}") for n in range(5)))
    one(tmp_path, erp, stores, readers)
    erp.records[3] = record("003", more="Agora com leite.", modified="2026-11-02T00:00:00Z")
    outcome = one(tmp_path, erp, stores, readers)
    assert outcome.counts.written == 1
    assert "Agora com leite." in held(client, indices)["erp:003:patient"]


def test_two_edits_within_one_tick_of_the_clock_are_both_seen(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """Equal versions with other content are written: the window overlaps and the content decides."""
    erp = Erp(record("001", more="Um."))
    one(tmp_path, erp, stores, readers)
    erp.records[0] = record("001", more="Dois.")
    assert one(tmp_path, erp, stores, readers).counts.written == 1
    assert "Dois." in held(client, indices)["erp:001:patient"]


@pytest.mark.engines
def test_a_withdrawn_leaflet_goes_and_an_older_version_does_not_bring_it_back(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """A tombstone with the withdrawal's version stands in its place."""
    erp = Erp(record("001"), record("002"))
    one(tmp_path, erp, stores, readers)
    erp.records[0] |= {"gone": True, "modified": "2026-11-03T00:00:00Z"}
    assert one(tmp_path, erp, stores, readers).counts.withdrawn == 1
    assert set(held(client, indices)) == {"erp:002:patient"}
    erp.records[0] = record("001", modified="2026-11-02T00:00:00Z")
    late = one(tmp_path, erp, stores, readers, full=True)
    assert (late.outcome, late.counts.older) == ("done", 1)
    assert set(held(client, indices)) == {"erp:002:patient"}
    erp.records[0] = record("001", modified="2026-11-04T00:00:00Z")
    one(tmp_path, erp, stores, readers)
    assert set(held(client, indices)) == {"erp:001:patient", "erp:002:patient"}


@pytest.mark.engines
def test_a_late_older_version_never_replaces_a_newer_one(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """Whoever comes last, the ERP's own order decides."""
    erp = Erp(record("001", more="Nova.", modified="2026-11-05T00:00:00Z"))
    one(tmp_path, erp, stores, readers)
    erp.records[0] = record("001", more="Velha.", modified="2026-11-01T00:00:00Z")
    assert one(tmp_path, erp, stores, readers, full=True).counts.older == 1
    assert "Nova." in held(client, indices)["erp:001:patient"]


def test_a_source_that_fails_neither_holds_up_nor_fails_another(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """One refuses, one hangs until the other is done; each outcome is its own."""
    good, refusing, slow = Erp(record("001")), Erp(), Erp(record("002"))
    good_is_done = threading.Event()
    waited: list[bool] = []
    refusing.fault = lambda _: Reply(b"{}", status=401)

    def hang(_: Request) -> None:
        waited.append(good_is_done.wait(30))

    slow.fault = hang

    def done(outcome: Outcome) -> None:
        if outcome.source == "good":
            good_is_done.set()

    with serving(good) as a, serving(refusing) as b, serving(slow) as c:
        sources = [source(tmp_path, "good", a), source(tmp_path, "refusing", b), source(tmp_path, "slow", c)]
        outcomes = {o.source: o for o in sync(sources, stores, readers, done=done)}
    assert outcomes["good"].outcome == outcomes["slow"].outcome == "done"
    assert all(waited), "the slow source was not running while the good one was"
    assert outcomes["refusing"].outcome == "failed"
    assert "401" in outcomes["refusing"].error
    client.indices.refresh(index=indices.alias)
    assert set(held(client, indices)) == {"good:001:patient", "slow:002:patient"}


def test_a_page_that_fails_leaves_the_cursor_where_it_was_and_loses_nothing(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """Pages before it are written; the next run reads the window again."""
    erp = Erp(*(record(f"{n:03}") for n in range(6)))
    erp.fault = lambda request: Reply(b"<html>oops</html>", headers={"Content-Type": "text/html"}) if request.query["page"] == "2" else None
    failed = one(tmp_path, erp, stores, readers)
    assert failed.outcome == "failed"
    cursor = stores.cursors.read("erp")
    assert (cursor.value, cursor.outcome, cursor.synced_at) == (None, "failed", None)
    erp.fault = lambda _: None
    assert one(tmp_path, erp, stores, readers).outcome == "done"
    assert len(held(client, indices)) == 6


def test_a_text_with_lost_characters_is_rejected_with_its_reason_and_forgotten_when_mended(
    tmp_path: Path, stores: Stores, readers: Readers
) -> None:
    """U+FFFD means that the ERP's conversion lost letters: perhaps those of a dose."""
    broken = record("001", more="A dose \ufffd de 500 mg.")
    erp = Erp(broken, record("002"))
    outcome = one(tmp_path, erp, stores, readers)
    assert (outcome.outcome, outcome.counts.written, outcome.counts.rejected) == ("done", 1, 1)
    (kept,) = stores.rejected.all()
    assert kept.id == "erp:001"
    assert "U+FFFD" in kept.reason
    whole = stores.rejected.one("erp:001")
    assert whole is not None
    assert json.loads(whole.original)["change"]["source_id"] == "001"
    erp.records[0] = record("001", more="A dose é de 500 mg.", modified="2026-11-02T00:00:00Z")
    assert one(tmp_path, erp, stores, readers).counts.written == 1
    assert stores.rejected.all() == ()


@pytest.mark.engines
def test_a_leaflet_that_opensearch_refuses_is_rejected_and_its_neighbours_are_written(
    tmp_path: Path, stores: Stores, readers: Readers
) -> None:
    """Each document's own outcome counts, not the request's."""
    erp = Erp(record("001", maker="L" * 40_000), record("002"), record("003"))
    outcome = one(tmp_path, erp, stores, readers)
    assert (outcome.outcome, outcome.counts.written, outcome.counts.rejected) == ("done", 2, 1)
    (kept,) = stores.rejected.all()
    assert kept.reason.startswith("OpenSearch refused it: ")
    assert "LLLLLLLLLL" * 10 not in kept.reason


@pytest.mark.engines
def test_leaflets_that_opensearch_is_too_busy_for_wait_and_the_cursor_waits_with_them(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """A disk past its flood stage answers 429 to every document."""
    erp = Erp(record("001"))
    client.indices.put_settings(index=indices.alias, body={"index.blocks.read_only_allow_delete": True})
    outcome = one(tmp_path, erp, stores, readers)
    assert (outcome.outcome, outcome.counts.later, outcome.counts.rejected) == ("waiting", 1, 0)
    assert stores.cursors.read("erp").value is None
    client.indices.put_settings(index=indices.alias, body={"index.blocks.read_only_allow_delete": None})
    assert one(tmp_path, erp, stores, readers).counts.written == 1


@pytest.mark.engines
def test_a_missing_alias_is_never_made_into_an_index(
    client: OpenSearch, tmp_path: Path, readers: Readers, stores: Stores, indices: Indices
) -> None:
    """A bulk into a name that is none would otherwise create an index without our mapping."""
    client.indices.delete_alias(index=indices.generation(1), name=indices.alias)
    with serving(Erp(record("001"))) as server:
        (outcome,) = sync([source(tmp_path, "erp", server)], stores, readers)
    assert outcome.outcome in {"waiting", "failed"}
    assert not client.indices.exists(index=indices.alias)


@pytest.mark.engines
def test_who_read_a_cursor_before_it_moved_cannot_move_it(client: OpenSearch, indices: Indices) -> None:
    """Compare-and-set: of two indexers one moves it, the other is told."""
    cursors = Cursors(client, indices)
    first, second = cursors.read("erp"), cursors.read("erp")
    moved = cursors.move(first)
    with pytest.raises(CursorMoved, match="another indexer moved"):
        cursors.move(second)
    stale = cursors.read("erp")
    cursors.move(moved)
    with pytest.raises(CursorMoved):
        cursors.move(stale)


def test_a_leaflet_whose_audience_is_read_anew_does_not_stand_twice(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """Where the ERP names no audience, one record is one leaflet, whatever its text was once taken for."""
    professional = (
        "REMÉDIO\n\n1. INDICAÇÕES\nTexto.\n\n4. CONTRAINDICAÇÕES\nTexto.\n\n8. POSOLOGIA E MODO DE USAR\nTexto.\n\n10. SUPERDOSE\nTexto.\n"
    )
    erp = Erp(record("001", kind=None))  # too few headings to tell for whom it is written
    one(tmp_path, erp, stores, readers)
    assert set(held(client, indices)) == {"erp:001:unknown"}
    erp.records[0] |= {"text": professional, "modified": "2026-11-02T00:00:00Z"}
    one(tmp_path, erp, stores, readers)
    assert set(held(client, indices)) == {"erp:001:professional"}
