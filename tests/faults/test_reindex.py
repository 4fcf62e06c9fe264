"""A reindex: the same leaflets in a new generation, proved before it is searched, while syncs and searches go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from indexer.copying import Copy
from indexer.pull import Stores
from indexer.readers import Readers
from indexer.reindex import NotPromoted, Reindexing
from indexer.rejected import Rejected
from indexer.sources.base import Source
from leaflets import Change
from opensearch import held, mapping
from opensearch.documents import document, original, packed
from opensearch.generations import Indices, OldIndex, add, block, clear, current, generations, prepare, promote
from opensearch.operations import DOCUMENT, Busy, Lost, Operation
from opensearch.synonyms import synonyms
from tests.conftest import Demo, app_of
from tests.faults.test_sync import Erp, one, record, source
from tests.faults.test_sync import held as posologies
from tests.sources.standin import serving

Documents = dict[str, Any]


def documents(client: OpenSearch, index: str) -> Documents:
    """Every document of an index whole, with its version."""
    client.indices.refresh(index=index)
    found = client.search(index=index, body={"size": 1000, "version": True})["hits"]["hits"]
    return {hit["_id"]: (hit["_version"], hit["_source"]) for hit in found}


def state(client: OpenSearch, indices: Indices) -> list[tuple[str, list[str], bool]]:
    """The generations that there are, each with its aliases and whether it is blocked."""
    return [(one.name, sorted(one.aliases), one.blocked) for one in generations(client, indices)]


@pytest.fixture
def reindexing(client: OpenSearch, indices: Indices, readers: Readers) -> Reindexing:
    """Of the test's installation, with a short patience for what is dead."""
    return Reindexing(client, indices, synonyms(), readers, lease=2.0)


@pytest.fixture
def synced(tmp_path: Path, stores: Stores, readers: Readers) -> Erp:
    """An ERP of five leaflets, one of them withdrawn, synced."""
    erp = Erp(*(record(f"{n:03}") for n in range(5)))
    one(tmp_path, erp, stores, readers)
    erp.records[4] |= {"gone": True, "modified": "2026-11-03T00:00:00Z"}
    one(tmp_path, erp, stores, readers)
    return erp


def test_the_same_program_makes_the_same_documents(demo: Demo, client: OpenSearch, readers: Readers) -> None:
    """From texts, sections in fields, PDFs, with facts and without: byte for byte, with their `_version`s."""
    before = documents(client, demo.indices.alias)
    Reindexing(client, demo.indices, synonyms(), readers).reindex()
    assert documents(client, demo.indices.alias) == before
    assert len(before) > 50


@pytest.mark.engines
def test_a_tombstone_is_carried_over_with_its_version(reindexing: Reindexing, synced: Erp, client: OpenSearch, indices: Indices) -> None:
    """A late older version does not come back because the index was made anew."""
    assert len(synced.records) == 5
    before = documents(client, indices.alias)
    assert before["erp:004:patient"][1]["withdrawn"]
    promotion = reindexing.reindex()
    assert promotion.leaflets == 4
    assert documents(client, indices.alias) == before
    assert state(client, indices) == [
        (indices.generation(1), [indices.kept], True),
        (indices.generation(2), [indices.alias], False),
    ]
    assert held.read(client, indices.operations, DOCUMENT).token is None


@pytest.mark.engines
def test_an_index_of_mapping_2_is_made_anew_from_its_originals(
    reindexing: Reindexing, synced: Erp, client: OpenSearch, indices: Indices, opensearch_url: str, redis_url: str
) -> None:
    """It has no field for the ERP's version: that was its `_version`. Before, every command says what to run; searches go on."""
    assert synced
    expected = {doc_id: (told["version"], told) for doc_id, (_, told) in documents(client, indices.alias).items()}
    old = current(client, indices)
    assert old
    as_mapping_2(client, indices, old)
    with pytest.raises(OldIndex, match=r"mapping 2 .* mapping 3; searches go on .* Run `indexer reindex`"):
        prepare(client, indices, synonyms())
    desk = app_of(opensearch_url, redis_url, indices).test_client()
    assert desk.get("/v1/search", query_string={"q": "agua"}).get_json()["total"] == 4
    assert desk.get("/v1/leaflets/erp:000:patient").status_code == 200
    reindexing.reindex()
    assert documents(client, indices.alias) == expected
    assert prepare(client, indices, synonyms()) == indices.generation(2)
    with pytest.raises(NotPromoted, match=r"was made for mapping 2 .* run `indexer rollback` of the program that wrote it"):
        reindexing.rollback()


