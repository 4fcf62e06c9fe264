"""Where each source's next pull starts, and how its last one went: one document a source, moved by compare-and-set.

Whoever read a cursor before someone else moved it cannot move it: the document's `_seq_no` and `_primary_term` are the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError, NotFoundError

from indexer.sources.base import SourceError
from opensearch.generations import Indices


class CursorMoved(SourceError):
    """Another indexer moved this source's cursor meanwhile; what it wrote stands, and this pull stops."""


@dataclass(frozen=True, slots=True)
class Token:
    """The state of the cursor document that a move must find unchanged."""

    seq_no: int
    primary_term: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """A source's place. `synced_at` is when the last complete pull began: all that the ERP held then is in the index."""

    source: str
    value: str | None = None
    attempted_at: datetime | None = None
    synced_at: datetime | None = None
    outcome: str = "never"
    error: str = ""
    counts: Mapping[str, int] | None = None
    seconds: float = 0.0
    token: Token | None = None


@dataclass(frozen=True, slots=True)
class Cursors:
    """The cursors of one installation."""

    client: OpenSearch
    indices: Indices

    def read(self, source: str) -> Cursor:
        """A source's cursor; one that never moved when there is none."""
        try:
            found = self.client.get(index=self.indices.cursors, id=source)
        except NotFoundError:
            return Cursor(source)
        return _cursor(found)

    def all(self) -> tuple[Cursor, ...]:
        """Every source's cursor, by name."""
        try:
            self.client.indices.refresh(index=self.indices.cursors)
            found = self.client.search(index=self.indices.cursors, body={"size": 1000, "seq_no_primary_term": True})
        except NotFoundError:
            return ()
        return tuple(sorted((_cursor(hit) for hit in found["hits"]["hits"]), key=lambda cursor: cursor.source))

    def move(self, cursor: Cursor) -> Cursor:
        """Stores a cursor where its token was read and gives it with its new token; raises CursorMoved where it has changed since."""
        body = {
            "cursor": cursor.value,
            "attempted_at": _time(cursor.attempted_at),
            "synced_at": _time(cursor.synced_at),
            "outcome": cursor.outcome,
            "error": cursor.error,
            "counts": dict(cursor.counts or {}),
            "seconds": cursor.seconds,
        }
        held = {"if_seq_no": cursor.token.seq_no, "if_primary_term": cursor.token.primary_term} if cursor.token else {"op_type": "create"}
        try:
            done = self.client.index(index=self.indices.cursors, id=cursor.source, body=body, params=held)
        except ConflictError as error:
            message = f"{cursor.source}: another indexer moved this source's cursor meanwhile; its work stands, this pull stopped"
            raise CursorMoved(message) from error
        return replace(cursor, token=Token(done["_seq_no"], done["_primary_term"]))


def _cursor(found: dict[str, dict[str, object]]) -> Cursor:
    stored = found["_source"]
    return Cursor(
        source=str(found["_id"]),
        value=stored["cursor"],  # type: ignore[arg-type]  # our own strict mapping holds these
        attempted_at=_moment(stored["attempted_at"]),
        synced_at=_moment(stored["synced_at"]),
        outcome=str(stored["outcome"]),
        error=str(stored["error"]),
        counts=stored["counts"],  # type: ignore[arg-type]
        seconds=float(str(stored["seconds"])),
        token=Token(int(str(found["_seq_no"])), int(str(found["_primary_term"]))),
    )


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
