"""Where each source's next pull starts, who pulls it, and how its last pull went: one document a source, moved by compare-and-set.

Whoever read a cursor before someone else moved it cannot move it (see opensearch/held.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from indexer.sources.base import SourceError
from opensearch import held
from opensearch.generations import Indices
from opensearch.held import Held, Moved, Token

BreakerState = Literal["closed", "open", "half_open"]


class CursorMoved(SourceError):
    """Another indexer moved this source's cursor meanwhile; what it wrote stands, and this pull stops."""

    def __init__(self, source: str) -> None:
        super().__init__(f"{source}: another indexer moved this source's cursor meanwhile; its work stands, this pull stopped")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A source's place, as its last pull left it. Times are by the clock of the indexer that wrote them.

    `synced_at` is when the last complete pull began: all that the ERP held then is in the index. `scanned_at` is the same for the last
    pull that listed every leaflet of the source; `listed` is how many it listed, `usual_listed` and `usual_seconds` what such listings
    have and take on average, the newest weighing a fifth. `totals` counts pulls and leaflets by outcome since the cursor was made
    ("pulls.done", "leaflets.written"). `withheld` is how many withdrawals a guard holds back. `holder` is the indexer that pulls now;
    empty: nobody.
    """

    source: str
    value: str | None = None
    attempted_at: datetime | None = None
    synced_at: datetime | None = None
    scanned_at: datetime | None = None
    outcome: str = "never"
    error: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    listed: int = 0
    usual_listed: float = 0.0
    usual_seconds: float = 0.0
    withheld: int = 0
    holder: str = ""
    breaker: BreakerState = "closed"
    failures: int = 0
    retry_at: datetime | None = None
    cool_down: float = 0.0
    run: str = ""
    token: Token | None = None


_TIMES = ("attempted_at", "synced_at", "scanned_at", "retry_at")
_PLAIN = (
    "outcome",
    "error",
    "seconds",
    "listed",
    "usual_listed",
    "usual_seconds",
    "withheld",
    "holder",
    "breaker",
    "failures",
    "cool_down",
    "run",
)
_COUNTS = ("counts", "totals")


@dataclass(frozen=True, slots=True)
class Cursors:
    """The cursors of one installation."""

    client: OpenSearch
    indices: Indices

    def read(self, source: str) -> Cursor:
        """A source's cursor; one that never moved when there is none."""
        return _cursor(source, held.read(self.client, self.indices.cursors, source))

    def all(self) -> tuple[Cursor, ...]:
        """Every source's cursor, by name."""
        try:
            self.client.indices.refresh(index=self.indices.cursors)
            found = self.client.search(index=self.indices.cursors, body={"size": 1000, "seq_no_primary_term": True})
        except NotFoundError:
            return ()
        hits = sorted(found["hits"]["hits"], key=lambda hit: str(hit["_id"]))
        return tuple(_cursor(hit["_id"], Held(hit["_source"], Token(hit["_seq_no"], hit["_primary_term"]))) for hit in hits)

    def move(self, cursor: Cursor) -> Cursor:
        """Stores a cursor where its token was read and gives it with its new token; raises CursorMoved where it has changed since."""
        body: dict[str, object] = {"cursor": cursor.value}
        body |= {name: _time(getattr(cursor, name)) for name in _TIMES}
        body |= {name: getattr(cursor, name) for name in _PLAIN}
        body |= {name: dict(getattr(cursor, name)) for name in _COUNTS}
        try:
            token = held.move(self.client, self.indices.cursors, cursor.source, body, cursor.token)
        except Moved as error:
            raise CursorMoved(cursor.source) from error
        return replace(cursor, token=token)


def _cursor(source: str, found: Held) -> Cursor:
    stored = found.body
    # What an older program stored has fewer fields.
    told: dict[str, object] = {name: _moment(stored[name]) for name in _TIMES if name in stored}
    told |= {name: stored[name] for name in (*_PLAIN, *_COUNTS) if stored.get(name) is not None}
    return Cursor(source, value=stored.get("cursor"), token=found.token, **told)  # type: ignore[arg-type]  # our own strict mapping holds these


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
