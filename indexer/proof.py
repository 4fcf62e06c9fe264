"""What must hold before a generation is promoted: it has every leaflet of the one before, and finds them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from opensearchpy import OpenSearch

from leaflets import Section
from leaflets.names import key
from leaflets.wording import words
from opensearch.documents import unpacked

# Leaflets that are asked for by their names and words: each once in a small installation; a sample of a large one takes half a second.
CANARIES = 300
# Words that callers ask for all day. What the old generation finds by them the new one must find, unless the leaflet itself changed.
ASKED = """febre dor gravidez amamentação criança idoso alergia rim fígado coração álcool dirigir diabetes pressão comprimido injeção
gotas dose esquecer validade geladeira contraindicação interação superdose""".split()
_TEXTS = [f"sections.{section}" for section in Section]
_LISTED = 5000
_AT_ONCE = 100
# Of what an id is made. To read the id itself, OpenSearch unpacks the whole leaflet: 40 times as long.
_ID = ["source", "source_id", "audience"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One document of a generation, as far as a comparison goes."""

    version: int
    source: str
    withdrawn: bool


def listing(client: OpenSearch, generation: str) -> dict[str, Listed]:
    """Every document of a generation by its id."""
    client.indices.refresh(index=generation)
    listed: dict[str, Listed] = {}
    after = -1
    while True:
        body = {"size": _LISTED, "query": {"range": {"_seq_no": {"gt": after}}}, "sort": [{"_seq_no": "asc"}], "version": True}
        body |= {"stored_fields": "_none_", "docvalue_fields": [*_ID, "withdrawn"]}
        found = client.search(index=generation, body=body)["hits"]["hits"]
        if not found:
            return listed
        for hit in found:
            listed[_id(hit)] = Listed(hit["_version"], hit["fields"]["source"][0], hit["fields"]["withdrawn"][0])
        after = found[-1]["sort"][0]


def _id(hit: Any) -> str:  # as OpenSearch gives it
    return ":".join(hit["fields"][name][0] for name in _ID)


def behind(old: Mapping[str, Listed], new: Mapping[str, Listed], but: Iterable[str]) -> tuple[str, ...]:
    """The ids that the new generation lacks, or holds as they once were; without those in `but`."""
    known = frozenset(but)
    return tuple(
        doc_id
        for doc_id, one in old.items()
        if doc_id not in known and (doc_id not in new or new[doc_id].version < one.version or _unlike(new[doc_id], one))
    )


def _unlike(new: Listed, old: Listed) -> bool:
    return new.version == old.version and new.withdrawn != old.withdrawn


def counted(old: Mapping[str, Listed], new: Mapping[str, Listed], explained: Iterable[str]) -> tuple[str, ...]:
    """What differs, in words, between the leaflets that stand in both: by source the counts, and the ids."""
    known = frozenset(explained)
    mine = {doc_id: one.source for doc_id, one in old.items() if not one.withdrawn and doc_id not in known}
    theirs = {doc_id: one.source for doc_id, one in new.items() if not one.withdrawn and doc_id not in known}
    before, after = Counter(mine.values()), Counter(theirs.values())
    told = []
    for source in sorted({*before, *after}):
        missing = sorted(doc_id for doc_id in mine if mine[doc_id] == source and doc_id not in theirs)
        strange = sorted(doc_id for doc_id in theirs if theirs[doc_id] == source and doc_id not in mine)
        if missing or strange:
            which = [f"missing {some(missing)}"] if missing else []
            which += [f"not there before {some(strange)}"] if strange else []
            told.append(f"{source} had {before[source]} leaflets and would have {after[source]}: {'; '.join(which)}")
    return tuple(told)


def some(ids: Sequence[str]) -> str:
    """The first few of some ids, and how many more there are."""
    shown = ", ".join(ids[:5])
    return f"{shown} and {len(ids) - 5} more" if len(ids) > 5 else shown


@dataclass(frozen=True, slots=True, eq=False)
class _Canary:
    """One question that must find one leaflet."""

    id: str
    what: str
    ways: tuple[Mapping[str, object], ...]
    """One of these must find it."""


def unanswered(client: OpenSearch, old: str, new: str, *, same_mapping: bool) -> tuple[str, ...]:
    """The questions that the new generation does not answer as it must, in words without any leaflet's text."""
    sample = _sample(client, old, new)
    asked = [canary for one in sample for canary in _canaries(one)]
    told = [f"{canary.id} is not found by {canary.what}" for canary in _silent(client, new, asked)]
    return tuple(told) + (_fixed(client, old, new) if same_mapping else ())


