"""One pull's view of time: where it reads from, how new each record is, and where the next pull may start."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from indexer.sources.base import Page, SourceRefused
from leaflets import Change, Unreadable, Withdrawal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


class Window:
    """The records of one pull: from the cursor less `lag` to whatever the ERP has by the end.

    Two rules keep an ERP's clock from hiding edits:

    - A record dated after the pull began counts as edited when the pull began. A typing error of the year 2099 so bars neither the
      later edits of that leaflet nor, through the cursor, those of all others.
    - The next pull starts at the newest record less the time this pull took, because a record that had already been read may have been
      edited meanwhile, by a clock that is not ours. It never starts before this one did.
    """

    def __init__(self, since: str | None, lag: timedelta) -> None:
        self._began = datetime.now(UTC)
        self._started = time.monotonic()
        self._since = None if since is None else _moment(since)
        self._lag = lag
        self._newest: int | None = None

    @property
    def start(self) -> datetime | None:
        """From when on records are asked for; None: all of them."""
        return None if self._since is None else max(self._since - self._lag, _EPOCH)

    @property
    def began(self) -> datetime:
        """When this pull began, by our clock."""
        return self._began

    def edited(self, at: datetime) -> datetime:
        """The time that counts as that of an edit which the ERP dates `at`."""
        return min(max(at.astimezone(UTC), _EPOCH), self._began)

    def pages(self, readings: Iterable[Iterable[Change | Withdrawal | Unreadable]]) -> Iterator[Page]:
        """What was read, a page each, and one more with the cursor: before the end, older records may still come."""
        for reading in readings:
            changes = tuple(reading)
            # A record that could not be dated has version 0 and says nothing of the time.
            dated = [change.version for change in changes if change.version]
            self._newest = max([*dated, self._newest or 0]) or None
            yield Page(changes)
        yield Page((), self._cursor())

    def _cursor(self) -> str | None:
        if self._newest is None:
            return None if self._since is None else _iso(self._since)
        took = timedelta(seconds=time.monotonic() - self._started)
        reached = max(_EPOCH + self._newest * _TICK - took, _EPOCH)
        return _iso(reached if self._since is None else max(reached, self._since))


def version(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _TICK


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _moment(cursor: str) -> datetime:
    try:
        return datetime.fromisoformat(cursor).astimezone(UTC)
    except ValueError:
        told = cursor[:40]
        msg = f"the stored cursor {told!r} is no time, so it is another kind of source's: read this one anew with `indexer sync --full`"
        raise SourceRefused(msg) from None
