"""Leaflets that could not be indexed: each kept with its reason and what the ERP sent, until a later reading of it succeeds."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from leaflets import Change, Content, Section, Unreadable
from opensearch.documents import facts
from opensearch.generations import Indices

# A leaflet's PDF is 0.1-3 MB; what is larger than this can only be pulled again.
LARGEST_ORIGINAL = 10_000_000


@dataclass(frozen=True, slots=True)
class Rejected:
    """One record that could not be indexed. `original` is the change as JSON, or the raw record where no change could be made of it."""

    source: str
    source_id: str
    version: int
    reason: str
    original: str
    rejected_at: datetime

    @property
    def id(self) -> str:
        """Its id in `indexer rejected`."""
        return f"{self.source}:{self.source_id}"


def of_unreadable(source: str, record: Unreadable) -> Rejected:
    """A record that its source could not read."""
    return Rejected(source, record.source_id, record.version, record.reason, record.original[:LARGEST_ORIGINAL], datetime.now(UTC))


def of_change(source: str, change: Change, reason: str) -> Rejected:
    """A change that could not be read or was refused by OpenSearch."""
    original = _written(change)
    kept = original if len(original) <= LARGEST_ORIGINAL else ""
    return Rejected(source, change.source_id, change.version, reason, kept, datetime.now(UTC))


def change_of(rejected: Rejected) -> Change | None:
    """The change to try again; None where only the ERP can send it again."""
    try:
        told = json.loads(rejected.original)["change"]
    except (ValueError, KeyError, TypeError):
        return None
    return Change(
        source_id=told["source_id"],
        updated_at=datetime.fromisoformat(told["updated_at"]),
        version=told["version"],
        facts=facts(told["facts"]),
        contents=tuple(
            Content(base64.b64decode(c["body"]), c["media_type"], c["charset"], Section(c["section"]) if c["section"] else None)
            for c in told["contents"]
        ),
    )


def _written(change: Change) -> str:
    told = asdict(change)
    told["updated_at"] = change.updated_at.isoformat()
    for content, written in zip(change.contents, told["contents"], strict=True):
        written["body"] = base64.b64encode(content.body).decode()
    return json.dumps({"change": told}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class RejectedLeaflets:
    """The rejected leaflets of one installation."""

    client: OpenSearch
    indices: Indices

    def reasons(self, source: str) -> dict[str, str]:
        """From the source_id of each rejected leaflet of a source to `version reason`, to know what is already kept."""
        body = {"size": 10_000, "query": {"term": {"source": source}}, "_source": ["source_id", "version", "reason"]}
        found = self.client.search(index=self.indices.rejected, body=body)["hits"]["hits"]
        return {hit["_source"]["source_id"]: f"{hit['_source']['version']} {hit['_source']['reason']}" for hit in found}

    def all(self, size: int = 10_000) -> tuple[Rejected, ...]:
        """Every rejected leaflet without its original, newest first."""
        body = {"size": size, "sort": [{"rejected_at": "desc"}], "_source": {"excludes": ["original"]}}
        try:
            found = self.client.search(index=self.indices.rejected, body=body)["hits"]["hits"]
        except NotFoundError:
            return ()
        return tuple(_rejected(hit["_source"]) for hit in found)

    def one(self, rejected_id: str) -> Rejected | None:
        """One rejected leaflet with its original."""
        try:
            return _rejected(self.client.get(index=self.indices.rejected, id=rejected_id)["_source"])
        except NotFoundError:
            return None

    def keep(self, rejected: Iterable[Rejected]) -> None:
        """Keeps each; a later rejection of the same record replaces the earlier."""
        for one in rejected:
            body = {
                "source": one.source,
                "source_id": one.source_id,
                "version": one.version,
                "reason": one.reason,
                "rejected_at": one.rejected_at.isoformat(),
                "original": one.original,
            }
            self.client.index(index=self.indices.rejected, id=one.id, body=body, params={"refresh": "true"})

    def forget(self, source: str, source_ids: Iterable[str]) -> None:
        """Drops those whose record was read well since."""
        for source_id in source_ids:
            with suppress(NotFoundError):
                self.client.delete(index=self.indices.rejected, id=f"{source}:{source_id}", params={"refresh": "true"})


def _rejected(stored: dict[str, object]) -> Rejected:
    return Rejected(
        source=str(stored["source"]),
        source_id=str(stored["source_id"]),
        version=int(str(stored["version"])),
        reason=str(stored["reason"]),
        original=str(stored.get("original", "")),
        rejected_at=datetime.fromisoformat(str(stored["rejected_at"])),
    )
