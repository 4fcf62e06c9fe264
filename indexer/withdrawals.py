"""Withdrawal by absence: what a source no longer names is taken out of the index, but only where its silence can be believed.

complete listing -> what stands and was not named -> a second listing -> what neither named -> guard -> tombstones
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch

from indexer.sources.base import Page
from indexer.write import Batch
from leaflets import Audience, Change, Unreadable, Withdrawal, leaflet_id
from opensearch.generations import Indices

_AT_ONCE = 5000
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """A leaflet of the index that is not withdrawn. `version` is that of its ERP."""

    source: str
    source_id: str
    audience: Audience
    version: int

    @property
    def id(self) -> str:
        """The leaflet's id."""
        return leaflet_id(self.source, self.source_id, self.audience)


@dataclass(slots=True)
class Listing:
    """What the pages of a pull named, and whether that was all. A record whose ERP names no audience stands for its leaflets of all.

    `versions` has the greatest version that they gave of each source_id.
    """

    complete: bool = False
    given: set[str] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)
    _products: set[str] = field(default_factory=set)
    _leaflets: set[str] = field(default_factory=set)

    def note(self, page: Page) -> None:
        """Adds the next page; the last one says whether it was complete."""
        self.complete = page.complete
        self._products |= set(page.unchanged)
        self.given |= set(page.unchanged)
        for change in page.changes:
            self.given.add(change.source_id)
            self.versions[change.source_id] = max(change.version, self.versions.get(change.source_id, 0))
            match change:
                case Change(facts=facts) if facts.audience is not None:
                    self._leaflets.add(f"{change.source_id}:{facts.audience}")
                case Change() | Unreadable(present=True):
                    self._products.add(change.source_id)

    def __len__(self) -> int:
        return len(self._products) + len(self._leaflets)

    def missing(self, standing: Iterable[Standing]) -> tuple[Standing, ...]:
        """Those that were not named."""
        return tuple(
            one for one in standing if one.source_id not in self._products and f"{one.source_id}:{one.audience}" not in self._leaflets
        )


def standing(client: OpenSearch, indices: Indices, source: str) -> tuple[Standing, ...]:
    """The leaflets of a source that stand in the index now."""
    client.indices.refresh(index=indices.alias)
    body: dict[str, object] = {
        "size": _AT_ONCE,
        "query": {"bool": {"filter": [{"term": {"source": source}}, {"term": {"withdrawn": False}}]}},
        "sort": ["source_id", "audience"],
        "_source": ["version"],
    }
    found: list[Standing] = []
    while hits := client.search(index=indices.alias, body=body)["hits"]["hits"]:
        for hit in hits:
            source_id, audience = hit["sort"]
            found.append(Standing(source, source_id, Audience(audience), hit["_source"]["version"]))
        body["search_after"] = hits[-1]["sort"]
    return tuple(found)


def believable(gone: int, stood: int, max_missing: float) -> bool:
    """Whether so many of a source's leaflets may vanish at once; a single one always may."""
    return gone <= max(1, max_missing * stood)


def withheld(source: str, gone: tuple[Standing, ...], stood: int, max_missing: float) -> str:
    """What a person is told of withdrawals that were not believed."""
    shown = ", ".join(one.id for one in gone[:_SHOWN]) + (", ..." if len(gone) > _SHOWN else "")
    return (
        f"{len(gone)} of {stood} leaflets are no longer in the ERP ({shown}), more than max_missing = {max_missing:g} allows: none was "
        f"withdrawn. If they were removed there on purpose: `indexer sync --full --source {source} --confirm-withdrawals`"
    )


def withdrawal(source: str, gone: Iterable[Standing]) -> Batch:
    """The batch that withdraws them, with the version of what it withdraws: an older one stays dead, the same one put back lives."""
    return Batch(source, withdrawals=tuple(Withdrawal(one.source_id, one.version, one.audience) for one in gone))


def purge(client: OpenSearch, indices: Indices, source: str, kept: timedelta) -> int:
    """Deletes a source's tombstones that stood so long, and gives their number.

    What a late write could then bring back: nothing that was decided before. Who saw the tombstone writes with its `_version` plus one,
    which is the one that this deletion gets, and OpenSearch remembers deletions for `index.gc_deletes` (60 s): 409. Later than that only
    an indexer could that was stalled between looking and writing during the purge, and the leaflet that it would bring back was, when it
    read it, in the ERP again; the next complete listing decides about it. A tombstone that a leaflet replaces meanwhile is left alone.
    """
    old = (datetime.now(UTC) - kept).isoformat()
    filters = [{"term": {"source": source}}, {"term": {"withdrawn": True}}, {"range": {"indexed_at": {"lt": old}}}]
    body = {"query": {"bool": {"filter": filters}}}
    return int(client.delete_by_query(index=indices.alias, body=body, params={"conflicts": "proceed"})["deleted"])