def as_mapping_2(client: OpenSearch, indices: Indices, generation: str) -> None:
    """Makes a generation one of mapping 2, as its program wrote it."""
    held_now = documents(client, generation)
    body: dict[str, Any] = mapping.body(synonyms())
    del body["mappings"]["properties"]["version"]
    body["mappings"]["_meta"]["version"] = 2
    client.indices.delete(index=generation)
    client.indices.create(index=generation, body={**body, "aliases": {indices.alias: {"is_write_index": True}}})
    for doc_id, (_, told) in held_now.items():
        params = {"version": told.pop("version"), "version_type": "external"}
        client.index(index=generation, id=doc_id, body=told, params=params)
    client.indices.refresh(index=generation)


@pytest.mark.engines
def test_what_is_written_while_it_copies_is_in_the_new_generation(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers, synced: Erp
) -> None:
    """An edit, a withdrawal and a new leaflet after the copy has passed them."""
    erp = synced
    begun: list[str] = []

    def meanwhile(step: str) -> None:
        if step.startswith("asking") and not begun:
            begun.append(step)
            erp.records[0] = record("000", more="Mudou.", modified="2026-11-06T00:00:00Z")
            erp.records[1] |= {"gone": True, "modified": "2026-11-06T00:00:00Z"}
            erp.records.append(record("777", modified="2026-11-06T00:00:00Z"))
            assert one(tmp_path, erp, stores, readers).outcome == "done"

    Reindexing(client, indices, synonyms(), readers, meanwhile).reindex()
    assert begun
    assert current(client, indices) == indices.generation(2)
    now = posologies(client, indices)
    assert set(now) == {"erp:000:patient", "erp:002:patient", "erp:003:patient", "erp:777:patient"}
    assert "Mudou." in now["erp:000:patient"]


def test_a_leaflet_that_can_no_longer_be_read_is_no_reason_to_lose_it(
    reindexing: Reindexing, synced: Erp, client: OpenSearch, indices: Indices, stores: Stores
) -> None:
    """Refused with its id and why; where its record's newest edit is known as rejected, it is left out and told."""
    assert synced
    doc = client.get(index=indices.alias, id="erp:002:patient")
    told = original(doc["_source"], doc["_version"])
    broken = documents_of(told.change, "\ufffd" * 50 + " texto")
    body = doc["_source"] | {"original": broken}
    client.index(index=indices.alias, id="erp:002:patient", body=body, params={"version": doc["_version"], "version_type": "external_gte"})
    before = state(client, indices)
    with pytest.raises(NotPromoted, match=r"1 leaflets .* erp:002:patient: .*alphabet.*--from-sources"):
        reindexing.reindex()
    assert state(client, indices) == before
    assert held.read(client, indices.operations, "promotion").body["state"]["outcome"] == "refused"  # type: ignore[index]  # our own state
    reason = Rejected("erp", "002", told.change.version, "broken", "", told.change.updated_at)
    stores.rejected.keep([reason])
    promotion = reindexing.reindex()
    assert promotion.left_out == ("erp:002:patient",)
    assert set(posologies(client, indices)) == {"erp:000:patient", "erp:001:patient", "erp:003:patient"}


def documents_of(change: Change, text: str) -> str:
    """An original as a document keeps it, with another text."""
    return packed({"text": text, "facts": {name: getattr(change.facts, name) for name in change.facts.__slots__}})


def test_a_generation_that_does_not_find_its_leaflets_is_refused(
    client: OpenSearch, indices: Indices, readers: Readers, synced: Erp
) -> None:
    """Here its documents lose a section, and a leaflet goes, after they were copied: by whatever fault of ours."""
    assert synced
    harmed: list[str] = []

    def harm(step: str) -> None:
        if step.startswith("asking") and not harmed:
            harmed.append(step)
            new = indices.generation(2)
            client.delete(index=new, id="erp:001:patient", params={"refresh": "true"})
            body = {"query": {"ids": {"values": ["erp:002:patient"]}}, "script": {"source": "ctx._source.sections.clear()"}}
            client.update_by_query(index=new, body=body, params={"refresh": "true"})

    before = documents(client, indices.alias)
    with pytest.raises(NotPromoted, match=r"not as good as the one that stands"):
        Reindexing(client, indices, synonyms(), readers, harm).reindex()
    assert harmed
    assert state(client, indices) == [(indices.generation(1), [indices.alias], False)]
    assert documents(client, indices.alias) == before


