"""The versions of a leaflet that were superseded: what it told before its ERP edited or withdrew it, for "what changed".

    keep(ids) before they are written over  ->  one document a version, `id@_version`  ->  of(id)

Bounded: at most MOST versions of a leaflet, none longer than HISTORY_KEPT.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from opensearchpy import OpenSearch

from leaflets import Facts, Passage, Section
from opensearch.documents import facts, packed, unpacked
from opensearch.generations import Indices

# A leaflet changes two or three times a year.
MOST = 10
# A version that is fetched is as long as its leaflet: so many at a time stay below 20 MB.
_AT_ONCE = 50
_TOLD = ["name", "active_ingredients", "laboratory", "registration", "eans", "audience", "sections", "titles", "updated_at"]


@dataclass(frozen=True, slots=True)
class Version:
    """What a leaflet told at one time. `number` is its document's `_version`; `superseded_at` is None for the one that stands."""

    number: int
    updated_at: str
    superseded_at: str | None
    facts: Facts
    passages: Mapping[Section, Passage]


class NotKept(Exception):
    """OpenSearch did not take superseded versions; what supersedes them must not be written yet. Try the batch again."""


@dataclass(frozen=True, slots=True)
class History:
    """The superseded versions of one installation's leaflets. `deadline` in seconds bounds each reading of them."""

    client: OpenSearch
    indices: Indices
    deadline: float = 30.0

    def keep(self, ids: Iterable[str]) -> None:
        """Keeps these leaflets as they stand now, before they are written over or withdrawn; raises NotKept.

        What is kept already, and what does not stand, is passed over: it may be called again.
        """
        wanted = tuple(ids)
        for at in range(0, len(wanted), _AT_ONCE):
            found = self.client.mget(
                index=self.indices.alias, body={"ids": wanted[at : at + _AT_ONCE]}, _source_includes=[*_TOLD, "withdrawn"]
            )
            standing = [doc for doc in found["docs"] if doc.get("found") and not doc["_source"]["withdrawn"]]
            if standing:
                self._stored(standing)

    def of(self, leaflet_id: str) -> tuple[Version, ...]:
        """A leaflet's superseded versions, newest first; none where none is kept."""
        body = {"size": MOST * 2, "query": {"term": {"leaflet": leaflet_id}}, "sort": [{"version": "desc"}]}
        found = self.client.search(index=self.indices.history, body=body, params=self._reading)["hits"]["hits"]
        return tuple(
            version(unpacked(hit["_source"]["told"]), hit["_source"]["version"], hit["_source"]["superseded_at"]) for hit in found[:MOST]
        )

    def changed(self, leaflet_id: str) -> bool:
        """Whether any version of a leaflet was superseded."""
        query = {"query": {"term": {"leaflet": leaflet_id}}}
        return bool(self.client.count(index=self.indices.history, body=query, params=self._reading)["count"])

    @property
    def _reading(self) -> dict[str, object]:
        """An index that no sync has made yet holds nothing."""
        return {"ignore_unavailable": "true", "request_timeout": self.deadline}

    def purge(self, kept: timedelta) -> int:
        """Deletes what was superseded longer ago than `kept`, and of each leaflet all but the newest MOST; says how many went."""
        self.client.indices.refresh(index=self.indices.history)
        until = (datetime.now(UTC) - kept).isoformat()
        old = {"query": {"range": {"superseded_at": {"lt": until}}}}
        params = {"conflicts": "proceed", "refresh": "true"}
        gone = int(self.client.delete_by_query(index=self.indices.history, body=old, params=params)["deleted"])
        for leaflet in self._with_too_many():
            body = {"from": MOST, "size": 1000, "query": {"term": {"leaflet": leaflet}}, "sort": [{"version": "desc"}], "_source": False}
            for hit in self.client.search(index=self.indices.history, body=body)["hits"]["hits"]:
                self.client.delete(index=self.indices.history, id=hit["_id"], ignore=HTTPStatus.NOT_FOUND)
                gone += 1
        return gone

    def _with_too_many(self) -> Iterator[str]:
        body = {"size": 0, "aggs": {"leaflets": {"terms": {"field": "leaflet", "min_doc_count": MOST + 1, "size": 10_000}}}}
        for bucket in self.client.search(index=self.indices.history, body=body)["aggregations"]["leaflets"]["buckets"]:
            yield bucket["key"]

    def _stored(self, docs: list[Any]) -> None:  # documents as OpenSearch gives them
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        lines: list[bytes] = []
        for doc in docs:
            # Created, not indexed: the moment at which it was first superseded stays.
            head = {"create": {"_id": f"{doc['_id']}@{doc['_version']}"}}
            told = packed({name: doc["_source"][name] for name in _TOLD})
            body = {"leaflet": doc["_id"], "version": doc["_version"], "superseded_at": now, "told": told}
            lines += [json.dumps(line).encode() + b"\n" for line in (head, body)]
        answer = self.client.bulk(body=b"".join(lines), index=self.indices.history, params={"filter_path": "items.*.status"})
        refused = {item["create"]["status"] for item in answer["items"]} - {HTTPStatus.CREATED, HTTPStatus.CONFLICT}
        if refused:
            raise NotKept(f"superseded versions were not kept: OpenSearch said {sorted(refused)}")


def version(told: Mapping[str, Any], number: int, superseded_at: str | None = None) -> Version:  # a document as OpenSearch gives it
    """What a document tells."""
    titles = told["titles"]
    return Version(
        number=number,
        updated_at=told["updated_at"],
        superseded_at=superseded_at,
        facts=facts(told),
        passages={Section(name): Passage(Section(name), titles.get(name, ""), text) for name, text in told["sections"].items()},
    )