def _sample(client: OpenSearch, old: str, new: str) -> list[Any]:
    """The documents of the old generation that the canaries are drawn from: always the same, and those that both hold in one version."""
    mine, theirs = listing(client, old), listing(client, new)
    ids = [i for i, one in mine.items() if not one.withdrawn and i in theirs and theirs[i] == one]
    chosen = sorted(ids, key=lambda doc_id: hashlib.sha256(doc_id.encode()).digest())[:CANARIES]
    if not chosen:
        return []
    found = client.mget(index=old, body={"ids": chosen}, _source_includes=["name", "original", "sections"])["docs"]
    return [doc for doc in found if doc["found"] and doc["_version"] == mine[doc["_id"]].version]


def _canaries(doc: Any) -> list[_Canary]:  # Any: a document as OpenSearch gives it
    told = doc["_source"]
    asked = []
    # A name that was read from the text may be read better by a newer program; one that the ERP gave stays.
    if unpacked(told["original"])["facts"]["name"]:
        named = {
            "bool": {"must": [{"term": {"name_key": key(told["name"])}}, {"match": {"name": {"query": told["name"], "operator": "and"}}}]}
        }
        asked.append(_Canary(doc["_id"], "its name", (named,)))
    texts = (text for _, text in sorted(told["sections"].items()))
    snippets = islice((found for text in texts if len(found := _snippet(text)) >= 3), 3)
    ways = tuple({"multi_match": {"query": " ".join(s), "type": "cross_fields", "fields": _TEXTS, "operator": "and"}} for s in snippets)
    return [*asked, _Canary(doc["_id"], "the words of its sections", ways)] if ways else asked


def _snippet(text: str) -> list[str]:
    """A few words of a text, none so short that it may be a stop word."""
    return [text[word.start : word.end] for word in words(text[:500]) if word.end - word.start > 4 and word.told.isalpha()][:5]


def _silent(client: OpenSearch, generation: str, asked: list[_Canary]) -> list[_Canary]:
    """Those that find their leaflet in no way."""
    silent, way = asked, 0
    while way < max((len(canary.ways) for canary in silent), default=0):
        found: set[_Canary] = set()
        untried = [canary for canary in silent if way < len(canary.ways)]
        for at in range(0, len(untried), _AT_ONCE):
            part = untried[at : at + _AT_ONCE]
            lines: list[Mapping[str, object]] = []
            for canary in part:
                query = {"bool": {"filter": [{"ids": {"values": [canary.id]}}, canary.ways[way]]}}
                lines += [{"index": generation}, {"size": 0, "query": query}]
            answers = client.msearch(body=lines)["responses"]
            found |= {one for one, told in zip(part, answers, strict=True) if told.get("hits", {}).get("total", {}).get("value")}
        silent = [canary for canary in silent if canary not in found]
        way += 1
    return silent


def _fixed(client: OpenSearch, old: str, new: str) -> tuple[str, ...]:
    """Of the leaflets that are the same in both, those that only one of them finds by a word that callers ask for."""
    complaints = []
    for word in ASKED:
        mine, theirs = _by_word(client, old, word), _by_word(client, new, word)
        differing = sorted(mine ^ theirs)
        if differing and (same := _same(client, old, new, differing)):
            complaints.append(f"{some(same)} {'are' if len(same) > 1 else 'is'} not found alike by {word!r}")
    return tuple(complaints)


def _by_word(client: OpenSearch, generation: str, word: str) -> frozenset[str]:
    """The ids that hold a word. By the leaflets' own analyser: synonyms may have been edited since."""
    query = {"multi_match": {"query": word, "fields": _TEXTS, "analyzer": "text"}}
    body = {"size": 10_000, "query": {"bool": {"filter": [query, {"term": {"withdrawn": False}}]}}}
    body |= {"stored_fields": "_none_", "docvalue_fields": _ID}
    return frozenset(_id(hit) for hit in client.search(index=generation, body=body)["hits"]["hits"])


def _same(client: OpenSearch, old: str, new: str, ids: list[str]) -> list[str]:
    """Those of some ids whose content is one in both generations."""
    hashes = []
    for generation in (old, new):
        docs = client.mget(index=generation, body={"ids": ids}, _source_includes=["content_hash"])["docs"]
        hashes.append({doc["_id"]: doc["_source"]["content_hash"] for doc in docs if doc["found"]})
    return [doc_id for doc_id in ids if doc_id in hashes[0] and hashes[0][doc_id] == hashes[1].get(doc_id)]