@pytest.mark.engines
def test_a_rollback_keeps_what_changed_since_and_a_second_one_goes_forth(
    tmp_path: Path, reindexing: Reindexing, synced: Erp, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """Only the generation changes, never what the desk finds."""
    with pytest.raises(NotPromoted, match="no generation is kept"):
        reindexing.rollback()
    reindexing.reindex()
    synced.records[0] = record("000", more="Depois.", modified="2026-11-07T00:00:00Z")
    synced.records[3] |= {"gone": True, "modified": "2026-11-07T00:00:00Z"}
    one(tmp_path, synced, stores, readers)
    before = documents(client, indices.alias)
    assert reindexing.rollback().generation == indices.generation(1)
    assert documents(client, indices.alias) == before
    synced.records[1] = record("001", more="Ainda depois.", modified="2026-11-08T00:00:00Z")
    one(tmp_path, synced, stores, readers)
    assert reindexing.rollback().generation == indices.generation(2)
    assert "Ainda depois." in posologies(client, indices)["erp:001:patient"]
    assert reindexing.reindex().kept == indices.generation(2)
    assert [name for name, _, _ in state(client, indices)] == [indices.generation(2), indices.generation(3)]


@pytest.mark.engines
def test_from_sources_every_leaflet_is_pulled_again_and_nothing_is_lost(
    tmp_path: Path, reindexing: Reindexing, synced: Erp, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """What an ERP gives now is there; what it no longer gives is carried over, for the next sync to decide; a tombstone stays one."""
    cursor = stores.cursors.read("erp")
    gone = synced.records.pop(1)
    synced.records[0] = record("000", more="Direto da fonte.", modified="2026-11-09T00:00:00Z")
    synced.records[-1] = record("004", modified="2026-11-01T00:00:00Z")
    with serving(synced) as server:
        reindexing.reindex([source(tmp_path, "erp", server)])
    now = posologies(client, indices)
    assert set(now) == {f"erp:00{n}:patient" for n in range(4)}
    assert "Direto da fonte." in now["erp:000:patient"]
    assert stores.cursors.read("erp") == cursor
    synced.records.append(gone)
    outcome = one(tmp_path, synced, stores, readers)
    assert (outcome.outcome, outcome.counts.written) == ("done", 0)


def test_from_sources_a_record_that_cannot_be_read_is_listed_and_what_it_told_before_stays(
    tmp_path: Path, reindexing: Reindexing, synced: Erp, client: OpenSearch, indices: Indices, stores: Stores
) -> None:
    """As in a sync; and a new leaflet, and one withdrawn and edited since, are there."""
    synced.records[0] = record("000", more="A dose \ufffd.", modified="2026-11-09T00:00:00Z")
    synced.records[4] = record("004", more="De volta.", modified="2026-11-09T00:00:00Z")
    synced.records.append(record("777", modified="1970-01-01T00:00:00Z"))
    before = posologies(client, indices)
    with serving(synced) as server:
        promotion = reindexing.reindex([source(tmp_path, "erp", server)])
    assert promotion.leaflets == 6
    now = posologies(client, indices)
    assert now["erp:000:patient"] == before["erp:000:patient"]
    assert "De volta." in now["erp:004:patient"]
    # Without a date, and yet not of `_version` 0, which no query deletes.
    assert client.get(index=indices.alias, id="erp:777:patient")["_version"] == 1
    (kept,) = stores.rejected.all()
    assert (kept.id, "U+FFFD" in kept.reason) == ("erp:000", True)


def test_a_leaflet_keeps_its_id_whatever_audience_this_program_reads(
    tmp_path: Path, reindexing: Reindexing, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """The ERP named none and an older program took it for another.

    From originals it stays, for the next pull to move; from sources it moves, with a tombstone in its place.
    """
    erp = Erp(record("001") | {"kind": None})
    one(tmp_path, erp, stores, readers)
    client.indices.refresh(index=indices.alias)
    ((doc_id, (version, told)),) = documents(client, indices.alias).items()
    other = "professional" if doc_id.endswith("patient") else "patient"
    older = f"erp:001:{other}"
    client.delete(index=indices.alias, id=doc_id)
    client.index(index=indices.alias, id=older, body=told | {"audience": other}, params={"version": version, "version_type": "external"})
    reindexing.reindex()
    assert set(posologies(client, indices)) == {older}
    with serving(erp) as server:
        reindexing.reindex([source(tmp_path, "erp", server)])
    assert set(posologies(client, indices)) == {doc_id}
    assert documents(client, indices.alias)[older][1]["withdrawn"]


def test_a_source_that_fails_leaves_the_index_as_it_is(
    tmp_path: Path, reindexing: Reindexing, synced: Erp, client: OpenSearch, indices: Indices
) -> None:
    """Half a source is no generation."""
    before = state(client, indices)
    with serving(synced) as server:
        broken: Source = source(tmp_path, "erp", server)
    with pytest.raises(NotPromoted, match="a source could not be pulled whole"):
        reindexing.reindex([broken])
    assert state(client, indices) == before


@contextmanager
def killed(client: OpenSearch, indices: Indices, kind: str, holder: str = "dead") -> Iterator[None]:
    """An operation that was killed: its document stands there and nobody moves it."""
    held.move(client, indices.operations, DOCUMENT, {"state": {"kind": kind, "step": "copying", "holder": holder}}, None)
    yield


def test_a_killed_reindex_is_cleared_by_whoever_prepares_the_index(
    tmp_path: Path, reindexing: Reindexing, synced: Erp, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """Killed while writes were blocked: the half-made generation goes, the block is lifted, and a sync writes again."""
    reindexing.reindex()
    before = state(client, indices)
    add(client, indices, synonyms(), "dead")
    block(client, indices.generation(2))
    with killed(client, indices, "reindex"):
        assert prepare(client, indices, synonyms(), lease=1.0) == indices.generation(2)
    assert state(client, indices) == before
    assert held.read(client, indices.operations, DOCUMENT).token is None
    synced.records[0] = record("000", more="Escrita.", modified="2026-11-07T00:00:00Z")
    assert one(tmp_path, synced, stores, readers).counts.written == 1


def test_a_living_reindex_is_disturbed_by_nobody(client: OpenSearch, indices: Indices, reindexing: Reindexing, synced: Erp) -> None:
    """A sync that prepares the index goes on beside it; a second reindex is refused with words."""
    assert synced
    seen: list[str] = []

    def meanwhile(step: str) -> None:
        if step.startswith("asking") and not seen:
            seen.append(step)
            prepare(client, indices, synonyms(), lease=2.0)
            assert len(generations(client, indices)) == 2
            with pytest.raises(Busy, match=r"another operation goes on with the index \(reindex: proving"):
                reindexing.reindex()

    replace(reindexing, told=meanwhile).reindex()
    assert seen
    assert current(client, indices) == indices.generation(2)


def test_a_reindex_that_was_taken_for_dead_and_wakes_up_changes_nothing(
    client: OpenSearch, indices: Indices, reindexing: Reindexing, synced: Erp, readers: Readers
) -> None:
    """It notices; and if it does not, what it writes and promotes is refused: its generation's name may be another's by now."""
    assert synced
    cleared: list[str] = []
    before = set(client.indices.get(index=f"{indices.alias}-*"))

    def stalled(step: str) -> None:
        if step.startswith("catching") and not cleared:
            cleared.append(step)
            take_over(client, indices)

    with pytest.raises(Lost):
        replace(reindexing, told=stalled).reindex()
    assert set(client.indices.get(index=f"{indices.alias}-*")) == before
    other = add(client, indices, synonyms(), "other")
    with Copy(client, indices.generation(1), indices.made_by("dead"), readers) as copy, pytest.raises(Lost):
        copy.catch_up(lambda _: None)
    with pytest.raises(NotFoundError):
        promote(client, indices, other, instead_of=indices.generation(1), written_as=indices.made_by("dead"))
    assert set(client.indices.get(index=f"{indices.alias}-*")) == before | {other}
    assert documents(client, other) == {}
    assert current(client, indices) == indices.generation(1)


def take_over(client: OpenSearch, indices: Indices) -> None:
    """Clears a living operation's work away, as if it had been dead."""
    while True:
        found = held.read(client, indices.operations, DOCUMENT)
        try:
            token = held.move(client, indices.operations, DOCUMENT, {"state": {}}, found.token)
        except held.Moved:
            continue
        clear(client, indices, None)
        held.drop(client, indices.operations, DOCUMENT, token)
        return


def test_an_operation_that_ends_badly_leaves_nothing(client: OpenSearch, indices: Indices, reindexing: Reindexing, synced: Erp) -> None:
    """Ctrl-C at each step: only the one generation is there, and it can be written."""
    assert synced
    steps: list[str] = []
    replace(reindexing, told=steps.append).reindex()
    before = state(client, indices)
    for fatal in dict.fromkeys(step.split(" ")[0] for step in steps):

        def stop(step: str, fatal: str = fatal) -> None:
            if step.startswith(fatal):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            replace(reindexing, told=stop).reindex()
        assert state(client, indices) == before
    with pytest.raises(KeyboardInterrupt):
        replace(reindexing, told=stop).rollback()
    assert state(client, indices) == before
    with Operation(client, indices.operations, "reindex", lambda _: None, 2.0):
        pass


def test_no_search_fails_or_finds_nothing_while_generations_come_and_go(  # noqa: C901  # four kinds of traffic, each a loop
    tmp_path: Path, client: OpenSearch, opensearch_url: str, redis_url: str, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """Through the desk and through the alias, while a sync writes; and every edit of it is in the last generation."""
    erp = Erp(*(record(f"{n:03}", more="Para febre.") for n in range(16)))
    one(tmp_path, erp, stores, readers)
    app = app_of(opensearch_url, redis_url, indices)
    ended = threading.Event()
    bad: list[str] = []
    asked = {"desk": 0, "alias": 0, "edits": 0}

    def over_the_desk(number: int) -> None:
        desk = app.test_client()
        while not ended.is_set():
            # Another page size each time: an answer from the cache would not ask the index.
            asked["desk"] += 1
            told = desk.get("/v1/search", query_string={"q": "febre", "size": 1 + (asked["desk"] * 2 + number) % 50})
            if told.status_code != 200 or told.get_json()["total"] < 16 or not told.get_json()["results"]:
                bad.append(f"desk: {told.status_code} {told.get_data(as_text=True)[:300]}")

    def over_the_alias() -> None:
        while not ended.is_set():
            asked["alias"] += 1
            body = {"query": {"match": {"sections.posology": "febre"}}, "size": 5}
            found = client.search(index=indices.alias, body=body)["hits"]
            if found["total"]["value"] < 16 or len(found["hits"]) < 5:
                bad.append(f"alias: {found['total']}")

    def edits() -> None:
        while not ended.is_set():
            asked["edits"] += 1
            number = asked["edits"]
            erp.records[number % 16] = record(f"{number % 16:03}", more=f"Para febre. Edição {number}.", modified=at(number))
            outcome = one(tmp_path, erp, stores, readers)
            # On a busy machine the block may outlast a write's patience: it waits for the next sync.
            if outcome.outcome not in {"done", "waiting"} or outcome.counts.rejected:
                bad.append(f"sync: {outcome}")

    threads = [threading.Thread(target=each) for each in (lambda: over_the_desk(0), lambda: over_the_desk(1), over_the_alias, edits)]
    for thread in threads:
        thread.start()
    try:
        for change in repeated(Reindexing(client, indices, synonyms(), readers)):
            change()
            time.sleep(0.5)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    print(asked)
    assert bad == []
    assert min(asked.values()) > 3
    assert one(tmp_path, erp, stores, readers).outcome == "done"
    now = posologies(client, indices)
    expected = {f"erp:{r['code']}:patient": r["text"].rpartition("Tome com água.")[2].strip() for r in erp.records}
    assert {doc_id: text.rpartition("Tome com água.")[2].strip() for doc_id, text in now.items()} == expected


def repeated(reindexing: Reindexing) -> list[Callable[[], object]]:
    """Every way in which the alias moves, with the deletion of an old generation."""
    return [reindexing.reindex, reindexing.rollback, reindexing.rollback, reindexing.reindex, reindexing.reindex]


def at(number: int) -> str:
    """A moment for each edit, later than those before."""
    return f"2026-11-10T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"


def test_documents_are_equal_but_for_when_they_were_indexed(client: OpenSearch, indices: Indices, synced: Erp, readers: Readers) -> None:
    """`document` of an original read again is what the sync wrote."""
    assert synced
    found = client.get(index=indices.alias, id="erp:000:patient")
    told = original(found["_source"], found["_version"])
    read = readers.reread("erp", told.change, told.text)
    assert not isinstance(read, str)
    made = document(read, indexed_at=read.updated_at)
    assert {**made, "indexed_at": found["_source"]["indexed_at"]} == found["_source"]
